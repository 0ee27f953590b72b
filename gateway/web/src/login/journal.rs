//! What logins write into the journal.

use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::state::EntitySite;
use sealpost_envelope::{GateMethod, Timestamp};
use sealpost_evidence::{Actor, BuiltEvent, Detail, Event, EventName, render};
use sealpost_gate::{Assurance, Facts, Level};
use sealpost_store::account::Account;

/// Where a request came from. Owned, so that it can go into a transaction.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    network: Option<String>,
    agent: Option<String>,
}

impl Origin {
    pub(crate) fn of(ctx: &Ctx) -> Self {
        Self { network: ctx.peer.map(|ip| ip.to_string()), agent: ctx.agent.clone() }
    }
    pub(crate) fn anonymous(&self) -> Actor {
        Actor::Anonymous { network: self.network.clone(), agent: self.agent.clone() }
    }
}

/// The account's person, as actor of an event.
pub(crate) fn actor(account: &Account) -> Actor {
    Actor::Account { id: account.id, login: account.login.to_string() }
}

/// AccountLogin.
pub(super) fn logged_in(
    site: &EntitySite,
    account: &Account,
    passed: &[Facts],
    ctx: &Ctx,
    now: Timestamp,
) -> Result<BuiltEvent, Fault> {
    let methods: Vec<GateMethod> = passed.iter().map(|f| f.method.clone()).collect();
    let assurance = Assurance::of(&methods);
    let mut detail = Detail::new()
        .text("protocol", "web")
        .list("methods", methods.iter().map(ToString::to_string))
        .list("factors", assurance.factors().into_iter().map(|f| f.as_str()))
        .flag("multi_factor", assurance.is_multi_factor())
        .text("level", Level::together(passed).as_str());
    if let Some(network) = ctx.peer {
        detail = detail.personal("network", network.to_string());
    }
    if let Some(agent) = &ctx.agent {
        detail = detail.personal("agent", agent.as_str());
    }
    for (key, value) in passed.iter().flat_map(|f| &f.details) {
        // What cards and providers say of a person is personal.
        detail = detail.personal(key, value.as_str());
    }
    if let Some(identity) = Facts::person(passed) {
        detail = detail.personal("identity", identity.to_string());
    }
    event(site, account, EventName::AccountLogin, actor(account), detail, now)
}

/// AccountLoginFailed, for an account that exists: strangers cannot fill the journal with invented names.
pub(super) fn failed(
    site: &EntitySite,
    account: &Account,
    ctx: &Ctx,
    now: Timestamp,
) -> Result<BuiltEvent, Fault> {
    let detail = Detail::new().text("protocol", "web").personal("login", account.login.as_str());
    event(site, account, EventName::AccountLoginFailed, Origin::of(ctx).anonymous(), detail, now)
}

/// ChallengeSent: a code is on its way to the account's person.
pub(super) fn code_sent(
    site: &EntitySite,
    account: &Account,
    (method, to): (GateMethod, &str),
    expires: Timestamp,
    origin: &Origin,
    now: Timestamp,
) -> Result<BuiltEvent, Fault> {
    let detail = Detail::new()
        .text("protocol", "web")
        .text("method", method.to_string())
        .time("expires", expires)
        .personal("login", account.login.as_str())
        .personal("to", to);
    event(site, account, EventName::ChallengeSent, origin.anonymous(), detail, now)
}

/// AccountChanged by `who`.
pub(crate) fn changed(
    site: &EntitySite,
    account: &Account,
    who: Actor,
    what: &str,
    detail: Detail,
    now: Timestamp,
) -> Result<BuiltEvent, Fault> {
    let detail = detail.text("change", what).personal("login", account.login.as_str());
    event(site, account, EventName::AccountChanged, who, detail, now)
}

fn event(
    site: &EntitySite,
    account: &Account,
    name: EventName,
    who: Actor,
    detail: Detail,
    now: Timestamp,
) -> Result<BuiltEvent, Fault> {
    let event = Event::new(name, account.entity, now).actor(who).detail(detail);
    Ok(render(&site.issuer, event, None)?)
}
