//! What clamd answers, what it is sent, and how it fails: judged against a server of the test's own on loopback.
//!
//! A real clamd is asked in `tests/tests/antivirus.rs`.

use super::clamd::judged;
use super::{Clamd, Finding, ScanError};
use crate::config::{AntivirusSettings, ClamdAddress};
use bytes::Bytes;
use futures_util::stream;
use std::convert::Infallible;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[test]
fn answers_are_read_for_what_they_say() {
    let found = |text: &str| judged(text).ok();
    let named = |f: fn(String) -> Finding, name: &str| Some(f(name.to_owned()));
    assert_eq!(found("stream: OK"), Some(Finding::Clean));
    assert_eq!(found("stream: Eicar.UNOFFICIAL FOUND"), named(Finding::Infected, "Eicar.UNOFFICIAL"));
    let encrypted = "Heuristics.Encrypted.Zip";
    assert_eq!(found("stream: Heuristics.Encrypted.Zip FOUND"), named(Finding::Encrypted, encrypted));
    let limits = "Heuristics.Limits.Exceeded.MaxFileSize";
    assert_eq!(found(&format!("stream: {limits} FOUND")), named(Finding::Unscannable, limits));
    assert_eq!(found("INSTREAM size limit exceeded. ERROR"), named(Finding::Unscannable, "too large"));
    // Nothing else is taken for a verdict, least of all for a good one.
    for other in ["OK", "stream: OK FOUND OK", "Can't allocate memory ERROR", "UNKNOWN COMMAND", "stream: "] {
        assert_eq!(found(other), None, "{other}");
    }
}

#[test]
fn the_worst_of_several_counts() {
    let bad = || Finding::Infected("x".to_owned());
    let closed = || Finding::Encrypted("y".to_owned());
    assert_eq!(Finding::Clean.worse(closed()).worse(bad()).worse(closed()).worse(Finding::Clean), bad());
    for finding in [Finding::Clean, bad(), closed(), Finding::Unscannable("z".to_owned())] {
        assert_eq!(Finding::read(finding.word(), finding.name()), Some(finding));
    }
    assert_eq!(Finding::read("other", None), None);
}

/// A daemon that reads frames up to a total, then answers.
async fn daemon(limit: usize, answer: &'static [u8]) -> Clamd {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut peer, _) = listener.accept().await.unwrap();
        let mut command = [0; 10];
        peer.read_exact(&mut command).await.unwrap();
        assert_eq!(&command, b"zINSTREAM\0");
        let mut seen = 0;
        loop {
            let length = peer.read_u32().await.unwrap() as usize;
            if length == 0 || seen > limit {
                break;
            }
            let mut frame = vec![0; length];
            peer.read_exact(&mut frame).await.unwrap();
            seen += length;
        }
        peer.write_all(answer).await.unwrap();
    });
    let settings = AntivirusSettings {
        clamd: Some(ClamdAddress::Tcp(address)),
        timeout: "1 second".parse().unwrap(),
        ..AntivirusSettings::default()
    };
    Clamd::open(&settings).unwrap()
}

fn pieces(count: usize) -> impl futures_util::Stream<Item = Result<Bytes, Infallible>> + Unpin {
    stream::iter(vec![Ok(Bytes::from(vec![b'x'; 100_000])); count])
}

#[tokio::test]
async fn files_are_sent_in_frames() {
    let clamd = daemon(usize::MAX, b"stream: OK\0").await;
    assert_eq!(clamd.scan(300_000, pieces(3)).await.unwrap(), Finding::Clean);
}

#[tokio::test]
async fn a_daemon_that_has_had_enough_is_heard() {
    let clamd = daemon(200_000, b"INSTREAM size limit exceeded. ERROR\0").await;
    // The answer may be lost with the connection; then there is no verdict, and never a good one.
    match clamd.scan(50_000_000, pieces(500)).await {
        Ok(found) => assert_eq!(found, Finding::Unscannable("too large".to_owned())),
        Err(ScanError::Silent(_)) => {}
        Err(ScanError::Content(never)) => match never {},
    }
}

#[tokio::test]
async fn silence_is_no_verdict() {
    for answer in [&b""[..], b"\0", b"stream: "] {
        let clamd = daemon(usize::MAX, answer).await;
        assert!(matches!(clamd.scan(1, pieces(1)).await, Err(ScanError::Silent(_))), "{answer:?}");
    }
    // Nobody listens any more.
    let clamd = daemon(usize::MAX, b"stream: OK\0").await;
    clamd.scan(1, pieces(1)).await.unwrap();
    assert!(matches!(clamd.scan(1, pieces(1)).await, Err(ScanError::Silent(_))));
    assert!(clamd.ping().await.is_err());
}

#[tokio::test]
async fn what_is_too_large_is_not_sent() {
    let clamd = daemon(usize::MAX, b"stream: OK\0").await;
    let found = clamd.scan(200_000_000, pieces(1)).await.unwrap();
    assert_eq!(found, Finding::Unscannable("too large".to_owned()));
}
