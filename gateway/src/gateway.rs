//! The composition root: everything a running gateway is made of, opened from its configuration.
//!
//! **Job.** [`Gateway::open`] puts the store, the keys, the policies and the organisations together. The
//! stages in `pipeline` and the listeners borrow it; nothing here handles mail.
//!
//! **Failure.** Opening says which setting is at fault.

use crate::config::{self, Config, Trusted};
use crate::credentials::Credentials;
use anyhow::{Context, Result, bail};
use arc_swap::ArcSwap;
use jiff::Timestamp;
use sealpost_certs::{FileSigner, Signer, TimeAuthority};
use sealpost_envelope::{Clock, EmailAddress, EntityId, Language, Sha256Digest};
use sealpost_evidence::{Detail, Event, EventName, Issuer, render};
use sealpost_policy::Policy;
use sealpost_store::account::Accounts;
use sealpost_store::mailbox::Mailboxes;
use sealpost_store::queue::Queue;
use sealpost_store::{Store, StoreConfig};
use std::sync::Arc;
use tokio::sync::Notify;

/// One organisation, ready to act.
#[derive(Debug)]
pub struct Organisation {
    /// Its number in the store.
    pub id: EntityId,
    /// What is configured for it.
    pub settings: config::Entity,
    /// How its evidence names it.
    pub issuer: Issuer,
    /// Its rules; replaced as a whole at reload.
    pub policy: ArcSwap<Policy>,
    /// Signs its evidence and proofs.
    pub evidence: Arc<FileSigner>,
    /// From address of the mail we write for it.
    pub seal_address: EmailAddress,
}

impl Organisation {
    /// Preferred language of its recipients.
    pub fn language(&self) -> Language {
        self.settings.languages.first().copied().unwrap_or_default()
    }
    /// When content of a message accepted at `now` is likely to be destroyed; the verdict has the last word.
    pub fn likely_retention(&self, now: Timestamp) -> Timestamp {
        let retention = &self.settings.retention;
        retention.content.after(retention.access.after(now))
    }
    /// Language for a recipient: their domain's, or the preferred one.
    pub fn language_for(&self, recipient: &EmailAddress) -> Language {
        Language::of_domain(recipient.domain(), self.language())
    }
    /// Whether the address is in one of its domains.
    pub fn owns(&self, address: &EmailAddress) -> bool {
        self.settings.domains.iter().any(|d| d.as_str().eq_ignore_ascii_case(address.domain()))
    }
}

/// Bells that one stage rings for the next; each stage also looks by itself now and then.
#[derive(Debug, Default)]
pub struct Bells {
    /// Evidence or journal entries wait for their seal.
    pub seal: Notify,
}

/// A gateway with everything open.
#[derive(Debug)]
pub struct Gateway {
    /// Its configuration as it was opened; see [`Gateway::reload`] for what can change.
    pub config: Arc<Config>,
    /// Servers that may relay in.
    pub trusted: ArcSwap<Vec<Trusted>>,
    /// What it keeps.
    pub store: Store,
    /// Who may log in.
    pub accounts: Accounts,
    /// Their mail.
    pub mailboxes: Mailboxes,
    /// Outgoing mail.
    pub queue: Queue,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Keys and certificates.
    pub credentials: Credentials,
    /// The embedded RFC 3161 authority.
    pub time: TimeAuthority,
    /// Its organisations, in the order of the configuration.
    pub organisations: Vec<Arc<Organisation>>,
    /// Bells between stages.
    pub bells: Bells,
}

impl Gateway {
    /// Opens everything that `config` names.
    pub async fn open(config: Config, clock: Arc<dyn Clock>) -> Result<Arc<Self>> {
        let store = open_store(&config, clock.clone()).await?;
        let now = clock.now();
        let first = config.entity.first().context("`[[entity]]`: one is needed")?;
        let credentials = Credentials::open(&config.store.keys.join("authority"), &first.name, now)
            .context("`store.keys`: the signing keys cannot be opened")?;
        let mut organisations = Vec::new();
        for (settings, policy) in config.entity.iter().zip(&config.policies) {
            organisations.push(Arc::new(organisation(&store, &credentials, settings, policy, now).await?));
        }
        let time = TimeAuthority::new(credentials.time.clone(), clock.clone());
        let accounts = Accounts::new(&store)?;
        let mailboxes = Mailboxes::new(&store);
        let queue = Queue::new(store.db().clone());
        let trusted = ArcSwap::from_pointee(config.trusted.clone());
        let (config, bells) = (Arc::new(config), Bells::default());
        Ok(Arc::new(Self {
            config,
            trusted,
            store,
            accounts,
            mailboxes,
            queue,
            clock,
            credentials,
            time,
            organisations,
            bells,
        }))
    }

