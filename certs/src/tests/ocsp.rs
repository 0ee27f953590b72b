//! Answers of `openssl ocsp`, believed; and each way in which an answer is worth nothing, with words of its own.

use crate::ocsp::{OcspResponse, Status};
use crate::testing::*;
use crate::*;
use jiff::{SignedDuration, Timestamp};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// A certificate authority kept by `openssl`, with a good, a revoked and an unknown certificate, and responders.
struct Responder {
    w: World,
    issuer: Certificate,
}

impl Responder {
    fn new() -> Self {
        let w = world();
        let good = Self { issuer: w.authority.certificate().clone(), w };
        good.w.file("ca.key", good.w.authority.signer().key().to_pem().expose());
        for (name, extensions) in [
            ("responder", "keyUsage=critical,digitalSignature\nextendedKeyUsage=OCSPSigning\n"),
            ("web", "keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n"),
        ] {
            good.w.file(&format!("{name}.ext"), extensions);
            good.run(&format!("ecparam -name prime256v1 -genkey -noout -out {name}.key"));
            good.run(&format!("req -new -key {name}.key -subj /CN={name} -out {name}.csr"));
            good.run(&format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -days 30 -extfile {name}.ext -out {name}.pem"
            ));
        }
        good
    }

    fn run(&self, line: &str) {
        let (ok, said) = self.w.openssl(line);
        assert!(ok, "openssl {line}: {said}");
    }

    /// The table of `openssl ca`: serial numbers and what became of them.
    fn table(&self, rows: &[(&Certificate, char)]) {
        let end = |c: &Certificate| c.not_after().strftime("%y%m%d%H%M%SZ").to_string();
        let text: String = rows
            .iter()
            .map(|(c, status)| {
                let revoked = if *status == 'R' { "260101000000Z" } else { "" };
                format!(
                    "{status}\t{}\t{revoked}\t{}\tunknown\t/CN=x\n",
                    end(c),
                    c.serial_hex().to_uppercase()
                )
            })
            .collect();
        self.w.file("index.txt", text);
    }

    /// What `openssl ocsp` answers to the question.
    fn answer(&self, question: &OcspRequest, signer: &str, more: &str) -> Vec<u8> {
        self.w.file("q.der", question.to_der().unwrap());
        self.run(&format!(
            "ocsp -index index.txt -CA ca.pem -rsigner {signer}.pem -rkey {signer}.key -reqin q.der -respout a.der {more}"
        ));
        std::fs::read(self.w.path().join("a.der")).unwrap()
    }

    fn question(&self, of: &FileSigner) -> OcspRequest {
        OcspRequest::new(of.certificate().clone(), self.issuer.clone())
    }
}

