//! Files: downloads with ranges, inline views, pictures of the body. All need an opened session.

use crate::content::{Content, File};
use crate::ctx::Ctx;
use crate::events::Scribe;
use crate::fault::Fault;
use crate::headers::CSP_SANDBOX;
use crate::pages::show;
use crate::range::{Wanted, wanted};
use crate::sending::{Over, Sending};
use crate::state::WebState;
use crate::view::Door;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::header::{self, HeaderValue};
use http::{HeaderMap, StatusCode};
use sealpost_envelope::PartNo;
use sealpost_store::access::{FileMark, Grant, Span, record};

/// `GET /m/{token}/files/{n}`
pub(crate) async fn download(
    State(state): State<WebState>,
    ctx: Ctx,
    Path((token, n)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let response = deliver(&state, &ctx, &token, &n, &headers, false).await;
    show(&state, &ctx, response)
}

/// `GET /m/{token}/files/{n}/view`
pub(crate) async fn view(
    State(state): State<WebState>,
    ctx: Ctx,
    Path((token, n)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let response = deliver(&state, &ctx, &token, &n, &headers, true).await;
    show(&state, &ctx, response)
}

async fn deliver(
    state: &WebState,
    ctx: &Ctx,
    token: &str,
    n: &str,
    headers: &HeaderMap,
    look: bool,
) -> Result<Response, Fault> {
    let door = Door::enter(state, token).await?;
    let grant = door.opened(state, ctx).await?;
    let content = Content::load(state, &door)?;
    let file = content.file(number(n)?)?;
    if look && viewable(&file).is_none() {
        return Err(Fault::Unknown);
    }
    let etag = file.etag();
    if has_it(headers, &etag) {
        return respond(StatusCode::NOT_MODIFIED, &file, look, Body::empty());
    }
    let (status, span) = match wanted(headers, file.size, &etag) {
        Wanted::Whole => (StatusCode::OK, Span { first: 0, past: file.size }),
        Wanted::Part { first, past } => (StatusCode::PARTIAL_CONTENT, Span { first, past }),
        Wanted::Unsatisfiable => {
            let mut response = respond(StatusCode::RANGE_NOT_SATISFIABLE, &file, look, Body::empty())?;
            set(&mut response, header::CONTENT_RANGE, &format!("bytes */{}", file.size))?;
            return Ok(response);
        }
    };
    let source = content.read(state, &door, &file, span.first..span.past).await?;
    let scribe = Scribe::new(&door, content.facts(state, &door).await?, ctx);
    let over = over(state, scribe, grant, file.clone(), span.first, look);
    let length = span.past - span.first;
    let mut response = respond(status, &file, look, Body::new(Sending::new(source, length, Some(over))))?;
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {}-{}/{}", span.first, span.past - 1, file.size);
        set(&mut response, header::CONTENT_RANGE, &range)?;
    }
    Ok(response)
}

/// `GET /m/{token}/inline/{n}`: a picture that the body shows by `cid:`. It is part of the message that was
/// opened, so that nothing further is recorded.
pub(crate) async fn inline(
    State(state): State<WebState>,
    ctx: Ctx,
    Path((token, n)): Path<(String, String)>,
) -> Response {
    let response = async {
        let door = Door::enter(&state, &token).await?;
        door.opened(&state, &ctx).await?;
        let content = Content::load(&state, &door)?;
        let file = content.picture(number(&n)?)?;
        if !viewable(&file).is_some_and(|t| t.starts_with("image/")) {
            return Err(Fault::Unknown);
        }
        let source = content.read(&state, &door, &file, 0..file.size).await?;
        respond(StatusCode::OK, &file, true, Body::new(Sending::new(source, file.size, None)))
    };
    let response = response.await;
    show(&state, &ctx, response)
}

/// `If-None-Match` names this validator (RFC 9110 §13.1.2: a list, or any; compared weakly).
fn has_it(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok());
    let mut tags = values.flat_map(|v| v.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

fn number(text: &str) -> Result<PartNo, Fault> {
    // Canonical digits only, so that a file has one address.
    text.parse().ok().filter(|n: &PartNo| n.to_string() == text).ok_or(Fault::Unknown)
}

/// Records, after the response, what of `file` was sent in this session.
pub(crate) fn over(
    state: &WebState,
    scribe: Scribe,
    grant: Grant,
    file: File,
    first: u64,
    look: bool,
) -> Over {
    let state = state.clone();
    Box::new(move |sent| {
        // A HEAD request, or a client that was gone before the first byte.
        if sent == 0 && file.size > 0 {
            return;
        }
        let span = Span { first, past: first + sent };
        state.clone().tasks.spawn(async move {
            if let Err(fault) = note(&state, scribe, grant, file, span, look).await {
                tracing::error!(?fault, "a download could not be recorded");
            }
        });
    })
}

async fn note(
    state: &WebState,
    scribe: Scribe,
    grant: Grant,
    file: File,
    span: Span,
    look: bool,
) -> Result<(), Fault> {
    let now = state.clock.now();
    state
        .store
        .db()
        .write_as(async move |tx| {
            let mark = record(tx, &grant, (file.n, file.size), span, look, now).await?;
            let event = match mark {
                FileMark::Completed => scribe.handed_over(&grant, &file, now)?,
                FileMark::Tracked => scribe.tracked(&grant, &file, span, look, now)?,
                FileMark::Nothing => return Ok(()),
            };
            tx.append(vec![event]).await?;
            Ok::<_, Fault>(())
        })
        .await
}

/// The type under which a browser may show the file by itself; `None` for all that can hold scripts.
pub(crate) fn viewable(file: &File) -> Option<String> {
    Some(match file.media_type.as_str() {
        t @ ("application/pdf" | "image/png" | "image/jpeg" | "image/gif" | "image/webp" | "image/avif") => {
            t.to_owned()
        }
        "text/plain" | "text/csv" | "text/markdown" => {
            let charset = file.charset.as_deref().filter(|c| is_token(c)).unwrap_or("utf-8");
            format!("text/plain; charset={charset}")
        }
        _ => return None,
    })
}

fn respond(status: StatusCode, file: &File, look: bool, body: Body) -> Result<Response, Fault> {
    let shown = if look { viewable(file) } else { None };
    let media_type = shown.clone().unwrap_or_else(|| safe_type(&file.media_type));
    let mut response = Response::new(body);
    *response.status_mut() = status;
    set(&mut response, header::CONTENT_TYPE, &media_type)?;
    set(&mut response, header::CONTENT_DISPOSITION, &disposition(&file.name, shown.is_some()))?;
    set(&mut response, header::ETAG, &file.etag())?;
    set(&mut response, header::ACCEPT_RANGES, "bytes")?;
    // `no-store` would keep some browsers from resuming; the copy stays with this browser only.
    set(&mut response, header::CACHE_CONTROL, "private, no-cache")?;
    set(&mut response, header::CONTENT_SECURITY_POLICY, CSP_SANDBOX)?;
    Ok(response)
}

fn set(response: &mut Response, name: header::HeaderName, value: &str) -> Result<(), Fault> {
    let value = HeaderValue::from_str(value).map_err(|e| Fault::internal("header", e))?;
    response.headers_mut().insert(name, value);
    Ok(())
}

/// The declared type where it is one, for the client's choice of program.
fn safe_type(media_type: &str) -> String {
    match media_type.split_once('/') {
        Some((a, b)) if is_token(a) && is_token(b) => media_type.to_owned(),
        _ => "application/octet-stream".to_owned(),
    }
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 100
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// RFC 6266: a plain name for old clients, the exact one in UTF-8 (RFC 8187) for all others.
pub(crate) fn disposition(name: &str, inline: bool) -> String {
    let kind = if inline { "inline" } else { "attachment" };
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_graphic() && !"\"\\%;/".contains(c) || c == ' ' { c } else { '_' })
        .collect();
    if plain == name {
        return format!("{kind}; filename=\"{plain}\"");
    }
    let mut exact = String::new();
    for b in name.bytes() {
        // RFC 8187 §3.2.1, attr-char.
        if b.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&b) {
            exact.push(b as char);
        } else {
            exact.push_str(&format!("%{b:02X}"));
        }
    }
    format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{exact}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_downloads() {
        for (name, expected) in [
            ("a b.pdf", "attachment; filename=\"a b.pdf\""),
            ("été.pdf", "attachment; filename=\"_t_.pdf\"; filename*=UTF-8''%C3%A9t%C3%A9.pdf"),
            ("x\"; y.txt", "attachment; filename=\"x__ y.txt\"; filename*=UTF-8''x%22%3B%20y.txt"),
            ("100%.txt", "attachment; filename=\"100_.txt\"; filename*=UTF-8''100%25.txt"),
        ] {
            assert_eq!(disposition(name, false), expected);
        }
        assert!(disposition("a\r\nSet-Cookie: x", false).chars().all(|c| c.is_ascii_graphic() || c == ' '));
    }

    #[test]
    fn what_a_browser_has_already() {
        for (value, expected) in [
            ("\"abc\"", true),
            ("\"x\", W/\"abc\"", true),
            ("*", true),
            ("\"ab\"", false),
            ("abc", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, value.parse().unwrap());
            assert_eq!(has_it(&headers, "\"abc\""), expected, "{value}");
        }
    }

    #[test]
    fn types_and_numbers() {
        assert_eq!(safe_type("application/pdf"), "application/pdf");
        assert_eq!(safe_type("text/html\r\nx"), "application/octet-stream");
        assert_eq!(safe_type("nonsense"), "application/octet-stream");
        assert!(matches!(number("7"), Ok(7)));
        for bad in ["07", "+7", "-1", "", "4294967296", "1a"] {
            assert!(number(bad).is_err(), "{bad}");
        }
    }
}
