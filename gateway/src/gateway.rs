//! The composition root: everything a running gateway is made of, opened from its configuration.
//!
//! **Job.** [`Gateway::open`] puts the store, the keys, the policies and the organisations together. The
//! stages in `pipeline` and the listeners borrow it; nothing here handles mail.
//!
//! **Failure.** Opening says which setting is at fault.

use crate::config::{self, Config, Trusted};
use crate::credentials::Credentials;
use crate::judge::ChildJudge;
use crate::mailkeys::{MailKeys, Opened};
use crate::pipeline::carry::Carry;
use crate::pipeline::screening::Screen;
use crate::pipeline::seal::organisation::Sealing;
use crate::timeserver::External;
use anyhow::{Context, Result, bail};
use arc_swap::ArcSwap;
use jiff::Timestamp;
use sealpost_certs::{KeyKind, Signer, TimeAuthority};
use sealpost_envelope::{Clock, EmailAddress, EntityId, Language, Sha256Digest};
use sealpost_evidence::{BuiltEvent, Detail, Event, EventName, Issuer, render};
use sealpost_oidc::Provider;
use sealpost_policy::Policy;
use sealpost_store::account::Accounts;
use sealpost_store::blob::S3Keys;
use sealpost_store::mailbox::Mailboxes;
use sealpost_store::person::Tokens;
use sealpost_store::queue::Queue;
use sealpost_store::{Store, StoreConfig};
use std::sync::Arc;
use tokio::sync::Notify;

/// One organisation, ready to act.
#[derive(Debug)]
pub struct Organisation {
    /// Its number in the store.
    pub id: EntityId,
    /// Numbers of those that have become part of it.
    pub former: Vec<EntityId>,
    /// What is configured for it.
    pub settings: config::Entity,
    /// How its evidence names it.
    pub issuer: Issuer,
    /// Its rules; replaced as a whole at reload.
    pub policy: ArcSwap<Policy>,
    /// Seals its evidence and proofs.
    pub sealing: Sealing,
    /// Sign its mail.
    pub mail_keys: MailKeys,
    /// From address of the mail we write for it.
    pub seal_address: EmailAddress,
}

impl Organisation {
    /// What its mail is signed with; without it, its mail waits.
    pub fn signing(&self, now: Timestamp) -> Result<&Opened> {
        self.mail_keys.get(&self.settings, &self.seal_address, now)
    }
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
    /// A code waits to be sent by SMS.
    pub sms: Notify,
    /// Evidence or journal entries wait for their seal.
    pub seal: Notify,
    /// Entries have got their place in the log.
    pub folders: Notify,
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
    pub accounts: Arc<Accounts>,
    /// Tokens of those who receive.
    pub tokens: Tokens,
    /// Service for codes by SMS, if any.
    pub sms: Option<crate::sms::Service>,
    /// What looks at content before it leaves, if anything does.
    pub screen: Option<Screen>,
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
    /// Judges strangers' proofs in processes of their own.
    pub judge: Arc<ChildJudge>,
    /// OpenID Connect providers of the gate.
    pub providers: Vec<Arc<Provider>>,
    /// External RFC 3161 authorities, if any.
    pub external: Option<External>,
    /// Its organisations, in the order of the configuration.
    pub organisations: Vec<Arc<Organisation>>,
    /// Bells between stages.
    pub bells: Bells,
    /// What stages carry along for one another.
    pub carry: Carry,
    /// Name of the journal's log.
    origin: String,
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
        let (mut keyless, mut unsigned) = (Vec::new(), Vec::new());
        let merged = store.merged_entities().await?;
        for (settings, policy) in config.entity.iter().zip(&config.policies) {
            let (mut made, why) = organisation(&store, &credentials, settings, policy, now).await?;
            made.former = merged.iter().filter(|(_, into)| **into == made.id).map(|(id, _)| *id).collect();
            keyless.extend(why.map(|why| (settings.name.clone(), why)));
            unsigned.extend(made.signing(now).err());
            organisations.push(Arc::new(made));
        }
        // One organisation's lost key is its own trouble; where nobody can seal, the installation is at fault.
        if keyless.len() == organisations.len()
            && let Some((_, why)) = keyless.pop()
        {
            return Err(why);
        }
        if unsigned.len() == organisations.len()
            && let Some(why) = unsigned.pop()
        {
            return Err(why);
        }
        for (organisation, error) in &keyless {
            tracing::error!(%organisation, error = format!("{error:#}"), "its evidence waits for its seal");
        }
        let external = External::open(&config.timestamp)?;
        let providers = crate::providers::open(&config)?;
        let origin = log_origin(&store, &credentials).await?;
        let time = TimeAuthority::new(credentials.time.clone(), clock.clone());
        let accounts = Arc::new(Accounts::new(&store)?);
        let tokens = Tokens::new(&store)?;
        let sms = crate::sms::Service::open(&config.gate.sms)?;
        let screen = Screen::open(&config.antivirus);
        let mailboxes = Mailboxes::new(&store);
        let queue = Queue::new(store.db().clone());
        let trusted = ArcSwap::from_pointee(config.trusted.clone());
        let judge = Arc::new(ChildJudge::new(&config));
        let (config, bells) = (Arc::new(config), Bells::default());
        Ok(Arc::new(Self {
            config,
            trusted,
            store,
            accounts,
            tokens,
            sms,
            screen,
            mailboxes,
            queue,
            clock,
            credentials,
            time,
            judge,
            external,
            providers,
            organisations,
            bells,
            carry: Carry::default(),
            origin,
        }))
    }

    /// Takes rules and trusted servers of a newly read configuration into force, and journals that.
    /// Everything else needs a restart.
    pub async fn reload(&self, fresh: &Config) -> Result<()> {
        let names = |c: &Config| c.entity.iter().map(|e| e.name.clone()).collect::<Vec<_>>();
        if names(fresh) != names(&self.config) {
            bail!("other [[entity]] sections need a restart");
        }
        for (organisation, policy) in self.organisations.iter().zip(&fresh.policies) {
            organisation.policy.store(policy.clone());
        }
        let events = self.policy_loaded(fresh, "reload")?;
        self.trusted.store(Arc::new(fresh.trusted.clone()));
        self.store.record(events).await?;
        Ok(())
    }

    /// Journals the rules with which the gateway starts.
    pub async fn record_start(&self) -> Result<()> {
        let events = self.policy_loaded(&self.config, "start")?;
        self.store.record(events).await?;
        self.bells.seal.notify_one();
        Ok(())
    }

    fn policy_loaded(&self, config: &Config, cause: &str) -> Result<Vec<BuiltEvent>> {
        let now = self.clock.now();
        let loaded = |organisation: &Arc<Organisation>| {
            let rules = config.rule.iter().map(|r| r.name.clone());
            let event = Event::new(EventName::PolicyLoaded, organisation.id, now)
                .detail(Detail::new().text("cause", cause).list("rules", rules));
            Ok(render(&organisation.issuer, event, None)?)
        };
        self.organisations.iter().map(loaded).collect()
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
    pub fn log_origin(&self) -> &str {
        &self.origin
    }

    /// The S/MIME signer for an address in From; `name` stands in a certificate that is issued now.
    pub fn mail_signer(
        &self,
        organisation: &Organisation,
        address: &EmailAddress,
        name: Option<&str>,
    ) -> Result<Arc<dyn Signer>> {
        let (kind, now) = (organisation.settings.seal.algorithm, self.clock.now());
        let brought = organisation.signing(now)?.mail.as_ref();
        if let Some(brought) = brought.filter(|_| *address == organisation.seal_address) {
            return Ok(brought.clone());
        }
        let issue = || self.credentials.mail(address, name, kind, now).map(|s| s as Arc<dyn Signer>);
        match kind {
            KeyKind::P256 | KeyKind::P384 => issue(),
            // An RSA key takes a second to make, once for each sender.
            KeyKind::Rsa3072 | KeyKind::Rsa4096 => tokio::task::block_in_place(issue),
        }
    }

    /// The organisation with that number in the store.
    pub fn organisation(&self, id: EntityId) -> Option<&Arc<Organisation>> {
        self.organisations.iter().find(|o| o.id == id)
    }
}

