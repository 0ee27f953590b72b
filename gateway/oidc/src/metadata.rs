//! A provider's description of itself.
//!
//! **Standards.** OpenID Connect Discovery 1.0 §3 and §4.3 (the issuer must be the one asked for, exactly), RFC 8414,
//! RFC 8705 §5 (endpoints for mutual TLS), RFC 9207 §3.

use crate::{OidcError, Settings};
use serde::Deserialize;

/// Where a provider's endpoints are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// For the browser.
    pub authorization: String,
    /// For codes and backchannel requests.
    pub token: String,
    /// Who the token is about.
    pub userinfo: Option<String>,
    /// Its keys.
    pub jwks: String,
    /// Where a browser logs out.
    pub end_session: Option<String>,
    /// Backchannel requests (CIBA).
    pub backchannel: Option<String>,
    /// Its answers always say who it is (RFC 9207).
    pub names_itself: bool,
}

#[derive(Deserialize)]
struct Raw {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: Option<String>,
    jwks_uri: String,
    end_session_endpoint: Option<String>,
    backchannel_authentication_endpoint: Option<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    #[serde(default)]
    mtls_endpoint_aliases: Aliases,
    code_challenge_methods_supported: Option<Vec<String>>,
    backchannel_token_delivery_modes_supported: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
struct Aliases {
    token_endpoint: Option<String>,
    userinfo_endpoint: Option<String>,
    backchannel_authentication_endpoint: Option<String>,
}

impl Metadata {
    /// Reads the description, and refuses one that is not for these settings.
    pub fn parse(json: &[u8], settings: &Settings) -> Result<Self, OidcError> {
        let bad = |what: String| OidcError::Discovery(what);
        let raw: Raw = serde_json::from_slice(json).map_err(|e| bad(e.to_string()))?;
        if raw.issuer != settings.issuer {
            return Err(bad(format!("its issuer is {:.200}, not {}", raw.issuer, settings.issuer)));
        }
        // A provider that lists methods and not this one would drop our proof in silence.
        if raw.code_challenge_methods_supported.is_some_and(|m| !m.iter().any(|m| m == "S256")) {
            return Err(bad("it does not take code challenges by S256".to_owned()));
        }
        if settings.ciba
            && raw.backchannel_token_delivery_modes_supported.is_some_and(|m| !m.iter().any(|m| m == "poll"))
        {
            return Err(bad("it does not let backchannel requests be polled".to_owned()));
        }
        // RFC 8705 §5: aliases are for clients that show a certificate.
        let aliases =
            if settings.certificate.is_some() { raw.mtls_endpoint_aliases } else { Aliases::default() };
        let address = |text: String| -> Result<String, OidcError> {
            settings.address(&text).map(|_| text).map_err(|e| bad(e.to_string()))
        };
        let maybe = |text: Option<String>| text.map(address).transpose();
        Ok(Self {
            authorization: address(raw.authorization_endpoint)?,
            token: address(aliases.token_endpoint.unwrap_or(raw.token_endpoint))?,
            userinfo: maybe(aliases.userinfo_endpoint.or(raw.userinfo_endpoint))?,
            jwks: address(raw.jwks_uri)?,
            end_session: maybe(raw.end_session_endpoint)?,
            backchannel: maybe(
                aliases.backchannel_authentication_endpoint.or(raw.backchannel_authentication_endpoint),
            )?,
            names_itself: raw.authorization_response_iss_parameter_supported,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Preset;
    use crate::settings::tests::settings;
    use sealpost_envelope::Secret;
    use serde_json::{Value, json};

    fn document() -> Value {
        json!({
            "issuer": "https://auth.example/realms/wallet",
            "authorization_endpoint": "https://wallet.example/auth",
            "token_endpoint": "https://auth.example/token",
            "userinfo_endpoint": "https://auth.example/userinfo",
            "jwks_uri": "https://auth.example/certs",
            "end_session_endpoint": "https://auth.example/logout",
            "backchannel_authentication_endpoint": "https://auth.example/ciba",
            "mtls_endpoint_aliases": {"token_endpoint": "https://mtls.example/token"},
        })
    }

    #[test]
    fn reads_a_description() {
        let mut settings = settings(Preset::Psc);
        let read = Metadata::parse(document().to_string().as_bytes(), &settings).unwrap();
        assert_eq!(read.token, "https://auth.example/token");
        assert!(!read.names_itself);
        settings.certificate = Some(Secret::new(Vec::new()));
        let read = Metadata::parse(document().to_string().as_bytes(), &settings).unwrap();
        assert_eq!(read.token, "https://mtls.example/token");
        assert_eq!(read.userinfo.as_deref(), Some("https://auth.example/userinfo"));
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let mut settings = settings(Preset::Psc);
        settings.ciba = true;
        for (key, value) in [
            ("issuer", json!("https://auth.example/realms/wallet/")),
            ("issuer", json!("https://evil.example")),
            ("issuer", Value::Null),
            ("token_endpoint", json!("http://auth.example/token")),
            ("jwks_uri", json!("file:///etc/passwd")),
            ("authorization_endpoint", json!("javascript:alert(1)")),
            ("end_session_endpoint", json!("http://auth.example/logout")),
            ("code_challenge_methods_supported", json!(["plain"])),
            ("backchannel_token_delivery_modes_supported", json!(["ping"])),
        ] {
            let mut document = document();
            document[key] = value.clone();
            let refused = Metadata::parse(document.to_string().as_bytes(), &settings);
            assert!(matches!(refused, Err(OidcError::Discovery(_))), "{key} {value}");
        }
    }
}
