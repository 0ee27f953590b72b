//! What an administrator says of a provider, with the customs of the known ones.

use sealpost_envelope::Secret;
use url::Url;

/// Whose customs a provider follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Pro Santé Connect: professionals of health care, by e-CPS or card.
    Psc,
    /// FranceConnect: everybody.
    FranceConnect,
    /// ProConnect: people of administrations and companies.
    ProConnect,
    /// Any other.
    Generic,
}

impl Preset {
    /// What people call it.
    pub fn label(self) -> Option<&'static str> {
        match self {
            Self::Psc => Some("Pro Santé Connect"),
            Self::FranceConnect => Some("FranceConnect"),
            Self::ProConnect => Some("ProConnect"),
            Self::Generic => None,
        }
    }
    /// Scopes asked for where none are configured.
    pub fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::Psc => &["openid", "scope_all"],
            Self::FranceConnect => &[
                "openid",
                "given_name",
                "family_name",
                "birthdate",
                "gender",
                "birthplace",
                "birthcountry",
                "email",
            ],
            Self::ProConnect => &["openid", "given_name", "usual_name", "email", "siret", "uid"],
            Self::Generic => &["openid", "profile", "email"],
        }
    }
    /// Levels asked for where none are configured.
    pub fn acr(self) -> &'static [&'static str] {
        match self {
            Self::Psc | Self::FranceConnect => &["eidas1"],
            Self::ProConnect | Self::Generic => &[],
        }
    }
    /// Where the provider describes itself, below its issuer.
    pub fn discovery(self) -> &'static str {
        match self {
            // The plain document names another authorization endpoint.
            Self::Psc => "/.well-known/wallet-openid-configuration",
            _ => "/.well-known/openid-configuration",
        }
    }
    /// Whether names and identifiers are only told at userinfo.
    pub(crate) fn needs_userinfo(self) -> bool {
        self != Self::Generic
    }
}

/// How we prove to the provider who we are.
#[derive(Debug, Clone)]
pub enum ClientAuth {
    /// `client_secret_basic` (RFC 6749 §2.3.1).
    Basic(Secret<String>),
    /// `client_secret_post`.
    Post(Secret<String>),
    /// `tls_client_auth` (RFC 8705): the certificate alone.
    Tls,
}

/// A provider's settings are wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// An address is none, or not over TLS.
    #[error("{0:?} is not an https address")]
    Address(String),
    /// The scopes are no OpenID request.
    #[error("the scopes must name openid")]
    Scopes,
    /// Mutual TLS without a certificate.
    #[error("without client_secret a client certificate and key are needed")]
    Certificate,
    /// PEM that cannot be used.
    #[error("{0}")]
    Pem(String),
}

/// One provider.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name in `oidc:NAME` and in the callback's address.
    pub name: String,
    /// What people call it.
    pub label: String,
    /// Its customs.
    pub preset: Preset,
    /// Its issuer, compared exactly.
    pub issuer: String,
    /// Path of its description below the issuer, where it is not the preset's.
    pub discovery: Option<String>,
    /// Our name there.
    pub client_id: String,
    /// How we prove it.
    pub auth: ClientAuth,
    /// Our certificate and key, PEM, for mutual TLS.
    pub certificate: Option<Secret<Vec<u8>>>,
    /// Authorities that its servers must chain to, PEM; the system's when absent.
    pub ca: Option<Vec<u8>>,
    /// Levels of which one must be reached; the first is asked for first. Empty asks for none.
    pub acr: Vec<String>,
    /// Scopes.
    pub scopes: Vec<String>,
    /// `prompt`, where given.
    pub prompt: Option<String>,
    /// Seconds since the person last authenticated there.
    pub max_age: Option<u32>,
    /// The claim that identifies the person, for a generic provider.
    pub identity_claim: Option<String>,
    /// Offer to confirm on a telephone, without leaving our pages.
    pub ciba: bool,
    /// Where the browser comes back to; registered at the provider.
    pub redirect_uri: String,
    /// Where it comes back to after logging out there; registered at the provider.
    pub after_logout: String,
    /// Plain HTTP to this machine is taken. For trials.
    pub insecure_loopback: bool,
}

