//! Proofs whose parts are each right, but do not belong together; and smaller proofs that are right.

use super::{MESSAGE, World, failures};
use crate::*;
use jiff::Timestamp;
use sealpost_envelope::Sha256Digest;
use sealpost_evidence::journal::filter_openings;

#[test]
fn export_refuses_what_does_not_fit_together() {
    let w = World::new(Timestamp::now());
    let events = w.events();
    let refused = |change: &dyn Fn(&mut Bundle<'static>)| {
        let mut bundle = w.bundle(&events);
        change(&mut bundle);
        w.export(bundle).unwrap_err().to_string()
    };
    let other = |b: &mut Bundle<'static>| b.original = Some(Source::bytes(MESSAGE.to_ascii_uppercase()));
    assert!(refused(&other).contains("not the message that was deposited"));
    assert!(
        refused(&|b| b.original = Some(Source { size: 3, ..Source::bytes(vec![1; 4]) }))
            .contains("announced")
    );
    assert!(refused(&|b| b.entries.clear()).contains("at least one"));
    assert!(
        refused(&|b| {
            b.entries.remove(0);
        })
        .contains("no journal entry names its digest")
    );
    assert!(
        refused(&|b| {
            b.entries[1].path.pop();
        })
        .contains("log/8.tlog-proof")
    );
    assert!(refused(&|b| b.entries.swap(0, 1)).contains("out of order"));
    assert!(refused(&|b| b.entries[0].openings = b.entries[1].openings.clone()).contains("open.json"));
    assert!(refused(&|b| b.deposit = sealpost_envelope::DepositId::generate()).contains("another deposit"));
    assert!(refused(&|b| b.checkpoint.note.clear()).contains("log/checkpoint"));
}

#[test]
fn a_proof_for_one_recipient_without_content_is_valid_and_silent_about_others() {
    let w = World::new(Timestamp::now());
    let events = w.events();
    let mut bundle = w.bundle(&events);
    bundle.original = None;
    bundle.recipients.truncate(1);
    // The deposit's evidence names everybody; its journal entry names nobody.
    bundle.evidence.remove(0);
    bundle.entries[0].openings =
        Some(filter_openings(&events[0].openings, |path| path != "actor.login").unwrap());
    let proof = w.export(bundle).unwrap();
    assert_eq!(failures(&w.verify(&proof)), Vec::<String>::new());
    let text = String::from_utf8_lossy(&proof);
    assert!(text.contains("bob@example.test") && !text.contains("dora@example.test"));
}

#[test]
fn parts_of_two_proofs_do_not_mix() {
    let w = World::new(Timestamp::now());
    let foreign = World::new(Timestamp::now());
    let events = w.events();
    // Written without the checks of export: by a forger who even holds the seal.
    let forge = |change: &dyn Fn(&mut Bundle<'static>)| {
        let mut bundle = w.bundle(&events);
        change(&mut bundle);
        failures(&w.verify(&w.export(bundle).unwrap()))
    };
    let swapped = forge(&|b| {
        let seal = b.evidence[0].seal.clone();
        b.evidence[1].seal = seal;
    });
    assert!(
        swapped.iter().any(|f| f.starts_with("evidence/02-ConsignmentNotification.xml.p7s: the digest")),
        "{swapped:?}"
    );
    let signed_by_seal = forge(&|b| b.checkpoint.seal = w.sealed(&w.seal, &b.checkpoint.note));
    assert!(signed_by_seal.iter().any(|f| f.starts_with("log/checkpoint: ")), "{signed_by_seal:?}");
    let stamped = forge(&|b| b.checkpoint.token = w.tsa.stamp(&Sha256Digest::of(b"x")).unwrap());
    assert!(stamped.iter().any(|f| f.starts_with("log/checkpoint.tst: ")), "{stamped:?}");
    let untrusted = forge(&|b| b.evidence[0].seal = foreign.sealed(&foreign.seal, &b.evidence[0].xml));
    assert!(untrusted.iter().any(|f| f.starts_with("evidence/01-")), "{untrusted:?}");
    let root = forge(&|b| b.roots.push(foreign.authority.certificate().clone()));
    assert!(root.iter().any(|f| f.starts_with("certificates/root-2.pem: ")), "{root:?}");
    let unstamped = forge(&|b| {
        let digest = Sha256Digest::of(&b.evidence[0].xml);
        let signature =
            sealpost_certs::cms::sign(&w.seal, &digest, w.at, sealpost_certs::cms::Use::Seal).unwrap();
        b.evidence[0].seal = signature.into_der();
    });
    assert!(unstamped.iter().any(|f| f.contains("signature-time-stamp is missing")), "{unstamped:?}");
}

#[test]
fn nobody_elses_trust_makes_it_valid() {
    let w = World::new(Timestamp::now());
    let report = verify(std::io::Cursor::new(w.proof()), &World::new(w.at).trust, w.at).unwrap();
    assert_eq!(report.verdict, Verdict::Invalid);
    assert!(failures(&report).iter().any(|f| f.starts_with("META-INF/signature001.p7s: ")));
}
