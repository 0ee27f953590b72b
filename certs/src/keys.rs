//! Private keys in files: P-256 by default; P-384 and RSA where a certificate asks for it.
//!
//! **Exposure.** Reads files of the administrator. Key material is held in [`Secret`] and inside the
//! cryptographic library; it is never printed.
//!
//! **Standards.** PKCS#8 (RFC 5958), RFC 5915, RFC 8017 §8.2 (RSASSA-PKCS1-v1_5), SEC 1, FIPS 186-5 §6.4.

use crate::files::write_atomic;
use crate::pem;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::{digest, rsa, signature as sig};
use sealpost_envelope::Secret;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a key cannot be made, read or written.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("key file {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is not PEM.
    #[error("not a key: {0}")]
    Pem(#[from] pem::PemError),
    /// PEM, but of something else, or of more than one thing.
    #[error("the file must hold exactly one block PRIVATE KEY (PKCS#8, unencrypted), it holds: {0}")]
    NotPkcs8(String),
    /// A key, but not of a kind used here.
    #[error("only P-256, P-384 and RSA keys of 2048 bits or more are supported")]
    Unsupported,
    /// The cryptographic library could not generate a key.
    #[error("key generation failed")]
    Generation,
}

/// Kinds of keys that can be generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum KeyKind {
    /// ECDSA on NIST P-256: 37,000 signatures a second on one core.
    #[default]
    P256,
    /// ECDSA on NIST P-384.
    P384,
    /// RSA with 3072 bits: 400 a second; for recipients that know nothing else.
    Rsa3072,
    /// RSA with 4096 bits.
    Rsa4096,
}

impl KeyKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::P256, Self::P384, Self::Rsa3072, Self::Rsa4096];

    /// Its name in settings and file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::Rsa3072 => "rsa3072",
            Self::Rsa4096 => "rsa4096",
        }
    }
}

enum Pair {
    P256(sig::EcdsaKeyPair),
    P384(sig::EcdsaKeyPair),
    Rsa(rsa::KeyPair),
}

/// A private key in memory.
pub struct PrivateKey {
    pair: Pair,
    pkcs8: Secret<Vec<u8>>,
    public: Vec<u8>,
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PrivateKey({:?})", self.algorithm())
    }
}

impl PrivateKey {
    /// A fresh key.
    pub fn generate(kind: KeyKind) -> Result<Self, KeyError> {
        let ec = |algorithm| {
            let pair = sig::EcdsaKeyPair::generate(algorithm);
            let document = pair.and_then(|p| p.to_pkcs8v1()).map_err(|_| KeyError::Generation)?;
            Ok::<_, KeyError>(document.as_ref().to_vec())
        };
        let rsa = |size| rsa_pkcs8(&rsa::KeyPair::generate(size).map_err(|_| KeyError::Generation)?);
        Self::from_pkcs8(match kind {
            KeyKind::P256 => ec(&sig::ECDSA_P256_SHA256_ASN1_SIGNING)?,
            KeyKind::P384 => ec(&sig::ECDSA_P384_SHA384_ASN1_SIGNING)?,
            KeyKind::Rsa3072 => rsa(rsa::KeySize::Rsa3072)?,
            KeyKind::Rsa4096 => rsa(rsa::KeySize::Rsa4096)?,
        })
    }

