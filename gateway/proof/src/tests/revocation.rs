//! Revocation lists in a proof, and the second opinion beside each verdict.

use super::{World, failures};
use crate::verify::Verdict;
use crate::*;
use jiff::{SignedDuration, Timestamp};
use sealpost_certs::{Authority, RevocationValue, Revoked, Signer, Subject, complete_seal};
use sealpost_envelope::{Clock, Sha256Digest};

fn with_list(w: &World, list: Vec<u8>) -> Report {
    let list = RevocationValue::list(&list).unwrap();
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
    ] {
        let found = failures(&with_list(&w, list));
        assert!(found.len() == 1 && found[0].contains(words), "{words}: {found:?}");
    }
    // Out of date when anything here was used.
    let late = World::new(old);
    let list = late.list(&[]);
    late.clock.advance(SignedDuration::from_hours(24 * 8));
    let bundle = Bundle { revocation: vec![list], ..late.bundle(&late.events()) };
    let found = failures(&late.verify(&late.export(bundle).unwrap()));
    assert!(found.len() == 1 && found[0].contains("in force from"), "{found:?}");
    // Made when the proof had been sealed long ago.
    let later = w.authority.issue_crl(&[], now + SignedDuration::from_hours(3)).unwrap();
    let found = failures(&with_list(&w, later));
    assert!(found.len() == 1 && found[0].contains("after the proof was sealed"), "{found:?}");
}

#[test]
fn seals_have_their_revocation_values_inside() {
    let w = World::new(Timestamp::now());
    let proof = w.export_long_term(w.bundle(&w.events()));
    let report = w.verify(&proof);
    assert_eq!((failures(&report), report.verdict), (Vec::new(), Verdict::Valid));
    let inside = report.checks.iter().filter(|c| c.what.ends_with(", with revocation values"));
    assert_eq!(inside.count(), 5, "three evidences, the checkpoint, the manifest");
    // Years later, when the list is long out of force.
    let at = w.clock.now() + SignedDuration::from_hours(24 * 365 * 5);
    let report = verify(std::io::Cursor::new(&proof), &w.trust, at).unwrap();
    assert_eq!((failures(&report), report.verdict), (Vec::new(), Verdict::Valid));
    // Renewed after nine years.
    let renewed = super::ageing::renewed(&w, &proof, SignedDuration::from_hours(24 * 365 * 9));
    let at = w.clock.now() + SignedDuration::from_hours(24 * 365 * 11);
    let report = verify(std::io::Cursor::new(&renewed), &w.trust, at).unwrap();
    assert_eq!((failures(&report), report.verdict), (Vec::new(), Verdict::Valid));
}

#[test]
fn a_proof_stays_as_it_is_while_something_is_not_known() {
    let w = World::new(Timestamp::now());
    let stranger = World::new(Timestamp::now());
    let mut bundle = w.bundle(&w.events());
    bundle.revocation = vec![stranger.list(&[])];
    let said = complete(&mut bundle, &w.seal, w.clock.now()).unwrap_err().to_string();
    assert!(said.contains("nothing says whether"), "{said}");
    assert!(!bundle.long_term && bundle.revocation.is_empty(), "what says nothing here is left out");
    let report = w.verify(&w.export(bundle).unwrap());
    assert_eq!((failures(&report), report.verdict), (Vec::new(), Verdict::Valid));
    // Revoked before its use: not completed, and INVALID by the list beside it.
    let serial = sealpost_envelope::hex::decode(&w.seal.certificate().serial_hex()).unwrap();
    let mut bundle = w.bundle(&w.events());
    bundle.revocation = vec![w.list(&[Revoked { serial, at: w.at - SignedDuration::from_hours(1) }])];
    let said = complete(&mut bundle, &w.seal, w.clock.now()).unwrap_err().to_string();
    assert!(said.contains("CN=Seal was revoked on"), "{said}");
    assert_eq!(w.verify(&w.export(bundle).unwrap()).verdict, Verdict::Invalid);
}

/// The seal over the manifest is covered by nothing: what is inside must not be taken out, put in or exchanged.
#[test]
fn values_inside_of_the_last_seal_cannot_be_exchanged() {
    let w = World::new(Timestamp::now());
    let long = w.export_long_term(w.bundle(&w.events()));
    let plain = w.export(w.bundle(&w.events())).unwrap();
    let seal_of = |proof: &[u8]| super::damage::content_of(proof, "META-INF/signature001.p7s").unwrap();
    let digest = |proof: &[u8]| {
        Sha256Digest::of(&super::damage::content_of(proof, "META-INF/ASiCManifest001.xml").unwrap())
    };
    let with_seal = |proof: &[u8], seal: Vec<u8>| {
        let changed = super::damage::rebuild(proof, |name, bytes| {
            Some(if name == "META-INF/signature001.p7s" { seal.clone() } else { bytes })
        });
        failures(&w.verify(&changed))
    };
    let later = w.authority.issue_crl(&[], w.at + SignedDuration::from_mins(1)).unwrap();
    let later = RevocationValue::list(&later).unwrap();
    let exchanged = complete_seal(&seal_of(&long), &digest(&long), &w.trust, std::slice::from_ref(&later));
    let found = with_seal(&long, exchanged.unwrap());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("is not one of those in revocation/"), "{found:?}");
    let added = complete_seal(&seal_of(&plain), &digest(&plain), &w.trust, &[w.list(&[])]).unwrap();
    let found = with_seal(&plain, added);
    assert!(found.len() == 1 && found[0].contains("it has revocation values, unlike"), "{found:?}");
    // Taken out: the `[1]` of SignedData is dropped, and the lengths around it are made right.
    let cut = without_values(&seal_of(&long));
    let found = with_seal(&long, cut);
    assert!(found.len() == 1 && found[0].contains("it lacks revocation values, unlike"), "{found:?}");
}

/// A seal without its revocation values.
fn without_values(seal: &[u8]) -> Vec<u8> {
    let element = |bytes: &[u8]| -> (usize, usize) {
        match bytes[1] {
            n @ 0..=0x7f => (2, usize::from(n)),
            n => {
                let count = usize::from(n - 0x80);
                let length = bytes[2..2 + count].iter().fold(0, |l, b| l << 8 | usize::from(*b));
                (2 + count, length)
            }
        }
    };
    let wrap = |tag: u8, content: &[u8]| {
        let mut out = vec![tag, 0x82];
        out.extend_from_slice(&u16::try_from(content.len()).unwrap().to_be_bytes());
        out.extend_from_slice(content);
        out
    };
    let (head, length) = element(seal);
    let info = &seal[head..head + length];
    let (oid_head, oid_length) = element(info);
    let (oid, outer) = info.split_at(oid_head + oid_length);
    let data = &outer[element(outer).0..];
    let mut rest = &data[element(data).0..];
    let mut kept = Vec::new();
    while !rest.is_empty() {
        let (head, length) = element(rest);
        let (part, after) = rest.split_at(head + length);
        if part[0] != 0xa1 {
            kept.extend_from_slice(part);
        }
        rest = after;
    }
    wrap(0x30, &[oid, &wrap(0xa0, &wrap(0x30, &kept))[..]].concat())
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
