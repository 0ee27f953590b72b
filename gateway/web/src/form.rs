//! Small bodies of our own forms.

use crate::fault::Fault;
use crate::state::WebState;
use axum::body::Body;
use bytes::Bytes;
use sealpost_envelope::Secret;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Reads a form of any shape, up to the limit.
pub(crate) async fn read<T: DeserializeOwned>(state: &WebState, body: Body) -> Result<T, Fault> {
    let bytes = axum::body::to_bytes(body, state.limits.body).await.map_err(|_| Fault::TooLarge)?;
    parse(bytes).await
}

pub(crate) async fn parse<T: DeserializeOwned>(bytes: Bytes) -> Result<T, Fault> {
    let request = http::Request::builder()
        .method(http::Method::POST)
        .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(bytes))
        .map_err(|e| Fault::internal("form", e))?;
    let form = <axum::Form<T> as axum::extract::FromRequest<()>>::from_request(request, &()).await;
    Ok(form.map_err(|_| Fault::BadForm)?.0)
}

/// Every field our forms know; each form uses some.
#[derive(Deserialize)]
struct Raw {
    csrf: Option<String>,
    code: Option<String>,
    password: Option<String>,
    altcha: Option<String>,
    wait: Option<String>,
    name: Option<String>,
}

/// A form as posted.
pub(crate) struct Fields {
    pub(crate) csrf: Option<String>,
    pub(crate) code: Option<Secret<String>>,
    pub(crate) password: Option<Secret<String>>,
    /// Answer to a proof of work, and a note that a pause has passed.
    pub(crate) altcha: Option<String>,
    pub(crate) wait: Option<String>,
    /// How somebody calls themselves.
    pub(crate) name: Option<String>,
}

impl Fields {
    /// Reads `application/x-www-form-urlencoded` up to the limit.
    pub(crate) async fn read(state: &WebState, body: Body) -> Result<Self, Fault> {
        let bytes = axum::body::to_bytes(body, state.limits.body).await.map_err(|_| Fault::TooLarge)?;
        Self::parse(bytes).await
    }

    /// Reads a body that is whole.
    pub(crate) async fn parse(bytes: Bytes) -> Result<Self, Fault> {
        let raw: Raw = parse(bytes).await?;
        Ok(Self {
            csrf: raw.csrf,
            code: raw.code.map(Secret::new),
            password: raw.password.map(Secret::new),
            altcha: raw.altcha,
            wait: raw.wait,
            name: raw.name,
        })
    }
}

/// The login's form, and where to go on to.
#[derive(Deserialize)]
struct RawLogin {
    identifier: Option<String>,
    password: Option<String>,
    code: Option<String>,
    csrf: Option<String>,
    next: Option<String>,
}

/// The login as posted. What was left empty is absent.
pub(crate) struct LoginFields {
    pub(crate) identifier: String,
    pub(crate) password: Option<Secret<String>>,
    pub(crate) code: Option<Secret<String>>,
    pub(crate) csrf: Option<String>,
    pub(crate) next: Option<String>,
}

impl LoginFields {
    /// Reads `application/x-www-form-urlencoded` up to the limit.
    pub(crate) async fn read(state: &WebState, body: Body) -> Result<Self, Fault> {
        let raw: RawLogin = read(state, body).await?;
        let secret = |text: Option<String>| text.filter(|t| !t.is_empty()).map(Secret::new);
        let identifier = raw.identifier.unwrap_or_default();
        Ok(Self {
            identifier: identifier.trim().chars().take(320).collect(),
            password: secret(raw.password),
            code: secret(raw.code.map(|c| c.trim().to_owned())),
            csrf: raw.csrf,
            next: raw.next,
        })
    }
}
