//! Uploads of files of any size in pieces, resumable: tus 1.0.0, for programs and for our own pages.
//!
//! **Job.** Creation, the core protocol, expiration, termination and checksum. A deposit takes a complete upload
//! by its id (`api/create.rs`); what none takes expires.
//!
//! **Exposure.** Accounts, and guests within what their invitation allows. Octets are opaque, sealed under a key of the upload while they arrive and durable
//! before their offset is answered; memory stays small whatever the size. Names and types are kept as words, never
//! used as paths.
//!
//! **Standards.** tus resumable upload protocol 1.0.0 (core, creation, expiration, termination, checksum).
//!
//! **Failure.** A connection that breaks keeps what had arrived; a wrong offset is answered with the right one.

mod receive;

use crate::api::caller::Uploader;
use crate::api::problem::{Kind, Problem};
use crate::api::request::media_type;
use crate::state::WebState;
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{head, post};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use sealpost_store::upload::{Upload, UploadMeta};
use std::str::FromStr;
use uuid::Uuid;

/// The version spoken here.
const VERSION: &str = "1.0.0";
const EXTENSIONS: &str = "creation,expiration,termination,checksum";
const CHECKSUMS: &str = "sha1,sha256";
/// Longest `Upload-Metadata`, and longest name or type in it.
const METADATA: usize = 4096;
const WORD: usize = 255;

/// Below `/api/v1`, where a router is nested, and below the page of each invitation.
pub(crate) fn routes(below: &str) -> Router<WebState> {
    Router::new()
        .route(&format!("{below}/uploads"), post(create).options(options))
        .route(
            &format!("{below}/uploads/{{id}}"),
            head(offset).patch(append).delete(end).post(overridden).options(options),
        )
        .layer(from_fn(version))
}

/// Whether a request may take as long as its body goes on arriving.
pub(crate) fn is_long(method: &Method, path: &str) -> bool {
    let upload = path.starts_with("/api/v1/uploads/") || path.starts_with("/g/");
    (*method == Method::PATCH || *method == Method::POST) && upload
        || *method == Method::POST && (path == "/api/v1/deposits" || path == "/compose")
}

/// Every request but OPTIONS says which version it speaks, every answer too.
async fn version(request: Request, next: Next) -> Response {
    let spoken = request.headers().get("tus-resumable").is_some_and(|v| v == VERSION);
    let mut response = match spoken || request.method() == Method::OPTIONS {
        true => next.run(request).await,
        false => {
            Problem::detailed(Kind::UnsupportedVersion, "Tus-Resumable: 1.0.0 is needed").into_response()
        }
    };
    response.headers_mut().insert("tus-resumable", HeaderValue::from_static(VERSION));
    response
}

/// Takes a form's file in; [`sealpost_store::Store::close_upload`] then says how long it is.
pub(crate) async fn receive(state: &WebState, upload: &Upload, body: Body) -> Result<u64, Problem> {
    receive::receive(state, upload, body, None).await
}

async fn options(State(state): State<WebState>) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    for (name, value) in
        [("tus-version", VERSION), ("tus-extension", EXTENSIONS), ("tus-checksum-algorithm", CHECKSUMS)]
    {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if state.limits.upload > 0 {
        headers.insert("tus-max-size", HeaderValue::from(state.limits.upload));
    }
    response
}

fn bad(what: &str) -> Problem {
    Problem::detailed(Kind::InvalidRequest, what)
}

/// A header with a number in it.
fn number(headers: &HeaderMap, name: &str) -> Result<u64, Problem> {
    let read = |value: &HeaderValue| {
        let text = value.to_str().ok()?;
        // What other readers would take for a number too, and nothing else.
        text.bytes().all(|b| b.is_ascii_digit()).then(|| u64::from_str(text).ok())?
    };
    let value = headers.get(name).and_then(read).filter(|n| i64::try_from(*n).is_ok());
    value.ok_or_else(|| bad(&format!("{name}: a number is needed")))
}

/// `POST /api/v1/uploads`
async fn create(
    State(state): State<WebState>,
    by: Uploader,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let length = number(&headers, "upload-length")?;
    let limit = state.limits.upload;
    if limit > 0 && length > limit {
        return Err(Problem::detailed(
            Kind::PayloadTooLarge,
            format!("an upload has {limit} octets at most"),
        ));
    }
    // Not 507: whoever asks for more than there is finds no better answer later.
    if !state.hooks.desk.has_room(length) {
        return Err(Problem::detailed(Kind::PayloadTooLarge, "there is no room for so many octets"));
    }
    let meta = metadata(&headers)?;
    let expires = state
        .clock
        .now()
        .checked_add(state.limits.upload_kept)
        .map_err(|e| Problem::internal("the end of an upload", e))?;
    let upload = state.store.create_upload(by.entity, by.owner, length, meta, expires).await?;
    let mut response = StatusCode::CREATED.into_response();
    let place = format!("{}{}/{}", state.url, by.place, upload.id);
    let place = HeaderValue::from_str(&place).map_err(|e| Problem::internal("the place of an upload", e))?;
    response.headers_mut().insert(header::LOCATION, place);
    tell(&mut response, &upload, upload.received);
    Ok(response)
}