    /// Takes over an unencrypted PKCS#8 document.
    pub fn from_pkcs8(pkcs8: Vec<u8>) -> Result<Self, KeyError> {
        let pkcs8 = Secret::new(pkcs8);
        let ec = |algorithm| sig::EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.expose());
        let pair = if let Ok(pair) = ec(&sig::ECDSA_P256_SHA256_ASN1_SIGNING) {
            Pair::P256(pair)
        } else if let Ok(pair) = ec(&sig::ECDSA_P384_SHA384_ASN1_SIGNING) {
            Pair::P384(pair)
        } else {
            Pair::Rsa(rsa::KeyPair::from_pkcs8(pkcs8.expose()).map_err(|_| KeyError::Unsupported)?)
        };
        let public = match &pair {
            Pair::P256(p) | Pair::P384(p) => {
                AsDer::<PublicKeyX509Der<'_>>::as_der(sig::KeyPair::public_key(p))
            }
            Pair::Rsa(p) => AsDer::<PublicKeyX509Der<'_>>::as_der(sig::KeyPair::public_key(p)),
        };
        let public = public.map_err(|_| KeyError::Unsupported)?.as_ref().to_vec();
        Ok(Self { pair, pkcs8, public })
    }

    /// Reads PEM with exactly one private key: PKCS#8, or the older forms of `openssl` (RFC 8017 appendix
    /// A.1.2, RFC 5915). Its certificates and curve parameters may stand beside it.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let mut blocks = pem::decode_all(text)?;
        if blocks.iter().any(|b| b.label.ends_with("PRIVATE KEY")) {
            blocks.retain(|b| b.label != "CERTIFICATE" && b.label != "EC PARAMETERS");
        }
        match <[pem::Block; 1]>::try_from(blocks) {
            Ok([block]) if block.label == "PRIVATE KEY" => Self::from_pkcs8(block.bytes),
            Ok([block]) if block.label == "RSA PRIVATE KEY" => {
                let bytes = Secret::new(block.bytes);
                let pair = rsa::KeyPair::from_der(bytes.expose()).map_err(|_| KeyError::Unsupported)?;
                Self::from_pkcs8(rsa_pkcs8(&pair)?)
            }
            Ok([block]) if block.label == "EC PRIVATE KEY" => {
                let bytes = Secret::new(block.bytes);
                let read = |a| sig::EcdsaKeyPair::from_private_key_der(a, bytes.expose());
                let pair = read(&sig::ECDSA_P256_SHA256_ASN1_SIGNING)
                    .or_else(|_| read(&sig::ECDSA_P384_SHA384_ASN1_SIGNING));
                let document = pair.ok().and_then(|p| p.to_pkcs8v1().ok()).ok_or(KeyError::Unsupported)?;
                Self::from_pkcs8(document.as_ref().to_vec())
            }
            Ok([block]) => Err(KeyError::NotPkcs8(block.label)),
            Err(blocks) => Err(KeyError::NotPkcs8(format!("{} blocks", blocks.len()))),
        }
    }

    /// Reads a PEM file.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let file = |source| KeyError::File { path: path.to_owned(), source };
        let text = Secret::new(std::fs::read_to_string(path).map_err(file)?);
        Self::from_pem(text.expose())
    }

    /// Writes a PEM file, readable by its owner only, atomically.
    pub fn save(&self, path: &Path) -> Result<(), KeyError> {
        write_atomic(path, self.to_pem().expose().as_bytes(), 0o600)
            .map_err(|source| KeyError::File { path: path.to_owned(), source })
    }

    /// PKCS#8 in PEM.
    pub fn to_pem(&self) -> Secret<String> {
        Secret::new(pem::encode("PRIVATE KEY", self.pkcs8.expose()))
    }

    /// PKCS#8 in DER, as a TLS library wants it.
    pub fn pkcs8(&self) -> &Secret<Vec<u8>> {
        &self.pkcs8
    }

    /// SubjectPublicKeyInfo in DER.
    pub fn public_key(&self) -> &[u8] {
        &self.public
    }

    /// The signatures this key makes.
    pub fn algorithm(&self) -> crate::SignatureAlgorithm {
        match self.pair {
            Pair::P256(_) => crate::SignatureAlgorithm::EcdsaP256Sha256,
            Pair::P384(_) => crate::SignatureAlgorithm::EcdsaP384Sha256,
            Pair::Rsa(_) => crate::SignatureAlgorithm::RsaPkcs1Sha256,
        }
    }

    /// Signs the SHA-256 of `message`.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, crate::SignError> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::P256(pair) => pair.sign(&random, message).map(|s| s.as_ref().to_vec()),
            Pair::P384(pair) => {
                // FIPS 186-5 §6.4.1: what is signed is the digest as a number. The library's own digest for
                // this curve has 48 octets; zeros before the 32 of SHA-256 leave the number as it is.
                let mut number = [0u8; 48];
                number[16..].copy_from_slice(digest::digest(&digest::SHA256, message).as_ref());
                digest::Digest::import_less_safe(&number, &digest::SHA384)
                    .and_then(|d| pair.sign_digest(&d))
                    .map(|s| s.as_ref().to_vec())
            }
            Pair::Rsa(pair) => {
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(&sig::RSA_PKCS1_SHA256, &random, message, &mut out).map(|()| out)
            }
        }
        .map_err(|_| crate::SignError::Key)
    }
}

fn rsa_pkcs8(pair: &rsa::KeyPair) -> Result<Vec<u8>, KeyError> {
    let document = AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map_err(|_| KeyError::Generation)?;
    Ok(document.as_ref().to_vec())
}
