//! The answer: read, and believed or not.

use super::types::{Basic, Response, ResponseStatus, RevokedInfo, SingleResponse};
use super::{FRESH, OcspError, SKEW, ids};
use crate::asn1::{algorithm_null, octets, oid, oid_der, seq, tag, tlv};
use crate::{Certificate, CertificateError};
use aws_lc_rs::digest;
use der::asn1::{GeneralizedTime, ObjectIdentifier};
use der::{Decode, Encode, Tag, TagNumber, Tagged};
use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, UnixTime};
use spki::AlgorithmIdentifierOwned;
use std::time::Duration;
use x509_cert::ext::Extension;

/// What a responder says of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Nothing against it.
    Good,
    /// It ended early.
    Revoked(Timestamp),
    /// Nothing at all.
    Unknown,
}

/// An answer that is believed: signed by the issuer or its responder, about the certificate in question.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What it says.
    pub status: Status,
    /// When that was known to be so.
    pub this_update: Timestamp,
    /// Until when there is nothing newer, where it says so.
    pub next_update: Option<Timestamp>,
    /// The certificate of a responder to whom the issuer delegated; `None` where the issuer signed itself.
    pub delegate: Option<Certificate>,
    pub(super) digest: ObjectIdentifier,
    der: Vec<u8>,
}

impl Answer {
    /// When it was known that the certificate is good; everything else is an error.
    pub fn good(&self) -> Result<Timestamp, OcspError> {
        match self.status {
            Status::Good => Ok(self.this_update),
            Status::Revoked(at) => Err(OcspError::Revoked(at)),
            Status::Unknown => Err(OcspError::Unknown),
        }
    }

    /// The response in the one form that is kept: with the delegate's certificate, if there is one, and no other.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// An answer that nobody signed, for tests of what is done with one.
    #[cfg(test)]
    pub(crate) fn for_tests(status: Status, this_update: Timestamp, delegate: Option<Certificate>) -> Self {
        Self { status, this_update, next_update: None, delegate, digest: oid::SHA1, der: Vec::new() }
    }

    /// RFC 6960 §4.2.2.1: the interval in which it is to be believed.
    pub(super) fn in_force(&self, now: Timestamp) -> Result<(), OcspError> {
        let later = |t: Timestamp, by| t.saturating_add(by).unwrap_or(Timestamp::MAX);
        if self.this_update > later(now, SKEW) {
            return Err(OcspError::Early(self.this_update));
        }
        let until = self.next_update.unwrap_or_else(|| later(self.this_update, FRESH));
        if now > later(until, SKEW) { Err(OcspError::Stale(until)) } else { Ok(()) }
    }
}

/// A response that was read; nothing in it is believed before [`OcspResponse::about`].
#[derive(Debug, Clone)]
pub struct OcspResponse {
    der: Vec<u8>,
    basic: Basic,
    tbs: Vec<u8>,
    certificates: Vec<Certificate>,
}

impl OcspResponse {
    /// Reads DER.
    pub fn from_der(der: &[u8]) -> Result<Self, OcspError> {
        let wrong = |e: der::Error| OcspError::Malformed(e.to_string());
        let response = Response::from_der(der).map_err(wrong)?;
        let refused = match response.status {
            ResponseStatus::Successful => None,
            ResponseStatus::MalformedRequest => Some("it calls the request malformed"),
            ResponseStatus::InternalError => Some("an error of its own"),
            ResponseStatus::TryLater => Some("it asks to try later"),
            ResponseStatus::SigRequired => Some("it wants signed requests"),
            ResponseStatus::Unauthorized => Some("it does not answer about this issuer, or not to us"),
        };
        if let Some(words) = refused {
            return Err(OcspError::Refused(words));
        }
        if response.to_der().map_err(wrong)? != der {
            return Err(OcspError::Malformed("the encoding is not DER".into()));
        }
        let bytes = response.bytes.ok_or_else(|| OcspError::Malformed("nothing inside".into()))?;
        if bytes.response_type != ids::BASIC {
            return Err(OcspError::Malformed(format!("type {}", bytes.response_type)));
        }
        let basic = Basic::from_der(bytes.response.as_bytes()).map_err(wrong)?;
        if basic.to_der().map_err(wrong)? != bytes.response.as_bytes() {
            return Err(OcspError::Malformed("the encoding is not DER".into()));
        }
        let known = |e: &&Extension| e.critical && e.extn_id != ids::NONCE;
        if let Some(unknown) = basic.tbs.extensions.iter().flatten().find(known) {
            return Err(OcspError::Critical(unknown.extn_id));
        }
        let read = |any: &der::Any| {
            let der = any.to_der().map_err(wrong)?;
            Certificate::from_der(&der).map_err(|e| OcspError::Malformed(e.to_string()))
        };
        let certificates = basic.certs.iter().flatten().map(read).collect::<Result<_, _>>()?;
        let tbs = basic.tbs.to_der().map_err(wrong)?;
        Ok(Self { der: der.to_vec(), basic, tbs, certificates })
    }

