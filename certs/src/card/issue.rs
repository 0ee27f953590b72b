//! Cards of a demonstration or a test: an authority of one's own, and certificates in the forms of real cards.
//!
//! **Exposure.** None to strangers. What is made here is believed only where its root is configured, and says
//! that it is a test: product category `8x`, `TEST` in the authorities' names.

use super::identity::ids;
use crate::asn1::{octets, oid, oid_der, seq, set_members, tag, tlv, unsigned};
use crate::authority::{ToBeSigned, extension, key_identifier, signed, to_be_signed};
use crate::{Authority, Certificate, FileSigner, IssueError, KeyError, KeyKind, PrivateKey, Revoked, Signer};
use der::asn1::ObjectIdentifier;
use jiff::{SignedDuration, Timestamp};
use sealpost_envelope::Secret;

/// Attributes of one relative name: identifier and text.
pub type Rdn = Vec<(ObjectIdentifier, String)>;

/// What a certificate on a card is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// keyUsage digitalSignature, extended key usage clientAuth.
    Authentication,
    /// keyUsage nonRepudiation, extended key usage emailProtection.
    Signature,
}

/// A certificate to be made.
#[derive(Debug, Clone)]
pub struct NewCard {
    /// The subject's relative names after `C=FR`; the last one usually has several attributes.
    pub subject: Vec<Rdn>,
    /// Card type: 0 CPS, 1 CPF, 2 CDE/CPE, 3 CDA/CPA.
    pub card_type: u8,
    /// Product category: `00` real, `80` test.
    pub category: u8,
    /// Profession, table G15.
    pub profession: Option<u8>,
    /// Issuer and number of the card.
    pub number: String,
    /// What for.
    pub usage: Use,
    /// First and last moment.
    pub validity: (Timestamp, Timestamp),
}

impl NewCard {
    /// A test CPS or CPF for authentication, valid for three years from a moment ago.
    pub fn professional(
        given: &str,
        surname: &str,
        national: &str,
        (profession, title): (u8, &str),
        now: Timestamp,
    ) -> Self {
        let day = SignedDuration::from_hours(24);
        let moved = |by: SignedDuration| now.saturating_add(by).unwrap_or(now);
        Self {
            subject: vec![
                vec![(ids::TITLE, title.to_owned())],
                vec![
                    (ids::GIVEN_NAME, given.to_owned()),
                    (oid::COMMON_NAME, national.to_owned()),
                    (ids::SURNAME, surname.to_owned()),
                ],
            ],
            card_type: 0,
            category: 0x80,
            profession: Some(profession),
            number: format!("8025000001/{}", &national[national.len().saturating_sub(10)..]),
            usage: Use::Authentication,
            validity: (moved(-day), moved(day * (3 * 365))),
        }
    }

    /// A test card of a structure: a CPE (2) or CPA (3) with names, or a service card with a pseudonym.
    pub fn of_structure(mut self, card_type: u8, (name, id): (&str, &str), pseudonym: Option<&str>) -> Self {
        self.card_type = card_type;
        self.profession = None;
        let person = self.subject.pop().unwrap_or_default();
        let mut subject = vec![
            vec![(ids::STATE, "Paris (75)".to_owned())],
            vec![(oid::ORGANISATION, name.to_owned())],
            vec![(ids::UNIT, id.to_owned())],
        ];
        match pseudonym {
            None => subject.push(person),
            Some(pseudonym) => {
                subject.push(vec![(ids::TITLE, "Carte de service santé ou social".to_owned())]);
                subject.push(vec![(ids::PSEUDONYM, pseudonym.to_owned())]);
                subject.push(person.into_iter().filter(|(id, _)| *id == oid::COMMON_NAME).collect());
            }
        }
        self.subject = subject;
        self
    }

