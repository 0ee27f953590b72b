//! The demonstration: configuration, accounts, sample and summary.
//!
//! **Exposure.** Listens on 127.0.0.1 only. Its secrets are in `demo-secrets.json` and `demo.json`, mode 0600.

pub mod cards;
pub mod pages;
pub mod sample;
mod summary;

use crate::commands::init;
use crate::commands::user::generated;
use crate::config::{Profile, template_with};
use crate::gateway::Gateway;
use anyhow::{Context, Result};
use sealpost_certs::files::write_atomic;
use sealpost_envelope::{EmailAddress, Secret, Timestamp, random};
use sealpost_gate::oath::base32::base32;
use sealpost_store::account::{NewAccount, Role};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use toml_edit::{DocumentMut, value};

/// The ports without offset.
const PORTS: [(&str, u16); 9] = [
    ("submission", 2587),
    ("submissions", 2465),
    ("inbound", 2525),
    ("relay", 2526),
    ("imap", 2143),
    ("imaps", 2993),
    ("https", 8443),
    ("card", 8444),
    ("admin", 9090),
];

/// The people of the demonstration.
const PEOPLE: [(&str, &str, Role); 3] = [
    ("alice@sealpost.test", "Alice Martin", Role::Sender),
    ("carol@sealpost.test", "Carol Dubois", Role::Auditor),
    ("adele@sealpost.test", "Adèle Bernard", Role::Admin),
];
const OUTSIDE: [&str; 2] = ["bob@example.test", "dora@example.test"];

/// A prepared demonstration.
#[derive(Debug)]
pub struct Demo {
    /// Its directory, absolute.
    pub dir: PathBuf,
    offset: u16,
}

/// Passwords, kept so that a later start can show them again.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Secrets {
    /// People of the organisation.
    pub accounts: Vec<Person>,
    /// Outside mailboxes.
    pub mailboxes: Vec<Mailbox>,
}

/// A person of the organisation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Person {
    /// Login.
    pub login: String,
    /// Role.
    pub role: String,
    /// For the web.
    pub password: String,
    /// For mail programs.
    pub app_password: String,
    /// Second factor, base 32.
    pub totp_secret: String,
}

/// An outside mailbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Mailbox {
    /// Login.
    pub login: String,
    /// Password.
    pub password: String,
}

impl Demo {
    /// Makes the directory's configuration and keys on first use; later adapts ports and smarthost.
    pub fn prepare(dir: &Path, offset: u16, smarthost: Option<&str>, now: Timestamp) -> Result<Self> {
        let demo = Self { dir: dir.to_owned(), offset };
        let file = demo.config_file();
        let password = dir.join("demo.password");
        if !password.exists() {
            write_atomic(&password, generated().expose().as_bytes(), 0o600)?;
        }
        if !file.exists() {
            let hosts = ["localhost".to_owned()];
            init::prepare(dir, &demo.new_config(), "Démonstration Sealpost", &hosts)?;
        }
        cards::prepare(dir, now)?;
        demo.adapt(smarthost)?;
        Ok(demo)
    }

    /// `DIR/sealpost.toml`.
    pub fn config_file(&self) -> PathBuf {
        self.dir.join("sealpost.toml")
    }

    /// A port of this demonstration.
    pub fn port(&self, name: &str) -> u16 {
        PORTS.iter().find(|(n, _)| *n == name).map_or(0, |(_, port)| port.saturating_add(self.offset))
    }

    fn new_config(&self) -> String {
        let text = |s: &str| format!("{s:?}");
        let changes = [
            ("entity.name", text("Démonstration Sealpost")),
            ("entity.support.mail", text("aide@sealpost.test")),
            ("entity.support.phone", text("+33 1 99 00 12 34")),
            // Its authority issues the senders' certificates, so that sealing can be seen.
            ("entity.seal.always", "true".to_owned()),
            ("route.domains", "[\"sealpost.test\"]".to_owned()),
            ("route.via", text("local")),
            ("entity.support.portal", text("https://www.sealpost.test")),
            // A newcomer can try both second factors.
            ("accounts.code_by_mail", text("all")),
            ("trusted.name", text("a server on this machine")),
            ("trusted.networks", "[\"127.0.0.0/8\", \"::1/128\"]".to_owned()),
            ("trusted.from", "[\"@sealpost.test\"]".to_owned()),
            // Nothing leaves this machine on the way.
            ("trusted.tolerate", "[\"no-tls\"]".to_owned()),
            ("demo.mailboxes", format!("{OUTSIDE:?}")),
            ("demo.password", text("file:demo.password")),
        ];
        template_with(Profile::General, "sealpost.test", "localhost", &changes) + cards::RULE
    }

