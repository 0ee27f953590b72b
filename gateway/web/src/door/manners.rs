//! The door's manners: what a recipient may say instead of opening, or after it.
//!
//! **Job.** "Not for me" and refusals close access and tell the sender; a request for more time brings the sender a
//! mail with a page to answer it in one click ([`answer`]); a better recipient can be named; reading can be
//! confirmed. Each is an event, a note under the deposit's key, and a letter, written at once.
//!
//! **Exposure.** Reached with nothing but a link, some of it with one that has expired. Words are short and only
//! ever shown as text; GET shows a form and changes nothing; one request of a kind waits at a time.
//!
//! **Standards.** EN 319 522-1 §6.2 C.4 (ConsignmentRejection).

mod answer;
mod delivery;
mod page;

use super::gate::ask::may_ask;
use crate::content::Content;
use crate::ctx::Ctx;
use crate::events::Scribe;
use crate::fault::{Ended, Fault};
use crate::form;
use crate::pages::{see_other, show as respond};
use crate::state::WebState;
use crate::view::Door;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use sealpost_envelope::{EmailAddress, GateMethod, Timestamp};
use sealpost_evidence::{Detail, EventName};
use sealpost_gate::Step;
use sealpost_store::access::Grant;
use sealpost_store::content::Place;
use sealpost_store::keys::token_hash;
use sealpost_store::queue::{NewOutbound, OutboundId, Priority};
use sealpost_store::{Change, NewNote, NoteKind, NoteText, StoreError, answer_token};
use serde::Deserialize;
use std::time::Duration;

/// Characters of a recipient's own words.
const WORDS: usize = 500;
const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long the sender's link to an answer serves.
const ANSWER: Duration = Duration::from_secs(14 * 24 * 3600);

/// The routes.
pub(crate) fn routes() -> Router<WebState> {
    Router::new()
        .route("/m/{token}/decline", get(show_decline).post(decline))
        .route("/m/{token}/extension", get(show_extension).post(extension))
        .route("/m/{token}/colleague", get(show_colleague).post(colleague))
        .route("/m/{token}/acknowledge", post(acknowledge))
        .route("/m/{token}/gate/{method}/delivery", get(delivery::show))
        .route("/a/{token}", get(answer::show).post(answer::take))
}

#[derive(Deserialize)]
struct Fields {
    csrf: Option<String>,
    why: Option<String>,
    words: Option<String>,
    colleague: Option<String>,
}

/// A POST from one of our own pages, about this door.
async fn posted(state: &WebState, ctx: &Ctx, door: &Door, body: Body) -> Result<Fields, Fault> {
    let fields: Fields = form::read(state, body).await?;
    if !ctx.is_ours(state, &door.path(), fields.csrf.as_deref()) {
        return Err(Fault::Forged(Box::new(door.clone())));
    }
    may_ask(state, ctx).await?;
    Ok(fields)
}

/// The door, also where access has just ended.
async fn enter_late(state: &WebState, token: &str) -> Result<Door, Fault> {
    match Door::enter(state, token).await {
        Err(Fault::Ended(Ended::Expired, door)) => Ok(*door),
        other => other,
    }
}

/// What was written, without line ends and control characters, cut to size; nothing where it is empty.
fn tidy(words: Option<String>) -> Option<String> {
    let clean: String = words?.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS).collect();
    let clean = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    (!clean.is_empty()).then_some(clean)
}

/// Who speaks, and what they say.
struct Saying {
    scribe: Scribe,
    /// The session, where it has passed a gate that asks more than the link.
    grant: Option<Grant>,
    note: NewNote,
    letter: NewOutbound,
}

