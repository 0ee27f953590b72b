//! After many wrong answers: a proof of work before the next question, or, without scripts, a pause that grows.
//!
//! **Job.** Counts wrong answers of a consignment and of a network by the hour, through the store. Beyond a number of them
//! a question is put only to whoever shows an effort: the answer to an ALTCHA question, found by a small script of ours,
//! or a note of ours that is good only after some time has passed.
//!
//! **Exposure.** Both proofs are signed by us, bound to the link and the browser or to their question, and count once.

use super::{HOUR, Turn};
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::form::Fields;
use crate::pages::{EffortPage, Frame, html_status};
use crate::state::WebState;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use sealpost_envelope::{Sha256Digest, Timestamp};
use sealpost_gate::WorkKey;
use sealpost_store::person::spend_work;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// Wrong answers for one consignment in an hour, before an effort is asked for: two codes tried to their end.
const OF_CONSIGNMENT: u32 = 10;
/// The same for one network, over all links.
const OF_NETWORK: u32 = 30;
/// The question takes half as many hashes on average: a second or two in a browser.
const NUMBERS: u32 = 60_000;
/// A question or note is good for this long.
const GOOD: Duration = Duration::from_secs(20 * 60);
/// The first pause; each further wrong answer doubles it.
const PAUSE: u64 = 10;
/// The longest pause.
const LONGEST: u64 = 300;

/// Counts a wrong answer.
pub(super) async fn failed(state: &WebState, ctx: &Ctx, turn: &Turn) -> Result<(), Fault> {
    let now = state.clock.now();
    for key in keys(state, ctx, turn).into_iter().flatten() {
        // What it says of a limit is asked for later.
        state.store.db().rate_allows(key, HOUR, u32::MAX, now).await?;
    }
    Ok(())
}

/// Whether the question may be put now; otherwise the page that asks for the effort.
pub(super) async fn asked(
    state: &WebState,
    ctx: &Ctx,
    turn: &Turn,
    fields: &Fields,
    method: &str,
) -> Result<Option<Response>, Fault> {
    let now = state.clock.now();
    let [consignment, network] = keys(state, ctx, turn);
    let db = state.store.db();
    let mut over = 0;
    for (key, limit) in [(consignment, OF_CONSIGNMENT), (network, OF_NETWORK)] {
        let Some(key) = key else { continue };
        let count = db.rate_count(key, HOUR, now).await?;
        over = over.max((count + 1).saturating_sub(limit));
    }
    if over == 0 || shown(state, ctx, turn, fields, now).await? {
        return Ok(None);
    }
    page(state, ctx, turn, method, over, now).map(Some)
}

/// Whether the form shows an effort that has not been shown before.
async fn shown(
    state: &WebState,
    ctx: &Ctx,
    turn: &Turn,
    fields: &Fields,
    now: Timestamp,
) -> Result<bool, Fault> {
    let work = match fields.altcha.as_deref().filter(|a| !a.is_empty()) {
        Some(posted) => key(state)?.judge(posted, now).map(|done| (done.hash, done.expires)),
        None => None,
    };
    let paused = fields.wait.as_deref().and_then(|note| read_note(state, ctx, turn, note, now));
    let Some((hash, expires)) = work.or(paused) else { return Ok(false) };
    Ok(spend_work(state.store.db(), hash, expires, now).await?)
}

fn key(state: &WebState) -> Result<WorkKey, Fault> {
    Ok(WorkKey::new(state.store.keys().purpose("work")?.expose()))
}

/// `SECONDS.MAC`: good from then on, in this browser, for this link.
fn note(state: &WebState, ctx: &Ctx, turn: &Turn, from: i64) -> String {
    let scope = format!("{}#wait-{from}", turn.door.path());
    format!("{from}.{}", ctx.csrf(state, &scope))
}

fn read_note(
    state: &WebState,
    ctx: &Ctx,
    turn: &Turn,
    text: &str,
    now: Timestamp,
) -> Option<([u8; 32], Timestamp)> {
    let from: i64 = text.split_once('.')?.0.parse().ok()?;
    let expires = super::later(Timestamp::from_second(from).ok()?, GOOD);
    let ours = bool::from(text.as_bytes().ct_eq(note(state, ctx, turn, from).as_bytes()));
    let good = ours && now.as_second() >= from && now < expires;
    good.then(|| (Sha256Digest::of(text.as_bytes()).0, expires))
}

/// The counters of this consignment and of the client's network, as keyed hashes.
fn keys(state: &WebState, ctx: &Ctx, turn: &Turn) -> [Option<[u8; 32]>; 2] {
    let (deposit, recipient) = turn.door.id();
    let consignment = [deposit.0.as_bytes().as_slice(), &recipient.to_be_bytes()].concat();
    [Some(state.rate_key("wrong consignment", &consignment)), ctx.network_key(state, "wrong network")]
}

fn page(
    state: &WebState,
    ctx: &Ctx,
    turn: &Turn,
    method: &str,
    over: u32,
    now: Timestamp,
) -> Result<Response, Fault> {
    let seconds = PAUSE.saturating_mul(1 << (over - 1).min(5)).min(LONGEST);
    let from = now.as_second().saturating_add_unsigned(seconds);
    let question = key(state)?
        .ask(NUMBERS, super::later(now, GOOD))
        .ok_or_else(|| Fault::internal("proof of work", "no random numbers"))?;
    let title = ctx.language.pick("Un instant, s’il vous plaît", "One moment, please");
    let mut response = html_status(
        StatusCode::TOO_MANY_REQUESTS,
        &EffortPage {
            f: &Frame::new(state, ctx, title, Some(turn.door.site.clone())),
            reference: turn.door.deposit.reference.as_str().to_owned(),
            action: format!("{}/gate/{method}", turn.door.path()),
            back: turn.door.path(),
            csrf: ctx.csrf(state, &turn.door.path()),
            question: serde_json::to_string(&question).map_err(|e| Fault::internal("proof of work", e))?,
            wait: note(state, ctx, turn, from),
            from,
            seconds,
        },
    )?;
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    Ok(response)
}
