//! Connections: HTTP/2 and HTTP/1.1 by ALPN over TLS, and a shutdown that lets answers end.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use sealpost_web::{Front, Introduce, ServeLimits, serve};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
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
    let server = tokio::spawn(serve(
        Front { listener, introduce: None, tls: Some(tls) },
        router,
        ServeLimits::default(),
        shutdown.clone(),
    ));
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

/// Listens without TLS, with little patience.
async fn impatient() -> (u16, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (short, shutdown) = (Duration::from_millis(200), CancellationToken::new());
    let limits = ServeLimits { head: short, stall: short * 2, ..ServeLimits::default() };
    let slow = async || {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        "slow"
    };
    let router = Router::new()
        .route("/slow", get(slow))
        .route("/body", axum::routing::post(async |body: axum::body::Bytes| format!("{}", body.len())));
    let front = Front { listener, introduce: None, tls: None };
    tokio::spawn(serve(front, router, limits, shutdown.clone()));
    (port, shutdown)
}

/// HTTP/2's preface and an empty SETTINGS frame (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Whoever asks for nothing is sent away, in any way of asking for nothing.
#[tokio::test]
async fn silent_connections_end() {
    let (port, _running) = impatient().await;
    let body: &[u8] = b"POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab";
    let cases = [
        ("silent", &b""[..]),
        ("part of a preface", &PREFACE[..10]),
        ("HTTP/2 without requests", PREFACE),
        ("half a head", b"GET / HTTP/1.1\r\nhost:"),
        ("half a body", body),
    ];
    for (what, sent) in cases {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        socket.write_all(sent).await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(20), socket.read_to_end(&mut Vec::new())).await;
        assert!(ended.is_ok(), "{what}: the connection stays open");
    }
}

/// Pings, and answers to pings, are no requests.
#[tokio::test]
async fn pings_keep_no_connection_open() {
    let (port, _running) = impatient().await;
    let (mut reads, mut writes) = TcpStream::connect(("127.0.0.1", port)).await.unwrap().into_split();
    writes.write_all(PREFACE).await.unwrap();
    let pings = async {
        // RFC 9113 §6.7: eight octets, on stream 0; every one is both a ping and an answer to one.
        while writes
            .write_all(b"\0\0\x08\x06\0\0\0\0\0pingping\0\0\x08\x06\x01\0\0\0\0pingping")
            .await
            .is_ok()
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let end = async { while reads.read(&mut [0; 4096]).await.is_ok_and(|n| n > 0) {} };
    let ended = tokio::time::timeout(Duration::from_secs(20), async {
        tokio::select! { () = pings => {}, () = end => {} }
    });
    assert!(ended.await.is_ok(), "the connection stays open");
}

/// A handler that takes longer than clients may is waited for.
#[tokio::test]
async fn a_slow_handler_is_no_silence() {
    let (port, _running) = impatient().await;
    let mut socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    socket.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(Duration::from_secs(20), socket.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(answer.ends_with(b"slow"), "{}", String::from_utf8_lossy(&answer));
}

/// Who is introduced is who requests come from, and whose connections are counted; who is not is not heard.
#[tokio::test]
async fn introduced_clients_are_the_clients() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // One octet names the client.
    let introduce: Introduce = Arc::new(|mut socket: TcpStream, peer: SocketAddr| {
        Box::pin(async move {
            let host = socket.read_u8().await.ok().filter(|host| *host != 0)?;
            Some((socket, SocketAddr::from(([192, 0, 2, host], peer.port()))))
        })
    });
    let who = async |ConnectInfo(who): ConnectInfo<SocketAddr>| who.ip().to_string();
    let router = Router::new().route("/", get(who));
    let limits = ServeLimits { per_address: 1, ..ServeLimits::default() };
    let front = Front { listener, introduce: Some(introduce), tls: None };
    tokio::spawn(serve(front, router, limits, CancellationToken::new()));
    let ask = async |host: u8| {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        socket.write_all(&[host]).await.unwrap();
        socket.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
        while !String::from_utf8_lossy(&answer).contains("192.0.2.") {
            match socket.read(&mut piece).await {
                Ok(0) | Err(_) => return (String::new(), socket),
                Ok(n) => answer.extend_from_slice(&piece[..n]),
            }
        }
        (String::from_utf8_lossy(&answer).into_owned(), socket)
    };
    let (one, _held) = ask(1).await;
    assert!(one.ends_with("192.0.2.1"), "{one}");
    let (two, _also) = ask(2).await;
    assert!(two.ends_with("192.0.2.2"), "another client, though of one peer: {two}");
    assert_eq!(ask(1).await.0, "", "a second connection of the first");
    assert_eq!(ask(0).await.0, "", "nobody");
}
