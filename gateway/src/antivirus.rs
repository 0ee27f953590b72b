//! Asks clamd whether bytes are safe to pass on.
//!
//! **Job.** Streams a file to the daemon (`INSTREAM`) and reads its answer. What to do about it is decided by the
//! configuration and done in `pipeline/screening.rs`.
//!
//! **Exposure.** The bytes are strangers'; they are cut into frames and never looked at. The daemon's answer is one
//! line, read within a limit. Content crosses in clear: only a Unix socket or a loopback address is spoken to.
//!
//! **Standards.** clamd(8), commands `zINSTREAM` and `zPING`.
//!
//! **Failure.** [`Silent`]: no answer, in time or at all, or one that is no verdict. Never taken for "clean".

mod clamd;
#[cfg(test)]
mod tests;

pub use clamd::{Clamd, ScanError, Silent};

use crate::config::{AntivirusSettings, OnFinding};
use std::fmt;

/// What the daemon says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Nothing known was found.
    Clean,
    /// A signature matched; its name.
    Infected(String),
    /// It cannot be looked into, being encrypted; says how.
    Encrypted(String),
    /// It cannot be looked into for another reason; says why.
    Unscannable(String),
}

impl Finding {
    /// The word for infected content.
    pub const INFECTED: &str = "infected";
    /// The word under which it is kept.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Infected(_) => Self::INFECTED,
            Self::Encrypted(_) => "encrypted",
            Self::Unscannable(_) => "unscannable",
        }
    }
    /// The daemon's words.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Clean => None,
            Self::Infected(name) | Self::Encrypted(name) | Self::Unscannable(name) => Some(name),
        }
    }
    /// As kept; `None` for a word of another version.
    pub fn read(word: &str, name: Option<&str>) -> Option<Self> {
        let name = || name.unwrap_or_default().to_owned();
        Some(match word {
            "clean" => Self::Clean,
            Self::INFECTED => Self::Infected(name()),
            "encrypted" => Self::Encrypted(name()),
            "unscannable" => Self::Unscannable(name()),
            _ => return None,
        })
    }
    /// The same words as `Display`, in French.
    pub fn french(&self) -> String {
        match self {
            Self::Clean => "L'antivirus n'a rien trouvé.".to_owned(),
            Self::Infected(name) => format!("L'antivirus a trouvé {name}."),
            Self::Encrypted(name) => {
                format!("L'antivirus ne peut pas l'examiner, car le contenu est chiffré : {name}.")
            }
            Self::Unscannable(why) => format!("L'antivirus ne peut pas l'examiner : {why}."),
        }
    }
    /// The same, naming the file that it was found in.
    pub fn within(self, file: &str) -> Self {
        let file: String = file.chars().filter(|c| !c.is_control()).take(100).collect();
        let named = |name: String| format!("{name} in {file}");
        match self {
            Self::Clean => Self::Clean,
            Self::Infected(name) => Self::Infected(named(name)),
            Self::Encrypted(name) => Self::Encrypted(named(name)),
            Self::Unscannable(name) => Self::Unscannable(named(name)),
        }
    }
    /// Of two, the one that weighs more.
    pub fn worse(self, other: Self) -> Self {
        if other.weight() > self.weight() { other } else { self }
    }
    fn weight(&self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Encrypted(_) => 1,
            Self::Unscannable(_) => 2,
            Self::Infected(_) => 3,
        }
    }
    /// What the configuration wants done about it.
    pub fn consequence(&self, settings: &AntivirusSettings) -> OnFinding {
        match self {
            Self::Clean => OnFinding::Pass,
            Self::Infected(_) => settings.infected.into(),
            Self::Encrypted(_) => settings.encrypted,
            Self::Unscannable(_) => settings.unscannable,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clean => f.write_str("the antivirus found nothing"),
            Self::Infected(name) => write!(f, "the antivirus found {name}"),
            Self::Encrypted(name) => write!(f, "the antivirus cannot look inside, it is encrypted: {name}"),
            Self::Unscannable(why) => write!(f, "the antivirus cannot look inside: {why}"),
        }
    }
}