    fn extensions(&self) -> Vec<Vec<u8>> {
        // RFC 5280 §4.2.1.3: bit 0 digitalSignature, 1 nonRepudiation.
        let (usage, purpose) = match self.usage {
            Use::Authentication => (&[7, 0x80], ids::CLIENT_AUTH),
            Use::Signature => (&[6, 0x40], oid::EKU_EMAIL),
        };
        let mut all = vec![
            extension(&oid::BASIC_CONSTRAINTS, true, &seq(&[])),
            extension(&oid::KEY_USAGE, true, &tlv(tag::BIT_STRING, &[usage])),
            extension(&oid::EXT_KEY_USAGE, false, &seq(&[&oid_der(&purpose)])),
            extension(&ids::CATEGORY, false, &octets(&[self.category])),
            extension(&ids::CARD_TYPE, false, &unsigned(&[self.card_type])),
            extension(&ids::CARD_NUMBER, false, &tlv(tag::PRINTABLE_STRING, &[self.number.as_bytes()])),
        ];
        all.extend(self.profession.map(|code| extension(&ids::PROFESSION, false, &unsigned(&[code]))));
        all
    }
}

/// A card that was made.
#[derive(Debug)]
pub struct IssuedCard {
    /// Its key; on a real card it never leaves the chip.
    pub key: PrivateKey,
    /// Its certificate.
    pub certificate: Certificate,
    /// The authority that issued it.
    pub issuer: Certificate,
}

impl IssuedCard {
    /// The file that browsers import (RFC 7292), under a password.
    pub fn pkcs12(&self, name: &str, password: &Secret<String>) -> Result<Vec<u8>, IssueError> {
        let make = || {
            let certificate = openssl::x509::X509::from_der(self.certificate.der())?;
            let key = openssl::pkey::PKey::private_key_from_pkcs8(self.key.pkcs8().expose())?;
            let mut above = openssl::stack::Stack::new()?;
            above.push(openssl::x509::X509::from_der(self.issuer.der())?)?;
            let mut builder = openssl::pkcs12::Pkcs12::builder();
            builder.name(name).pkey(&key).cert(&certificate).ca(above);
            builder.build2(password.expose())?.to_der()
        };
        make().map_err(|_: openssl::error::ErrorStack| IssueError::Key(KeyError::Generation))
    }
}

/// A root and, below it, the authority that issues cards.
#[derive(Debug)]
pub struct CardAuthority {
    root: Certificate,
    issuer: Authority<FileSigner>,
}

impl CardAuthority {
    /// Makes both; the root's key is forgotten, as it has nothing more to sign.
    pub fn create(name: &str, now: Timestamp) -> Result<Self, IssueError> {
        let (root_key, key) = (PrivateKey::generate(KeyKind::P256)?, PrivateKey::generate(KeyKind::P256)?);
        let root_name = authority_name(&format!("TEST AC RACINE {name}"));
        let issuer_name = authority_name(&format!("TEST AC {name} PERSONNES"));
        let root = authority((&root_key, &root_name), (&root_name, root_key.public_key()), now)?;
        let certificate = authority((&root_key, &root_name), (&issuer_name, key.public_key()), now)?;
        let issuer = Authority::new(FileSigner::new(key, certificate, vec![root.clone()])?)?;
        Ok(Self { root, issuer })
    }

    /// Takes up what was kept.
    pub fn new(root: Certificate, issuer: FileSigner) -> Result<Self, IssueError> {
        Ok(Self { root, issuer: Authority::new(issuer)? })
    }

    /// The root.
    pub fn root(&self) -> &Certificate {
        &self.root
    }
    /// The authority that issues.
    pub fn issuer(&self) -> &Certificate {
        self.issuer.certificate()
    }
    /// The key of the authority that issues, to be kept.
    pub fn key(&self) -> &PrivateKey {
        self.issuer.signer().key()
    }

    /// Makes a card with a key of its own, RSA of 2048 bits as on the chip.
    pub fn issue(&self, new: &NewCard) -> Result<IssuedCard, IssueError> {
        let wrong = |_: openssl::error::ErrorStack| IssueError::Key(KeyError::Generation);
        let pair = openssl::rsa::Rsa::generate(2048).map_err(wrong)?;
        let pair = openssl::pkey::PKey::from_rsa(pair).map_err(wrong)?;
        self.certify(new, PrivateKey::from_pkcs8(pair.private_key_to_pkcs8().map_err(wrong)?)?)
    }

