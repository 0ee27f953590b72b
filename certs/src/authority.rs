//! The built-in certificate authority: one root, and certificates for what Sealpost does.
//!
//! **Exposure.** None to strangers; names come from the configuration and from accounts. What is issued
//! is trusted by whoever was given the root, so that the root key belongs where the recovery sheet says.
//!
//! **Standards.** RFC 5280; RFC 8550 (mail certificates), RFC 3161 §2.3 (time-stamping: the extended key
//! usage is critical and the only one), CA/Browser Forum baseline for lifetimes of mail certificates.

use crate::asn1::{self, octets, oid, oid_der, seq, tag, tlv, unsigned};
use crate::signer::SignerError;
use crate::{Certificate, CertificateError, FileSigner, KeyError, KeyKind, PrivateKey, SignError, Signer};
use aws_lc_rs::digest;
use der::asn1::ObjectIdentifier;
use jiff::{SignedDuration, Timestamp};
use sealpost_envelope::EmailAddress;
use std::net::IpAddr;
use std::path::Path;
use thiserror::Error;

/// Why a certificate was not issued.
#[derive(Debug, Error)]
pub enum IssueError {
    /// The authority's own certificate may not issue.
    #[error("{0} is not a certificate authority")]
    NotAnAuthority(String),
    /// The authority's certificate is not valid now.
    #[error("the authority's certificate is valid from {0} to {1} only")]
    Expired(Timestamp, Timestamp),
    /// A name does not fit into a certificate.
    #[error("name {0:?} cannot stand in a certificate")]
    Name(String),
    /// Unreadable certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Key generation failed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The authority's key failed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// Certificate and key do not match.
    #[error(transparent)]
    Signer(#[from] SignerError),
}

/// Who a certificate is about.
#[derive(Debug, Clone, Default)]
pub struct Subject {
    /// commonName.
    pub common_name: String,
    /// organizationName.
    pub organisation: Option<String>,
    /// organizationIdentifier as in ETSI EN 319 412-1 §5.1.4, such as `NTRFR-552100554`.
    pub organisation_id: Option<String>,
    /// Two-letter country.
    pub country: Option<String>,
}

impl Subject {
    /// Only a common name.
    pub fn named(common_name: impl Into<String>) -> Self {
        Self { common_name: common_name.into(), ..Self::default() }
    }
}

/// What a certificate is for; decides extensions and lifetime.
#[derive(Debug, Clone)]
pub enum Profile {
    /// A server reached over TLS; 397 days.
    TlsServer {
        /// Names a client may have typed.
        hosts: Vec<String>,
        /// Addresses a client may have typed.
        addresses: Vec<IpAddr>,
    },
    /// S/MIME signatures of one address; 825 days.
    Mail {
        /// The address in From.
        address: EmailAddress,
    },
    /// Seals over evidence, checkpoints and proofs; 3 years. No extended key usage: the default purpose of
    /// `openssl cms -verify` accepts none or e-mail protection. nonRepudiation sets it apart from mail.
    EvidenceSeal,
    /// The embedded time authority; 10 years, for tokens must outlive the seals they date.
    TimeStamping,
}

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Certificates begin a little earlier than now: clocks of verifiers are not ours.
const BACKDATE: SignedDuration = SignedDuration::from_mins(5);

impl Profile {
    fn lifetime(&self) -> SignedDuration {
        DAY * match self {
            Self::TlsServer { .. } => 397,
            Self::Mail { .. } => 825,
            Self::EvidenceSeal => 3 * 365,
            Self::TimeStamping => 3652,
        }
    }

