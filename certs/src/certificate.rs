//! X.509 certificates: their bytes, and the few fields that people and policies ask for.
//!
//! **Exposure.** Reads certificates of strangers (inside proofs and timestamps). Reading a certificate
//! trusts nothing in it; trust is [`crate::verify`]'s business.

use crate::pem;
use der::{Decode, Encode};
use jiff::Timestamp;
use sealpost_envelope::Sha256Digest;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AccessDescription, AuthorityInfoAccessSyntax, BasicConstraints, CrlDistributionPoints, ExtendedKeyUsage,
    KeyUsage, SubjectAltName, SubjectKeyIdentifier,
};

/// Why a certificate cannot be read.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// The file cannot be read.
    #[error("certificate file {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is not PEM.
    #[error("not a certificate: {0}")]
    Pem(#[from] pem::PemError),
    /// PEM, but not of a certificate.
    #[error("a block CERTIFICATE was expected, found {0}")]
    Label(String),
    /// No certificate at all.
    #[error("no certificate found")]
    Empty,
    /// Not a certificate in DER.
    #[error("not an X.509 certificate in DER: {0}")]
    Der(String),
}

/// A parsed certificate; cheap to clone.
#[derive(Clone)]
pub struct Certificate {
    der: Arc<[u8]>,
    parsed: Arc<x509_cert::Certificate>,
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}
impl Eq for Certificate {}
impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate({}, {})", self.subject(), self.serial_hex())
    }
}

