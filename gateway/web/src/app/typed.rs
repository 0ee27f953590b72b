//! What was typed into a form or stands in an address: names and values, bounded, in order.

use crate::fault::Fault;
use crate::state::WebState;
use axum::body::Body;
use axum::extract::FromRequest;
use bytes::Bytes;
use jiff::civil::Date;
use sealpost_envelope::Timestamp;

/// Pairs of a form (`application/x-www-form-urlencoded`).
#[derive(Debug, Default, Clone)]
pub(crate) struct Typed(Vec<(String, String)>);

impl Typed {
    /// Reads a posted form up to the limit of all forms.
    pub(crate) async fn posted(state: &WebState, body: Body) -> Result<Self, Fault> {
        let bytes = axum::body::to_bytes(body, state.limits.body).await.map_err(|_| Fault::TooLarge)?;
        Self::read(bytes).await
    }
    /// Reads the query of an address.
    pub(crate) async fn query(query: &str) -> Result<Self, Fault> {
        Self::read(Bytes::copy_from_slice(query.as_bytes())).await
    }
    async fn read(bytes: Bytes) -> Result<Self, Fault> {
        let request = http::Request::builder()
            .method(http::Method::POST)
            .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(bytes))
            .map_err(|e| Fault::internal("form", e))?;
        let read = <axum::Form<Vec<(String, String)>> as FromRequest<()>>::from_request(request, &());
        Ok(Self(read.await.map_err(|_| Fault::BadForm)?.0))
    }
    /// A value without blanks around it; `""` when it was left empty or is not there.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.raw(name).trim()
    }
    /// A value exactly as typed.
    pub(crate) fn raw(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v)
    }
    /// A value read as a number or another word.
    pub(crate) fn parsed<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.get(name).parse().ok()
    }
    /// A day as a browser's field gives it: when it begins in `zone`.
    pub(crate) fn day(&self, name: &str, zone: &jiff::tz::TimeZone) -> Option<Timestamp> {
        let date: Date = self.get(name).parse().ok()?;
        date.to_zoned(zone.clone()).ok().map(|z| z.timestamp())
    }
    /// When the day after it begins.
    pub(crate) fn day_after(&self, name: &str, zone: &jiff::tz::TimeZone) -> Option<Timestamp> {
        let date: Date = self.get(name).parse().ok()?;
        date.tomorrow().ok()?.to_zoned(zone.clone()).ok().map(|z| z.timestamp())
    }
    /// The pairs that say something, without `page`'s own, as a query to which one more can be added.
    pub(crate) fn query_without(&self, names: &[&str]) -> String {
        let mut out = String::new();
        for (name, value) in &self.0 {
            if !value.is_empty() && !names.contains(&name.as_str()) {
                out.push_str(&encode(name));
                out.push('=');
                out.push_str(&encode(value));
                out.push('&');
            }
        }
        out
    }
}

/// Percent-encodes all but unreserved characters (RFC 3986 §2.3).
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(b)),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_query_is_read_and_written_again() {
        let typed = Typed::query("q=b%C3%A9a+c&state=sent&after=1.2&empty=&q=second").await.unwrap();
        assert_eq!(typed.get("q"), "béa c");
        assert_eq!(typed.get("nothing"), "");
        assert_eq!(typed.query_without(&["after"]), "q=b%C3%A9a%20c&state=sent&q=second&");
    }

    #[tokio::test]
    async fn a_day_ends_where_the_next_begins() {
        let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(1));
        let typed = Typed::query("from=2026-11-22&wrong=22/11/2026").await.unwrap();
        assert_eq!(typed.day("from", &zone).unwrap().to_string(), "2026-11-21T23:00:00Z");
        assert_eq!(typed.day_after("from", &zone).unwrap().to_string(), "2026-11-22T23:00:00Z");
        assert!(typed.day("wrong", &zone).is_none());
    }
}
