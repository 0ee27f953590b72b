//! The recipient's door: landing, gate, opening, content, logout.
//!
//! **Exposure.** Every handler is reached with nothing but a link. What a browser may do follows from its
//! session in the store and from the gate, recomputed at each request.

pub(crate) mod declared;
pub(crate) mod gate;
pub(crate) mod manners;
mod show;
mod ways;

pub(crate) use gate::answer::answer;
pub(crate) use gate::ask::ask;
pub(crate) use show::{files_words, rungs};

use crate::content::Content;
use crate::ctx::Ctx;
use crate::events::Scribe;
use crate::fault::{Ended, Fault};
use crate::form::Fields;
use crate::pages::{Back, Frame, NoticePage, html, see_other, show as respond};
use crate::state::WebState;
use crate::view::Door;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use sealpost_envelope::{GateMethod, Timestamp, failpoint};
use sealpost_gate::{Facts, Step};
use sealpost_store::access::Grant;
use sealpost_store::queue::{NewOutbound, OutboundId, Priority};
use sealpost_store::{Change, StoreError};

/// `GET /m/{token}`
pub(crate) async fn landing(State(state): State<WebState>, ctx: Ctx, Path(token): Path<String>) -> Response {
    let page = async {
        let door = Door::enter(&state, &token).await?;
        let content = Content::load(&state, &door)?;
        let grant = door.grant(&state, &ctx).await?;
        match (door.step(grant.as_ref()), &grant) {
            (Step::Passed, Some(g)) if g.opened.is_some() => {
                show::content(&state, &ctx, &door, &content, g, false).await
            }
            (Step::Passed, Some(_)) => {
                let shared = declared::is_shared(&state, &door).await?;
                show::ready(&state, &ctx, &door, &content, shared)
            }
            (step, _) => {
                note_fetch(&state, &ctx, &door, &content).await?;
                show::landing(&state, &ctx, &door, &content, step, grant.as_ref())
            }
        }
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// A step's address without its form: the language was changed on its page, or the page was opened anew. Leads to
/// the landing page, where the way goes on.
pub(crate) async fn back(
    State(state): State<WebState>,
    ctx: Ctx,
    Path(parts): Path<Vec<(String, String)>>,
) -> Response {
    let token = parts.first().map(|(_, token)| token.as_str());
    let fits = |t: &&str| t.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let page = match token.filter(fits) {
        Some(token) => see_other(&format!("/m/{token}")),
        None => Err(Fault::Unknown),
    };
    respond(&state, &ctx, page)
}

/// Journals the fetch, once per link and minute.
async fn note_fetch(state: &WebState, ctx: &Ctx, door: &Door, content: &Content) -> Result<(), Fault> {
    let (db, now, link) = (state.store.db(), state.clock.now(), door.link);
    if !link.fetch_is_news(db, now).await? {
        return Ok(());
    }
    let scribe = Scribe::new(door, content.facts(state, door).await?, ctx);
    db.write_as(async move |tx| {
        if link.claim_fetch(tx, now).await? {
            tx.append(vec![scribe.fetched(now)?]).await?;
        }
        Ok::<_, Fault>(())
    })
    .await
}

/// A POST from one of our own pages about a living link.
pub(crate) async fn posted(
    state: &WebState,
    ctx: &Ctx,
    token: &str,
    body: Body,
) -> Result<(Door, Fields), Fault> {
    let door = Door::enter(state, token).await?;
    let fields = Fields::read(state, body).await?;
    if ctx.is_ours(state, &door.path(), fields.csrf.as_deref()) {
        Ok((door, fields))
    } else {
        Err(Fault::Forged(Box::new(door)))
    }
}

/// `POST /m/{token}/open`
pub(crate) async fn open(
    State(state): State<WebState>,
    ctx: Ctx,
    Path(token): Path<String>,
    body: Body,
) -> Response {
    let page = async {
        let (door, fields) = posted(&state, &ctx, &token, body).await?;
        let content = Content::load(&state, &door)?;
        let scribe = Scribe::new(&door, content.facts(&state, &door).await?, &ctx);
        let mut response = see_other(&door.path())?;
        let mut grant = door.grant(&state, &ctx).await?;
        // Where nothing is asked beyond the link, opening is the one step there is.
        if gate::link_alone_opens(&door, grant.as_ref()) {
            let facts = Facts::new(GateMethod::Link, state.clock.now());
            let (fresh, cookie) = gate::advance(&state, &door, grant.as_ref(), facts, &scribe).await?;
            door.set_session(&mut response, &cookie);
            grant = Some(fresh);
        }
        match grant {
            Some(grant) if door.step(Some(&grant)) == Step::Passed => {
                if let Some(piece) = content.unreadable(&state, &door).await? {
                    not_consigned(&state, &door, &grant, &scribe, &piece).await?;
                    return Err(Fault::Damaged(Box::new(door)));
                }
                let grant = declared::taken(&state, &door, grant, fields.name.as_deref()).await?;
                mark_opened(&state, &door, grant, scribe).await?;
            }
            // The landing page shows the step that is missing.
            _ => {}
        }
        Ok(response)
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// Records the opening with its evidence and receipts, and marks the session, all at once.
async fn mark_opened(state: &WebState, door: &Door, grant: Grant, scribe: Scribe) -> Result<(), Fault> {
    if grant.opened.is_some() {
        return Ok(());
    }
    let now = state.clock.now();
    let (deposit, recipient) = door.id();
    let (decider, opener) = (door.clone(), grant.clone());
    let decide = move |progress: &sealpost_store::Progress| {
        let damaged = |_| StoreError::Conflict("the opening could not be put into words");
        if !progress.first {
            return Ok(Change::events(vec![scribe.opened_again(&opener, now).map_err(damaged)?]));
        }
        let all = progress.done >= progress.of;
        Ok(Change {
            events: scribe.opened(&opener, now).map_err(damaged)?,
            outbound: vec![receipt(&decider, all, progress.of, now)],
        })
    };
    match state.store.mark_opened(deposit, recipient, Some(grant.hash), now, decide).await {
        Ok(_) => {}
        // Withdrawn between two statements: as if it had been before.
        Err(StoreError::Conflict(_)) => return Err(Fault::Ended(Ended::Revoked, Box::new(door.clone()))),
        Err(e) => return Err(e.into()),
    }
    failpoint!(AccessOpened).map_err(StoreError::from)?;
    (state.hooks.outbound)();
    Ok(())
}

/// Why a recipient who passed the gate found nothing.
const UNREADABLE: &str = "the stored content is damaged or missing";

/// Records that what the recipient came for cannot be shown, and tells the sender; once, however often they try. What
/// was consigned before stays consigned.
async fn not_consigned(
    state: &WebState,
    door: &Door,
    grant: &Grant,
    scribe: &Scribe,
    piece: &str,
) -> Result<(), Fault> {
    if door.row.opened.is_some() || door.row.failure.as_deref() == Some(UNREADABLE) {
        return Ok(());
    }
    let now = state.clock.now();
    let (deposit, recipient) = door.id();
    let spec = serde_json::json!({"kind": "receipt", "event": "failed"}).to_string();
    let change = Change {
        events: vec![scribe.not_consigned(grant, piece, now)?],
        outbound: vec![NewOutbound { spec, next_at: now, ..receipt(door, false, 1, now) }],
    };
    state.store.mark_failed(deposit, recipient, now, UNREADABLE.to_owned(), change).await?;
    (state.hooks.outbound)();
    Ok(())
}

/// Above so many recipients, openings are told together after a while.
const ONE_BY_ONE: u32 = 5;
/// That while.
const DIGEST: jiff::SignedDuration = jiff::SignedDuration::from_mins(15);

/// The sender's receipt, to be composed. The last recipient's opening makes one receipt, not two.
fn receipt(door: &Door, all: bool, of: u32, now: Timestamp) -> NewOutbound {
    let event = if all { "opened-by-all" } else { "opened-by-one" };
    let later = if all || of <= ONE_BY_ONE { now } else { now.saturating_add(DIGEST).unwrap_or(now) };
    NewOutbound {
        id: OutboundId::generate(),
        entity: door.link.entity,
        deposit: Some(door.link.deposit),
        recipient: Some(door.link.recipient),
        priority: Priority::Receipt,
        spec: serde_json::json!({"kind": "receipt", "event": event}).to_string(),
        envelope_from: None,
        rcpt: door.deposit.sender.clone(),
        next_at: later,
        created: now,
        hold: None,
    }
}

/// `GET /m/{token}/print`
pub(crate) async fn print(State(state): State<WebState>, ctx: Ctx, Path(token): Path<String>) -> Response {
    let page = async {
        let door = Door::enter(&state, &token).await?;
        let grant = door.opened(&state, &ctx).await?;
        let content = Content::load(&state, &door)?;
        show::content(&state, &ctx, &door, &content, &grant, true).await
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// `POST /m/{token}/logout`
pub(crate) async fn logout(
    State(state): State<WebState>,
    ctx: Ctx,
    Path(token): Path<String>,
    body: Body,
) -> Response {
    let page = async {
        let (door, _) = posted(&state, &ctx, &token, body).await?;
        if let Some(grant) = door.grant(&state, &ctx).await? {
            Grant::close(state.store.db(), grant.hash, state.clock.now()).await?;
        }
        let l = ctx.language;
        let back =
            Back { href: door.path(), label: l.pick("Revenir au message", "Back to the message").to_owned() };
        if let Some(page) = crate::oidc::left(&state, &ctx, Some(&door), back.clone()) {
            let mut response = page?;
            door.set_session(&mut response, "");
            return Ok(response);
        }
        let heading = l.pick("Vous êtes déconnecté", "You are logged out");
        let frame = Frame::new(&state, &ctx, heading, Some(door.site.clone()));
        let page = NoticePage {
            f: &frame,
            kind: l.pick("Session terminée", "Session ended").to_owned(),
            reference: Some(door.deposit.reference.as_str().to_owned()),
            heading: heading.to_owned(),
            paragraphs: vec![
                l.pick(
                    "Sur un poste partagé, fermez aussi le navigateur et videz le dossier des téléchargements.",
                    "On a shared computer, close the browser too and empty the download folder.",
                )
                .to_owned(),
            ],
            contact: None,
            back: Some(back),
        };
        let mut response = html(&page)?;
        door.set_session(&mut response, "");
        Ok(response)
    };
    let page = page.await;
    respond(&state, &ctx, page)
}
