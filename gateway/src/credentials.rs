//! Signing keys and certificates of this installation: made once, kept in `authority/` of the key store.
//!
//! **Job.** Opens or creates the built-in authority, the time authority, the journal's signer, each
//! organisation's seals, and the certificates of senders as they first send.
//!
//! **Exposure.** None to strangers. Private keys are files of mode 0600 in a directory of mode 0700.
//!
//! **Failure.** A key without its certificate, or the reverse, is an error that names the file; nothing is
//! silently replaced.

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use sealpost_certs::{Authority, Certificate, FileSigner, KeyKind, PrivateKey, Profile, Signer, Subject};
use sealpost_envelope::{EmailAddress, Sha256Digest};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Everything this installation signs with.
#[derive(Debug)]
pub struct Credentials {
    dir: PathBuf,
    authority: Authority,
    /// Signs time-stamp tokens.
    pub time: Arc<FileSigner>,
    /// Signs the journal's checkpoints.
    pub journal: Arc<FileSigner>,
    senders: Mutex<HashMap<String, Arc<FileSigner>>>,
}

impl Credentials {
    /// Opens the directory, creating what is missing; `organisation` names the root on first use.
    pub fn open(dir: &Path, organisation: &str, now: Timestamp) -> Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
        let authority = open_root(dir, organisation, now)?;
        let subject =
            |name: &str| Subject { organisation: Some(short(organisation)), ..Subject::named(short(name)) };
        let time = signer(
            dir,
            "time",
            &authority,
            &Profile::TimeStamping,
            &subject("Sealpost time authority"),
            now,
        )?;
        let journal =
            signer(dir, "journal", &authority, &Profile::EvidenceSeal, &subject("Sealpost journal"), now)?;
        Ok(Self { dir: dir.to_owned(), authority, time, journal, senders: Mutex::default() })
    }

    /// The root that verifiers of our proofs are given.
    pub fn root(&self) -> &Certificate {
        self.authority.certificate()
    }

    /// The signer of an organisation's evidence and proofs.
    pub fn evidence(&self, organisation: &str, domain: &str, now: Timestamp) -> Result<Arc<FileSigner>> {
        let subject = Subject {
            organisation: Some(short(organisation)),
            ..Subject::named(short(&format!("{organisation} – seal")))
        };
        signer(
            &self.dir,
            &format!("evidence-{domain}"),
            &self.authority,
            &Profile::EvidenceSeal,
            &subject,
            now,
        )
    }

    /// The S/MIME signer for an address in From: its own files if imported, else issued on first use.
    pub fn mail(
        &self,
        address: &EmailAddress,
        name: Option<&str>,
        now: Timestamp,
    ) -> Result<Arc<FileSigner>> {
        let key = address.key();
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = senders.get(&key).filter(|s| s.certificate().is_valid_at(now)) {
            return Ok(known.clone());
        }
        let file = format!("mail-{}", &Sha256Digest::of(key.as_bytes()).to_hex()[..32]);
        let subject = Subject::named(short(name.unwrap_or(address.as_str())));
        let profile = Profile::Mail { address: address.clone() };
        let made = signer(&self.dir, &file, &self.authority, &profile, &subject, now)?;
        senders.insert(key, made.clone());
        Ok(made)
    }

    /// Issues the certificate of the listeners and writes it beside its key.
    pub fn issue_tls(&self, hosts: &[String], cert: &Path, key: &Path, now: Timestamp) -> Result<()> {
        let addresses = vec![std::net::Ipv4Addr::LOCALHOST.into(), std::net::Ipv6Addr::LOCALHOST.into()];
        let profile = Profile::TlsServer { hosts: hosts.to_vec(), addresses };
        let name = hosts.first().context("a host name for the certificate")?;
        let made =
            self.authority.issue_with_key(KeyKind::P256, &profile, &Subject::named(short(name)), now)?;
        save(&made, cert, key)
    }
}

/// Certificates without their key and keys without their certificate, one line each.
pub fn incomplete(dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut lines = Vec::new();
    for path in entries.flatten().map(|e| e.path()) {
        let other = match path.extension().and_then(|e| e.to_str()) {
            Some("pem") => path.with_extension("key"),
            Some("key") => path.with_extension("pem"),
            _ => continue,
        };
        if !other.exists() {
            lines.push(format!("{} is missing beside {}", other.display(), path.display()));
        }
    }
    lines.sort();
    lines
}

/// X.520 allows 64 characters in a name.
fn short(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

fn open_root(dir: &Path, organisation: &str, now: Timestamp) -> Result<Authority> {
    let (certificate, key) = (dir.join("root.pem"), dir.join("root.key"));
    match (certificate.exists(), key.exists()) {
        (true, true) => Ok(Authority::load(&key, &certificate)?),
        (false, false) => {
            let subject =
                Subject { organisation: Some(short(organisation)), ..Subject::named("Sealpost authority") };
            let made = Authority::create_root(&subject, now)?;
            save(made.signer(), &certificate, &key)?;
            Ok(made)
        }
        _ => bail!(
            "one of {} and {} is missing: restore it from your copy",
            certificate.display(),
            key.display()
        ),
    }
}

fn signer(
    dir: &Path,
    name: &str,
    authority: &Authority,
    profile: &Profile,
    subject: &Subject,
    now: Timestamp,
) -> Result<Arc<FileSigner>> {
    let (certificate, key) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
    match (certificate.exists(), key.exists()) {
        (true, true) => {
            let found = FileSigner::load(&key, &certificate)?;
            if found.certificate().not_after() > now {
                return Ok(Arc::new(found));
            }
            renew(authority, profile, subject, &certificate, &key, now)
        }
        (false, false) => {
            let made = authority.issue_with_key(KeyKind::P256, profile, subject, now)?;
            save(&made, &certificate, &key)?;
            Ok(Arc::new(made))
        }
        _ => bail!(
            "one of {} and {} is missing: restore it from your copy",
            certificate.display(),
            key.display()
        ),
    }
}

/// A new certificate for the same key, once the old one has ended.
fn renew(
    authority: &Authority,
    profile: &Profile,
    subject: &Subject,
    certificate: &Path,
    key: &Path,
    now: Timestamp,
) -> Result<Arc<FileSigner>> {
    let private = PrivateKey::load(key)?;
    let issued = authority.issue(profile, subject, private.public_key(), now)?;
    let made = FileSigner::new(private, issued, vec![authority.certificate().clone()])?;
    save(&made, certificate, key)?;
    Ok(Arc::new(made))
}

/// Writes the key before the certificate: a crash between leaves a key that is reported, never a loss.
fn save(signer: &FileSigner, certificate: &Path, key: &Path) -> Result<()> {
    signer.key().save(key)?;
    let mut text = signer.certificate().to_pem();
    for link in signer.chain() {
        text.push_str(&link.to_pem());
    }
    sealpost_certs::files::write_atomic(certificate, text.as_bytes(), 0o644)
        .with_context(|| format!("write {}", certificate.display()))
}
