//! Timestamps: our authority against `openssl ts -verify`, our client against `openssl ts -reply`.

use crate::testing::{World, now, world, world_at};
use crate::*;
use jiff::SignedDuration;
use sealpost_envelope::Sha256Digest;

const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// Lets `openssl` be the authority, with a certificate of ours; returns its answer to `request`.
pub(super) fn openssl_reply(w: &World, signer: &FileSigner, request: &[u8]) -> Vec<u8> {
    let dir = w.path().display();
    let config = format!(
        "[tsa]\ndefault_tsa = t\n[t]\ndir = {dir}\nserial = {dir}/serial\ncrypto_device = builtin\n\
         signer_cert = {dir}/tsa.pem\ncerts = {dir}/extra.pem\nsigner_key = {dir}/tsa.key\nsigner_digest = sha256\n\
         default_policy = 1.2.3.4.1\ndigests = sha256\naccuracy = secs:1\nordering = no\ntsa_name = yes\n\
         ess_cert_id_chain = no\ness_cert_id_alg = sha256\n"
    );
    w.file("tsa.cnf", config);
    w.file("serial", "01");
    // Superfluous here, as authorities like it: everything up to the root, and the root.
    let chain: String =
        signer.chain().iter().chain([w.authority.certificate()]).map(Certificate::to_pem).collect();
    w.file("extra.pem", chain);
    w.file("tsa.pem", signer.certificate().to_pem());
    signer.key().save(&w.path().join("tsa.key")).unwrap();
    w.file("q.tsq", request);
    let (ok, said) = w.openssl("ts -reply -config tsa.cnf -queryfile q.tsq -out r.tsr");
    assert!(ok, "{said}");
    std::fs::read(w.path().join("r.tsr")).unwrap()
}

fn tsu(w: &World, kind: KeyKind) -> FileSigner {
    w.authority.issue_with_key(kind, &Profile::TimeStamping, &Subject::named("Foreign time"), now()).unwrap()
}

#[test]
fn openssl_accepts_our_tokens_and_replies() {
    let w = world();
    w.file("data", b"data");
    w.file("wrong", b"wrong");
    let token = w.tsa.stamp(&Sha256Digest::of(b"data")).unwrap();
    w.file("t.tst", &token);
    let (ok, said) = w.openssl("ts -verify -data data -in t.tst -token_in -CAfile ca.pem");
    assert!(ok, "{said}");
    assert!(!w.openssl("ts -verify -data wrong -in t.tst -token_in -CAfile ca.pem").0);
    for query in ["-sha256 -cert", "-sha512 -cert", "-sha384 -cert -no_nonce"] {
        assert!(w.openssl(&format!("ts -query -data data {query} -out q.tsq")).0);
        let reply = w.tsa.reply(&std::fs::read(w.path().join("q.tsq")).unwrap()).unwrap();
        w.file("r.tsr", reply);
        let (ok, said) = w.openssl("ts -verify -queryfile q.tsq -in r.tsr -CAfile ca.pem");
        assert!(ok, "{query}: {said}");
    }
    let (ok, said) = w.openssl("ts -reply -in r.tsr -text");
    assert!(ok && said.contains("Accuracy: 0x01 seconds") && said.contains("Ordering: no"), "{said}");
    // Without -cert the certificate stays out.
    assert!(w.openssl("ts -query -data data -sha256 -out q.tsq").0);
    let reply = w.tsa.reply(&std::fs::read(w.path().join("q.tsq")).unwrap()).unwrap();
    w.file("r.tsr", &reply);
    w.file("tsu.pem", w.tsa.signer().certificate().to_pem());
    assert!(w.openssl("ts -verify -queryfile q.tsq -in r.tsr -CAfile ca.pem -untrusted tsu.pem").0);
}

#[test]
fn our_authority_refuses_bad_requests() {
    let w = world();
    w.file("data", b"data");
    let refusal = |bytes: &[u8]| {
        w.file("r.tsr", w.tsa.reply(bytes).unwrap());
        let (_, said) = w.openssl("ts -reply -in r.tsr -text");
        assert!(said.contains("Status: Rejected"), "{said}");
        said
    };
    assert!(refusal(b"nonsense").contains("the data submitted has the wrong format"));
    for (query, why) in [
        ("-sha1", "unrecognized or unsupported algorithm"),
        ("-sha256 -tspolicy 1.2.3", "the requested TSA policy is not supported"),
    ] {
        assert!(w.openssl(&format!("ts -query -data data {query} -out q.tsq")).0);
        let said = refusal(&std::fs::read(w.path().join("q.tsq")).unwrap());
        assert!(said.to_lowercase().contains(&why.to_lowercase()), "{query}: {said}");
    }
}

