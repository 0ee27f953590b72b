//! Authors' HTML, reduced to what a page of ours may show.

use crate::walk::normal_id;
use ammonia::{Builder, UrlRelative};
use memchr::memmem;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Styles that only dress the text. None takes an address, none moves a box over another.
const STYLES: [&str; 30] = [
    "background-color",
    "border",
    "border-bottom",
    "border-collapse",
    "border-color",
    "border-left",
    "border-right",
    "border-spacing",
    "border-style",
    "border-top",
    "border-width",
    "color",
    "font-family",
    "font-size",
    "font-style",
    "font-variant",
    "font-weight",
    "line-height",
    "list-style-type",
    "max-width",
    "padding",
    "padding-bottom",
    "padding-left",
    "padding-right",
    "padding-top",
    "text-align",
    "text-decoration",
    "vertical-align",
    "white-space",
    "width",
];

/// Where a link may lead.
const LINKS: [&str; 4] = ["http", "https", "mailto", "tel"];

/// Elements deeper than this are not parsed as markup: the time a parser needs can grow with the square.
const MAX_DEPTH: usize = 400;

/// Clean markup, and whether something from elsewhere was left out.
pub(super) fn sanitise(html: &str, cid: &dyn Fn(&str) -> Option<String>) -> (String, bool) {
    if nests_deeper_than(html, MAX_DEPTH) {
        // No person wrote this. Its source is shown: nothing is hidden, nothing is executed.
        return (super::text::fixed(html), false);
    }
    let pictures: HashMap<String, String> =
        cids(html).into_iter().filter_map(|id| cid(&id).map(|address| (id, address))).collect();
    let remote = Arc::new(AtomicBool::new(refers_outside(html)));
    let seen = Arc::clone(&remote);
    let mut builder = Builder::default();
    builder
        .add_tags(["font", "tfoot"])
        .add_clean_content_tags([
            "title", "noscript", "template", "textarea", "select", "object", "svg", "math",
        ])
        .add_generic_attributes(["dir", "style", "align", "valign", "bgcolor"])
        .add_tag_attributes("font", ["color", "face", "size"])
        .add_tag_attributes("table", ["border", "cellpadding", "cellspacing", "width"])
        .add_tag_attributes("td", ["width", "height"])
        .add_tag_attributes("th", ["width", "height"])
        .rm_tag_attributes("blockquote", ["cite"])
        .rm_tag_attributes("q", ["cite"])
        .rm_tag_attributes("ins", ["cite"])
        .rm_tag_attributes("del", ["cite"])
        .url_schemes(HashSet::from(["http", "https", "mailto", "tel", "cid"]))
        // The page's own addresses of pictures are relative; the filter below drops all others.
        .url_relative(UrlRelative::PassThrough)
        .link_rel(Some("noopener noreferrer nofollow"))
        .set_tag_attribute_value("a", "target", "_blank")
        .filter_style_properties(HashSet::from(STYLES))
        .attribute_filter(move |element, attribute, value| {
            filter(element, attribute, value, &pictures, &seen)
        });
    let clean = builder.clean(html).to_string();
    (clean, remote.load(Ordering::Relaxed))
}

/// Pictures are the page's own or none; links leave by the web, mail or telephone only.
fn filter<'v>(
    element: &str,
    attribute: &str,
    value: &'v str,
    pictures: &HashMap<String, String>,
    remote: &AtomicBool,
) -> Option<Cow<'v, str>> {
    let scheme = value.split(':').next().unwrap_or("").trim().to_ascii_lowercase();
    match (element, attribute) {
        ("img", "src") if scheme == "cid" => {
            let id = normal_id(value.trim().get(4..)?);
            pictures.get(&id).map(|address| Cow::Owned(address.clone()))
        }
        ("img", "src") => {
            remote.store(true, Ordering::Relaxed);
            None
        }
        (_, "href") => LINKS.contains(&scheme.as_str()).then_some(Cow::Borrowed(value)),
        (_, "style") if value.contains("url(") || value.contains('\\') => None,
        _ => Some(Cow::Borrowed(value)),
    }
}

/// Content-IDs that the markup mentions.
fn cids(html: &str) -> HashSet<String> {
    let (mut scan, mut found) = (crate::walk::CidScan::default(), HashSet::new());
    scan.push(html.as_bytes(), &mut found);
    scan.finish(&mut found);
    found
}

/// Backgrounds, style sheets and the like, which the sanitiser drops without telling.
fn refers_outside(html: &str) -> bool {
    let html = html.to_ascii_lowercase();
    let squeezed = html.replace(['"', '\'', ' '], "");
    ["url(http", "url(//", "background=http", "srcset=", "<linkrel=stylesheet", "@importhttp", "poster=http"]
        .iter()
        .any(|sign| squeezed.contains(sign))
}

/// An upper estimate of the nesting: opening tags minus closing ones.
fn nests_deeper_than(html: &str, max: usize) -> bool {
    let bytes = html.as_bytes();
    let mut depth = 0usize;
    for at in memchr::memchr_iter(b'<', bytes) {
        let rest = &bytes[at + 1..];
        match rest.first() {
            Some(b'/') => depth = depth.saturating_sub(1),
            Some(b) if b.is_ascii_alphabetic() && !is_void(rest) => depth += 1,
            _ => {}
        }
        if depth > max {
            return true;
        }
    }
    false
}

