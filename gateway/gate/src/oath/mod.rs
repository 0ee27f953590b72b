//! OATH tokens: counters (HOTP), clocks (TOTP), and the files that hardware comes with.
//!
//! **Job.** Computes and compares codes; what was used, and how far a token's clock has drifted, is handed in
//! and handed back, so that the store can compare and set it in one transaction.
//!
//! **Exposure.** [`Typed`] reads what strangers type. Comparisons take constant time, and every step of the
//! window is compared whichever of them matches.
//!
//! **Standards.** RFC 4226 (HOTP), RFC 6238 (TOTP), RFC 6030 (PSKC), RFC 4648 §6 (base32).

pub mod base32;
pub mod hotp;
pub mod seeds;
pub mod totp;

use aws_lc_rs::hmac;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// Longest text that is looked at when a code is typed.
const MAX_TYPED: usize = 64;
/// RFC 4226 §4, R6: a key has at least 128 bits.
pub const MIN_SECRET: usize = 16;
/// Longest key read; SHA-512 tokens use 64 octets.
pub const MAX_SECRET: usize = 128;

/// The hash inside a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// HMAC-SHA-1, what nearly every token and app uses (RFC 4226 §5.2).
    Sha1,
    /// HMAC-SHA-256 (RFC 6238 §1.2).
    Sha256,
    /// HMAC-SHA-512 (RFC 6238 §1.2).
    Sha512,
}

impl Algorithm {
    /// The word in rows and in `otpauth:` addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }
    /// Reads `SHA1`, `HMAC-SHA256` or `sha-512`.
    pub fn parse(text: &str) -> Option<Self> {
        let word: String =
            text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase();
        match word.strip_prefix("HMAC").unwrap_or(&word) {
            "SHA1" => Some(Self::Sha1),
            "SHA256" => Some(Self::Sha256),
            "SHA512" => Some(Self::Sha512),
            _ => None,
        }
    }
    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }
}

/// Digits typed by a person; wiped on drop.
pub struct Typed(String);

impl Typed {
    /// Reads what was typed or pasted; blanks and dashes between digits are forgiven.
    pub fn read(text: &str) -> Option<Self> {
        if text.len() > MAX_TYPED {
            return None;
        }
        let mut digits = String::with_capacity(8);
        for c in text.chars().filter(|c| !(c.is_whitespace() || *c == '-')) {
            if !c.is_ascii_digit() || digits.len() == 8 {
                digits.zeroize();
                return None;
            }
            digits.push(c);
        }
        (6..=8).contains(&digits.len()).then_some(Self(digits))
    }
    /// Constant-time comparison with a code.
    fn is(&self, code: &str) -> bool {
        self.0.as_bytes().ct_eq(code.as_bytes()).into()
    }
}
impl Drop for Typed {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
impl std::fmt::Debug for Typed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Typed(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn algorithms_are_read_in_the_spellings_of_the_field() {
        for (text, expected) in [
            ("SHA1", Some(Algorithm::Sha1)),
            ("HMAC-SHA256", Some(Algorithm::Sha256)),
            ("sha-512", Some(Algorithm::Sha512)),
            ("MD5", None),
            ("", None),
        ] {
            assert_eq!(Algorithm::parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn typing_is_forgiven_within_reason() {
        for good in ["123456", "123 456", "12-34-56 78", " 1234567\u{a0}"] {
            assert!(Typed::read(good).is_some(), "{good:?}");
        }
        for bad in ["", "12345", "123456789", "12345a", "１２３４５６", &" ".repeat(65)] {
            assert!(Typed::read(bad).is_none(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in ".*") {
            let _ = Typed::read(&text);
        }
    }
}
