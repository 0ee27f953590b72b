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
use std::path::Path;
use std::sync::Arc;

/// The gateway's certificate, replaced as a whole at reload.
#[derive(Debug)]
pub struct Identity {
    current: ArcSwap<CertifiedKey>,
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
        Some(self.current.load_full())
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

fn read_pair(chain: &Path, key: &Path) -> Result<CertifiedKey> {
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(chain)
        .with_context(|| format!("tls.cert: cannot read {}", chain.display()))?
        .collect::<Result<_, _>>()
        .with_context(|| format!("tls.cert: {} is not a PEM chain", chain.display()))?;
    let key_der = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("tls.key: cannot read {}", key.display()))?;
    CertifiedKey::from_der(certificates, key_der, &provider())
        .with_context(|| format!("tls: {} does not belong to {}", key.display(), chain.display()))
}