/// Elements that never nest, or that writers leave open as a matter of course.
fn is_void(tag: &[u8]) -> bool {
    let len = tag.iter().position(|b| !b.is_ascii_alphanumeric()).unwrap_or(tag.len());
    let name = tag[..len.min(10)].to_ascii_lowercase();
    matches!(
        name.as_slice(),
        b"br"
            | b"img"
            | b"hr"
            | b"meta"
            | b"link"
            | b"input"
            | b"col"
            | b"area"
            | b"base"
            | b"wbr"
            | b"p"
            | b"li"
            | b"td"
            | b"tr"
            | b"th"
            | b"dd"
            | b"dt"
            | b"option"
            | b"param"
            | b"source"
    )
}

/// Charset of a `<meta>` in the first kilobyte, for bodies whose header has none.
pub(super) fn declared_charset(html: &[u8]) -> Option<String> {
    let head = html[..html.len().min(1024)].to_ascii_lowercase();
    let at = memmem::find(&head, b"charset=")? + 8;
    let rest = head[at..].trim_ascii_start();
    let rest = rest.strip_prefix(b"\"").or(rest.strip_prefix(b"'")).unwrap_or(rest);
    let len =
        rest.iter().position(|b| !(b.is_ascii_alphanumeric() || b"-_:.".contains(b))).unwrap_or(rest.len());
    let label = String::from_utf8(rest[..len].to_vec()).ok()?;
    // A meta that can be read as ASCII does not stand in UTF-16.
    (!label.is_empty() && !label.starts_with("utf-16")).then_some(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(html: &str) -> (String, bool) {
        sanitise(html, &|id| (id == "logo@x").then(|| "/m/t/files/2/view".to_owned()))
    }

    #[test]
    fn nothing_dangerous_survives() {
        for html in [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "<a href='javascript:alert(1)'>x</a>",
            "<a href=' java\nscript:alert(1)'>x</a>",
            "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
            "<iframe src=https://e.example></iframe>",
            "<form action=https://e.example><input name=p><button>x</button></form>",
            "<svg><script>alert(1)</script></svg>",
            "<math><mi xlink:href='javascript:alert(1)'>x</mi></math>",
            "<style>*{background:url(https://e.example)}</style>",
            "<div style='background:url(https://e.example/x)'>x</div>",
            "<div style='position:fixed;top:0'>x</div>",
            "<meta http-equiv=refresh content='0;url=https://e.example'>",
            "<base href=https://e.example>",
            "<link rel=stylesheet href=https://e.example/x.css>",
            "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
            "<img src='/logout'>",
            "<a href='/logout' title=e>x</a><a href='//e.example'>x</a>",
            "<object data=https://e.example></object><embed src=https://e.example>",
            "<video src=https://e.example poster=https://e.example></video>",
        ] {
            let (out, _) = clean(html);
            for bad in [
                "<script",
                "onerror",
                "javascript",
                "data:",
                "<iframe",
                "<form",
                "<input",
                "url(",
                "position",
            ] {
                assert!(!out.to_lowercase().contains(bad), "{html} gave {out}");
            }
            for bad in [
                "src=",
                "<meta",
                "<base",
                "<link",
                "<object",
                "<style",
                "<svg",
                "<video",
                "e.example",
                "logout",
            ] {
                assert!(!out.to_lowercase().contains(bad), "{html} gave {out}");
            }
        }
    }

    #[test]
    fn pictures_links_and_dress() {
        let (out, remote) = clean("<img src=\"cid:logo%40x\" alt=l><img src='CID:other'>");
        assert_eq!(out, "<img src=\"/m/t/files/2/view\" alt=\"l\"><img>");
        assert!(!remote);
        let (out, remote) = clean("<img src=https://t.example/p.gif width=1>");
        assert_eq!((out.as_str(), remote), ("<img width=\"1\">", true));
        let (out, _) = clean("<a href=https://a.example/?b=c&d id=x class=y>z</a>");
        assert!(
            out.contains("href=\"https://a.example/?b=c&amp;d\"")
                && out.contains("rel=\"noopener noreferrer nofollow\"")
        );
        assert!(out.contains("target=\"_blank\"") && !out.contains("class") && !out.contains("id="));
        let (out, _) = clean("<p style='color:red;position:absolute;margin:-9px'>x</p>");
        assert_eq!(out, "<p style=\"color:red\">x</p>");
        assert!(clean("<table background='https://e.example/b.png'><tr><td>x</table>").1);
    }

    #[test]
    fn deep_nesting_is_shown_as_text_and_fast() {
        for tag in ["<div>", "<b>", "<a href=x>", "<table>", "<font color=red>", "<p><b>"] {
            let started = std::time::Instant::now();
            let (out, _) = clean(&tag.repeat((1 << 20) / tag.len()));
            assert!(out.starts_with("<div class=\"mail-text\">"), "{tag}");
            assert!(started.elapsed().as_secs() < 10, "{tag} took {:?}", started.elapsed());
        }
    }

    #[test]
    fn meta_charset() {
        assert_eq!(declared_charset(b"<META CHARSET='ISO-8859-15'>").as_deref(), Some("iso-8859-15"));
        assert_eq!(declared_charset(b"<p>").as_deref(), None);
    }
}
