//! The domain's signature on outgoing mail: an organisation's DKIM keys (RFC 6376).
//!
//! **Job.** Opens the keys named in `entity.dkim`, writes the signature fields of a message, and tells the
//! records to publish.
//!
//! **Exposure.** None to strangers; key files are the administrator's.
//!
//! **Failure.** A key that cannot be read keeps the gateway from starting, and says which.

use crate::config::{self, DkimSource};
use anyhow::{Context, Result};
use jiff::Timestamp;
use sealpost_certs::{DkimAlgorithm, DkimKey, SignError};
use sealpost_envelope::EmailAddress;
use sealpost_message::dkim::Signing;

/// The keys of one organisation.
#[derive(Debug)]
pub struct DomainKeys {
    /// The domain that signs where the author's is none of the organisation's.
    first: String,
    keys: Vec<(DkimSource, DkimKey)>,
}

/// A record to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// `SELECTOR._domainkey.DOMAIN`.
    pub name: String,
    /// Text of the TXT record.
    pub text: String,
}

impl DomainKeys {
    /// Reads the keys of an organisation.
    pub fn open(settings: &config::Entity) -> Result<Self> {
        let mut keys = Vec::new();
        for source in &settings.dkim.keys {
            let key = DkimKey::load(&source.file)
                .with_context(|| format!("`entity.dkim.keys`: selector {}", source.selector))?;
            keys.push((source.clone(), key));
        }
        let first = settings.domains.first().map(|d| d.to_ascii()).unwrap_or_default();
        Ok(Self { first, keys })
    }

    /// Whether nothing is signed.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The domain that signs for an author: the author's own (RFC 7489 §3.1.1 calls it aligned) if it is one
    /// of `settings`, else the organisation's first.
    pub fn domain_for(&self, author: &EmailAddress, settings: &config::Entity) -> String {
        let own = settings.domains.iter().any(|d| d.as_str() == author.domain());
        if own { author.ascii_domain() } else { self.first.clone() }
    }

    /// The signature fields for a message, one for each key of the domain.
    pub fn fields(
        &self,
        domain: &str,
        header: &[u8],
        body_hash: &[u8; 32],
        at: Timestamp,
    ) -> Result<Vec<u8>, SignError> {
        let mut fields = Vec::new();
        for (source, key) in self.keys.iter().filter(|(source, _)| source.serves(domain)) {
            let algorithm = key.algorithm().tag();
            let signing = Signing { domain, selector: &source.selector, algorithm, body_hash, at };
            let (field, signed) = signing.prepare(header);
            fields.extend_from_slice(Signing::complete(&field, &key.sign(&signed)?).as_bytes());
        }
        Ok(fields)
    }

    /// What has to be published for the organisation's domains.
    pub fn records(&self, settings: &config::Entity) -> Vec<Record> {
        let mut records = Vec::new();
        for domain in settings.domains.iter().map(|d| d.to_ascii()) {
            for (source, key) in self.keys.iter().filter(|(source, _)| source.serves(&domain)) {
                let name = format!("{}._domainkey.{domain}", source.selector);
                records.push(Record { name, text: key.record() });
            }
        }
        records
    }
}

impl Record {
    /// As a line of a zone file: a text of more than 255 octets is several strings (RFC 1035 §3.3.14).
    pub fn zone_line(&self) -> String {
        let mut strings = Vec::new();
        let mut rest = self.text.as_str();
        while !rest.is_empty() {
            let (string, tail) = rest.split_at(rest.len().min(250));
            strings.push(format!("\"{string}\""));
            rest = tail;
        }
        format!("{}. IN TXT ( {} )", self.name, strings.join(" "))
    }
}

/// Makes the keys that a new installation's configuration names.
pub fn create(settings: &config::Entity) -> Result<()> {
    for source in settings.dkim.keys.iter().filter(|s| !s.file.exists()) {
        let directory = source.file.parent().context("a key file has a directory")?;
        std::fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
        let ed25519 = source.selector.contains("ed25519");
        let algorithm = if ed25519 { DkimAlgorithm::Ed25519Sha256 } else { DkimAlgorithm::RsaSha256 };
        DkimKey::create(algorithm, &source.file)?;
    }
    Ok(())
}
