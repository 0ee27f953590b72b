//! Answering a challenge. The statement that counts the answer decides, so that of two browsers racing for one
//! code one wins.

use super::effort;
use super::passed::{self, Fresh};
use super::token::{self, Spend};
use super::turn::Turn;
use crate::ctx::Ctx;
use crate::door::posted;
use crate::door::show::{challenge_page, dead_end};
use crate::fault::Fault;
use crate::pages::{Notice, see_other, show as respond};
use crate::state::WebState;
use crate::view::Door;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use sealpost_envelope::{Secret, Timestamp};
use sealpost_gate::oath::Typed;
use sealpost_gate::{Asks, Attempt, Code, Facts, Method};
use sealpost_store::access::{AnswerOutcome, Challenge, verifier};
use sealpost_store::person::Token;
use std::sync::Arc;

/// `POST /m/{token}/gate/{method}/answer`
pub(crate) async fn answer(
    State(state): State<WebState>,
    ctx: Ctx,
    Path((token, method)): Path<(String, String)>,
    body: Body,
) -> Response {
    let page = async {
        let (door, fields) = posted(&state, &ctx, &token, body).await?;
        let turn = Turn::take(&state, &ctx, door, &method).await?;
        let Some(method) = turn.method.clone() else { return see_other(&turn.door.path()) };
        let (deposit, recipient) = turn.door.id();
        let name = method.name().to_string();
        let latest = Challenge::latest(state.store.db(), deposit, recipient, &name).await?;
        let now = state.clock.now();
        let Some(challenge) = latest.filter(|c| c.is_live(now)) else {
            return dead_end(&state, &ctx, &turn.door, None);
        };
        let typed = match method.asks() {
            Asks::SentCode | Asks::TypedCode => fields.code,
            Asks::Password => fields.password,
            Asks::Nothing | Asks::Elsewhere => None,
        };
        let typed = typed.ok_or(Fault::BadForm)?;
        // A slip of the keyboard costs no try: it can be no guess either.
        let slipped = match method.asks() {
            Asks::SentCode => Code::typed(typed.expose()).is_none(),
            Asks::TypedCode => Typed::read(typed.expose()).is_none(),
            _ => false,
        };
        if slipped {
            let status = StatusCode::FORBIDDEN;
            return challenge_page(&state, &ctx, &turn, &*method, &challenge, Notice::Malformed, status);
        }
        let judged = judge(&state, &turn.door, &method, &challenge, typed, now).await?;
        settle(&state, &ctx, turn, &*method, challenge, judged, now).await
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// What a right answer says of the person, and the counter of a token that goes with it.
type Judged = Option<(Facts, Option<Spend>)>;

async fn judge(
    state: &WebState,
    door: &Door,
    method: &Arc<dyn Method>,
    challenge: &Challenge,
    typed: Secret<String>,
    now: Timestamp,
) -> Result<Judged, Fault> {
    if method.asks() == Asks::TypedCode {
        let Some(typed) = Typed::read(typed.expose()) else { return Ok(None) };
        let found = token::find(state, door, &method.name(), &typed, now).await?;
        return Ok(found.map(|(facts, spend)| (facts, Some(spend))));
    }
    let right = check(state, method.clone(), challenge, typed).await?;
    Ok(right.then(|| (passed::facts(door, method.name(), now), None)))
}

/// Judges the answer; a password takes its time and memory, and its turn with all others that are verified.
async fn check(
    state: &WebState,
    method: Arc<dyn Method>,
    challenge: &Challenge,
    typed: Secret<String>,
) -> Result<bool, Fault> {
    let (id, deposit, recipient) = (challenge.id, challenge.deposit, challenge.recipient);
    let kept = verifier(state.store.db(), deposit, recipient, &method.name()).await?;
    let stretches = method.asks() == Asks::Password;
    let work = move || {
        let attempt = Attempt { challenge: id, deposit, recipient, typed: &typed, verifier: kept.as_deref() };
        method.check(&attempt)
    };
    match stretches {
        true => Ok(state.accounts.hashing(move || Ok(work())).await?),
        false => Ok(work()),
    }
}

/// Counts the answer and goes on: the next step, another try, or the end of this challenge.
async fn settle(
    state: &WebState,
    ctx: &Ctx,
    turn: Turn,
    method: &dyn Method,
    challenge: Challenge,
    judged: Judged,
    now: Timestamp,
) -> Result<Response, Fault> {
    let right = judged.is_some();
    let (facts, spend) = judged.map_or((None, None), |(facts, spend)| (Some(facts), spend));
    let fresh = facts.map(|f| Fresh::new(state, &turn.door, turn.grant.as_ref(), f, now)).transpose()?;
    let (scribe, name, id) = (turn.scribe.clone(), method.name(), challenge.id);
    let parts = fresh.as_ref().map(Fresh::parts);
    let outcome = state
        .store
        .db()
        .write_as(async move |tx| {
            // A token's code that somebody used meanwhile is a wrong one.
            let right = right
                && match spend {
                    Some(s) => Token::spend(tx, s.token, s.counter, s.drift, now).await?,
                    None => true,
                };
            let outcome = Challenge::answer(tx, id, right, now).await?;
            match (&outcome, parts) {
                (AnswerOutcome::Right, Some(parts)) => passed::write(tx, &scribe, &parts, now).await?,
                (AnswerOutcome::Wrong(left), _) => {
                    tx.append(vec![scribe.gate_failed(&name, *left, now)?]).await?
                }
                _ => {}
            }
            Ok::<_, Fault>(outcome)
        })
        .await?;
    if matches!(outcome, AnswerOutcome::Wrong(_)) {
        effort::failed(state, ctx, &turn).await?;
    }
    match (outcome, fresh) {
        (AnswerOutcome::Right, Some(fresh)) => {
            let mut response = see_other(&turn.door.path())?;
            turn.door.set_session(&mut response, &fresh.cookie);
            Ok(response)
        }
        (AnswerOutcome::Wrong(left), _) if left > 0 => {
            let challenge = Challenge { tries: challenge.max_tries - left, ..challenge };
            challenge_page(state, ctx, &turn, method, &challenge, Notice::Wrong, StatusCode::FORBIDDEN)
        }
        _ => dead_end(state, ctx, &turn.door, None),
    }
}
