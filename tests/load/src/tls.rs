//! The generator's side of TLS: one cipher suite for all servers, so that ratios compare like with like.

use anyhow::{Context, Result};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Our end of a TLS connection; few, large reads.
pub type Secured = TlsStream<BufReader<TcpStream>>;

/// Bytes asked of the kernel at once.
const READ: usize = 256 * 1024;

/// TLS 1.3 with AES-256-GCM only, trusting the authority in `ca`.
pub fn connector(ca: &Path) -> Result<TlsConnector> {
    let mut roots = rustls::RootCertStore::empty();
    let pem = CertificateDer::from_pem_file(ca).with_context(|| format!("read {}", ca.display()))?;
    roots.add(pem)?;
    let provider = CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384],
        ..aws_lc_rs::default_provider()
    };
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config).into())
}

/// A connection in clear.
pub async fn clear(addr: SocketAddr) -> Result<BufReader<TcpStream>> {
    let socket = TcpStream::connect(addr).await.with_context(|| format!("connect to {addr}"))?;
    socket.set_nodelay(true)?;
    Ok(BufReader::with_capacity(READ, socket))
}

/// Turns it into a secured one.
pub async fn secure(connector: &TlsConnector, stream: BufReader<TcpStream>) -> Result<Secured> {
    let name = ServerName::try_from("localhost")?;
    connector.connect(name, stream).await.context("TLS handshake")
}
