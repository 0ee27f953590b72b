//! What the tests of this crate share: an authority with its signers, and the `openssl` command.

use crate::*;
use jiff::Timestamp;
use sealpost_envelope::{FixedClock, Sha256Digest};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

pub(crate) struct World {
    pub dir: tempfile::TempDir,
    pub authority: Authority,
    pub trust: TrustAnchors,
    pub seal: FileSigner,
    pub rsa: Option<FileSigner>,
    pub mail: FileSigner,
    pub clock: Arc<FixedClock>,
    pub tsa: TimeAuthority,
}

pub(crate) fn world() -> World {
    world_at(now())
}

/// `at` is "now" for everything issued.
pub(crate) fn world_at(at: Timestamp) -> World {
    let organisation = Subject {
        common_name: "Sealpost test root".into(),
        organisation: Some("Clinique de l'Étoile".into()),
        organisation_id: Some("NTRFR-552100554".into()),
        country: Some("FR".into()),
    };
    let authority = Authority::create_root(&organisation, at).unwrap();
    let issue = |kind, profile: Profile, name: &str| {
        authority.issue_with_key(kind, &profile, &Subject::named(name), at).unwrap()
    };
    let address = sealpost_envelope::EmailAddress::parse("alice@sealpost.test").unwrap();
    let seal = issue(KeyKind::P256, Profile::EvidenceSeal, "Seal");
    let mail = issue(KeyKind::P256, Profile::Mail { address }, "Alice");
    let tsu = issue(KeyKind::P256, Profile::TimeStamping, "Time");
    let clock = Arc::new(FixedClock::new(at));
    let tsa = TimeAuthority::new(Arc::new(tsu), clock.clone());
    let trust = TrustAnchors::new(vec![authority.certificate().clone()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ca.pem"), authority.certificate().to_pem()).unwrap();
    World { dir, authority, trust, seal, rsa: None, mail, clock, tsa }
}

impl World {
    /// RSA key generation takes a second: only where a test needs it.
    pub(crate) fn with_rsa(mut self) -> Self {
        let subject = Subject::named("RSA seal");
        let made =
            self.authority.issue_with_key(KeyKind::Rsa3072, &Profile::EvidenceSeal, &subject, now()).unwrap();
        self.rsa = Some(made);
        self
    }
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }
    /// Runs a command line in the world's folder; success and everything it said.
    pub(crate) fn openssl(&self, arguments: &str) -> (bool, String) {
        let out = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.path())
            .output()
            .expect("the openssl command is installed");
        let text = [out.stdout, out.stderr].concat();
        (out.status.success(), String::from_utf8_lossy(&text).into_owned())
    }
    pub(crate) fn stamped(&self, signer: &FileSigner, content: &[u8]) -> Vec<u8> {
        use sealpost_envelope::Clock;
        let digest = Sha256Digest::of(content);
        let signature = cms::sign(signer, &digest, self.clock.now(), cms::Use::Seal).unwrap();
        let token = self.tsa.stamp(&signature.imprint()).unwrap();
        signature.with_timestamp(&token)
    }
}
