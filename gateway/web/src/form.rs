//! Small bodies of our own forms.

use crate::fault::Fault;
use crate::state::WebState;
use axum::body::Body;
use bytes::Bytes;
use sealpost_envelope::Secret;
use serde::Deserialize;

/// Every field our forms know (contract 4.6); each form uses some.
#[derive(Deserialize)]
struct Raw {
    csrf: Option<String>,
    code: Option<String>,
    password: Option<String>,
}

/// A form as posted.
pub(crate) struct Fields {
    pub(crate) csrf: Option<String>,
    pub(crate) code: Option<Secret<String>>,
    pub(crate) password: Option<Secret<String>>,
}

impl Fields {
    /// Reads `application/x-www-form-urlencoded` up to the limit.
    pub(crate) async fn read(state: &WebState, body: Body) -> Result<Self, Fault> {
        let bytes = axum::body::to_bytes(body, state.limits.body).await.map_err(|_| Fault::TooLarge)?;
        Self::parse(bytes).await
    }

    /// Reads a body that is whole.
    pub(crate) async fn parse(bytes: Bytes) -> Result<Self, Fault> {
        let request = http::Request::builder()
            .method(http::Method::POST)
            .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(bytes))
            .map_err(|e| Fault::internal("form", e))?;
        let raw = <axum::Form<Raw> as axum::extract::FromRequest<()>>::from_request(request, &())
            .await
            .map_err(|_| Fault::BadForm)?
            .0;
        Ok(Self { csrf: raw.csrf, code: raw.code.map(Secret::new), password: raw.password.map(Secret::new) })
    }
}