    fn extensions(&self) -> Result<Vec<Vec<u8>>, IssueError> {
        // RFC 5280 §4.2.1.3: bit 0 digitalSignature, 1 nonRepudiation, 2 keyEncipherment.
        let (usage, purpose, critical) = match self {
            Self::TlsServer { .. } => (&[5, 0xa0], Some(oid::EKU_SERVER_AUTH), false),
            Self::Mail { .. } => (&[7, 0x80], Some(oid::EKU_EMAIL), false),
            Self::EvidenceSeal => (&[6, 0xc0], None, false),
            Self::TimeStamping => (&[6, 0xc0], Some(oid::EKU_TIME_STAMPING), true),
        };
        let mut all = vec![
            extension(&oid::BASIC_CONSTRAINTS, true, &seq(&[])),
            extension(&oid::KEY_USAGE, true, &tlv(tag::BIT_STRING, &[usage])),
        ];
        if let Some(purpose) = purpose {
            all.push(extension(&oid::EXT_KEY_USAGE, critical, &seq(&[&oid_der(&purpose)])));
        }
        let names = match self {
            Self::TlsServer { hosts, addresses } => {
                let hosts = hosts.iter().map(|h| ia5(2, h));
                let addresses = addresses.iter().map(|a| {
                    Ok(match a {
                        IpAddr::V4(a) => tlv(tag::context_primitive(7), &[&a.octets()]),
                        IpAddr::V6(a) => tlv(tag::context_primitive(7), &[&a.octets()]),
                    })
                });
                hosts.chain(addresses).collect::<Result<Vec<_>, _>>()?
            }
            Self::Mail { address } => vec![ia5(1, &address.to_string())?],
            Self::EvidenceSeal | Self::TimeStamping => Vec::new(),
        };
        if !names.is_empty() {
            all.push(extension(&oid::SUBJECT_ALT_NAME, false, &seq(&[&names.concat()])));
        }
        Ok(all)
    }
}

/// A certificate authority: whoever holds `S` issues under its certificate.
#[derive(Debug)]
pub struct Authority<S: Signer = FileSigner> {
    signer: S,
}

impl Authority<FileSigner> {
    /// A new root with a P-256 key, valid for 20 years.
    pub fn create_root(subject: &Subject, now: Timestamp) -> Result<Self, IssueError> {
        let key = PrivateKey::generate(KeyKind::P256)?;
        let name = distinguished_name(subject)?;
        let id = key_identifier(key.public_key());
        let extensions = [
            // RFC 5280 §4.2.1.9: no authority below this one.
            extension(
                &oid::BASIC_CONSTRAINTS,
                true,
                &seq(&[&[tag::BOOLEAN, 1, 0xff], &[tag::INTEGER, 1, 0]]),
            ),
            // keyCertSign and cRLSign: bits 5 and 6.
            extension(&oid::KEY_USAGE, true, &tlv(tag::BIT_STRING, &[&[1, 0x06]])),
            extension(&oid::SUBJECT_KEY_ID, false, &octets(&id)),
        ];
        let tbs = to_be_signed(&ToBeSigned {
            signature: &key.algorithm().in_certificate(),
            issuer: &name,
            subject: &name,
            validity: (before(now), after(now, DAY * 7305)),
            public_key: key.public_key(),
            extensions: &extensions,
        });
        let der = signed(&tbs, &key.algorithm().in_certificate(), &key.sign(&tbs)?);
        let certificate = Certificate::from_der(&der)?;
        Ok(Self { signer: FileSigner::new(key, certificate, Vec::new())? })
    }

    /// Reads the authority from its key and certificate files.
    pub fn load(key: &Path, certificate: &Path) -> Result<Self, IssueError> {
        Self::new(FileSigner::load(key, certificate)?)
    }
}

impl<S: Signer> Authority<S> {
    /// An authority whose key lies elsewhere; refuses a certificate that may not issue.
    pub fn new(signer: S) -> Result<Self, IssueError> {
        let certificate = signer.certificate();
        let may_sign = certificate.key_usage().is_none_or(|u| u.key_cert_sign());
        if !certificate.is_ca() || !may_sign {
            return Err(IssueError::NotAnAuthority(certificate.subject()));
        }
        Ok(Self { signer })
    }

    /// The authority's certificate.
    pub fn certificate(&self) -> &Certificate {
        self.signer.certificate()
    }

    /// The authority's key and certificate, to be saved.
    pub fn signer(&self) -> &S {
        &self.signer
    }

    /// Issues a certificate for a public key (SubjectPublicKeyInfo in DER). Its end is cut to the
    /// authority's own.
    pub fn issue(
        &self,
        profile: &Profile,
        subject: &Subject,
        public_key: &[u8],
        now: Timestamp,
    ) -> Result<Certificate, IssueError> {
        let ca = self.signer.certificate();
        if !ca.is_valid_at(now) {
            return Err(IssueError::Expired(ca.not_before(), ca.not_after()));
        }
        let mut extensions = profile.extensions()?;
        extensions.push(extension(&oid::SUBJECT_KEY_ID, false, &octets(&key_identifier(public_key))));
        let ca_id = match ca.key_id() {
            Some(id) => id,
            None => key_identifier(&ca.public_key()?),
        };
        let ca_id = tlv(tag::context_primitive(0), &[&ca_id]);
        extensions.push(extension(&oid::AUTHORITY_KEY_ID, false, &seq(&[&ca_id])));
        let algorithm = self.signer.algorithm().in_certificate();
        let tbs = to_be_signed(&ToBeSigned {
            signature: &algorithm,
            issuer: &ca.subject_der()?,
            subject: &distinguished_name(subject)?,
            validity: (before(now).max(ca.not_before()), after(now, profile.lifetime()).min(ca.not_after())),
            public_key,
            extensions: &extensions,
        });
        Ok(Certificate::from_der(&signed(&tbs, &algorithm, &self.signer.sign(&tbs)?))?)
    }

