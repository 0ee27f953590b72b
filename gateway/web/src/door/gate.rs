//! The gate's steps: asking for a challenge, answering it.

use super::posted;
use super::show::{challenge_page, dead_end};
use crate::content::Content;
use crate::ctx::{Ctx, random};
use crate::events::Scribe;
use crate::fault::Fault;
use crate::pages::{Notice, see_other, show as respond};
use crate::state::WebState;
use crate::view::Door;
use aws_lc_rs::hmac;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use sealpost_envelope::{GateMethod, Secret, Timestamp};
use sealpost_gate::{Asks, Attempt, Code, Ladder, Method, Step};
use sealpost_store::access::{
    AnswerOutcome, AskOutcome, AskRule, Challenge, Grant, GrantHash, GrantStep, NewChallenge, verifier,
};
use sealpost_store::queue::{self, NewOutbound, OutboundId, Priority};
use std::sync::Arc;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// `POST /m/{token}/gate/{method}`
pub(crate) async fn ask(
    State(state): State<WebState>,
    ctx: Ctx,
    Path((token, method)): Path<(String, String)>,
    body: Body,
) -> Response {
    let page = async {
        let (door, _) = posted(&state, &ctx, &token, body).await?;
        let turn = Turn::take(&state, &ctx, door, &method).await?;
        let Some(method) = turn.method.clone() else { return see_other(&turn.door.path()) };
        if method.asks() == Asks::Nothing {
            let (_, cookie) =
                advance(&state, &turn.door, turn.grant.as_ref(), method.name(), &turn.scribe).await?;
            let mut response = see_other(&turn.door.path())?;
            turn.door.set_session(&mut response, &cookie);
            return Ok(response);
        }
        may_ask(&state, &ctx).await?;
        let outcome = challenge(&state, &turn, &*method).await?;
        match outcome {
            AskOutcome::Send(c) => {
                (state.hooks.outbound)();
                let again = c.sent.is_some_and(|sent| sent > c.created);
                let notice = if again { Notice::Resent } else { Notice::None };
                challenge_page(&state, &ctx, &turn, &*method, &c, notice, StatusCode::OK)
            }
            AskOutcome::Wait(c) => {
                let notice = if method.asks() == Asks::SentCode { Notice::Wait } else { Notice::None };
                challenge_page(&state, &ctx, &turn, &*method, &c, notice, StatusCode::OK)
            }
            AskOutcome::Limited(_, Some(c)) => challenge_page(
                &state,
                &ctx,
                &turn,
                &*method,
                &c,
                Notice::Limited,
                StatusCode::TOO_MANY_REQUESTS,
            ),
            AskOutcome::Limited(free, None) => dead_end(&state, &ctx, &turn.door, Some(free)),
        }
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

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
        if method.asks() == Asks::SentCode && Code::typed(typed.expose()).is_none() {
            let status = StatusCode::FORBIDDEN;
            return challenge_page(&state, &ctx, &turn, &*method, &challenge, Notice::Malformed, status);
        }
        let right = check(&state, method.clone(), &challenge, typed).await?;
        settle(&state, &ctx, turn, &*method, challenge, right, now).await
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// One step at the gate: who stands there, and what they may do.
pub(super) struct Turn {
    pub(super) door: Door,
    pub(super) content: Content,
    pub(super) grant: Option<Grant>,
    scribe: Scribe,
    /// `None` when the method is not the next step: the landing page shows what is.
    method: Option<Arc<dyn Method>>,
}

impl Turn {
    async fn take(state: &WebState, ctx: &Ctx, door: Door, method: &str) -> Result<Self, Fault> {
        let name: GateMethod = method.parse().map_err(|_| Fault::Unknown)?;
        let content = Content::load(state, &door)?;
        let grant = door.grant(state, ctx).await?;
        let scribe = Scribe::new(&door, content.facts(state, &door).await?, ctx);
        let allowed = {
            let passed = grant.as_ref().map_or(&[][..], |g| &g.passed);
            Ladder::new(&door.row.verdict.gate, &state.methods).allows(passed, &name)
        };
        let method = if allowed { state.methods.get(&name).cloned() } else { None };
        Ok(Self { door, content, grant, scribe, method })
    }
}

/// Counts against the client's address, kept as a keyed hash.
async fn may_ask(state: &WebState, ctx: &Ctx) -> Result<(), Fault> {
    let Some(peer) = ctx.peer else { return Ok(()) };
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &state.keys.rates));
    context.update(b"ask\0");
    match peer {
        std::net::IpAddr::V4(v4) => context.update(&v4.octets()),
        // One host owns a /64.
        std::net::IpAddr::V6(v6) => context.update(&v6.octets()[..8]),
    }
    let mut key = [0u8; 32];
    key.copy_from_slice(context.sign().as_ref());
    let within =
        state.store.db().rate_allows(key, HOUR, state.limits.asks_per_hour, state.clock.now()).await?;
    if within { Ok(()) } else { Err(Fault::TooMany) }
}