impl Certificate {
    /// Reads DER.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let parsed =
            x509_cert::Certificate::from_der(der).map_err(|e| CertificateError::Der(e.to_string()))?;
        Ok(Self { der: der.into(), parsed: Arc::new(parsed) })
    }

    /// Reads all certificates of a PEM text, at least one.
    pub fn from_pem(text: &str) -> Result<Vec<Self>, CertificateError> {
        let blocks = pem::decode_all(text)?;
        if blocks.is_empty() {
            return Err(CertificateError::Empty);
        }
        let read = |b: pem::Block| match b.label.as_str() {
            "CERTIFICATE" => Self::from_der(&b.bytes),
            _ => Err(CertificateError::Label(b.label)),
        };
        blocks.into_iter().map(read).collect()
    }

    /// Reads all certificates of a PEM file, at least one.
    pub fn load(path: &Path) -> Result<Vec<Self>, CertificateError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| CertificateError::File { path: path.to_owned(), source })?;
        Self::from_pem(&text)
    }

    /// The bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }
    /// PEM text.
    pub fn to_pem(&self) -> String {
        pem::encode("CERTIFICATE", &self.der)
    }
    /// Digest of the DER bytes, what people call the fingerprint.
    pub fn fingerprint(&self) -> Sha256Digest {
        Sha256Digest::of(&self.der)
    }
    /// Subject as text (RFC 4514).
    pub fn subject(&self) -> String {
        self.parsed.tbs_certificate().subject().to_string()
    }
    /// Issuer as text (RFC 4514).
    pub fn issuer(&self) -> String {
        self.parsed.tbs_certificate().issuer().to_string()
    }
    /// Serial number in lower-case hexadecimal.
    pub fn serial_hex(&self) -> String {
        sealpost_envelope::hex::encode(self.parsed.tbs_certificate().serial_number().as_bytes())
    }
    /// First moment of validity.
    pub fn not_before(&self) -> Timestamp {
        moment(self.parsed.tbs_certificate().validity().not_before)
    }
    /// Last moment of validity.
    pub fn not_after(&self) -> Timestamp {
        moment(self.parsed.tbs_certificate().validity().not_after)
    }
    /// Whether `at` lies within the validity.
    pub fn is_valid_at(&self, at: Timestamp) -> bool {
        self.not_before() <= at && at <= self.not_after()
    }
    /// SubjectPublicKeyInfo in DER.
    pub fn public_key(&self) -> Result<Vec<u8>, CertificateError> {
        encoded(self.parsed.tbs_certificate().subject_public_key_info())
    }
    /// Mail addresses of the subjectAltName (RFC 8550 §3), as written.
    pub fn emails(&self) -> Vec<String> {
        self.alternative_names(|n| match n {
            GeneralName::Rfc822Name(a) => Some(a.as_str().to_owned()),
            _ => None,
        })
    }
    /// Whether basicConstraints says so.
    pub fn is_ca(&self) -> bool {
        self.extension::<BasicConstraints>().is_some_and(|(_, b)| b.ca)
    }

    /// How the certificate's key signs, if it is of a kind used here.
    pub fn signature_algorithm(&self) -> Option<crate::SignatureAlgorithm> {
        use crate::asn1::oid;
        let algorithm = &self.parsed.tbs_certificate().subject_public_key_info().algorithm;
        if algorithm.oid == oid::RSA {
            return Some(crate::SignatureAlgorithm::RsaPkcs1Sha256);
        }
        let curve = algorithm.parameters.as_ref()?.decode_as::<der::asn1::ObjectIdentifier>().ok()?;
        match (algorithm.oid, curve) {
            (oid::EC_PUBLIC_KEY, oid::P256) => Some(crate::SignatureAlgorithm::EcdsaP256Sha256),
            (oid::EC_PUBLIC_KEY, oid::P384) => Some(crate::SignatureAlgorithm::EcdsaP384Sha256),
            _ => None,
        }
    }

    /// Whether `signature` over `message` was made with the certificate's key.
    pub(crate) fn verifies(&self, by: crate::SignatureAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        use crate::SignatureAlgorithm as By;
        let algorithm = match by {
            By::EcdsaP256Sha256 => webpki::aws_lc_rs::ECDSA_P256_SHA256,
            By::EcdsaP384Sha256 => webpki::aws_lc_rs::ECDSA_P384_SHA256,
            By::RsaPkcs1Sha256 => webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA256,
        };
        let der = rustls_pki_types::CertificateDer::from(self.der());
        webpki::EndEntityCert::try_from(&der)
            .is_ok_and(|key| key.verify_signature(algorithm, message, signature).is_ok())
    }

    /// Whether `signature` over `message`, by an algorithm as certificates and lists name it, was made with the
    /// certificate's key.
    pub(crate) fn has_signed(
        &self,
        by: &der::asn1::ObjectIdentifier,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        use crate::asn1::oid;
        use webpki::aws_lc_rs as algs;
        let candidates = match *by {
            oid::ECDSA_SHA256 => vec![algs::ECDSA_P256_SHA256, algs::ECDSA_P384_SHA256],
            oid::ECDSA_SHA384 => vec![algs::ECDSA_P256_SHA384, algs::ECDSA_P384_SHA384],
            oid::RSA_SHA256 => vec![algs::RSA_PKCS1_2048_8192_SHA256],
            oid::RSA_SHA384 => vec![algs::RSA_PKCS1_2048_8192_SHA384],
            oid::RSA_SHA512 => vec![algs::RSA_PKCS1_2048_8192_SHA512],
            _ => return false,
        };
        let der = rustls_pki_types::CertificateDer::from(self.der());
        webpki::EndEntityCert::try_from(&der)
            .is_ok_and(|key| candidates.iter().any(|a| key.verify_signature(*a, message, signature).is_ok()))
    }

    /// Addresses of its issuer's revocation lists (RFC 5280 §4.2.1.13), as written.
    pub fn list_addresses(&self) -> Vec<String> {
        let points = self.extension::<CrlDistributionPoints>().map(|(_, p)| p.0).unwrap_or_default();
        // Lists of somebody else, or for some reasons, are not read here.
        let plain = points.into_iter().filter(|p| p.crl_issuer.is_none() && p.reasons.is_none());
        plain.filter_map(|p| p.distribution_point).flat_map(|n| crate::crl::addresses(&n)).collect()
    }

    /// Addresses of responders that speak of it (RFC 5280 §4.2.2.1), as written.
    pub fn responder_addresses(&self) -> Vec<String> {
        let all = self.extension::<AuthorityInfoAccessSyntax>().map(|(_, a)| a.0).unwrap_or_default();
        let address = |a: AccessDescription| match a.access_location {
            GeneralName::UniformResourceIdentifier(uri) if a.access_method == crate::asn1::oid::AD_OCSP => {
                Some(uri.as_str().to_owned())
            }
            _ => None,
        };
        all.into_iter().filter_map(address).collect()
    }

    pub(crate) fn parsed(&self) -> &x509_cert::Certificate {
        &self.parsed
    }
    pub(crate) fn subject_der(&self) -> Result<Vec<u8>, CertificateError> {
        encoded(self.parsed.tbs_certificate().subject())
    }
    pub(crate) fn issuer_der(&self) -> Result<Vec<u8>, CertificateError> {
        encoded(self.parsed.tbs_certificate().issuer())
    }
    pub(crate) fn serial_der(&self) -> Result<Vec<u8>, CertificateError> {
        encoded(self.parsed.tbs_certificate().serial_number())
    }
    pub(crate) fn key_id(&self) -> Option<Vec<u8>> {
        self.extension::<SubjectKeyIdentifier>().map(|(_, k)| k.0.as_bytes().to_vec())
    }
    pub(crate) fn key_usage(&self) -> Option<KeyUsage> {
        self.extension::<KeyUsage>().map(|(_, k)| k)
    }
    /// Extended key usage and whether it is critical.
    pub(crate) fn extended_key_usage(&self) -> Option<(bool, ExtendedKeyUsage)> {
        self.extension::<ExtendedKeyUsage>()
    }

    fn extension<'a, T: Decode<'a> + der::oid::AssociatedOid>(&'a self) -> Option<(bool, T)> {
        self.parsed.tbs_certificate().get_extension::<T>().ok().flatten()
    }
    fn alternative_names(&self, pick: impl Fn(&GeneralName) -> Option<String>) -> Vec<String> {
        self.extension::<SubjectAltName>()
            .map(|(_, names)| names.0.iter().filter_map(pick).collect())
            .unwrap_or_default()
    }
}

fn encoded(value: &impl Encode) -> Result<Vec<u8>, CertificateError> {
    value.to_der().map_err(|e| CertificateError::Der(e.to_string()))
}

pub(crate) fn moment(time: x509_cert::time::Time) -> Timestamp {
    // X.509 times lie between 1950 and 9999-12-31T23:59:59, which `Timestamp` may miss by hours at the end.
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}
