//! A key in SoftHSM: found, used, lost, found again.

use crate::testing::{now, world};
use crate::*;
use sealpost_envelope::{Secret, Sha256Digest};
use std::process::Command;

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const CONTENT: &[u8] = b"sealed by a token";

/// SoftHSM reads its configuration from the environment once, when the module starts: one test for all of it, in
/// the process of its own that the test runner gives it.
#[test]
fn a_token_signs_disappears_and_heals() {
    let w = world();
    let tokens = w.path().join("tokens");
    std::fs::create_dir(&tokens).unwrap();
    let configuration = w.file("softhsm.conf", format!("directories.tokendir = {}\n", tokens.display()));
    let Some(dir) = std::env::var_os("SEALPOST_TOKEN_TEST") else {
        // A process with the environment from its start: setting it in a running one is not safe.
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tests::tokens::a_token_signs_disappears_and_heals", "--nocapture"])
            .env("SEALPOST_TOKEN_TEST", w.path())
            .env("SOFTHSM2_CONF", &configuration)
            .status()
            .unwrap();
        assert!(status.success());
        return;
    };
    let dir = std::path::PathBuf::from(dir);
    let run = |program: &str, arguments: &[&str]| {
        let out = Command::new(program).args(arguments).output().expect("softhsm2 is installed");
        assert!(out.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    };
    run(
        "softhsm2-util",
        &["--init-token", "--free", "--label", "Sealpost", "--so-pin", "1234", "--pin", "5678"],
    );
    let mut signers = Vec::new();
    for (n, kind) in [KeyKind::P256, KeyKind::P384, KeyKind::Rsa3072].into_iter().enumerate() {
        let made = w
            .authority
            .issue_with_key(kind, &Profile::EvidenceSeal, &Subject::named(kind.name()), now())
            .unwrap();
        let (key, pem) = (dir.join(format!("{n}.key")), dir.join(format!("{n}.pem")));
        made.key().save(&key).unwrap();
        std::fs::write(&pem, made.certificate().to_pem()).unwrap();
        let (key, id) = (key.to_str().unwrap(), format!("a{n}"));
        run(
            "softhsm2-util",
            &["--import", key, "--token", "Sealpost", "--label", kind.name(), "--id", &id, "--pin", "5678"],
        );
        signers.push(signer(kind.name(), &pem, "5678"));
    }
    let check = |signer: &TokenSigner| -> Result<(), SignError> {
        let digest = Sha256Digest::of(CONTENT);
        let signature = cms::sign(signer, &digest, now(), cms::Use::Seal)?;
        let cms = signature.into_der();
        let verified = verify_detached(&cms, &digest, &w.trust, Purpose::Seal, Level::B(now())).unwrap();
        opinion::of_seal(&verified, &cms, CONTENT, &w.trust, now()).unwrap();
        Ok(())
    };
    signers.iter().for_each(|s| check(s).unwrap());
    // Taken out: every signature fails and says so. Put back: the next one works.
    let (inside, outside) = (dir.join("tokens"), dir.join("away"));
    std::fs::rename(&inside, &outside).unwrap();
    std::fs::create_dir(&inside).unwrap();
    for signer in &signers {
        let failed = (0..5).any(|_| matches!(check(signer), Err(SignError::Device(_))));
        assert!(failed, "{signer:?} signs without its token");
    }
    std::fs::remove_dir_all(&inside).unwrap();
    std::fs::rename(&outside, &inside).unwrap();
    signers.iter().for_each(|s| check(s).unwrap());
    // No such key, another certificate's key: refused with a reason, before anything is signed.
    let pem = dir.join("0.pem");
    for (object, why) in [("none", "0 private keys"), ("p384", "not the certificate's")] {
        let refused = check(&signer(object, &pem, "5678")).unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
    }
    assert!(TokenKey::parse("pkcs11:object=x?module-path=/m").is_err());
    let key = TokenKey::parse("pkcs11:token=My%20token;object=a?module-path=/m.so").unwrap();
    assert_eq!((key.token.as_str(), key.module.to_str()), ("My token", Some("/m.so")));
    assert!(TokenSigner::new(key, &pem, None).unwrap().sign(b"x").is_err(), "no such module");
}

fn signer(object: &str, pem: &std::path::Path, pin: &str) -> TokenSigner {
    let key =
        TokenKey::parse(&format!("pkcs11:token=Sealpost;object={object}?module-path={MODULE}")).unwrap();
    TokenSigner::new(key, pem, Some(Secret::new(pin.to_owned()))).unwrap()
}
