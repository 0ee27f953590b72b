//! What policy can decide for a recipient, and the words it is configured with.

use crate::{Language, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What a recipient gets, weakest first: the order is the order of strength.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Treatment {
    /// The bytes as they came.
    Pass,
    /// Headers and body unchanged, evidence kept.
    Trace,
    /// S/MIME-signed.
    Seal,
    /// Body sealed, attachments behind links.
    Link,
    /// A neutral notification; everything behind the link.
    Notify,
    /// Nothing is accepted.
    Refuse,
}

impl Treatment {
    /// The word in configuration, headers and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Trace => "trace",
            Self::Seal => "seal",
            Self::Link => "link",
            Self::Notify => "notify",
            Self::Refuse => "refuse",
        }
    }
    /// Whether the recipient gets a link of their own.
    pub fn has_link(self) -> bool {
        matches!(self, Self::Link | Self::Notify)
    }
}
impl fmt::Display for Treatment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl FromStr for Treatment {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        [Self::Pass, Self::Trace, Self::Seal, Self::Link, Self::Notify, Self::Refuse]
            .into_iter()
            .find(|t| t.as_str() == s)
            .ok_or_else(|| format!("unknown treatment {s:?}; one of pass, trace, seal, link, notify, refuse"))
    }
}

/// One way to authenticate at the gate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum GateMethod {
    /// Nothing asked beyond the link.
    Link,
    /// Six-digit code by mail.
    OtpMail,
    /// Six-digit code by SMS.
    OtpSms,
    /// Time-based token (RFC 6238).
    Totp,
    /// Counter-based token (RFC 4226).
    Hotp,
    /// QR code with the tiqr app.
    Tiqr,
    /// CPS card.
    Cps,
    /// OpenID Connect provider of that name.
    Oidc(String),
    /// The message's password.
    Password,
}

impl GateMethod {
    /// Whether it says who the person is, by a number that others know them by.
    pub fn establishes(&self) -> bool {
        matches!(self, Self::Cps | Self::Oidc(_))
    }
}

impl fmt::Display for GateMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link => f.write_str("link"),
            Self::OtpMail => f.write_str("otp-mail"),
            Self::OtpSms => f.write_str("otp-sms"),
            Self::Totp => f.write_str("totp"),
            Self::Hotp => f.write_str("hotp"),
            Self::Tiqr => f.write_str("tiqr"),
            Self::Cps => f.write_str("cps"),
            Self::Oidc(name) => write!(f, "oidc:{name}"),
            Self::Password => f.write_str("password"),
        }
    }
}

/// A word that is no gate method.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown gate method {0:?}; one of link, otp-mail, otp-sms, totp, hotp, tiqr, cps, oidc:NAME, password, combined by +"
)]
pub struct ParseGateError(pub String);

impl FromStr for GateMethod {
    type Err = ParseGateError;
    fn from_str(s: &str) -> Result<Self, ParseGateError> {
        Ok(match s {
            "link" => Self::Link,
            "otp-mail" => Self::OtpMail,
            "otp-sms" => Self::OtpSms,
            "totp" => Self::Totp,
            "hotp" => Self::Hotp,
            "tiqr" => Self::Tiqr,
            "cps" => Self::Cps,
            "password" => Self::Password,
            other => match other.strip_prefix("oidc:") {
                Some(name)
                    if !name.is_empty()
                        && name.len() <= 32
                        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') =>
                {
                    Self::Oidc(name.to_owned())
                }
                _ => return Err(ParseGateError(other.to_owned())),
            },
        })
    }
}
impl TryFrom<String> for GateMethod {
    type Error = ParseGateError;
    fn try_from(s: String) -> Result<Self, ParseGateError> {
        s.parse()
    }
}
impl From<GateMethod> for String {
    fn from(m: GateMethod) -> String {
        m.to_string()
    }
}

/// Alternatives, each a combination that must all be passed in order: `["cps", "password+otp-sms"]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Gate(Vec<Vec<GateMethod>>);