    /// Makes the certificate of a card that holds this key.
    pub fn certify(&self, new: &NewCard, key: PrivateKey) -> Result<IssuedCard, IssueError> {
        let mut extensions = new.extensions();
        extensions.push(authority_key(self.issuer())?);
        let algorithm = self.issuer.signer().algorithm().in_certificate();
        let mut subject = vec![vec![(oid::COUNTRY, "FR".to_owned())]];
        subject.extend_from_slice(&new.subject);
        let tbs = to_be_signed(&ToBeSigned {
            signature: &algorithm,
            issuer: &self.issuer().subject_der()?,
            subject: &distinguished(&subject),
            validity: new.validity,
            public_key: key.public_key(),
            extensions: &extensions,
        });
        let der = signed(&tbs, &algorithm, &self.issuer.signer().sign(&tbs)?);
        let certificate = Certificate::from_der(&der)?;
        Ok(IssuedCard { key, certificate, issuer: self.issuer().clone() })
    }

    /// The list of revoked cards, valid for a week.
    pub fn list(&self, revoked: &[Revoked], now: Timestamp) -> Result<Vec<u8>, IssueError> {
        self.issuer.issue_crl(revoked, now)
    }
}

fn authority_name(name: &str) -> Vec<u8> {
    distinguished(&[
        vec![(oid::COUNTRY, "FR".to_owned())],
        vec![(oid::ORGANISATION, "SEALPOST".to_owned())],
        vec![(oid::COMMON_NAME, name.to_owned())],
    ])
}

/// RFC 5280 §4.1.2.4; the members of each set in DER order.
fn distinguished(names: &[Rdn]) -> Vec<u8> {
    let pair = |(id, text): &(ObjectIdentifier, String)| {
        let kind = if *id == oid::COUNTRY { tag::PRINTABLE_STRING } else { tag::UTF8_STRING };
        seq(&[&oid_der(id), &tlv(kind, &[text.as_bytes()])])
    };
    let sets = names.iter().map(|rdn| tlv(tag::SET, &[&set_members(rdn.iter().map(pair).collect())]));
    seq(&[&sets.collect::<Vec<_>>().concat()])
}

fn authority_key(issuer: &Certificate) -> Result<Vec<u8>, IssueError> {
    let id = match issuer.key_id() {
        Some(id) => id,
        None => key_identifier(&issuer.public_key()?),
    };
    Ok(extension(&oid::AUTHORITY_KEY_ID, false, &seq(&[&tlv(tag::context_primitive(0), &[&id])])))
}

/// A certificate of an authority: `by` signs for `of`, for ten years.
fn authority(
    (by, issuer): (&PrivateKey, &[u8]),
    (subject, public_key): (&[u8], &[u8]),
    now: Timestamp,
) -> Result<Certificate, IssueError> {
    let extensions = [
        extension(&oid::BASIC_CONSTRAINTS, true, &seq(&[&[tag::BOOLEAN, 1, 0xff]])),
        // keyCertSign and cRLSign: bits 5 and 6.
        extension(&oid::KEY_USAGE, true, &tlv(tag::BIT_STRING, &[&[1, 0x06]])),
        extension(&oid::SUBJECT_KEY_ID, false, &octets(&key_identifier(public_key))),
    ];
    let algorithm = by.algorithm().in_certificate();
    let year = SignedDuration::from_hours(24 * 365);
    let moved = |by: SignedDuration| now.saturating_add(by).unwrap_or(now);
    let tbs = to_be_signed(&ToBeSigned {
        signature: &algorithm,
        issuer,
        subject,
        // Long before now, so that cards of the past can be made too.
        validity: (moved(-(year * 5)), moved(year * 10)),
        public_key,
        extensions: &extensions,
    });
    Ok(Certificate::from_der(&signed(&tbs, &algorithm, &by.sign(&tbs)?))?)
}