    /// Sets what depends on this start and leaves everything else in the file as it is.
    fn adapt(&self, smarthost: Option<&str>) -> Result<()> {
        let file = self.config_file();
        let text = std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        let mut doc: DocumentMut = text.parse().with_context(|| format!("{} is no TOML", file.display()))?;
        for (name, _) in PORTS {
            doc["listen"][name] = value(format!("127.0.0.1:{}", self.port(name)));
        }
        doc["web"]["url"] = value(format!("https://localhost:{}", self.port("https")));
        doc["web"]["card_url"] = value(format!("https://localhost:{}", self.port("card")));
        cards::adapt(&mut doc);
        doc["demo"]["outside_mailboxes"] = value(smarthost.is_none());
        match smarthost {
            Some(place) => {
                doc["relay"]["smarthost"] = value(place);
                doc["relay"]["smarthost_tls"] = value("opportunistic");
            }
            None => {
                if let Some(relay) = doc["relay"].as_table_mut() {
                    relay.remove("smarthost");
                    relay.remove("smarthost_tls");
                }
            }
        }
        let adapted = doc.to_string();
        if adapted != text {
            write_atomic(&file, adapted.as_bytes(), 0o640)
                .with_context(|| format!("write {}", file.display()))?;
        }
        Ok(())
    }

    /// Makes the accounts on first use.
    pub async fn ensure_accounts(&self, gateway: &Gateway) -> Result<Secrets> {
        let file = self.dir.join("demo-secrets.json");
        if file.exists() {
            return Ok(serde_json::from_str(&std::fs::read_to_string(&file)?)?);
        }
        let entity = gateway.organisations.first().context("an organisation")?.id;
        let mut secrets = Secrets::default();
        for (login, name, role) in PEOPLE {
            secrets.accounts.push(person(gateway, entity, login, name, role).await?);
        }
        let password = std::fs::read_to_string(self.dir.join("demo.password"))?;
        let shared = Secret::new(password.trim().to_owned());
        for login in OUTSIDE {
            gateway.accounts.ensure_demo(entity, &EmailAddress::parse(login)?, &shared).await?;
            secrets.mailboxes.push(Mailbox { login: login.to_owned(), password: shared.expose().clone() });
        }
        write_atomic(&file, serde_json::to_string_pretty(&secrets)?.as_bytes(), 0o600)?;
        Ok(secrets)
    }

    /// Removes the description that an earlier run left: whoever waits for the file waits for this run. While that
    /// run still answers, the description is its own.
    pub fn withdraw(&self) -> Result<()> {
        let file = self.dir.join("demo.json");
        let Ok(text) = std::fs::read_to_string(&file) else { return Ok(()) };
        let old: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let port = old["ports"]["admin"].as_u64().and_then(|p| u16::try_from(p).ok());
        if port.is_some_and(|p| std::net::TcpStream::connect(("127.0.0.1", p)).is_ok()) {
            return Ok(());
        }
        std::fs::remove_file(&file).with_context(|| format!("remove {}", file.display()))
    }

    /// Prints the summary and writes `demo.json`.
    pub fn announce(&self, secrets: &Secrets, sample: Option<&sample::Sample>) -> Result<()> {
        let ports: serde_json::Map<_, _> =
            PORTS.iter().map(|(name, _)| ((*name).to_owned(), self.port(name).into())).collect();
        let cards = cards::all(&self.dir)?;
        let description = serde_json::json!({
            "ca": self.dir.join("ca.pem"),
            "host": "localhost",
            "ports": ports,
            "accounts": secrets.accounts,
            "mailboxes": secrets.mailboxes,
            "cards": cards,
            "sample": sample,
        });
        say!("{}", summary::text(self, secrets, &cards, sample));
        let text = serde_json::to_string_pretty(&description)?;
        write_atomic(&self.dir.join("demo.json"), text.as_bytes(), 0o600).context("write demo.json")
    }
}

async fn person(
    gateway: &Gateway,
    entity: sealpost_envelope::EntityId,
    login: &str,
    name: &str,
    role: Role,
) -> Result<Person> {
    let address = EmailAddress::parse(login)?;
    let password = generated();
    let account = match gateway.accounts.by_login(&address).await? {
        // A start that was cut short: give new secrets to what is there.
        Some(found) => {
            gateway.accounts.set_password(found.id, Some(&password), Vec::new()).await?;
            found
        }
        None => {
            let new = NewAccount {
                entity,
                login: address,
                role,
                name: name.to_owned(),
                password: Some(password.clone()),
            };
            gateway.accounts.create(new, Vec::new()).await?
        }
    };
    let app = gateway.accounts.add_app_password(&account, "demo", Vec::new()).await?;
    let raw = Secret::new(random::octets::<20>().to_vec());
    let totp_secret = base32(raw.expose());
    gateway.accounts.set_totp(account.id, Some(&raw), Vec::new()).await?;
    Ok(Person {
        login: login.to_owned(),
        role: role.as_str().to_owned(),
        password: password.expose().clone(),
        app_password: app.password.expose().clone(),
        totp_secret,
    })
}
