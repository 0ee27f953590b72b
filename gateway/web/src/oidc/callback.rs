//! What the provider sends back.
//!
//! The callback is a GET of the provider's making, and a GET changes nothing here: it shows a form with the fields it
//! brought. Only the form's POST uses the state up and redeems the code, so that neither a preview nor a reload, nor a
//! link that somebody else prepared, signs anybody in.

use super::{Odd, door_of, facts, key, leave, limit, login, method, pages, provider, refuse};
use crate::ctx::Ctx;
use crate::door::gate::elsewhere;
use crate::fault::Fault;
use crate::form;
use crate::pages::{html, show as respond};
use crate::state::WebState;
use crate::view::Door;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use sealpost_oidc::{Answer, Fresh, Provider};
use sealpost_store::federated::{FederatedRequest, Purpose, StateHash, Taken};
use serde::Deserialize;
use subtle::ConstantTimeEq;

/// Longest query looked at.
const MAX_QUERY: usize = 8192;

/// The answer's fields, carried on by our form.
#[derive(Deserialize)]
struct Carried {
    csrf: Option<String>,
    state: Option<String>,
    code: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

/// Scope of the form.
pub(super) fn path(name: &str) -> String {
    format!("/oidc/{name}/callback")
}

/// `GET /oidc/{name}/callback`
pub(super) async fn back(
    State(state): State<WebState>,
    ctx: Ctx,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let page = async {
        let provider = provider(&state, &name)?;
        let query = query.filter(|q| q.len() <= MAX_QUERY).ok_or(Fault::BadForm)?;
        let answer: Answer = form::parse(query.into_bytes().into()).await?;
        html(&pages::Returned {
            f: &pages::frame(&state, &ctx, &pages::returned_title(&ctx, provider), None),
            label: &provider.settings().label,
            action: path(&name),
            csrf: ctx.csrf(&state, &path(&name)),
            answer,
        })
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// `POST /oidc/{name}/callback`
pub(super) async fn finish(
    State(state): State<WebState>,
    ctx: Ctx,
    Path(name): Path<String>,
    body: Body,
) -> Response {
    let page = async {
        let provider = provider(&state, &name)?;
        let fields: Carried = form::read(&state, body).await?;
        if !ctx.is_ours(&state, &path(&name), fields.csrf.as_deref()) {
            return pages::refused(&state, &ctx, None, &provider.settings().label, "stale");
        }
        limit(&state, &ctx, "oidc-back", None, 0).await?;
        let Carried { state: back, code, iss, error, .. } = fields;
        let answer = Answer { state: back, code, iss, error };
        follow(&state, &ctx, provider, answer).await
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

async fn follow(state: &WebState, ctx: &Ctx, provider: &Provider, answer: Answer) -> Result<Response, Fault> {
    let label = &provider.settings().label;
    let Some(given) = answer.state() else { return pages::refused(state, ctx, None, label, "state-unknown") };
    let (hash, now) = (StateHash::of(given), state.clock.now());
    let taken = state.store.db().write(async move |tx| FederatedRequest::take(tx, hash, now).await).await?;
    let (request, odd) = match taken {
        Taken::Unknown => return pages::refused(state, ctx, None, label, "state-unknown"),
        Taken::Used(request) => (request, Some(Odd::Replayed)),
        Taken::Late(request) => (request, Some(Odd::Late)),
        Taken::Fresh(request) => {
            let odd = oddity(&request, ctx, provider);
            (request, odd)
        }
    };
    let door = door_of(state, &request).await?;
    if let Some(odd) = odd {
        return stop(state, ctx, door.as_ref(), provider, odd).await;
    }
    let fresh = Fresh::of(key(state)?.expose(), given.to_owned());
    let signed_in = provider.finish(&answer, &fresh, now.as_second()).await;
    match (door, request.purpose) {
        (Some(door), Purpose::Door { .. }) => match signed_in {
            Ok(signed_in) => pass(state, ctx, &door, provider, signed_in).await,
            Err(error) => refuse(state, ctx, &door, provider, &error).await,
        },
        (_, purpose) => login::finish(state, ctx, provider, purpose, signed_in).await,
    }
}

/// What speaks against a state that was not used before. Backchannel requests have no callback.
fn oddity(request: &FederatedRequest, ctx: &Ctx, provider: &Provider) -> Option<Odd> {
    if !bool::from(request.browser.ct_eq(&ctx.browser_hash())) {
        return Some(Odd::OtherBrowser);
    }
    let other = request.provider != provider.settings().name || request.backchannel.is_some();
    other.then_some(Odd::OtherProvider)
}

async fn stop(
    state: &WebState,
    ctx: &Ctx,
    door: Option<&Door>,
    provider: &Provider,
    odd: Odd,
) -> Result<Response, Fault> {
    tracing::warn!(provider = provider.settings().name, reason = odd.reason(), "a sign-in was refused");
    if let Some(door) = door {
        elsewhere::fail(state, ctx, door, &method(provider), odd.reason()).await?;
    }
    // To another browser nothing is said about whose consignment it was.
    let door = door.filter(|_| odd != Odd::OtherBrowser);
    pages::refused(state, ctx, door, &provider.settings().label, odd.reason())
}

/// The gate goes on with what the provider vouched for; its token is kept for logging out there.
pub(super) async fn pass(
    state: &WebState,
    ctx: &Ctx,
    door: &Door,
    provider: &Provider,
    signed_in: sealpost_oidc::SignIn,
) -> Result<Response, Fault> {
    let facts = facts::of(provider.settings(), &signed_in.person, method(provider), state.clock.now());
    let mut response = elsewhere::pass(state, ctx, door, &method(provider), facts).await?;
    leave::keep(state, &mut response, provider, &signed_in.id_token).await?;
    Ok(response)
}
