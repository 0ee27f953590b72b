//! Light formatting: a few marks that read well as plain text too, turned into HTML.
//!
//! **Job.** `**bold**`, `*italic*`, lists (`- ` and `1. `), quotations (`> `) and addresses of pages. The text is kept
//! as it was typed for the plain alternative; [`rich`] makes the other one, where a mark was used at all.
//!
//! **Exposure.** An author's text. Everything is escaped but our own elements; a link shows the very address it leads
//! to, so that no word can hide where it goes. What has no closing mark stays as typed. Nesting is bounded.
//!
//! **Standards.** The marks are those of CommonMark 0.31 §2.4, §5.1 to 5.3 and §6.2, without its other constructs.

use super::html::escape;

/// Marks within marks are read so deep.
const DEPTH: usize = 4;

/// What a line begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Blank,
    Text,
    Bullet,
    Number,
    Quote,
}

impl Kind {
    fn element(self) -> (&'static str, &'static str) {
        match self {
            Self::Bullet => ("<ul>", "</ul>"),
            Self::Number => ("<ol>", "</ol>"),
            Self::Quote => ("<blockquote>", "</blockquote>"),
            Self::Text | Self::Blank => ("<p>", "</p>"),
        }
    }
}

/// The text as HTML; `None` where no mark is used, and plain text says all.
pub fn rich(text: &str) -> Option<String> {
    let (mut out, mut marked, mut open) = (String::with_capacity(text.len() * 2), false, Kind::Blank);
    for line in text.lines() {
        let (kind, content) = read(line);
        let item = matches!(kind, Kind::Bullet | Kind::Number);
        if kind == open && !item && kind != Kind::Blank {
            out.push_str("<br>\n");
        } else if kind != open {
            if open != Kind::Blank {
                out.push_str(open.element().1);
                out.push('\n');
            }
            if kind != Kind::Blank {
                out.push_str(kind.element().0);
            }
        }
        if item {
            out.push_str("<li>");
        }
        marked |= inline(content, DEPTH, &mut out) | !matches!(kind, Kind::Blank | Kind::Text);
        if item {
            out.push_str("</li>");
        }
        open = kind;
    }
    if open != Kind::Blank {
        out.push_str(open.element().1);
    }
    marked.then_some(out)
}

/// The kind of a line and what stands behind its mark.
fn read(line: &str) -> (Kind, &str) {
    let line = line.trim_end();
    let start = line.trim_start();
    if start.is_empty() {
        return (Kind::Blank, "");
    }
    for (mark, kind) in [("- ", Kind::Bullet), ("* ", Kind::Bullet), ("> ", Kind::Quote)] {
        if let Some(rest) = start.strip_prefix(mark) {
            return (kind, rest.trim_start());
        }
    }
    let digits = start.bytes().take_while(u8::is_ascii_digit).count();
    match start[digits..].strip_prefix(". ") {
        Some(rest) if (1..=3).contains(&digits) => (Kind::Number, rest.trim_start()),
        _ => (Kind::Text, line),
    }
}

/// Writes a line's content; whether a mark was used.
fn inline(text: &str, depth: usize, out: &mut String) -> bool {
    let (mut at, mut marked, mut before) = (0, false, ' ');
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        if let Some((mark, element, inner)) = emphasis(rest, before).filter(|_| depth > 0) {
            out.push_str(&format!("<{element}>"));
            inline(inner, depth - 1, out);
            out.push_str(&format!("</{element}>"));
            (at, marked, before) = (at + inner.len() + 2 * mark.len(), true, '*');
            continue;
        }
        if let Some(url) = address(rest).filter(|_| !before.is_alphanumeric()) {
            let shown = escape(url);
            out.push_str(&format!("<a href=\"{shown}\">{shown}</a>"));
            (at, before) = (at + url.len(), '/');
            continue;
        }
        out.push_str(&escape(&rest[..c.len_utf8()]));
        (at, before) = (at + c.len_utf8(), c);
    }
    marked
}

