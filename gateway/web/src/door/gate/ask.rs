//! Asking for a challenge; a code's sending is queued in the same transaction.

use super::turn::Turn;
use super::{HOUR, advance, earlier, effort, elsewhere, later, passed, sms};
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
use sealpost_envelope::{GateMethod, Timestamp};
use sealpost_gate::{Asks, Method};
use sealpost_store::access::{AskOutcome, AskRule, Challenge, NewChallenge};
use sealpost_store::queue::{self, NewOutbound, OutboundId, Priority};

/// `POST /m/{token}/gate/{method}`
pub(crate) async fn ask(
    State(state): State<WebState>,
    ctx: Ctx,
    Path((token, method)): Path<(String, String)>,
    body: Body,
) -> Response {
    let page = async {
        let (door, fields) = posted(&state, &ctx, &token, body).await?;
        let turn = Turn::take(&state, &ctx, door, &method).await?;
        let Some(method) = turn.method.clone() else { return see_other(&turn.door.path()) };
        match method.asks() {
            Asks::Nothing => taken(&state, &turn, &*method).await,
            Asks::Elsewhere => {
                may_ask(&state, &ctx).await?;
                elsewhere::begin(&state, &ctx, turn).await
            }
            Asks::SentCode | Asks::Password | Asks::TypedCode => {
                may_ask(&state, &ctx).await?;
                let name = method.name().to_string();
                if let Some(page) = effort::asked(&state, &ctx, &turn, &fields, &name).await? {
                    return Ok(page);
                }
                question(&state, &ctx, &turn, &*method).await
            }
        }
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// Nothing is asked: asking is passing.
async fn taken(state: &WebState, turn: &Turn, method: &dyn Method) -> Result<Response, Fault> {
    let facts = passed::facts(&turn.door, method.name(), state.clock.now());
    let (_, cookie) = advance(state, &turn.door, turn.grant.as_ref(), facts, &turn.scribe).await?;
    let mut response = see_other(&turn.door.path())?;
    turn.door.set_session(&mut response, &cookie);
    Ok(response)
}

/// Shows the form, new or once more.
async fn question(state: &WebState, ctx: &Ctx, turn: &Turn, method: &dyn Method) -> Result<Response, Fault> {
    if let (GateMethod::OtpSms, Some(phone)) = (method.name(), &turn.door.phone)
        && !sms::allowed(state, ctx, phone).await?
    {
        return Err(Fault::TooMany);
    }
    let page = |c: &Challenge, notice, status| challenge_page(state, ctx, turn, method, c, notice, status);
    match challenge(state, turn, method).await? {
        AskOutcome::Send(c) => {
            (state.hooks.outbound)();
            let again = method.asks() == Asks::SentCode && c.sent.is_some_and(|sent| sent > c.created);
            page(&c, if again { Notice::Resent } else { Notice::None }, StatusCode::OK)
        }
        AskOutcome::Wait(c) => {
            let notice = if method.asks() == Asks::SentCode { Notice::Wait } else { Notice::None };
            page(&c, notice, StatusCode::OK)
        }
        AskOutcome::Limited(_, Some(c)) => page(&c, Notice::Limited, StatusCode::TOO_MANY_REQUESTS),
        AskOutcome::Limited(free, None) => dead_end(state, ctx, &turn.door, Some(free)),
    }
}

/// Counts against the client's address, kept as a keyed hash.
pub(crate) async fn may_ask(state: &WebState, ctx: &Ctx) -> Result<(), Fault> {
    let Some(key) = ctx.host_key(state, "ask") else { return Ok(()) };
    let within =
        state.store.db().rate_allows(key, HOUR, state.limits.asks_per_hour, state.clock.now()).await?;
    if within { Ok(()) } else { Err(Fault::TooMany) }
}

/// Finds or makes the challenge.
async fn challenge(state: &WebState, turn: &Turn, method: &dyn Method) -> Result<AskOutcome, Fault> {
    let (now, limits) = (state.clock.now(), method.limits());
    let (deposit, recipient) = turn.door.id();
    let sends = method.asks() == Asks::SentCode;
    let new = NewChallenge {
        entity: turn.door.link.entity,
        deposit,
        recipient,
        method: method.name().to_string(),
        now,
        expires: later(now, limits.lifetime),
        max_tries: limits.tries,
    };
    let rule = AskRule {
        // A living question that is not sent is simply shown again.
        not_since: if sends { earlier(now, limits.resend_after) } else { Timestamp::MIN },
        counted_since: earlier(now, HOUR),
        at_most: limits.per_hour,
    };
    let (scribe, door) = (turn.scribe.clone(), turn.door.clone());
    let phone = door.phone.clone().filter(|_| method.name() == GateMethod::OtpSms);
    state
        .store
        .db()
        .write_as(async move |tx| {
            let outcome = Challenge::ask(tx, &new, rule).await?;
            if let (AskOutcome::Send(c), true) = (&outcome, sends) {
                let to = match &phone {
                    Some(phone) => {
                        sms::queue(tx, &door, phone, c, now).await?;
                        phone.as_str()
                    }
                    None => {
                        queue::insert(tx, &mail(&door, c, now)).await?;
                        door.row.address.as_str()
                    }
                };
                tx.append(vec![scribe.challenge_sent(c, to, now)?]).await?;
            }
            Ok::<_, Fault>(outcome)
        })
        .await
}

/// The mail that carries a challenge's code, to be composed.
fn mail(door: &Door, challenge: &Challenge, now: Timestamp) -> NewOutbound {
    NewOutbound {
        id: OutboundId::generate(),
        entity: door.link.entity,
        deposit: Some(challenge.deposit),
        recipient: Some(challenge.recipient),
        priority: Priority::Code,
        spec: serde_json::json!({"kind": "code", "challenge": challenge.id}).to_string(),
        envelope_from: None,
        rcpt: door.row.address.clone(),
        next_at: now,
        created: now,
        hold: None,
    }
}
