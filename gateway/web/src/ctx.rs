//! What a handler knows of its request besides the path: language, cookies, address, and the `csrf` value.
//!
//! **Exposure.** Reads headers of strangers; all lengths are bounded by the server's header limit and
//! values of ours are recomputed, never trusted.

use crate::state::WebState;
use aws_lc_rs::hmac;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use sealpost_envelope::Language;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use subtle::ConstantTimeEq;

/// Cookie that ties forms to the browser they were shown in.
const BROWSER: &str = "__Host-sealpost-b";
/// Cookie that keeps an explicit choice of language.
const LANGUAGE: &str = "__Host-sealpost-lang";
/// Octets of a cookie's random value.
const RANDOM: usize = 32;

/// The request as handlers see it.
#[derive(Debug)]
pub(crate) struct Ctx {
    pub(crate) language: Language,
    browser: String,
    fresh: bool,
    chosen: Option<Language>,
    cookies: Vec<(String, String)>,
    pub(crate) peer: Option<IpAddr>,
    pub(crate) agent: Option<String>,
    pub(crate) foreign: bool,
    /// The query as asked for.
    query: String,
}

impl FromRequestParts<WebState> for Ctx {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &WebState) -> Result<Self, Infallible> {
        let cookies = cookies(&parts.headers);
        let find = |name: &str| cookies.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let chosen = parts
            .uri
            .query()
            .and_then(|q| q.split('&').find_map(|pair| pair.strip_prefix("lang=").and_then(language)));
        let accepted = || {
            let header = parts.headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
            Language::negotiate(header)
        };
        let fallback = || state.first_entity().map_or(Language::Fr, |e| e.language);
        let language = chosen.or_else(|| find(LANGUAGE).and_then(language)).or_else(accepted);
        let browser = find(BROWSER).filter(|b| is_random(b)).map(str::to_owned);
        let text = |name: header::HeaderName| parts.headers.get(name).and_then(|v| v.to_str().ok());
        Ok(Self {
            language: language.unwrap_or_else(fallback),
            fresh: browser.is_none(),
            browser: browser.unwrap_or_else(random),
            chosen,
            peer: parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip().to_canonical()),
            agent: text(header::USER_AGENT).map(|a| a.chars().take(200).collect()),
            // Fetch Metadata: browsers that send it say when another site made the request.
            foreign: parts
                .headers
                .get("sec-fetch-site")
                .is_some_and(|v| v == "cross-site" || v == "same-site"),
            cookies,
            query: parts.uri.query().unwrap_or_default().to_owned(),
        })
    }
}

