//! The text of an author's HTML, for the plain alternative of a message that had none.

/// Sanitised HTML without its markup: paragraphs and line breaks kept, addresses of links left out.
pub fn to_text(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        push_words(&mut out, &rest[..open]);
        let Some(close) = rest[open..].find('>') else { break };
        let tag = &rest[open + 1..open + close];
        rest = &rest[open + close + 1..];
        let name: String =
            tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        match name.to_ascii_lowercase().as_str() {
            "br" => out.push('\n'),
            "li" if !tag.starts_with('/') => {
                end_line(&mut out);
                out.push_str("- ");
            }
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "blockquote" | "pre" | "ul" | "ol" | "table" => {
                end_line(&mut out);
                if !out.is_empty() && !out.ends_with("\n\n") {
                    out.push('\n');
                }
            }
            "div" | "tr" | "li" | "hr" => end_line(&mut out),
            "td" | "th" if !tag.starts_with('/') && !out.ends_with(['\n', ' ']) && !out.is_empty() => {
                out.push(' ')
            }
            "style" | "script" | "title" if !tag.starts_with('/') => {
                let end = format!("</{}", name.to_ascii_lowercase());
                let at = rest.to_ascii_lowercase().find(&end).unwrap_or(rest.len());
                rest = &rest[at..];
            }
            _ => {}
        }
    }
    if !rest.contains('<') {
        push_words(&mut out, rest);
    }
    out.trim().to_owned()
}

fn end_line(out: &mut String) {
    while out.ends_with(' ') {
        out.pop();
    }
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
}

/// Text between tags: white space is one blank, references are resolved.
fn push_words(out: &mut String, text: &str) {
    let text = resolve(text);
    for (n, word) in text.split([' ', '\n', '\r', '\t']).enumerate() {
        if n > 0 && !out.is_empty() && !out.ends_with(['\n', ' ']) {
            out.push(' ');
        }
        out.push_str(word);
    }
}

/// The references that sanitised HTML uses, and numeric ones.
fn resolve(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.char_indices().take(12).find(|(_, c)| *c == ';').map(|(i, _)| i);
        let found = end.and_then(|end| character(&rest[1..end]).map(|c| (c, end)));
        match found {
            Some((c, end)) => {
                out.push(c);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn character(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|c| !c.is_control() || *c == '\n')?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::to_text;

    #[test]
    fn words_without_markup() {
        for (html, text) in [
            (
                "<p>Bonjour,</p><p>Voici  le\ncompte&nbsp;rendu.</p>",
                "Bonjour,\n\nVoici le compte\u{a0}rendu.",
            ),
            ("a<br>b<div>c</div>d", "a\nb\nc\nd"),
            ("<ul><li>un</li><li>deux</li></ul>", "- un\n- deux"),
            ("1 &lt; 2 &amp;amp; &#233; &#x20AC; &bad; &", "1 < 2 &amp; é € &bad; &"),
            ("<style>p{}</style><a href=\"https://x.example\">ici</a>", "ici"),
            ("<b>a</b> <i>b</i>", "a b"),
            ("a <", "a"),
            ("", ""),
        ] {
            assert_eq!(to_text(html), text, "{html}");
        }
    }
}
