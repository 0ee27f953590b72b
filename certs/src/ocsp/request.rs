//! The question.

use super::response::{Answer, OcspResponse, issuer_hashes};
use super::{OcspError, ids};
use crate::asn1::{algorithm_null, octets, oid, seq, tag, tlv};
use crate::authority::extension;
use crate::{Certificate, CertificateError};
use jiff::Timestamp;

/// A question about one certificate, with a fresh nonce.
#[derive(Debug, Clone)]
pub struct OcspRequest {
    certificate: Certificate,
    issuer: Certificate,
    nonce: [u8; 32],
}

impl OcspRequest {
    /// Draws a nonce, of the length that RFC 9654 §2.1 asks for.
    pub fn new(certificate: Certificate, issuer: Certificate) -> Self {
        Self { certificate, issuer, nonce: rand::random() }
    }

    /// OCSPRequest in DER (RFC 6960 §4.1.1), to be sent as `application/ocsp-request`. The certificate is named by
    /// SHA-1, the one digest that every responder knows (RFC 5019 §2.1.1): it finds a row in a table and protects
    /// nothing.
    pub fn to_der(&self) -> Result<Vec<u8>, CertificateError> {
        let (name, key) = issuer_hashes(&self.issuer, &oid::SHA1)?;
        let id = seq(&[
            &algorithm_null(&oid::SHA1),
            &octets(&name),
            &octets(&key),
            &self.certificate.serial_der()?,
        ]);
        let nonce = seq(&[&extension(&ids::NONCE, false, &octets(&self.nonce))]);
        Ok(seq(&[&seq(&[&seq(&[&seq(&[&id])]), &tlv(tag::context(2), &[&nonce])])]))
    }

    /// Judges what came back, to be relied on at `now`: form, signature, responder, certificate, digest, nonce where
    /// there is one, dates. What it says of the certificate is for the caller to read, or [`Answer::good`].
    pub fn accept(&self, answer: &[u8], now: Timestamp) -> Result<Answer, OcspError> {
        let response = OcspResponse::from_der(answer)?;
        let answer = response.about(&self.certificate, &self.issuer, now)?;
        // A nonce is optional (RFC 9654 §2.1): responders that sign in advance have none.
        if response.nonce().is_some_and(|n| n != octets(&self.nonce)) {
            return Err(OcspError::Nonce);
        }
        if answer.digest != oid::SHA1 {
            return Err(OcspError::Digest);
        }
        answer.in_force(now)?;
        Ok(answer)
    }
}