impl Settings {
    /// What can be said without asking the provider.
    pub fn check(&self) -> Result<(), SettingsError> {
        self.address(&self.issuer)?;
        if !self.scopes.iter().any(|s| s == "openid") {
            return Err(SettingsError::Scopes);
        }
        if matches!(self.auth, ClientAuth::Tls) && self.certificate.is_none() {
            return Err(SettingsError::Certificate);
        }
        Ok(())
    }
    /// Where the provider describes itself.
    pub(crate) fn discovery_url(&self) -> String {
        let path = self.discovery.as_deref().unwrap_or(self.preset.discovery());
        // Discovery §4.1: a final slash of the issuer is taken away first.
        format!("{}{path}", self.issuer.trim_end_matches('/'))
    }
    /// Reads an address of the provider: TLS, or this machine where trials allow it.
    pub(crate) fn address(&self, text: &str) -> Result<Url, SettingsError> {
        let wrong = || SettingsError::Address(text.chars().take(200).collect());
        let url = Url::parse(text).map_err(|_| wrong())?;
        let loopback = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            None => return Err(wrong()),
        };
        let clear = url.scheme() == "http" && loopback && self.insecure_loopback;
        let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        if plain && (url.scheme() == "https" || clear) { Ok(url) } else { Err(wrong()) }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn settings(preset: Preset) -> Settings {
        Settings {
            name: "psc".to_owned(),
            label: "Pro Santé Connect".to_owned(),
            preset,
            issuer: "https://auth.example/realms/wallet".to_owned(),
            discovery: None,
            client_id: "sealpost".to_owned(),
            auth: ClientAuth::Basic(Secret::new("s:e cret".to_owned())),
            certificate: None,
            ca: None,
            acr: preset.acr().iter().map(|s| (*s).to_owned()).collect(),
            scopes: preset.scopes().iter().map(|s| (*s).to_owned()).collect(),
            prompt: None,
            max_age: None,
            identity_claim: None,
            ciba: false,
            redirect_uri: "https://depot.example/oidc/psc/callback".to_owned(),
            after_logout: "https://depot.example/".to_owned(),
            insecure_loopback: false,
        }
    }

    #[test]
    fn addresses() {
        let mut settings = settings(Preset::Psc);
        for (url, trials, good) in [
            ("https://auth.example/x", false, true),
            ("http://auth.example/x", false, false),
            ("http://auth.example/x", true, false),
            ("http://localhost:3000/x", false, false),
            ("http://localhost:3000/x", true, true),
            ("http://127.0.0.1:3000/x", true, true),
            ("http://[::1]:3000/x", true, true),
            ("http://localhost.example/x", true, false),
            ("https://user@auth.example/x", false, false),
            ("https://auth.example/x#y", false, false),
            ("javascript:alert(1)", true, false),
            ("ftp://localhost/x", true, false),
        ] {
            settings.insecure_loopback = trials;
            assert_eq!(settings.address(url).is_ok(), good, "{url} {trials}");
        }
    }

    #[test]
    fn what_can_be_said_offline() {
        let good = settings(Preset::Psc);
        assert_eq!(good.check(), Ok(()));
        assert_eq!(
            good.discovery_url(),
            "https://auth.example/realms/wallet/.well-known/wallet-openid-configuration"
        );
        let bad = Settings { scopes: vec!["profile".to_owned()], ..good.clone() };
        assert_eq!(bad.check(), Err(SettingsError::Scopes));
        let bad = Settings { auth: ClientAuth::Tls, ..good.clone() };
        assert_eq!(bad.check(), Err(SettingsError::Certificate));
        let bad = Settings { issuer: "http://auth.example".to_owned(), ..good };
        assert!(matches!(bad.check(), Err(SettingsError::Address(_))));
    }
}