    /// Generates a key and issues its certificate.
    pub fn issue_with_key(
        &self,
        kind: KeyKind,
        profile: &Profile,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<FileSigner, IssueError> {
        let key = PrivateKey::generate(kind)?;
        let certificate = self.issue(profile, subject, key.public_key(), now)?;
        let mut chain = vec![self.signer.certificate().clone()];
        chain.extend_from_slice(self.signer.chain());
        chain.extend(self.signer.identity().root().cloned());
        Ok(FileSigner::new(key, certificate, chain)?)
    }
}

fn before(now: Timestamp) -> Timestamp {
    now.saturating_sub(BACKDATE).unwrap_or(now)
}

fn after(now: Timestamp, lifetime: SignedDuration) -> Timestamp {
    // The last second counts (RFC 5280 §4.1.2.5), so that 825 days are not exceeded.
    let total = lifetime - BACKDATE - SignedDuration::from_secs(1);
    now.saturating_add(total).unwrap_or(Timestamp::MAX)
}

pub(crate) fn extension(id: &ObjectIdentifier, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[tag::BOOLEAN, 1, 0xff] } else { &[] };
    seq(&[&oid_der(id), critical, &octets(value)])
}

fn ia5(context: u8, text: &str) -> Result<Vec<u8>, IssueError> {
    if text.is_ascii() && !text.is_empty() {
        Ok(tlv(tag::context_primitive(context), &[text.as_bytes()]))
    } else {
        Err(IssueError::Name(text.to_owned()))
    }
}

/// RFC 7093 §2 method 1: the leftmost 160 bits of the SHA-256 of the key.
pub(crate) fn key_identifier(public_key: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, public_key).as_ref()[..20].to_vec()
}

fn distinguished_name(subject: &Subject) -> Result<Vec<u8>, IssueError> {
    let mut parts = Vec::new();
    let mut add = |id: &ObjectIdentifier, string_tag: u8, value: &str| {
        // RFC 5280 appendix A.1: upper bounds of the attribute types.
        if value.is_empty() || value.chars().count() > 64 || value.chars().any(char::is_control) {
            return Err(IssueError::Name(value.to_owned()));
        }
        let pair = seq(&[&oid_der(id), &tlv(string_tag, &[value.as_bytes()])]);
        parts.push(tlv(tag::SET, &[&pair]));
        Ok(())
    };
    if let Some(country) = &subject.country {
        if country.len() != 2 || !country.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(IssueError::Name(country.clone()));
        }
        add(&oid::COUNTRY, tag::PRINTABLE_STRING, country)?;
    }
    if let Some(organisation) = &subject.organisation {
        add(&oid::ORGANISATION, tag::UTF8_STRING, organisation)?;
    }
    if let Some(id) = &subject.organisation_id {
        add(&oid::ORGANISATION_ID, tag::UTF8_STRING, id)?;
    }
    // A long address or name is cut, the exact one stands in subjectAltName.
    let common_name: String = subject.common_name.chars().take(64).collect();
    add(&oid::COMMON_NAME, tag::UTF8_STRING, &common_name)?;
    Ok(seq(&[&parts.concat()]))
}

/// What an authority signs.
pub(crate) struct ToBeSigned<'a> {
    pub signature: &'a [u8],
    pub issuer: &'a [u8],
    pub subject: &'a [u8],
    pub validity: (Timestamp, Timestamp),
    pub public_key: &'a [u8],
    pub extensions: &'a [Vec<u8>],
}

/// TBSCertificate, version 3 (RFC 5280 §4.1).
pub(crate) fn to_be_signed(t: &ToBeSigned<'_>) -> Vec<u8> {
    // 127 random bits below a leading one: positive, fixed length, beyond the 64 bits that are asked for.
    let mut serial: [u8; 16] = rand::random();
    serial[0] = (serial[0] & 0x7f) | 0x40;
    seq(&[
        &tlv(tag::context(0), &[&[tag::INTEGER, 1, 2]]),
        &unsigned(&serial),
        t.signature,
        t.issuer,
        &seq(&[&asn1::time(t.validity.0), &asn1::time(t.validity.1)]),
        t.subject,
        t.public_key,
        &tlv(tag::context(3), &[&seq(&[&t.extensions.concat()])]),
    ])
}

pub(crate) fn signed(tbs: &[u8], algorithm: &[u8], signature: &[u8]) -> Vec<u8> {
    seq(&[tbs, algorithm, &tlv(tag::BIT_STRING, &[&[0], signature])])
}
