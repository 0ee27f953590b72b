//! What signs: a certificate with its chain, and something that holds the key.
//!
//! [`Identity`] keeps every part of a signature that depends on the certificate alone already encoded, so
//! that a signature costs one digest, one private key operation and a few copies.

use crate::asn1::{self, algorithm, algorithm_null, attribute, octets, oid, seq, set_members, tag, tlv};
use crate::{Certificate, CertificateError, KeyError, PrivateKey};
use std::path::Path;
use thiserror::Error;

/// Why nothing could be signed.
#[derive(Debug, Error)]
pub enum SignError {
    /// The key refused.
    #[error("the private key operation failed")]
    Key,
    /// The token or service that holds the key failed.
    #[error("the signing device failed: {0}")]
    Device(String),
}

/// Why a certificate and a key do not make a signer.
#[derive(Debug, Error)]
pub enum SignerError {
    /// Unreadable certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Unreadable key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The certificate is for another key.
    #[error("the certificate {0} does not belong to this key")]
    Mismatch(String),
    /// A PKCS#12 file or an encrypted key that cannot be read.
    #[error("{path}: {reason}", path = path.display())]
    Import {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The token that holds the key cannot be used.
    #[error("PKCS#11: {0}")]
    Token(String),
}

/// Signature algorithms written by Sealpost; all of them digest with SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// ecdsa-with-SHA256 on P-256.
    EcdsaP256Sha256,
    /// ecdsa-with-SHA256 on P-384: one digest everywhere, since what is sealed is digested as it streams by.
    EcdsaP384Sha256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RsaPkcs1Sha256,
}

impl SignatureAlgorithm {
    /// AlgorithmIdentifier in SignerInfo (RFC 5754 §3.2, §3.3).
    pub(crate) fn in_cms(self) -> Vec<u8> {
        match self {
            Self::EcdsaP256Sha256 | Self::EcdsaP384Sha256 => algorithm(&oid::ECDSA_SHA256),
            Self::RsaPkcs1Sha256 => algorithm_null(&oid::RSA),
        }
    }
    /// AlgorithmIdentifier in a certificate.
    pub(crate) fn in_certificate(self) -> Vec<u8> {
        match self {
            Self::EcdsaP256Sha256 | Self::EcdsaP384Sha256 => algorithm(&oid::ECDSA_SHA256),
            Self::RsaPkcs1Sha256 => algorithm_null(&oid::RSA_SHA256),
        }
    }
}

/// Something that signs: a key file, a token, a remote service.
pub trait Signer: Send + Sync + std::fmt::Debug {
    /// Certificate, chain and what is derived from them.
    fn identity(&self) -> &Identity;

    /// Signs the SHA-256 of `message`; called with a few hundred bytes.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;

    /// The signer's certificate.
    fn certificate(&self) -> &Certificate {
        &self.identity().certificate
    }
    /// Intermediate certificates up to, not including, the root.
    fn chain(&self) -> &[Certificate] {
        &self.identity().chain
    }
    /// Kind of signature made.
    fn algorithm(&self) -> SignatureAlgorithm {
        self.identity().algorithm
    }
}

/// A signer's certificate and the encoded parts of signatures that follow from it.
#[derive(Debug, Clone)]
pub struct Identity {
    certificate: Certificate,
    chain: Vec<Certificate>,
    root: Option<Certificate>,
    algorithm: SignatureAlgorithm,
    /// IssuerAndSerialNumber.
    pub(crate) sid: Vec<u8>,
    /// Attribute signing-certificate-v2.
    pub(crate) ess: Vec<u8>,
    /// Attribute CMSAlgorithmProtection.
    pub(crate) protection: Vec<u8>,
    /// AlgorithmIdentifier of the signature.
    pub(crate) algorithm_der: Vec<u8>,
    /// Members of SignedData.certificates, in DER order.
    pub(crate) certificates: Vec<u8>,
    /// GeneralName directoryName of the subject.
    pub(crate) general_name: Vec<u8>,
}

