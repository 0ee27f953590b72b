//! Certificate revocation lists: made by the built-in authority, read when a proof is judged.
//!
//! **Exposure.** [`RevocationList::from_der`] reads strangers' bytes: DER only, re-encoded and compared.
//!
//! **Standards.** RFC 5280 §5.
//!
//! **Absent on purpose.** Delta lists, indirect lists and reasons: a list here says that a certificate ended early,
//! and when.

use crate::asn1::{self, oid, seq, tag, tlv, unsigned};
use crate::authority::{Authority, IssueError, extension, key_identifier, signed};
use crate::{Certificate, CertificateError, Signer};
use der::{Decode, Encode};
use jiff::{SignedDuration, Timestamp};

/// A list holds for a week; the authority makes a new one far more often.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 7);

/// A certificate that ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// Serial number, big endian.
    pub serial: Vec<u8>,
    /// From when on it does not count.
    pub at: Timestamp,
}

impl<S: Signer> Authority<S> {
    /// A list of all certificates that were revoked, in DER. Its number is its time, so that numbers ascend on
    /// every node.
    pub fn issue_crl(&self, revoked: &[Revoked], now: Timestamp) -> Result<Vec<u8>, IssueError> {
        let ca = self.certificate();
        if !ca.is_valid_at(now) {
            return Err(IssueError::Expired(ca.not_before(), ca.not_after()));
        }
        let entries: Vec<u8> =
            revoked.iter().flat_map(|r| seq(&[&unsigned(&r.serial), &asn1::time(r.at)])).collect();
        // RFC 5280 §5.1.2.6: absent rather than empty.
        let entries = if entries.is_empty() { Vec::new() } else { seq(&[&entries]) };
        let id = match ca.key_id() {
            Some(id) => id,
            None => key_identifier(&ca.public_key()?),
        };
        let number = now.as_microsecond().unsigned_abs().to_be_bytes();
        let extensions = seq(&[
            &extension(&oid::AUTHORITY_KEY_ID, false, &seq(&[&tlv(tag::context_primitive(0), &[&id])])),
            &extension(&oid::CRL_NUMBER, false, &unsigned(&number)),
        ]);
        let algorithm = self.signer().algorithm().in_certificate();
        let tbs = seq(&[
            &[tag::INTEGER, 1, 1],
            &algorithm,
            &ca.subject_der()?,
            &asn1::time(now),
            &asn1::time(now.saturating_add(LIFETIME).unwrap_or(Timestamp::MAX)),
            &entries,
            &tlv(tag::context(0), &[&extensions]),
        ]);
        Ok(signed(&tbs, &algorithm, &self.signer().sign(&tbs)?))
    }
}

/// A list that was read; nothing in it is trusted before [`RevocationList::is_signed_by`].
#[derive(Debug, Clone)]
pub struct RevocationList {
    parsed: x509_cert::crl::CertificateList,
    tbs: Vec<u8>,
}

impl RevocationList {
    /// Reads DER.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let wrong = |e: der::Error| CertificateError::Der(e.to_string());
        let parsed = x509_cert::crl::CertificateList::from_der(der).map_err(wrong)?;
        if parsed.to_der().map_err(wrong)? != der {
            return Err(CertificateError::Der("the encoding of the revocation list is not DER".into()));
        }
        let tbs = parsed.tbs_cert_list.to_der().map_err(wrong)?;
        // RFC 5280 §5.2: an unknown critical extension may change what the list means.
        let critical = |e: &x509_cert::ext::Extension| e.critical;
        if parsed.tbs_cert_list.crl_extensions.iter().flatten().any(critical) {
            return Err(CertificateError::Der("the revocation list has a critical extension".into()));
        }
        Ok(Self { parsed, tbs })
    }

    /// Whether the certificate's key signed it, in the certificate's name, and may do so.
    pub fn is_signed_by(&self, issuer: &Certificate) -> bool {
        use webpki::aws_lc_rs as algs;
        let candidates = match self.parsed.signature_algorithm.oid {
            oid::ECDSA_SHA256 => vec![algs::ECDSA_P256_SHA256, algs::ECDSA_P384_SHA256],
            oid::ECDSA_SHA384 => vec![algs::ECDSA_P256_SHA384, algs::ECDSA_P384_SHA384],
            oid::RSA_SHA256 => vec![algs::RSA_PKCS1_2048_8192_SHA256],
            oid::RSA_SHA384 => vec![algs::RSA_PKCS1_2048_8192_SHA384],
            oid::RSA_SHA512 => vec![algs::RSA_PKCS1_2048_8192_SHA512],
            _ => return false,
        };
        let may = issuer.key_usage().is_none_or(|u| u.crl_sign());
        let named = self.parsed.tbs_cert_list.issuer == *issuer.parsed().tbs_certificate().subject();
        let inside = self.parsed.tbs_cert_list.signature == self.parsed.signature_algorithm;
        let Some(value) = self.parsed.signature.as_bytes() else { return false };
        let der = rustls_pki_types::CertificateDer::from(issuer.der());
        let Ok(key) = webpki::EndEntityCert::try_from(&der) else { return false };
        may && named
            && inside
            && candidates.iter().any(|a| key.verify_signature(*a, &self.tbs, value).is_ok())
    }

    /// When it was made.
    pub fn this_update(&self) -> Timestamp {
        crate::certificate::moment(self.parsed.tbs_cert_list.this_update)
    }
    /// Until when a new one was to be made; without a date, it never promised one.
    pub fn next_update(&self) -> Timestamp {
        self.parsed.tbs_cert_list.next_update.map_or(Timestamp::MAX, crate::certificate::moment)
    }
    /// When a certificate of the issuer ended early, if it did.
    pub fn revoked(&self, certificate: &Certificate) -> Option<Timestamp> {
        let serial = certificate.parsed().tbs_certificate().serial_number();
        let mut entries = self.parsed.tbs_cert_list.revoked_certificates.iter().flatten();
        entries.find(|r| r.serial_number == *serial).map(|r| crate::certificate::moment(r.revocation_date))
    }
}