impl Gate {
    /// One code by mail, the default.
    pub fn otp_mail() -> Self {
        Self(vec![vec![GateMethod::OtpMail]])
    }
    /// Alternatives in the order of preference; never empty, none of them empty.
    pub fn alternatives(&self) -> &[Vec<GateMethod>] {
        &self.0
    }
    /// Parses the configured words, each with `+` between combined methods.
    pub fn parse<S: AsRef<str>>(words: &[S]) -> Result<Self, ParseGateError> {
        if words.is_empty() {
            return Err(ParseGateError(String::new()));
        }
        words
            .iter()
            .map(|w| w.as_ref().split('+').map(|m| m.trim().parse()).collect())
            .collect::<Result<_, _>>()
            .map(Self)
    }
    /// The configured words again.
    pub fn words(&self) -> Vec<String> {
        self.0.iter().map(|alt| alt.iter().map(ToString::to_string).collect::<Vec<_>>().join("+")).collect()
    }
    /// This gate cut down to the alternatives that `wanted` also names; `None` if none is left.
    pub fn subset(&self, wanted: &Gate) -> Option<Self> {
        let kept: Vec<_> = self.0.iter().filter(|a| wanted.0.contains(a)).cloned().collect();
        (!kept.is_empty()).then_some(Self(kept))
    }
    /// This gate cut down to the alternatives that establish who the person is; `None` if none does.
    pub fn establishing(&self) -> Option<Self> {
        let kept: Vec<_> =
            self.0.iter().filter(|way| way.iter().any(GateMethod::establishes)).cloned().collect();
        (!kept.is_empty()).then_some(Self(kept))
    }
}
impl TryFrom<Vec<String>> for Gate {
    type Error = ParseGateError;
    fn try_from(words: Vec<String>) -> Result<Self, ParseGateError> {
        Self::parse(&words)
    }
}
impl From<Gate> for Vec<String> {
    fn from(g: Gate) -> Vec<String> {
        g.words()
    }
}

/// Policy's answer for one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What they get.
    pub treatment: Treatment,
    /// How they authenticate; meaningful when the treatment has a link.
    pub gate: Gate,
    /// Access ends.
    pub expires: Timestamp,
    /// Content is destroyed.
    pub retention: Timestamp,
    /// Name of the rule that decided, or of the built-in default.
    pub rule: String,
    /// Number for codes by SMS, from the sender's hint, E.164.
    pub phone: Option<String>,
    /// Whom the gate must establish, as the rule names them: `rpps:10001234567`.
    pub identity: Option<String>,
    /// Set when the message must wait for the sender's answer instead of leaving; says why.
    pub hold: Option<String>,
}

/// Words for people, in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wording {
    /// French.
    pub fr: String,
    /// English; also what the journal and commands say.
    pub en: String,
}

impl Wording {
    /// In a language.
    pub fn pick(&self, language: Language) -> &str {
        language.pick(&self.fr, &self.en)
    }
}

/// What policy would have done with a recipient's mail where it is only observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// What they would have got.
    pub treatment: Treatment,
    /// By which rule.
    pub rule: String,
    /// Why the message would have waited, if it would.
    pub hold: Option<Wording>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_strength() {
        assert!(Treatment::Pass < Treatment::Trace && Treatment::Seal < Treatment::Link);
        assert!("LINK".parse::<Treatment>().is_err());
    }
    #[test]
    fn gates_read_and_write() {
        let g = Gate::parse(&["cps", "oidc:psc", "password+otp-sms"]).unwrap();
        assert_eq!(g.words(), ["cps", "oidc:psc", "password+otp-sms"]);
        assert_eq!(g.subset(&Gate::parse(&["cps"]).unwrap()).unwrap().words(), ["cps"]);
        assert!(g.subset(&Gate::otp_mail()).is_none());
        assert!(Gate::parse(&["otp_mail"]).is_err());
        assert!(Gate::parse::<&str>(&[]).is_err());
    }
}
