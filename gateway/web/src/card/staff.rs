//! Cards of people of ours: the login by card, and binding one to an account.
//!
//! The account's key is the national identifier, never the certificate: cards are renewed.
//!
//! **Exposure.** The login is reached by strangers; whose card is bound to no account learns that and no more. Binding
//! asks for a login of a moment ago, and is told in the journal.

use super::facts::{KIND, detail};
use super::handoff::way;
use super::page;
use crate::app::frame::{AppFrame, Section};
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::form;
use crate::locale;
use crate::login::{Staff, complete, journal};
use crate::pages::{LoginWay, html, see_other, show as respond};
use crate::state::WebState;
use askama::Template;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use sealpost_envelope::AccountId;
use sealpost_evidence::Detail;
use sealpost_gate::{Facts, Identity};
use sealpost_store::access::{CardPurpose, account_of_card, bind_card, cards_of, unbind_card};
use serde::Deserialize;
use std::time::Duration;

/// Where a card logs in.
const LOGIN: &str = "/login/card";
/// Where people look after the cards of their account.
const CARDS: &str = "/account/card";
/// Binding asks for a login no older than this.
const RECENT: Duration = Duration::from_secs(900);

#[derive(Deserialize)]
struct Form {
    csrf: Option<String>,
    identity: Option<String>,
}

/// The login's pictogram, where cards are read.
pub(crate) fn ways(state: &WebState, ctx: &Ctx) -> Vec<LoginWay> {
    let l = ctx.language;
    let way = |_: &String| LoginWay {
        href: LOGIN.to_owned(),
        label: l.pick("Carte professionnelle", "Professional card").to_owned(),
        hint: l
            .pick("CPS, CPF, CPE ou CPA, avec un lecteur", "CPS, CPF, CPE or CPA, with a reader")
            .to_owned(),
        icon: "card",
        recommended: true,
    };
    state.card_url.iter().map(way).collect()
}

/// `GET /login/card`
pub(crate) async fn login_page(State(state): State<WebState>, ctx: Ctx) -> Response {
    let page = match state.card_url {
        Some(_) => page::before(&state, &ctx, LOGIN, ctx.csrf(&state, LOGIN), "/login"),
        None => Err(Fault::Unknown),
    };
    respond(&state, &ctx, page)
}

/// `POST /login/card`
pub(crate) async fn login(State(state): State<WebState>, ctx: Ctx, body: Body) -> Response {
    let page = async {
        let form: Form = form::read(&state, body).await?;
        if !ctx.is_ours(&state, LOGIN, form.csrf.as_deref()) {
            return see_other(LOGIN);
        }
        crate::door::gate::ask::may_ask(&state, &ctx).await?;
        let site = state.first_entity().ok_or(Fault::Unknown)?;
        let href = way(&state, &ctx, site.issuer.entity, CardPurpose::Login).await?;
        page::go(&state, &ctx, href, "/login")
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// A card came back for the login.
pub(super) async fn logged_in(state: &WebState, ctx: &Ctx, facts: Facts) -> Result<Response, Fault> {
    let Some(identity) = personal(&facts) else { return page::no_account(state, ctx) };
    let found = account_of_card(state.store.db(), &identity.to_string()).await?;
    let account = match found {
        Some(id) => state.accounts.by_id(id).await?.filter(|a| a.disabled.is_none()),
        None => None,
    };
    match account {
        Some(account) => complete(state, ctx, &account, vec![facts]).await,
        None => {
            tracing::warn!("a card at the login is bound to no account");
            page::no_account(state, ctx)
        }
    }
}

/// A card of one person: a service card logs nobody in.
fn personal(facts: &Facts) -> Option<&Identity> {
    let shared = matches!(detail(facts, KIND), Some("CDE" | "CDA"));
    facts.identity.as_ref().filter(|_| !shared)
}

/// A bound card's row.
struct CardRow {
    identity: String,
    name: String,
    bound: String,
}

#[derive(Template)]
#[template(path = "account_card.html")]
struct CardsPage<'a> {
    f: &'a AppFrame,
    cards: Vec<CardRow>,
    recent: bool,
}

/// `GET /account/card`
pub(crate) async fn cards(State(state): State<WebState>, ctx: Ctx, staff: Staff) -> Response {
    let page = async {
        if state.card_url.is_none() {
            return Err(Fault::Unknown);
        }
        let title = ctx.language.pick("Carte professionnelle", "Professional card");
        let frame = AppFrame::new(&state, &ctx, &staff, Section::Account, title);
        let rows = cards_of(state.store.db(), staff.id()).await?;
        let row = |c: sealpost_store::access::AccountCard| CardRow {
            identity: c.identity,
            name: c.name,
            bound: locale::moment(c.bound, &staff.site.zone, ctx.language),
        };
        html(&CardsPage {
            f: &frame,
            cards: rows.into_iter().map(row).collect(),
            recent: staff.proved_within(&state, RECENT),
        })
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// `POST /account/card`: begins binding a card.
pub(crate) async fn bind(State(state): State<WebState>, ctx: Ctx, staff: Staff, body: Body) -> Response {
    let page = async {
        let form: Form = form::read(&state, body).await?;
        if !staff.is_ours(form.csrf.as_deref()) || !staff.proved_within(&state, RECENT) {
            return see_other(CARDS);
        }
        let href = way(&state, &ctx, staff.entity(), CardPurpose::Bind(staff.id())).await?;
        page::go(&state, &ctx, href, CARDS)
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// A card came back to be bound.
pub(super) async fn bound(
    state: &WebState,
    ctx: &Ctx,
    account: AccountId,
    facts: Facts,
) -> Result<Response, Fault> {
    let staff = Staff::find(state, ctx).await?.filter(|s| s.id() == account);
    let Some(staff) = staff else { return see_other("/login") };
    let Some(identity) = personal(&facts) else { return page::bound_elsewhere(state, ctx) };
    let (number, name, now) =
        (identity.to_string(), identity.name.clone().unwrap_or_default(), state.clock.now());
    let told = Detail::new().personal("identity", number.as_str());
    let who = journal::actor(&staff.account);
    let event = journal::changed(&staff.site, &staff.account, who, "card-bound", told, now)?;
    let whose = (staff.entity(), account);
    let done = state
        .store
        .db()
        .write(async move |tx| {
            let done = bind_card(tx, whose, &number, &name, now).await?;
            if done {
                tx.append(vec![event]).await?;
            }
            Ok(done)
        })
        .await?;
    if done { see_other(CARDS) } else { page::bound_elsewhere(state, ctx) }
}

/// `POST /account/card/remove`
pub(crate) async fn remove(State(state): State<WebState>, ctx: Ctx, staff: Staff, body: Body) -> Response {
    let page = async {
        let form: Form = form::read(&state, body).await?;
        let Some(identity) = form.identity.filter(|_| staff.is_ours(form.csrf.as_deref())) else {
            return see_other(CARDS);
        };
        let (account, now) = (staff.id(), state.clock.now());
        let told = Detail::new().personal("identity", identity.as_str());
        let who = journal::actor(&staff.account);
        let event = journal::changed(&staff.site, &staff.account, who, "card-removed", told, now)?;
        state
            .store
            .db()
            .write(async move |tx| {
                if unbind_card(tx, account, &identity).await? {
                    tx.append(vec![event]).await?;
                }
                Ok(())
            })
            .await?;
        see_other(CARDS)
    };
    let page = page.await;
    respond(&state, &ctx, page)
}
