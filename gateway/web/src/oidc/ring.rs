//! Confirming on a telephone: the browser waits here while the provider asks (CIBA, poll mode).
//!
//! The provider is asked again and again by a task that the request started, and by the waiting page's button; a claim in
//! the store keeps two of them, on one node or several, from asking at once. Whoever learns the outcome keeps it sealed in
//! the request's row; the browser that began it fetches it by POST.

use super::{HOUR, callback, key, limit, method, pages, provider, refuse};
use crate::ctx::{Ctx, is_random, random};
use crate::door::gate::Turn;
use crate::door::posted;
use crate::events::Scribe;
use crate::fault::Fault;
use crate::form;
use crate::locale;
use crate::pages::{html, see_other, show as respond};
use crate::state::WebState;
use crate::view::Door;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use sealpost_envelope::{Secret, Timestamp};
use sealpost_oidc::{
    BackchannelRequest, OidcError, Person, Poll, Provider, SignIn, binding_message, is_login_hint,
};
use sealpost_store::federated::{Backchannel, FederatedRequest, Purpose, StateHash, Taken};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use subtle::ConstantTimeEq;

/// Rings for one identifier in an hour, whoever asks.
const RINGS: u32 = 6;
/// Columns that are sealed.
const REQUEST: &str = "federated_requests.request";
const PERSON: &str = "federated_requests.person";
/// A question to the provider that does not end in this time is taken up again.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Deserialize)]
struct Asked {
    csrf: Option<String>,
    identifier: Option<String>,
}

/// What a confirmation leaves for the browser to fetch.
#[derive(Serialize, Deserialize)]
struct Kept {
    person: Person,
    id_token: String,
}

