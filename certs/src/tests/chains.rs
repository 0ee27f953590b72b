//! Signers of another authority, with an intermediate certificate between them and its root.

use crate::testing::{World, now, world};
use crate::*;
use jiff::SignedDuration;
use sealpost_envelope::Sha256Digest;

/// Makes a root, an intermediate and a leaf with `openssl`; gives the leaf's signer and the root.
fn foreign(w: &World, name: &str, leaf_extensions: &str) -> (FileSigner, TrustAnchors) {
    let run = |command: String| {
        let (ok, said) = w.openssl(&command);
        assert!(ok, "{command}: {said}");
    };
    w.file("ca.ext", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n");
    w.file("leaf.ext", format!("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,nonRepudiation\n{leaf_extensions}"));
    for (n, (who, issuer, extensions)) in
        [("root", "", "ca.ext"), ("middle", "root", "ca.ext"), ("leaf", "middle", "leaf.ext")]
            .into_iter()
            .enumerate()
    {
        let key = PrivateKey::generate(KeyKind::P256).unwrap();
        key.save(&w.path().join(format!("{name}-{who}.key"))).unwrap();
        run(format!("req -new -key {name}-{who}.key -subj /CN={name}-{who} -out r.csr"));
        let by = match issuer {
            "" => format!("-signkey {name}-root.key"),
            _ => format!("-CA {name}-{issuer}.pem -CAkey {name}-{issuer}.key"),
        };
        run(format!(
            "x509 -req -in r.csr {by} -set_serial {} -days 30 -extfile {extensions} -out {name}-{who}.pem",
            n + 1
        ));
    }
    let read = |who: &str| std::fs::read_to_string(w.path().join(format!("{name}-{who}.pem"))).unwrap();
    w.file("chain.pem", read("leaf") + &read("middle") + &read("root"));
    let signer =
        FileSigner::load(&w.path().join(format!("{name}-leaf.key")), &w.path().join("chain.pem")).unwrap();
    (signer, TrustAnchors::from_pem(&read("root")).unwrap())
}

#[test]
fn an_imported_seal_brings_its_intermediate_and_not_its_root() {
    let w = world();
    let (signer, root) = foreign(&w, "seal", "");
    assert_eq!(signer.chain().len(), 1);
    // `openssl` begins validity at the real time, which has gone on.
    w.clock.advance(SignedDuration::from_mins(1));
    let both = [root.certificates(), w.trust.certificates()].concat();
    w.file("both.pem", both.iter().map(Certificate::to_pem).collect::<String>());
    let both = TrustAnchors::new(both).unwrap();
    let cms = w.stamped(&signer, b"content");
    let digest = Sha256Digest::of(b"content");
    let verified = verify_detached(&cms, &digest, &both, Purpose::Seal, Level::T).unwrap();
    assert_eq!(verified.path().len(), 2);
    assert_eq!(verified.anchor(), &root.certificates()[0]);
    w.file("sig.p7s", &cms);
    w.file("content", b"content");
    let (ok, said) = w.openssl(
        "cms -verify -binary -cades -inform DER -in sig.p7s -content content -CAfile both.pem -out /dev/null",
    );
    assert!(ok, "{said}");
    // With the intermediate itself as anchor its copy in the signature leads nowhere.
    let middle = TrustAnchors::new([signer.chain(), w.trust.certificates()].concat()).unwrap();
    let refused = verify_detached(&cms, &digest, &middle, Purpose::Seal, Level::T);
    assert!(matches!(refused, Err(VerifyError::Unused(_))), "{refused:?}");
}

#[test]
fn a_foreign_authoritys_token_is_pruned_to_what_its_path_needs() {
    let w = world();
    let (signer, root) = foreign(&w, "tsa", "extendedKeyUsage=critical,timeStamping\n");
    let request = TimeStampRequest::new(Sha256Digest::of(b"data"));
    let reply = super::timestamps::openssl_reply(&w, &signer, &request.to_der());
    let token = request.accept(&reply, &root, now(), SignedDuration::from_mins(5)).unwrap();
    assert_eq!(token.path().len(), 2);
    verify_timestamp(token.token(), &Sha256Digest::of(b"data"), &root).unwrap();
}
