//! The identity token: what it must say to be believed.
//!
//! **Standards.** OpenID Connect Core 1.0 §3.1.3.7, §3.1.3.8 (`at_hash`); RFC 7519 §4.1.

use crate::OidcError;
use crate::jose::Verified;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

/// Clocks may differ by this many seconds.
const SKEW: i64 = 60;
/// A token made longer ago than this is not the answer to a request of ours.
const OLDEST: i64 = 600;

/// The claims of a token or of userinfo.
pub type Claims = Map<String, Value>;

/// What a token must fit.
#[derive(Debug)]
pub struct Expect<'a> {
    /// The issuer, exactly.
    pub issuer: &'a str,
    /// Our name.
    pub client_id: &'a str,
    /// The request's nonce; a backchannel request has none.
    pub nonce: Option<&'a str>,
    /// Levels of which one must be reached.
    pub acr: &'a [String],
    /// Seconds since the authentication.
    pub max_age: Option<u32>,
    /// The access token that came with it.
    pub access_token: &'a str,
    /// Now, in seconds since 1970.
    pub now: i64,
}

/// A token that fits.
#[derive(Debug, Clone)]
pub struct IdToken {
    /// Who, for this provider and client.
    pub sub: String,
    /// Level reached, where the provider says.
    pub acr: Option<String>,
    /// When the person authenticated there, in seconds since 1970.
    pub auth_time: Option<i64>,
    /// Everything it says.
    pub claims: Claims,
}

/// Judges the claims of a token whose signature was verified.
pub fn check_id_token(token: &Verified, expect: &Expect<'_>) -> Result<IdToken, OidcError> {
    let claims: Claims =
        serde_json::from_slice(&token.payload).map_err(|_| OidcError::Malformed("its claims"))?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let time = |name: &str| claims.get(name).and_then(Value::as_f64).map(|t| t as i64);
    if text("iss") != Some(expect.issuer) {
        return Err(OidcError::Issuer);
    }
    audience(&claims, expect.client_id)?;
    let exp = time("exp").ok_or(OidcError::Malformed("exp is missing"))?;
    if expect.now >= exp.saturating_add(SKEW) {
        return Err(OidcError::TokenExpired);
    }
    let iat = time("iat").ok_or(OidcError::Malformed("iat is missing"))?;
    let not_before = time("nbf").unwrap_or(iat);
    let latest = expect.now.saturating_add(SKEW);
    if iat > latest || not_before > latest || iat < expect.now.saturating_sub(OLDEST) {
        return Err(OidcError::Times);
    }
    match (expect.nonce, text("nonce")) {
        (Some(asked), Some(got)) if bool::from(asked.as_bytes().ct_eq(got.as_bytes())) => {}
        (None, _) => {}
        _ => return Err(OidcError::Nonce),
    }
    if let Some(hash) = claims.get("at_hash")
        && hash.as_str() != Some(half_hash(expect.access_token).as_str())
    {
        return Err(OidcError::AccessToken);
    }
    let acr = text("acr").map(str::to_owned);
    level(expect.acr, acr.as_deref())?;
    let auth_time = time("auth_time");
    if let Some(max_age) = expect.max_age {
        let oldest = expect.now.saturating_sub(i64::from(max_age)).saturating_sub(SKEW);
        if auth_time.is_none_or(|t| t < oldest || t > latest) {
            return Err(OidcError::TooOld);
        }
    }
    let sub = text("sub").filter(|s| !s.is_empty() && s.len() <= 255).ok_or(OidcError::Malformed("sub"))?;
    Ok(IdToken { sub: sub.to_owned(), acr, auth_time, claims: claims.clone() })
}

/// Core §3.1.3.7 3–5: we are an audience, no other that we do not trust is, and `azp` is us.
fn audience(claims: &Claims, client_id: &str) -> Result<(), OidcError> {
    let ours = match claims.get("aud") {
        Some(Value::String(one)) => one == client_id,
        // Other services in the list could have been handed the same token.
        Some(Value::Array(many)) => !many.is_empty() && many.iter().all(|a| a.as_str() == Some(client_id)),
        _ => false,
    };
    let party = claims.get("azp").is_none_or(|azp| azp.as_str() == Some(client_id));
    if ours && party { Ok(()) } else { Err(OidcError::Audience) }
}

fn level(asked: &[String], got: Option<&str>) -> Result<(), OidcError> {
    if asked.is_empty() || got.is_some_and(|got| asked.iter().any(|asked| acr_satisfies(asked, got))) {
        return Ok(());
    }
    Err(OidcError::Level { asked: asked.join(" "), got: got.unwrap_or("none").chars().take(40).collect() })
}

