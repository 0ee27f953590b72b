//! Kinds of values that name a place: URLs, servers, stores, secrets.

use super::kinds::quoted;
use super::reader::{Context, Spot};
use super::section::{Setting, Shown};
use sealpost_envelope::Secret;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use toml::Spanned;
use toml::de::DeValue;

/// Reads a text that may hold a path, with the directory at hand.
macro_rules! placed {
    ($ty:ty) => {
        impl Setting for $ty {
            fn read(value: &Spanned<DeValue<'_>>, spot: &Spot, context: &mut Context) -> Option<Self> {
                let Some(text) = value.get_ref().as_str() else {
                    context.expected("a text in quotes", value, spot);
                    return None;
                };
                let parsed = <$ty>::parse(text, &|path: &str| context.resolve(path));
                parsed.map_err(|message| context.wrong(spot, message)).ok()
            }
        }
    };
}

impl Shown for WebUrl {
    fn shown(&self) -> String {
        quoted(&self.text)
    }
}

/// An `http` or `https` address of a server, without a final slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebUrl {
    text: String,
    host: String,
    port: u16,
    tls: bool,
}

impl WebUrl {
    /// The address; append a path that begins with `/`.
    pub fn as_str(&self) -> &str {
        &self.text
    }
    /// Name or address of the server, without port.
    pub fn host(&self) -> &str {
        &self.host
    }
    /// `https`.
    pub fn is_https(&self) -> bool {
        self.tls
    }
    fn parse(text: &str, _: &dyn Fn(&str) -> PathBuf) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a web address; write it as https://depot.example.org");
        let (tls, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return Err(wrong()),
        };
        let rest = rest.trim_end_matches('/');
        let authority = rest.split('/').next().unwrap_or_default();
        if rest.chars().any(|c| c.is_whitespace() || c.is_control() || "?#\\\"<>@".contains(c)) {
            return Err(wrong());
        }
        let place: HostPort = match authority.parse() {
            Ok(place) => place,
            Err(_) => format!("{authority}:{}", if tls { 443 } else { 80 }).parse().map_err(|_| wrong())?,
        };
        let scheme = if tls { "https" } else { "http" };
        Ok(Self { text: format!("{scheme}://{rest}"), host: place.host, port: place.port, tls })
    }
}
placed!(WebUrl);

/// A server and its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// Name or IP address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl FromStr for HostPort {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not HOST:PORT");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port: u16 = port.parse().ok().filter(|p| *p > 0).ok_or_else(wrong)?;
        let bracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let valid = match bracketed {
            Some(ip) => ip.parse::<std::net::Ipv6Addr>().is_ok(),
            None => host.parse::<super::kinds::DomainName>().is_ok(),
        };
        if !valid {
            return Err(wrong());
        }
        Ok(Self { host: bracketed.unwrap_or(host).to_owned(), port })
    }
}
impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}
impl HostPort {
    fn parse(text: &str, _: &dyn Fn(&str) -> PathBuf) -> Result<Self, String> {
        text.parse()
    }
}
placed!(HostPort);

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// The recipient domain's own servers.
    Mx,
    /// Mailboxes of this installation.
    Local,
    /// A named server.
    Smarthost(HostPort),
}

impl Via {
    fn parse(text: &str, _: &dyn Fn(&str) -> PathBuf) -> Result<Self, String> {
        match text {
            "mx" => Ok(Self::Mx),
            "local" => Ok(Self::Local),
            _ => text.parse().map(Self::Smarthost).map_err(|e| format!("{e}; or write \"mx\" or \"local\"")),
        }
    }
}
placed!(Via);

/// Where a secret is found.
#[derive(Debug, Clone)]
pub enum SecretSource {
    /// First line of a file.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// In the configuration itself.
    Here(Secret<String>),
}

/// A secret that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("the secret in {path} cannot be read: {source}")]
    File {
        /// File.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The variable is not set.
    #[error("the environment variable {0} is not set or not text")]
    Env(String),
}

