//! Who holds a card, as its certificate says. Nothing here is believed before [`super::CardTrust::judge`].

use super::{IdError, NationalId, Profession, names};
use crate::Certificate;
use crate::asn1::oid;
use der::asn1::{ObjectIdentifier, OctetStringRef, PrintableStringRef};
use der::{Decode, Reader, SliceReader};
use jiff::Timestamp;
use std::fmt;
use thiserror::Error;

/// Identifiers of the health sector's extensions and of the subject's attributes.
pub(super) mod ids {
    use der::asn1::ObjectIdentifier;
    const fn oid(s: &str) -> ObjectIdentifier {
        ObjectIdentifier::new_unwrap(s)
    }
    pub const CARD_TYPE: ObjectIdentifier = oid("1.2.250.1.71.1.2.2");
    pub const CARD_NUMBER: ObjectIdentifier = oid("1.2.250.1.71.1.2.3");
    pub const CATEGORY: ObjectIdentifier = oid("1.2.250.1.71.1.2.5");
    pub const PROFESSION: ObjectIdentifier = oid("1.2.250.1.71.1.2.7");
    pub const IN_TRAINING: ObjectIdentifier = oid("1.2.250.1.71.1.2.8");
    pub const SURNAME: ObjectIdentifier = oid("2.5.4.4");
    pub const LOCALITY: ObjectIdentifier = oid("2.5.4.7");
    pub const STATE: ObjectIdentifier = oid("2.5.4.8");
    pub const UNIT: ObjectIdentifier = oid("2.5.4.11");
    pub const TITLE: ObjectIdentifier = oid("2.5.4.12");
    pub const GIVEN_NAME: ObjectIdentifier = oid("2.5.4.42");
    pub const PSEUDONYM: ObjectIdentifier = oid("2.5.4.65");
    pub const CLIENT_AUTH: ObjectIdentifier = oid("1.3.6.1.5.5.7.3.2");
}

/// Why a certificate says nothing about a card.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CardError {
    /// An extension that every card has is missing.
    #[error("the certificate lacks the card extension {0}")]
    Missing(ObjectIdentifier),
    /// An extension holds something else than it should.
    #[error("the card extension {0} cannot be read")]
    Extension(ObjectIdentifier),
    /// An attribute of the subject stands there twice.
    #[error("the attribute {0} stands twice in the subject")]
    Twice(ObjectIdentifier),
    /// An attribute of the subject is no text, or too long.
    #[error("the attribute {0} of the subject cannot be read")]
    Text(ObjectIdentifier),
    /// The subject has no commonName.
    #[error("the subject names no national identifier")]
    Nobody,
    /// The commonName is no national identifier.
    #[error("the national identifier cannot be read: {0}")]
    Id(#[from] IdError),
    /// A certificate of a program, a server or a security module.
    #[error("the certificate belongs to no card (product category {0:02x})")]
    NotACard(u8),
    /// A card type that does not exist.
    #[error("unknown card type {0}")]
    Type(u64),
}

/// Members of the card family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CardKind {
    /// Health professional.
    Cps,
    /// Professional in training.
    Cpf,
    /// Named employee of an establishment.
    Cpe,
    /// Service card of an establishment.
    Cde,
    /// Named person of another authorised organisation.
    Cpa,
    /// Service card of another authorised organisation.
    Cda,
}

impl CardKind {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Cps, Self::Cpf, Self::Cpe, Self::Cde, Self::Cpa, Self::Cda];
    /// Its name in settings and evidence.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cps => "CPS",
            Self::Cpf => "CPF",
            Self::Cpe => "CPE",
            Self::Cde => "CDE",
            Self::Cpa => "CPA",
            Self::Cda => "CDA",
        }
    }
    /// Whether the card stands for a service, not for one person.
    pub fn is_shared(self) -> bool {
        matches!(self, Self::Cde | Self::Cda)
    }
}
impl fmt::Display for CardKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a card is one of the real world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Category {
    /// Product category `00`.
    Real,
    /// Product category `8x`.
    Test,
}

/// Issuer and number of a card, as printed on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardNumber {
    /// Issuer of the card.
    pub issuer: String,
    /// Its number.
    pub number: String,
}
impl fmt::Display for CardNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.issuer, self.number)
    }
}

/// The organisation that a CPE, CDE, CPA or CDA belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structure {
    /// Its name.
    pub name: String,
    /// Its identifier, such as `1760021832` (FINESS).
    pub id: Option<String>,
    /// Its department, as written.
    pub department: Option<String>,
}

/// What a card's certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Member of the family.
    pub kind: CardKind,
    /// Real or test.
    pub category: Category,
    /// National identifier; the account's key, since cards are renewed.
    pub id: NationalId,
    /// Surname, of named cards.
    pub surname: Option<String>,
    /// First name, of named cards.
    pub given_name: Option<String>,
    /// Pseudonym, of service cards.
    pub pseudonym: Option<String>,
    /// Profession as the subject words it.
    pub title: Option<String>,
    /// Profession (of a CPF: the one learned), table G15 or G16.
    pub profession: Option<Profession>,
    /// Card number.
    pub number: Option<CardNumber>,
    /// Organisation.
    pub structure: Option<Structure>,
    /// Serial number of the certificate, in hexadecimal.
    pub serial: String,
    /// Issuer of the certificate (RFC 4514).
    pub issuer: String,
    /// End of the certificate.
    pub expires: Timestamp,
}