impl Ctx {
    /// The `csrf` value of forms shown to this browser for `scope` (the link's path).
    pub(crate) fn csrf(&self, state: &WebState, scope: &str) -> String {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &state.keys.csrf));
        context.update(b"sealpost csrf v1\0");
        context.update(self.browser.as_bytes());
        context.update(&[0]);
        context.update(scope.as_bytes());
        base64_simd::URL_SAFE_NO_PAD.encode_to_string(&context.sign().as_ref()[..24])
    }
    /// Whether a POST came from a form of ours in this browser.
    pub(crate) fn is_ours(&self, state: &WebState, scope: &str, given: Option<&str>) -> bool {
        let expected = self.csrf(state, scope);
        // A browser without the cookie was shown no form.
        !self.fresh
            && !self.foreign
            && given.is_some_and(|g| bool::from(g.as_bytes().ct_eq(expected.as_bytes())))
    }
    /// This page again with another value of one parameter of its query, as a relative reference.
    pub(crate) fn with_query(&self, name: &str, value: &str) -> String {
        let kept = self.query.split('&').filter(|p| !p.is_empty() && p.split('=').next() != Some(name));
        kept.fold(format!("?{name}={value}"), |all, pair| all + "&" + pair)
    }
    /// The counter of what `purpose` names for the host that asks: one IPv4 address, or the /64 of IPv6 that one host
    /// owns. For bounds beyond which people are turned away, whose neighbours are not to blame.
    pub(crate) fn host_key(&self, state: &WebState, purpose: &str) -> Option<[u8; 32]> {
        let host = self.peer.map(|peer| network(peer, 4, 8));
        host.map(|host| state.rate_key(purpose, &host))
    }
    /// The counter for the whole network around it (/24 and /48), of which whoever has one address usually has the
    /// others. For what is worth guessing, or costs money.
    pub(crate) fn network_key(&self, state: &WebState, purpose: &str) -> Option<[u8; 32]> {
        let around = self.peer.map(|peer| network(peer, 3, 6));
        around.map(|around| state.rate_key(purpose, &around))
    }
    /// The value that ties forms to this browser.
    pub(crate) fn browser(&self) -> &str {
        &self.browser
    }
    /// SHA-256 of what this browser carries: ties to it what must come back by it.
    pub(crate) fn browser_hash(&self) -> [u8; 32] {
        sealpost_envelope::Sha256Digest::of(self.browser.as_bytes()).0
    }
    /// A cookie of this request.
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
    /// Adds the cookies that this request made necessary.
    pub(crate) fn finish(&self, mut response: Response) -> Response {
        if self.fresh {
            set_cookie(&mut response, BROWSER, &self.browser, None);
        }
        if let Some(language) = self.chosen {
            set_cookie(&mut response, LANGUAGE, language.tag(), Some(180 * 86_400));
        }
        response
    }
}

/// The first octets of an address, by family.
fn network(peer: IpAddr, v4: usize, v6: usize) -> Vec<u8> {
    match peer.to_canonical() {
        IpAddr::V4(address) => address.octets()[..v4].to_vec(),
        IpAddr::V6(address) => address.octets()[..v6].to_vec(),
    }
}

fn language(tag: &str) -> Option<Language> {
    match tag {
        "fr" => Some(Language::Fr),
        "en" => Some(Language::En),
        _ => None,
    }
}

/// Cookie pairs (RFC 6265 §5.4); of a name that stands there twice the first counts.
pub(crate) fn cookies(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(cookie::Cookie::split_parse)
        .filter_map(Result::ok)
        .take(64)
        .map(|c| (c.name().to_owned(), c.value().to_owned()))
        .collect()
}

/// Sets a cookie that only this host sees, over TLS only, hidden from scripts. An empty value removes it.
pub(crate) fn set_cookie(response: &mut Response, name: &str, value: &str, max_age: Option<i64>) {
    let age = match (value.is_empty(), max_age) {
        (true, _) => "; Max-Age=0".to_owned(),
        (false, Some(seconds)) => format!("; Max-Age={seconds}"),
        (false, None) => String::new(),
    };
    // Lax: the first click comes from a mail, across sites, and must find the session.
    let text = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{age}");
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// 256 random bits as base64url.
pub(crate) fn random() -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(sealpost_envelope::random::octets::<RANDOM>())
}

/// Whether a cookie looks like [`random`]'s.
pub(crate) fn is_random(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::network;

    #[test]
    fn hosts_and_networks() {
        let of = |a: &str, v4, v6| network(a.parse().unwrap(), v4, v6);
        for (one, other, same_host, same_network) in [
            ("192.0.2.1", "192.0.2.1", true, true),
            ("192.0.2.1", "::ffff:192.0.2.1", true, true),
            ("192.0.2.1", "192.0.2.2", false, true),
            ("192.0.2.1", "192.0.3.1", false, false),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true, true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false, true),
            ("2001:db8:0:1::1", "2001:db8:1:1::1", false, false),
        ] {
            assert_eq!(of(one, 4, 8) == of(other, 4, 8), same_host, "{one} and {other}");
            assert_eq!(of(one, 3, 6) == of(other, 3, 6), same_network, "{one} and {other}");
        }
    }
}
