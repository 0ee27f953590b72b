//! The way to the card listener, and back from it, on the main listener.

use super::page::{self, Read};
use super::{MAX_TICKET, THERE, staff};
use crate::ctx::{Ctx, random};
use crate::door::gate::{Turn, elsewhere};
use crate::fault::Fault;
use crate::form::Fields;
use crate::pages::show as respond;
use crate::state::WebState;
use crate::view::Door;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use sealpost_envelope::{EntityId, GateMethod};
use sealpost_gate::Facts;
use sealpost_store::access::{CardPurpose, CardReturn, CardTicket, TicketHash};

/// `POST /m/{token}/gate/cps`: shows what to do, with the way to the card listener.
pub(crate) async fn begin(state: &WebState, ctx: &Ctx, turn: Turn) -> Result<Response, Fault> {
    let (deposit, recipient) = turn.door.id();
    let purpose = CardPurpose::Door(deposit, recipient, turn.door.link.generation);
    let href = way(state, ctx, turn.door.link.entity, purpose).await?;
    page::start(state, ctx, &turn, href)
}

/// Begins a way; its address on the card listener.
pub(super) async fn way(
    state: &WebState,
    ctx: &Ctx,
    entity: EntityId,
    purpose: CardPurpose,
) -> Result<String, Fault> {
    let Some(url) = &state.card_url else { return Err(Fault::Unknown) };
    let (ticket, now) = (random(), state.clock.now());
    let new = CardTicket { entity, purpose, browser: browser(ctx), refused: 0 };
    let until = now.checked_add(THERE).unwrap_or(now);
    new.begin(state.store.db(), TicketHash::of(&ticket), now, until).await?;
    Ok(format!("{url}/card/{ticket}"))
}

/// What ties a way to the browser that began it.
fn browser(ctx: &Ctx) -> TicketHash {
    TicketHash::of(ctx.browser())
}

/// `GET /card/{ticket}`: says whose card was read; changes nothing.
pub(crate) async fn arrived(State(state): State<WebState>, ctx: Ctx, Path(ticket): Path<String>) -> Response {
    let page = async {
        let Some(back) = peek(&state, &ticket).await? else { return page::over(&state, &ctx) };
        if back.ticket.browser != browser(&ctx) {
            return page::other_browser(&state, &ctx);
        }
        let read = Read {
            door: door_of(&state, &back.ticket.purpose).await?,
            facts: facts_of(&back)?,
            action: path(&ticket),
        };
        page::arrived(&state, &ctx, &read)
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// `POST /card/{ticket}`: uses the ticket up and goes on.
pub(crate) async fn enter(
    State(state): State<WebState>,
    ctx: Ctx,
    Path(ticket): Path<String>,
    body: Body,
) -> Response {
    let page = async {
        let fields = Fields::read(&state, body).await?;
        if ticket.len() > MAX_TICKET || !ctx.is_ours(&state, &path(&ticket), fields.csrf.as_deref()) {
            return page::other_browser(&state, &ctx);
        }
        let (hash, now) = (TicketHash::of(&ticket), state.clock.now());
        let taken = CardReturn::take(state.store.db(), hash, browser(&ctx), now).await?;
        let Some(back) = taken else { return page::over(&state, &ctx) };
        let facts = facts_of(&back)?;
        match back.ticket.purpose {
            CardPurpose::Login => staff::logged_in(&state, &ctx, facts).await,
            CardPurpose::Bind(account) => staff::bound(&state, &ctx, account, facts).await,
            CardPurpose::Door(deposit, recipient, generation) => {
                let door = Door::of(&state, deposit, recipient, generation).await?;
                elsewhere::pass(&state, &ctx, &door, &GateMethod::Cps, facts).await
            }
        }
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

fn path(ticket: &str) -> String {
    format!("/card/{ticket}")
}

async fn peek(state: &WebState, ticket: &str) -> Result<Option<CardReturn>, Fault> {
    if ticket.len() > MAX_TICKET {
        return Ok(None);
    }
    Ok(CardReturn::peek(state.store.db(), TicketHash::of(ticket), state.clock.now()).await?)
}

async fn door_of(state: &WebState, purpose: &CardPurpose) -> Result<Option<Door>, Fault> {
    match *purpose {
        CardPurpose::Door(deposit, recipient, generation) => {
            Door::of(state, deposit, recipient, generation).await.map(Some)
        }
        CardPurpose::Login | CardPurpose::Bind(_) => Ok(None),
    }
}

fn facts_of(back: &CardReturn) -> Result<Facts, Fault> {
    serde_json::from_str(&back.facts).map_err(|e| Fault::internal("card_tickets.facts", e))
}
