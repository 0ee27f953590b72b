//! National identifiers: a digit that tells the register, and the number in it.

use std::fmt;
use thiserror::Error;

/// The register an identifier comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IdKind {
    /// `0`: ADELI number, nine characters.
    Adeli,
    /// `1`: a place of work in ADELI, and a number given there.
    AdeliPlace,
    /// `3`: an establishment in FINESS, and a number given there.
    Finess,
    /// `4`: an enterprise in SIREN, and a number given there.
    Siren,
    /// `5`: an establishment in SIRET, and a number given there.
    Siret,
    /// `6`: a place of work in RPPS, and a number given there.
    RppsPlace,
    /// `8`: RPPS number, eleven digits of which the last is a Luhn key.
    Rpps,
}

impl IdKind {
    const ALL: [(Self, char, &'static str); 7] = [
        (Self::Adeli, '0', "adeli"),
        (Self::AdeliPlace, '1', "adeli-place"),
        (Self::Finess, '3', "finess"),
        (Self::Siren, '4', "siren"),
        (Self::Siret, '5', "siret"),
        (Self::RppsPlace, '6', "rpps-place"),
        (Self::Rpps, '8', "rpps"),
    ];
    fn entry(self) -> (Self, char, &'static str) {
        // Every variant stands in the table, in the order of declaration.
        Self::ALL[self as usize]
    }
    /// The word before the colon in rules and evidence.
    pub fn scheme(self) -> &'static str {
        self.entry().2
    }
    /// What people call the register.
    pub fn register(self) -> &'static str {
        match self {
            Self::Adeli | Self::AdeliPlace => "ADELI",
            Self::Finess => "FINESS",
            Self::Siren => "SIREN",
            Self::Siret => "SIRET",
            Self::RppsPlace | Self::Rpps => "RPPS",
        }
    }
    fn is_personal(self) -> bool {
        matches!(self, Self::Adeli | Self::Rpps)
    }
}

/// Why a text is no national identifier.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdError {
    /// The first character names no register in use.
    #[error("the identifier begins with none of 0, 1, 3, 4, 5, 6 and 8")]
    Register,
    /// The number has a form that the register does not give.
    #[error("the number does not have the form of the register {0}")]
    Form(&'static str),
    /// A rule's identity without `scheme:`.
    #[error(
        "an identity is written as `rpps:10001234567`, `adeli:…`, `finess:…/…`, `siret:…/…` or `siren:…/…`"
    )]
    Scheme,
}

/// A national identifier (PS_IdNat), in the form that every renewal of a card keeps.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NationalId {
    kind: IdKind,
    number: String,
}

impl NationalId {
    /// Reads it as a certificate's commonName holds it: `899700218896`, `3760021832/000000018`.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let first = text.chars().next().ok_or(IdError::Register)?;
        let (kind, ..) =
            IdKind::ALL.into_iter().find(|(_, digit, _)| *digit == first).ok_or(IdError::Register)?;
        // One octet: the digit was found in a table of ASCII.
        Self::of(kind, &text[1..])
    }

    /// Reads it as a rule writes it: `rpps:10001234567`.
    pub fn parse_identity(text: &str) -> Result<Self, IdError> {
        let (scheme, number) = text.split_once(':').ok_or(IdError::Scheme)?;
        let (kind, ..) =
            IdKind::ALL.into_iter().find(|(.., s)| *s == scheme.trim()).ok_or(IdError::Scheme)?;
        Self::of(kind, number.trim())
    }

    fn of(kind: IdKind, number: &str) -> Result<Self, IdError> {
        let wrong = Err(IdError::Form(kind.register()));
        let plain = |s: &str| {
            !s.is_empty() && s.len() <= 64 && s.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
        };
        let fits = match kind {
            // Test cards have letters in it.
            IdKind::Adeli => number.len() == 9 && plain(number),
            IdKind::Rpps => number.len() == 11 && number.bytes().all(|b| b.is_ascii_digit()),
            _ => number.split_once('/').is_some_and(|(place, inside)| plain(place) && plain(inside)),
        };
        if fits { Ok(Self { kind, number: number.to_owned() }) } else { wrong }
    }

    /// Its register.
    pub fn kind(&self) -> IdKind {
        self.kind
    }
    /// The number in the register, without the digit that tells it.
    pub fn number(&self) -> &str {
        &self.number
    }
    /// Whether it follows a person from one place of work to the next.
    pub fn is_personal(&self) -> bool {
        self.kind.is_personal()
    }
    /// Whether the last digit of an RPPS number is its Luhn key; other registers have none to check. Some
    /// identifiers of test cards fail here.
    pub fn key_holds(&self) -> bool {
        self.kind != IdKind::Rpps || luhn(&self.number)
    }
    /// As certificates write it, with the register's digit.
    pub fn to_national(&self) -> String {
        format!("{}{}", self.kind.entry().1, self.number)
    }
}

/// As rules write it: `rpps:10001234567`.
impl fmt::Display for NationalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.scheme(), self.number)
    }
}

/// ISO/IEC 7812-1 annex B.
fn luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .zip([1, 2].into_iter().cycle())
        .map(|(b, weight)| {
            let value = u32::from(b.wrapping_sub(b'0')) * weight;
            if value > 9 { value - 9 } else { value }
        })
        .sum();
    sum.is_multiple_of(10)
}
