//! Connections: HTTP/2 and HTTP/1.1 by ALPN over TLS, and a shutdown that lets answers end.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use axum::Router;
use axum::routing::get;
use sealpost_web::{ServeLimits, serve};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_util::sync::CancellationToken;

/// A self-signed certificate made by the `openssl` command.
fn acceptor(dir: &std::path::Path) -> TlsAcceptor {
    let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "1",
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let chain = vec![CertificateDer::from_pem_file(&cert).unwrap()];
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(&key).unwrap())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn curl(dir: &std::path::Path, port: u16, version: &str, path: &str) -> String {
    let out = tokio::process::Command::new("curl")
        .args(["-sS", version, "-w", " %{http_version}", "--cacert"])
        .arg(dir.join("cert.pem"))
        .arg(format!("https://localhost:{port}{path}"))
        .output()
        .await
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

#[tokio::test]
async fn both_versions_and_an_orderly_end() {
    let dir = tempfile::tempdir().unwrap();
    let tls = acceptor(dir.path());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let slow = async || {
        tokio::time::sleep(Duration::from_millis(600)).await;
        "slow"
    };
    let router = Router::new().route("/", get(async || "here")).route("/slow", get(slow));
    let shutdown = CancellationToken::new();
    let server = tokio::spawn(serve(listener, Some(tls), router, ServeLimits::default(), shutdown.clone()));
    assert_eq!(curl(dir.path(), port, "--http2", "/").await, "here 2");
    assert_eq!(curl(dir.path(), port, "--http1.1", "/").await, "here 1.1");

    let (at, running) = (dir.path().to_owned(), shutdown.clone());
    let last = tokio::spawn(async move { curl(&at, port, "--http1.1", "/slow").await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    running.cancel();
    assert_eq!(last.await.unwrap(), "slow 1.1", "a running answer ends");
    tokio::time::timeout(Duration::from_secs(5), server).await.unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err());
}
