//! Letters as HTML: tables for old mail programs, two colour schemes, nothing from elsewhere.
//!
//! **Exposure.** Every text is escaped here; the only markup taken over is the author's, sanitised before.

use super::letter::{Block, Letter};
use super::text::footer;

const STYLE: &str = "\
:root{color-scheme:light dark;supported-color-schemes:light dark}\
.body p{margin:0 0 14px}\
.author img{max-width:100%;height:auto}\
@media (prefers-color-scheme:dark){\
.page{background:#14171b!important}\
.card{background:#1d2228!important;border-color:#3a424c!important}\
.ink{color:#e9edf1!important}\
.dim{color:#aab4be!important}\
.box{background:#262c34!important}.box,.author{border-color:#3a424c!important}\
.link{color:#8cb8ff!important}}\
@media (max-width:620px){.pad{padding:20px!important}}";
const FONT: &str = "font-family:-apple-system,'Segoe UI',Roboto,Arial,sans-serif";

/// Text for HTML, in elements and attributes.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// The whole document.
pub(super) fn render(letter: &Letter<'_>, subject: &str, blocks: &[Block]) -> String {
    let mut body = String::new();
    for one in blocks {
        body.push_str(&block(one));
    }
    let foot: Vec<String> = footer(letter).iter().map(|line| escape(line)).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"{lang}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n\
         <body class=\"page\" style=\"margin:0;padding:0;background:#f1f4f7\">\n\
         <table role=\"presentation\" class=\"page\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" \
         style=\"background:#f1f4f7\"><tr><td align=\"center\" style=\"padding:24px 12px\">\n\
         <table role=\"presentation\" class=\"card\" width=\"600\" cellpadding=\"0\" cellspacing=\"0\" \
         style=\"width:100%;max-width:600px;background:#ffffff;border:1px solid #d5dce3;border-radius:6px\">\n\
         <tr><td class=\"ink pad\" style=\"padding:20px 32px 0;{FONT};font-size:14px;font-weight:600;\
         color:#23405f\">{entity}</td></tr>\n\
         <tr><td class=\"ink pad body\" style=\"padding:16px 32px 12px;{FONT};font-size:16px;line-height:1.5;\
         color:#1c2731\">\n{body}</td></tr>\n\
         <tr><td class=\"dim pad\" style=\"padding:12px 32px 24px;{FONT};font-size:13px;line-height:1.5;\
         color:#56636f\">{foot}</td></tr>\n</table>\n</td></tr></table>\n</body>\n</html>\n",
        lang = letter.language.tag(),
        title = escape(subject),
        entity = escape(&super::words::tame(letter.brand.entity)),
        foot = foot[1..].join("<br>\n"),
    )
}

fn block(block: &Block) -> String {
    match block {
        Block::Title(title) => {
            format!("<h1 style=\"margin:0 0 16px;font-size:21px;line-height:1.3\">{}</h1>\n", escape(title))
        }
        Block::Text(text) => format!("<p style=\"margin:0 0 14px\">{}</p>\n", escape(text)),
        Block::Note(text) => {
            format!(
                "<p class=\"dim\" style=\"margin:0 0 14px;font-size:14px;color:#56636f\">{}</p>\n",
                escape(text)
            )
        }
        Block::Rows(rows) => table(rows, ["dim", "ink"], ["color:#56636f;font-size:14px", "font-size:15px"]),
        Block::Files(files) => {
            let size = "color:#56636f;font-size:14px;white-space:nowrap;text-align:right";
            table(files, ["ink", "dim"], ["font-size:15px;font-weight:600", size])
        }
        Block::Code(code) => format!(
            "{}<tr><td class=\"ink\" align=\"center\" style=\"padding:14px;font-size:30px;font-weight:600;\
             letter-spacing:6px;font-family:Consolas,Menlo,monospace\">{}</td></tr>\n</table>\n",
            boxed("0"),
            escape(code)
        ),
        // The text is the target, so that a person and a filter see where it leads.
        Block::Url(url) => format!(
            "{}<tr><td style=\"padding:14px;word-break:break-all\"><a class=\"link\" href=\"{url}\" \
             style=\"color:#1256a8;font-weight:600\">{url}</a></td></tr>\n</table>\n",
            boxed("0"),
            url = escape(url)
        ),
        Block::Author { html, .. } => format!(
            "<div class=\"author\" style=\"margin:0 0 18px;padding:0 0 14px;border-bottom:1px solid #d5dce3\">\n\
             {html}\n</div>\n"
        ),
    }
}

/// For what may be cut anywhere.
const ANYWHERE: &str = "overflow-wrap:anywhere";
/// Longest piece of a label that stays on its line, in characters.
const PIECE: usize = 22;

/// A label is not cut, an address only behind its @; unless they are too long for a telephone.
fn label(text: &str) -> (&'static str, String) {
    let shown = escape(text);
    match text.split('@').all(|piece| piece.chars().count() <= PIECE) {
        true => ("white-space:nowrap", shown.replace('@', "@<wbr>")),
        false => (ANYWHERE, shown),
    }
}

/// Two columns in a frame.
fn table(rows: &[(String, String)], classes: [&str; 2], styles: [&str; 2]) -> String {
    let cell = |n: usize, padding: &str, text: &str| {
        let (wrap, shown) = match n {
            0 => label(text),
            _ => (ANYWHERE, escape(text)),
        };
        format!(
            "<td class=\"{}\" style=\"padding:{padding};vertical-align:top;{wrap};{}\">{shown}</td>",
            classes[n], styles[n],
        )
    };
    let lines: String = rows
        .iter()
        .map(|(a, b)| {
            format!("<tr>{}\n{}</tr>\n", cell(0, "6px 12px 6px 14px", a), cell(1, "6px 14px 6px 0", b))
        })
        .collect();
    format!("{}{lines}</table>\n", boxed("6px 0"))
}

/// Opens a framed table.
fn boxed(padding: &str) -> String {
    format!(
        "<table role=\"presentation\" class=\"box\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" \
         style=\"margin:0 0 16px;padding:{padding};background:#f6f8fa;border:1px solid #d5dce3;\
         border-radius:4px\">\n"
    )
}
