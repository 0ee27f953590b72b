//! Every kind of key: made here, checked by `openssl`; made or kept elsewhere, used here.

use crate::testing::{World, now, world};
use crate::*;
use sealpost_envelope::{Secret, Sha256Digest};
use std::path::PathBuf;

const CONTENT: &[u8] = b"what was sealed\r\n";

fn seal(w: &World, kind: KeyKind) -> FileSigner {
    w.authority.issue_with_key(kind, &Profile::EvidenceSeal, &Subject::named(kind.name()), now()).unwrap()
}

/// Both of our judges and the command agree that `cms` is a good seal.
fn good(w: &World, cms: &[u8]) {
    let verified =
        verify_detached(cms, &Sha256Digest::of(CONTENT), &w.trust, Purpose::Seal, Level::B(now())).unwrap();
    opinion::of_seal(&verified, cms, CONTENT, &w.trust, now()).unwrap();
    w.file("content", CONTENT);
    w.file("sig.p7s", cms);
    let (ok, said) = w.openssl(
        "cms -verify -binary -cades -inform DER -in sig.p7s -content content -CAfile ca.pem -out /dev/null",
    );
    assert!(ok, "{said}");
}

#[test]
fn every_kind_of_key_seals_stamps_and_issues() {
    let w = world();
    for kind in KeyKind::ALL {
        let signer = seal(&w, kind);
        good(&w, &w.stamped(&signer, CONTENT));
        // A certificate tells how its key signs.
        assert_eq!(signer.certificate().signature_algorithm(), Some(signer.algorithm()), "{kind:?}");
        // The same key as a time authority, judged by `openssl ts`.
        let tsu = w.authority.issue(
            &Profile::TimeStamping,
            &Subject::named("time"),
            signer.key().public_key(),
            now(),
        );
        let key = PrivateKey::from_pem(signer.key().to_pem().expose()).unwrap();
        let tsu = FileSigner::new(key, tsu.unwrap(), vec![]).unwrap();
        let token = TimeAuthority::new(std::sync::Arc::new(tsu), w.clock.clone())
            .stamp(&Sha256Digest::of(CONTENT))
            .unwrap();
        w.file("t.tst", &token);
        let (ok, said) = w.openssl("ts -verify -data content -in t.tst -token_in -CAfile ca.pem");
        assert!(ok, "{kind:?}: {said}");
        verify_timestamp(&token, &Sha256Digest::of(CONTENT), &w.trust).unwrap();
    }
}

#[test]
fn pss_is_verified_and_no_byte_of_it_can_change() {
    let w = world();
    let signer = seal(&w, KeyKind::Rsa3072);
    w.file("content", CONTENT);
    w.file("seal.pem", signer.certificate().to_pem());
    signer.key().save(&w.path().join("seal.key")).unwrap();
    let (ok, said) = w.openssl(
        "cms -sign -binary -cades -nosmimecap -md sha256 -in content -signer seal.pem -inkey seal.key \
         -keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:digest -outform DER -out o.p7s",
    );
    assert!(ok, "{said}");
    let cms = std::fs::read(w.path().join("o.p7s")).unwrap();
    good(&w, &cms);
    let digest = Sha256Digest::of(CONTENT);
    let mut damaged = cms.clone();
    for at in 0..cms.len() {
        damaged[at] ^= 0x0a;
        let judged = verify_detached(&damaged, &digest, &w.trust, Purpose::Seal, Level::B(now()));
        assert!(judged.is_err(), "changed at {at}");
        damaged[at] ^= 0x0a;
    }
}

#[test]
fn keys_come_in_the_forms_that_authorities_hand_out() {
    let w = world();
    let run = |command: &str| {
        let (ok, said) = w.openssl(command);
        assert!(ok, "{command}: {said}");
    };
    let password = Secret::new("zoë".to_owned());
    for kind in [KeyKind::P384, KeyKind::Rsa3072] {
        let signer = seal(&w, kind);
        signer.key().save(&w.path().join("k.pem")).unwrap();
        let chain = signer.certificate().to_pem() + &w.authority.certificate().to_pem();
        w.file("chain.pem", &chain);
        w.file("both.pem", std::fs::read_to_string(w.path().join("k.pem")).unwrap() + &chain);
        run("pkey -in k.pem -traditional -out old.pem");
        run("pkcs8 -topk8 -in k.pem -v2 aes-256-cbc -passout pass:zoë -out locked.pem");
        run("pkcs12 -export -inkey k.pem -in chain.pem -passout pass:zoë -out new.p12");
        run("pkcs12 -export -legacy -inkey k.pem -in chain.pem -passout pass:zoë -out old.p12");
        let path = |name: &str| w.path().join(name);
        let certificates = path("chain.pem");
        for (key, certificates, password) in [
            ("k.pem", Some(&certificates), None),
            ("both.pem", None, None),
            ("old.pem", Some(&certificates), None),
            ("locked.pem", Some(&certificates), Some(&password)),
            ("new.p12", None, Some(&password)),
            ("old.p12", None, Some(&password)),
        ] {
            let opened = import::open(&path(key), certificates.map(PathBuf::as_path), password);
            let opened = opened.unwrap_or_else(|e| panic!("{kind:?} {key}: {e}"));
            assert_eq!(opened.certificate(), signer.certificate(), "{key}");
            assert_eq!(opened.identity().root(), Some(w.authority.certificate()), "{key}");
            good(&w, &w.stamped(&opened, CONTENT));
        }
        let wrong = Secret::new("zoé".to_owned());
        for (key, certificates, password) in [
            ("new.p12", None, Some(&wrong)),
            ("new.p12", None, None),
            ("locked.pem", Some(&certificates), Some(&wrong)),
            ("locked.pem", Some(&certificates), None),
            ("k.pem", None, None),
            ("chain.pem", None, None),
            ("none.pem", None, None),
        ] {
            let refused = import::open(&path(key), certificates.map(PathBuf::as_path), password);
            assert!(refused.is_err(), "{key}");
        }
    }
}

