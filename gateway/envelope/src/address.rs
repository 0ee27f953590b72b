//! Mailbox addresses as they stand in an SMTP envelope.
//!
//! **Exposure.** Parses strangers' text. Quoted local parts are accepted (RFC 5321 §4.1.2) but no
//! control character, no line end, no source route; 254 octets at most.
//! **Failure.** [`AddressError`] names what is wrong, for the person who typed it.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// RFC 5321 §4.5.3.1.3 allows 256 octets for a path, `<` and `>` included.
pub const MAX_ADDRESS: usize = 254;
/// RFC 5321 §4.5.3.1.1.
pub const MAX_LOCAL: usize = 64;

/// Why a text is no mailbox address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Over [`MAX_ADDRESS`] octets, or a local part over [`MAX_LOCAL`].
    #[error("the address is too long")]
    TooLong,
    /// No `@`, or nothing on one of its sides.
    #[error("the address needs the form name@domain")]
    Shape,
    /// A character that has no place in the local part.
    #[error("the part before @ holds a character that is not allowed")]
    Local,
    /// Not a domain name.
    #[error("the part after @ is not a domain name")]
    Domain,
}

/// A mailbox `local@domain`. The domain is lower-case; the local part keeps its case.
///
/// Equality and hashing compare the exact local part, as RFC 5321 §2.4 demands of relays; use
/// [`EmailAddress::key`] to find an account or a former recipient, where nobody expects case to count.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress {
    text: String,
    at: usize,
}

impl EmailAddress {
    /// Parses `local@domain`, without angle brackets or display name.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.len() > MAX_ADDRESS {
            return Err(AddressError::TooLong);
        }
        let at = text.rfind('@').ok_or(AddressError::Shape)?;
        let (local, domain) = (&text[..at], &text[at + 1..]);
        if local.is_empty() || domain.is_empty() {
            return Err(AddressError::Shape);
        }
        if local.len() > MAX_LOCAL {
            return Err(AddressError::TooLong);
        }
        if !(is_dot_string(local) || is_quoted_string(local)) {
            return Err(AddressError::Local);
        }
        let domain = normal_domain(domain)?;
        Ok(Self { text: format!("{local}@{domain}"), at })
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }
    /// What stands before the `@`, quotes included.
    pub fn local(&self) -> &str {
        &self.text[..self.at]
    }
    /// The domain in lower case; internationalised domains as U-labels were typed or as A-labels.
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }
    /// The domain in A-labels, as DNS knows it; an address literal stays as it is.
    pub fn ascii_domain(&self) -> String {
        match idna::domain_to_ascii_strict(self.domain()) {
            Ok(ascii) if !self.domain().starts_with('[') => ascii,
            _ => self.domain().to_owned(),
        }
    }
    /// Case-folded form for look-ups of people.
    pub fn key(&self) -> String {
        self.text.to_lowercase()
    }
    /// Whether sending to it needs SMTPUTF8 (RFC 6531).
    pub fn needs_smtputf8(&self) -> bool {
        !self.text.is_ascii()
    }
    /// `j…e@example.org`: enough for its owner to recognise, too little for others to learn.
    pub fn masked(&self) -> String {
        let mut chars = self.local().chars();
        let first = chars.next().unwrap_or('…');
        match chars.next_back() {
            Some(last) if self.local().chars().count() > 3 => format!("{first}…{last}@{}", self.domain()),
            _ => format!("{first}…@{}", self.domain()),
        }
    }
}

/// RFC 5321 §4.1.2 `Dot-string`, with the UTF-8 of RFC 6531 §3.3.
fn is_dot_string(local: &str) -> bool {
    local.split('.').all(|atom| {
        !atom.is_empty()
            && atom.chars().all(|c| {
                c.is_ascii_alphanumeric()
                    || "!#$%&'*+-/=?^_`{|}~".contains(c)
                    || (!c.is_ascii() && !c.is_control() && !c.is_whitespace())
            })
    })
}

/// RFC 5321 §4.1.2 `Quoted-string`.
fn is_quoted_string(local: &str) -> bool {
    let Some(inner) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return false };
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(q) if (' '..='~').contains(&q) => {}
                _ => return false,
            },
            '"' => return false,
            c if c.is_control() => return false,
            _ => {}
        }
    }
    !inner.is_empty()
}

/// Lower-cases a domain or an address literal and refuses what cannot be one.
fn normal_domain(domain: &str) -> Result<String, AddressError> {
    if let Some(literal) = domain.strip_prefix('[').and_then(|d| d.strip_suffix(']')) {
        let ip = literal.strip_prefix("IPv6:").unwrap_or(literal);
        return match ip.parse::<std::net::IpAddr>() {
            Ok(_) => Ok(domain.to_owned()),
            Err(_) => Err(AddressError::Domain),
        };
    }
    let ascii = idna::domain_to_ascii_strict(domain).map_err(|_| AddressError::Domain)?;
    let shaped = ascii.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    });
    if !shaped || ascii.len() > 253 {
        return Err(AddressError::Domain);
    }
    Ok(domain.to_lowercase())
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
impl FromStr for EmailAddress {
    type Err = AddressError;
    fn from_str(s: &str) -> Result<Self, AddressError> {
        Self::parse(s)
    }
}
impl TryFrom<String> for EmailAddress {
    type Error = AddressError;
    fn try_from(s: String) -> Result<Self, AddressError> {
        Self::parse(&s)
    }
}
impl From<EmailAddress> for String {
    fn from(a: EmailAddress) -> String {
        a.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_and_refused() {
        for good in [
            "a@b.example",
            "A.B+c@Example.ORG",
            "\"a b\"@x.example",
            "é@exämple.fr",
            "x@[127.0.0.1]",
            "a@localhost",
        ] {
            assert!(EmailAddress::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a",
            "@b",
            "a@",
            "a b@c.d",
            "a..b@c.d",
            "a@-x.fr",
            "a@b..c",
            "a\r\n@b.c",
            "\"a\"b\"@c.d",
            "a@b c",
            "<a@b.c>",
            "a@b_c.d",
            "a@[x]",
        ] {
            assert!(EmailAddress::parse(bad).is_err(), "{bad:?}");
        }
        let long = format!("{}@b.c", "a".repeat(65));
        assert_eq!(EmailAddress::parse(&long), Err(AddressError::TooLong));
    }

    #[test]
    fn domain_is_lower_local_is_kept() {
        let a = EmailAddress::parse("Jean.Dupont@Example.ORG").unwrap();
        assert_eq!(a.as_str(), "Jean.Dupont@example.org");
        assert_eq!(a.key(), "jean.dupont@example.org");
        assert_eq!(a.masked(), "J…t@example.org");
        assert_eq!(EmailAddress::parse("jo@e.fr").unwrap().masked(), "j…@e.fr");
    }
}
