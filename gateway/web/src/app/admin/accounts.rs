//! `/admin/accounts`: who may log in; roles given, accounts disabled. New ones and passwords are made by command.

use crate::actions::actor;
use crate::app::act::stale;
use crate::app::deposit::{Said, When};
use crate::app::frame::{self, AppFrame, Section};
use crate::app::typed::Typed;
use crate::app::viewer::may;
use crate::app::words::Badge;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::login::Staff;
use crate::pages::{html, see_other, show};
use crate::state::WebState;
use askama::Template;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use sealpost_envelope::AccountId;
use sealpost_evidence::{BuiltEvent, Detail, Event, EventName, render};
use sealpost_store::account::{Account, AccountError, Role};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Roles that are given here.
const ROLES: [Role; 3] = [Role::Sender, Role::Auditor, Role::Admin];

#[derive(Debug)]
struct Row {
    id: AccountId,
    name: String,
    login: String,
    role: &'static str,
    roles: Vec<(Role, &'static str, bool)>,
    state: Badge,
    disabled: bool,
    factor: &'static str,
    created: When,
    used: Option<When>,
    /// Who answers for it, where it is no person's.
    owner: Option<String>,
    me: bool,
}

#[derive(Template)]
#[template(path = "app/accounts.html")]
struct Page<'a> {
    f: &'a AppFrame,
    rows: Vec<Row>,
    said: Option<Said>,
    next: Option<AccountId>,
}

/// The list.
pub(super) async fn list(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    RawQuery(query): RawQuery,
) -> Response {
    let page = async {
        let typed = Typed::query(&query.unwrap_or_default()).await?;
        let l = ctx.language;
        let said = match typed.get("done") {
            "role" => Some(l.pick("Rôle changé.", "Role changed.")),
            "disabled" => Some(l.pick(
                "Compte désactivé : ses sessions et mots de passe d’application ne servent plus.",
                "Account disabled: its sessions and app passwords are of no use any more.",
            )),
            "enabled" => Some(l.pick("Compte réactivé.", "Account enabled again.")),
            _ => None,
        };
        let said = said.map(|words| Said { tone: "good", words: words.to_owned() });
        page(&state, &ctx, &staff, AccountId(typed.parsed("after").unwrap_or(0)), said).await
    };
    let page = page.await;
    show(&state, &ctx, page)
}

async fn page(
    state: &WebState,
    ctx: &Ctx,
    staff: &Staff,
    after: AccountId,
    said: Option<Said>,
) -> Result<Response, Fault> {
    may(staff, Section::Accounts)?;
    let l = ctx.language;
    let accounts = state.accounts.list(Some(staff.entity()), after).await.map_err(fault)?;
    let next = (accounts.len() == 500).then(|| accounts.last().map(|a| a.id)).flatten();
    let frame = AppFrame::new(state, ctx, staff, Section::Accounts, l.pick("Comptes", "Accounts"));
    let mut owners = HashMap::new();
    for id in accounts.iter().filter_map(|a| a.owner) {
        if let Entry::Vacant(place) = owners.entry(id)
            && let Some(owner) = state.accounts.by_id(id).await.map_err(fault)?
        {
            place.insert(owner.name);
        }
    }
    let row = |a: &Account| {
        let when = |t| When::new(t, &staff.site.zone, l);
        let state = match a.disabled {
            Some(_) => Badge { word: l.pick("désactivé", "disabled"), tone: "bad" },
            None => Badge { word: l.pick("actif", "active"), tone: "good" },
        };
        Row {
            id: a.id,
            name: a.name.clone(),
            login: a.login.to_string(),
            role: frame::role(a.role, l),
            roles: ROLES.iter().map(|r| (*r, frame::role(*r, l), *r == a.role)).collect(),
            state,
            disabled: a.disabled.is_some(),
            factor: match (a.has_totp, a.has_password) {
                (true, _) => l.pick("mot de passe et application à codes", "password and code app"),
                (false, true) => l.pick("mot de passe", "password"),
                (false, false) => l.pick("aucun mot de passe", "no password"),
            },
            created: when(a.created),
            used: a.last_used.map(when),
            owner: a.owner.and_then(|id| owners.get(&id).cloned()),
            me: a.id == staff.id(),
        }
    };
    let people = accounts.iter().filter(|a| a.role != Role::Demo);
    html(&Page { rows: people.map(row).collect(), said, next, f: &frame })
}

/// Back to the account: a browser comes here when its language is changed on a page that a POST showed.
pub(super) async fn back(
    State(state): State<WebState>,
    ctx: Ctx,
    _staff: Staff,
    Path(id): Path<i64>,
) -> Response {
    let away = see_other(&format!("/admin/accounts/{id}"));
    show(&state, &ctx, away)
}

/// Gives a role, disables, enables.
pub(super) async fn change(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    Path(id): Path<i64>,
    body: Body,
) -> Response {
    let done = async {
        may(&staff, Section::Accounts)?;
        let typed = Typed::posted(&state, body).await?;
        let l = ctx.language;
        let refused = async |words: &str| {
            let said = Said { tone: "bad", words: words.to_owned() };
            page(&state, &ctx, &staff, AccountId(0), Some(said)).await
        };
        if !staff.is_ours(Some(typed.get("csrf"))) {
            return refused(stale(l)).await;
        }
        let found = state.accounts.by_id(AccountId(id)).await.map_err(fault)?;
        let account = found.filter(|a| a.entity == staff.entity()).ok_or(Fault::Unknown)?;
        if let Some(why) = staff.barred_from(&account) {
            return refused(why.words(l)).await;
        }
        let word = apply(&state, &staff, &account, &typed).await?;
        see_other(&format!("/admin/accounts?done={word}"))
    };
    let done = done.await;
    show(&state, &ctx, done)
}

async fn apply(
    state: &WebState,
    staff: &Staff,
    account: &Account,
    typed: &Typed,
) -> Result<&'static str, Fault> {
    let event = |what: &str| changed(state, staff, account, what, |detail| detail);
    match typed.get("do") {
        "role" => {
            let role: Role = typed.parsed("role").filter(|r| ROLES.contains(r)).ok_or(Fault::BadForm)?;
            let events = vec![event(&format!("role {role}"))?];
            state.accounts.set_role(account.id, role, events).await.map_err(fault)?;
            Ok("role")
        }
        "disable" => {
            let events = vec![event("disabled")?];
            state.accounts.set_disabled(account.id, true, events).await.map_err(fault)?;
            Ok("disabled")
        }
        "enable" => {
            let events = vec![event("enabled")?];
            state.accounts.set_disabled(account.id, false, events).await.map_err(fault)?;
            Ok("enabled")
        }
        _ => Err(Fault::BadForm),
    }
}

/// The same event as the commands write.
pub(super) fn changed(
    state: &WebState,
    staff: &Staff,
    account: &Account,
    what: &str,
    more: impl FnOnce(Detail) -> Detail,
) -> Result<BuiltEvent, Fault> {
    let detail = more(Detail::new().text("change", what).personal("login", account.login.as_str()));
    let event = Event::new(EventName::AccountChanged, account.entity, state.clock.now())
        .actor(actor(&staff.account))
        .detail(detail);
    Ok(render(&staff.site.issuer, event, None)?)
}

pub(super) fn fault(error: AccountError) -> Fault {
    match error {
        AccountError::Store(e) => e.into(),
        AccountError::Unknown(_) => Fault::Unknown,
        other => Fault::internal("account", other),
    }
}
