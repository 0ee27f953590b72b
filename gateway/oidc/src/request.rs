//! What a browser takes to the provider, and what it brings back.
//!
//! **Exposure.** The callback's fields are a stranger's until the state is known.
//!
//! **Standards.** OpenID Connect Core 1.0 §3.1.2, RFC 7636 (PKCE, S256 only), RFC 9207 (`iss`), RP-Initiated
//! Logout 1.0 §2.

use crate::{Metadata, OidcError, Settings};
use aws_lc_rs::hmac;
use sealpost_envelope::{Secret, Sha256Digest, random};
use serde::Deserialize;
use subtle::ConstantTimeEq;
use url::Url;

/// Octets of a state: 256 bits, 43 characters (FranceConnect asks for 32 characters or more).
const STATE: usize = 32;
/// Longest field of a callback that is looked at.
const MAX_FIELD: usize = 4096;

/// The secrets of one request. Only the state travels in clear, and only its hash is kept: nonce and code verifier
/// are derived from it under a key of ours, so that nothing kept could redeem a code.
#[derive(Debug)]
pub struct Fresh {
    /// Ties the answer to the request.
    pub state: Secret<String>,
    /// Ties the token to the request.
    pub nonce: Secret<String>,
    /// Ties the code to us.
    pub verifier: Secret<String>,
}

impl Fresh {
    /// A new request.
    pub fn new(key: &[u8; 32]) -> Self {
        Self::of(key, base64_simd::URL_SAFE_NO_PAD.encode_to_string(random::octets::<STATE>()))
    }
    /// The request that a state belongs to.
    pub fn of(key: &[u8; 32], state: String) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let derive = |purpose: &str| {
            let tag = hmac::sign(&key, format!("sealpost oidc v1 {purpose}\0{state}").as_bytes());
            Secret::new(base64_simd::URL_SAFE_NO_PAD.encode_to_string(tag.as_ref()))
        };
        Self { nonce: derive("nonce"), verifier: derive("verifier"), state: Secret::new(state) }
    }
    /// RFC 7636 §4.2.
    fn challenge(&self) -> String {
        base64_simd::URL_SAFE_NO_PAD.encode_to_string(Sha256Digest::of(self.verifier.expose().as_bytes()).0)
    }
}

/// The address that the browser is sent to.
pub fn authorization_url(
    settings: &Settings,
    metadata: &Metadata,
    fresh: &Fresh,
    language: &str,
) -> Result<String, OidcError> {
    let mut url =
        settings.address(&metadata.authorization).map_err(|e| OidcError::Discovery(e.to_string()))?;
    {
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &settings.client_id)
            .append_pair("redirect_uri", &settings.redirect_uri)
            .append_pair("scope", &settings.scopes.join(" "))
            .append_pair("state", fresh.state.expose())
            .append_pair("nonce", fresh.nonce.expose())
            .append_pair("code_challenge", &fresh.challenge())
            .append_pair("code_challenge_method", "S256");
        if !settings.acr.is_empty() {
            query.append_pair("acr_values", &settings.acr.join(" "));
        }
        if let Some(prompt) = &settings.prompt {
            query.append_pair("prompt", prompt);
        }
        if let Some(max_age) = settings.max_age {
            query.append_pair("max_age", &max_age.to_string());
        }
        // Those two answer with an error to parameters that they do not know.
        if matches!(settings.preset, crate::Preset::Generic) {
            query.append_pair("ui_locales", language);
        }
    }
    Ok(url.into())
}

/// The address at which a browser logs out of the provider, when it has one.
pub fn logout_url(
    settings: &Settings,
    metadata: &Metadata,
    id_token: &Secret<String>,
    state: &str,
) -> Option<String> {
    let mut url = Url::parse(metadata.end_session.as_ref()?).ok()?;
    url.query_pairs_mut()
        .append_pair("id_token_hint", id_token.expose())
        .append_pair("post_logout_redirect_uri", &settings.after_logout)
        .append_pair("state", state);
    Some(url.into())
}

/// The fields of a callback, as they came.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Answer {
    /// Of the request.
    pub state: Option<String>,
    /// To be redeemed.
    pub code: Option<String>,
    /// Who answers (RFC 9207).
    pub iss: Option<String>,
    /// What went wrong instead.
    pub error: Option<String>,
}

