//! Signed checkpoints and inclusion proofs, checked by ourselves and by the `openssl` command.
#![allow(clippy::unwrap_used, missing_docs)]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use sealpost_evidence::checkpoint::{Checkpoint, LogKey, NoteError, SignedCheckpoint, TlogProof};
use sealpost_evidence::merkle::{Frontier, inclusion_path, leaf_hash};
use std::convert::Infallible;

const NAME: &str = "mail.example.org/log";

fn spki(pair: &EcdsaKeyPair) -> Vec<u8> {
    let prefix =
        sealpost_envelope::hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap();
    [prefix.as_slice(), pair.public_key().as_ref()].concat()
}

fn pair() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap()
}

fn signed(pair: &EcdsaKeyPair, key: &LogKey, size: u64, root: [u8; 32]) -> SignedCheckpoint {
    let sign =
        |text: &[u8]| Ok::<_, Infallible>(pair.sign(&SystemRandom::new(), text).unwrap().as_ref().to_vec());
    Checkpoint { origin: NAME.to_owned(), size, root }.sign(key, sign).unwrap()
}

#[test]
fn a_checkpoint_verifies_and_every_changed_byte_is_noticed() {
    let pair = pair();
    let key = LogKey::new(NAME, &spki(&pair)).unwrap();
    let note = signed(&pair, &key, 7, [3; 32]);
    let read = SignedCheckpoint::parse(note.as_bytes()).unwrap();
    assert_eq!(read, note);
    assert_eq!(read.verify(&key).unwrap().size, 7);
    for at in 0..note.as_bytes().len() {
        let mut bytes = note.as_bytes().to_vec();
        bytes[at] ^= 1;
        let verdict = SignedCheckpoint::parse(&bytes).and_then(|n| n.verify(&key).cloned());
        assert!(verdict.is_err(), "octet {at} changed: {:?}", String::from_utf8_lossy(&bytes));
    }
    let stranger = LogKey::new(NAME, &spki(&self::pair())).unwrap();
    assert_eq!(read.verify(&stranger), Err(NoteError::NotSigned));
}

#[test]
fn verifier_keys_round_trip() {
    let key = LogKey::new(NAME, &spki(&pair())).unwrap();
    assert_eq!(LogKey::parse_vkey(&key.vkey()).unwrap(), key);
    let other = key.vkey().replacen('+', "+0", 1);
    assert_eq!(LogKey::parse_vkey(&other), Err(NoteError::Key));
    assert_eq!(LogKey::new("a b", key.spki()), Err(NoteError::Name));
    assert_eq!(LogKey::new("a", &key.spki()[1..]), Err(NoteError::Key));
}

#[test]
fn malformed_notes_are_refused() {
    let pair = pair();
    let key = LogKey::new(NAME, &spki(&pair)).unwrap();
    let good = signed(&pair, &key, 7, [3; 32]).as_str().to_owned();
    for bad in [
        "".to_owned(),
        good.replace("\n7\n", "\n07\n"),
        good.replace("\n7\n", "\n+7\n"),
        good.replace("\n7\n", "\n7\nextension\n"),
        good.replace('—', "-"),
        good.trim_end().to_owned(),
        format!("{good}\n"),
        good.replace('\n', "\r\n"),
    ] {
        assert!(SignedCheckpoint::parse(bad.as_bytes()).is_err(), "{bad:?}");
    }
}

#[test]
fn an_inclusion_proof_round_trips() {
    let pair = pair();
    let key = LogKey::new(NAME, &spki(&pair)).unwrap();
    let leaves: Vec<_> = (0..11u8).map(|n| leaf_hash(&[n])).collect();
    let mut nodes = std::collections::HashMap::new();
    let mut frontier = Frontier::new();
    for leaf in &leaves {
        frontier.append(*leaf, |level, index, hash| {
            nodes.insert((level, index), *hash);
        });
    }
    let checkpoint = signed(&pair, &key, 11, frontier.root());
    for index in 0..11 {
        let path = inclusion_path(index, 11, |l, i| Ok::<_, Infallible>(nodes[&(l, i)])).unwrap();
        let proof = TlogProof { index, path, checkpoint: checkpoint.clone() };
        let read = TlogProof::parse(&proof.to_bytes()).unwrap();
        assert_eq!(read, proof);
        assert_eq!(read.verify(&leaves[index as usize], &key).unwrap().size, 11);
        assert!(read.verify(&leaf_hash(b"other"), &key).is_err());
        let elsewhere = TlogProof { index: (index + 1) % 11, ..proof };
        assert!(elsewhere.verify(&leaves[index as usize], &key).is_err());
    }
}

#[test]
fn openssl_agrees() {
    let pair = pair();
    let key = LogKey::new(NAME, &spki(&pair)).unwrap();
    let note = signed(&pair, &key, 1, [9; 32]);
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    let (text, signatures) = note.as_str().rsplit_once("\n\n").unwrap();
    let blob =
        base64_simd::STANDARD.decode_to_vec(signatures.trim_end().rsplit(' ').next().unwrap()).unwrap();
    std::fs::write(file("text"), format!("{text}\n")).unwrap();
    std::fs::write(file("sig"), &blob[4..]).unwrap();
    std::fs::write(file("key.der"), key.spki()).unwrap();
    let run = std::process::Command::new("openssl")
        .args(["dgst", "-sha256", "-keyform", "DER", "-verify", "key.der", "-signature", "sig", "text"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}
