//! Signing keys and certificates of this installation: made once, kept in `authority/` of the key store.
//!
//! **Job.** Opens or creates the built-in authority, the time authority, the journal's signer, each
//! organisation's seals, and the certificates of senders as they first send.
//!
//! Keys from elsewhere that the configuration names (`entity.seal`) take the place of those made here.
//!
//! **Exposure.** None to strangers. Private keys are files of mode 0600 in a directory of mode 0700.
//!
//! **Failure.** A key without its certificate, or the reverse, is an error that names the file; nothing is
//! silently replaced.

use crate::config::{Entity, KeySource, SecretSource};
use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use sealpost_certs::{
    Authority, Certificate, FileSigner, KeyKind, PrivateKey, Profile, Purpose, Revoked, Signer, Subject,
    TokenSigner, import,
};
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
    senders: Mutex<HashMap<(String, KeyKind), Arc<FileSigner>>>,
}

impl Credentials {
    /// Opens the directory, creating what is missing; `organisation` names the root on first use.
    pub fn open(dir: &Path, organisation: &str, now: Timestamp) -> Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
        let authority = open_root(dir, organisation, now)?;
        let subject =
            |name: &str| Subject { organisation: Some(short(organisation)), ..Subject::named(short(name)) };
        // Both are made for every message or checkpoint, and asked for by nobody's mail program: P-256.
        let own = |name, profile, title| {
            signer(dir, name, &authority, KeyKind::P256, &profile, &subject(title), now)
        };
        let time = own("time", Profile::TimeStamping, "Sealpost time authority")?;
        let journal = own("journal", Profile::EvidenceSeal, "Sealpost journal")?;
        Ok(Self { dir: dir.to_owned(), authority, time, journal, senders: Mutex::default() })
    }

    /// The root that verifiers of our proofs are given.
    pub fn root(&self) -> &Certificate {
        self.authority.certificate()
    }

    /// The signer of an organisation's evidence and proofs: the one it brought, or one certified here.
    pub fn evidence(&self, entity: &Entity, now: Timestamp) -> Result<Arc<dyn Signer>> {
        if let Some(signer) = brought_evidence(entity, now)? {
            return Ok(signer);
        }
        let domain = entity.domains.first().context("`entity.domains`: one is needed")?.as_str();
        let organisation = &entity.name;
        let subject = Subject {
            organisation: Some(short(organisation)),
            ..Subject::named(short(&format!("{organisation} – seal")))
        };
        let kind = entity.seal.algorithm;
        let file = named(&format!("evidence-{domain}"), kind);
        Ok(signer(&self.dir, &file, &self.authority, kind, &Profile::EvidenceSeal, &subject, now)?)
    }

    /// The S/MIME signer for an address in From: its own files if imported, else issued on first use.
    pub fn mail(
        &self,
        address: &EmailAddress,
        name: Option<&str>,
        kind: KeyKind,
        now: Timestamp,
    ) -> Result<Arc<FileSigner>> {
        let key = (address.key(), kind);
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = senders.get(&key).filter(|s| s.certificate().is_valid_at(now)) {
            return Ok(known.clone());
        }
        let file = named(&format!("mail-{}", &Sha256Digest::of(key.0.as_bytes()).to_hex()[..32]), kind);
        let subject = Subject::named(short(name.unwrap_or(address.as_str())));
        let profile = Profile::Mail { address: address.clone() };
        let made = signer(&self.dir, &file, &self.authority, kind, &profile, &subject, now)?;
        senders.insert(key, made.clone());
        Ok(made)
    }

    /// Public keys (DER) that have signed checkpoints: today's, then those that were replaced.
    pub fn journal_keys(&self) -> Result<Vec<Vec<u8>>> {
        let mut keys = vec![self.journal.key().public_key().to_vec()];
        for path in retired(&self.dir, "journal")? {
            let chain = Certificate::load(&path).with_context(|| format!("read {}", path.display()))?;
            let first = chain.first().context("a retired certificate is empty")?;
            keys.push(first.public_key()?);
        }
        Ok(keys)
    }

    /// The built-in authority's revocation list, fresh. `revoked` in its directory names the certificates that
    /// ended early, one a line: serial number in hexadecimal, a blank, the time (RFC 3339).
    pub fn revocation_list(&self, now: Timestamp) -> Result<Vec<u8>> {
        let file = self.dir.join("revoked");
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("read {}", file.display())),
        };
        let mut revoked = Vec::new();
        for (n, line) in
            text.lines().map(str::trim).enumerate().filter(|(_, l)| !l.is_empty() && !l.starts_with('#'))
        {
            let wrong = || format!("{}:{}: SERIAL TIME is expected", file.display(), n + 1);
            let (serial, at) = line.split_once(' ').with_context(wrong)?;
            let serial = sealpost_envelope::hex::decode(serial).with_context(wrong)?;
            revoked.push(Revoked { serial, at: at.trim().parse().with_context(wrong)? });
        }
        Ok(self.authority.issue_crl(&revoked, now)?)
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

/// The evidence signer that the organisation brought; refused where its seals would not verify.
pub fn brought_evidence(entity: &Entity, now: Timestamp) -> Result<Option<Arc<dyn Signer>>> {
    let seal = &entity.seal;
    brought("entity.seal.key", &seal.key, seal.certificate.as_deref(), &seal.password, Purpose::Seal, now)
}

