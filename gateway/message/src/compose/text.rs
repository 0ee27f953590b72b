//! Letters as plain text: 72 columns, nothing that needs a viewer.

use super::letter::{Block, Letter};
use super::words::tame;

const COLUMNS: usize = 72;

/// The whole body, lines ended by LF.
pub(super) fn render(letter: &Letter<'_>, blocks: &[Block]) -> String {
    let mut out = String::new();
    for block in blocks {
        match block {
            Block::Title(title) => {
                out.push_str(&wrap(title, ""));
            }
            Block::Text(text) | Block::Note(text) => out.push_str(&wrap(text, "")),
            Block::Rows(rows) | Block::Files(rows) => {
                for (label, value) in rows {
                    out.push_str(&wrap(&format!("- {label}{} {value}", letter.say("\u{a0}:", ":")), "  "));
                }
            }
            Block::Code(code) => out.push_str(&format!("    {code}\n")),
            // Never wrapped: mail programs make it clickable as a whole.
            Block::Url(url) => out.push_str(&format!("{url}\n")),
            Block::Author { text, .. } => {
                let text = text.replace("\r\n", "\n");
                out.push_str(&format!("{}\n{}\n{0}\n", "-".repeat(COLUMNS), text.trim_matches('\n')));
            }
        }
        out.push('\n');
    }
    // "-- " and what follows is a signature to mail programs (RFC 3676 §4.3).
    out.push_str("-- \n");
    out.push_str(&footer(letter).join("\n"));
    out.push('\n');
    out
}

/// Entity, reference, support contact.
pub(super) fn footer(letter: &Letter<'_>) -> Vec<String> {
    let mut lines = vec![tame(letter.brand.entity)];
    if let Some(reference) = letter.reference {
        lines.push(format!("{} {reference}", letter.say("Référence\u{a0}:", "Reference:")));
    }
    if let Some(support) = letter.brand.support.map(tame).filter(|s| !s.is_empty()) {
        lines.push(format!("{} {support}", letter.say("Assistance\u{a0}:", "Support:")));
    }
    lines
}

/// Breaks at blanks, not at no-break spaces; continuation lines begin with `hang`.
fn wrap(text: &str, hang: &str) -> String {
    let mut out = String::new();
    let mut width = 0;
    for word in text.split([' ', '\n']).filter(|w| !w.is_empty()) {
        let len = word.chars().count();
        if width > 0 && width + 1 + len > COLUMNS {
            out.push('\n');
            out.push_str(hang);
            width = hang.len();
        } else if width > 0 {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += len;
    }
    out.push('\n');
    out
}
