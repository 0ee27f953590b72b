//! Names that people give at the door of a mailbox which several read. Never an identity: evidence, report and receipts
//! repeat it as what somebody said.
//!
//! **Exposure.** Typed by whoever passed the gate: bounded, without control characters, without characters that turn the
//! direction of the text around them (Unicode UAX #9), which would make a report say something else.

use sealpost_envelope::Language;
use std::fmt;

/// Characters of a name at most.
const LONGEST: usize = 80;

/// The key under which evidence repeats a declared name.
pub const DECLARED: &str = "declared-name";

/// A name that somebody gave, fit to be shown and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredName(String);

impl DeclaredName {
    /// Reads what was typed; `None` where it holds no name.
    pub fn read(typed: &str) -> Option<Self> {
        // It is repeated between quotation marks, and stays between them.
        let shown = |c: &char| !c.is_control() && !invisible(*c) && !"«»‹›“”„‟\"".contains(*c);
        let plain: String =
            typed.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(shown).collect();
        let name = plain.split(' ').filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ");
        let name: String = name.chars().take(LONGEST).collect();
        name.chars().any(char::is_alphabetic).then(|| Self(name.trim_end().to_owned()))
    }
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeclaredName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What may be said of whoever gave a name: that they had access to the mailbox, and nothing more.
pub fn declared_words(name: &str, l: Language) -> String {
    match l {
        Language::Fr => {
            format!("quelqu’un ayant accès à cette boîte, qui a donné le nom « {name} » (non vérifié)")
        }
        Language::En => {
            format!("someone with access to this mailbox, who gave the name “{name}” (not verified)")
        }
    }
}

/// Marks of direction, joiners and other characters that show nothing.
fn invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_people_type_them() {
        for (typed, expected) in [
            ("Jean Dupont", Some("Jean Dupont")),
            ("  Anne-Marie\t O’Neill \r\n", Some("Anne-Marie O’Neill")),
            ("Иван", Some("Иван")),
            ("a\u{202e}nitram\u{0}", Some("anitram")),
            ("", None),
            (" \u{200b} ", None),
            ("12345", None),
        ] {
            assert_eq!(DeclaredName::read(typed).as_ref().map(DeclaredName::as_str), expected, "{typed:?}");
        }
        let long = DeclaredName::read(&"é".repeat(500)).unwrap();
        assert_eq!(long.as_str().chars().count(), LONGEST);
    }

    #[test]
    fn it_is_never_said_to_be_an_identity() {
        for l in [Language::Fr, Language::En] {
            let words = declared_words("Jean", l);
            assert!(
                words.contains("Jean") && (words.contains("non vérifié") || words.contains("not verified"))
            );
        }
    }
}
