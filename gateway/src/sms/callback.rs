//! What a service says later about a message: `POST /sms/{id}/{signature}`.
//!
//! **Exposure.** Anybody may post; the signature in the address is ours (HMAC over the message's identifier), so that
//! only whom we gave the address can say anything, and only about that message. The body is small and bounded.

use super::{clip, note};
use crate::gateway::Gateway;
use anyhow::Result;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use sealpost_store::person::{Sms, SmsState};
use sealpost_store::{StoreError, Tx};
use std::sync::Arc;
use uuid::Uuid;

/// Longest body read.
const LARGEST: usize = 16 * 1024;
/// Octets of the signature.
const SIGNATURE: usize = 18;

/// The address that the service is given for a message.
pub fn url(gateway: &Gateway, id: Uuid) -> Result<String> {
    let base = gateway.config.web.url.as_str().trim_end_matches('/');
    Ok(format!("{base}/sms/{id}/{}", signature(gateway, id)?))
}

fn signature(gateway: &Gateway, id: Uuid) -> Result<String> {
    let tag = gateway.store.keys().purpose("sms-callback")?.hmac(&[id.as_bytes()]);
    Ok(base64_simd::URL_SAFE_NO_PAD.encode_to_string(&tag[..SIGNATURE]))
}

/// The route.
pub fn router(gateway: &Arc<Gateway>) -> Router {
    Router::new()
        .route("/sms/{id}/{signature}", post(said))
        .layer(DefaultBodyLimit::max(LARGEST))
        .with_state(gateway.clone())
}

async fn said(
    State(gateway): State<Arc<Gateway>>,
    Path((id, given)): Path<(Uuid, String)>,
    body: Bytes,
) -> StatusCode {
    let Ok(expected) = signature(&gateway, id) else { return StatusCode::INTERNAL_SERVER_ERROR };
    if verify_slices_are_equal(given.as_bytes(), expected.as_bytes()).is_err() {
        return StatusCode::NOT_FOUND;
    }
    // What is no final word changes nothing; services repeat what is not answered with success.
    let Some(state) = meaning(&String::from_utf8_lossy(&body)) else { return StatusCode::NO_CONTENT };
    match write(&gateway, id, state).await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(error) => {
            tracing::warn!(%error, "what became of a code by SMS");
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

async fn write(gateway: &Gateway, id: Uuid, state: SmsState) -> Result<(), StoreError> {
    let Some(sms) = Sms::get(gateway.store.db(), id).await? else { return Ok(()) };
    let (challenge, now) = (sms.new.challenge, gateway.clock.now());
    let word = clip(match state {
        SmsState::Delivered => "delivered",
        _ => "not delivered",
    });
    let write = async move |tx: &mut Tx| {
        Sms::settle(tx, id, state, (None, &word), now).await?;
        note(tx, challenge, state, &word).await
    };
    gateway.store.db().write(write).await
}

/// The final state that a form or JSON speaks of, in the words of the services we know.
fn meaning(body: &str) -> Option<SmsState> {
    let words: Vec<String> =
        body.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_ascii_lowercase).collect();
    let says = |known: &[&str]| words.iter().any(|w| known.contains(&w.as_str()));
    // "undelivered" is a word of its own, so that it is never read as "delivered".
    if says(&["undelivered", "undeliv", "failed", "rejected", "rejectd", "expired"]) {
        Some(SmsState::Failed)
    } else if says(&["delivered", "delivrd"]) {
        Some(SmsState::Delivered)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_words_are_understood() {
        for (body, expected) in [
            ("MessageSid=SM1&MessageStatus=delivered", Some(SmsState::Delivered)),
            ("MessageSid=SM1&MessageStatus=undelivered", Some(SmsState::Failed)),
            ("MessageStatus=sent", None),
            ("{\"status\": \"DELIVRD\"}", Some(SmsState::Delivered)),
            ("{\"status\": \"EXPIRED\"}", Some(SmsState::Failed)),
            ("", None),
        ] {
            assert_eq!(meaning(body), expected, "{body}");
        }
    }
}
