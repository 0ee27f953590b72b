//! `sealpost user sync`: accounts as a directory has its people.
//!
//! **Exposure.** What a directory says that may be empty, half there or wrong. It rules the accounts that came from it,
//! and no others; when many of them are missing at once, nobody is disabled before the administrator insists.
//!
//! **Failure.** A directory that stops answering half way has added and corrected; it disables nobody.

use super::Desk;
use crate::backends;
use crate::commands::{Answer, Unusable};
use crate::config::{BackendKind, BackendSettings, group_role};
use anyhow::{Context, Result, anyhow};
use sealpost_directory::{Backend, Person, Trouble};
use sealpost_envelope::{AccountId, EmailAddress, EntityId};
use sealpost_evidence::{BuiltEvent, Detail};
use sealpost_store::account::{Account, NewAccount, Role};
use sealpost_web::Elsewhere;
use std::collections::HashSet;

/// So many may disappear at once; beyond them, one in `SHARE` of all.
const FEW: usize = 5;
const SHARE: usize = 4;

/// One run over one directory.
struct Sync<'a> {
    desk: &'a Desk<'a>,
    backend: &'a Backend,
    entity: EntityId,
    source: String,
    roles: Elsewhere,
    dry_run: bool,
    json: bool,
    /// Accounts of people who are there.
    seen: HashSet<AccountId>,
}

impl Desk<'_> {
    pub(super) async fn sync(
        &self,
        name: Option<&str>,
        dry_run: bool,
        force: bool,
        json: bool,
    ) -> Result<Answer> {
        let all = self.config.accounts.backend.iter();
        let wanted = |b: &&BackendSettings| b.kind == BackendKind::Ldap && name.is_none_or(|n| b.name == n);
        let chosen: Vec<_> = all.filter(wanted).collect();
        if chosen.is_empty() {
            return Err(
                Unusable("no directory of that name stands under [[accounts.backend]]".to_owned()).into()
            );
        }
        let mut answer = Answer::Done;
        for settings in chosen {
            if !self.sync_one(settings, dry_run, force, json).await? {
                answer = Answer::Negative;
            }
        }
        Ok(answer)
    }

    /// `false` when people should be disabled and were not.
    async fn sync_one(
        &self,
        settings: &BackendSettings,
        dry_run: bool,
        force: bool,
        json: bool,
    ) -> Result<bool> {
        let backend =
            backends::backend(settings).with_context(|| format!("`accounts.backend` {:?}", settings.name))?;
        let domain = settings.domains.first().context("a directory without domains")?;
        let place = self.config.entity_of(domain.as_str()).context("a domain without [[entity]]")?;
        let groups = self.config.accounts.groups.iter().map(|g| group_role(g).map_err(|e| anyhow!(e)));
        let mut sync = Sync {
            desk: self,
            entity: self.store.ensure_entity(&self.config.entity[place].name, None).await?,
            source: backends::source(&backend),
            backend: &backend,
            roles: Elsewhere { groups: groups.collect::<Result<_>>()?, ..Elsewhere::default() },
            dry_run,
            json,
            seen: HashSet::new(),
        };
        sync.read().await.with_context(|| format!("{:?}: nobody was disabled", settings.name))?;
        sync.retire(force).await
    }
}

impl Sync<'_> {
    fn say(&self, word: &str, login: &EmailAddress) {
        match self.json {
            true => say!("{}", serde_json::json!({"login": login, "does": word, "dry_run": self.dry_run})),
            false => say!("{word:<8} {login}"),
        }
    }

    fn event(&self, what: &str, login: &EmailAddress) -> Result<Vec<BuiltEvent>> {
        let detail = Detail::new().text("change", what).text("backend", self.backend.name());
        self.desk.journaled(self.entity, detail.personal("login", login.as_str()))
    }

    /// Everybody who is there, page by page: each page is written before the next one is asked for.
    async fn read(&mut self) -> Result<()> {
        let (backend, mut failed) = (self.backend, None);
        let read = backend.people(async |people| {
            for person in people {
                if let Err(error) = self.take(person).await {
                    failed = Some(error);
                    return Err(Trouble::Refused("stopped by a failure here".to_owned()));
                }
            }
            Ok(())
        });
        let read = read.await;
        match failed {
            Some(error) => Err(error),
            None => Ok(read?),
        }
    }

    async fn take(&mut self, person: Person) -> Result<()> {
        let login = &person.address;
        if !self.backend.knows(login) {
            self.say("foreign", login);
            return Ok(());
        }
        let role = self.roles.role_of(|group| person.is_in(group));
        let Some(account) = self.desk.accounts.by_login(login).await? else {
            return self.add(&person, role.unwrap_or(Role::Sender)).await;
        };
        let ruled = self.desk.accounts.source(account.id).await?.as_deref() == Some(&self.source);
        if account.entity != self.entity || !ruled {
            self.say("keep", login);
            return Ok(());
        }
        self.seen.insert(account.id);
        self.correct(&account, &person, role).await
    }

    async fn add(&mut self, person: &Person, role: Role) -> Result<()> {
        let login = &person.address;
        self.say("add", login);
        if self.dry_run {
            return Ok(());
        }
        let new = NewAccount {
            entity: self.entity,
            name: person.name.clone().unwrap_or_else(|| login.local().to_owned()),
            role,
            password: None,
            login: login.clone(),
        };
        let made = self.desk.accounts.create_from(new, &self.source, self.event("created", login)?).await?;
        self.seen.insert(made.id);
        Ok(())
    }

    async fn correct(&self, account: &Account, person: &Person, role: Option<Role>) -> Result<()> {
        let (accounts, login) = (self.desk.accounts, &account.login);
        if account.disabled.is_some() && !self.dry_run {
            let events = self.event("enabled", login)?;
            let word =
                if accounts.set_absent(account.id, false, events).await? { "enable" } else { "disabled" };
            self.say(word, login);
        } else if account.disabled.is_some() {
            self.say("enable", login);
        }
        if let Some(name) = person.name.as_ref().filter(|n| **n != account.name) {
            self.say("rename", login);
            if !self.dry_run {
                accounts.set_name(account.id, name, self.event("name", login)?).await?;
            }
        }
        if let Some(role) = role.filter(|r| *r != account.role && account.role != Role::Operator) {
            self.say(role.as_str(), login);
            if !self.dry_run {
                accounts.set_role(account.id, role, self.event(&format!("role {role}"), login)?).await?;
            }
        }
        Ok(())
    }

    /// Disables whom the directory had and has no more; `false` when they are too many to believe it.
    async fn retire(&self, force: bool) -> Result<bool> {
        let (mut gone, mut active, mut after) = (Vec::new(), 0, AccountId(0));
        loop {
            let page = self.desk.accounts.of_source(self.entity, &self.source, after).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            for account in page.into_iter().filter(|a| a.disabled.is_none()) {
                active += 1;
                if !self.seen.contains(&account.id) {
                    gone.push((account.id, account.login));
                }
            }
        }
        let believed =
            force || gone.len() <= FEW.max(active / SHARE) && (gone.is_empty() || !self.seen.is_empty());
        for (id, login) in &gone {
            self.say(if believed { "disable" } else { "missing" }, login);
            if believed && !self.dry_run {
                self.desk.accounts.set_absent(*id, true, self.event("disabled", login)?).await?;
            }
        }
        if !believed {
            eprintln!(
                "{}: {} of {active} people are missing at once; nobody was disabled. If that is right: --force",
                self.backend.name(),
                gone.len()
            );
        }
        Ok(believed)
    }
}
