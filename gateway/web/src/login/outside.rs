//! Passwords that a server outside knows: the first factor of people whose password is not kept here.
//!
//! **Job.** [`verify`] judges an identifier and password, wherever the password is kept. Who has one here is never asked
//! about elsewhere. Somebody whom the server knows and who has no account yet gets one, as the settings say.
//!
//! **Exposure.** Strangers' guesses reach the server only below the brake of the login, and only for its domains. A
//! server that is down, slow or lies lets nobody in, counts against nobody, and is told to everybody who tries a login
//! of its domains in the same words, whether the account exists or not.

use super::journal::{Origin, changed};
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::state::WebState;
use sealpost_directory::{Answer, Backend, Person};
use sealpost_envelope::{EmailAddress, EntityId, Secret};
use sealpost_evidence::{Detail, Event, EventName, render};
use sealpost_store::account::{Account, AccountError, NewAccount, Role};

/// Systems outside that know or rule the people here.
#[derive(Debug, Default)]
pub struct Elsewhere {
    /// Servers that know passwords.
    pub backends: Vec<Outside>,
    /// Groups that give a role, the first that fits deciding.
    pub groups: Vec<(String, Role)>,
}

/// A server that knows passwords.
#[derive(Debug)]
pub struct Outside {
    /// The server.
    pub backend: Backend,
    /// Whose people it knows.
    pub entity: EntityId,
    /// Whether people get an account by logging in for the first time.
    pub create: bool,
}

impl Outside {
    /// As accounts remember where they come from.
    pub fn source(&self) -> String {
        format!("directory:{}", self.backend.name())
    }
}

impl Elsewhere {
    /// The role that groups give; `None` when no group gives one and roles are given here.
    pub fn role_of(&self, is_in: impl Fn(&str) -> bool) -> Option<Role> {
        let given = self.groups.iter().find(|(group, _)| is_in(group)).map(|(_, role)| *role);
        given.or((!self.groups.is_empty()).then_some(Role::Sender))
    }
}

/// The account, not disabled, whose identifier and password these are.
pub(crate) async fn verify(
    state: &WebState,
    ctx: &Ctx,
    identifier: &str,
    typed: &Secret<String>,
) -> Result<Option<Account>, Fault> {
    let named = state.accounts.identify(identifier).await?;
    let login = match &named {
        Some(account) if account.has_password => None,
        Some(account) => Some(account.login.clone()),
        None => EmailAddress::parse(identifier.trim()).ok(),
    };
    let asked = login.and_then(|login| {
        let outside = state.elsewhere.backends.iter().find(|o| o.backend.knows(&login))?;
        Some((outside, login))
    });
    let Some((outside, login)) = asked else {
        return Ok(state.accounts.verify_identified(identifier, typed).await?);
    };
    match outside.backend.judge(&login, typed).await {
        Ok(Answer::Wrong) => Ok(None),
        Ok(Answer::Right(person)) => enter(state, ctx, outside, person).await,
        Err(trouble) => {
            tracing::error!(backend = outside.backend.name(), %trouble, "a login could not be judged");
            Err(Fault::LoginElsewhere)
        }
    }
}

/// The account of a person whom the server knows, made if it may be, with the role that the server's groups give.
async fn enter(
    state: &WebState,
    ctx: &Ctx,
    outside: &Outside,
    person: Person,
) -> Result<Option<Account>, Fault> {
    let role =
        state.elsewhere.role_of(|group| person.is_in(group)).filter(|_| outside.backend.is_directory());
    let Some(account) = state.accounts.by_login(&person.address).await? else {
        return if outside.create {
            create(state, ctx, outside, person, role).await.map(Some)
        } else {
            Ok(None)
        };
    };
    // Another organisation's, or put out of use here: the server's word changes nothing about that.
    if account.entity != outside.entity || account.disabled.is_some() {
        return Ok(None);
    }
    let Some(role) = role.filter(|r| *r != account.role && account.role != Role::Operator) else {
        return Ok(Some(account));
    };
    // Accounts that were made here, or that somebody else keeps, have the role that they were given there.
    if state.accounts.source(account.id).await? != Some(outside.source()) {
        return Ok(Some(account));
    }
    let (Some(site), now) = (state.entity(account.entity), state.clock.now()) else { return Ok(None) };
    let detail = Detail::new().text("backend", outside.backend.name());
    let event = changed(&site, &account, Origin::of(ctx).anonymous(), &format!("role {role}"), detail, now)?;
    state.accounts.set_role(account.id, role, vec![event]).await?;
    Ok(Some(Account { role, ..account }))
}

/// The first visit.
async fn create(
    state: &WebState,
    ctx: &Ctx,
    outside: &Outside,
    person: Person,
    role: Option<Role>,
) -> Result<Account, Fault> {
    let site = state.entity(outside.entity).ok_or(Fault::Unknown)?;
    let detail = Detail::new()
        .text("change", "created")
        .text("backend", outside.backend.name())
        .personal("login", person.address.as_str());
    let event = Event::new(EventName::AccountChanged, outside.entity, state.clock.now())
        .actor(Origin::of(ctx).anonymous())
        .detail(detail);
    let new = NewAccount {
        entity: outside.entity,
        name: person.name.unwrap_or_else(|| person.address.local().to_owned()),
        role: role.unwrap_or(Role::Sender),
        password: None,
        login: person.address.clone(),
    };
    let events = vec![render(&site.issuer, event, None)?];
    match state.accounts.create_from(new, &outside.source(), events).await {
        // Another browser of theirs was faster.
        Err(AccountError::Taken(_)) => {
            let found = state.accounts.by_login(&person.address).await?;
            found.filter(|a| a.entity == outside.entity && a.disabled.is_none()).ok_or(Fault::Unknown)
        }
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_group_decides() {
        let none = Elsewhere::default();
        assert_eq!(none.role_of(|_| true), None);
        let groups = vec![("boss".to_owned(), Role::Admin), ("reads".to_owned(), Role::Auditor)];
        let some = Elsewhere { groups, ..Elsewhere::default() };
        assert_eq!(some.role_of(|_| true), Some(Role::Admin));
        assert_eq!(some.role_of(|g| g == "reads"), Some(Role::Auditor));
        assert_eq!(some.role_of(|_| false), Some(Role::Sender));
    }
}
