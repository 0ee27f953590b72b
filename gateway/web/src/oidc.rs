//! Sign-in at OpenID Connect providers: at the recipient's gate (`oidc:NAME`) and at the login.
//!
//! **Job.** A POST of ours begins a request: its state is kept as a hash, for one use, ten minutes, one browser and one
//! consignment ([`begin`]). The provider sends the browser back to `GET /oidc/{name}/callback`, which changes nothing: it
//! shows a form that carries the answer on by POST ([`callback`]), by itself where scripts run. With `ciba`, the person
//! may confirm on a telephone instead ([`ring`]). What was verified becomes [`facts`], and the gate or the login goes on.
//!
//! **Exposure.** Everything here is reached by strangers. What the provider says is judged by `sealpost-oidc`; a state
//! that is unknown, used, late, another browser's or another provider's is refused before the provider is asked, each for
//! its own reason in the journal. Requests and telephone rings are limited by address and by identifier.
//!
//! **Standards.** OpenID Connect Core 1.0, CIBA Core 1.0, RP-Initiated Logout 1.0; RFC 9700 §4.
//!
//! **Failure.** Each reason has its page with a next step; the cause goes to the log without names, codes or tokens.

mod begin;
mod callback;
mod facts;
mod leave;
mod login;
mod pages;
mod ring;

pub(crate) use begin::begin;
pub(crate) use leave::left;
pub(crate) use login::{bindable, ways};

use crate::ctx::Ctx;
use crate::door::gate::elsewhere;
use crate::fault::Fault;
use crate::state::WebState;
use crate::view::Door;
use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use sealpost_envelope::{GateMethod, RecipientNo};
use sealpost_oidc::{OidcError, Provider};
use sealpost_store::federated::{FederatedRequest, Purpose};
use sealpost_store::keys::PurposeKey;
use std::sync::Arc;
use std::time::Duration;

/// A request is answered within this time, or not at all.
const LIFETIME: Duration = Duration::from_secs(600);
const HOUR: Duration = Duration::from_secs(3600);

/// The routes of this module.
pub(crate) fn routes() -> Router<WebState> {
    Router::new()
        .route("/m/{token}/oidc/{name}/leave", post(begin::leave))
        .route("/m/{token}/oidc/{name}/ring", post(ring::ring))
        .route("/m/{token}/oidc/{name}/wait/{handle}", get(ring::wait).post(ring::done))
        .route("/oidc/{name}/callback", get(callback::back).post(callback::finish))
        .route("/oidc/logout", post(leave::leave))
        .route("/login/oidc/{name}", get(login::page).post(login::begin))
        .route("/account/oidc/{name}", get(login::bind_page).post(login::bind))
}

/// The configured provider of that name.
fn provider<'a>(state: &'a WebState, name: &str) -> Result<&'a Arc<Provider>, Fault> {
    state.providers.iter().find(|p| p.settings().name == name).ok_or(Fault::Unknown)
}

fn method(provider: &Provider) -> GateMethod {
    GateMethod::Oidc(provider.settings().name.clone())
}

/// Derives what belongs to a state, and seals what waits between two requests.
fn key(state: &WebState) -> Result<PurposeKey, Fault> {
    Ok(state.store.keys().purpose("oidc")?)
}

/// Counts against `who`, where somebody is named, and against the client's address.
async fn limit(state: &WebState, ctx: &Ctx, what: &str, who: Option<&str>, most: u32) -> Result<(), Fault> {
    let host = ctx.host_key(state, what).map(|key| (key, state.limits.asks_per_hour));
    let who = who.map(|who| (state.rate_key(&format!("{what} who"), who.as_bytes()), most));
    for (key, most) in [host, who].into_iter().flatten() {
        if !state.store.db().rate_allows(key, HOUR, most, state.clock.now()).await? {
            return Err(Fault::TooMany);
        }
    }
    Ok(())
}

/// The door that a request was begun at; its link is derived again, as nothing kept here could open it.
async fn door_of(state: &WebState, request: &FederatedRequest) -> Result<Option<Door>, Fault> {
    let Purpose::Door { deposit, recipient, generation } = request.purpose else { return Ok(None) };
    let row = state.store.read_deposit(deposit).await?.row;
    // Destroyed meanwhile: the link leads nowhere any more.
    if row.wrapped_key.is_none() {
        return Err(Fault::Unknown);
    }
    let token = link(state, &row, recipient, generation)?;
    Door::enter(state, &token).await.map(Some)
}

fn link(
    state: &WebState,
    row: &sealpost_store::DepositRow,
    recipient: RecipientNo,
    generation: u32,
) -> Result<String, Fault> {
    Ok(state.store.deposit_key(row)?.link_token(recipient, generation).expose().clone())
}

/// Why a request that came back is not followed, in words of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Odd {
    /// The state was used before.
    Replayed,
    /// The state came too late.
    Late,
    /// Another browser brought it.
    OtherBrowser,
    /// It was begun at another provider.
    OtherProvider,
}

impl Odd {
    fn reason(self) -> &'static str {
        match self {
            Self::Replayed => "state-replayed",
            Self::Late => "state-expired",
            Self::OtherBrowser => "other-browser",
            Self::OtherProvider => "mixed-up",
        }
    }
}

/// Journals a refusal at a door and shows its page.
async fn refuse(
    state: &WebState,
    ctx: &Ctx,
    door: &Door,
    provider: &Provider,
    error: &OidcError,
) -> Result<Response, Fault> {
    tracing::warn!(provider = provider.settings().name, reason = error.reason(), %error, "a sign-in was refused");
    elsewhere::fail(state, ctx, door, &method(provider), error.reason()).await?;
    pages::refused(state, ctx, Some(door), &provider.settings().label, error.reason())
}
