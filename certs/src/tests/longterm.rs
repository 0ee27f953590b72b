//! Level B-LT: seals with the revocation values of all their certificates inside, and every way to get that wrong.

use crate::asn1::{ContentInfo, oid};
use crate::testing::*;
use crate::*;
use der::asn1::SetOfVec;
use der::{Any, Decode, Encode};
use jiff::{SignedDuration, Timestamp};
use sealpost_envelope::{Clock, Sha256Digest};

const DAY: SignedDuration = SignedDuration::from_hours(24);
const CONTENT: &[u8] = b"evidence";

fn list(w: &World, revoked: &[Revoked], at: Timestamp) -> RevocationValue {
    RevocationValue::list(&w.authority.issue_crl(revoked, at).unwrap()).unwrap()
}

fn completed(w: &World, values: &[RevocationValue]) -> Result<Vec<u8>, VerifyError> {
    let seal = w.stamped(&w.seal, CONTENT);
    complete_seal(&seal, &Sha256Digest::of(CONTENT), &w.trust, values)
}

fn judged(w: &World, cms: &[u8]) -> Result<VerifiedSignature, VerifyError> {
    verify_detached(cms, &Sha256Digest::of(CONTENT), &w.trust, Purpose::Seal, Level::T)
}

/// The same signature with these RevocationInfoChoices.
fn with_choices(cms: &[u8], choices: &[Vec<u8>], version: u8) -> Vec<u8> {
    let mut info = ContentInfo::from_der(cms).unwrap();
    let all: Vec<Any> = choices.iter().map(|c| Any::from_der(c).unwrap()).collect();
    info.content.crls = Some(SetOfVec::try_from(all).unwrap());
    info.content.version = version;
    info.to_der().unwrap()
}

#[test]
fn a_list_inside_makes_a_seal_long_term_and_openssl_agrees() {
    let w = world();
    let lt = completed(&w, &[list(&w, &[], w.clock.now())]).unwrap();
    let verified = judged(&w, &lt).unwrap();
    assert_eq!((verified.revocation().len(), verified.uses().len()), (1, 2));
    w.file("s.p7s", &lt);
    w.file("c", CONTENT);
    let (ok, said) = w.openssl(
        "cms -verify -binary -cades -inform DER -in s.p7s -content c -CAfile ca.pem -crl_check_all -out out",
    );
    assert!(ok, "{said}");
    opinion::of_seal(&verified, &lt, CONTENT, &w.trust, w.clock.now()).unwrap();
    let (ok, said) = w.openssl("cms -cmsout -inform DER -in s.p7s -outform DER -out again");
    assert!(ok && std::fs::read(w.path().join("again")).unwrap() == lt, "{said}");
    // Completed again, the same.
    let again = complete_seal(&lt, &Sha256Digest::of(CONTENT), &w.trust, verified.revocation()).unwrap();
    assert_eq!(again, lt);
}

#[test]
fn what_was_revoked_in_time_or_is_not_spoken_for_is_refused() {
    let w = world();
    let now = w.clock.now();
    let serial = |c: &Certificate| sealpost_envelope::hex::decode(&c.serial_hex()).unwrap();
    let gone = |c: &Certificate, at| list(&w, &[Revoked { serial: serial(c), at }], now);
    let stranger = world();
    let tsu = w.tsa.signer().certificate();
    for (values, words) in [
        (vec![], "nothing says whether"),
        (vec![list(&stranger, &[], now)], "nothing says whether"),
        (vec![gone(w.seal.certificate(), now - DAY)], "CN=Seal was revoked on"),
        (vec![gone(tsu, now - DAY)], "CN=Time was revoked on"),
    ] {
        let said = completed(&w, &values).unwrap_err().to_string();
        assert!(said.contains(words), "{words}: {said}");
        // Nor does it help to put them in by hand.
        let choices: Vec<_> = values.iter().map(|v| v.der().to_vec()).collect();
        if !choices.is_empty() {
            let forced = with_choices(&w.stamped(&w.seal, CONTENT), &choices, 1);
            let said = judged(&w, &forced).unwrap_err().to_string();
            assert!(said.contains(words), "{words}: {said}");
        }
    }
    // Out of force when the seal was made.
    let old = world_at(now - DAY * 9);
    let stale = list(&old, &[], now - DAY * 9);
    old.clock.advance(DAY * 8);
    assert!(completed(&old, &[stale]).unwrap_err().to_string().contains("nothing says whether"));
    // Revoked later: the timestamp shows that it was used before.
    completed(&w, &[gone(w.seal.certificate(), now + DAY)]).unwrap();
    // A list that was made later holds for what was before.
    completed(&w, &[list(&w, &[], now + DAY * 30)]).unwrap();
}