/// `POST /m/{token}/oidc/{name}/ring`
pub(super) async fn ring(
    State(state): State<WebState>,
    ctx: Ctx,
    Path((token, name)): Path<(String, String)>,
    body: Body,
) -> Response {
    let page = async {
        let fields: Asked = form::read(&state, body).await?;
        let door = Door::enter(&state, &token).await?;
        if !ctx.is_ours(&state, &door.path(), fields.csrf.as_deref()) {
            return Err(Fault::Forged(Box::new(door)));
        }
        let provider = provider(&state, &name)?;
        let turn = Turn::take(&state, &ctx, door, &method(provider).to_string()).await?;
        if turn.method.is_none() || !provider.settings().ciba {
            return see_other(&turn.door.path());
        }
        let Some(identifier) = identifier(fields.identifier.as_deref().unwrap_or_default()) else {
            return pages::choose(&state, &ctx, &turn.door, provider, true);
        };
        limit(&state, &ctx, "oidc-ring", Some(&identifier), RINGS).await?;
        begin(&state, &ctx, turn, provider, &identifier).await
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// As typed: blanks are forgiven, and an RPPS may stand without its type digit.
fn identifier(typed: &str) -> Option<String> {
    let text: String = typed.chars().filter(|c| !c.is_whitespace()).take(65).collect();
    if text.len() == 11 && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(format!("8{text}"));
    }
    is_login_hint(&text).then_some(text)
}

async fn begin(
    state: &WebState,
    ctx: &Ctx,
    turn: Turn,
    provider: &Provider,
    identifier: &str,
) -> Result<Response, Fault> {
    let (now, binding) = (state.clock.now(), binding_message());
    // Written before the telephone rings.
    let asked = turn.scribe.rung(&method(provider), identifier, &binding, now)?;
    state.store.db().write(async move |tx| tx.append(vec![asked]).await).await?;
    let request = match provider.ring(identifier, &binding, now.as_second()).await {
        Ok(request) => request,
        Err(error) => return refuse(state, ctx, &turn.door, provider, &error).await,
    };
    let handle = random();
    let row = row(state, ctx, &turn.door, provider, &handle, binding, &request)?;
    let hash = row.hash;
    state.store.db().write(async move |tx| row.insert(tx).await).await?;
    tokio::spawn(watch(state.clone(), provider.settings().name.clone(), hash, turn.scribe));
    see_other(&path(&turn.door, &provider.settings().name, &handle))
}

fn path(door: &Door, name: &str, handle: &str) -> String {
    format!("{}/oidc/{name}/wait/{handle}", door.path())
}

fn row(
    state: &WebState,
    ctx: &Ctx,
    door: &Door,
    provider: &Provider,
    handle: &str,
    binding: String,
    request: &BackchannelRequest,
) -> Result<FederatedRequest, Fault> {
    let (now, hash) = (state.clock.now(), StateHash::of(handle));
    let (deposit, recipient) = door.id();
    Ok(FederatedRequest {
        hash,
        entity: Some(door.link.entity),
        provider: provider.settings().name.clone(),
        purpose: Purpose::Door { deposit, recipient, generation: door.link.generation },
        browser: ctx.browser_hash(),
        created: now,
        expires: later(now, request.expires_in),
        used: None,
        backchannel: Some(Backchannel {
            binding,
            request: key(state)?.seal(REQUEST, &hash.0, request.id.expose().as_bytes())?,
            poll_after: later(now, request.interval),
            pause: request.interval,
            person: None,
            failed: None,
        }),
    })
}

fn later(t: Timestamp, seconds: u32) -> Timestamp {
    t.checked_add(Duration::from_secs(seconds.into())).unwrap_or(Timestamp::MAX)
}

/// Asks until it is decided. Ends with the process; the page's button then goes on asking.
async fn watch(state: WebState, name: String, hash: StateHash, scribe: Scribe) {
    loop {
        match ask(&state, &name, hash, &scribe).await {
            Ok(Some(next)) => {
                let pause = state.clock.now().duration_until(next);
                let pause = Duration::try_from(pause).unwrap_or_default().max(Duration::from_millis(200));
                tokio::time::sleep(pause.min(HOUR)).await;
            }
            Ok(None) => return,
            Err(_) => tokio::time::sleep(PATIENCE).await,
        }
    }
}

/// Asks the provider once, if it is time; when to ask again, or `None` once it is decided.
async fn ask(
    state: &WebState,
    name: &str,
    hash: StateHash,
    scribe: &Scribe,
) -> Result<Option<Timestamp>, Fault> {
    let (db, now, provider) = (state.store.db(), state.clock.now(), provider(state, name)?);
    let Some(request) = FederatedRequest::find(db, hash).await? else { return Ok(None) };
    let Some(back) = request.backchannel.filter(|b| b.person.is_none() && b.failed.is_none()) else {
        return Ok(None);
    };
    if request.used.is_some() {
        return Ok(None);
    }
    if now >= request.expires {
        return decide(state, provider, hash, scribe, Err(OidcError::Expired)).await;
    }
    if now < back.poll_after {
        return Ok(Some(back.poll_after));
    }
    let next = later(now, back.pause);
    if !db.write(async move |tx| FederatedRequest::claim_poll(tx, hash, now, next).await).await? {
        return Ok(Some(next));
    }
    let id = key(state)?.open(REQUEST, &hash.0, &back.request)?;
    let id = Secret::new(String::from_utf8_lossy(&id).into_owned());
    match provider.poll(&id, now.as_second()).await {
        Ok(Poll::Pending { slower }) => {
            if slower > 0 {
                db.write(async move |tx| FederatedRequest::slow_down(tx, hash, slower).await).await?;
            }
            Ok(Some(later(next, slower)))
        }
        Ok(Poll::Done(signed_in)) => decide(state, provider, hash, scribe, Ok(*signed_in)).await,
        Err(error) if error.is_passing() => {
            tracing::warn!(provider = name, %error, "asking about a confirmation");
            Ok(Some(next))
        }
        Err(error) => decide(state, provider, hash, scribe, Err(error)).await,
    }
}

/// Keeps the outcome, with the event of a failure; what was decided before stays.
async fn decide(
    state: &WebState,
    provider: &Provider,
    hash: StateHash,
    scribe: &Scribe,
    outcome: Result<SignIn, OidcError>,
) -> Result<Option<Timestamp>, Fault> {
    let now = state.clock.now();
    let (outcome, event) = match outcome {
        Ok(SignIn { person, id_token }) => {
            let kept = Kept { person, id_token: id_token.expose().clone() };
            let text = Secret::new(serde_json::to_vec(&kept).map_err(|e| Fault::internal("person", e))?);
            (Ok(key(state)?.seal(PERSON, &hash.0, text.expose())?), None)
        }
        Err(error) => {
            let (name, reason) = (&provider.settings().name, error.reason());
            tracing::warn!(provider = name, reason, %error, "a confirmation failed");
            (Err(reason), Some(scribe.gate_refused(&method(provider), reason, now)?))
        }
    };
    state
        .store
        .db()
        .write(async move |tx| {
            if FederatedRequest::decide(tx, hash, outcome).await? {
                tx.append(event.into_iter().collect()).await?;
            }
            Ok(())
        })
        .await?;
    Ok(None)
}

/// The request behind a waiting page, for the browser and the door that began it.
async fn waiting(
    state: &WebState,
    ctx: &Ctx,
    door: &Door,
    provider: &Provider,
    handle: &str,
) -> Result<(FederatedRequest, Backchannel), Fault> {
    let none = || Fault::NoSession(Box::new(door.clone()));
    if !is_random(handle) {
        return Err(none());
    }
    let found = FederatedRequest::find(state.store.db(), StateHash::of(handle)).await?.ok_or_else(none)?;
    let (deposit, recipient) = door.id();
    let ours = matches!(found.purpose, Purpose::Door { deposit: d, recipient: r, .. } if (d, r) == (deposit, recipient))
        && found.provider == provider.settings().name
        && bool::from(found.browser.ct_eq(&ctx.browser_hash()));
    match found.backchannel.clone().filter(|_| ours && found.used.is_none()) {
        Some(back) => Ok((found, back)),
        None => Err(none()),
    }
}

/// `GET /m/{token}/oidc/{name}/wait/{handle}`
pub(super) async fn wait(
    State(state): State<WebState>,
    ctx: Ctx,
    Path((token, name, handle)): Path<(String, String, String)>,
) -> Response {
    let page = async {
        let door = Door::enter(&state, &token).await?;
        let provider = provider(&state, &name)?;
        let (request, back) = waiting(&state, &ctx, &door, provider, &handle).await?;
        let label = &provider.settings().label;
        if let Some(reason) = &back.failed {
            return pages::refused(&state, &ctx, Some(&door), label, pages::at_telephone(reason));
        }
        let now = state.clock.now();
        if back.person.is_none() && now >= request.expires {
            return pages::refused(&state, &ctx, Some(&door), label, "expired");
        }
        let title = ctx.language.pick("Confirmez sur votre téléphone", "Confirm on your telephone");
        let seconds = now.duration_until(back.poll_after).as_secs().clamp(1, 30);
        html(&pages::Waiting {
            f: &pages::frame(&state, &ctx, title, Some(&door)),
            label,
            door: door.path(),
            action: path(&door, &name, &handle),
            csrf: ctx.csrf(&state, &door.path()),
            binding: &back.binding,
            confirmed: back.person.is_some(),
            seconds: seconds + 1,
            until: locale::clock(request.expires, &door.site.zone),
            until_machine: locale::machine(request.expires),
            until_epoch: request.expires.as_second(),
        })
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

/// `POST /m/{token}/oidc/{name}/wait/{handle}`: on to the message if it is confirmed; else asks once more.
pub(super) async fn done(
    State(state): State<WebState>,
    ctx: Ctx,
    Path((token, name, handle)): Path<(String, String, String)>,
    body: Body,
) -> Response {
    let page = async {
        let (door, _) = posted(&state, &ctx, &token, body).await?;
        let provider = provider(&state, &name)?;
        let (request, back) = waiting(&state, &ctx, &door, provider, &handle).await?;
        if back.person.is_none() {
            let turn = Turn::take(&state, &ctx, door, &method(provider).to_string()).await?;
            ask(&state, &name, request.hash, &turn.scribe).await?;
            return see_other(&path(&turn.door, &name, &handle));
        }
        let (hash, now) = (request.hash, state.clock.now());
        // Confirmed in time counts, even when the browser fetches it a moment late.
        let at = now.min(request.expires.checked_sub(Duration::from_micros(1)).unwrap_or(now));
        match state.store.db().write(async move |tx| FederatedRequest::take(tx, hash, at).await).await? {
            Taken::Fresh(taken) => {
                let sealed = taken.backchannel.and_then(|b| b.person).ok_or(Fault::Unknown)?;
                let plain = Secret::new(key(&state)?.open(PERSON, &hash.0, &sealed)?);
                let kept: Kept =
                    serde_json::from_slice(plain.expose()).map_err(|e| Fault::internal("person", e))?;
                let signed_in = SignIn { person: kept.person, id_token: Secret::new(kept.id_token) };
                callback::pass(&state, &ctx, &door, provider, signed_in).await
            }
            _ => see_other(&door.path()),
        }
    };
    let page = page.await;
    respond(&state, &ctx, page)
}

#[cfg(test)]
mod tests {
    use super::identifier;

    #[test]
    fn identifiers_as_people_type_them() {
        for (typed, read) in [
            ("899700218896", Some("899700218896")),
            (" 8 99700218896 ", Some("899700218896")),
            ("99700218896", Some("899700218896")),
            ("3760021832/000000018", Some("3760021832/000000018")),
            ("", None),
            ("é", None),
            ("a&b", None),
            (&"1".repeat(80), None),
        ] {
            assert_eq!(identifier(typed).as_deref(), read, "{typed:?}");
        }
    }
}
