//! Logging out at the provider too, which FranceConnect and others ask for.
//!
//! The provider wants its token back as a hint. It is kept sealed, found by a cookie of its own, and taken once.
//! Logging out here never waits for that, nor fails with it.

use super::pages::Enter;
use super::{key, pages, provider};
use crate::ctx::{Ctx, is_random, random, set_cookie};
use crate::fault::Fault;
use crate::form;
use crate::pages::{Back, html, see_other, show as respond};
use crate::state::WebState;
use crate::view::Door;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use sealpost_envelope::{Secret, Timestamp};
use sealpost_oidc::{Provider, logout_url};
use sealpost_store::federated::{StateHash, keep_logout, take_logout};
use serde::Deserialize;

/// Finds what logging out takes.
const COOKIE: &str = "__Host-sealpost-f";
/// Scope of the form.
const SCOPE: &str = "/oidc/logout";
/// Column that the token is sealed for.
const SEALED: &str = "federated_logouts.token";

#[derive(Deserialize)]
struct Fields {
    csrf: Option<String>,
}

/// Keeps the token of a sign-in that succeeded.
pub(super) async fn keep(
    state: &WebState,
    response: &mut Response,
    provider: &Provider,
    id_token: &Secret<String>,
) -> Result<(), Fault> {
    let (cookie, now) = (random(), state.clock.now());
    let hash = StateHash::of(&cookie);
    let sealed = key(state)?.seal(SEALED, &hash.0, id_token.expose().as_bytes())?;
    let expires = now.checked_add(state.limits.session).unwrap_or(Timestamp::MAX);
    let name = provider.settings().name.clone();
    state.store.db().write(async move |tx| keep_logout(tx, hash, &name, sealed, now, expires).await).await?;
    set_cookie(response, COOKIE, &cookie, None);
    Ok(())
}

/// The page after logging out here, for a browser that signed in at a provider: it can log out there too.
pub(crate) fn left(
    state: &WebState,
    ctx: &Ctx,
    door: Option<&Door>,
    back: Back,
) -> Option<Result<Response, Fault>> {
    ctx.cookie(COOKIE).filter(|c| is_random(c))?;
    let l = ctx.language;
    let heading = l.pick("Vous êtes déconnecté", "You are logged out").to_owned();
    Some(html(&Enter {
        f: &pages::frame(state, ctx, &heading, door),
        text: l
            .pick(
                "Le service qui a confirmé votre identité vous reconnaît encore dans ce navigateur. Déconnectez-vous-y \
                 aussi, puis fermez le navigateur.",
                "The service that confirmed your identity still knows you in this browser. Log out there too, then \
                 close the browser.",
            )
            .to_owned(),
        button: l.pick("Se déconnecter aussi là-bas", "Log out there too").to_owned(),
        action: SCOPE.to_owned(),
        csrf: ctx.csrf(state, SCOPE),
        back,
        heading,
        auto: false,
    }))
}

/// `POST /oidc/logout`
pub(super) async fn leave(State(state): State<WebState>, ctx: Ctx, body: Body) -> Response {
    let page = async {
        let fields: Fields = form::read(&state, body).await?;
        let cookie = ctx.cookie(COOKIE).filter(|c| is_random(c));
        let (true, Some(cookie)) = (ctx.is_ours(&state, SCOPE, fields.csrf.as_deref()), cookie) else {
            return see_other("/");
        };
        let (hash, now) = (StateHash::of(cookie), state.clock.now());
        let kept = state.store.db().write(async move |tx| take_logout(tx, hash, now).await).await?;
        let mut response = match kept {
            Some((name, sealed)) => away(&state, &ctx, &name, hash, &sealed).await?,
            None => see_other("/")?,
        };
        set_cookie(&mut response, COOKIE, "", None);
        Ok(response)
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

async fn away(
    state: &WebState,
    ctx: &Ctx,
    name: &str,
    hash: StateHash,
    sealed: &[u8],
) -> Result<Response, Fault> {
    let provider = provider(state, name)?;
    let token = key(state)?.open(SEALED, &hash.0, sealed)?;
    let token = Secret::new(String::from_utf8(token).map_err(|e| Fault::internal("token", e.utf8_error()))?);
    let label = &provider.settings().label;
    let Ok(metadata) = provider.metadata(state.clock.now().as_second()).await else {
        return pages::refused(state, ctx, None, label, "unreachable");
    };
    match logout_url(provider.settings(), &metadata, &token, &random()) {
        Some(url) => pages::away(state, ctx, None, label, &url),
        None => see_other("/"),
    }
}
