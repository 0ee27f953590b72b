//! Who calls: a bearer token (RFC 6750), its account, its scopes, and how often it called.
//!
//! **Exposure.** Headers of strangers. Tokens have 256 bits and are looked up by hash; every reason why one does not
//! count is answered alike, and an address that keeps guessing is braked before the look-up.

use super::problem::{Kind, Problem};
use crate::ctx::Ctx;
use crate::guest::Visit;
use crate::login::Staff;
use crate::state::WebState;
use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, header};
use sealpost_envelope::{EntityId, Timestamp};
use sealpost_store::account::{Account, ApiToken, Role, TokenScope};
use sealpost_store::upload::Owner;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// Wrong tokens that an address may show in an hour.
const WRONG_PER_HOUR: u32 = 100;
/// Header in which a page's script repeats the session's `csrf` value.
const CSRF: &str = "x-csrf-token";

/// A program with a good token.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) account: Account,
    pub(crate) token: ApiToken,
    pub(crate) network: Option<String>,
}

impl Caller {
    /// Goes on with this scope only.
    pub(crate) fn needs(&self, scope: TokenScope) -> Result<(), Problem> {
        match self.token.scopes.contains(&scope) {
            true => Ok(()),
            false => {
                let words = format!("the token needs the scope {}", scope.as_str());
                Err(Problem::detailed(Kind::InsufficientScope, words))
            }
        }
    }
    /// Goes on for this role only.
    pub(crate) fn is(&self, role: Role) -> Result<(), Problem> {
        match self.account.role == role {
            true => Ok(()),
            false => Err(Problem::detailed(Kind::Forbidden, format!("this is for the role {role}"))),
        }
    }
}

/// What became of a request's token, once it was judged: so that it is judged, and counted, once.
#[derive(Debug, Clone)]
pub(crate) struct Known(pub(crate) Result<Caller, Problem>);

impl FromRequestParts<WebState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &WebState) -> Result<Self, Problem> {
        if let Some(Known(known)) = parts.extensions.get() {
            return known.clone();
        }
        let Ok(ctx) = Ctx::from_request_parts(parts, state).await;
        let shown = bearer(&parts.headers).ok_or(Problem::new(Kind::Unauthorized))?;
        let address = ctx.peer.map(|ip| ip.to_string());
        let now = state.clock.now();
        // Without an address (a listener of our own tests) all count as one.
        let key = ctx.host_key(state, "api token").unwrap_or_else(|| state.rate_key("api token", &[]));
        let hour = Duration::from_secs(3600);
        if state.store.db().rate_count(key, hour, now).await? >= WRONG_PER_HOUR {
            return Err(Problem::new(Kind::TooManyRequests));
        }
        let Some((account, token)) = state.accounts.by_api_token(shown).await? else {
            state.store.db().rate_allows(key, hour, WRONG_PER_HOUR, now).await?;
            return Err(Problem::new(Kind::Unauthorized));
        };
        if state.entity(account.entity).is_none() {
            return Err(Problem::new(Kind::Unauthorized));
        }
        if !state.calls.allows(token.id, now, state.limits.calls_per_minute) {
            return Err(Problem::new(Kind::TooManyRequests));
        }
        Ok(Self { account, token, network: address })
    }
}

/// The token of `Authorization: Bearer …` (RFC 6750 §2.1); the scheme in any case (RFC 9110 §11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (all.next()?, all.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Who may upload: a program, a person on a page of ours, or a guest on the page of their invitation.
#[derive(Debug, Clone)]
pub(crate) struct Uploader {
    pub(crate) entity: EntityId,
    pub(crate) owner: Owner,
    /// Where their uploads are found.
    pub(crate) place: String,
}

impl Uploader {
    fn of(account: &Account) -> Self {
        Self { entity: account.entity, owner: account.id.into(), place: "/api/v1/uploads".to_owned() }
    }
}

impl FromRequestParts<WebState> for Uploader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &WebState) -> Result<Self, Problem> {
        let csrf = parts.headers.get(CSRF).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let foreign = || Problem::detailed(Kind::Forbidden, "the request is not from a page of ours");
        let guest = parts.uri.path().strip_prefix("/g/").and_then(|rest| rest.split_once('/'));
        if let Some(token) = guest.map(|(token, _)| token.to_owned()) {
            let Ok(ctx) = Ctx::from_request_parts(parts, state).await;
            let guest =
                Visit::find(state, &ctx, &token).await.map_err(|_| Problem::new(Kind::Unavailable))?;
            let guest = guest.filter(|g| g.may_deposit(state)).ok_or(Problem::new(Kind::Unauthorized))?;
            if !ctx.is_ours(state, &guest.path(), csrf.as_deref()) {
                return Err(foreign());
            }
            let (entity, owner) = (guest.invitation.entity, guest.owner());
            return Ok(Self { entity, owner, place: format!("{}/uploads", guest.path()) });
        }
        if parts.headers.contains_key(header::AUTHORIZATION) {
            let caller = Caller::from_request_parts(parts, state).await?;
            caller.needs(TokenScope::DepositsWrite)?;
            return Ok(Self::of(&caller.account));
        }
        let Ok(ctx) = Ctx::from_request_parts(parts, state).await;
        let staff = Staff::find(state, &ctx).await.map_err(|_| Problem::new(Kind::Unavailable))?;
        let staff = staff.ok_or(Problem::new(Kind::Unauthorized))?;
        match staff.is_ours(csrf.as_deref()) {
            true => Ok(Self::of(&staff.account)),
            false => Err(foreign()),
        }
    }
}

/// How often each token was used in the present minute. Each node counts for itself: this spares the machine, it
/// guards no secret.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<(i64, HashMap<Uuid, u32>)>);

impl Calls {
    /// Counts one more; whether it is within the limit.
    pub(crate) fn allows(&self, token: Uuid, now: Timestamp, limit: u32) -> bool {
        let minute = now.as_second().div_euclid(60);
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.0 != minute {
            *held = (minute, HashMap::new());
        }
        let count = held.1.entry(token).or_insert(0);
        *count += 1;
        *count <= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_bearer_header_counts() {
        for (values, expected) in [
            (&["Bearer abc"][..], Some("abc")),
            (&["bearer  abc "], Some("abc")),
            (&["Basic abc"], None),
            (&["Bearer"], None),
            (&["Bearer a", "Bearer b"], None),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            assert_eq!(bearer(&headers), expected, "{values:?}");
        }
    }

    #[test]
    fn calls_are_counted_by_token_and_minute() {
        let (calls, now) = (Calls::default(), "2026-11-22T10:00:30Z".parse::<Timestamp>().unwrap());
        let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
        assert!(calls.allows(one, now, 2) && calls.allows(one, now, 2));
        assert!(!calls.allows(one, now, 2));
        assert!(calls.allows(other, now, 2));
        assert!(calls.allows(one, now + jiff::SignedDuration::from_secs(60), 2));
    }
}
