//! What the phones talk to: metadata, enrolment, authentication.
//!
//! **Exposure.** Anybody. Bodies are small, keys are looked up by their keyed hash, and every answer is one of the
//! protocol's words, in the version that the phone speaks: the reply carries a version only where it is JSON.

use super::keys::{Judge, Keys};
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::form;
use crate::state::WebState;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use sealpost_evidence::{Actor, Detail, Event, EventName, render};
use sealpost_gate::tiqr::{self, Answer, Protocol};
use sealpost_store::StoreError;
use sealpost_store::access::{EnrolmentRow, Met, account_of_subject};
use serde::Deserialize;
use std::time::Duration;

/// Header in which both sides say their version.
const VERSION: &str = "x-tiqr-protocol-version";
/// Window of the counters below.
const WINDOW: Duration = Duration::from_secs(600);
/// What phones ask, as the bounds of a source know it.
const PHONES: &str = "tiqr";
/// Requests of one source within it.
const PER_SOURCE: u32 = 120;
/// Wrong answers of all sources within it: nobody sprays PINs over many phones.
const WRONG_IN_ALL: u32 = 600;
/// How long a browser may take to go on after its phone has answered.
pub(super) const PASSED: Duration = Duration::from_secs(3600);

/// Whether this source, in what it does, and all of them are within their bounds.
pub(super) async fn within(state: &WebState, ctx: &Ctx, what: &str) -> Result<bool, Fault> {
    let (db, now) = (state.store.db(), state.clock.now());
    if db.rate_count(state.rate_key("tiqr wrong", &[]), WINDOW, now).await? > WRONG_IN_ALL {
        return Ok(false);
    }
    let Some(key) = ctx.host_key(state, what) else { return Ok(true) };
    Ok(db.rate_allows(key, WINDOW, PER_SOURCE, now).await?)
}

/// Counts a wrong answer over all sources. An unknown phone is nobody's PIN guessed: were it counted, anybody could make
/// up names until every phone is refused.
async fn count_wrong(state: &WebState, answer: Answer) -> Result<(), Fault> {
    if matches!(answer, Answer::WrongResponse(_)) {
        let key = state.rate_key("tiqr wrong", &[]);
        state.store.db().rate_allows(key, WINDOW, WRONG_IN_ALL, state.clock.now()).await?;
    }
    Ok(())
}

