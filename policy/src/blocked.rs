//! Files that never leave, by the end of their name.
//!
//! A name says what a recipient's machine would do with a file, and nothing else: what a file holds is for the
//! antivirus.

use crate::MessageFacts;

/// The first file whose name ends in one of `types` (lower case, without the dot): an attachment, or one in an archive.
pub(crate) fn first<'a>(message: &'a MessageFacts, types: &[String]) -> Option<&'a str> {
    if types.is_empty() {
        return None;
    }
    let names = message.attachment_names.iter().chain(&message.archived_names);
    names.map(String::as_str).find(|name| types.contains(&ending(name)))
}

/// What follows the last dot. Windows ignores dots and blanks at the end of a name.
fn ending(name: &str) -> String {
    let name = name.trim_end_matches(|c: char| c == '.' || c.is_whitespace() || c.is_control());
    name.rsplit_once('.').map(|(_, end)| end.trim().to_lowercase()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::ending;

    #[test]
    fn windows_reads_names_this_way() {
        for (name, end) in [
            ("setup.exe", "exe"),
            ("Facture.PDF.EXE", "exe"),
            ("setup.exe. . ", "exe"),
            ("setup.exe\u{a0}", "exe"),
            ("dir/run.js", "js"),
            ("report.pdf", "pdf"),
            ("exe", ""),
            ("", ""),
            ("...", ""),
        ] {
            assert_eq!(ending(name), end, "{name}");
        }
    }
}
