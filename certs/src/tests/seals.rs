//! Detached signatures: ours against `openssl`, and refusals.

use crate::testing::{World, now, world, world_at};
use crate::*;
use jiff::SignedDuration;
use sealpost_envelope::Sha256Digest;

const CONTENT: &[u8] = b"Content-Type: text/plain\r\n\r\nBonjour\r\n";

fn verify(w: &World, cms: &[u8], content: &[u8]) -> Result<VerifiedSignature, VerifyError> {
    verify_detached(cms, &Sha256Digest::of(content), &w.trust, Purpose::Seal, Level::T)
}

#[test]
fn openssl_accepts_cades_of_both_kinds_of_key() {
    let w = world().with_rsa();
    w.file("content", CONTENT);
    w.file("other", b"something else");
    for signer in [&w.seal, w.rsa.as_ref().unwrap()] {
        let cms = w.stamped(signer, CONTENT);
        w.file("sig.p7s", &cms);
        let command = |content| {
            format!(
                "cms -verify -binary -cades -inform DER -in sig.p7s -content {content} -CAfile ca.pem -out /dev/null"
            )
        };
        let (ok, said) = w.openssl(&command("content"));
        assert!(ok, "{said}");
        assert!(!w.openssl(&command("other")).0);
        let verified = verify(&w, &cms, CONTENT).unwrap();
        assert_eq!(verified.signer(), signer.certificate());
        assert_eq!(verified.anchor(), w.authority.certificate());
        let stamp = verified.timestamp().unwrap();
        assert_eq!(stamp.authority(), w.tsa.signer().certificate());
        assert!(now().duration_since(stamp.gen_time()).abs() < SignedDuration::from_mins(5));
        assert!(verified.signing_time().is_some());
    }
}

#[test]
fn smime_passes_openssl_and_its_own_purpose() {
    let w = world();
    let cms = cms::sign(&w.mail, &Sha256Digest::of(CONTENT), now(), cms::Use::Mail).unwrap().into_der();
    let body = std::str::from_utf8(CONTENT).unwrap();
    // RFC 1847: the CRLF before the boundary belongs to the boundary.
    let mail = format!(
        "MIME-Version: 1.0\r\nContent-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; \
         micalg=sha-256; boundary=\"part\"\r\n\r\n--part\r\n{body}\r\n--part\r\nContent-Type: application/pkcs7-signature; \
         name=\"smime.p7s\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n--part--\r\n",
        cms::base64_lines(&cms)
    );
    w.file("mail.eml", mail);
    let (ok, said) =
        w.openssl("cms -verify -in mail.eml -CAfile ca.pem -verify_email alice@sealpost.test -out /dev/null");
    assert!(ok, "{said}");
    let digest = Sha256Digest::of(CONTENT);
    let check = |purpose, level| verify_detached(&cms, &digest, &w.trust, purpose, level);
    check(Purpose::Mail, Level::B(now())).unwrap();
    // A key for mail does not seal evidence; a stamp is missing; the certificate ends.
    assert!(matches!(check(Purpose::Seal, Level::B(now())), Err(VerifyError::Usage(..))));
    assert!(matches!(check(Purpose::Mail, Level::T), Err(VerifyError::Missing(_))));
    let late = now() + SignedDuration::from_hours(24 * 826);
    // The path was found above; it holds while its certificates do, and for mail alone.
    for out in [late, now() - SignedDuration::from_hours(24 * 30)] {
        assert!(matches!(check(Purpose::Mail, Level::B(out)), Err(VerifyError::Path { .. })), "{out}");
    }
    check(Purpose::Mail, Level::B(now())).unwrap();
    assert!(matches!(check(Purpose::Seal, Level::B(now())), Err(VerifyError::Usage(..))));
}

#[test]
fn refuses_wrong_content_and_wrong_trust() {
    let w = world();
    let cms = w.stamped(&w.seal, CONTENT);
    assert!(matches!(verify(&w, &cms, b"x"), Err(VerifyError::Digest)));
    let other = world();
    let digest = Sha256Digest::of(CONTENT);
    let foreign = verify_detached(&cms, &digest, &other.trust, Purpose::Seal, Level::T);
    assert!(matches!(foreign, Err(VerifyError::Timestamp(_))), "{foreign:?}");
    // A timestamp over another signature.
    let signature = cms::sign(&w.seal, &digest, now(), cms::Use::Seal).unwrap();
    let wrong = w.tsa.stamp(&Sha256Digest::of(b"another")).unwrap();
    let swapped = verify(&w, &signature.with_timestamp(&wrong), CONTENT);
    assert!(matches!(swapped, Err(VerifyError::Timestamp(e)) if matches!(*e, VerifyError::Imprint)));
    // Not CMS at all, a token in place of a signature, trailing bytes.
    assert!(matches!(verify(&w, b"", CONTENT), Err(VerifyError::NotDer(_))));
    assert!(matches!(verify(&w, &wrong, CONTENT), Err(VerifyError::ContentType(_))));
    assert!(verify(&w, &[&cms[..], b"\n"].concat(), CONTENT).is_err());
}

#[test]
fn refuses_content_inside_a_detached_signature() {
    let w = world();
    w.file("content", CONTENT);
    w.file("seal.pem", w.seal.certificate().to_pem());
    w.seal.key().save(&w.path().join("seal.key")).unwrap();
    let sign = "cms -sign -binary -cades -nosmimecap -md sha256 -in content -signer seal.pem -inkey seal.key -outform DER -out o.p7s";
    let check = |bytes: Vec<u8>| {
        verify_detached(&bytes, &Sha256Digest::of(CONTENT), &w.trust, Purpose::Seal, Level::B(now()))
    };
    assert!(w.openssl(sign).0);
    check(std::fs::read(w.path().join("o.p7s")).unwrap()).unwrap();
    assert!(w.openssl(&format!("{sign} -nodetach")).0);
    let enclosed = check(std::fs::read(w.path().join("o.p7s")).unwrap());
    assert!(matches!(enclosed, Err(VerifyError::Enclosed)), "{enclosed:?}");
    // A certificate that nobody needs.
    w.file("extra.pem", w.mail.certificate().to_pem());
    assert!(w.openssl(&format!("{sign} -certfile extra.pem")).0);
    let extra = check(std::fs::read(w.path().join("o.p7s")).unwrap());
    assert!(matches!(extra, Err(VerifyError::Unused(ref who)) if who == "CN=Alice"), "{extra:?}");
}

#[test]
fn a_stamped_seal_outlives_its_certificate() {
    let long_ago = now() - SignedDuration::from_hours(24 * 365 * 5);
    let w = world_at(long_ago);
    let verified = verify(&w, &w.stamped(&w.seal, CONTENT), CONTENT).unwrap();
    assert!(verified.signer().not_after() < now());
    assert!(verified.timestamp().unwrap().authority().not_after() > now());
}

#[test]
fn signing_is_fast() {
    let w = world();
    let digest = Sha256Digest::of(CONTENT);
    let start = std::time::Instant::now();
    for _ in 0..200 {
        w.stamped(&w.seal, CONTENT);
    }
    let each = start.elapsed() / 200;
    // Two P-256 signatures; generous, since this runs unoptimised and beside other work.
    assert!(each < std::time::Duration::from_millis(5), "{each:?}");
    println!("CAdES-B-T with the embedded authority: {each:?} over {digest}");
}
