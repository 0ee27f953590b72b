//! Certificates, as `openssl` sees them.

use crate::testing::{now, world};
use crate::*;
use jiff::SignedDuration;
use sealpost_envelope::EmailAddress;

#[test]
fn every_profile_passes_openssl_for_its_purpose_and_fails_for_others() {
    let w = world();
    let key = PrivateKey::generate(KeyKind::P256).unwrap();
    let server = Profile::TlsServer {
        hosts: vec!["localhost".into()],
        addresses: vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
    };
    let mail = Profile::Mail { address: EmailAddress::parse("alice@sealpost.test").unwrap() };
    for (name, profile, good, bad) in [
        ("tls", server, "sslserver", "smimesign"),
        ("mail", mail, "smimesign", "sslserver"),
        ("seal", Profile::EvidenceSeal, "smimesign", "timestampsign"),
        ("time", Profile::TimeStamping, "timestampsign", "smimesign"),
    ] {
        let certificate =
            w.authority.issue(&profile, &Subject::named(name), key.public_key(), now()).unwrap();
        let file = w.file("leaf.pem", certificate.to_pem());
        let verify = |purpose: &str| {
            w.openssl(&format!("verify -x509_strict -CAfile ca.pem -purpose {purpose} {}", file.display()))
        };
        let (ok, said) = verify(good);
        assert!(ok, "{name}: {said}");
        assert!(!verify(bad).0, "{name} passes for {bad}");
    }
}

#[test]
fn fields_read_back() {
    let w = world();
    let alice = w.mail.certificate();
    assert_eq!(alice.emails(), ["alice@sealpost.test"]);
    assert_eq!(alice.subject(), "CN=Alice");
    let days = alice.not_after().duration_since(alice.not_before()).as_hours() / 24;
    assert_eq!(days, 824, "the last second included it is 825 days");
    assert!(alice.not_before() < now());
    assert_eq!(alice.serial_hex().len(), 32);
    let root = w.authority.certificate();
    assert!(root.is_ca() && !alice.is_ca());
    assert!(root.subject().contains("Clinique de l'Étoile"), "{}", root.subject());
    let (ok, said) = w.openssl("x509 -in ca.pem -noout -text -nameopt utf8");
    assert!(ok && said.contains("CA:TRUE, pathlen:0"), "{said}");
}

#[test]
fn refuses_what_must_not_be_issued() {
    let w = world();
    let key = PrivateKey::generate(KeyKind::P256).unwrap();
    let issue =
        |subject: &Subject, at| w.authority.issue(&Profile::EvidenceSeal, subject, key.public_key(), at);
    let late = now() + SignedDuration::from_hours(24 * 366 * 21);
    assert!(matches!(issue(&Subject::named("x"), late), Err(IssueError::Expired(..))));
    assert!(matches!(issue(&Subject::named(""), now()), Err(IssueError::Name(_))));
    assert!(matches!(issue(&Subject::named("a\nb"), now()), Err(IssueError::Name(_))));
    let lower = Subject { country: Some("fr".into()), ..Subject::named("x") };
    assert!(matches!(issue(&lower, now()), Err(IssueError::Name(_))));
    assert!(matches!(Authority::new(world().seal), Err(IssueError::NotAnAuthority(_))));
    // A certificate of another key.
    let other = w.seal.certificate().clone();
    assert!(FileSigner::new(key, other, vec![]).is_err());
}

#[test]
fn revocation_lists_are_understood_by_openssl_and_by_us() {
    let w = world();
    let serial = |c: &Certificate| sealpost_envelope::hex::decode(&c.serial_hex()).unwrap();
    let (alice, root) = (w.mail.certificate(), w.authority.certificate());
    let at = now() - SignedDuration::from_hours(1);
    for (name, revoked) in [("none", vec![]), ("alice", vec![Revoked { serial: serial(alice), at }])] {
        let der = w.authority.issue_crl(&revoked, now()).unwrap();
        let list = RevocationList::from_der(&der).unwrap();
        assert!(
            list.is_signed_by(root)
                && !list.is_signed_by(alice)
                && !list.is_signed_by(world().authority.certificate())
        );
        assert!(list.this_update() <= now() && now() < list.next_update());
        let found = list.revoked(alice).map(|t| t.as_second());
        assert_eq!(found, revoked.first().map(|r| r.at.as_second()));
        assert_eq!(list.revoked(w.seal.certificate()), None);
        w.file("list.crl", &der);
        let (ok, said) = w.openssl("crl -inform DER -in list.crl -CAfile ca.pem -noout -text");
        assert!(ok && said.contains("verify OK") && said.contains("X509v3 CRL Number"), "{said}");
        assert!(w.openssl("crl -inform DER -in list.crl -out list.pem").0);
        w.file("alice.pem", alice.to_pem());
        let (ok, said) = w.openssl("verify -crl_check -CAfile ca.pem -CRLfile list.pem alice.pem");
        assert_eq!(ok, name == "none", "{said}");
        for place in 0..der.len() {
            let mut damaged = der.clone();
            damaged[place] ^= 1;
            assert!(!RevocationList::from_der(&damaged).is_ok_and(|l| l.is_signed_by(root)), "{place}");
        }
    }
}

#[test]
fn keys_survive_files_and_openssl_reads_them() {
    let w = world();
    for (kind, name) in [(KeyKind::P256, "ec.pem"), (KeyKind::Rsa3072, "rsa.pem")] {
        let key = PrivateKey::generate(kind).unwrap();
        let path = w.path().join(name);
        key.save(&path).unwrap();
        assert_eq!(PrivateKey::load(&path).unwrap().public_key(), key.public_key());
        let (ok, said) = w.openssl(&format!("pkey -in {name} -check -noout"));
        assert!(ok, "{said}");
        assert!(!format!("{key:?}").contains("302"));
    }
    assert!(matches!(PrivateKey::load(&w.path().join("none")), Err(KeyError::File { .. })));
    assert!(matches!(PrivateKey::load(&w.path().join("ca.pem")), Err(KeyError::NotPkcs8(_))));
    w.authority.signer().key().save(&w.path().join("ca.key")).unwrap();
    Authority::load(&w.path().join("ca.key"), &w.path().join("ca.pem")).unwrap();
}