fn reply(headers: &HeaderMap, answer: Answer) -> Response {
    let protocol = Protocol::of(headers.get(VERSION).and_then(|v| v.to_str().ok()));
    let status = StatusCode::from_u16(answer.status()).unwrap_or(StatusCode::FORBIDDEN);
    let body = answer.body(protocol);
    match protocol {
        Protocol::V1 => (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response(),
        Protocol::V2 => {
            let head = [(header::CONTENT_TYPE, "application/json")];
            (status, head, [(VERSION, "2")], body).into_response()
        }
    }
}

/// The phone's answer, or the protocol's word for a failure of ours.
fn told(headers: &HeaderMap, answer: Result<Answer, Fault>) -> Response {
    reply(headers, answer.unwrap_or(Answer::Error))
}

#[derive(Deserialize)]
pub(super) struct MetadataQuery {
    key: Option<String>,
}

/// `GET /tiqr/metadata?key=…`: once.
pub(super) async fn metadata(
    State(state): State<WebState>,
    ctx: Ctx,
    Query(query): Query<MetadataQuery>,
) -> Response {
    let found = async {
        let key = query.key.filter(|k| tiqr::is_key(k));
        let (Some(key), true) = (key, within(&state, &ctx, PHONES).await?) else { return Ok(None) };
        let (keys, secret) = (Keys::of(&state)?, tiqr::fresh_key());
        let hashes = (keys.hash("enrolment", &key), keys.hash("secret", secret.expose()));
        let row = state.store.retrieve_enrolment(hashes.0, hashes.1, state.clock.now()).await?;
        Ok::<_, Fault>(row.map(|row| describe(&state, &row, secret.expose())))
    };
    match found.await {
        Ok(Some(json)) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Ok(None) => StatusCode::FORBIDDEN.into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// All nine fields: the Android app wants each of them.
fn describe(state: &WebState, row: &EnrolmentRow, secret: &str) -> String {
    let url = &state.url;
    let service = state.entity(row.entity).map_or_else(|| "Sealpost".to_owned(), |site| site.name.clone());
    serde_json::json!({
        "service": {
            "displayName": service,
            "identifier": tiqr::identifier(url),
            "logoUrl": format!("{url}/tiqr/logo.png"),
            "infoUrl": format!("{url}/"),
            // The iOS app keeps the first one it sees of an identifier for ever: it stays as it is.
            "authenticationUrl": format!("{url}/tiqr/auth"),
            "ocraSuite": tiqr::SUITE,
            "enrollmentUrl": format!("{url}/tiqr/enroll?otp={secret}"),
        },
        "identity": { "identifier": row.phone, "displayName": row.name },
    })
    .to_string()
}

#[derive(Deserialize)]
pub(super) struct EnrolQuery {
    otp: Option<String>,
}

/// What phones send; more fields are ignored, as apps add some of their own. No message is ever pushed: the
/// address of notifications is not kept.
#[derive(Deserialize)]
struct Fields {
    secret: Option<String>,
    operation: Option<String>,
    #[serde(rename = "sessionKey")]
    session_key: Option<String>,
    #[serde(rename = "userId")]
    user_id: Option<String>,
    response: Option<String>,
}

/// `POST /tiqr/enroll?otp=…`: once, after which the former phone of the person is no longer theirs.
pub(super) async fn enrol(
    State(state): State<WebState>,
    ctx: Ctx,
    headers: HeaderMap,
    Query(query): Query<EnrolQuery>,
    body: Body,
) -> Response {
    let answer = async {
        let fields: Fields = form::read(&state, body).await?;
        let otp = query.otp.filter(|k| tiqr::is_key(k));
        let secret = fields.secret.as_deref().and_then(tiqr::phone_secret);
        let registers = fields.operation.as_deref().is_none_or(|o| o == "register");
        let (Some(otp), Some(secret), true, true) =
            (otp, secret, registers, within(&state, &ctx, PHONES).await?)
        else {
            return Ok(Answer::EnrolmentRefused);
        };
        let (keys, now) = (Keys::of(&state)?, state.clock.now());
        let hash = keys.hash("secret", &otp);
        let sites = state.entities();
        let actor = Actor::Anonymous { network: ctx.peer.map(|ip| ip.to_string()), agent: ctx.agent.clone() };
        let finish = move |row: &EnrolmentRow| {
            let sealed = keys.seal("secret", row.phone.as_bytes(), secret.expose())?;
            let site = sites.iter().find(|s| s.issuer.entity == row.entity);
            let site = site.ok_or(StoreError::Conflict("the organisation is not configured"))?;
            let detail = Detail::new()
                .text("kind", "tiqr")
                .text("phone", row.phone.as_str())
                .text("vouched", row.vouched.as_str())
                .personal("subject", row.subject.as_str());
            let event = match account_of_subject(&row.subject) {
                None => Event::new(EventName::IdentityBound, row.entity, now).detail(detail),
                // Named as the phone shows it: by the login.
                Some(_) => Event::new(EventName::AccountChanged, row.entity, now)
                    .detail(detail.text("change", "phone").personal("login", row.name.as_str())),
            };
            let event = event.actor(actor);
            let event = render(&site.issuer, event, None)
                .map_err(|_| StoreError::Conflict("an enrolment could not be put into words"))?;
            Ok((sealed, vec![event]))
        };
        let Some(row) = state.store.finish_enrolment(hash, now, finish).await? else {
            return Ok(Answer::EnrolmentRefused);
        };
        super::staff::told(&state, &row, now).await?;
        Ok(Answer::Ok)
    };
    told(&headers, answer.await)
}

/// `POST /tiqr/auth`
pub(super) async fn authenticate(
    State(state): State<WebState>,
    ctx: Ctx,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let answer = async {
        let Ok(fields) = form::read::<Fields>(&state, body).await else { return Ok(Answer::BadRequest) };
        let (Some(key), Some(user), Some(response)) = (fields.session_key, fields.user_id, fields.response)
        else {
            return Ok(Answer::BadRequest);
        };
        if user.len() > 64 || response.len() > 16 || fields.operation.is_some_and(|o| o != "login") {
            return Ok(Answer::BadRequest);
        }
        if !within(&state, &ctx, PHONES).await? {
            return Ok(Answer::Error);
        }
        if !tiqr::is_key(&key) {
            return Ok(Answer::BadChallenge);
        }
        let keys = Keys::of(&state)?;
        let hash = keys.hash("session", &key);
        answered(&state, &ctx, keys, hash, user, response).await
    };
    told(&headers, answer.await)
}

/// Judges an answer, from a phone or typed from its screen.
pub(super) async fn answered(
    state: &WebState,
    ctx: &Ctx,
    keys: Keys,
    session: [u8; 32],
    user: String,
    response: String,
) -> Result<Answer, Fault> {
    let judge = Judge::new(state, ctx, keys, response);
    let (now, until) = (judge.now, judge.now.checked_add(PASSED).unwrap_or(judge.now));
    let met = state.store.answer_tiqr(session, user, now, until, move |s, p| judge.judge(s, p)).await?;
    let answer = match met {
        Met::NoSession => Answer::BadChallenge,
        Met::NoPhone => Answer::UnknownUser,
        Met::Judged(answer) => answer,
    };
    count_wrong(state, answer).await?;
    Ok(answer)
}

/// `GET /tiqr/logo.png`: the iOS app refuses to enrol without one.
pub(super) async fn logo() -> Response {
    let head = [(header::CONTENT_TYPE, "image/png"), (header::CACHE_CONTROL, "public, max-age=86400")];
    (head, &include_bytes!("../../assets/mark.png")[..]).into_response()
}