    /// Takes rules and trusted servers of a newly read configuration into force, and journals that.
    /// Everything else needs a restart.
    pub async fn reload(&self, fresh: &Config) -> Result<()> {
        let names = |c: &Config| c.entity.iter().map(|e| e.name.clone()).collect::<Vec<_>>();
        if names(fresh) != names(&self.config) {
            bail!("other [[entity]] sections need a restart");
        }
        let now = self.clock.now();
        let mut events = Vec::new();
        for (organisation, policy) in self.organisations.iter().zip(&fresh.policies) {
            organisation.policy.store(policy.clone());
            let rules = fresh.rule.iter().map(|r| r.name.clone());
            let event = Event::new(EventName::PolicyLoaded, organisation.id, now)
                .detail(Detail::new().list("rules", rules));
            events.push(render(&organisation.issuer, event, None)?);
        }
        self.trusted.store(Arc::new(fresh.trusted.clone()));
        self.store.record(events).await?;
        Ok(())
    }

    /// The trusted server that connects from this address.
    pub fn trusted_from(&self, address: std::net::IpAddr) -> Option<Trusted> {
        self.trusted.load().iter().find(|t| t.serves(address)).cloned()
    }

    /// The organisation a mail domain belongs to.
    pub fn organisation_of(&self, address: &EmailAddress) -> Option<&Arc<Organisation>> {
        self.organisations.iter().find(|o| o.owns(address))
    }

    /// Whether mail for the domain stays in this installation's mailboxes.
    pub fn delivers_locally(&self, domain: &str) -> bool {
        match self.config.route_of(domain) {
            Some(route) => route.via == config::Via::Local,
            None => false,
        }
    }

    /// Our name in greetings.
    pub fn hostname(&self) -> &str {
        self.organisations.first().map_or("localhost", |o| o.settings.hostname.as_str())
    }

    /// Name under which this node claims work: the same after a restart, so that it takes its own back.
    pub fn holder(&self) -> String {
        let node = rustix::system::uname();
        format!("{}/{}", node.nodename().to_string_lossy(), self.hostname())
    }

    /// Name of the journal's log, in checkpoints and in its key.
    pub fn log_origin(&self) -> String {
        log_origin(&self.credentials)
    }

    /// The organisation with that number in the store.
    pub fn organisation(&self, id: EntityId) -> Option<&Arc<Organisation>> {
        self.organisations.iter().find(|o| o.id == id)
    }
}

/// Opens the store alone, as commands do that sign nothing.
pub async fn open_store(config: &Config, clock: Arc<dyn Clock>) -> Result<Store> {
    let settings = StoreConfig {
        database: config.store.database.url().context("`store.database`")?.expose().clone(),
        blobs: config.store.blobs.url(),
        keys: config.store.keys.clone(),
    };
    Ok(Store::open(&settings, clock).await?)
}

async fn organisation(
    store: &Store,
    credentials: &Credentials,
    settings: &config::Entity,
    policy: &Arc<Policy>,
    now: Timestamp,
) -> Result<Organisation> {
    let domain = settings.domains.first().context("`entity.domains`: one is needed")?.as_str();
    let siren = settings.siren.as_ref().map(ToString::to_string);
    let id = store.ensure_entity(&settings.name, siren.as_deref()).await?;
    let evidence = credentials.evidence(&settings.name, domain, now)?;
    let seal_address =
        settings.seal_address().context("`entity.seal.address`: none can be derived from the domain")?;
    let issuer = Issuer {
        entity: id,
        name: settings.name.clone(),
        identifier: siren,
        hostname: settings.hostname.clone(),
        policies: vec![format!("https://{}/policy/1", settings.hostname)],
        certificate: Some(evidence.certificate().der().to_vec()),
    };
    Ok(Organisation {
        id,
        settings: settings.clone(),
        issuer,
        policy: ArcSwap::new(policy.clone()),
        evidence,
        seal_address,
    })
}

/// The zone of the times that people read: the machine's (`TZ`, `/etc/localtime`).
pub fn zone() -> jiff::tz::TimeZone {
    jiff::tz::TimeZone::system()
}

/// A log's name follows its key, so that nothing that may change (host name, order of entities) makes
/// old checkpoints those of another log (C2SP tlog-checkpoint: a URL without scheme, unique to the log).
pub fn log_origin(credentials: &Credentials) -> String {
    let key = Sha256Digest::of(credentials.journal.key().public_key()).to_hex();
    format!("sealpost/log/{}", &key[..16])
}
