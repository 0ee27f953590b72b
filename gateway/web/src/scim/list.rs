//! Pages of resources, single resources, and bodies.

use super::error::ScimError;
use crate::api::problem::{Kind, Problem};
use crate::api::request::media_type;
use crate::state::WebState;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use sealpost_envelope::Sha256Digest;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// RFC 7644 §8.1.
pub(super) const MEDIA_TYPE: &str = "application/scim+json";
/// Resources on one page, unless less are asked for.
const PAGE: u32 = 100;
/// Most of them.
pub(super) const MOST: u32 = 200;

/// What a list may be asked.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Asked {
    pub(super) filter: Option<String>,
    start_index: Option<i64>,
    count: Option<i64>,
    excluded_attributes: Option<String>,
    attributes: Option<String>,
}

impl Asked {
    /// Reads a query; parameters that mean nothing here are passed over (RFC 7644 §3.4.2).
    pub(super) fn read(query: Option<&str>) -> Result<Self, ScimError> {
        let uri = format!("/?{}", query.unwrap_or_default())
            .parse()
            .map_err(|e: http::uri::InvalidUri| ScimError::syntax(e))?;
        let axum::extract::Query(asked) =
            axum::extract::Query::try_from_uri(&uri).map_err(|e| ScimError::syntax(e.body_text()))?;
        Ok(asked)
    }
    /// Resources to skip, and how many to show (RFC 7644 §3.4.2.4: below 1 is 1, below 0 is 0).
    pub(super) fn window(&self) -> (u32, u32) {
        let skip = self.start_index.unwrap_or(1).clamp(1, i64::from(u32::MAX)) - 1;
        let count = self.count.unwrap_or(i64::from(PAGE)).clamp(0, i64::from(MOST));
        (u32::try_from(skip).unwrap_or(u32::MAX), u32::try_from(count).unwrap_or(PAGE))
    }
    /// A resource with what was asked for only; its identity stays (RFC 7644 §3.9).
    pub(super) fn shown(&self, mut resource: Value) -> Value {
        let Some(map) = resource.as_object_mut() else { return resource };
        let named = |list: &str, key: &str| {
            list.split(',').any(|a| a.trim().split('.').next().is_some_and(|a| a.eq_ignore_ascii_case(key)))
        };
        map.retain(|key, _| {
            let always = matches!(key.as_str(), "id" | "schemas" | "meta");
            let wanted = self.attributes.as_deref().is_none_or(|list| named(list, key));
            let unwanted = self.excluded_attributes.as_deref().is_some_and(|list| named(list, key));
            always || wanted && !unwanted
        });
        resource
    }
    /// A page of them.
    pub(super) fn page(&self, total: u64, resources: Vec<Value>) -> Response {
        let resources: Vec<Value> = resources.into_iter().map(|r| self.shown(r)).collect();
        json_of(
            StatusCode::OK,
            &json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
                "totalResults": total, "startIndex": self.window().0 + 1, "itemsPerPage": resources.len(),
                "Resources": resources,
            }),
        )
    }
}

/// An answer without ETag.
pub(super) fn json_of(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body.to_string()).into_response()
}

/// A resource with its place and version.
pub(super) fn resource(status: StatusCode, body: &Value) -> Response {
    let mut response = json_of(status, body);
    let headers = response.headers_mut();
    for (name, value) in
        [(header::LOCATION, &body["meta"]["location"]), (header::ETAG, &body["meta"]["version"])]
    {
        if let Some(value) = value.as_str().and_then(|v| v.parse().ok()) {
            headers.insert(name, value);
        }
    }
    response
}

/// Adds `meta`, whose version follows from everything else.
pub(super) fn with_meta(mut body: Value, kind: &str, location: &str, times: (String, String)) -> Value {
    let version = format!("W/\"{}\"", &Sha256Digest::of(body.to_string().as_bytes()).to_hex()[..32]);
    body["meta"] = json!({
        "resourceType": kind, "created": times.0, "lastModified": times.1, "location": location, "version": version,
    });
    body
}

/// Refuses when the program knows an older version (RFC 7644 §3.14).
pub(super) fn is_current(headers: &HeaderMap, body: &Value) -> Result<(), ScimError> {
    let Some(known) = headers.get(header::IF_MATCH).and_then(|v| v.to_str().ok()) else { return Ok(()) };
    let version = body["meta"]["version"].as_str().unwrap_or_default();
    let same = known.trim() == "*" || known.split(',').any(|v| v.trim() == version);
    if same { Ok(()) } else { Err(ScimError::Changed) }
}

/// Reads a body: one JSON object.
pub(super) async fn body(
    state: &WebState,
    headers: &HeaderMap,
    body: Body,
) -> Result<Map<String, Value>, ScimError> {
    if !matches!(media_type(headers).as_deref(), Some(MEDIA_TYPE | "application/json")) {
        return Err(Problem::new(Kind::UnsupportedMediaType).into());
    }
    let bytes = axum::body::to_bytes(body, state.limits.program_body).await;
    let bytes = bytes.map_err(|_| Problem::new(Kind::PayloadTooLarge))?;
    serde_json::from_slice(&bytes).map_err(|e: serde_json::Error| ScimError::syntax(e))
}

/// A member, whose name has no case (RFC 7643 §2.1).
pub(super) fn member<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    map.iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .filter(|v| !v.is_null())
}

/// A text of at most 500 characters, without what cannot be seen.
pub(super) fn text(value: &Value) -> Option<String> {
    let text: String = value.as_str()?.chars().filter(|c| !c.is_control()).take(500).collect();
    let text = text.trim().to_owned();
    (!text.is_empty()).then_some(text)
}