impl Identity {
    /// Derives everything. `chain` holds issuers in any order; those that lead upward from the certificate
    /// are used. The root is left out of signatures, since a verifier must have its own.
    pub fn new(
        certificate: Certificate,
        chain: Vec<Certificate>,
        algorithm: SignatureAlgorithm,
    ) -> Result<Self, CertificateError> {
        let (chain, root) = path_upward(&certificate, &chain);
        let (issuer, serial) = (certificate.issuer_der()?, certificate.serial_der()?);
        // RFC 5035 §4: issuerSerial names the issuer as a GeneralName; SHA-256 is the default and left out.
        let issuer_serial = seq(&[&seq(&[&tlv(tag::context(4), &[&issuer])]), &serial]);
        let cert_id = seq(&[&octets(certificate.fingerprint().as_bytes()), &issuer_serial]);
        let algorithm_der = algorithm.in_cms();
        // RFC 6211 §2: [1] IMPLICIT takes the place of the SEQUENCE tag.
        let mut signature_algorithm = algorithm_der.clone();
        signature_algorithm[0] = tag::context(1);
        let all = std::iter::once(&certificate).chain(&chain).map(|c| c.der().to_vec()).collect();
        Ok(Self {
            sid: seq(&[&issuer, &serial]),
            ess: attribute(&oid::SIGNING_CERTIFICATE_V2, &seq(&[&seq(&[&cert_id])])),
            protection: attribute(
                &oid::ALGORITHM_PROTECTION,
                &seq(&[&asn1::algorithm(&oid::SHA256), &signature_algorithm]),
            ),
            algorithm_der,
            certificates: set_members(all),
            general_name: tlv(tag::context(4), &[&certificate.subject_der()?]),
            certificate,
            chain,
            root,
            algorithm,
        })
    }

    /// The root that was given with the chain: for those who want to hand it on, never part of a signature.
    pub fn root(&self) -> Option<&Certificate> {
        self.root.as_ref()
    }
}

/// Intermediates from `leaf` upward, and the root if it is there. A certificate that no path uses would make
/// every signature one that verification refuses.
fn path_upward(leaf: &Certificate, issuers: &[Certificate]) -> (Vec<Certificate>, Option<Certificate>) {
    let mut path: Vec<Certificate> = Vec::new();
    loop {
        let last = path.last().unwrap_or(leaf);
        match issuers.iter().find(|c| c.subject() == last.issuer() && *c != last) {
            Some(root) if root.subject() == root.issuer() => return (path, Some(root.clone())),
            Some(next) if !path.contains(next) => path.push(next.clone()),
            _ => return (path, None),
        }
    }
}

/// A signer whose key lies in a file, in the clear, protected by its permissions.
#[derive(Debug)]
pub struct FileSigner {
    key: PrivateKey,
    identity: Identity,
}

impl FileSigner {
    /// Puts a key and its certificate together; refuses a certificate of another key.
    pub fn new(
        key: PrivateKey,
        certificate: Certificate,
        chain: Vec<Certificate>,
    ) -> Result<Self, SignerError> {
        if certificate.public_key()? != key.public_key() {
            return Err(SignerError::Mismatch(certificate.subject()));
        }
        let identity = Identity::new(certificate, chain, key.algorithm())?;
        Ok(Self { key, identity })
    }

    /// Reads a key file and a PEM file with the certificate first, then its chain.
    pub fn load(key: &Path, certificates: &Path) -> Result<Self, SignerError> {
        let mut chain = Certificate::load(certificates)?;
        let certificate = chain.remove(0);
        Self::new(PrivateKey::load(key)?, certificate, chain)
    }

    /// The key, for a TLS configuration or to be saved.
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }
}

impl Signer for FileSigner {
    fn identity(&self) -> &Identity {
        &self.identity
    }
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.key.sign(message)
    }
}
