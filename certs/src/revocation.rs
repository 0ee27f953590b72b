//! What an issuer said about the end of its certificates, in either form: a list, or a responder's answer.
//!
//! **Job.** One question for both forms: what did the issuer say of this certificate, and for which times does that
//! hold? Signatures of level B-LT carry such values inside ([`crate::verify`]), proofs carry them beside.
//!
//! **Exposure.** The same bytes of strangers as [`crate::crl`] and [`crate::ocsp`] read. What is not signed by the
//! certificate's issuer, or by a responder of its own, says nothing.
//!
//! **Standards.** RFC 5652 §10.2.1 (RevocationInfoChoice), RFC 5940 §2 (OCSP in it), EN 319 122-1 §5.4.1.

use crate::asn1::{oid, oid_der, tag, tlv};
use crate::ocsp::{FRESH, OcspResponse, Status};
use crate::{Certificate, RevocationList};
use der::{Any, Encode, Tag, TagNumber, Tagged};
use jiff::Timestamp;
use std::sync::{Arc, OnceLock};
use thiserror::Error;

/// Why a value cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ValueError {
    /// Not a revocation list.
    #[error("not a revocation list: {0}")]
    List(String),
    /// Not a response.
    #[error(transparent)]
    Answer(#[from] crate::ocsp::OcspError),
    /// Of a kind that is not known here.
    #[error("neither a revocation list nor an OCSP response")]
    Kind,
}

/// A list or an answer, as it is kept; cheap to clone.
#[derive(Debug, Clone)]
pub struct RevocationValue {
    der: Arc<[u8]>,
    read: Arc<Read>,
}

#[derive(Debug)]
enum Read {
    /// With the issuer whose signature was found good: it is asked about many certificates.
    List(RevocationList, OnceLock<Certificate>),
    Answer(OcspResponse),
}

impl PartialEq for RevocationValue {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}
impl Eq for RevocationValue {}

/// What a value says of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// When the certificate ended early, if it did.
    pub revoked: Option<Timestamp>,
    /// When this was known.
    pub this_update: Timestamp,
    /// Until when nothing newer was to be had.
    pub next_update: Timestamp,
}

impl Said {
    /// Whether it says something of a use at `at`: it was made later, or was in force then.
    pub fn holds_for(&self, at: Timestamp) -> bool {
        at <= self.next_update
    }
}

impl RevocationValue {
    /// A CertificateList in DER.
    pub fn list(der: &[u8]) -> Result<Self, ValueError> {
        let list = RevocationList::from_der(der).map_err(|e| ValueError::List(e.to_string()))?;
        Ok(Self { der: der.into(), read: Arc::new(Read::List(list, OnceLock::new())) })
    }

    /// An OCSPResponse in DER.
    pub fn answer(der: &[u8]) -> Result<Self, ValueError> {
        Ok(Self { der: der.into(), read: Arc::new(Read::Answer(OcspResponse::from_der(der)?)) })
    }

    /// The bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether it is a list.
    pub fn is_list(&self) -> bool {
        matches!(*self.read, Read::List(..))
    }

    /// What it says of `certificate`, which `issuer` issued; nothing where it is by somebody else, about others, or in
    /// another form than the one that is kept.
    pub fn about(&self, certificate: &Certificate, issuer: &Certificate) -> Option<Said> {
        if certificate.issuer_der().ok()? != issuer.subject_der().ok()? {
            return None;
        }
        match &*self.read {
            Read::List(list, _) if list.is_delta() || !list.concerns(certificate) => None,
            Read::List(list, signer) => {
                if signer.get() != Some(issuer) {
                    list.is_signed_by(issuer).then(|| signer.get_or_init(|| issuer.clone()))?;
                }
                Some(Said {
                    revoked: list.revoked(certificate),
                    this_update: list.this_update(),
                    next_update: list.next_update(),
                })
            }
            Read::Answer(response) => {
                let answer = response.about(certificate, issuer, response.produced_at()).ok()?;
                let revoked = match answer.status {
                    _ if answer.der() != response.der() => return None,
                    Status::Good => None,
                    Status::Revoked(at) => Some(at),
                    Status::Unknown => return None,
                };
                let fresh = || answer.this_update.saturating_add(FRESH).unwrap_or(Timestamp::MAX);
                let next_update = answer.next_update.unwrap_or_else(fresh);
                Some(Said { revoked, this_update: answer.this_update, next_update })
            }
        }
    }

    /// RevocationInfoChoice: the list itself, or `[1]` with a name for what follows.
    pub(crate) fn choice(&self) -> Vec<u8> {
        match &*self.read {
            Read::List(..) => self.der.to_vec(),
            Read::Answer(_) => tlv(tag::context(1), &[&oid_der(&oid::OCSP_REVOCATION), &self.der]),
        }
    }

    pub(crate) fn from_choice(any: &Any) -> Result<Self, ValueError> {
        let other = Tag::ContextSpecific { constructed: true, number: TagNumber(1) };
        if any.tag() == Tag::Sequence {
            let der = any.to_der().map_err(|e| ValueError::List(e.to_string()))?;
            return Self::list(&der);
        }
        let response = any.value().strip_prefix(&oid_der(&oid::OCSP_REVOCATION)[..]);
        match response.filter(|_| any.tag() == other) {
            Some(der) => Self::answer(der),
            None => Err(ValueError::Kind),
        }
    }
}