    /// The bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// When it was signed.
    pub fn produced_at(&self) -> Timestamp {
        moment(&self.basic.tbs.produced_at)
    }

    /// What it says of `certificate`, which `issuer` issued. A delegated responder must have been in force when it
    /// signed and at `relied_on`; whether the answer itself is recent is the caller's to judge.
    pub fn about(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
        relied_on: Timestamp,
    ) -> Result<Answer, OcspError> {
        let signer = self.responder(issuer, relied_on)?;
        if !usual_form(&self.basic.signature_algorithm) {
            return Err(OcspError::Malformed("parameters of the signature algorithm".into()));
        }
        let value = self.basic.signature.as_bytes().unwrap_or_default();
        if !signer.has_signed(&self.basic.signature_algorithm.oid, &self.tbs, value) {
            return Err(OcspError::Signature);
        }
        let about = |s: &&SingleResponse| is_about(s, certificate, issuer);
        let mut found = self.basic.tbs.responses.iter().filter(about);
        let single = match (found.next(), found.next()) {
            (Some(single), None) => single,
            (Some(_), Some(_)) => return Err(OcspError::Malformed("it says two things of one".into())),
            (None, _) => return Err(OcspError::Other(certificate.serial_hex())),
        };
        if let Some(unknown) = single.extensions.iter().flatten().find(|e| e.critical) {
            return Err(OcspError::Critical(unknown.extn_id));
        }
        let delegate = (signer != issuer).then(|| signer.clone());
        Ok(Answer {
            status: status(single)?,
            this_update: moment(&single.this_update),
            next_update: single.next_update.as_ref().map(moment),
            digest: single.cert_id.hash_algorithm.oid,
            der: self.with_only(delegate.as_ref())?,
            delegate,
        })
    }

    /// The nonce extension's value, an OCTET STRING in DER.
    pub(super) fn nonce(&self) -> Option<&[u8]> {
        let mut all = self.basic.tbs.extensions.iter().flatten();
        all.find(|e| e.extn_id == ids::NONCE).map(|e| e.extn_value.as_bytes())
    }

    /// Who signed, if they may (RFC 6960 §4.2.2.2): the issuer, or whom the issuer certified for it directly.
    fn responder<'a>(
        &'a self,
        issuer: &'a Certificate,
        relied_on: Timestamp,
    ) -> Result<&'a Certificate, OcspError> {
        let fail =
            |reason: &str| OcspError::Responder { issuer: issuer.subject(), reason: reason.to_owned() };
        if self.is_named(issuer) {
            return Ok(issuer);
        }
        let delegate = self.certificates.iter().find(|c| self.is_named(c));
        let delegate = delegate.ok_or_else(|| fail("the responder it names is unknown"))?;
        if delegate.key_usage().is_some_and(|u| !u.digital_signature() && !u.non_repudiation()) {
            return Err(fail("its responder's keyUsage allows no signatures"));
        }
        for at in [self.produced_at(), relied_on] {
            delegated(delegate, issuer, at).map_err(|e| fail(&e))?;
        }
        Ok(delegate)
    }

    fn is_named(&self, certificate: &Certificate) -> bool {
        let id = &self.basic.tbs.responder;
        let by = |n| Tag::ContextSpecific { constructed: true, number: TagNumber(n) };
        if id.tag() == by(1) {
            certificate.subject_der().is_ok_and(|name| name == id.value())
        } else if id.tag() == by(2) {
            key_hash(certificate, &digest::SHA1_FOR_LEGACY_USE_ONLY)
                .is_some_and(|hash| octets(&hash) == id.value())
        } else {
            false
        }
    }

    /// The same response with this certificate only: certificates are outside of what is signed, and what nobody
    /// needs must not stand in a proof.
    fn with_only(&self, delegate: Option<&Certificate>) -> Result<Vec<u8>, OcspError> {
        let wrong = |e: der::Error| OcspError::Malformed(e.to_string());
        let certificates = delegate.map(|c| tlv(tag::context(0), &[&seq(&[c.der()])])).unwrap_or_default();
        let basic = seq(&[
            &self.tbs,
            &self.basic.signature_algorithm.to_der().map_err(wrong)?,
            &self.basic.signature.to_der().map_err(wrong)?,
            &certificates,
        ]);
        let bytes = seq(&[&oid_der(&ids::BASIC), &octets(&basic)]);
        Ok(seq(&[&[ENUMERATED, 1, 0], &tlv(tag::context(0), &[&bytes])]))
    }
}

