//! Signatures, times, proofs and the journal.

use crate::choice;
use jiff::{SignedDuration, Timestamp};
use sealpost_certs::card::Card;
use sealpost_certs::{
    Certificate, Level, OcspRequest, Purpose, RevocationValue, TimeStampRequest, TrustAnchors, pem,
    verify_detached, verify_timestamp,
};
use sealpost_envelope::Sha256Digest;
use sealpost_evidence::checkpoint::{LogKey, SignedCheckpoint, TlogProof};
use sealpost_evidence::journal::EntryView;
use sealpost_evidence::merkle::{Frontier, TileId};
use std::io::Cursor;
use std::sync::OnceLock;

/// The root under which the seeds were signed.
const ROOT: &str = include_str!("../seeds/certificate/root.pem");

fn trust() -> &'static TrustAnchors {
    static TRUST: OnceLock<TrustAnchors> = OnceLock::new();
    TRUST.get_or_init(|| TrustAnchors::from_pem(ROOT).expect("a certificate of ours"))
}

fn now() -> Timestamp {
    "2026-11-22T05:00:00Z".parse().expect("a time of ours")
}

/// Detached signatures: content nobody signed is never accepted.
pub(crate) fn cms(data: &[u8]) {
    let digest = Sha256Digest::of(b"nobody signed this");
    for level in [Level::T, Level::B(now())] {
        assert!(verify_detached(data, &digest, trust(), Purpose::Seal, level).is_err());
    }
}

/// Timestamps and answers of authorities.
pub(crate) fn tsp(data: &[u8]) {
    let digest = Sha256Digest::of(b"nobody stamped this");
    assert!(verify_timestamp(data, &digest, trust()).is_err());
    let request = TimeStampRequest::new(digest);
    assert!(request.accept(data, trust(), now(), SignedDuration::from_mins(5)).is_err());
}

/// Certificates and PEM.
pub(crate) fn certificate(data: &[u8]) {
    if let Ok(certificate) = Certificate::from_der(data) {
        assert_eq!(certificate.der(), data, "a certificate is kept as it stands");
        // Whoever it names, it names itself the same way twice.
        assert_eq!(Card::read(&certificate), Card::read(&certificate));
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = pem::decode_all(text);
        let _ = Certificate::from_pem(text);
    }
}

/// Revocation lists and answers of responders: kept as they stand, and nobody is believed in another's name.
pub(crate) fn revocation(data: &[u8]) {
    let root = &trust().certificates()[0];
    let read = [RevocationValue::list(data).ok(), RevocationValue::answer(data).ok()];
    for value in read.into_iter().flatten() {
        assert_eq!(value.der(), data);
        assert_eq!(value.about(root, root), None);
    }
    let question = OcspRequest::new(root.clone(), root.clone());
    assert!(question.accept(data, now()).is_err());
}

/// Proofs from anywhere: judged, or no proof at all.
pub(crate) fn proof(data: &[u8]) {
    if let Ok(report) = sealpost_proof::verify(Cursor::new(data), trust(), now()) {
        assert!(!report.checks.is_empty());
    }
}

/// Journal entries: one spelling only.
pub(crate) fn journal(data: &[u8]) {
    if let Ok(entry) = EntryView::parse(data) {
        assert!(entry.json().is_object());
        let _ = entry.evidence();
    }
}

/// Checkpoints, inclusion proofs, tiles, tree states.
pub(crate) fn log(data: &[u8]) {
    let (first, rest) = choice(data);
    if let Ok(checkpoint) = SignedCheckpoint::parse(data) {
        let _ = format!("{checkpoint:?}");
    }
    let _ = TlogProof::parse(data);
    let _ = Frontier::from_bytes(u64::from(first), rest);
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = LogKey::parse_vkey(text);
        let _ = TileId::parse(text);
    }
}

/// Evidence XML.
pub(crate) fn evidence(data: &[u8]) {
    let _ = sealpost_evidence::xml::parse(data);
}
