//! Around every request: a time limit, the security headers, a plain answer where nothing else fits.

use crate::state::WebState;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};

/// Policy of our own pages: nothing from elsewhere, nothing inline.
const CSP: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
                   base-uri 'none'; frame-ancestors 'none'";
/// Policy of a stranger's document shown inline: an opaque origin without scripts, forms, or network.
pub(crate) const CSP_SANDBOX: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; \
                                      object-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// For files of any size: ten gigabytes at two megabits a second.
const LONG: std::time::Duration = std::time::Duration::from_secs(12 * 3600);

/// The outermost layer.
pub(crate) async fn around(State(state): State<WebState>, request: Request, next: Next) -> Response {
    // Covers the request's body and the answer's head; a long answer's body has its own limit.
    let uploads = request.method() == http::Method::POST && request.uri().path() == "/verify";
    let limit = match uploads {
        true => crate::verify::UPLOAD,
        // Those end a silent client themselves.
        false if crate::uploads::is_long(request.method(), request.uri().path()) => LONG,
        // A proof is written whole before its first octet leaves; ours to do, not the client's.
        false if is_proof(request.method(), request.uri().path()) => LONG,
        false => state.limits.request,
    };
    let mut response = match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), payment=()",
        ),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
    ] {
        default(headers, name, value);
    }
    // On loopback it would lock other programs of the developer out of plain HTTP.
    if has_public_host(&state.url) {
        default(headers, header::STRICT_TRANSPORT_SECURITY, "max-age=63072000");
    }
    response
}

/// The download of a proof, which holds the message and takes as long as that is large.
fn is_proof(method: &http::Method, path: &str) -> bool {
    // The same for programs and for people.
    let path = path.strip_prefix("/api/v1").unwrap_or(path);
    let id = path.strip_prefix("/deposits/").and_then(|rest| rest.strip_suffix("/proof"));
    *method == http::Method::GET && id.is_some_and(|id| !id.is_empty() && !id.contains('/'))
}

fn default(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.entry(name).or_insert(HeaderValue::from_static(value));
}

fn has_public_host(url: &str) -> bool {
    let host = url.trim_start_matches("https://").split(['/', ':']).next().unwrap_or("");
    host.contains('.') && !host.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

#[cfg(test)]
mod tests {
    use http::Method;

    #[test]
    fn a_proof_may_take_its_time_and_nothing_else_beside_it() {
        for (method, path, long) in [
            (Method::GET, "/api/v1/deposits/0190c3f2-7a1b-7c3d-9e4f-5a6b7c8d9e0f/proof", true),
            (Method::GET, "/deposits/7K2MQ4XB/proof", true),
            (Method::POST, "/api/v1/deposits/7K2MQ4XB/proof", false),
            (Method::GET, "/api/v1/deposits/7K2MQ4XB", false),
            (Method::GET, "/api/v1/deposits//proof", false),
            (Method::GET, "/api/v1/deposits/a/b/proof", false),
            (Method::GET, "/api/v1/deposits/proof", false),
        ] {
            assert_eq!(super::is_proof(&method, path), long, "{method} {path}");
        }
    }

    #[test]
    fn strict_transport_is_for_real_names() {
        for (url, public) in [
            ("https://depot.example.org", true),
            ("https://depot.example.org:8443", true),
            ("https://localhost:8443", false),
            ("https://127.0.0.1:8443", false),
            ("https://[::1]:8443", false),
        ] {
            assert_eq!(super::has_public_host(url), public, "{url}");
        }
    }
}
