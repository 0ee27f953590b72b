//! A message's flags, small: folders may hold many messages.

use std::fmt;
use std::str::FromStr;

/// System flags in the order of their bits (RFC 3501 §2.3.2).
const SYSTEM: [&str; 5] = ["\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft"];
/// Keywords of one message together.
const MAX_KEYWORDS: usize = 1024;

/// System flags and keywords. Keywords keep the case they were first given, but compare without it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    system: u8,
    /// Sorted, divided by single spaces.
    keywords: Option<Box<str>>,
}

/// A text that is no flag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseFlagError {
    /// A `\` flag that is none of ours.
    #[error("{0} cannot be set")]
    Unknown(String),
    /// Characters that a keyword cannot have.
    #[error("{0:?} is not a flag")]
    Shape(String),
    /// Too many keywords.
    #[error("too many keywords")]
    TooMany,
}

impl Flags {
    /// `\Answered`.
    pub const ANSWERED: u8 = 1;
    /// `\Flagged`.
    pub const FLAGGED: u8 = 2;
    /// `\Deleted`.
    pub const DELETED: u8 = 4;
    /// `\Seen`.
    pub const SEEN: u8 = 8;
    /// `\Draft`.
    pub const DRAFT: u8 = 16;

    /// Only these system flags.
    pub fn system(bits: u8) -> Self {
        Self { system: bits & 31, keywords: None }
    }
    /// Whether a system flag is set.
    pub fn has(&self, bit: u8) -> bool {
        self.system & bit != 0
    }
    /// Whether a keyword is set.
    pub fn has_keyword(&self, keyword: &str) -> bool {
        self.keywords().any(|k| k.eq_ignore_ascii_case(keyword))
    }
    /// The keywords.
    pub fn keywords(&self) -> impl Iterator<Item = &str> {
        self.keywords.as_deref().unwrap_or("").split(' ').filter(|k| !k.is_empty())
    }
    /// Adds one flag by its name.
    pub fn insert(&mut self, name: &str) -> Result<(), ParseFlagError> {
        if name.starts_with('\\') {
            let bit = SYSTEM.iter().position(|s| s.eq_ignore_ascii_case(name));
            self.system |= 1 << bit.ok_or_else(|| ParseFlagError::Unknown(name.to_owned()))?;
            return Ok(());
        }
        let atom = |b: u8| b.is_ascii_graphic() && !b"(){%*\"\\]".contains(&b);
        if name.is_empty() || !name.bytes().all(atom) {
            return Err(ParseFlagError::Shape(name.to_owned()));
        }
        if self.has_keyword(name) {
            return Ok(());
        }
        let mut all: Vec<&str> = self.keywords().chain([name]).collect();
        all.sort_unstable();
        let joined = all.join(" ");
        if joined.len() > MAX_KEYWORDS {
            return Err(ParseFlagError::TooMany);
        }
        self.keywords = Some(joined.into());
        Ok(())
    }
    /// These with the others.
    pub fn union(&self, other: &Self) -> Result<Self, ParseFlagError> {
        let mut all = self.clone();
        all.system |= other.system;
        other.keywords().try_for_each(|k| all.insert(k))?;
        Ok(all)
    }
    /// These without the others.
    pub fn without(&self, other: &Self) -> Self {
        let kept: Vec<&str> = self.keywords().filter(|k| !other.has_keyword(k)).collect();
        let keywords = if kept.is_empty() { None } else { Some(kept.join(" ").into()) };
        Self { system: self.system & !other.system, keywords }
    }
    /// After a change as STORE asks for it.
    pub fn changed(&self, change: &crate::FlagChange) -> Result<Self, ParseFlagError> {
        match change {
            crate::FlagChange::Add(flags) => self.union(flags),
            crate::FlagChange::Remove(flags) => Ok(self.without(flags)),
            crate::FlagChange::Replace(flags) => Ok(flags.clone()),
        }
    }
}

/// As in `FLAGS (…)`, without the parentheses; also the form kept in the store.
impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let system = (0..SYSTEM.len()).filter(|bit| self.has(1 << bit)).map(|bit| SYSTEM[bit]);
        for name in system.chain(self.keywords()) {
            write!(f, "{separator}{name}")?;
            separator = " ";
        }
        Ok(())
    }
}

impl FromStr for Flags {
    type Err = ParseFlagError;
    fn from_str(text: &str) -> Result<Self, ParseFlagError> {
        let mut flags = Self::default();
        text.split(' ').filter(|name| !name.is_empty()).try_for_each(|name| flags.insert(name))?;
        Ok(flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_written() {
        for (text, shown) in [
            ("", ""),
            ("\\seen", "\\Seen"),
            ("$Sealed \\Draft \\Answered", "\\Answered \\Draft $Sealed"),
            ("b a B", "a b"),
        ] {
            assert_eq!(text.parse::<Flags>().unwrap().to_string(), shown);
        }
        for text in ["\\Recent", "\\*", "a(b", "é"] {
            assert!(text.parse::<Flags>().is_err(), "{text}");
        }
    }

    #[test]
    fn changes() {
        let flags: Flags = "\\Seen $Read".parse().unwrap();
        let add = crate::FlagChange::Add("\\Deleted x".parse().unwrap());
        assert_eq!(flags.changed(&add).unwrap().to_string(), "\\Deleted \\Seen $Read x");
        let remove = crate::FlagChange::Remove("$read".parse().unwrap());
        assert_eq!(flags.changed(&remove).unwrap().to_string(), "\\Seen");
    }
}
