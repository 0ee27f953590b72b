//! What a sender can be asked about a message that waits, and how their answer is read.
//!
//! **Exposure.** The answer is text that somebody mailed. It counts only where one known answer stands alone on the
//! first line; anything else is not understood, and nothing follows from it.

use crate::{Hold, Missing, to_e164};
use serde::{Deserialize, Serialize};

/// A question by mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// Protect it, or send it as it is?
    Protect,
    /// Send it nevertheless?
    Confirm,
    /// Which telephone number has the recipient?
    Phone,
}

/// What the sender answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Protect it.
    Protect,
    /// Send it as it is.
    Send,
    /// Do not send it.
    Cancel,
    /// The number, E.164.
    Phone(String),
}

impl Hold {
    /// The question that the sender can answer by mail; for other reasons the message is sent anew.
    pub fn ask(&self) -> Option<Ask> {
        match self {
            Self::NearMiss { .. } | Self::TaggedInvitation => Some(Ask::Protect),
            Self::NearAddress { .. } => Some(Ask::Confirm),
            Self::CannotServe { missing, .. }
                if missing.iter().any(|m| matches!(m, Missing::Phone | Missing::NearPhone)) =>
            {
                Some(Ask::Phone)
            }
            _ => None,
        }
    }
}

/// Longest line that can be an answer.
const LONGEST: usize = 60;

impl Ask {
    /// The answer that stands alone on the first line of a text.
    pub fn read(self, text: &str, country: &str) -> Option<Answer> {
        let line = first_line(text)?;
        let word: String = line.to_lowercase().chars().map(plain).collect();
        match (self, word.as_str()) {
            (_, "annuler" | "cancel") => Some(Answer::Cancel),
            (Self::Protect, "securiser" | "secure" | "securise" | "proteger" | "protect") => {
                Some(Answer::Protect)
            }
            (Self::Protect | Self::Confirm, "envoyer" | "send") => Some(Answer::Send),
            (Self::Confirm, "oui" | "yes") => Some(Answer::Send),
            (Self::Confirm, "non" | "no") => Some(Answer::Cancel),
            (Self::Phone, _) => to_e164(line, country).ok().map(Answer::Phone),
            _ => None,
        }
    }
}

/// The first line with something on it, without what people put around an answer. A line quoted from the question is
/// none.
fn first_line(text: &str) -> Option<&str> {
    let line = text.trim_start_matches('\u{feff}').lines().map(str::trim).find(|line| !line.is_empty())?;
    let around = |c: char| c.is_whitespace() || ".!\"'«»“”*_".contains(c);
    let line = line.trim_matches(around);
    (!line.starts_with('>') && line.len() <= LONGEST).then_some(line)
}

/// Letters without their accents, as far as the answers have any.
fn plain(c: char) -> char {
    match c {
        'é' | 'è' | 'ê' => 'e',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_alone_on_the_first_line_counts() {
        let phone = || Some(Answer::Phone("+33612345678".to_owned()));
        for (ask, text, answer) in [
            (Ask::Protect, "SECURISER", Some(Answer::Protect)),
            (
                Ask::Protect,
                "\r\n  « Sécuriser. » \r\n\r\nLe 3 mai, X a écrit :\r\n> ENVOYER",
                Some(Answer::Protect),
            ),
            (Ask::Protect, "*Envoyer*\n-- \nAlice", Some(Answer::Send)),
            (Ask::Protect, "Send!", Some(Answer::Send)),
            (Ask::Protect, "annuler", Some(Answer::Cancel)),
            (Ask::Confirm, "Oui", Some(Answer::Send)),
            (Ask::Confirm, "NO", Some(Answer::Cancel)),
            (Ask::Phone, "06 12 34 56 78", phone()),
            (Ask::Phone, "+33612345678.", phone()),
            (Ask::Phone, "Cancel", Some(Answer::Cancel)),
            // What belongs to another question, is quoted, or is more than an answer.
            (Ask::Protect, "oui", None),
            (Ask::Confirm, "securiser", None),
            (Ask::Confirm, "> oui", None),
            (Ask::Confirm, ">oui\noui", None),
            (Ask::Confirm, "Bonjour,\noui", None),
            (Ask::Confirm, "oui, mais demain", None),
            (Ask::Confirm, "Je suis absent jusqu'au 3 mai.", None),
            (Ask::Confirm, "", None),
            (Ask::Phone, "01 23 45 67 89", None),
            (Ask::Phone, "mon numéro : 06 12 34 56 78", None),
            (Ask::Phone, "oui", None),
        ] {
            assert_eq!(ask.read(text, "FR"), answer, "{ask:?} {text:?}");
        }
    }
}