/// Finds or makes the challenge; a code's mail is queued in the same transaction.
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
    let (scribe, rcpt, entity) = (turn.scribe.clone(), turn.door.row.address.clone(), turn.door.link.entity);
    state
        .store
        .db()
        .write_as(async move |tx| {
            let outcome = Challenge::ask(tx, &new, rule).await?;
            if let (AskOutcome::Send(c), true) = (&outcome, sends) {
                let mail = NewOutbound {
                    id: OutboundId::generate(),
                    entity,
                    deposit: Some(deposit),
                    recipient: Some(recipient),
                    priority: Priority::Code,
                    spec: serde_json::json!({"kind": "code", "challenge": c.id}).to_string(),
                    envelope_from: None,
                    rcpt,
                    next_at: now,
                    created: now,
                    hold: None,
                };
                queue::insert(tx, &mail).await?;
                tx.append(vec![scribe.challenge_sent(c, now)?]).await?;
            }
            Ok::<_, Fault>(outcome)
        })
        .await
}

/// Judges the answer away from the asynchronous workers: a password takes its time.
async fn check(
    state: &WebState,
    method: Arc<dyn Method>,
    challenge: &Challenge,
    typed: Secret<String>,
) -> Result<bool, Fault> {
    let (id, deposit, recipient) = (challenge.id, challenge.deposit, challenge.recipient);
    let kept = verifier(state.store.db(), deposit, recipient, &method.name()).await?;
    tokio::task::spawn_blocking(move || {
        let attempt = Attempt { challenge: id, deposit, recipient, typed: &typed, verifier: kept.as_deref() };
        method.check(&attempt)
    })
    .await
    .map_err(|e| Fault::internal("gate", e))
}

/// Counts the answer and goes on: the next step, another try, or the end of this challenge.
async fn settle(
    state: &WebState,
    ctx: &Ctx,
    turn: Turn,
    method: &dyn Method,
    challenge: Challenge,
    right: bool,
    now: Timestamp,
) -> Result<Response, Fault> {
    let fresh = right.then(|| Fresh::new(state, &turn.door, turn.grant.as_ref(), method.name(), now));
    let (scribe, name, id) = (turn.scribe.clone(), method.name(), challenge.id);
    let step = fresh.as_ref().map(|f| (f.step.clone(), f.whole));
    let outcome = state
        .store
        .db()
        .write_as(async move |tx| {
            let outcome = Challenge::answer(tx, id, right, now).await?;
            match (&outcome, step) {
                (AnswerOutcome::Right, Some((step, whole))) => {
                    Grant::advance(tx, &step).await?;
                    tx.append(vec![scribe.gate_passed(&step.passed, whole, now)?]).await?;
                }
                (AnswerOutcome::Wrong(left), _) => {
                    tx.append(vec![scribe.gate_failed(&name, *left, now)?]).await?
                }
                _ => {}
            }
            Ok::<_, Fault>(outcome)
        })
        .await?;
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

/// A session about to be written, with the cookie that will open it.
struct Fresh {
    step: GrantStep,
    cookie: String,
    whole: bool,
}

impl Fresh {
    fn new(
        state: &WebState,
        door: &Door,
        former: Option<&Grant>,
        method: GateMethod,
        now: Timestamp,
    ) -> Self {
        let cookie = random();
        let mut passed = former.map_or_else(Vec::new, |g| g.passed.clone());
        passed.push(method);
        let whole = Ladder::new(&door.row.verdict.gate, &state.methods).step(&passed) == Step::Passed;
        let (deposit, recipient) = door.id();
        let step = GrantStep {
            hash: GrantHash::of(&cookie),
            former: former.map(|g| g.hash),
            entity: door.link.entity,
            deposit,
            recipient,
            passed,
            now,
            expires: later(now, state.limits.session),
        };
        Self { step, cookie, whole }
    }
}

/// Writes a step that needed no answer; the session and its cookie.
pub(super) async fn advance(
    state: &WebState,
    door: &Door,
    former: Option<&Grant>,
    method: GateMethod,
    scribe: &Scribe,
) -> Result<(Grant, String), Fault> {
    let now = state.clock.now();
    let Fresh { step, cookie, whole } = Fresh::new(state, door, former, method, now);
    let (written, scribe) = (step.clone(), scribe.clone());
    state
        .store
        .db()
        .write_as(async move |tx| {
            Grant::advance(tx, &written).await?;
            tx.append(vec![scribe.gate_passed(&written.passed, whole, now)?]).await?;
            Ok::<_, Fault>(())
        })
        .await?;
    let grant = Grant {
        hash: step.hash,
        entity: step.entity,
        deposit: step.deposit,
        recipient: step.recipient,
        passed: step.passed,
        created: now,
        expires: step.expires,
        opened: None,
    };
    Ok((grant, cookie))
}

/// Whether taking `link` now would pass the whole gate.
pub(super) fn link_alone_opens(state: &WebState, door: &Door, grant: Option<&Grant>) -> bool {
    let mut passed = grant.map_or_else(Vec::new, |g| g.passed.clone());
    let ladder = Ladder::new(&door.row.verdict.gate, &state.methods);
    if !ladder.allows(&passed, &GateMethod::Link) {
        return false;
    }
    passed.push(GateMethod::Link);
    ladder.step(&passed) == Step::Passed
}

fn later(t: Timestamp, by: Duration) -> Timestamp {
    t.checked_add(by).unwrap_or(Timestamp::MAX)
}
fn earlier(t: Timestamp, by: Duration) -> Timestamp {
    t.checked_sub(by).unwrap_or(Timestamp::MIN)
}
