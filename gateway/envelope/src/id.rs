//! Identifiers. UUIDs are version 7: sortable by time, unguessable enough for a name but never a secret.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

macro_rules! uuid_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);
        impl $name {
            /// A fresh identifier (UUIDv7).
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(s: &str) -> Result<Self, uuid::Error> {
                Uuid::parse_str(s).map(Self)
            }
        }
    };
}
uuid_type!(
    /// One accepted message, for all its recipients.
    DepositId);
uuid_type!(
    /// One journal entry.
    EntryId);
uuid_type!(
    /// One encrypted object in the blob store.
    BlobId);

/// An organisation in this installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntityId(pub i64);

/// An account of a sender, auditor, administrator or (demo) outside mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(pub i64);

/// Recipient within a deposit, counted from 1 as in EN 319 522 EvidenceRefersToRecipient.
pub type RecipientNo = u32;

/// Stored part within a deposit, counted from 1.
pub type PartNo = u32;

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The eight characters that name a deposit to people: on every mail, page, log line and receipt.
/// It names, it never opens anything.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference(String);

/// Crockford base 32: no I, L, O, U.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl Reference {
    /// Random; uniqueness within the entity is the store's to enforce.
    pub fn generate() -> Self {
        loop {
            let made = Self::of(crate::random::octets::<8>());
            if !made.looks_like_a_code() {
                return made;
            }
        }
    }
    fn of(raw: [u8; 8]) -> Self {
        Self(raw.iter().map(|b| CROCKFORD[usize::from(b & 31)] as char).collect())
    }
    /// A mail with a code names its deposit: nobody, person or program, may take the name for the code.
    fn looks_like_a_code(&self) -> bool {
        self.0.as_bytes().windows(6).any(|six| six.iter().all(u8::is_ascii_digit))
    }
    /// Reads what a person typed: case, spaces, dashes and look-alikes (I, L → 1; O → 0) are forgiven.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > 32 {
            return None;
        }
        let read: Option<String> = text
            .chars()
            .filter(|c| !matches!(c, ' ' | '-' | '\u{a0}'))
            .map(|c| match c.to_ascii_uppercase() {
                'I' | 'L' => Some('1'),
                'O' => Some('0'),
                c if c.is_ascii() && CROCKFORD.contains(&(c as u8)) => Some(c),
                _ => None,
            })
            .collect();
        read.filter(|r| r.len() == 8).map(Self)
    }
    /// The eight characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl From<Reference> for String {
    fn from(r: Reference) -> String {
        r.0
    }
}
impl TryFrom<String> for Reference {
    type Error = &'static str;
    fn try_from(s: String) -> Result<Self, Self::Error> {
        Self::parse(&s).ok_or("a reference has eight letters or digits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_kindly() {
        assert_eq!(Reference::parse("o1il-abcd").unwrap().as_str(), "0111ABCD");
        assert!(Reference::parse("short").is_none());
        assert!(Reference::parse("ABCDEFGU").is_none());
        // Codes have six digits: five in a row are a reference's, six are not.
        for (raw, like_a_code) in [
            ([1, 2, 3, 4, 5, 6, 10, 11], true),
            ([10, 0, 0, 0, 0, 0, 0, 11], true),
            ([10, 11, 9, 8, 7, 6, 5, 4], true),
            ([9; 8], true),
            ([1, 2, 3, 4, 5, 10, 6, 7], false),
            ([10, 1, 2, 3, 11, 4, 5, 6], false),
        ] {
            let made = Reference::of(raw);
            assert_eq!(made.looks_like_a_code(), like_a_code, "{made}");
        }
        // One random reference in a few hundred would be like one.
        assert!((0..20_000).all(|_| !Reference::generate().looks_like_a_code()));
        let r = Reference::generate();
        assert_eq!(Reference::parse(r.as_str()), Some(r));
    }
}
