//! Plain texts as HTML: escaped, line by line, addresses made into links that show where they lead.

use std::fmt::Write;

/// Deepest quotation that is shown as such.
const MAX_QUOTES: usize = 12;

/// A text whose lines are lines.
pub(super) fn fixed(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4 + 64);
    out.push_str("<div class=\"mail-text\">");
    for (i, line) in lines(text).enumerate() {
        if i > 0 {
            out.push_str("<br>\n");
        }
        put_line(&mut out, line);
    }
    out.push_str("</div>");
    out
}

/// format=flowed (RFC 3676 §4): lines that end in a space go on in the next one of the same quotation.
pub(super) fn flowed(text: &str, delsp: bool) -> String {
    let mut out = String::from("<div class=\"mail-text\">");
    let (mut depth, mut paragraph, mut open) = (0usize, String::new(), false);
    for line in lines(text) {
        let quoted = line.bytes().take_while(|b| *b == b'>').count();
        let content = &line[quoted..];
        // §4.4: space-stuffing.
        let content = content.strip_prefix(' ').unwrap_or(content);
        let quotes = quoted.min(MAX_QUOTES);
        // §4.3: the signature's line is never flowed, and ends what was.
        let signature = content == "-- ";
        if open && (quotes != depth || signature) {
            put_paragraph(&mut out, &mut paragraph);
        }
        while depth < quotes {
            out.push_str("<blockquote>");
            depth += 1;
        }
        while depth > quotes {
            out.push_str("</blockquote>");
            depth -= 1;
        }
        let flows = content.ends_with(' ') && !signature;
        paragraph.push_str(if flows && delsp { &content[..content.len() - 1] } else { content });
        open = flows;
        if !flows {
            put_paragraph(&mut out, &mut paragraph);
        }
    }
    if open {
        put_paragraph(&mut out, &mut paragraph);
    }
    out.push_str(&"</blockquote>".repeat(depth));
    out.push_str("</div>");
    out
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line))
}

fn put_paragraph(out: &mut String, paragraph: &mut String) {
    put_line(out, paragraph);
    out.push_str("<br>\n");
    paragraph.clear();
}

/// Escapes a line and links its web addresses.
fn put_line(out: &mut String, line: &str) {
    let mut rest = line;
    while let Some(at) = next_address(rest) {
        escape(out, &rest[..at], true);
        let (address, after) = rest[at..].split_at(address_len(&rest[at..]));
        out.push_str("<a href=\"");
        escape(out, address, false);
        out.push_str("\" rel=\"noopener noreferrer nofollow\" target=\"_blank\">");
        escape(out, address, false);
        out.push_str("</a>");
        rest = after;
    }
    escape(out, rest, true);
}

/// Where the next `http://` or `https://` begins that is followed by something.
fn next_address(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    memchr::memmem::find_iter(bytes, b"://").find_map(|colon| {
        let start = ["https", "http"].iter().find_map(|scheme| {
            let start = colon.checked_sub(scheme.len())?;
            bytes[start..colon].eq_ignore_ascii_case(scheme.as_bytes()).then_some(start)
        })?;
        let glued = start > 0 && bytes[start - 1].is_ascii_alphanumeric();
        (!glued && address_len(&text[start..]) > colon + 3 - start).then_some(start)
    })
}

/// Length of the address at the beginning: to the next blank, bracket or quote, without the punctuation of
/// the sentence around it, and without characters that could make the visible text lie about its target.
fn address_len(text: &str) -> usize {
    let stops = |c: char| {
        c.is_whitespace() || c.is_control() || "<>\"`{}|\\^".contains(c) || crate::header::turns_text(c)
    };
    let raw = &text[..text.find(stops).unwrap_or(text.len())];
    let mut kept = raw.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', '*', '»', '…']);
    // A bracket belongs to the address when it was opened within it.
    while let Some(without) = kept.strip_suffix([')', ']']) {
        let (open, close) = if kept.ends_with(')') { ('(', ')') } else { ('[', ']') };
        if kept.matches(open).count() >= kept.matches(close).count() {
            break;
        }
        kept = without.trim_end_matches(['.', ',', ';', ':', '!', '?']);
    }
    kept.len()
}

/// HTML escapes; runs of blanks keep their width where `spaces` asks for it.
fn escape(out: &mut String, text: &str, spaces: bool) {
    let mut blank = spaces;
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' if spaces => out.push_str("&nbsp;&nbsp;&nbsp; "),
            ' ' if spaces && blank => out.push_str("&nbsp;"),
            c if crate::header::turns_text(c) => {
                // Shown for what it is, so that it turns nothing around.
                let _ = write!(out, "[U+{:04X}]", u32::from(c));
            }
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
        blank = spaces && (c == ' ' || c == '\t');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(html: &str) -> &str {
        html.strip_prefix("<div class=\"mail-text\">").unwrap().strip_suffix("</div>").unwrap()
    }

    #[test]
    fn escapes_and_keeps_lines() {
        assert_eq!(
            body(&fixed("a <b> & 'c'\r\n  d\te\n")),
            "a &lt;b&gt; &amp; &#39;c&#39;<br>\n&nbsp;&nbsp;d&nbsp;&nbsp;&nbsp; e"
        );
        assert_eq!(body(&fixed("x\u{202e}y\u{7}")), "x[U+202E]y\u{fffd}");
    }

    #[test]
    fn links_show_their_target() {
        let link = |a: &str| {
            format!("<a href=\"{a}\" rel=\"noopener noreferrer nofollow\" target=\"_blank\">{a}</a>")
        };
        for (text, html) in [
            ("see https://a.example/x.", format!("see {}.", link("https://a.example/x"))),
            ("(http://a.example/w_(x))", format!("({})", link("http://a.example/w_(x)"))),
            ("<https://a.example/?a=1&b=2>", format!("&lt;{}&gt;", link("https://a.example/?a=1&amp;b=2"))),
            ("HTTPS://A.example", link("HTTPS://A.example")),
            ("xhttps://a.example", "xhttps://a.example".to_owned()),
            ("https:// nothing", "https:// nothing".to_owned()),
            ("javascript://a", "javascript://a".to_owned()),
            ("https://a\"onclick=x", format!("{}&quot;onclick=x", link("https://a"))),
        ] {
            assert_eq!(body(&fixed(text)), html, "{text}");
        }
    }

    #[test]
    fn flowed_lines_join_within_their_quotation() {
        let text = "one \r\ntwo\r\n> quoted \r\n> on\r\n>> deep\r\n stuffed\r\n-- \r\nname\r\n";
        assert_eq!(
            body(&flowed(text, false)),
            "one two<br>\n<blockquote>quoted on<br>\n<blockquote>deep<br>\n</blockquote></blockquote>stuffed<br>\n-- <br>\nname<br>\n"
        );
        assert_eq!(body(&flowed("ab \ncd\n", true)), "abcd<br>\n");
    }
}
