//! What the API reads of a request: queries and bodies, bounded and strict, and idempotency keys.

use super::caller::{Caller, Known};
use super::problem::{Kind, Problem};
use crate::state::WebState;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use sealpost_envelope::{DepositId, Sha256Digest, Timestamp};
use sealpost_store::{Begun, KeptAnswer, RequestKey};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What is longer than it may be is still read to its end, so that the client hears why it is refused; beyond this it is
/// cut off.
const DRAINED: usize = 16 * 1024 * 1024;
/// The same for strangers, of whose bodies nothing is kept.
const DRAINED_OF_STRANGERS: usize = 1024 * 1024;
/// Longest idempotency key.
const KEY: usize = 255;

/// Reads a query; unknown parameters and unreadable values are told.
pub(crate) fn query<T: DeserializeOwned>(raw: Option<&str>) -> Result<T, Problem> {
    let uri = format!("/?{}", raw.unwrap_or_default());
    let uri = uri.parse().map_err(|e| Problem::detailed(Kind::InvalidRequest, format!("query: {e}")))?;
    let axum::extract::Query(read) = axum::extract::Query::try_from_uri(&uri)
        .map_err(|e| Problem::detailed(Kind::InvalidRequest, e.body_text()))?;
    Ok(read)
}

/// The media type without its parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// Reads small bodies before anything is decided: an answer before the end of a request would close its connection
/// (RFC 9112 §9.6), under the hands of clients that keep it for the next one. Only a program with a good token has its
/// body kept meanwhile. Messages and files stream.
pub(crate) async fn whole(State(state): State<WebState>, request: Request, next: Next) -> Response {
    let streams = ["message/rfc822", "application/offset+octet-stream"];
    let kind = media_type(request.headers());
    let has_body = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    if !has_body || kind.is_some_and(|k| streams.contains(&k.as_str())) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let known = Known(Caller::from_request_parts(&mut parts, &state).await);
    let (most, drained) = match known.0 {
        Ok(_) => (state.limits.program_body, DRAINED),
        Err(_) => (0, DRAINED_OF_STRANGERS),
    };
    let body = match (gather(body, most, drained).await, &known.0) {
        (Ok(bytes), _) => Body::from(bytes),
        // Whoever takes the caller or the session of a page answers as if there had been no body.
        (Err(_), Err(_)) => Body::empty(),
        (Err(problem), Ok(_)) => return problem.into_response(),
    };
    parts.extensions.insert(known);
    next.run(Request::from_parts(parts, body)).await
}

/// Reads a body of at most `most` octets; of a longer one nothing is kept.
async fn gather(body: Body, most: usize, drained: usize) -> Result<Vec<u8>, Problem> {
    let (mut stream, mut held, mut seen) = (body.into_data_stream(), Vec::new(), 0);
    while let Some(bytes) = stream.next().await {
        let bytes = bytes.map_err(|_| Problem::detailed(Kind::InvalidRequest, "the body broke off"))?;
        seen += bytes.len();
        if seen <= most {
            held.extend_from_slice(&bytes);
        } else {
            held = Vec::new();
        }
        if seen > most.max(drained) {
            break;
        }
    }
    if seen > most { Err(Problem::new(Kind::PayloadTooLarge)) } else { Ok(held) }
}

/// A JSON body, whole.
pub(crate) async fn body(state: &WebState, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let bytes = axum::body::to_bytes(body, state.limits.program_body).await;
    let bytes = bytes.map_err(|_| Problem::new(Kind::PayloadTooLarge))?;
    match media_type(headers).as_deref() {
        Some("application/json") => Ok(bytes),
        None if bytes.is_empty() => Ok(Bytes::from_static(b"{}")),
        _ => Err(Problem::detailed(Kind::UnsupportedMediaType, "the body must be application/json")),
    }
}

/// Reads JSON; says what does not fit, and where.
pub(crate) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // An object first: as a sequence, members would be read in their order.
    let value: serde_json::Map<String, Value> =
        serde_json::from_slice(bytes).map_err(|e| Problem::detailed(Kind::InvalidRequest, e))?;
    serde_json::from_value(Value::Object(value)).map_err(|e| Problem::detailed(Kind::InvalidRequest, e))
}

