//! `sealpost recipient …`: what is remembered of people who receive, per organisation.
//!
//! Learned from senders' hints and at the door, or said here by whoever administers. Each change is journaled with the
//! address as a personal value; what was changed to is not repeated there.

use super::{Desk, tell};
use crate::cli::RecipientCommand;
use crate::commands::{Answer, Unusable, clock, store};
use anyhow::Result;
use sealpost_certs::card::NationalId;
use sealpost_envelope::{EmailAddress, EntityId, Language};
use sealpost_gate::tiqr;
use sealpost_store::account::Accounts;
use sealpost_store::person::{Person, Tokens};
use serde_json::json;
use std::path::Path;

/// Read at a time.
const PAGE: u32 = 500;

/// What is to be remembered; `None` stays as it is.
struct Wanted {
    name: Option<String>,
    phone: Option<String>,
    identity: Option<String>,
    language: Option<String>,
    shared: Option<String>,
}

/// Runs one of the commands.
pub async fn run(path: &Path, command: RecipientCommand, json: bool) -> Result<Answer> {
    let (config, store) = store(path).await?;
    let accounts = Accounts::new(&store)?;
    let desk = Desk { config: &config, store: &store, accounts: &accounts };
    match command {
        RecipientCommand::List { part, entity } => {
            let entity = desk.organisation(entity.as_deref()).await?;
            desk.list_people(entity, &part, json).await
        }
        RecipientCommand::Show { address, entity } => {
            let entity = desk.organisation(entity.as_deref()).await?;
            desk.show_person(entity, &super::otp::parse(&address)?, json).await
        }
        RecipientCommand::Set { address, name, phone, identity, language, shared, entity } => {
            let entity = desk.organisation(entity.as_deref()).await?;
            let wanted = Wanted { name, phone, identity, language, shared };
            desk.remember(entity, super::otp::parse(&address)?, wanted, json).await
        }
        RecipientCommand::Forget { address, entity } => {
            let entity = desk.organisation(entity.as_deref()).await?;
            desk.forget(entity, super::otp::parse(&address)?, json).await
        }
    }
}

impl Desk<'_> {
    async fn list_people(&self, entity: EntityId, part: &str, json: bool) -> Result<Answer> {
        let mut after = String::new();
        loop {
            let page = Person::list(self.store.db(), entity, part, &after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(Answer::Done) };
            after = last.address.key();
            for p in &page {
                let shared = if p.shared { "shared" } else { "" };
                let (phone, language) =
                    (p.phone.as_deref().unwrap_or("-"), p.language.map_or("-", Language::tag));
                let identity = p.identity.as_deref().unwrap_or("-");
                match json {
                    true => say!("{}", value(p)),
                    false => say!("{:<40} {phone:<16} {identity:<20} {language:<3} {shared}", p.address),
                }
            }
        }
    }

    async fn show_person(&self, entity: EntityId, address: &EmailAddress, json: bool) -> Result<Answer> {
        let person = Person::find(self.store.db(), entity, address).await?;
        let enrolled = Tokens::new(self.store)?.enrolled(entity, address).await?;
        let mut devices: Vec<String> = enrolled.iter().map(ToString::to_string).collect();
        devices.extend(self.store.phone_of(entity, &tiqr::owner(address)).await?.map(|_| "tiqr".to_owned()));
        if person.is_none() && devices.is_empty() {
            eprintln!("nothing is remembered of {address}");
            return Ok(Answer::Negative);
        }
        let person = person.unwrap_or_else(|| Person::new(entity, address.clone(), clock().now()));
        if json {
            let mut all = value(&person);
            all["devices"] = devices.into();
            say!("{all}");
            return Ok(Answer::Done);
        }
        let refused = if person.phone_refused.is_some() { " (refused by its reader)" } else { "" };
        let phone = person.phone.as_ref().map(|p| format!("{p}{refused}")).unwrap_or_default();
        let none = String::new();
        tell(
            false,
            &[
                ("address", person.address.as_str()),
                ("name", person.name.as_ref().unwrap_or(&none)),
                ("phone", &phone),
                ("phone from", person.phone_source.as_ref().unwrap_or(&none)),
                ("identity", person.identity.as_ref().unwrap_or(&none)),
                ("language", person.language.map_or("", Language::tag)),
                ("shared", if person.shared { "yes" } else { "no" }),
                ("devices", &devices.join(" ")),
            ],
        );
        Ok(Answer::Done)
    }

    async fn remember(
        &self,
        entity: EntityId,
        address: EmailAddress,
        wanted: Wanted,
        json: bool,
    ) -> Result<Answer> {
        let now = clock().now();
        let known = Person::find(self.store.db(), entity, &address).await?;
        let mut person = known.unwrap_or_else(|| Person::new(entity, address.clone(), now));
        person.changed = now;
        if let Some(name) = wanted.name {
            person.name = Some(name.trim().to_owned()).filter(|n| !n.is_empty());
        }
        if let Some(phone) = wanted.phone {
            person.phone = match phone.trim() {
                "" => None,
                typed => Some(
                    sealpost_policy::to_e164(typed, &self.config.gate.country)
                        .map_err(|e| Unusable(format!("--phone: {e}")))?,
                ),
            };
            person.phone_source = person.phone.as_ref().map(|_| "administrator".to_owned());
            person.phone_refused = None;
        }
        if let Some(identity) = wanted.identity {
            let typed = identity.trim();
            if !typed.is_empty() {
                NationalId::parse_identity(typed).map_err(|e| Unusable(format!("--identity: {e}")))?;
            }
            person.identity = Some(typed.to_owned()).filter(|i| !i.is_empty());
        }
        if let Some(language) = wanted.language {
            person.language = Language::negotiate(&language);
        }
        if let Some(shared) = wanted.shared {
            person.shared = shared == "yes";
        }
        let events = self.changed(entity, &address, "recipient remembered").await?;
        self.store
            .db()
            .write(async move |tx| {
                person.write(tx).await?;
                tx.append(events).await
            })
            .await?;
        if json {
            say!("{}", json!({"address": address, "remembered": true}));
        }
        Ok(Answer::Done)
    }

    async fn forget(&self, entity: EntityId, address: EmailAddress, json: bool) -> Result<Answer> {
        let events = self.changed(entity, &address, "recipient forgotten").await?;
        let forgotten = address.clone();
        let done = self
            .store
            .db()
            .write(async move |tx| {
                let known = Person::forget(tx, entity, &forgotten, &tiqr::owner(&forgotten)).await?;
                if known {
                    tx.append(events).await?;
                }
                Ok::<_, sealpost_store::StoreError>(known)
            })
            .await?;
        if !done {
            eprintln!("nothing is remembered of {address}");
            return Ok(Answer::Negative);
        }
        if json {
            say!("{}", json!({"address": address, "forgotten": true}));
        }
        Ok(Answer::Done)
    }
}

fn value(p: &Person) -> serde_json::Value {
    json!({
        "address": p.address, "name": p.name, "phone": p.phone, "phone_source": p.phone_source,
        "phone_refused": p.phone_refused, "identity": p.identity, "language": p.language.map(Language::tag),
        "shared": p.shared, "changed": p.changed,
    })
}
