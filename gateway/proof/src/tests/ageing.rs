//! Certificates end; proofs stay, until the last authority ends.

use super::{World, failures};
use crate::*;
use jiff::{SignedDuration, Timestamp};

const YEAR: SignedDuration = SignedDuration::from_hours(24 * 365);

#[test]
fn valid_beyond_the_signers_and_invalid_aged_beyond_the_authority() {
    let w = World::new(Timestamp::now());
    let proof = w.proof();
    let years = |n| w.at + YEAR * n;
    let at = |now| verify(std::io::Cursor::new(&proof), &w.trust, now).unwrap();
    assert_eq!(at(years(4)).verdict, Verdict::Valid, "the seals ended after three years");
    let late = at(years(11));
    assert_eq!(late.verdict, Verdict::Invalid);
    assert!(late.aged);
    assert!(failures(&late).iter().any(|f| f.contains("aged")), "{:?}", failures(&late));
    let early = at(w.at - YEAR);
    assert_eq!(early.verdict, Verdict::Invalid);
    assert!(!early.aged);
}

#[test]
fn evidence_that_aged_before_the_export_is_not_rescued_by_it() {
    let w = World::new(Timestamp::now() - YEAR * 12);
    let bundle = w.bundle(&w.events());
    // The same organisation, twelve years later, with new signers under the same root.
    let mut later = World::new(Timestamp::now());
    later.trust = sealpost_certs::TrustAnchors::new(vec![
        w.authority.certificate().clone(),
        later.authority.certificate().clone(),
    ])
    .unwrap();
    let report = later.verify(&later.export(bundle).unwrap());
    assert_eq!(report.verdict, Verdict::Invalid);
    assert!(failures(&report).iter().any(|f| f.contains("had aged before")), "{:?}", failures(&report));
}
