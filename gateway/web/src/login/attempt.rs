//! What was typed into the login: judged, or answered with a code by mail.
//!
//! **Exposure.** Every answer that is no success comes after a time that depends only on what the stranger did, never
//! on whether the account exists; a code goes out only after identifier and password were right, and nothing on the
//! page tells whether it did.

use super::journal::Origin;
use super::page::{Form, Word, form};
use super::{START, journal, local_path, outside, pending, session, text};
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::form::LoginFields;
use crate::pages::show as respond;
use crate::state::{SentCodes, WebState};
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use sealpost_envelope::{GateMethod, Timestamp};
use sealpost_gate::{Code, CodeKey, Facts, totp};
use sealpost_store::Tx;
use sealpost_store::account::{Account, AccountError, Brake, CodeOutcome, CodePurpose, Role, StaffChallenge};
use sealpost_store::queue::{self, NewOutbound, OutboundId, Priority};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

/// A wrong login costs this long, whatever was wrong …
pub(super) const PENALTY: Duration = Duration::from_millis(800);
/// … and so much more for each failure of the last hour …
const MORE: Duration = Duration::from_millis(400);
/// … up to this.
const MOST: Duration = Duration::from_secs(6);
/// Asking for a code takes this long, whether one is sent or not.
pub(super) const ASKING: Duration = Duration::from_millis(1200);

