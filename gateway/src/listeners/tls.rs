//! TLS for every listener: certificate files, reload without restart, one configuration per protocol.
//!
//! **Exposure.** rustls meets strangers here; TLS 1.2 and 1.3 only, no client certificates on these listeners.
//! **Failure.** A file that cannot be read or does not fit is an error at start; at reload the old pair stays.

use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sealpost_envelope::Secret;
use sealpost_sasl::ChannelBindings;
use std::path::Path;
use std::sync::Arc;

/// The gateway's certificate, replaced as a whole at reload.
#[derive(Debug)]
pub struct Identity {
    current: ArcSwap<Pair>,
}

#[derive(Debug)]
struct Pair {
    key: Arc<CertifiedKey>,
    /// Digest of the certificate for `tls-server-end-point`.
    end_point: Option<Vec<u8>>,
}

impl Identity {
    /// Reads a PEM chain (leaf first) and its PEM key.
    pub fn load(chain: &Path, key: &Path) -> Result<Arc<Self>> {
        Ok(Arc::new(Self { current: ArcSwap::from_pointee(read_pair(chain, key)?) }))
    }

    /// Takes new files into use for connections from now on.
    pub fn reload(&self, chain: &Path, key: &Path) -> Result<()> {
        self.current.store(Arc::new(read_pair(chain, key)?));
        Ok(())
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load().key.clone())
    }
}

/// Our choice of cryptography for all of TLS (docs/decisions/0003-cryptography.md).
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// A server configuration over `identity` that offers the given ALPN names (RFC 7301).
pub fn server_config(identity: &Arc<Identity>, alpn: &[&str]) -> Result<Arc<rustls::ServerConfig>> {
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .context("TLS versions")?
        .with_no_client_auth()
        .with_cert_resolver(identity.clone());
    config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    Ok(Arc::new(config))
}

fn read_pair(chain: &Path, key: &Path) -> Result<Pair> {
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(chain)
        .with_context(|| format!("tls.cert: cannot read {}", chain.display()))?
        .collect::<Result<_, _>>()
        .with_context(|| format!("tls.cert: {} is not a PEM chain", chain.display()))?;
    let key_der = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("tls.key: cannot read {}", key.display()))?;
    let end_point = certificates.first().and_then(|c| end_point(c));
    let pair = CertifiedKey::from_der(certificates, key_der, &provider())
        .with_context(|| format!("tls: {} does not belong to {}", key.display(), chain.display()))?;
    Ok(Pair { key: Arc::new(pair), end_point })
}

/// What binds a login to this connection (RFC 5802 §6). After a reload in the middle of a handshake the
/// certificate is not the one that was shown: then a login bound to it fails once, and is tried again.
pub fn bindings(connection: &rustls::ServerConnection, identity: &Identity) -> ChannelBindings {
    // RFC 9266 §4.2: with TLS 1.2 only where the extended master secret is in use, which rustls does not tell.
    let tls13 = connection.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3);
    let exporter = tls13
        .then(|| connection.export_keying_material(vec![0u8; 32], b"EXPORTER-Channel-Binding", Some(b"")))
        .and_then(Result::ok);
    let end_point = identity.current.load().end_point.clone();
    ChannelBindings { exporter: exporter.map(Secret::new), end_point: end_point.map(Secret::new) }
}

/// RFC 5929 §4.1: the certificate's digest by the hash of its signature, SHA-256 instead of MD5 and SHA-1.
/// None for algorithms that name no hash, such as Ed25519.
fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
    // Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm SEQUENCE { OID, … }, signatureValue }
    let (body, _) = der_value(certificate)?;
    let (_, after_tbs) = der_value(body)?;
    let (algorithm, _) = der_value(after_tbs)?;
    let (oid, _) = der_value(algorithm)?;
    // 1.2.840.113549.1.1.n (RSA) and 1.2.840.10045.4 (ECDSA).
    let hash = match oid {
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 4 | 5 | 11] => &SHA256,
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12] => &SHA384,
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13] => &SHA512,
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1] | [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2] => &SHA256,
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3] => &SHA384,
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4] => &SHA512,
        _ => return None,
    };
    Some(digest(hash, certificate).as_ref().to_vec())
}

/// The value of the first element in DER, and what follows it.
fn der_value(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = der.get(1..)?.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81..=0x84 => {
            let (octets, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (octets.iter().fold(0usize, |n, b| n << 8 | usize::from(*b)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}