#[test]
fn each_judge_alone_notices_damage() {
    let w = world();
    let digest = Sha256Digest::of(CONTENT);
    for kind in [KeyKind::P256, KeyKind::Rsa3072] {
        let signer = seal(&w, kind);
        let cms = w.stamped(&signer, CONTENT);
        let verified = verify_detached(&cms, &digest, &w.trust, Purpose::Seal, Level::T).unwrap();
        let stamp = verified.timestamp().unwrap();
        let at = stamp.gen_time();
        let other = world().trust;
        let theirs = |bytes: &[u8], content: &[u8], trust: &TrustAnchors, at| {
            opinion::detached(bytes, content, trust, at).is_ok()
        };
        let ours = |bytes: &[u8], content: &[u8], trust: &TrustAnchors| {
            verify_detached(bytes, &Sha256Digest::of(content), trust, Purpose::Seal, Level::T).is_ok()
        };
        assert!(theirs(&cms, CONTENT, &w.trust, at) && ours(&cms, CONTENT, &w.trust));
        assert!(!theirs(&cms, b"other", &w.trust, at) && !ours(&cms, b"other", &w.trust));
        assert!(!theirs(&cms, CONTENT, &other, at) && !ours(&cms, CONTENT, &other));
        let late = at + jiff::SignedDuration::from_hours(24 * 365 * 4);
        assert!(!theirs(&cms, CONTENT, &w.trust, late), "the certificate had ended");
        // What is signed, and the signature itself: neither judge needs the other to see a change there.
        let bare = cms::sign(&signer, &digest, at, cms::Use::Seal).unwrap().into_der();
        let mut damaged = bare.clone();
        for place in signed_places(&bare, &signer.identity().algorithm_der) {
            damaged[place] ^= 1;
            assert!(!theirs(&damaged, CONTENT, &w.trust, at), "OpenSSL missed {place}");
            let judged = verify_detached(&damaged, &digest, &w.trust, Purpose::Seal, Level::B(at));
            assert!(judged.is_err(), "ours missed {place}");
            damaged[place] ^= 1;
        }
        let token = |imprint: &Sha256Digest, trust: &TrustAnchors, at| {
            opinion::token(stamp.token(), imprint, trust, at)
        };
        token(verified.imprint(), &w.trust, at).unwrap();
        assert!(matches!(token(&digest, &w.trust, at), Err(opinion::Disagreement::Reads("digest"))));
        let second = at + jiff::SignedDuration::from_secs(1);
        assert!(matches!(
            token(verified.imprint(), &w.trust, second),
            Err(opinion::Disagreement::Reads("time"))
        ));
        assert!(token(verified.imprint(), &other, at).is_err());
    }
    // A token by a certificate that is not for timestamps.
    let pretender = TimeAuthority::new(std::sync::Arc::new(seal(&w, KeyKind::P256)), w.clock.clone());
    let token = pretender.stamp(&digest).unwrap();
    assert!(opinion::token(&token, &digest, &w.trust, now()).is_err());
}

/// Places of the signed attributes and of the signature's value; the algorithm between them is signed only
/// within the attributes (RFC 6211), which OpenSSL does not read.
fn signed_places(cms: &[u8], algorithm: &[u8]) -> impl Iterator<Item = usize> {
    let last = |needle: &[u8]| cms.windows(needle.len()).rposition(|w| w == needle).unwrap();
    // contentType (RFC 5652 §11.1) is the shortest attribute, and so the first.
    let attributes = last(&[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03]);
    let outside = last(algorithm);
    (attributes..outside).chain(outside + algorithm.len()..cms.len())
}