impl SecretSource {
    /// Fetches the secret.
    pub fn read(&self) -> Result<Secret<String>, SecretError> {
        match self {
            Self::File(path) => {
                let text = std::fs::read_to_string(path)
                    .map(Secret::new)
                    .map_err(|source| SecretError::File { path: path.clone(), source })?;
                Ok(Secret::new(text.expose().lines().next().unwrap_or_default().to_owned()))
            }
            Self::Env(name) => {
                std::env::var(name).map(Secret::new).map_err(|_| SecretError::Env(name.clone()))
            }
            Self::Here(secret) => Ok(secret.clone()),
        }
    }
    fn parse(text: &str, resolve: &dyn Fn(&str) -> PathBuf) -> Result<Self, String> {
        match (text.strip_prefix("file:"), text.strip_prefix("env:")) {
            (Some(""), _) | (_, Some("")) => Err("a name belongs after the colon".to_owned()),
            (Some(path), _) => Ok(Self::File(resolve(path))),
            (_, Some(name)) => Ok(Self::Env(name.to_owned())),
            _ => Ok(Self::Here(Secret::new(text.to_owned()))),
        }
    }
}
placed!(SecretSource);

/// A key that signs mail for a domain, and the selector its record is published under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DkimSource {
    /// Selector.
    pub selector: String,
    /// The one domain it signs for, in A-labels; all of the entity's when absent.
    pub domain: Option<String>,
    /// PEM file.
    pub file: PathBuf,
}

impl DkimSource {
    /// Whether it signs for this domain.
    pub fn serves(&self, domain: &str) -> bool {
        self.domain.as_deref().is_none_or(|own| own == domain)
    }
    fn parse(text: &str, resolve: &dyn Fn(&str) -> PathBuf) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no key; write SELECTOR:FILE or SELECTOR@DOMAIN:FILE");
        let (name, path) = text.split_once(':').filter(|(_, path)| !path.is_empty()).ok_or_else(wrong)?;
        let (selector, domain) = name.split_once('@').map_or((name, None), |(s, d)| (s, Some(d)));
        // RFC 6376 §3.1: sub-domains joined by dots.
        let label = |l: &str| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if selector.len() > 63 || !selector.split('.').all(label) {
            return Err(wrong());
        }
        let domain = match domain.map(str::parse::<super::kinds::DomainName>) {
            Some(Ok(domain)) => Some(domain.to_ascii()),
            Some(Err(error)) => return Err(error),
            None => None,
        };
        Ok(Self { selector: selector.to_owned(), domain, file: resolve(path) })
    }
}
placed!(DkimSource);
impl Shown for DkimSource {
    fn shown(&self) -> String {
        let domain = self.domain.as_ref().map(|d| format!("@{d}")).unwrap_or_default();
        quoted(&format!("{}{domain}:{}", self.selector, self.file.display()))
    }
}

/// Where the metadata is kept.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file.
    Sqlite(PathBuf),
    /// A PostgreSQL address, which may hold a password.
    Postgres(SecretSource),
}

impl Database {
    fn parse(text: &str, resolve: &dyn Fn(&str) -> PathBuf) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(resolve(path))),
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                Ok(Self::Postgres(SecretSource::Here(Secret::new(text.to_owned()))))
            }
            Some(("file" | "env", rest)) if !rest.is_empty() => {
                Ok(Self::Postgres(SecretSource::parse(text, resolve)?))
            }
            _ => Err("write sqlite:FILE or postgres://HOST/NAME".to_owned()),
        }
    }
    /// The address as the store takes it: `sqlite:PATH` or `postgres://…`.
    pub fn url(&self) -> Result<Secret<String>, SecretError> {
        match self {
            Self::Sqlite(path) => Ok(Secret::new(format!("sqlite:{}", path.display()))),
            Self::Postgres(source) => source.read(),
        }
    }
}
placed!(Database);

/// Where encrypted content is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blobs {
    /// A directory.
    Files(PathBuf),
    /// An S3 bucket, as `s3://BUCKET?endpoint=URL`.
    S3(String),
}

impl Blobs {
    fn parse(text: &str, resolve: &dyn Fn(&str) -> PathBuf) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(Self::Files(resolve(path))),
            // S3 refuses bucket names under three characters.
            Some(("s3", rest)) if bucket(rest).is_some_and(|b| b.len() >= 3) => Ok(Self::S3(text.to_owned())),
            _ => Err("write file:DIRECTORY or s3://BUCKET?endpoint=URL".to_owned()),
        }
    }
    /// The address as the store takes it: `file:PATH` or `s3://…`.
    pub fn url(&self) -> String {
        match self {
            Self::Files(path) => format!("file:{}", path.display()),
            Self::S3(url) => url.clone(),
        }
    }
}
placed!(Blobs);

fn bucket(rest: &str) -> Option<&str> {
    rest.strip_prefix("//")?.split(['?', '/']).next()
}

impl Shown for HostPort {
    fn shown(&self) -> String {
        quoted(&self.to_string())
    }
}
