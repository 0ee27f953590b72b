//! Flags and keywords of a message (RFC 9051 §2.3.2).

use super::MailboxError;
use std::collections::BTreeMap;
use std::fmt;

/// Longest keyword, and most of them on a message.
const MAX_LENGTH: usize = 64;
const MAX_FLAGS: usize = 100;

/// A set of flags; case does not distinguish, the first spelling is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flags(BTreeMap<String, String>);

/// What to do with flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagOp {
    /// These and no others.
    Replace,
    /// These as well.
    Add,
    /// Not these.
    Remove,
}

impl Flags {
    /// From words such as `\Seen` or `$Read`. `\Recent`, which is no message's, is left out.
    pub fn new<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> Result<Self, MailboxError> {
        let mut flags = Self::default();
        for word in words {
            let word = word.as_ref();
            // RFC 9051 §9: flag-keyword is an atom, a system flag an atom after a backslash.
            let atom = word.strip_prefix('\\').unwrap_or(word);
            let fits = |b: u8| b.is_ascii_graphic() && !b"(){%*\"\\]".contains(&b);
            if atom.is_empty()
                || word.len() > MAX_LENGTH
                || !atom.bytes().all(fits)
                || flags.0.len() >= MAX_FLAGS
            {
                return Err(MailboxError::BadFlag(word.chars().take(MAX_LENGTH).collect()));
            }
            if !word.eq_ignore_ascii_case("\\Recent") {
                flags.0.entry(word.to_ascii_lowercase()).or_insert_with(|| word.to_owned());
            }
        }
        Ok(flags)
    }
    /// Whether `flag` is among them.
    pub fn contains(&self, flag: &str) -> bool {
        self.0.contains_key(&flag.to_ascii_lowercase())
    }
    /// In alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(String::as_str)
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// These flags after an operation with `others`.
    pub fn after(&self, op: FlagOp, others: &Flags) -> Result<Self, MailboxError> {
        match op {
            FlagOp::Replace => Ok(others.clone()),
            FlagOp::Add => Self::new(self.iter().chain(others.iter())),
            FlagOp::Remove => {
                Ok(Self(self.0.iter().filter(|(k, _)| !others.0.contains_key(*k)).map(cloned).collect()))
            }
        }
    }
    pub(super) fn read(text: &str) -> Result<Self, MailboxError> {
        Self::new(text.split(' ').filter(|w| !w.is_empty()))
    }
}

fn cloned((k, v): (&String, &String)) -> (String, String) {
    (k.clone(), v.clone())
}

/// As rows keep them: separated by one space.
impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, flag) in self.iter().enumerate() {
            write!(f, "{}{flag}", if n == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Flags {
        Flags::read(text).unwrap()
    }

    #[test]
    fn operations() {
        for (before, op, with, after) in [
            ("\\Seen", FlagOp::Add, "$Read \\seen", "$Read \\Seen"),
            ("$Read \\Seen", FlagOp::Remove, "$READ", "\\Seen"),
            ("\\Seen", FlagOp::Replace, "\\Deleted \\Recent", "\\Deleted"),
            ("\\Seen", FlagOp::Replace, "", ""),
        ] {
            assert_eq!(of(before).after(op, &of(with)).unwrap(), of(after), "{before} {op:?} {with}");
        }
        assert_eq!(of("\\Seen $Read").to_string(), "$Read \\Seen");
        assert!(of("\\Seen").contains("\\SEEN"));
    }

    #[test]
    fn refused() {
        for bad in ["", "\\", "a b", "a\r\n", "é", "a(b", "\\a\\b", &"x".repeat(65)] {
            assert!(Flags::new([bad]).is_err(), "{bad:?}");
        }
        assert!(Flags::new((0..101).map(|n| format!("k{n}"))).is_err());
    }
}
