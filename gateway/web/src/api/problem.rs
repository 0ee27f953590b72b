//! Problems (RFC 9457): why a request was not carried out, for programs by its type, for people in words.
//!
//! The types are the anchors of the page `/api/docs`; a test compares them with the description.

use crate::actions::{ActionError, Refusal, SubmitError};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use sealpost_store::account::AccountError;
use sealpost_store::upload::UploadError;
use sealpost_store::{EndError, StoreError, blob::BlobError};
use std::fmt::Display;

/// What went wrong, in general.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Unauthorized,
    InsufficientScope,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    InvalidRequest,
    InvalidMessage,
    PolicyRefused,
    Conflict,
    ContentDestroyed,
    ProofPending,
    RequestRunning,
    KeyReused,
    OffsetConflict,
    ChecksumMismatch,
    UnsupportedVersion,
    PayloadTooLarge,
    UnsupportedMediaType,
    TooManyRequests,
    StorageShort,
    Unavailable,
    Internal,
}

impl Kind {
    /// Every kind.
    pub(crate) const ALL: [Self; 22] = [
        Self::Unauthorized,
        Self::InsufficientScope,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::InvalidRequest,
        Self::InvalidMessage,
        Self::PolicyRefused,
        Self::Conflict,
        Self::ContentDestroyed,
        Self::ProofPending,
        Self::RequestRunning,
        Self::KeyReused,
        Self::OffsetConflict,
        Self::ChecksumMismatch,
        Self::UnsupportedVersion,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::TooManyRequests,
        Self::StorageShort,
        Self::Unavailable,
        Self::Internal,
    ];

    /// Last part of its type, status, and title.
    pub(crate) fn words(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::Unauthorized => ("unauthorized", 401, "A valid bearer token is needed"),
            Self::InsufficientScope => ("insufficient-scope", 403, "The token lacks a scope"),
            Self::Forbidden => ("forbidden", 403, "The account may not do this"),
            Self::NotFound => ("not-found", 404, "There is nothing here for this account"),
            Self::MethodNotAllowed => ("method-not-allowed", 405, "This method does not exist here"),
            Self::InvalidRequest => ("invalid-request", 400, "The request cannot be understood"),
            Self::InvalidMessage => ("invalid-message", 422, "No message can be made of this"),
            Self::PolicyRefused => ("policy-refused", 403, "The rules refuse this message"),
            Self::Conflict => ("conflict", 409, "The state of things forbids this; nothing was changed"),
            Self::ContentDestroyed => ("content-destroyed", 410, "The content was destroyed"),
            Self::ProofPending => ("proof-pending", 409, "The proof is not complete yet"),
            Self::RequestRunning => {
                ("request-running", 409, "A request with this idempotency key is being worked on")
            }
            Self::KeyReused => {
                ("idempotency-key-reused", 422, "The idempotency key was used for another request")
            }
            Self::OffsetConflict => ("offset-conflict", 409, "The upload stands at another offset"),
            Self::ChecksumMismatch => ("checksum-mismatch", 460, "The checksum is another one"),
            Self::UnsupportedVersion => {
                ("unsupported-version", 412, "This version of tus is not spoken here")
            }
            Self::PayloadTooLarge => ("payload-too-large", 413, "This is larger than allowed"),
            Self::UnsupportedMediaType => {
                ("unsupported-media-type", 415, "This media type is not understood here")
            }
            Self::TooManyRequests => ("too-many-requests", 429, "Too many requests"),
            Self::StorageShort => ("storage-short", 507, "Storage is short"),
            Self::Unavailable => ("unavailable", 503, "Unavailable for a moment"),
            Self::Internal => ("internal", 500, "A fault on our side; it has been logged"),
        }
    }

    /// Whether the same request may do better later, and when.
    fn retry(self) -> Option<&'static str> {
        match self {
            Self::ProofPending | Self::RequestRunning => Some("2"),
            Self::TooManyRequests | Self::StorageShort => Some("60"),
            Self::Unavailable => Some("5"),
            _ => None,
        }
    }
}

/// One problem.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    detail: Option<String>,
    /// Where an upload stands.
    offset: Option<u64>,
}

