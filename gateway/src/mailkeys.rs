//! What an organisation signs its mail with: the S/MIME key it brought, if it brought one, and its domains' keys.
//!
//! **Job.** [`MailKeys`] opens them when the gateway starts, or, where a file is missing then, as soon as it is there.
//!
//! **Exposure.** None to strangers; senders read that a key is missing, not which.
//!
//! **Failure.** A key that is missing stops this organisation's mail and nobody else's: new mail is refused for the
//! time being (`451`), what was accepted waits. Log, health page, alerts and `check` name the file.

use crate::config::Entity;
use crate::credentials;
use crate::dkim::DomainKeys;
use anyhow::{Result, anyhow};
use jiff::Timestamp;
use sealpost_certs::Signer;
use sealpost_envelope::EmailAddress;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Pause between two looks for what is missing.
const PAUSE: Duration = Duration::from_secs(1);

/// The keys, open.
#[derive(Debug)]
pub struct Opened {
    /// Signs the mail we write, where the organisation brought a key for that.
    pub mail: Option<Arc<dyn Signer>>,
    /// Sign for its domains.
    pub dkim: DomainKeys,
}

/// What is wrong with them.
#[derive(Debug, Clone)]
pub struct Missing {
    /// Since when.
    pub since: Timestamp,
    /// What the last look said.
    pub why: String,
    next: Instant,
}

/// An organisation's keys for mail, and how they fare.
#[derive(Debug, Default)]
pub struct MailKeys {
    opened: OnceLock<Opened>,
    missing: Mutex<Option<Missing>>,
}

impl MailKeys {
    /// The keys; looked for, where they could not be opened so far.
    pub fn get(&self, settings: &Entity, address: &EmailAddress, now: Timestamp) -> Result<&Opened> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = missing.as_ref().filter(|m| Instant::now() < m.next) {
            return Err(anyhow!(before.why.clone()));
        }
        match open(settings, address, now) {
            Ok(opened) => {
                if missing.take().is_some() {
                    tracing::info!(organisation = settings.name, "the keys for its mail are there again");
                }
                Ok(self.opened.get_or_init(|| opened))
            }
            Err(error) => {
                let why = format!("{error:#}");
                let since = missing.as_ref().map_or(now, |m| m.since);
                if missing.as_ref().is_none_or(|m| m.why != why) {
                    tracing::error!(organisation = settings.name, why, "its mail is refused meanwhile");
                }
                *missing = Some(Missing { since, why, next: Instant::now() + PAUSE });
                Err(error)
            }
        }
    }

    /// What is wrong, if anything.
    pub fn missing(&self) -> Option<Missing> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn open(settings: &Entity, address: &EmailAddress, now: Timestamp) -> Result<Opened> {
    Ok(Opened { mail: credentials::brought_mail(settings, address, now)?, dkim: DomainKeys::open(settings)? })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure stops the test")]

    use crate::config::{Profile as Kind, parse, template};
    use crate::gateway::Gateway;
    use crate::pipeline::alerts;
    use crate::pipeline::spec::Spec;
    use crate::pipeline::submission::signing;
    use futures_util::StreamExt;
    use jiff::Timestamp;
    use sealpost_certs::{Authority, KeyKind, Profile, Signer, Subject};
    use sealpost_envelope::{EmailAddress, SystemClock};
    use sealpost_store::queue::Filter;
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    async fn opened(dir: &Path, alone: bool) -> anyhow::Result<Arc<Gateway>> {
        let place = dir.display();
        let (own, other) = (
            template(Kind::General, "sealpost.test", "localhost"),
            format!(
                "\n[[entity]]\nname = \"File\"\ndomains = [\"file.test\"]\nhostname = \"localhost\"\n\
             [entity.seal]\nmail_key = \"{place}/mail.key\"\nmail_certificate = \"{place}/mail.pem\"\n"
            ),
        );
        let mut config = parse(&(own + &other), &dir.join("sealpost.toml")).unwrap();
        config.settings.entity[0].dkim.keys.clear();
        if alone {
            config.settings.entity.remove(0);
        }
        Gateway::open(config, Arc::new(SystemClock)).await
    }

    fn brought(dir: &Path) {
        let now = Timestamp::now();
        let root = Authority::create_root(&Subject::named("Another authority"), now).unwrap();
        let profile = Profile::Mail { address: EmailAddress::parse("seal@file.test").unwrap() };
        let made = root.issue_with_key(KeyKind::P256, &profile, &Subject::named("Seal"), now).unwrap();
        std::fs::write(dir.join("mail.pem"), made.certificate().to_pem()).unwrap();
        made.key().save(&dir.join("mail.key")).unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_lost_mail_key_stops_its_own_organisation_only_and_heals() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        assert!(opened(dir.path(), true).await.is_err(), "with nobody else, the installation is at fault");
        let gateway = opened(dir.path(), false).await.unwrap();
        let refused = |n: usize| signing(&gateway, &gateway.organisations[n]).err().map(|r| r.to_string());
        assert_eq!(refused(0), None);
        assert!(refused(1).unwrap().starts_with("451 4.3.5"), "{:?}", refused(1));

        // The administrator hears of it, though the address for alerts is that organisation's.
        let to = EmailAddress::parse("admin@file.test").unwrap();
        alerts::round(&gateway, "node", &to).await.unwrap();
        let rows: Vec<_> = gateway.queue.list(&Filter::default()).collect().await;
        let told = rows.into_iter().map(Result::unwrap).find(|r| match Spec::read(&r.spec).unwrap() {
            Spec::Alert(alert) => alert.facts.iter().any(|f| f.contains("File") && f.contains("mail.key")),
            _ => false,
        });
        assert_eq!(told.unwrap().entity, gateway.organisations[0].id);

        brought(dir.path());
        for _ in 0..100 {
            if refused(1).is_none() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(refused(1), None, "without a restart");
        assert!(gateway.organisations[1].mail_keys.missing().is_none());
    }
}