/// Where the configuration says that everything lies.
pub fn store_config(config: &Config) -> Result<StoreConfig> {
    let keys = match (&config.store.s3_access_key, &config.store.s3_secret_key) {
        (Some(access), Some(secret)) => Some(S3Keys {
            access: access.read().context("`store.s3_access_key`")?,
            secret: secret.read().context("`store.s3_secret_key`")?,
        }),
        _ => None,
    };
    Ok(StoreConfig {
        database: config.store.database.url().context("`store.database`")?.expose().clone(),
        blobs: config.store.blobs.url(),
        s3: keys,
        keys: config.store.keys.clone(),
    })
}

/// Opens the store alone, as commands do that sign nothing.
pub async fn open_store(config: &Config, clock: Arc<dyn Clock>) -> Result<Store> {
    Ok(Store::open(&store_config(config)?, clock).await?)
}

async fn organisation(
    store: &Store,
    credentials: &Credentials,
    settings: &config::Entity,
    policy: &Arc<Policy>,
    now: Timestamp,
) -> Result<(Organisation, Option<anyhow::Error>)> {
    let siren = settings.siren.as_ref().map(ToString::to_string);
    let id = store.ensure_entity(&settings.name, siren.as_deref()).await?;
    let (sealing, without_key) = Sealing::open(credentials, settings, now);
    let seal_address =
        settings.seal_address().context("`entity.seal.address`: none can be derived from the domain")?;
    let issuer = Issuer {
        entity: id,
        name: settings.name.clone(),
        identifier: siren,
        hostname: settings.hostname.clone(),
        policies: vec![format!("https://{}/policy/1", settings.hostname)],
        certificate: sealing.known().map(|signer| signer.certificate().der().to_vec()),
    };
    let made = Organisation {
        id,
        former: Vec::new(),
        settings: settings.clone(),
        issuer,
        policy: ArcSwap::new(policy.clone()),
        sealing,
        mail_keys: MailKeys::default(),
        seal_address,
    };
    Ok((made, without_key))
}

/// The zone of the times that people read: the machine's (`TZ`, `/etc/localtime`).
pub fn zone() -> jiff::tz::TimeZone {
    jiff::tz::TimeZone::system()
}

/// A log's name follows its key, so that nothing that may change (host name, order of entities) makes
/// old checkpoints those of another log (C2SP tlog-checkpoint: a URL without scheme, unique to the log). Once
/// the key is replaced, or a restore has begun a new log, the store knows the name.
pub async fn log_origin(store: &Store, credentials: &Credentials) -> Result<String> {
    Ok(match store.log_origin().await? {
        Some(given) => given,
        None => first_log(credentials),
    })
}

/// Name of the first log under a key.
pub fn first_log(credentials: &Credentials) -> String {
    let key = Sha256Digest::of(credentials.journal.key().public_key()).to_hex();
    format!("sealpost/log/{}", &key[..16])
}
