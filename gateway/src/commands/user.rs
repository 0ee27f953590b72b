//! `sealpost user …`: accounts and app passwords. Secrets are printed once, and only here.

mod address;
mod import;
mod leave;
mod otp;
pub mod recipient;
mod sync;
mod token;

use super::{Answer, Unusable, operated, store};
use crate::cli::UserCommand;
use crate::config::Config;
use anyhow::Result;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use sealpost_envelope::{AccountId, EmailAddress, EntityId, Secret};
use sealpost_evidence::{BuiltEvent, Detail};
use sealpost_store::Store;
use sealpost_store::account::{Account, AccountError, Accounts, NewAccount, Role};
use std::path::Path;

/// Runs one of the commands.
pub async fn run(path: &Path, command: UserCommand, json: bool) -> Result<Answer> {
    let (config, store) = store(path).await?;
    let accounts = Accounts::new(&store)?;
    let desk = Desk { config: &config, store: &store, accounts: &accounts };
    match command {
        UserCommand::Add { login, role, name, entity, invite, owner } => {
            let owner = match owner {
                Some(owner) => Some(desk.find(&owner).await?),
                None => None,
            };
            let person = Person { login: &login, role: &role, name, entity, owner };
            if invite { desk.invite(person, json).await? } else { desk.add(person, json).await? }
        }
        UserCommand::Import { file, entity, dry_run, invite } => {
            return desk.import_people(&file, entity.as_deref(), dry_run, invite, json).await;
        }
        UserCommand::Sync { backend, dry_run, force } => {
            return desk.sync(backend.as_deref(), dry_run, force, json).await;
        }
        UserCommand::Owner { login, person } => desk.owner(&login, person.as_deref(), json).await?,
        UserCommand::Address(command) => return desk.address(command, json).await,
        UserCommand::Handover { from, to } => desk.hand_over(&from, &to, json).await?,
        UserCommand::Reenrol { login } => desk.reenrol(&login, json).await?,
        UserCommand::Logout { login } => desk.log_out(&login, json).await?,
        UserCommand::Enable { login } => {
            let account = desk.find(&login).await?;
            let events = desk.changed(account.entity, &account.login, "enabled").await?;
            accounts.set_disabled(account.id, false, events).await?;
            changed(json, &account, "state", "active");
        }
        UserCommand::List => desk.list(json).await?,
        UserCommand::Passwd { login } => desk.passwd(&login, json).await?,
        UserCommand::Role { login, role } => {
            let account = desk.find(&login).await?;
            let role: Role = role.parse()?;
            let events = desk.changed(account.entity, &account.login, "role").await?;
            accounts.set_role(account.id, role, events).await?;
            changed(json, &account, "role", role.as_str());
        }
        UserCommand::Disable { login } => {
            let account = desk.find(&login).await?;
            let events = desk.changed(account.entity, &account.login, "disabled").await?;
            accounts.set_disabled(account.id, true, events).await?;
            changed(json, &account, "state", "disabled");
        }
        UserCommand::AppPassword { login, label } => {
            let account = desk.find(&login).await?;
            let events = desk.changed(account.entity, &account.login, "app password").await?;
            let made = accounts.add_app_password(&account, &label, events).await?;
            tell(json, &[("login", account.login.as_str()), ("app_password", made.password.expose())]);
        }
        UserCommand::Token(command) => return desk.token(command, json).await,
    }
    Ok(Answer::Done)
}

/// Whom, or what, to add.
struct Person<'a> {
    login: &'a str,
    role: &'a str,
    name: Option<String>,
    entity: Option<String>,
    /// Who answers for it, where it is no person.
    owner: Option<Account>,
}

struct Desk<'a> {
    config: &'a Config,
    store: &'a Store,
    accounts: &'a Accounts,
}