/// A place in a list, opaque to programs.
pub(crate) fn cursor(time: Timestamp, id: &str) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(format!("{}.{id}", time.as_microsecond()))
}

/// Reads a place.
pub(crate) fn place<T: std::str::FromStr>(cursor: &str) -> Result<(Timestamp, T), Problem> {
    let read = || {
        let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(cursor.as_bytes()).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (time, id) = text.split_once('.')?;
        Some((Timestamp::from_microsecond(time.parse().ok()?).ok()?, id.parse().ok()?))
    };
    read().ok_or_else(|| Problem::detailed(Kind::InvalidRequest, "the cursor is none of ours"))
}

/// A deposit's id or reference in a path.
pub(crate) fn named(text: &str) -> Result<String, Problem> {
    let known = text.parse::<DepositId>().is_ok() || sealpost_envelope::Reference::parse(text).is_some();
    if known { Ok(text.to_owned()) } else { Err(Problem::new(Kind::NotFound)) }
}

/// An answer as it can be kept.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, body }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        respond(self.status, &self.body, self.body.to_string())
    }
}

fn respond(status: StatusCode, body: &Value, text: String) -> Response {
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], text).into_response();
    let location = body["url"].as_str().filter(|_| status == StatusCode::CREATED);
    if let Some(value) = location.and_then(|url| HeaderValue::from_str(url).ok()) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

/// The idempotency key of a request, if it has one.
fn key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().ok().map(|t| t.trim().trim_matches('"'));
    match text.filter(|t| !t.is_empty() && t.len() <= KEY) {
        Some(key) => Ok(Some(key)),
        None => Err(Problem::detailed(Kind::InvalidRequest, "Idempotency-Key: 1 to 255 ASCII characters")),
    }
}

/// Carries a request out once, however often it is sent with the same key. `request` is what makes it the same:
/// its path and its body. What went wrong is not kept, so that it may be tried again with the same key.
pub(crate) async fn once<F>(
    state: &WebState,
    caller: &Caller,
    headers: &HeaderMap,
    request: &[&[u8]],
    work: impl FnOnce(Option<Sha256Digest>) -> F,
) -> Result<Response, Problem>
where
    F: Future<Output = Result<Answer, Problem>>,
{
    let Some(key) = key(headers)? else { return Ok(work(None).await?.into_response()) };
    let (account, entity) = (caller.account.id, caller.account.entity);
    let name = Sha256Digest::of(key.as_bytes());
    let known = RequestKey { account, entity, key: name };
    // By a key: a body may hold a password, which nobody is to try out on what is kept.
    let purpose = state.store.keys().purpose("requests").map_err(|e| Problem::internal("key store", e))?;
    match state.store.begin_request(known, Sha256Digest(purpose.hmac(request))).await? {
        Begun::New => {}
        Begun::Running => return Err(Problem::new(Kind::RequestRunning)),
        Begun::Other => return Err(Problem::new(Kind::KeyReused)),
        Begun::Answered(kept) => {
            let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
            let body: Value = serde_json::from_str(&kept.body).unwrap_or_default();
            return Ok(respond(status, &body, kept.body));
        }
    }
    let done = work(Some(name)).await;
    let kept = done
        .as_ref()
        .ok()
        .map(|answer| KeptAnswer { status: answer.status.as_u16(), body: answer.body.to_string() });
    state.store.end_request(known, kept).await?;
    Ok(done?.into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back() {
        let id = DepositId::generate();
        let time: Timestamp = "2026-11-22T10:00:00.123456Z".parse().unwrap();
        assert_eq!(place::<DepositId>(&cursor(time, &id.to_string())).unwrap(), (time, id));
        for bad in ["", "x", "MTIz", "MTIzLng", "é"] {
            assert!(place::<DepositId>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn json_must_be_an_object_that_fits() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct One {
            #[allow(dead_code)]
            n: u32,
        }
        assert!(json::<One>(br#"{"n": 1}"#).is_ok());
        for bad in [&b""[..], b"[1]", b"{}", br#"{"n": -1}"#, br#"{"n": 1, "m": 2}"#, b"{\"n\": 1} x"] {
            assert_eq!(json::<One>(bad).unwrap_err().kind, Kind::InvalidRequest);
        }
    }
}