/// `POST /login`
pub(super) async fn login(State(state): State<WebState>, ctx: Ctx, body: Body) -> Response {
    let page = async {
        let fields = LoginFields::read(&state, body).await?;
        let again = Form::again(&fields, pending::is_there(&ctx));
        if !ctx.is_ours(&state, super::page::SCOPE, fields.csrf.as_deref()) {
            return form(&state, &ctx, again.word(Word::Stale), StatusCode::FORBIDDEN);
        }
        let started = Instant::now();
        let (now, brake) = (state.clock.now(), brake(&state, &ctx, &fields.identifier)?);
        if brake.holds(now).await? {
            sleep_until(started + PENALTY).await;
            return form(&state, &ctx, again.word(Word::Throttled), StatusCode::TOO_MANY_REQUESTS);
        }
        if let Some((account, passed)) = judge(&state, &ctx, &fields, now).await? {
            brake.succeeded(now).await?;
            let next = fields.next.as_deref().and_then(local_path).unwrap_or(START);
            return session::complete_to(&state, &ctx, &account, passed, next).await;
        }
        refused(&state, &ctx, &brake, &fields, now).await?;
        let pause = PENALTY + MORE * brake.failures(now).await?.saturating_sub(1);
        sleep_until(started + pause.min(MOST)).await;
        form(&state, &ctx, again.word(Word::Wrong), StatusCode::FORBIDDEN)
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// `POST /login/code`
pub(super) async fn send_code(State(state): State<WebState>, ctx: Ctx, body: Body) -> Response {
    let page = send(&state, &ctx, body, By::Mail).await;
    respond(&state, &ctx, page)
}

/// `POST /login/sms`
pub(super) async fn send_text(State(state): State<WebState>, ctx: Ctx, body: Body) -> Response {
    let page = send(&state, &ctx, body, By::Text).await;
    respond(&state, &ctx, page)
}

/// How a code travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Mail,
    Text,
}

async fn send(state: &WebState, ctx: &Ctx, body: Body, by: By) -> Result<Response, Fault> {
    let fields = LoginFields::read(state, body).await?;
    let again = Form::again(&fields, pending::is_there(ctx));
    if !ctx.is_ours(state, super::page::SCOPE, fields.csrf.as_deref()) {
        return form(state, ctx, again.word(Word::Stale), StatusCode::FORBIDDEN);
    }
    if fields.identifier.is_empty() || (fields.password.is_none() && !pending::is_there(ctx)) {
        return form(state, ctx, again.word(Word::Incomplete), StatusCode::OK);
    }
    let started = Instant::now();
    let (now, brake) = (state.clock.now(), brake(state, ctx, &fields.identifier)?);
    if brake.holds(now).await? {
        sleep_until(started + ASKING).await;
        return form(state, ctx, again.word(Word::Throttled), StatusCode::TOO_MANY_REQUESTS);
    }
    let known = first_factor(state, ctx, &fields).await?;
    match (&known, by) {
        (Some(account), By::Mail) => mail_code(state, ctx, account, now).await?,
        (Some(account), By::Text) => text::log_in(state, ctx, account, now).await?,
        (None, _) => refused(state, ctx, &brake, &fields, now).await?,
    }
    let word = if by == By::Mail { Word::Sent } else { Word::Texted };
    let mut page = form(state, ctx, again.word(word), StatusCode::OK)?;
    let until = now.saturating_add(state.staff.codes.lifetime).unwrap_or(now);
    pending::remember(state, &mut page, known.map(|a| a.id), until)?;
    sleep_until(started + ASKING).await;
    Ok(page)
}

pub(super) fn brake(state: &WebState, ctx: &Ctx, identifier: &str) -> Result<Brake, Fault> {
    let peer = ctx.peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    Ok(Brake::of(&state.store, state.staff.logins, identifier, peer)?)
}

/// Counts a failure, and writes it where the account exists.
async fn refused(
    state: &WebState,
    ctx: &Ctx,
    brake: &Brake,
    fields: &LoginFields,
    now: Timestamp,
) -> Result<(), Fault> {
    brake.failed(now).await?;
    let Some(account) = state.accounts.identify(&fields.identifier).await? else { return Ok(()) };
    let Some(site) = state.entity(account.entity) else { return Ok(()) };
    Ok(state.store.record(vec![journal::failed(&site, &account, ctx, now)?]).await?)
}

/// The account whose identifier and password were given, now or a moment ago.
async fn first_factor(state: &WebState, ctx: &Ctx, fields: &LoginFields) -> Result<Option<Account>, Fault> {
    let found = match &fields.password {
        Some(password) => outside::verify(state, ctx, &fields.identifier, password).await?,
        None => {
            let remembered = pending::recall(state, ctx)?;
            let named = state.accounts.identify(&fields.identifier).await?;
            named.filter(|a| remembered == Some(a.id))
        }
    };
    Ok(found.filter(|a| a.role != Role::Demo))
}

/// Both factors.
async fn judge(
    state: &WebState,
    ctx: &Ctx,
    fields: &LoginFields,
    now: Timestamp,
) -> Result<Option<(Account, Vec<Facts>)>, Fault> {
    let Some(account) = first_factor(state, ctx, fields).await? else { return Ok(None) };
    let Some(typed) = &fields.code else { return Ok(None) };
    let second = match by_app(state, &account, typed.expose(), now).await? {
        Some(method) => Some(Facts::new(method, now)),
        None => match by_message(state, &account, typed.expose(), now).await? {
            Some(method) => Some(Facts::new(method, now)),
            None => by_paper(state, &account, typed.expose(), now).await?,
        },
    };
    Ok(second.map(|second| (account, vec![Facts::new(GateMethod::Password, now), second])))
}

/// A code of the authenticator app, used up by its time step.
async fn by_app(
    state: &WebState,
    account: &Account,
    typed: &str,
    now: Timestamp,
) -> Result<Option<GateMethod>, Fault> {
    let Some(secret) = state.accounts.totp_secret(account.id).await? else { return Ok(None) };
    let last = state.accounts.totp_step(account.id).await?.and_then(|step| u64::try_from(step).ok());
    let Some(step) = totp::verify(secret.expose(), typed, now, last) else { return Ok(None) };
    let step = i64::try_from(step).map_err(|e| Fault::internal("time step", e))?;
    // Another browser may have used the same code in the meantime.
    Ok(state.accounts.use_totp_step(account.id, step).await?.then_some(GateMethod::Totp))
}

/// A backup code, for the day the phone is lost; its use is told by mail.
async fn by_paper(
    state: &WebState,
    account: &Account,
    typed: &str,
    now: Timestamp,
) -> Result<Option<Facts>, Fault> {
    if !account.has_totp || !state.accounts.use_backup_code(account.id, typed, now).await? {
        return Ok(None);
    }
    if let Some(row) = crate::account::mail::news(state, account, "backup-code-used", now).await? {
        state.store.db().write(async move |tx| queue::insert(tx, &row).await).await?;
        (state.hooks.outbound)();
    }
    Ok(Some(Facts::new(GateMethod::Totp, now).detail("kind", "backup code")))
}

/// A code that came by mail or SMS, used up by its challenge. A wrong one counts against each that lives.
async fn by_message(
    state: &WebState,
    account: &Account,
    typed: &str,
    now: Timestamp,
) -> Result<Option<GateMethod>, Fault> {
    let Some(typed) = Code::typed(typed) else { return Ok(None) };
    let keys = CodeKey::new(state.store.keys().purpose("codes")?.expose());
    let living = StaffChallenge::living(state.store.db(), account.id, CodePurpose::Login, now).await?;
    let mut passed = None;
    for challenge in living {
        let right = typed.matches(&keys.derive_for_account(challenge.id, account.id));
        if answered(state, challenge.id, right, now).await? {
            passed = Some(GateMethod::OtpMail);
        }
    }
    if passed.is_none() && text::judge(state, account, CodePurpose::LoginSms, None, &typed, now).await? {
        passed = Some(GateMethod::OtpSms);
    }
    Ok(passed)
}

/// Counts an answer; whether it was the one that passes.
pub(super) async fn answered(
    state: &WebState,
    challenge: Uuid,
    right: bool,
    now: Timestamp,
) -> Result<bool, Fault> {
    let write = async move |tx: &mut Tx| StaffChallenge::answer(tx, challenge, right, now).await;
    Ok(state.store.db().write(write).await? == CodeOutcome::Right)
}

/// Whether this person may log in with a code sent in a way that is open to `whom`.
pub(super) fn may_have(whom: SentCodes, account: &Account) -> bool {
    match whom {
        SentCodes::All => true,
        SentCodes::WithoutApp => !account.has_totp,
        SentCodes::None => false,
    }
}

/// Queues the mail with a code, unless one left a moment ago, too many did, or no address is on file.
async fn mail_code(state: &WebState, ctx: &Ctx, account: &Account, now: Timestamp) -> Result<(), Fault> {
    if !may_have(state.staff.code_by_mail, account) {
        return Ok(());
    }
    let Some(rcpt) = state.accounts.profile(account).await?.contact else { return Ok(()) };
    let Some(site) = state.entity(account.entity) else { return Ok(()) };
    let (rule, who, origin) = (state.staff.codes, account.clone(), Origin::of(ctx));
    let sent = state
        .store
        .db()
        .write_as(async move |tx| {
            let asked = StaffChallenge::ask(tx, (who.entity, who.id), CodePurpose::Login, rule, now).await?;
            let Some(challenge) = asked else { return Ok::<_, Fault>(false) };
            let to = (GateMethod::OtpMail, rcpt.as_str());
            let event = journal::code_sent(&site, &who, to, challenge.expires, &origin, now)?;
            let mail = NewOutbound {
                id: OutboundId::generate(),
                entity: who.entity,
                deposit: None,
                recipient: None,
                priority: Priority::Code,
                spec: serde_json::json!({"kind": "account-code", "challenge": challenge.id}).to_string(),
                envelope_from: None,
                rcpt,
                next_at: now,
                created: now,
                hold: None,
            };
            queue::insert(tx, &mail).await?;
            tx.append(vec![event]).await?;
            Ok(true)
        })
        .await?;
    if sent {
        (state.hooks.outbound)();
    }
    Ok(())
}

impl From<AccountError> for Fault {
    fn from(e: AccountError) -> Self {
        match e {
            AccountError::Store(e) => e.into(),
            AccountError::Unknown(_) => Self::Unknown,
            e => Self::internal("accounts", e),
        }
    }
}
