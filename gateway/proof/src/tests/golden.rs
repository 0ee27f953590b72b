//! Proofs of every version of the format that was ever written (`tests/formats`): they must verify for ever.
//!
//! They are made once, by `SEALPOST_BLESS=1`, which never replaces one that is there. A new version of the format
//! adds its own under a new name.

use super::{World, ageing, failures};
use crate::*;
use jiff::{SignedDuration, Timestamp};
use sealpost_certs::{Certificate, KeyKind, Profile, RevocationValue, Signer, Subject, TrustAnchors};
use std::path::{Path, PathBuf};

/// Name, and a time at which it must be VALID.
const GOLDEN: [(&str, &str); 6] = [
    ("proof-1-ec", "2030-01-01T00:00:00Z"),
    ("proof-1-rsa", "2030-01-01T00:00:00Z"),
    ("proof-1-renewed", "2040-01-01T00:00:00Z"),
    ("proof-1-long-term", "2030-01-01T00:00:00Z"),
    ("proof-1-xades", "2030-01-01T00:00:00Z"),
    ("proof-1-answers", "2030-01-01T00:00:00Z"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/formats")
}

fn make(name: &str) -> (Vec<u8>, Certificate) {
    // `openssl ocsp` answers at its own time.
    let then = "2026-11-22T04:00:00Z".parse().unwrap();
    let mut w = World::new(if name.ends_with("answers") { Timestamp::now() } else { then });
    if name.ends_with("rsa") {
        let subject = Subject::named("RSA seal");
        w.seal =
            w.authority.issue_with_key(KeyKind::Rsa3072, &Profile::EvidenceSeal, &subject, w.at).unwrap();
    }
    let mut bundle = w.bundle(&w.events());
    bundle.enveloped = name.ends_with("xades");
    if name.ends_with("answers") {
        bundle.revocation = answers(&w);
    }
    let mut proof = match name.ends_with("long-term") || name.ends_with("answers") {
        true => w.export_long_term(bundle),
        false => w.export(bundle).unwrap(),
    };
    if name.ends_with("renewed") {
        proof = ageing::renewed(&w, &proof, SignedDuration::from_hours(24 * 365 * 9));
    }
    (proof, w.authority.certificate().clone())
}

/// What a responder says of all certificates in use.
fn answers(w: &World) -> Vec<RevocationValue> {
    let dir = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| std::fs::write(dir.path().join(file), text).unwrap();
    write("ca.pem", &w.authority.certificate().to_pem());
    write("ca.key", w.authority.signer().key().to_pem().expose());
    let of = [w.seal.certificate(), w.journal.certificate(), w.tsa.signer().certificate()];
    let row = |c: &&Certificate| {
        let (end, serial) = (c.not_after().strftime("%y%m%d%H%M%SZ"), c.serial_hex().to_uppercase());
        format!("V\t{end}\t\t{serial}\tunknown\t/CN={serial}\n")
    };
    write("index.txt", &of.iter().map(row).collect::<String>());
    let answer = |certificate: &&Certificate| {
        write("of.pem", &certificate.to_pem());
        let line = "ocsp -index index.txt -CA ca.pem -rsigner ca.pem -rkey ca.key -issuer ca.pem -cert of.pem -ndays 1 \
                    -no_nonce -resp_no_certs -noverify -respout answer.der";
        let out =
            std::process::Command::new("openssl").args(line.split_whitespace()).current_dir(&dir).output();
        let out = out.unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        RevocationValue::answer(&std::fs::read(dir.path().join("answer.der")).unwrap()).unwrap()
    };
    of.iter().map(answer).collect()
}

#[test]
fn proofs_of_every_version_verify_for_ever() {
    for (name, at) in GOLDEN {
        let (proof, ca) = (folder().join(format!("{name}.asice")), folder().join(format!("{name}.ca.pem")));
        if std::env::var_os("SEALPOST_BLESS").is_some() && !proof.exists() {
            let (bytes, root) = make(name);
            std::fs::create_dir_all(folder()).unwrap();
            std::fs::write(&proof, bytes).unwrap();
            std::fs::write(&ca, root.to_pem()).unwrap();
        }
        let trust = TrustAnchors::new(Certificate::load(&ca).unwrap()).unwrap();
        let at: Timestamp = at.parse().unwrap();
        let report = verify(std::fs::File::open(&proof).unwrap(), &trust, at).unwrap();
        assert_eq!(failures(&report), Vec::<String>::new(), "{name}");
        assert_eq!(report.verdict, Verdict::Valid, "{name}");
    }
}

#[test]
fn every_golden_proof_is_in_the_list() {
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "asice") {
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            assert!(GOLDEN.iter().any(|(name, _)| *name == stem), "{stem} is not tested");
        }
    }
}
