//! `sealpost user address …` and `sealpost user owner`: further addresses of an account, and who answers for it.

use super::{Desk, changed, tell};
use crate::cli::AddressCommand;
use crate::commands::{Answer, Unusable};
use anyhow::Result;
use sealpost_envelope::EmailAddress;
use sealpost_evidence::Detail;
use sealpost_store::account::{Account, AccountError, Standing};

impl Desk<'_> {
    pub(super) async fn address(&self, command: AddressCommand, json: bool) -> Result<Answer> {
        match command {
            AddressCommand::Add { login, address, acts_for } => {
                let account = self.find(&login).await?;
                let address = self.ours(&account, &address)?;
                let standing = if acts_for { Standing::ActsFor } else { Standing::Own };
                let what = if acts_for { "acts for" } else { "own address" };
                let events = self.journaled(account.entity, granted(&account, what, &address))?;
                unusable(self.accounts.add_address(&account, &address, standing, events).await)?;
                changed(json, &account, "address", address.as_str());
            }
            AddressCommand::Remove { login, address } => {
                let account = self.find(&login).await?;
                let address = parse(&address)?;
                if address.key() == account.login.key() {
                    return Err(Unusable(format!("{address} is the login: it stays its account's")).into());
                }
                if self.accounts.standing(account.id, &address).await?.is_none() {
                    return Err(Unusable(format!("{login} does not have {address}")).into());
                }
                let events =
                    self.journaled(account.entity, granted(&account, "address removed", &address))?;
                self.accounts.remove_address(&account, &address, events).await?;
                changed(json, &account, "removed", address.as_str());
            }
            AddressCommand::List { login } => {
                let account = self.find(&login).await?;
                for a in self.accounts.addresses(account.id).await? {
                    match json {
                        true => say!(
                            "{}",
                            serde_json::json!({"address": a.address, "standing": a.standing.as_str()})
                        ),
                        false => say!("{:<9} {}", a.standing.as_str(), a.address),
                    }
                }
            }
        }
        Ok(Answer::Done)
    }

    /// An address that may be given to this account: of its organisation's domains, and not the login itself, which
    /// would become somebody else's.
    fn ours(&self, account: &Account, address: &str) -> Result<EmailAddress> {
        let address = parse(address)?;
        let domains = |login: &EmailAddress| self.config.entity_of(login.domain());
        if domains(&address).is_none() || domains(&address) != domains(&account.login) {
            let text =
                format!("{address} is in none of the domains of the organisation of {}", account.login);
            return Err(Unusable(text).into());
        }
        if address.key() == account.login.key() {
            return Err(Unusable(format!("{address} is the login already")).into());
        }
        Ok(address)
    }

    pub(super) async fn owner(&self, login: &str, person: Option<&str>, json: bool) -> Result<()> {
        let account = self.find(login).await?;
        let owner = match person {
            Some(person) => Some(self.find(person).await?),
            None => None,
        };
        self.give(&account, owner.as_ref()).await?;
        let name = owner.as_ref().map_or("", |o| o.login.as_str());
        tell(json, &[("login", account.login.as_str()), ("owner", name)]);
        Ok(())
    }

    /// Writes who answers for an account.
    pub(super) async fn give(&self, account: &Account, owner: Option<&Account>) -> Result<()> {
        let detail = Detail::new().text("change", "owner").personal("login", account.login.as_str());
        let detail = match owner {
            Some(owner) => detail.personal("owner", owner.login.as_str()),
            None => detail,
        };
        let events = self.journaled(account.entity, detail)?;
        unusable(self.accounts.set_owner(account, owner, events).await)
    }
}

fn parse(address: &str) -> Result<EmailAddress> {
    Ok(address.parse().map_err(|e| Unusable(format!("{address}: {e}")))?)
}

fn granted(account: &Account, what: &str, address: &EmailAddress) -> Detail {
    let detail = Detail::new().text("change", what).personal("login", account.login.as_str());
    detail.personal("address", address.as_str())
}

/// What the caller can change is their mistake, the rest is ours.
fn unusable(done: Result<(), AccountError>) -> Result<()> {
    match done {
        Err(error @ (AccountError::Taken(_) | AccountError::NoOwner(_))) => {
            Err(Unusable(error.to_string()).into())
        }
        other => Ok(other?),
    }
}
