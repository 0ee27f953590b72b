//! What is looked for in mail before it leaves, and what is overlooked of servers that hand mail over.

use super::kinds::{Network, Size, quoted, words};
use super::reader::{Context, Spot};
use super::section::{Setting, Shown, section};
use sealpost_policy::Period;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use toml::Spanned;
use toml::de::DeValue;

section! {
    /// Virus scanner that looks at content before it leaves.
    pub struct AntivirusSettings {
        /// Where clamd listens: `unix:PATH` or, on this machine alone, `tcp:127.0.0.1:3310`. Nothing is looked at
        /// without it. While it does not answer mail waits, and its sender is told.
        clamd: Option<ClamdAddress> = unset("\"unix:/run/clamav/clamd.ctl\"");
        /// Infected content: `refuse` (nothing is sent, the sender is told) or `hold` (an administrator decides).
        infected: OnMalware = default(OnMalware::Refuse);
        /// Content that is encrypted, so that nobody can look into it: `pass`, `hold` (the sender confirms) or
        /// `refuse`. clamd tells of archives and PDF files only with `AlertEncrypted yes`.
        encrypted: OnFinding = default(OnFinding::Hold);
        /// Files that are too large or too deeply nested to be looked at: `pass`, `hold` or `refuse`. clamd tells of
        /// its own limits only with `AlertExceedsMax yes`.
        unscannable: OnFinding = default(OnFinding::Hold);
        /// Larger files are not shown to clamd; at most its `StreamMaxLength`.
        largest: Size = default(Size(25_000_000));
        /// A longer silence of clamd is no answer.
        timeout: Period = default(Period::minutes(2));
        /// Files that never leave, by the end of their name, also inside ZIP files: `exe`, `js`, `iso`. The message is
        /// refused.
        blocked_types: Vec<FileType> = default(Vec::new());
    }
}

section! {
    /// Servers that may hand mail over without logging in.
    pub struct Trusted {
        /// What evidence calls the server.
        name: String = required("\"messagerie interne\"");
        /// Addresses it connects from, as networks.
        networks: Vec<Network> = required("[\"10.1.2.3/32\"]");
        /// What may stand in From: addresses, or domains as `@lilas.example`.
        from: Vec<String> = required("[\"@lilas.example\"]");
        /// Faults that are tolerated from it: `bare-lf`, `no-date`, `no-tls`.
        tolerate: Vec<Tolerance> = default(Vec::new());
    }
}

words!(
    /// What becomes of a message with infected content.
    OnMalware {
        /// It is not sent.
        Refuse = "refuse",
        /// It waits for an administrator.
        Hold = "hold",
    }
);
words!(
    /// What becomes of a message that cannot be looked into.
    OnFinding {
        /// It is sent.
        Pass = "pass",
        /// It waits for its sender.
        Hold = "hold",
        /// It is not sent.
        Refuse = "refuse",
    }
);

impl From<OnMalware> for OnFinding {
    fn from(on: OnMalware) -> Self {
        match on {
            OnMalware::Refuse => Self::Refuse,
            OnMalware::Hold => Self::Hold,
        }
    }
}

words!(
    /// A fault that a trusted server may have.
    Tolerance {
        /// Lines that end in LF alone.
        BareLf = "bare-lf",
        /// No Date header.
        NoDate = "no-date",
        /// No TLS.
        NoTls = "no-tls",
    }
);

/// Where clamd listens. Content goes there in clear: never over a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClamdAddress {
    /// A socket in the file system.
    Unix(PathBuf),
    /// A loopback address.
    Tcp(SocketAddr),
}

impl ClamdAddress {
    fn parse(text: &str, resolve: &dyn Fn(&str) -> PathBuf) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("unix", path)) if !path.is_empty() => Ok(Self::Unix(resolve(path))),
            Some(("tcp", place)) => match place.parse::<SocketAddr>() {
                Ok(address) if address.ip().is_loopback() => Ok(Self::Tcp(address)),
                Ok(_) => Err("content would cross the network in clear: only 127.0.0.1 or [::1]".to_owned()),
                Err(_) => Err("write tcp:127.0.0.1:PORT".to_owned()),
            },
            _ => Err("write unix:PATH or tcp:127.0.0.1:PORT".to_owned()),
        }
    }
}

impl Setting for ClamdAddress {
    fn read(value: &Spanned<DeValue<'_>>, spot: &Spot, context: &mut Context) -> Option<Self> {
        let Some(text) = value.get_ref().as_str() else {
            context.expected("a text in quotes", value, spot);
            return None;
        };
        let parsed = Self::parse(text, &|path: &str| context.resolve(path));
        parsed.map_err(|message| context.wrong(spot, message)).ok()
    }
}

impl fmt::Display for ClamdAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Tcp(address) => address.fmt(f),
        }
    }
}

/// The end of a file's name, lower case, without the dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileType(String);

impl FileType {
    /// As policy compares it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for FileType {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.strip_prefix('.').unwrap_or(text);
        let plain = |c: char| c.is_alphanumeric() || "-_".contains(c);
        match !name.is_empty() && name.chars().all(plain) {
            true => Ok(Self(name.to_lowercase())),
            false => Err(format!("{text:?} is no end of a file name; write it as \"exe\"")),
        }
    }
}

impl Setting for FileType {
    fn read(value: &Spanned<DeValue<'_>>, spot: &Spot, context: &mut Context) -> Option<Self> {
        super::kinds::read_text(value, spot, context)
    }
}

impl Shown for FileType {
    fn shown(&self) -> String {
        quoted(&self.0)
    }
}

#[cfg(test)]
impl Default for AntivirusSettings {
    fn default() -> Self {
        Self {
            clamd: None,
            infected: OnMalware::Refuse,
            encrypted: OnFinding::Hold,
            unscannable: OnFinding::Hold,
            largest: Size(25_000_000),
            timeout: Period::minutes(2),
            blocked_types: Vec::new(),
        }
    }
}
