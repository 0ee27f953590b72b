//! Keys that sign outgoing mail for its domain (DKIM): RSA and Ed25519.
//!
//! **Exposure.** Reads files of the administrator only. The header and body that are signed come from
//! `sealpost_message::dkim`; here are the key, the signature over them and the record to publish.
//!
//! **Standards.** RFC 6376 §3.3 and §3.6.1, RFC 8301 (key sizes), RFC 8463 (Ed25519).
//!
//! **Failure modes.** [`KeyError`] names the file. A key of another kind, or too short an RSA key, is refused.

use crate::files::write_atomic;
use crate::{KeyError, SignError, pem};
use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256};
use aws_lc_rs::{rsa, signature as sig};
use sealpost_envelope::Secret;
use std::path::Path;

/// How a signature is made; its name stands in the `a=` tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DkimAlgorithm {
    /// RFC 6376 §3.3.1: what every receiver checks.
    RsaSha256,
    /// RFC 8463: short and fast; not every receiver knows it.
    Ed25519Sha256,
}

impl DkimAlgorithm {
    /// The `a=` tag.
    pub fn tag(self) -> &'static str {
        match self {
            Self::RsaSha256 => "rsa-sha256",
            Self::Ed25519Sha256 => "ed25519-sha256",
        }
    }
    /// The `k=` tag of the record.
    fn key_type(self) -> &'static str {
        match self {
            Self::RsaSha256 => "rsa",
            Self::Ed25519Sha256 => "ed25519",
        }
    }
}

enum Pair {
    Rsa(Box<rsa::KeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

/// A private key for DKIM.
pub struct DkimKey {
    pair: Pair,
}

impl std::fmt::Debug for DkimKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DkimKey({})", self.algorithm().tag())
    }
}

/// RFC 8301 §3.2: signers use 2048 bits at least; longer keys do not fit one string of a TXT record.
const RSA_SIZE: rsa::KeySize = rsa::KeySize::Rsa2048;