#[test]
fn our_client_accepts_openssl_and_itself() {
    let w = world();
    let imprint = Sha256Digest::of(b"data");
    for kind in [KeyKind::P256, KeyKind::Rsa3072] {
        let request = TimeStampRequest::new(imprint);
        let reply = openssl_reply(&w, &tsu(&w, kind), &request.to_der());
        let token = request.accept(&reply, &w.trust, now(), TOLERANCE).unwrap();
        // The canonical form still passes openssl, and is what verification accepts.
        w.file("data", b"data");
        w.file("t.tst", token.token());
        let (ok, said) = w.openssl("ts -verify -data data -in t.tst -token_in -CAfile ca.pem");
        assert!(ok, "{said}");
        verify_timestamp(token.token(), &imprint, &w.trust).unwrap();
    }
    let request = TimeStampRequest::new(imprint);
    let reply = w.tsa.reply(&request.to_der()).unwrap();
    request.accept(&reply, &w.trust, now(), TOLERANCE).unwrap();
}

#[test]
fn our_client_refuses_what_answers_something_else() {
    let w = world();
    let request = TimeStampRequest::new(Sha256Digest::of(b"data"));
    let reply = w.tsa.reply(&request.to_der()).unwrap();
    let again = TimeStampRequest::new(Sha256Digest::of(b"data"));
    let accept = |r: &TimeStampRequest, reply: &[u8], at| r.accept(reply, &w.trust, at, TOLERANCE);
    assert!(matches!(accept(&again, &reply, now()), Err(TspError::Nonce)));
    let other = TimeStampRequest::new(Sha256Digest::of(b"other"));
    assert!(matches!(accept(&other, &reply, now()), Err(TspError::Token(VerifyError::Imprint))));
    let later = now() + SignedDuration::from_mins(6);
    assert!(matches!(accept(&request, &reply, later), Err(TspError::Time { .. })));
    let foreign = request.accept(&reply, &world().trust, now(), TOLERANCE);
    assert!(matches!(foreign, Err(TspError::Token(VerifyError::Path { .. }))), "{foreign:?}");
    assert!(matches!(accept(&request, b"<html>", now()), Err(TspError::Malformed(_))));
    let refused = w.tsa.reply(b"").unwrap();
    assert!(matches!(accept(&request, &refused, now()), Err(TspError::Refused { status: 2, .. })));
}

#[test]
fn only_a_time_stamping_certificate_dates() {
    let w = world();
    let imprint = Sha256Digest::of(b"data");
    let pretender = TimeAuthority::new(std::sync::Arc::new(world().seal), w.clock.clone());
    assert!(verify_timestamp(&pretender.stamp(&imprint).unwrap(), &imprint, &w.trust).is_err());
    let seal = w
        .authority
        .issue_with_key(KeyKind::P256, &Profile::EvidenceSeal, &Subject::named("s"), now())
        .unwrap();
    let pretender = TimeAuthority::new(std::sync::Arc::new(seal), w.clock.clone());
    let refused = verify_timestamp(&pretender.stamp(&imprint).unwrap(), &imprint, &w.trust);
    assert!(matches!(refused, Err(VerifyError::Usage(..))), "{refused:?}");
    // The certificate must be valid at genTime.
    let early = world_at(now() - SignedDuration::from_hours(24 * 366 * 11));
    early.clock.advance(SignedDuration::from_hours(24 * 366 * 11));
    let late = verify_timestamp(&early.tsa.stamp(&imprint).unwrap(), &imprint, &early.trust);
    assert!(matches!(late, Err(VerifyError::Path { .. })), "{late:?}");
}

#[test]
fn serials_ascend_and_differ() {
    let w = world();
    let imprint = Sha256Digest::of(b"data");
    let tokens: std::collections::BTreeSet<_> = (0..50).map(|_| w.tsa.stamp(&imprint).unwrap()).collect();
    assert_eq!(tokens.len(), 50);
}