/// Whether the level reached is the one asked for, or above it on eIDAS's scale.
pub fn acr_satisfies(asked: &str, got: &str) -> bool {
    let eidas = |text: &str| match text.strip_prefix("eidas") {
        Some("1") => Some(1),
        Some("2") => Some(2),
        Some("3") => Some(3),
        _ => None,
    };
    match (eidas(asked), eidas(got)) {
        (Some(asked), Some(got)) => got >= asked,
        _ => asked == got,
    }
}

/// Core §3.1.3.6: the left half of the digest. All three algorithms hash by SHA-256.
fn half_hash(access_token: &str) -> String {
    let digest = sealpost_envelope::Sha256Digest::of(access_token.as_bytes());
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(&digest.0[..16])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: i64 = 1_800_000_000;

    fn claims() -> Value {
        json!({
            "iss": "https://auth.example", "aud": "sealpost", "azp": "sealpost", "sub": "f:1:899700218896",
            "iat": NOW - 2, "exp": NOW + 60, "nonce": "n-1", "acr": "eidas1", "auth_time": NOW - 100,
            "at_hash": half_hash("token"),
        })
    }

    fn judge(claims: &Value, nonce: Option<&str>, max_age: Option<u32>) -> Result<IdToken, OidcError> {
        let expect = Expect {
            issuer: "https://auth.example",
            client_id: "sealpost",
            nonce,
            acr: &["eidas1".to_owned()],
            max_age,
            access_token: "token",
            now: NOW,
        };
        check_id_token(&Verified { payload: claims.to_string().into_bytes() }, &expect)
    }

    #[test]
    fn a_good_token() {
        let token = judge(&claims(), Some("n-1"), Some(300)).unwrap();
        assert_eq!((token.sub.as_str(), token.auth_time), ("f:1:899700218896", Some(NOW - 100)));
        // Core §3.1.3.6: at_hash may be absent in the code flow; azp too.
        let mut sparse = claims();
        for key in ["at_hash", "azp", "auth_time"] {
            sparse.as_object_mut().unwrap().remove(key);
        }
        assert!(judge(&sparse, Some("n-1"), None).is_ok());
    }

    #[test]
    fn each_claim_is_looked_at() {
        for (key, value, reason) in [
            ("iss", json!("https://auth.example/"), "issuer"),
            ("iss", json!("https://evil.example"), "issuer"),
            ("iss", Value::Null, "issuer"),
            ("aud", json!("other"), "audience"),
            ("aud", json!(["sealpost", "other"]), "audience"),
            ("aud", json!([]), "audience"),
            ("aud", Value::Null, "audience"),
            ("azp", json!("other"), "audience"),
            ("exp", json!(NOW - 61), "token-expired"),
            ("exp", json!(NOW - 60), "token-expired"),
            ("exp", json!("soon"), "malformed-token"),
            ("exp", Value::Null, "malformed-token"),
            ("iat", json!(NOW + 61), "token-times"),
            ("iat", json!(NOW - 601), "token-times"),
            ("iat", Value::Null, "malformed-token"),
            ("nbf", json!(NOW + 61), "token-times"),
            ("nonce", json!("n-2"), "nonce"),
            ("nonce", Value::Null, "nonce"),
            ("at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA"), "access-token-hash"),
            ("at_hash", json!(7), "access-token-hash"),
            ("acr", json!("eidas0"), "level"),
            ("acr", json!("0"), "level"),
            ("acr", Value::Null, "level"),
            ("auth_time", json!(NOW - 361), "authentication-too-old"),
            ("auth_time", Value::Null, "authentication-too-old"),
            ("sub", json!(""), "malformed-token"),
            ("sub", json!(5), "malformed-token"),
        ] {
            let mut changed = claims();
            changed[key] = value.clone();
            let refused = judge(&changed, Some("n-1"), Some(300));
            assert_eq!(refused.map_err(|e| e.reason()).err(), Some(reason), "{key} = {value}");
        }
    }

    #[test]
    fn within_the_skew() {
        for (key, value) in [("exp", NOW - 59), ("iat", NOW + 60), ("iat", NOW - 600), ("nbf", NOW + 60)] {
            let mut changed = claims();
            changed[key] = json!(value);
            assert!(judge(&changed, Some("n-1"), Some(300)).is_ok(), "{key} = {value}");
        }
        assert!(judge(&claims(), None, None).is_ok(), "a backchannel request has no nonce");
    }

    #[test]
    fn levels() {
        for (asked, got, enough) in [
            ("eidas1", "eidas1", true),
            ("eidas1", "eidas3", true),
            ("eidas2", "eidas1", false),
            ("eidas1", "eidas9", false),
            ("eidas1", "eidas", false),
            ("urn:x:mfa", "urn:x:mfa", true),
            ("urn:x:mfa", "urn:x:pwd", false),
            ("eidas1", "1", false),
        ] {
            assert_eq!(acr_satisfies(asked, got), enough, "{asked} {got}");
        }
    }
}