/// The mark, element and content of emphasis that begins here, behind `before`.
fn emphasis(rest: &str, before: char) -> Option<(&'static str, &'static str, &str)> {
    let (mark, element) = if rest.starts_with("**") { ("**", "strong") } else { ("*", "em") };
    let inner = rest.strip_prefix(mark)?;
    if before.is_alphanumeric() || inner.starts_with(|c: char| c.is_whitespace() || c == '*') {
        return None;
    }
    let mut from = 0;
    while let Some(end) = inner[from..].find(mark).map(|n| from + n) {
        let (content, after) = (&inner[..end], &inner[end + mark.len()..]);
        // One star is no end of its own where two stand.
        let double = mark == "*" && (after.starts_with('*') || content.ends_with('*'));
        let tight = !content.is_empty() && !content.ends_with(char::is_whitespace);
        if tight && !double && !after.starts_with(char::is_alphanumeric) {
            return Some((mark, element, content));
        }
        from = end + mark.len() + usize::from(mark == "*" && after.starts_with('*'));
    }
    None
}

/// The address of a page that begins here.
fn address(rest: &str) -> Option<&str> {
    let scheme = ["https://", "http://"].into_iter().find(|s| rest.starts_with(s))?;
    let end = rest.find(|c: char| c.is_whitespace() || c.is_control() || "<>\"*".contains(c));
    let url =
        rest[..end.unwrap_or(rest.len())].trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '»', '’']);
    (url.len() > scheme.len()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::present::{Body, BodyKind, BodySource, render};
    use proptest::prelude::*;

    #[test]
    fn marks() {
        for (typed, html) in [
            ("Bonjour **Bob**,", "<p>Bonjour <strong>Bob</strong>,</p>"),
            ("*a* et **b *c* d**", "<p><em>a</em> et <strong>b <em>c</em> d</strong></p>"),
            ("- un\n- deux\n\nfin", "<ul><li>un</li><li>deux</li></ul>\n<p>fin</p>"),
            ("1. un\n2. deux", "<ol><li>un</li><li>deux</li></ol>"),
            ("> cité\n> encore\nnon", "<blockquote>cité<br>\nencore</blockquote>\n<p>non</p>"),
            (
                "*voir* https://a.example/x?y=1&z=2.",
                "<p><em>voir</em> <a href=\"https://a.example/x?y=1&amp;z=2\">https://a.example/x?y=1&amp;z=2</a>.</p>",
            ),
            ("**<b onclick=\"x\">**", "<p><strong>&lt;b onclick=&quot;x&quot;&gt;</strong></p>"),
        ] {
            assert_eq!(rich(typed).as_deref(), Some(html), "{typed}");
        }
    }

    #[test]
    fn what_is_no_mark_stays_text() {
        for typed in [
            "",
            "Bonjour.\n\nÀ jeudi.",
            "2 * 3 * 4",
            "a*b*c",
            "** rien **",
            "5* et 4*",
            "**ouvert",
            "-1 °C",
            "2026. 12",
        ] {
            assert_eq!(rich(typed), None, "{typed}");
        }
    }

    /// What a reader of the HTML sees.
    fn words(html: &str) -> String {
        let mut out = String::new();
        let mut inside = false;
        for c in html.chars() {
            match c {
                '<' => inside = true,
                '>' => inside = false,
                c if !inside && !c.is_whitespace() => out.push(c),
                _ => {}
            }
        }
        out.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
    }

    proptest! {
        /// No text makes an element of its own, none is lost but marks, and what recipients see of it is the same.
        #[test]
        fn any_text_is_safe(text in "([-*> \n<&\"a-z0-9.:/é]|https://|\\*\\*|<script>|1\\. ){0,60}") {
            let Some(html) = rich(&text) else { return Ok(()) };
            let body = Body {
                node: 0, source: BodySource::Skeleton, kind: BodyKind::Html, charset: Some("utf-8".into()),
            };
            let shown = render(&body, html.as_bytes(), false, &|_| None);
            prop_assert!(!shown.remote_removed);
            prop_assert_eq!(words(&shown.html), words(&html));
            let kept: String = words(&html).chars().filter(|c| c.is_alphabetic() || "<&\"".contains(*c)).collect();
            let typed: String = text.chars().filter(|c| c.is_alphabetic() || "<&\"".contains(*c)).collect();
            prop_assert_eq!(kept, typed);
        }
    }
}
