//! What the built-in authority serves over HTTP: time (RFC 3161 §3.4) and its revocation list (RFC 5280 §4.2.1.13).
//!
//! **Exposure.** On the admin listener, and where `timestamp.public` is set for anyone on the https listener. A
//! request has a few dozen octets and costs one signature; what is signed is the asker's digest and our time, under a
//! key that dates and does nothing else.
//!
//! **Failure.** A malformed request gets a rejection inside a 200, as RFC 3161 has it; a key that fails a 503.

use crate::gateway::Gateway;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};

/// A query has an imprint, a nonce and perhaps a policy.
const LARGEST: usize = 8 * 1024;

/// A list is made at most this often, however many ask.
const FRESH: jiff::SignedDuration = jiff::SignedDuration::from_mins(10);

/// A list and when it was made.
type Made = (Timestamp, Vec<u8>);

/// `GET /crl/root.crl`.
pub fn lists(gateway: &Arc<Gateway>) -> Router {
    let last: Arc<Mutex<Option<Made>>> = Arc::default();
    let gateway = gateway.clone();
    Router::new().route(
        "/crl/root.crl",
        get(move || {
            let (gateway, last) = (gateway.clone(), last.clone());
            async move { list(&gateway, &last) }
        }),
    )
}

fn list(gateway: &Gateway, last: &Mutex<Option<Made>>) -> Response {
    let now = gateway.clock.now();
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    let bytes = match last.as_ref().filter(|(made, _)| now.duration_since(*made) < FRESH) {
        Some((_, bytes)) => bytes.clone(),
        None => match gateway.credentials.revocation_list(now) {
            Ok(bytes) => last.insert((now, bytes)).1.clone(),
            Err(error) => {
                tracing::error!("no revocation list: {error:#}");
                return StatusCode::SERVICE_UNAVAILABLE.into_response();
            }
        },
    };
    ([(header::CONTENT_TYPE, "application/pkix-crl")], bytes).into_response()
}

/// `POST /tsa`.
pub fn router(gateway: &Arc<Gateway>) -> Router {
    Router::new()
        .route("/tsa", post(answer))
        .layer(DefaultBodyLimit::max(LARGEST))
        .with_state(gateway.clone())
}

async fn answer(State(gateway): State<Arc<Gateway>>, headers: HeaderMap, query: Bytes) -> Response {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !kind.eq_ignore_ascii_case("application/timestamp-query") {
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, "application/timestamp-query is expected\n")
            .into_response();
    }
    match gateway.time.reply(&query) {
        Ok(reply) => ([(header::CONTENT_TYPE, "application/timestamp-reply")], reply).into_response(),
        Err(error) => {
            tracing::error!(%error, "the built-in time authority cannot sign");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}