impl Answer {
    /// The state, if it has the form of one.
    pub fn state(&self) -> Option<&str> {
        let state = self.state.as_deref()?;
        let form = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (state.len() == 43 && state.bytes().all(form)).then_some(state)
    }
    /// The code, once it is clear that the provider asked is the one that answers, and that it said yes.
    pub fn code(&self, settings: &Settings, metadata: &Metadata) -> Result<&str, OidcError> {
        match self.iss.as_deref() {
            // RFC 9207 §2.4: compared before anything else is done with the answer.
            Some(iss) if !bool::from(iss.as_bytes().ct_eq(settings.issuer.as_bytes())) => {
                return Err(OidcError::MixedUp);
            }
            None if metadata.names_itself => return Err(OidcError::MixedUp),
            _ => {}
        }
        if let Some(error) = &self.error {
            return Err(OidcError::from_code(error));
        }
        self.code.as_deref().filter(|c| !c.is_empty() && c.len() <= MAX_FIELD).ok_or(OidcError::Answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Preset;
    use crate::settings::tests::settings;

    fn metadata() -> Metadata {
        Metadata {
            authorization: "https://wallet.example/auth?x=1".to_owned(),
            token: "https://auth.example/token".to_owned(),
            userinfo: None,
            jwks: "https://auth.example/certs".to_owned(),
            end_session: Some("https://auth.example/logout".to_owned()),
            backchannel: None,
            names_itself: true,
        }
    }

    #[test]
    fn a_request_can_be_made_again_from_its_state() {
        let (one, two) = (Fresh::new(&[1; 32]), Fresh::new(&[1; 32]));
        assert_ne!(one.state.expose(), two.state.expose());
        let again = Fresh::of(&[1; 32], one.state.expose().clone());
        assert_eq!(again.nonce.expose(), one.nonce.expose());
        assert_eq!(again.verifier.expose(), one.verifier.expose());
        assert_ne!(one.nonce.expose(), one.verifier.expose());
        assert_ne!(Fresh::of(&[2; 32], one.state.expose().clone()).nonce.expose(), one.nonce.expose());
        for text in [&one.state, &one.nonce, &one.verifier] {
            assert_eq!(text.expose().len(), 43);
        }
        // RFC 7636 appendix B.
        let known = Fresh {
            state: Secret::new(String::new()),
            nonce: Secret::new(String::new()),
            verifier: Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned()),
        };
        assert_eq!(known.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn the_browsers_address() {
        let mut settings = settings(Preset::Psc);
        settings.prompt = Some("login".to_owned());
        settings.max_age = Some(300);
        let fresh = Fresh::of(&[1; 32], "S".repeat(43));
        let url = authorization_url(&settings, &metadata(), &fresh, "fr").unwrap();
        let url = Url::parse(&url).unwrap();
        let value = |name: &str| url.query_pairs().find(|(n, _)| n == name).map(|(_, v)| v.into_owned());
        for (name, expected) in [
            ("x", "1"),
            ("response_type", "code"),
            ("client_id", "sealpost"),
            ("redirect_uri", "https://depot.example/oidc/psc/callback"),
            ("scope", "openid scope_all"),
            ("acr_values", "eidas1"),
            ("prompt", "login"),
            ("max_age", "300"),
            ("code_challenge_method", "S256"),
        ] {
            assert_eq!(value(name).as_deref(), Some(expected), "{name}");
        }
        assert_eq!(value("ui_locales"), None);
        assert_ne!(value("code_challenge").as_ref(), Some(fresh.verifier.expose()));
        let out = logout_url(&settings, &metadata(), &Secret::new("a.b.c".to_owned()), "st").unwrap();
        assert!(out.contains("id_token_hint=a.b.c") && out.contains("depot.example"), "{out}");
    }

    #[test]
    fn answers() {
        let settings = settings(Preset::Psc);
        let iss = || Some(settings.issuer.clone());
        let answer = |code: Option<&str>, iss: Option<String>, error: Option<&str>| Answer {
            state: None,
            code: code.map(str::to_owned),
            iss,
            error: error.map(str::to_owned),
        };
        for (given, expected) in [
            (answer(Some("c"), iss(), None), Ok("c")),
            (answer(Some("c"), None, None), Err("mixed-up")),
            (answer(Some("c"), Some("https://evil.example".into()), None), Err("mixed-up")),
            (answer(None, Some("https://evil.example".into()), Some("access_denied")), Err("mixed-up")),
            (answer(None, iss(), Some("access_denied")), Err("denied")),
            (answer(Some("c"), iss(), Some("access_denied")), Err("denied")),
            (answer(None, iss(), None), Err("answer")),
            (answer(Some(""), iss(), None), Err("answer")),
            (answer(Some(&"c".repeat(4097)), iss(), None), Err("answer")),
        ] {
            assert_eq!(given.code(&settings, &metadata()).map_err(|e| e.reason()), expected, "{given:?}");
        }
        let quiet = Metadata { names_itself: false, ..metadata() };
        assert_eq!(answer(Some("c"), None, None).code(&settings, &quiet), Ok("c"));
        for (state, good) in [("S".repeat(43), true), ("S".repeat(42), false), ("é".repeat(43), false)] {
            assert_eq!(Answer { state: Some(state), ..Answer::default() }.state().is_some(), good);
        }
    }
}