impl DkimKey {
    /// Makes a key and writes it as PKCS#8 in PEM, readable by its owner only.
    pub fn create(algorithm: DkimAlgorithm, path: &Path) -> Result<Self, KeyError> {
        let pkcs8 = match algorithm {
            DkimAlgorithm::RsaSha256 => {
                let pair = rsa::KeyPair::generate(RSA_SIZE).map_err(|_| KeyError::Generation)?;
                let document = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(|_| KeyError::Generation)?;
                Secret::new(document.as_ref().to_vec())
            }
            DkimAlgorithm::Ed25519Sha256 => {
                // Version 1: the form other mail servers read (RFC 8410 §7).
                let made = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new());
                Secret::new(made.map_err(|_| KeyError::Generation)?.as_ref().to_vec())
            }
        };
        let text = Secret::new(pem::encode("PRIVATE KEY", pkcs8.expose()));
        write_atomic(path, text.expose().as_bytes(), 0o600)
            .map_err(|source| KeyError::File { path: path.to_owned(), source })?;
        Self::from_pkcs8(pkcs8.expose())
    }

    /// Reads a PEM file with exactly one key: PKCS#8, or the older form of RSA keys (RFC 8017 A.1.2).
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let file = |source| KeyError::File { path: path.to_owned(), source };
        let text = Secret::new(std::fs::read_to_string(path).map_err(file)?);
        Self::from_pem(text.expose())
    }

    fn from_pem(text: &str) -> Result<Self, KeyError> {
        match <[pem::Block; 1]>::try_from(pem::decode_all(text)?) {
            Ok([block]) if block.label == "PRIVATE KEY" => {
                Self::from_pkcs8(Secret::new(block.bytes).expose())
            }
            Ok([block]) if block.label == "RSA PRIVATE KEY" => {
                let bytes = Secret::new(block.bytes);
                Self::rsa(rsa::KeyPair::from_der(bytes.expose()).map_err(|_| KeyError::Unsupported)?)
            }
            Ok([block]) => Err(KeyError::NotPkcs8(block.label)),
            Err(blocks) => Err(KeyError::NotPkcs8(format!("{} blocks", blocks.len()))),
        }
    }

    fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, KeyError> {
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8) {
            return Ok(Self { pair: Pair::Ed25519(Box::new(pair)) });
        }
        Self::rsa(rsa::KeyPair::from_pkcs8(pkcs8).map_err(|_| KeyError::Unsupported)?)
    }

    fn rsa(pair: rsa::KeyPair) -> Result<Self, KeyError> {
        if pair.public_modulus_len() < RSA_SIZE.len() {
            return Err(KeyError::Unsupported);
        }
        Ok(Self { pair: Pair::Rsa(Box::new(pair)) })
    }

    /// The signatures it makes.
    pub fn algorithm(&self) -> DkimAlgorithm {
        match self.pair {
            Pair::Rsa(_) => DkimAlgorithm::RsaSha256,
            Pair::Ed25519(_) => DkimAlgorithm::Ed25519Sha256,
        }
    }

    /// Signs the canonical header (RFC 6376 §3.7).
    pub fn sign(&self, header: &[u8]) -> Result<Vec<u8>, SignError> {
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), header, &mut out)
                    .map(|()| out)
                    .map_err(|_| SignError::Key)
            }
            Pair::Ed25519(pair) => {
                // RFC 8463 §3: the digest is signed by PureEdDSA.
                let digest = digest::digest(&digest::SHA256, header);
                pair.try_sign(digest.as_ref()).map(|s| s.as_ref().to_vec()).map_err(|_| SignError::Key)
            }
        }
    }

    /// The text of the TXT record at `SELECTOR._domainkey.DOMAIN` (RFC 6376 §3.6.1).
    pub fn record(&self) -> String {
        let key = match &self.pair {
            Pair::Rsa(pair) => {
                let der = AsDer::<PublicKeyX509Der<'_>>::as_der(sig::KeyPair::public_key(&**pair));
                // Encoding the public half of a key that signs cannot fail.
                der.map(|d| base64_simd::STANDARD.encode_to_string(d.as_ref())).unwrap_or_default()
            }
            // RFC 8463 §4: the bare 32 octets.
            Pair::Ed25519(pair) => base64_simd::STANDARD.encode_to_string(pair.public_key().as_ref()),
        };
        format!("v=DKIM1; k={}; p={key}", self.algorithm().key_type())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_8463_example() {
        // RFC 8463 A.2: the secret key as a PKCS#8 document, its record.
        let seed =
            base64_simd::STANDARD.decode_to_vec("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=").unwrap();
        let mut pkcs8 = vec![
            0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
        ];
        pkcs8.extend_from_slice(&seed);
        let key = DkimKey::from_pem(&pem::encode("PRIVATE KEY", &pkcs8)).unwrap();
        assert_eq!(key.record(), "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
    }

    #[test]
    fn made_read_and_refused() {
        let dir = tempfile::tempdir().unwrap();
        for algorithm in [DkimAlgorithm::RsaSha256, DkimAlgorithm::Ed25519Sha256] {
            let path = dir.path().join(algorithm.tag());
            let made = DkimKey::create(algorithm, &path).unwrap();
            let read = DkimKey::load(&path).unwrap();
            assert_eq!(read.algorithm(), algorithm);
            assert_eq!(read.record(), made.record());
            // Both kinds sign the same way twice: a retry could sign again and change nothing.
            assert_eq!(read.sign(b"from:a\r\n").unwrap(), made.sign(b"from:a\r\n").unwrap());
            assert_ne!(read.sign(b"from:a\r\n").unwrap(), read.sign(b"from:b\r\n").unwrap());
        }
        let ec = dir.path().join("ec");
        crate::PrivateKey::generate(crate::KeyKind::P256).unwrap().save(&ec).unwrap();
        assert!(matches!(DkimKey::load(&ec), Err(KeyError::Unsupported)));
        assert!(matches!(DkimKey::load(&dir.path().join("none")), Err(KeyError::File { .. })));
        assert!(DkimKey::from_pem("").is_err());
    }
}