impl Saying {
    async fn new(
        state: &WebState,
        ctx: &Ctx,
        door: &Door,
        kind: NoteKind,
        mut text: NoteText,
    ) -> Result<Self, Fault> {
        let now = state.clock.now();
        let content = Content::load(state, door)?;
        let scribe = Scribe::new(door, content.facts(state, door).await?, ctx);
        let grant = door.grant(state, ctx).await?.filter(|g| {
            door.step(Some(g)) == Step::Passed && g.passed.iter().any(|m| *m != GateMethod::Link)
        });
        text.identified = grant.is_some();
        let id = NewNote::fresh_id();
        let plain = serde_json::to_vec(&text).map_err(|e| Fault::internal("note", e))?;
        let sealed = Place::note(id).seal(&state.store.deposit_key(&door.deposit)?, &plain)?;
        let answer = match kind {
            NoteKind::Extension => {
                let token = answer_token(state.store.keys(), id)?;
                Some((token_hash(token.expose()), now.checked_add(ANSWER).unwrap_or(Timestamp::MAX)))
            }
            _ => None,
        };
        let (deposit, recipient) = door.id();
        let note =
            NewNote { id, entity: door.link.entity, deposit, recipient, kind, sealed, created: now, answer };
        let spec = serde_json::json!({"kind": "said", "note": id});
        let letter = mail(door, spec, door.deposit.sender.clone(), now);
        Ok(Self { scribe, grant, note, letter })
    }
}

/// A letter to be composed. Automatic letters leave under the null path (RFC 3834 §3.3).
fn mail(door: &Door, spec: serde_json::Value, rcpt: EmailAddress, now: Timestamp) -> NewOutbound {
    NewOutbound {
        id: OutboundId::generate(),
        entity: door.link.entity,
        deposit: Some(door.link.deposit),
        recipient: Some(door.link.recipient),
        priority: Priority::Receipt,
        spec: spec.to_string(),
        envelope_from: None,
        rcpt,
        next_at: now,
        created: now,
        hold: None,
    }
}

