//! `/admin/accounts/{id}`: whose addresses an account writes as, who writes in its name, and who answers for it where
//! it is no person's.
//!
//! A secretary acts for a doctor; a service's address has several persons. Evidence names both, the one who acted and
//! the one in whose name. What is granted here is journaled with the administrator's name.

use super::accounts::{changed, fault};
use crate::app::act::stale;
use crate::app::deposit::Said;
use crate::app::frame::{self, AppFrame, Section};
use crate::app::typed::Typed;
use crate::app::viewer::may;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::login::Staff;
use crate::pages::{html, see_other, show as respond};
use crate::state::WebState;
use askama::Template;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use sealpost_envelope::{AccountId, EmailAddress};
use sealpost_evidence::Detail;
use sealpost_store::account::{Account, AccountError, Role, Standing};

/// An address of the account.
#[derive(Debug)]
struct Line {
    address: String,
    own: bool,
    /// The login stays an address of its account for ever.
    fixed: bool,
}

/// Somebody who writes in the account's name.
#[derive(Debug)]
struct Delegate {
    id: AccountId,
    name: String,
    login: String,
    address: String,
}

#[derive(Template)]
#[template(path = "app/addresses.html")]
struct Page<'a> {
    f: &'a AppFrame,
    account: Account,
    role: &'static str,
    lines: Vec<Line>,
    delegates: Vec<Delegate>,
    /// Who answers for it.
    owner: Option<Account>,
    /// What it answers for itself.
    owned: Vec<Account>,
    /// What was typed as the owner, and why it was refused.
    refused: Option<(String, &'static str)>,
    domains: String,
    typed: String,
    own: bool,
    /// Why nothing is changed here.
    barred: Option<&'static str>,
    said: Option<Said>,
    wrong: Option<&'static str>,
}

/// What was refused, by the field it was typed into.
#[derive(Debug, Default)]
struct Wrong {
    address: Option<&'static str>,
    owner: Option<&'static str>,
}

/// An account of the administrator's organisation; others do not exist.
async fn find(state: &WebState, staff: &Staff, id: i64) -> Result<Account, Fault> {
    may(staff, Section::Accounts)?;
    let found = state.accounts.by_id(AccountId(id)).await.map_err(fault)?;
    found.filter(|a| a.entity == staff.entity() && a.role != Role::Demo).ok_or(Fault::Unknown)
}