/// The S/MIME signer of `address` that the organisation brought.
pub fn brought_mail(
    entity: &Entity,
    address: &EmailAddress,
    now: Timestamp,
) -> Result<Option<Arc<dyn Signer>>> {
    let seal = &entity.seal;
    let (key, certificate) = (&seal.mail_key, seal.mail_certificate.as_deref());
    let found = brought("entity.seal.mail_key", key, certificate, &seal.mail_password, Purpose::Mail, now)?;
    // RFC 8550 §3: a reader compares the certificate's addresses with From.
    if let Some(signer) = &found
        && !signer.certificate().emails().iter().any(|e| e.eq_ignore_ascii_case(address.as_str()))
    {
        bail!("`entity.seal.mail_key`: the certificate does not name {address}, from which our mail is sent");
    }
    Ok(found)
}

fn brought(
    setting: &str,
    key: &Option<KeySource>,
    certificate: Option<&Path>,
    password: &Option<SecretSource>,
    purpose: Purpose,
    now: Timestamp,
) -> Result<Option<Arc<dyn Signer>>> {
    let at = || format!("`{setting}`");
    let Some(source) = key else { return Ok(None) };
    let password = password.as_ref().map(SecretSource::read).transpose().with_context(at)?;
    let signer: Arc<dyn Signer> = match source {
        KeySource::File(path) => {
            Arc::new(import::open(path, certificate, password.as_ref()).with_context(at)?)
        }
        KeySource::Token(key) => {
            let certificate =
                certificate.context("a key in a token needs its certificate").with_context(at)?;
            Arc::new(TokenSigner::new(key.clone(), certificate, password).with_context(at)?)
        }
    };
    let certificate = signer.certificate();
    purpose.admits(certificate).with_context(at)?;
    if !certificate.is_valid_at(now) {
        let (begin, end) = (certificate.not_before(), certificate.not_after());
        bail!(
            "`{setting}`: the certificate of {} is valid from {begin} to {end} only",
            certificate.subject()
        );
    }
    Ok(Some(signer))
}

/// Keys of other kinds stand beside the first one: changing `entity.seal.algorithm` makes a new key.
fn named(base: &str, kind: KeyKind) -> String {
    match kind {
        KeyKind::P256 => base.to_owned(),
        other => format!("{base}-{}", other.name()),
    }
}

/// Certificates of keys that were replaced, newest first.
fn retired(dir: &Path, name: &str) -> Result<Vec<PathBuf>> {
    let place = dir.join(RETIRED);
    let entries = match std::fs::read_dir(&place) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.with_context(|| format!("read {}", place.display()))?,
    };
    let mut found: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    found.retain(|p| {
        let stem = p.file_stem().and_then(|s| s.to_str()).and_then(|s| s.rsplit_once('.'));
        p.extension().is_some_and(|e| e == "pem") && stem.is_some_and(|(of, _)| of == name)
    });
    found.sort_by(|a, b| b.cmp(a));
    Ok(found)
}

/// Replaces keys: the certificate is kept as `retired/<name>.<time>.pem`, the private key is destroyed; the
/// next opening makes new ones. `which` says which names; answers those that were replaced. May be repeated
/// after a crash.
pub fn retire(dir: &Path, which: impl Fn(&str) -> bool, now: Timestamp) -> Result<Vec<String>> {
    let place = dir.join(RETIRED);
    std::fs::create_dir_all(&place).with_context(|| format!("create {}", place.display()))?;
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .with_context(|| format!("read {}", dir.display()))?
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "pem" || e == "key"))
        .filter_map(|p| p.file_stem().and_then(|s| s.to_str()).map(str::to_owned))
        .filter(|name| which(name))
        .collect();
    names.sort();
    names.dedup();
    let stamp = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    for name in &names {
        let (certificate, key) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
        if certificate.exists() {
            let kept = place.join(format!("{name}.{stamp}.pem"));
            let text = std::fs::read(&certificate)?;
            sealpost_certs::files::write_atomic(&kept, &text, 0o644)
                .with_context(|| format!("write {}", kept.display()))?;
        }
        for file in [&key, &certificate] {
            match std::fs::remove_file(file) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(e).with_context(|| format!("remove {}", file.display()));
                }
                _ => {}
            }
        }
    }
    Ok(names)
}

/// Directory of certificates whose keys were replaced.
const RETIRED: &str = "retired";

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
    kind: KeyKind,
    profile: &Profile,
    subject: &Subject,
    now: Timestamp,
) -> Result<Arc<FileSigner>> {
    let (certificate, key) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
    match (certificate.exists(), key.exists()) {
        (true, true) => {
            let found = FileSigner::load(&key, &certificate)?;
            if due(profile, found.certificate()) > now {
                return Ok(Arc::new(found));
            }
            renew(authority, profile, subject, &certificate, &key, now)
        }
        (false, false) => {
            let made = authority.issue_with_key(kind, profile, subject, now)?;
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

/// When a certificate is replaced. A time authority's in the middle of its life, so that what is dated or renewed
/// today lasts for years; others at their end.
fn due(profile: &Profile, certificate: &Certificate) -> Timestamp {
    let (begin, end) = (certificate.not_before(), certificate.not_after());
    match profile {
        Profile::TimeStamping => begin + end.duration_since(begin) / 2,
        _ => end,
    }
}

/// A new certificate for the same key, once the old one is due.
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