impl Card {
    /// Reads a certificate.
    pub fn read(certificate: &Certificate) -> Result<Self, CardError> {
        let category = category(certificate)?;
        let subject = certificate.parsed().tbs_certificate().subject();
        let id = names::one(subject, oid::COMMON_NAME)?.ok_or(CardError::Nobody)?;
        let pseudonym = names::one(subject, ids::PSEUDONYM)?;
        let organisation = names::first(subject, oid::ORGANISATION)?;
        // A CPS may have its profession in `OU`; a structure's identifier needs an organisation beside it.
        let structure = match organisation {
            Some(name) => Some(Structure {
                name,
                id: names::first(subject, ids::UNIT)?,
                department: match names::first(subject, ids::STATE)? {
                    Some(state) => Some(state),
                    None => names::first(subject, ids::LOCALITY)?,
                },
            }),
            None => None,
        };
        let title = match (names::first(subject, ids::TITLE)?, &structure) {
            (Some(title), _) => Some(title),
            (None, None) => names::first(subject, ids::UNIT)?,
            (None, Some(_)) => None,
        };
        Ok(Self {
            kind: kind(certificate, pseudonym.is_some())?,
            category,
            id: NationalId::parse(&id)?,
            surname: names::one(subject, ids::SURNAME)?,
            given_name: names::one(subject, ids::GIVEN_NAME)?,
            pseudonym,
            title,
            profession: profession(certificate)?,
            number: number(certificate)?,
            structure,
            serial: certificate.serial_hex(),
            issuer: certificate.issuer(),
            expires: certificate.not_after(),
        })
    }

    /// First name and surname, or the pseudonym of a service card, or the identifier.
    pub fn name(&self) -> String {
        match (&self.given_name, &self.surname, &self.pseudonym) {
            (Some(given), Some(surname), _) => format!("{given} {surname}"),
            (None, Some(one), _) | (Some(one), None, _) | (None, None, Some(one)) => one.clone(),
            (None, None, None) => self.id.to_string(),
        }
    }
}

/// Whether a card is real or a test, from its product category.
pub(super) fn category(certificate: &Certificate) -> Result<Category, CardError> {
    let octets: &OctetStringRef =
        extension(certificate, ids::CATEGORY)?.ok_or(CardError::Missing(ids::CATEGORY))?;
    match octets.as_bytes() {
        [0x00] => Ok(Category::Real),
        // 8x is the test of x; 02 is a security module, 03 a certificate of a program.
        [0x80] => Ok(Category::Test),
        [other @ (0x02 | 0x03 | 0x82 | 0x83)] => Err(CardError::NotACard(*other)),
        [other] if other & 0x80 != 0 => Ok(Category::Test),
        [other] => Err(CardError::NotACard(*other)),
        _ => Err(CardError::Extension(ids::CATEGORY)),
    }
}

fn kind(certificate: &Certificate, service: bool) -> Result<CardKind, CardError> {
    let number: u64 = extension(certificate, ids::CARD_TYPE)?.ok_or(CardError::Missing(ids::CARD_TYPE))?;
    Ok(match (number, service) {
        (0, _) => CardKind::Cps,
        (1, _) => CardKind::Cpf,
        (2, false) => CardKind::Cpe,
        (2, true) => CardKind::Cde,
        (3, false) => CardKind::Cpa,
        (3, true) => CardKind::Cda,
        (other, _) => return Err(CardError::Type(other)),
    })
}

fn profession(certificate: &Certificate) -> Result<Option<Profession>, CardError> {
    let practised: Option<u16> = extension(certificate, ids::PROFESSION)?;
    Ok(match practised {
        Some(code) => Some(Profession(code)),
        None => extension(certificate, ids::IN_TRAINING)?.map(Profession),
    })
}

fn number(certificate: &Certificate) -> Result<Option<CardNumber>, CardError> {
    let text: Option<PrintableStringRef<'_>> = extension(certificate, ids::CARD_NUMBER)?;
    let Some(text) = text else { return Ok(None) };
    let (issuer, number) = text.as_str().split_once('/').ok_or(CardError::Extension(ids::CARD_NUMBER))?;
    if issuer.len() > 64 || number.len() > 64 {
        return Err(CardError::Extension(ids::CARD_NUMBER));
    }
    Ok(Some(CardNumber { issuer: issuer.to_owned(), number: number.to_owned() }))
}

/// The value of an extension that holds bare DER; one that stands there twice cannot be read.
fn extension<'a, T: Decode<'a>>(
    certificate: &'a Certificate,
    id: ObjectIdentifier,
) -> Result<Option<T>, CardError> {
    let extensions = certificate.parsed().tbs_certificate().extensions();
    let mut found = extensions.into_iter().flatten().filter(|e| e.extn_id == id);
    let Some(extension) = found.next() else { return Ok(None) };
    let wrong = CardError::Extension(id);
    if found.next().is_some() {
        return Err(wrong);
    }
    let mut reader = SliceReader::new(extension.extn_value.as_bytes()).map_err(|_| wrong.clone())?;
    let value = T::decode(&mut reader).map_err(|_| wrong.clone())?;
    if reader.is_finished() { Ok(Some(value)) } else { Err(wrong) }
}
