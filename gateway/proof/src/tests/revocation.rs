//! Revocation lists in a proof, and the second opinion beside each verdict.

use super::{World, failures};
use crate::verify::Verdict;
use crate::*;
use jiff::{SignedDuration, Timestamp};
use sealpost_certs::{Authority, Revoked, Signer, Subject};
use sealpost_envelope::Clock;

fn with_list(w: &World, list: Vec<u8>) -> Report {
    let bundle = Bundle { revocation: vec![list], ..w.bundle(&w.events()) };
    w.verify(&w.export(bundle).unwrap())
}

#[test]
fn a_certificate_that_was_revoked_before_its_use_makes_a_proof_invalid() {
    let w = World::new(Timestamp::now());
    let serial = sealpost_envelope::hex::decode(&w.seal.certificate().serial_hex()).unwrap();
    let list = |at: Timestamp| {
        w.authority.issue_crl(&[Revoked { serial: serial.clone(), at }], w.clock.now()).unwrap()
    };
    let hour = SignedDuration::from_hours(1);
    let early = failures(&with_list(&w, list(w.at - hour)));
    assert!(
        early.len() == 1 && early[0].starts_with("revocation/crl-1.crl: CN=Seal was revoked"),
        "{early:?}"
    );
    // Revoked afterwards: the timestamp shows that it was used before.
    let late = with_list(&w, list(w.at + hour));
    assert_eq!((failures(&late), late.verdict), (Vec::new(), Verdict::Valid));
}

#[test]
fn lists_that_prove_nothing_here_are_refused() {
    let w = World::new(Timestamp::now());
    let stranger = Authority::create_root(&Subject::named("Sealpost test root"), w.at).unwrap();
    let other = Authority::create_root(&Subject::named("Other root"), w.at).unwrap();
    let now = w.clock.now();
    let old = now - SignedDuration::from_hours(24 * 8);
    let earlier = World::new(old);
    let mut broken = w.authority.issue_crl(&[], now).unwrap();
    let last = broken.len() - 1;
    broken[last] ^= 1;
    for (list, words) in [
        (stranger.issue_crl(&[], now).unwrap(), "signed by no issuer"),
        (other.issue_crl(&[], now).unwrap(), "signed by no issuer"),
        (earlier.authority.issue_crl(&[], old).unwrap(), "signed by no issuer"),
        (broken, "signed by no issuer"),
        (b"not a list".to_vec(), "DER"),
    ] {
        let found = failures(&with_list(&w, list));
        assert!(found.len() == 1 && found[0].contains(words), "{words}: {found:?}");
    }
    // Out of date when the proof was sealed.
    let late = World::new(old);
    let list = late.authority.issue_crl(&[], old).unwrap();
    late.clock.advance(SignedDuration::from_hours(24 * 8));
    let bundle = Bundle { revocation: vec![list], ..late.bundle(&late.events()) };
    let found = failures(&late.verify(&late.export(bundle).unwrap()));
    assert!(found.len() == 1 && found[0].contains("in force from"), "{found:?}");
}

#[test]
fn every_seal_and_timestamp_is_judged_twice() {
    let w = World::new(Timestamp::now());
    let report = w.verify(&w.proof());
    let agreed: Vec<&str> =
        report.checks.iter().filter(|c| c.what == "OpenSSL agrees").map(|c| c.subject.as_str()).collect();
    for member in [
        "META-INF/signature001.p7s",
        "evidence/01-SubmissionAcceptance.xml.p7s",
        "log/checkpoint.tst",
        "log/checkpoint.p7s",
    ] {
        assert!(agreed.contains(&member), "{member} has no second opinion: {agreed:?}");
    }
    // One authority for all: nobody else vouches for the time, and the report says so.
    assert!(report.checks.iter().any(|c| c.what.starts_with("external time pending")));
}