const ENUMERATED: u8 = 0x0a;

/// Certified by `issuer` itself, for this and at that time.
fn delegated(delegate: &Certificate, issuer: &Certificate, at: Timestamp) -> Result<(), String> {
    let der = CertificateDer::from(delegate.der());
    let leaf = webpki::EndEntityCert::try_from(&der).map_err(|e| e.to_string())?;
    let issuer = CertificateDer::from(issuer.der());
    let anchor = webpki::anchor_from_trusted_cert(&issuer).map_err(|e| e.to_string())?;
    let seconds = u64::try_from(at.as_second()).map_err(|_| "a time before 1970".to_owned())?;
    leaf.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &[anchor],
        &[],
        UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
        webpki::KeyUsage::required(ids::SIGNING),
        None,
        None,
    )
    .map(drop)
    .map_err(|e| format!("its responder's certificate is not one for this ({e})"))
}

/// RFC 6960 §4.1.1: the certificate is named by its serial number and by digests of its issuer's name and key.
fn is_about(single: &SingleResponse, certificate: &Certificate, issuer: &Certificate) -> bool {
    let id = &single.cert_id;
    let Ok((name, key)) = issuer_hashes(issuer, &id.hash_algorithm.oid) else { return false };
    let serial = id.serial_number.to_der().ok();
    id.issuer_name_hash.as_bytes() == name
        && id.issuer_key_hash.as_bytes() == key
        && serial.is_some_and(|s| certificate.serial_der().is_ok_and(|own| own == s))
        && certificate.issuer_der().ok() == issuer.subject_der().ok()
}

/// Digests of an issuer's name and key.
pub(super) fn issuer_hashes(
    issuer: &Certificate,
    algorithm: &ObjectIdentifier,
) -> Result<(Vec<u8>, Vec<u8>), CertificateError> {
    let algorithm = match *algorithm {
        oid::SHA1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        oid::SHA256 => &digest::SHA256,
        oid::SHA384 => &digest::SHA384,
        oid::SHA512 => &digest::SHA512,
        other => return Err(CertificateError::Der(format!("digest algorithm {other}"))),
    };
    let name = digest::digest(algorithm, &issuer.subject_der()?).as_ref().to_vec();
    let key = key_hash(issuer, algorithm).ok_or_else(|| CertificateError::Der("its key".into()))?;
    Ok((name, key))
}

/// Over the octets of subjectPublicKey, without tag, length and unused bits (RFC 6960 §4.1.1).
fn key_hash(certificate: &Certificate, algorithm: &'static digest::Algorithm) -> Option<Vec<u8>> {
    let info = certificate.parsed().tbs_certificate().subject_public_key_info();
    let bits = info.subject_public_key.as_bytes()?;
    Some(digest::digest(algorithm, bits).as_ref().to_vec())
}

fn status(single: &SingleResponse) -> Result<Status, OcspError> {
    let is =
        |constructed, n| single.status.tag() == Tag::ContextSpecific { constructed, number: TagNumber(n) };
    let value = single.status.value();
    if is(false, 0) && value.is_empty() {
        Ok(Status::Good)
    } else if is(false, 2) && value.is_empty() {
        Ok(Status::Unknown)
    } else if is(true, 1) {
        // [1] IMPLICIT stands for the SEQUENCE tag.
        let info = RevokedInfo::from_der(&seq(&[value]));
        info.map(|i| Status::Revoked(moment(&i.at))).map_err(|e| OcspError::Malformed(e.to_string()))
    } else {
        Err(OcspError::Malformed("an unknown status".into()))
    }
}

/// The algorithm stands outside of what is signed: one form only (RFC 5758 §3.2, RFC 4055 §5).
fn usual_form(found: &AlgorithmIdentifierOwned) -> bool {
    match found.oid {
        oid::RSA_SHA256 | oid::RSA_SHA384 | oid::RSA_SHA512 => {
            found.to_der().is_ok_and(|d| d == algorithm_null(&found.oid))
        }
        _ => found.parameters.is_none(),
    }
}

fn moment(time: &GeneralizedTime) -> Timestamp {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}