#[test]
fn nothing_that_is_not_needed_may_be_inside() {
    let w = world();
    let now = w.clock.now();
    let (one, other) = (list(&w, &[], now), list(&w, &[], now + DAY));
    let foreign = list(&world(), &[], now);
    let seal = w.stamped(&w.seal, CONTENT);
    let is = |choices: &[Vec<u8>], version: u8, words: &str| {
        let said = judged(&w, &with_choices(&seal, choices, version)).unwrap_err().to_string();
        assert!(said.contains(words), "{words}: {said}");
    };
    is(&[one.der().to_vec(), other.der().to_vec()], 1, "without being used");
    is(&[one.der().to_vec(), foreign.der().to_vec()], 1, "without being used");
    is(&[], 1, "CRLs are included without being used");
    is(&[one.der().to_vec()], 5, "version");
    is(&[b"\x30\x03\x02\x01\x00".to_vec()], 1, "not a revocation list");
    is(&[b"\xa1\x03\x02\x01\x00".to_vec()], 1, "neither a revocation list nor");
    is(&[b"\xa2\x03\x02\x01\x00".to_vec()], 1, "neither a revocation list nor");
    // Of several that would do, only what is needed is taken.
    let chosen = completed(&w, &[foreign, one.clone(), other]).unwrap();
    assert_eq!(judged(&w, &chosen).unwrap().revocation(), [one]);
    // A token carries none: `openssl ts` could not read every kind.
    let token = w.tsa.stamp(&Sha256Digest::of(b"x")).unwrap();
    let mut info = ContentInfo::from_der(&token).unwrap();
    let any = Any::from_der(list(&w, &[], now).der()).unwrap();
    info.content.crls = Some(SetOfVec::try_from(vec![any]).unwrap());
    assert_eq!(info.content.encap_content_info.econtent_type, oid::TST_INFO);
    let said = verify_timestamp(&info.to_der().unwrap(), &Sha256Digest::of(b"x"), &w.trust).unwrap_err();
    assert!(said.to_string().contains("CRLs"), "{said}");
}

#[test]
fn every_octet_of_a_long_term_seal_counts() {
    let w = world();
    let lt = completed(&w, &[list(&w, &[], w.clock.now())]).unwrap();
    for at in 0..lt.len() {
        let mut damaged = lt.clone();
        damaged[at] ^= 1 << (at % 8);
        assert!(judged(&w, &damaged).is_err(), "octet {at}");
    }
}

/// Lists for some certificates, and lists of what changed (RFC 5280 §5.2.4, §5.2.5), as `openssl ca` makes them.
#[test]
fn lists_with_a_scope_and_delta_lists() {
    let w = world();
    w.file("ca.key", w.authority.signer().key().to_pem().expose());
    let row = |c: &Certificate| {
        format!("R\t{}\t260101000000Z\t{}\tunknown\t/CN=x\n", "360101000000Z", c.serial_hex().to_uppercase())
    };
    w.file("index.txt", row(w.mail.certificate()));
    let make = |name: &str, extensions: &str, number: &str| {
        w.file("n", format!("{number}\n"));
        w.file("ca.cnf", format!(
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ncrlnumber=n\ndefault_md=sha256\ndefault_crl_days=7\ncrl_extensions=e\n[e]\n{extensions}\n[idp]\nfullname=URI:http://ca.test/1.crl\n[user]\nonlyuser=TRUE\n[authority]\nonlyCA=TRUE\n[some]\nonlysomereasons=keyCompromise\n[indirect]\nindirectCRL=TRUE\n"
        ));
        let (ok, said) =
            w.openssl(&format!("ca -config ca.cnf -gencrl -keyfile ca.key -cert ca.pem -out {name}.pem"));
        assert!(ok, "{said}");
        let pem = std::fs::read_to_string(w.path().join(format!("{name}.pem"))).unwrap();
        RevocationList::from_der(&pem::decode_all(&pem).unwrap()[0].bytes)
    };
    let issuer = w.authority.certificate();
    let mail = w.mail.certificate();
    let plain = make("plain", "", "05").unwrap();
    assert!(plain.is_signed_by(issuer) && plain.concerns(mail) && plain.revoked(mail).is_some());
    let people = make("user", "issuingDistributionPoint=critical,@user", "05").unwrap();
    assert!(people.concerns(mail) && !people.concerns(issuer));
    let authorities = make("ca1", "issuingDistributionPoint=critical,@authority", "05").unwrap();
    assert!(!authorities.concerns(mail) && authorities.concerns(issuer));
    // Ours name no distribution point, so that a list for one says nothing of them.
    assert!(!make("idp", "issuingDistributionPoint=critical,@idp", "05").unwrap().concerns(mail));
    for bad in [
        "issuingDistributionPoint=critical,@some",
        "issuingDistributionPoint=critical,@indirect",
        "1.2.3.4=critical,DER:0500",
    ] {
        assert!(make("bad", bad, "05").is_err(), "{bad}");
    }
    for (base, number, continues) in
        [("05", "06", true), ("04", "06", true), ("06", "07", false), ("04", "05", false)]
    {
        let delta = make("delta", &format!("2.5.29.27=critical,DER:0201{base}"), number).unwrap();
        assert!(delta.is_delta() && !plain.is_delta());
        assert_eq!(delta.continues(&plain), continues, "{base} {number}");
        assert!(matches!(delta.change(mail), Some(crl::Change::Ended(_))));
        assert_eq!(delta.change(w.seal.certificate()), None);
        assert!(!plain.continues(&delta));
    }
}
