//! From a certificate to a trust anchor, at a given time, for a given purpose.

mod memo;

use super::VerifyError;
use crate::asn1::oid;
use crate::certificate::{Certificate, CertificateError};
use jiff::Timestamp;
use memo::{Memo, Question};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What a signature is relied on for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Seals over evidence: keyUsage says nonRepudiation, no extended key usage or e-mail protection.
    Seal,
    /// Mail: keyUsage digitalSignature or nonRepudiation, no extended key usage or e-mail protection.
    Mail,
    /// Timestamps: extended key usage critical and nothing but timeStamping (RFC 3161 §2.3).
    TimeStamp,
}

impl Purpose {
    /// Whether a signer's certificate may be used for this, whatever its path.
    pub fn admits(self, certificate: &Certificate) -> Result<(), VerifyError> {
        let no = |why| Err(VerifyError::Usage(certificate.subject(), why));
        let usage = certificate.key_usage();
        match self {
            Self::Seal if !usage.is_some_and(|u| u.non_repudiation()) => {
                no("its keyUsage lacks nonRepudiation")
            }
            Self::Mail if usage.is_some_and(|u| !u.digital_signature() && !u.non_repudiation()) => {
                no("its keyUsage allows no signatures")
            }
            Self::TimeStamp => {
                if usage.is_some_and(|u| {
                    u.key_cert_sign() || u.crl_sign() || u.key_encipherment() || u.key_agreement()
                }) {
                    return no("its keyUsage allows more than signatures");
                }
                match certificate.extended_key_usage() {
                    Some((true, purposes)) if purposes.0 == [oid::EKU_TIME_STAMPING] => Ok(()),
                    _ => no("its extended key usage is not critical, or not timeStamping alone"),
                }
            }
            Self::Seal | Self::Mail => Ok(()),
        }
    }

    fn key_usage(self) -> webpki::KeyUsage {
        // Content octets of id-kp-emailProtection and id-kp-timeStamping (RFC 5280 §4.2.1.12). Only if
        // present, since webpki asks intermediates too; the leaf's own is [`Purpose::admits`]'s to judge.
        let purpose: &'static [u8] = match self {
            Self::Seal | Self::Mail => &[0x2b, 6, 1, 5, 5, 7, 3, 4],
            Self::TimeStamp => &[0x2b, 6, 1, 5, 5, 7, 3, 8],
        };
        webpki::KeyUsage::required_if_present(purpose)
    }
}

/// Certificates that the verifier trusts, and nobody else's.
#[derive(Debug, Clone)]
pub struct TrustAnchors {
    certificates: Vec<Certificate>,
    anchors: Vec<TrustAnchor<'static>>,
    memo: Arc<Memo>,
    second: crate::opinion::Anchors,
}

impl TrustAnchors {
    /// Takes certificates as anchors.
    pub fn new(certificates: Vec<Certificate>) -> Result<Self, CertificateError> {
        let anchor = |c: &Certificate| {
            webpki::anchor_from_trusted_cert(&CertificateDer::from(c.der()))
                .map(|a| a.to_owned())
                .map_err(|e| CertificateError::Der(e.to_string()))
        };
        let anchors = certificates.iter().map(anchor).collect::<Result<_, _>>()?;
        Ok(Self { certificates, anchors, memo: Arc::default(), second: Default::default() })
    }
    /// Reads a PEM text with at least one certificate.
    pub fn from_pem(text: &str) -> Result<Self, CertificateError> {
        Self::new(Certificate::from_pem(text)?)
    }
    /// Reads a PEM file with at least one certificate.
    pub fn load(path: &Path) -> Result<Self, CertificateError> {
        Self::new(Certificate::load(path)?)
    }
    /// The certificates.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }
    /// The same for the second judge.
    pub(crate) fn second(&self) -> &crate::opinion::Anchors {
        &self.second
    }
}

#[derive(Debug, Clone)]
pub(super) struct Found {
    /// Leaf first, then the intermediates used.
    pub path: Vec<Certificate>,
    pub anchor: Certificate,
}

impl Found {
    /// The first of `included` that the path does without.
    pub(super) fn unused<'a>(&self, included: &'a [Certificate]) -> Option<&'a Certificate> {
        included.iter().find(|c| !self.path.contains(c))
    }
    pub(super) fn refuse_unused(&self, included: &[Certificate]) -> Result<(), VerifyError> {
        match self.unused(included) {
            Some(certificate) => Err(VerifyError::Unused(certificate.subject())),
            None => Ok(()),
        }
    }
}

/// A path from `leaf` over some of `others` to an anchor, at that time.
pub(super) fn build(
    leaf: &Certificate,
    others: &[Certificate],
    trust: &TrustAnchors,
    at: Timestamp,
    purpose: Purpose,
) -> Result<Found, VerifyError> {
    let question = Question::new(leaf, others, purpose);
    if let Some(found) = trust.memo.get(question, at) {
        return Ok(found);
    }
    let found = search(leaf, others, trust, at, purpose)?;
    trust.memo.keep(question, &found);
    Ok(found)
}

fn search(
    leaf: &Certificate,
    others: &[Certificate],
    trust: &TrustAnchors,
    at: Timestamp,
    purpose: Purpose,
) -> Result<Found, VerifyError> {
    purpose.admits(leaf)?;
    let fail = |reason: String| VerifyError::Path { subject: leaf.subject(), at, reason };
    let leaf_der = CertificateDer::from(leaf.der());
    let end_entity =
        webpki::EndEntityCert::try_from(&leaf_der).map_err(|e| VerifyError::Certificate(e.to_string()))?;
    let intermediates: Vec<_> = others.iter().map(|c| CertificateDer::from(c.der())).collect();
    let seconds = u64::try_from(at.as_second()).map_err(|_| fail("a time before 1970".into()))?;
    let verified = end_entity
        .verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &trust.anchors,
            &intermediates,
            UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
            purpose.key_usage(),
            None,
            None,
        )
        .map_err(|e| fail(e.to_string()))?;
    let mut path = vec![leaf.clone()];
    for used in verified.intermediate_certificates() {
        let used = others.iter().find(|c| c.der() == used.der().as_ref());
        let used = used.ok_or_else(|| fail("a path through an unknown certificate".into()))?;
        // webpki looks at basicConstraints but not at keyUsage (RFC 5280 §6.1.4 (n)).
        if used.key_usage().is_some_and(|u| !u.key_cert_sign()) {
            return Err(VerifyError::Usage(used.subject(), "its keyUsage lacks keyCertSign"));
        }
        path.push(used.clone());
    }
    let position = trust.anchors.iter().position(|a| {
        let anchor = verified.anchor();
        a.subject == anchor.subject && a.subject_public_key_info == anchor.subject_public_key_info
    });
    let anchor = position.and_then(|i| trust.certificates.get(i)).cloned();
    Ok(Found { path, anchor: anchor.ok_or_else(|| fail("an unknown anchor".into()))? })
}
