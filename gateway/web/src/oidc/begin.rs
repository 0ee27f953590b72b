//! Beginning a sign-in at the recipient's gate.
//!
//! Our policy lets forms lead to this site only (`form-action 'self'`), and some browsers apply that to redirects of
//! a form's answer too. The way to the provider is therefore a page that goes on by itself, with a link for who stays.

use super::{LIFETIME, key, limit, pages, provider, refuse};
use crate::ctx::Ctx;
use crate::door::gate::Turn;
use crate::door::posted;
use crate::fault::Fault;
use crate::pages::{see_other, show as respond};
use crate::state::WebState;
use crate::view::Door;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use sealpost_envelope::{GateMethod, Timestamp};
use sealpost_oidc::{Fresh, OidcError, Provider, authorization_url};
use sealpost_store::federated::{FederatedRequest, Purpose, StateHash};

/// The gate's step `oidc:NAME` is asked for: straight to the provider, or a choice between that and the telephone.
pub(crate) async fn begin(state: &WebState, ctx: &Ctx, turn: Turn) -> Result<Response, Fault> {
    let Some(GateMethod::Oidc(name)) = turn.method.as_ref().map(|m| m.name()) else {
        return see_other(&turn.door.path());
    };
    let provider = provider(state, &name)?;
    if provider.settings().ciba {
        return pages::choose(state, ctx, &turn.door, provider, false);
    }
    away(state, ctx, &turn.door, provider).await
}

/// `POST /m/{token}/oidc/{name}/leave`
pub(super) async fn leave(
    State(state): State<WebState>,
    ctx: Ctx,
    Path((token, name)): Path<(String, String)>,
    body: Body,
) -> Response {
    let page = async {
        let (door, _) = posted(&state, &ctx, &token, body).await?;
        let provider = provider(&state, &name)?;
        let turn = Turn::take(&state, &ctx, door, &super::method(provider).to_string()).await?;
        if turn.method.is_none() {
            return see_other(&turn.door.path());
        }
        limit(&state, &ctx, "oidc", None, 0).await?;
        away(&state, &ctx, &turn.door, provider).await
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

async fn away(state: &WebState, ctx: &Ctx, door: &Door, provider: &Provider) -> Result<Response, Fault> {
    let (deposit, recipient) = door.id();
    let purpose = Purpose::Door { deposit, recipient, generation: door.link.generation };
    match request(state, ctx, provider, purpose).await? {
        Ok(url) => pages::away(state, ctx, Some(door), &provider.settings().label, &url),
        Err(error) => refuse(state, ctx, door, provider, &error).await,
    }
}

/// Remembers a request and words it; or what the provider's description had against it.
pub(super) async fn request(
    state: &WebState,
    ctx: &Ctx,
    provider: &Provider,
    purpose: Purpose,
) -> Result<Result<String, OidcError>, Fault> {
    let now = state.clock.now();
    let metadata = match provider.metadata(now.as_second()).await {
        Ok(metadata) => metadata,
        Err(error) => return Ok(Err(error)),
    };
    let fresh = Fresh::new(key(state)?.expose());
    let url = match authorization_url(provider.settings(), &metadata, &fresh, ctx.language.tag()) {
        Ok(url) => url,
        Err(error) => return Ok(Err(error)),
    };
    let row = FederatedRequest {
        hash: StateHash::of(fresh.state.expose()),
        entity: entity_of(state, purpose).await?,
        provider: provider.settings().name.clone(),
        purpose,
        browser: ctx.browser_hash(),
        created: now,
        expires: now.checked_add(LIFETIME).unwrap_or(Timestamp::MAX),
        used: None,
        backchannel: None,
    };
    state.store.db().write(async move |tx| row.insert(tx).await).await?;
    Ok(Ok(url))
}

async fn entity_of(state: &WebState, purpose: Purpose) -> Result<Option<sealpost_envelope::EntityId>, Fault> {
    Ok(match purpose {
        Purpose::Door { deposit, .. } => Some(state.store.read_deposit(deposit).await?.row.entity),
        Purpose::Login | Purpose::Bind(_) => None,
    })
}
