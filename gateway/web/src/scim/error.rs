//! Errors of SCIM (RFC 7644 §3.12).

use crate::api::problem::{Kind, Problem};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use sealpost_store::StoreError;
use sealpost_store::account::AccountError;
use serde_json::json;

/// An error, by who is at fault.
#[derive(Debug, Clone)]
pub(super) enum ScimError {
    /// The token, the scope, our own trouble: as the API says it.
    Api(Problem),
    /// No such resource in this organisation.
    NotFound,
    /// The name is another's.
    Taken,
    /// The resource was changed since it was read.
    Changed,
    /// Not to be changed by SCIM.
    Fixed(&'static str),
    /// Not understood: `scimType`, and what.
    Bad(&'static str, String),
}

impl ScimError {
    pub(super) fn syntax(what: impl ToString) -> Self {
        Self::Bad("invalidSyntax", what.to_string())
    }
    pub(super) fn value(what: impl ToString) -> Self {
        Self::Bad("invalidValue", what.to_string())
    }
    pub(super) fn path(what: impl ToString) -> Self {
        Self::Bad("invalidPath", what.to_string())
    }
}

impl IntoResponse for ScimError {
    fn into_response(self) -> Response {
        let (status, kind, detail) = match self {
            Self::Api(problem) => {
                let (_, status, title) = problem.kind.words();
                let mut response = body(StatusCode::from_u16(status).unwrap_or_default(), None, title);
                if problem.kind == Kind::Unauthorized {
                    let challenge = HeaderValue::from_static("Bearer realm=\"sealpost\"");
                    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
                }
                return response;
            }
            Self::NotFound => (StatusCode::NOT_FOUND, None, "there is no such resource".to_owned()),
            Self::Taken => {
                (StatusCode::CONFLICT, Some("uniqueness"), "the name belongs to another".to_owned())
            }
            Self::Changed => {
                (StatusCode::PRECONDITION_FAILED, None, "it was changed since it was read".to_owned())
            }
            Self::Fixed(what) => (StatusCode::BAD_REQUEST, Some("mutability"), what.to_owned()),
            Self::Bad(kind, what) => (StatusCode::BAD_REQUEST, Some(kind), what),
        };
        body(status, kind, &detail)
    }
}

fn body(status: StatusCode, kind: Option<&str>, detail: &str) -> Response {
    let mut body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": status.as_str(), "detail": detail,
    });
    if let Some(kind) = kind {
        body["scimType"] = kind.into();
    }
    (status, [(header::CONTENT_TYPE, super::list::MEDIA_TYPE)], body.to_string()).into_response()
}

impl From<Problem> for ScimError {
    fn from(problem: Problem) -> Self {
        Self::Api(problem)
    }
}
impl From<StoreError> for ScimError {
    fn from(error: StoreError) -> Self {
        Self::Api(error.into())
    }
}
impl From<AccountError> for ScimError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Taken(_) => Self::Taken,
            AccountError::Unknown(_) => Self::NotFound,
            other => Self::Api(other.into()),
        }
    }
}
impl From<sealpost_evidence::EventError> for ScimError {
    fn from(error: sealpost_evidence::EventError) -> Self {
        Self::Api(Problem::internal("event", error))
    }
}
