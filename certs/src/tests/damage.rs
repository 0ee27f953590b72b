//! Every byte of a signature and of a token, changed: nothing may pass.

use crate::testing::world;
use crate::*;
use sealpost_envelope::Sha256Digest;

/// A low bit, the difference between rsaEncryption and sha256WithRSAEncryption, constructed, high.
const FLIPS: [u8; 4] = [0x01, 0x0a, 0x20, 0x80];

fn survivors(bytes: &[u8], flips: &[u8], passes: impl Fn(&[u8]) -> bool) -> Vec<(usize, u8)> {
    assert!(passes(bytes), "the undamaged original must pass");
    let mut damaged = bytes.to_vec();
    let mut survivors = Vec::new();
    for at in 0..bytes.len() {
        for &flip in flips {
            damaged[at] ^= flip;
            if passes(&damaged) {
                survivors.push((at, flip));
            }
            damaged[at] ^= flip;
        }
    }
    survivors
}

#[test]
fn no_byte_of_a_seal_can_change() {
    let w = world().with_rsa();
    let digest = Sha256Digest::of(b"content");
    for (signer, flips) in [(&w.seal, &FLIPS[..]), (w.rsa.as_ref().unwrap(), &FLIPS[1..2])] {
        let cms = w.stamped(signer, b"content");
        let passes = |b: &[u8]| verify_detached(b, &digest, &w.trust, Purpose::Seal, Level::T).is_ok();
        assert_eq!(survivors(&cms, flips, passes), []);
    }
}

#[test]
fn no_byte_of_a_token_can_change_appear_or_go() {
    let w = world();
    let imprint = Sha256Digest::of(b"content");
    let token = w.tsa.stamp(&imprint).unwrap();
    let passes = |b: &[u8]| verify_timestamp(b, &imprint, &w.trust).is_ok();
    assert_eq!(survivors(&token, &FLIPS, passes), []);
    for at in 0..token.len() {
        assert!(!passes(&token[..at]), "cut at {at}");
        let mut longer = token.clone();
        longer.insert(at, 0);
        assert!(!passes(&longer), "inserted at {at}");
    }
}

#[test]
fn foreign_tokens_are_as_rigid_once_canonical() {
    // `openssl ts -reply` writes no algorithm protection: nothing but the accepted form binds those fields.
    let w = world();
    let tsu = w
        .authority
        .issue_with_key(KeyKind::Rsa3072, &Profile::TimeStamping, &Subject::named("t"), testing::now())
        .unwrap();
    let request = TimeStampRequest::new(Sha256Digest::of(b"content"));
    let reply = super::timestamps::openssl_reply(&w, &tsu, &request.to_der());
    let token = request
        .accept(&reply, &w.trust, testing::now(), jiff::SignedDuration::from_mins(5))
        .unwrap()
        .token()
        .to_vec();
    let passes = |b: &[u8]| verify_timestamp(b, &Sha256Digest::of(b"content"), &w.trust).is_ok();
    assert_eq!(survivors(&token, &FLIPS, passes), []);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]
    #[test]
    fn noise_is_refused_without_panic(noise in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let trust = TrustAnchors::new(vec![]).unwrap();
        let digest = Sha256Digest::of(b"");
        assert!(verify_detached(&noise, &digest, &trust, Purpose::Mail, Level::T).is_err());
        assert!(verify_timestamp(&noise, &digest, &trust).is_err());
        assert!(Certificate::from_der(&noise).is_err());
        let request = TimeStampRequest::new(digest);
        assert!(request.accept(&noise, &trust, testing::now(), jiff::SignedDuration::from_mins(5)).is_err());
    }
}
