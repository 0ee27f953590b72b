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

/// A time authority of the same root, made and asked `after` the world began.
fn authority_later(w: &World, after: SignedDuration) -> sealpost_certs::TimeAuthority {
    let at = w.at + after;
    let profile = sealpost_certs::Profile::TimeStamping;
    let subject = sealpost_certs::Subject::named("Later time");
    let made = w.authority.issue_with_key(sealpost_certs::KeyKind::P256, &profile, &subject, at).unwrap();
    let clock = sealpost_envelope::FixedClock::new(at + SignedDuration::from_mins(1));
    sealpost_certs::TimeAuthority::new(std::sync::Arc::new(made), std::sync::Arc::new(clock))
}

pub(super) fn renewed(w: &World, proof: &[u8], after: SignedDuration) -> Vec<u8> {
    let authority = authority_later(w, after);
    let out = std::io::Cursor::new(Vec::new());
    renew(std::io::Cursor::new(proof), |imprint| authority.stamp(imprint), out).unwrap().into_inner()
}

#[test]
fn renewed_in_time_it_lasts_and_unrenewed_it_says_what_has_aged() {
    let w = World::new(Timestamp::now());
    let proof = w.proof();
    let once = renewed(&w, &proof, YEAR * 9);
    let twice = renewed(&w, &once, YEAR * 18);
    let judge =
        |proof: &[u8], years| verify(std::io::Cursor::new(proof), &w.trust, w.at + YEAR * years).unwrap();
    for (proof, years) in [(&once, 10), (&once, 11), (&once, 18), (&twice, 19), (&twice, 20)] {
        let report = judge(proof, years);
        assert_eq!(failures(&report), Vec::<String>::new(), "{years}");
    }
    let old = judge(&proof, 11);
    assert!(old.aged, "{:?}", failures(&old));
    let said = failures(&old);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with("META-INF/signature001.p7s: aged") && said[0].contains("CN=Time"),
        "{said:?}"
    );
    let again = judge(&once, 20);
    assert!(again.aged && failures(&again)[0].starts_with("META-INF/timestamp001.tst: aged"));
}

#[test]
fn renewed_too_late_it_is_not_rescued() {
    let w = World::new(Timestamp::now());
    let late = renewed(&w, &w.proof(), YEAR * 11);
    let report = verify(std::io::Cursor::new(&late), &w.trust, w.at + YEAR * 12).unwrap();
    assert!(!report.aged);
    let said = failures(&report);
    assert!(said.iter().any(|f| f.starts_with("META-INF/timestamp001.tst: renewed too late")), "{said:?}");
}