impl Problem {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, detail: None, offset: None }
    }
    /// With what is particular to this one.
    pub(crate) fn detailed(kind: Kind, detail: impl Display) -> Self {
        Self { detail: Some(detail.to_string()), ..Self::new(kind) }
    }
    /// Logs the cause and hides it.
    pub(crate) fn internal(what: &str, cause: impl Display) -> Self {
        tracing::error!(%cause, "{what}");
        Self::new(Kind::Internal)
    }

    fn body(&self) -> serde_json::Value {
        let (name, status, title) = self.kind.words();
        let mut body = serde_json::json!({
            "type": format!("/api/docs#{name}"), "title": title, "status": status,
        });
        if let Some(detail) = &self.detail {
            body["detail"] = detail.as_str().into();
        }
        if let Some(offset) = self.offset {
            body["offset"] = offset.into();
        }
        body
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (name, status, _) = self.kind.words();
        // 460 is tus's own.
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, self.body().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        // RFC 6750 §3.
        let challenge = match self.kind {
            Kind::Unauthorized => Some("Bearer realm=\"sealpost\""),
            Kind::InsufficientScope => Some("Bearer realm=\"sealpost\", error=\"insufficient_scope\""),
            _ => None,
        };
        if let Some(challenge) = challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(seconds) = self.kind.retry() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        if let Some(offset) = self.offset {
            headers.insert("upload-offset", HeaderValue::from(offset));
        }
        if self.kind == Kind::UnsupportedVersion {
            headers.insert("tus-version", HeaderValue::from_static("1.0.0"));
        }
        tracing::debug!(problem = name, "answered");
        response
    }
}

impl From<StoreError> for Problem {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::NotFound(_) => Self::new(Kind::NotFound),
            StoreError::Busy | StoreError::NotCommitted(_) | StoreError::Closed => {
                tracing::warn!(cause = %e, "store");
                Self::new(Kind::Unavailable)
            }
            e if e.is_full() => Self::new(Kind::StorageShort),
            e => Self::internal("store", e),
        }
    }
}

impl From<EndError> for Problem {
    fn from(e: EndError) -> Self {
        match e {
            EndError::Store(e) => e.into(),
            e => Self::internal("journal", e),
        }
    }
}

impl From<AccountError> for Problem {
    fn from(e: AccountError) -> Self {
        match e {
            AccountError::Store(e) => e.into(),
            e => Self::internal("accounts", e),
        }
    }
}

impl From<BlobError> for Problem {
    fn from(e: BlobError) -> Self {
        match e {
            e if e.is_full() => Self::new(Kind::StorageShort),
            e => Self::internal("blob", e),
        }
    }
}

impl From<UploadError> for Problem {
    fn from(e: UploadError) -> Self {
        match e {
            UploadError::Unknown => Self::new(Kind::NotFound),
            UploadError::Offset(at) => Self { offset: Some(at), ..Self::detailed(Kind::OffsetConflict, e) },
            UploadError::TooMany => Self::detailed(Kind::TooManyRequests, e),
            UploadError::TooLarge(_) => Self::detailed(Kind::PayloadTooLarge, e),
            UploadError::Store(e) => e.into(),
            UploadError::Blob(e) => e.into(),
            e => Self::internal("upload", e),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(why: Refusal) -> Self {
        let kind = match why {
            Refusal::Destroyed => Kind::ContentDestroyed,
            Refusal::NoRecipient(_) | Refusal::WhichRecipient | Refusal::Past => Kind::InvalidRequest,
            Refusal::Forbidden => Kind::Forbidden,
            Refusal::Pending => Kind::ProofPending,
            _ => Kind::Conflict,
        };
        Self::detailed(kind, why)
    }
}

impl From<ActionError> for Problem {
    fn from(e: ActionError) -> Self {
        match e {
            ActionError::Refused(why) => why.into(),
            ActionError::Store(e) => e.into(),
            ActionError::Account(e) => e.into(),
            ActionError::Fault(cause) => Self::internal("action", cause),
        }
    }
}

impl From<SubmitError> for Problem {
    fn from(e: SubmitError) -> Self {
        match e {
            SubmitError::Invalid(why) => Self::detailed(Kind::InvalidMessage, why),
            SubmitError::Refused(why) => Self::detailed(Kind::PolicyRefused, why),
            SubmitError::Full => Self::new(Kind::StorageShort),
            SubmitError::Broken => Self::detailed(Kind::InvalidRequest, "the message did not arrive whole"),
            SubmitError::Fault => Self::new(Kind::Unavailable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn types_are_distinct_and_statuses_valid() {
        let names: HashSet<_> = Kind::ALL.iter().map(|k| k.words().0).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            let response = Problem::detailed(kind, "x").into_response();
            assert_eq!(response.status().as_u16(), kind.words().1);
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        }
        let challenge = Problem::new(Kind::Unauthorized).into_response();
        assert!(challenge.headers().contains_key(header::WWW_AUTHENTICATE));
    }
}