/// The page.
pub(super) async fn show(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    Path(id): Path<i64>,
    RawQuery(query): RawQuery,
) -> Response {
    let page = async {
        let account = find(&state, &staff, id).await?;
        let typed = Typed::query(&query.unwrap_or_default()).await?;
        let l = ctx.language;
        let said = match typed.get("done") {
            "granted" => Some(l.pick("Adresse ajoutée.", "Address added.")),
            "taken" => Some(l.pick("Adresse retirée.", "Address taken away.")),
            "owner" => Some(l.pick("Responsable enregistré.", "Written down who answers for it.")),
            _ => None,
        };
        let said = said.map(|words| Said { tone: "good", words: words.to_owned() });
        page(&state, &ctx, &staff, account, &Typed::default(), said, Wrong::default()).await
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

async fn page(
    state: &WebState,
    ctx: &Ctx,
    staff: &Staff,
    account: Account,
    typed: &Typed,
    said: Option<Said>,
    wrong: Wrong,
) -> Result<Response, Fault> {
    let addresses = state.accounts.addresses(account.id).await.map_err(fault)?;
    let delegates = state.accounts.delegates(&account).await.map_err(fault)?;
    let owner = match account.owner {
        Some(owner) => state.accounts.by_id(owner).await.map_err(fault)?,
        None => None,
    };
    let owned = state.accounts.owned_by(&account).await.map_err(fault)?;
    let login = account.login.key();
    let line = |a: &sealpost_store::account::AccountAddress| Line {
        own: a.standing == Standing::Own,
        fixed: a.address.key() == login,
        address: a.address.to_string(),
    };
    let delegate = |(who, address): (Account, EmailAddress)| Delegate {
        id: who.id,
        name: who.name,
        login: who.login.to_string(),
        address: address.to_string(),
    };
    let frame = AppFrame::new(state, ctx, staff, Section::Accounts, &account.name);
    html(&Page {
        role: frame::role(account.role, ctx.language),
        lines: addresses.iter().map(line).collect(),
        delegates: delegates.into_iter().map(delegate).collect(),
        owner,
        owned,
        refused: wrong.owner.map(|words| (typed.get("owner").to_owned(), words)),
        domains: state.hooks.operations.domains(staff.entity()).join(", "),
        typed: typed.get("address").to_owned(),
        own: typed.get("standing") == "own",
        barred: staff.barred_from(&account).map(|why| why.words(ctx.language)),
        account,
        said,
        wrong: wrong.address,
        f: &frame,
    })
}

/// `POST /admin/accounts/{id}/addresses`: grants an address, or takes it away.
pub(super) async fn change(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    Path(id): Path<i64>,
    body: Body,
) -> Response {
    let done = async {
        let account = find(&state, &staff, id).await?;
        let typed = Typed::posted(&state, body).await?;
        let l = ctx.language;
        if !staff.is_ours(Some(typed.get("csrf"))) {
            let said = Some(Said { tone: "bad", words: stale(l).to_owned() });
            return page(&state, &ctx, &staff, account, &typed, said, Wrong::default()).await;
        }
        if let Some(why) = staff.barred_from(&account) {
            let said = Some(Said { tone: "bad", words: why.words(l).to_owned() });
            return page(&state, &ctx, &staff, account, &typed, said, Wrong::default()).await;
        }
        let refused = async |account, words| {
            let wrong = Wrong { address: Some(words), owner: None };
            page(&state, &ctx, &staff, account, &typed, None, wrong).await
        };
        let Ok(address) = EmailAddress::parse(typed.get("address").trim()) else {
            let words = l.pick("Une adresse a la forme nom@domaine.", "An address has the form name@domain.");
            return refused(account, words).await;
        };
        if typed.get("do") == "remove" {
            let events = vec![granted(&state, &staff, &account, "address removed", &address)?];
            return match state.accounts.remove_address(&account, &address, events).await {
                Err(AccountError::Taken(_) | AccountError::Unknown(_)) => Err(Fault::Unknown),
                other => {
                    other.map_err(fault)?;
                    see_other(&format!("/admin/accounts/{id}?done=taken"))
                }
            };
        }
        let domains = state.hooks.operations.domains(staff.entity());
        if !domains.iter().any(|d| d.eq_ignore_ascii_case(address.domain())) {
            let words = l.pick(
                "Cette adresse n’est pas d’un domaine de l’organisme.",
                "This address is in none of the organisation’s domains.",
            );
            return refused(account, words).await;
        }
        let standing = if typed.get("standing") == "own" { Standing::Own } else { Standing::ActsFor };
        // The login would become somebody else's in whose name it writes.
        if address.key() == account.login.key() {
            return refused(account, l.pick("C’est déjà son adresse.", "That is their address already."))
                .await;
        }
        let what = if standing == Standing::Own { "own address" } else { "acts for" };
        let events = vec![granted(&state, &staff, &account, what, &address)?];
        match state.accounts.add_address(&account, &address, standing, events).await {
            Err(AccountError::Taken(_)) => {
                let words = l.pick(
                    "Cette adresse est déjà celle d’un autre compte : donnez-la « au nom de ».",
                    "This address is another account’s own: give it as “in the name of”.",
                );
                refused(account, words).await
            }
            other => {
                other.map_err(fault)?;
                see_other(&format!("/admin/accounts/{id}?done=granted"))
            }
        }
    };
    let done = done.await;
    respond(&state, &ctx, done)
}

/// `POST /admin/accounts/{id}/owner`: who answers for an application, a copier, the address of a service.
pub(super) async fn owner(
    State(state): State<WebState>,
    ctx: Ctx,
    staff: Staff,
    Path(id): Path<i64>,
    body: Body,
) -> Response {
    let done = async {
        let account = find(&state, &staff, id).await?;
        let typed = Typed::posted(&state, body).await?;
        let l = ctx.language;
        if !staff.is_ours(Some(typed.get("csrf"))) {
            let said = Some(Said { tone: "bad", words: stale(l).to_owned() });
            return page(&state, &ctx, &staff, account, &typed, said, Wrong::default()).await;
        }
        if let Some(why) = staff.barred_from(&account) {
            let said = Some(Said { tone: "bad", words: why.words(l).to_owned() });
            return page(&state, &ctx, &staff, account, &typed, said, Wrong::default()).await;
        }
        let login = typed.get("owner").trim();
        let named = match EmailAddress::parse(login) {
            Ok(login) => state.accounts.by_login(&login).await.map_err(fault)?,
            Err(_) => None,
        };
        // Who answers for an account reads its mail and replaces its password: an administrator gives that neither to
        // themselves nor over a person.
        let person = account.owner.is_none() && (account.has_password || account.has_totp);
        if named.as_ref().is_some_and(|owner| person || owner.id == staff.id()) {
            let words = l.pick(
                "Ni vous-même, ni quelqu’un d’autre pour le compte d’une personne : demandez à qui tient le serveur.",
                "Neither yourself, nor somebody for a person’s account: ask who runs the server.",
            );
            let wrong = Wrong { address: None, owner: Some(words) };
            return page(&state, &ctx, &staff, account, &typed, None, wrong).await;
        }
        let done = match (login.is_empty(), named.filter(|a| a.entity == staff.entity())) {
            (false, None) => Err(AccountError::Unknown(login.to_owned())),
            (_, named) => {
                let what = |detail: Detail| match &named {
                    Some(owner) => detail.personal("owner", owner.login.as_str()),
                    None => detail,
                };
                let events = vec![changed(&state, &staff, &account, "owner", what)?];
                state.accounts.set_owner(&account, named.as_ref(), events).await
            }
        };
        match done {
            Ok(()) => see_other(&format!("/admin/accounts/{id}?done=owner")),
            Err(AccountError::Unknown(_) | AccountError::NoOwner(_)) => {
                let words = l.pick(
                    "Ce doit être l’identifiant d’une personne de l’organisme, active.",
                    "It must be the login of an active person of the organisation.",
                );
                let wrong = Wrong { address: None, owner: Some(words) };
                page(&state, &ctx, &staff, account, &typed, None, wrong).await
            }
            Err(error) => Err(fault(error)),
        }
    };
    let done = done.await;
    respond(&state, &ctx, done)
}

fn granted(
    state: &WebState,
    staff: &Staff,
    account: &Account,
    what: &str,
    address: &EmailAddress,
) -> Result<sealpost_evidence::BuiltEvent, Fault> {
    changed(state, staff, account, what, |detail| detail.personal("address", address.as_str()))
}