async fn show_decline(State(state): State<WebState>, ctx: Ctx, Path(token): Path<String>) -> Response {
    let page = async {
        let door = Door::enter(&state, &token).await?;
        page::decline(&state, &ctx, &door)
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// `POST /m/{token}/decline`: access ends, the sender is told.
async fn decline(State(state): State<WebState>, ctx: Ctx, Path(token): Path<String>, body: Body) -> Response {
    let page = async {
        let door = Door::enter(&state, &token).await?;
        let fields = posted(&state, &ctx, &door, body).await?;
        let kind = match fields.why.as_deref() {
            Some("not-for-me") => NoteKind::NotForMe,
            Some("declined") => NoteKind::Declined,
            _ => return Err(Fault::BadForm),
        };
        let text = NoteText { words: tidy(fields.words), ..NoteText::default() };
        let said = Saying::new(&state, &ctx, &door, kind, text).await?;
        // Evidence of a refusal needs somebody who was identified, and a message not accepted before.
        let evidenced = said.grant.is_some() && door.row.opened.is_none();
        let detail = Detail::new()
            .text("why", kind.as_str())
            .flag("identified", said.grant.is_some())
            .flag("opened_before", door.row.opened.is_some());
        let event = said.scribe.said(
            EventName::ConsignmentRejection,
            said.grant.as_ref(),
            detail,
            evidenced,
            said.note.created,
        )?;
        let change = Change { events: vec![event], outbound: vec![said.letter] };
        match state.store.decline(said.note, change).await {
            Ok(_) => {}
            Err(StoreError::Conflict(_)) => return Err(Fault::Ended(Ended::Revoked, Box::new(door))),
            Err(e) => return Err(e.into()),
        }
        (state.hooks.outbound)();
        let mut response = page::declined(&state, &ctx, &door, kind)?;
        door.set_session(&mut response, "");
        Ok(response)
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// Until when access could last: as long again as it was given at first, at least a week, at most a month, never
/// longer than the content is kept. `None` where nothing would be gained.
fn proposal(door: &Door, now: Timestamp) -> Option<Timestamp> {
    let verdict = &door.row.verdict;
    let given = verdict.expires.as_second().saturating_sub(door.deposit.created.as_second());
    let length = u64::try_from(given).unwrap_or(0).clamp(7 * DAY.as_secs(), 30 * DAY.as_secs());
    let from = verdict.expires.max(now);
    let until =
        from.checked_add(Duration::from_secs(length)).unwrap_or(Timestamp::MAX).min(verdict.retention);
    let gained = until.as_second().saturating_sub(from.as_second());
    (gained >= 3600).then_some(until)
}

async fn show_extension(State(state): State<WebState>, ctx: Ctx, Path(token): Path<String>) -> Response {
    let page = async {
        let door = enter_late(&state, &token).await?;
        page::extension(&state, &ctx, &door, proposal(&door, state.clock.now()))
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// `POST /m/{token}/extension`: the sender gets a mail with a page to answer on.
async fn extension(
    State(state): State<WebState>,
    ctx: Ctx,
    Path(token): Path<String>,
    body: Body,
) -> Response {
    let page = async {
        let door = enter_late(&state, &token).await?;
        let fields = posted(&state, &ctx, &door, body).await?;
        let Some(until) = proposal(&door, state.clock.now()) else {
            return page::extension(&state, &ctx, &door, None);
        };
        let text = NoteText { words: tidy(fields.words), until: Some(until), ..NoteText::default() };
        request(&state, &ctx, &door, NoteKind::Extension, text).await
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

async fn show_colleague(State(state): State<WebState>, ctx: Ctx, Path(token): Path<String>) -> Response {
    let page = async {
        let door = Door::enter(&state, &token).await?;
        page::colleague(&state, &ctx, &door, None)
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// `POST /m/{token}/colleague`: the sender decides, nothing changes here.
async fn colleague(
    State(state): State<WebState>,
    ctx: Ctx,
    Path(token): Path<String>,
    body: Body,
) -> Response {
    let page = async {
        let door = Door::enter(&state, &token).await?;
        let fields = posted(&state, &ctx, &door, body).await?;
        let typed = fields.colleague.unwrap_or_default();
        let Ok(address) = typed.trim().parse::<EmailAddress>() else {
            return page::colleague(&state, &ctx, &door, Some(&typed));
        };
        let colleague = Some(address.to_string());
        let text = NoteText { words: tidy(fields.words), colleague, ..NoteText::default() };
        request(&state, &ctx, &door, NoteKind::Colleague, text).await
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// Passes a request on to the sender, one of its kind a day.
async fn request(
    state: &WebState,
    ctx: &Ctx,
    door: &Door,
    kind: NoteKind,
    text: NoteText,
) -> Result<Response, Fault> {
    let said = Saying::new(state, ctx, door, kind, text).await?;
    let now = said.note.created;
    let since = now.checked_sub(DAY).unwrap_or(Timestamp::MIN);
    let change = Change { events: Vec::new(), outbound: vec![said.letter] };
    let fresh = state.store.request(said.note, since, change).await?;
    if fresh {
        (state.hooks.outbound)();
    }
    page::requested(state, ctx, door, kind, fresh)
}

/// `POST /m/{token}/acknowledge`: a declaration of the reader's, beside what the service saw by itself.
async fn acknowledge(
    State(state): State<WebState>,
    ctx: Ctx,
    Path(token): Path<String>,
    body: Body,
) -> Response {
    let page = async {
        let door = Door::enter(&state, &token).await?;
        posted(&state, &ctx, &door, body).await?;
        let grant = door.opened(&state, &ctx).await?;
        let said = Saying::new(&state, &ctx, &door, NoteKind::Acknowledged, NoteText::default()).await?;
        let detail = Detail::new().text("grade", "acknowledged");
        let event = said.scribe.said(
            EventName::ReadReceiptReceived,
            Some(&grant),
            detail,
            false,
            said.note.created,
        )?;
        let change = Change { events: vec![event], outbound: vec![said.letter] };
        if state.store.acknowledge(said.note, change).await? {
            (state.hooks.outbound)();
        }
        see_other(&door.path())
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

#[cfg(test)]
mod tests {
    use super::tidy;

    #[test]
    fn words_are_one_short_line() {
        let tidied = |text: &str| tidy(Some(text.to_owned()));
        assert_eq!(tidied(" a\r\n\u{7}b  c "), Some("a b c".to_owned()));
        assert_eq!(tidied(" \r\n "), None);
        assert_eq!(tidy(None), None);
        assert_eq!(tidied(&"é".repeat(900)).map(|w| w.chars().count()), Some(500));
    }
}