fn words(outcome: Result<crate::ocsp::Answer, OcspError>) -> String {
    match outcome.and_then(|a| a.good()) {
        Ok(_) => "good".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_openssl_answers_is_believed() {
    let r = Responder::new();
    r.table(&[(r.w.seal.certificate(), 'V'), (r.w.mail.certificate(), 'R')]);
    // By the issuer itself, by a responder it certified, by key instead of name, without nonce.
    for (signer, more) in [
        ("ca", "-ndays 1"),
        ("responder", "-ndays 1"),
        ("responder", "-ndays 1 -resp_key_id"),
        ("responder", "-nmin 5 -resp_no_certs"),
        ("responder", ""),
    ] {
        let question = r.question(&r.w.seal);
        let answer = r.answer(&question, signer, more);
        let outcome = question.accept(&answer, now());
        if more.contains("no_certs") {
            assert!(words(outcome).contains("the responder it names is unknown"));
            continue;
        }
        let accepted = outcome.unwrap();
        assert_eq!(accepted.status, Status::Good, "{signer} {more}");
        assert_eq!(accepted.delegate.is_some(), signer == "responder");
        // What is kept is what everybody can check, and says the same.
        let kept = OcspResponse::from_der(accepted.der()).unwrap();
        let again = kept.about(r.w.seal.certificate(), &r.issuer, kept.produced_at()).unwrap();
        assert_eq!((again.status, again.der()), (Status::Good, accepted.der()));
        r.w.file("seal.pem", r.w.seal.certificate().to_pem());
        r.w.file("kept.der", accepted.der());
        let (ok, said) =
            r.w.openssl("ocsp -respin kept.der -issuer ca.pem -cert seal.pem -CAfile ca.pem -no_nonce");
        assert!(ok && said.contains("seal.pem: good"), "{said}");
    }
    let question = r.question(&r.w.mail);
    let revoked = r.answer(&question, "responder", "-ndays 1");
    assert_eq!(words(question.accept(&revoked, now())), "revoked on 2026-01-01T00:00:00Z");
}

#[test]
fn every_answer_that_is_worth_nothing_has_its_own_words() {
    let r = Responder::new();
    r.table(&[(r.w.seal.certificate(), 'V')]);
    let question = r.question(&r.w.seal);
    let good = r.answer(&question, "responder", "-ndays 1");
    let judged = |answer: &[u8], at: Timestamp| words(question.accept(answer, at));
    assert_eq!(judged(&good, now()), "good");

    let unknown = r.question(&r.w.mail);
    let answer = r.answer(&unknown, "responder", "-ndays 1");
    assert_eq!(words(unknown.accept(&answer, now())), "the responder does not know the certificate");
    // About somebody else's certificate.
    assert!(judged(&answer, now()).starts_with("the response is not about the certificate"));

    assert!(judged(&good, now() + HOUR * 25).starts_with("the response is stale"));
    let by_issuer = r.answer(&question, "ca", "-ndays 1");
    assert!(judged(&by_issuer, now() - HOUR).starts_with("the response is from the future"));
    let undated = r.answer(&question, "responder", "");
    assert_eq!(judged(&undated, now()), "good");
    assert!(
        judged(&undated, now() + HOUR).starts_with("the response is stale"),
        "without an end it is for now"
    );

    let other = r.question(&r.w.seal);
    assert_eq!(words(other.accept(&good, now())), "the response's nonce is not the one sent");
    let silent = r.answer(&other, "responder", "-ndays 1 -no_nonce");
    assert_eq!(words(other.accept(&silent, now())), "good", "a nonce is optional");

    // Signed by a certificate of the same issuer that is not for this.
    let web = r.answer(&question, "web", "-ndays 1");
    let said = judged(&web, now());
    assert!(
        said.contains("signed by nobody who may speak for") && said.contains("not one for this"),
        "{said}"
    );
    // By a responder of another issuer of the same name.
    let stranger = Responder::new();
    stranger.table(&[(r.w.seal.certificate(), 'V')]);
    let theirs = stranger.answer(&stranger.question(&r.w.seal), "responder", "-ndays 1");
    assert!(judged(&theirs, now()).contains("signed by nobody who may speak for"));
    // By another issuer itself: its name is right, its key is not.
    let themselves = stranger.answer(&stranger.question(&r.w.seal), "ca", "-ndays 1");
    assert_eq!(judged(&themselves, now()), "the response's signature does not verify");
    // By a responder whose certificate has ended meanwhile.
    assert!(judged(&good, now() + HOUR * 24 * 31).contains("signed by nobody who may speak for"));

    for (answer, expected) in [
        (&b"\x30\x03\x0a\x01\x01"[..], "the responder refused: it calls the request malformed"),
        (b"\x30\x03\x0a\x01\x03", "the responder refused: it asks to try later"),
        (
            b"\x30\x03\x0a\x01\x06",
            "the responder refused: it does not answer about this issuer, or not to us",
        ),
        (b"\x30\x03\x0a\x01\x00", "not an OCSP response: nothing inside"),
        (b"<html>", "not an OCSP response"),
        (b"", "not an OCSP response"),
    ] {
        assert!(judged(answer, now()).starts_with(expected), "{answer:?}");
    }
}

#[test]
fn no_octet_of_an_answer_can_change() {
    let r = Responder::new();
    r.table(&[(r.w.seal.certificate(), 'V')]);
    let question = r.question(&r.w.seal);
    let good = question.accept(&r.answer(&question, "responder", "-ndays 1"), now()).unwrap();
    for at in 0..good.der().len() {
        let mut forged = good.der().to_vec();
        forged[at] ^= 1 << (at % 8);
        // What is kept in a proof is judged in one form only.
        let kept = RevocationValue::answer(&forged).ok();
        let said = kept.and_then(|v| v.about(r.w.seal.certificate(), &r.issuer));
        assert_eq!(said, None, "octet {at}");
    }
    let whole = RevocationValue::answer(good.der()).unwrap();
    assert!(whole.about(r.w.seal.certificate(), &r.issuer).is_some());
    assert_eq!(whole.about(r.w.mail.certificate(), &r.issuer), None);
}

#[test]
fn the_digest_of_the_answer_is_that_of_the_question() {
    let r = Responder::new();
    r.table(&[(r.w.seal.certificate(), 'V')]);
    r.w.file("seal.pem", r.w.seal.certificate().to_pem());
    r.run("ocsp -sha256 -issuer ca.pem -cert seal.pem -no_nonce -reqout q256.der");
    r.run("ocsp -index index.txt -CA ca.pem -rsigner ca.pem -rkey ca.key -reqin q256.der -respout a.der -ndays 1");
    let answer = std::fs::read(r.w.path().join("a.der")).unwrap();
    let live = r.question(&r.w.seal).accept(&answer, now());
    assert_eq!(words(live), "the response names the certificate by another digest algorithm than was asked");
    // Kept, it says the same of the same certificate, once what nobody needs is out of it.
    let value = |der: &[u8]| RevocationValue::answer(der).unwrap().about(r.w.seal.certificate(), &r.issuer);
    assert_eq!(value(&answer), None, "the issuer's own certificate is inside");
    let read = OcspResponse::from_der(&answer).unwrap();
    let kept = read.about(r.w.seal.certificate(), &r.issuer, now()).unwrap();
    assert!(value(kept.der()).is_some());
}