/// `Upload-Metadata`: keys with base64 values, separated by commas. We keep `filename` and `filetype`.
fn metadata(headers: &HeaderMap) -> Result<UploadMeta, Problem> {
    let mut meta = UploadMeta::default();
    let Some(value) = headers.get("upload-metadata") else { return Ok(meta) };
    let text = value.to_str().ok().filter(|t| t.len() <= METADATA);
    let text = text.ok_or_else(|| bad("Upload-Metadata: at most 4096 ASCII characters"))?;
    for pair in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
        let place = match key {
            "filename" | "name" => &mut meta.name,
            "filetype" | "type" => &mut meta.media_type,
            _ => continue,
        };
        let decoded = base64_simd::STANDARD
            .decode_to_vec(value.trim().as_bytes())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| bad("Upload-Metadata: a value is not base64 of UTF-8"))?;
        *place = Some(decoded.chars().filter(|c| !c.is_control()).take(WORD).collect())
            .filter(|word: &String| !word.trim().is_empty());
    }
    Ok(meta)
}

/// Where an upload stands, and until when.
fn tell(response: &mut Response, upload: &Upload, received: u64) {
    let headers = response.headers_mut();
    headers.insert("upload-offset", HeaderValue::from(received));
    let expires = upload.expires.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(value) = HeaderValue::from_str(&expires) {
        headers.insert("upload-expires", value);
    }
}

/// The upload that an address ends with.
struct Named(Uuid);

impl<S: Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let last = parts.uri.path().rsplit('/').next().unwrap_or_default();
        last.parse().map(Self).map_err(|_| Problem::new(Kind::NotFound))
    }
}

/// `HEAD /api/v1/uploads/{id}`
async fn offset(State(state): State<WebState>, by: Uploader, Named(id): Named) -> Result<Response, Problem> {
    let upload = state.store.upload(by.owner, id).await?;
    let mut response = StatusCode::OK.into_response();
    response.headers_mut().insert("upload-length", HeaderValue::from(upload.length));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    tell(&mut response, &upload, upload.received);
    Ok(response)
}

/// `PATCH /api/v1/uploads/{id}`
async fn append(
    State(state): State<WebState>,
    by: Uploader,
    Named(id): Named,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    if media_type(&headers).as_deref() != Some("application/offset+octet-stream") {
        let words = "the body must be application/offset+octet-stream";
        return Err(Problem::detailed(Kind::UnsupportedMediaType, words));
    }
    let at = number(&headers, "upload-offset")?;
    let checksum = headers.get("upload-checksum").map(receive::Checksum::read).transpose()?;
    let upload = state.store.upload(by.owner, id).await?;
    if at != upload.received {
        return Err(sealpost_store::upload::UploadError::Offset(upload.received).into());
    }
    let received = receive::receive(&state, &upload, body, checksum).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    tell(&mut response, &upload, received);
    Ok(response)
}

/// `DELETE /api/v1/uploads/{id}`
async fn end(State(state): State<WebState>, by: Uploader, Named(id): Named) -> Result<Response, Problem> {
    match state.store.end_upload(by.owner, id).await? {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(Problem::new(Kind::NotFound)),
    }
}

/// `POST` with `X-HTTP-Method-Override`, for clients that can send no other method.
async fn overridden(
    state: State<WebState>,
    uploader: Uploader,
    name: Named,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    match headers.get("x-http-method-override").and_then(|v| v.to_str().ok()) {
        Some("PATCH") => append(state, uploader, name, headers, body).await,
        Some("DELETE") => end(state, uploader, name).await,
        _ => Err(Problem::new(Kind::MethodNotAllowed)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<UploadMeta, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert("upload-metadata", value.parse().unwrap());
        metadata(&headers)
    }

    #[test]
    fn metadata_is_read_and_tamed() {
        // "scan é.pdf", "application/pdf", "a\nb"
        let meta = read("filename c2NhbiDDqS5wZGY=,filetype YXBwbGljYXRpb24vcGRm, other eA==,flag").unwrap();
        assert_eq!(meta.name.as_deref(), Some("scan é.pdf"));
        assert_eq!(meta.media_type.as_deref(), Some("application/pdf"));
        assert_eq!(read("filename YQpi").unwrap().name.as_deref(), Some("ab"));
        assert_eq!(read("filename").unwrap().name, None);
        for bad in ["filename ###", "filename /w==", &format!("filename {}", "A".repeat(5000))] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_are_plain_digits() {
        for (text, value) in [
            ("0", Some(0)),
            ("5368709120", Some(5_368_709_120)),
            ("+1", None),
            ("-1", None),
            ("1.0", None),
            ("", None),
            ("9223372036854775808", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("upload-length", text.parse().unwrap());
            assert_eq!(number(&headers, "upload-length").ok(), value, "{text}");
        }
    }
}