impl Desk<'_> {
    async fn find(&self, login: &str) -> Result<Account> {
        let address: EmailAddress = login.parse().map_err(|e| Unusable(format!("{login}: {e}")))?;
        let found = self.accounts.by_login(&address).await?;
        Ok(found.ok_or_else(|| Unusable(format!("there is no account {login}; see `sealpost user list`")))?)
    }

    async fn entity(&self, login: &EmailAddress, name: Option<&str>) -> Result<EntityId> {
        let place = match name {
            Some(name) => self.config.entity.iter().position(|e| e.name == name),
            None => self.config.entity_of(login.domain()),
        };
        let place = place.ok_or_else(|| {
            Unusable(match name {
                Some(name) => format!("no [[entity]] is named {name:?}"),
                None => format!("no [[entity]] has the domain {}: name one with --entity", login.domain()),
            })
        })?;
        let entity = &self.config.entity[place];
        let siren = entity.siren.as_ref().map(ToString::to_string);
        Ok(self.store.ensure_entity(&entity.name, siren.as_deref()).await?)
    }

    async fn create(&self, person: Person<'_>, password: Option<Secret<String>>) -> Result<Account> {
        let Person { login, role, name, entity, owner } = person;
        let login: EmailAddress = login.parse().map_err(|e| Unusable(format!("{login}: {e}")))?;
        let entity = self.entity(&login, entity.as_deref()).await?;
        let new = NewAccount {
            entity,
            name: name.unwrap_or_else(|| login.local().to_owned()),
            role: role.parse()?,
            password,
            login: login.clone(),
        };
        let events = self.changed(entity, &login, "created").await?;
        match owner {
            Some(owner) => match self.accounts.create_owned(new, &owner, events).await {
                Err(error @ AccountError::NoOwner(_)) => Err(Unusable(error.to_string()).into()),
                other => Ok(other?),
            },
            None => Ok(self.accounts.create(new, events).await?),
        }
    }

    async fn invite(&self, person: Person<'_>, json: bool) -> Result<()> {
        let account = self.create(person, None).await?;
        let to = self.send_invitation(&account).await?;
        tell(json, &[("login", account.login.as_str()), ("invited", to.as_str())]);
        Ok(())
    }

    async fn add(&self, person: Person<'_>, json: bool) -> Result<()> {
        // An application has nobody who could type a password of its own.
        let (owner, label) = match &person.owner {
            Some(owner) => (Some(owner.login.clone()), "application"),
            None => (None, "mail client"),
        };
        let password = owner.is_none().then(generated);
        let account = self.create(person, password.clone()).await?;
        let made = self.accounts.add_app_password(&account, label, Vec::new()).await?;
        let mut told = vec![("login", account.login.as_str())];
        told.extend(owner.as_ref().map(|o| ("owner", o.as_str())));
        told.extend(password.as_ref().map(|p| ("password", p.expose().as_str())));
        told.push(("app_password", made.password.expose()));
        tell(json, &told);
        Ok(())
    }

    async fn passwd(&self, login: &str, json: bool) -> Result<()> {
        let account = self.find(login).await?;
        let password = generated();
        let events = self.changed(account.entity, &account.login, "password").await?;
        self.accounts.set_password(account.id, Some(&password), events).await?;
        tell(json, &[("login", account.login.as_str()), ("password", password.expose())]);
        Ok(())
    }

    async fn list(&self, json: bool) -> Result<()> {
        let mut after = AccountId(0);
        loop {
            let page = self.accounts.list(None, after).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.id;
            for account in &page {
                let state = if account.disabled.is_some() { "disabled" } else { "active" };
                let owner = match account.owner {
                    Some(owner) => self.accounts.by_id(owner).await?.map(|o| o.login),
                    None => None,
                };
                if json {
                    say!(
                        "{}",
                        serde_json::json!({
                            "login": account.login, "role": account.role.as_str(), "name": account.name,
                            "state": state, "entity": account.entity, "password": account.has_password,
                            "app": account.has_totp, "created": account.created, "last_used": account.last_used,
                            "owner": owner,
                        })
                    );
                } else {
                    let owner = owner.map(|o| format!(" ({o} answers for it)")).unwrap_or_default();
                    say!("{:<40} {:<8} {:<9} {}{owner}", account.login, account.role, state, account.name);
                }
            }
        }
    }

    /// AccountChanged by whoever sits at the server.
    async fn changed(&self, entity: EntityId, login: &EmailAddress, what: &str) -> Result<Vec<BuiltEvent>> {
        self.journaled(entity, Detail::new().text("change", what).personal("login", login.as_str()))
    }

    /// A change made at the command line.
    fn journaled(&self, entity: EntityId, detail: Detail) -> Result<Vec<BuiltEvent>> {
        operated(entity, detail)
    }
}

/// A password of 100 random bits, readable, with all the kinds of characters that rules ask for (F52).
pub fn generated() -> Secret<String> {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyzABCDEFGH2";
    let mut raw = [0u8; 20];
    // aws-lc's generator reseeds from the kernel and has no recoverable failure.
    SystemRandom::new().fill(&mut raw).expect("the system's random generator works");
    let mut text: String = raw.iter().map(|b| char::from(LETTERS[usize::from(b % 32)])).collect();
    text.push_str("-T7");
    Secret::new(text)
}

/// What was changed, for a program; a person who typed the command sees that nothing went wrong.
fn changed(json: bool, account: &Account, key: &str, value: &str) {
    if json {
        tell(true, &[("login", account.login.as_str()), (key, value)]);
    }
}

fn tell(json: bool, pairs: &[(&str, &str)]) {
    if json {
        let map: serde_json::Map<_, _> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
        say!("{}", serde_json::Value::Object(map));
    } else {
        for (key, value) in pairs {
            say!("{:<14} {value}", format!("{key}:"));
        }
    }
}
