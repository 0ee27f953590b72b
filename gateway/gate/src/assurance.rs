//! What an authentication is worth, in the words that evidence keeps.
//!
//! CNIL deliberation 2025-019: a code sent to the mailbox that received the link proves control of that
//! mailbox only. It is labelled so; two steps over the same factor never become "multi-factor".

use sealpost_envelope::GateMethod;
use std::fmt;

/// The kind of thing a method relies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Factor {
    /// Holding the link itself.
    Link,
    /// Control of the mailbox, as the link's arrival already showed.
    Mailbox,
    /// Something known.
    Knowledge,
    /// A device, card or number other than the mailbox.
    Possession,
    /// An identity vouched for by a provider.
    Federated,
}

impl Factor {
    /// The factor behind a method.
    pub fn of(method: &GateMethod) -> Self {
        match method {
            GateMethod::Link => Self::Link,
            GateMethod::OtpMail => Self::Mailbox,
            GateMethod::Password => Self::Knowledge,
            GateMethod::OtpSms | GateMethod::Totp | GateMethod::Hotp | GateMethod::Tiqr | GateMethod::Cps => {
                Self::Possession
            }
            GateMethod::Oidc(_) => Self::Federated,
        }
    }
    /// The word in evidence.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Mailbox => "mailbox",
            Self::Knowledge => "knowledge",
            Self::Possession => "possession",
            Self::Federated => "federated",
        }
    }
}

/// The methods a person passed and the factors behind them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assurance {
    methods: Vec<GateMethod>,
}

impl Assurance {
    /// Of the methods passed, in order.
    pub fn of(methods: &[GateMethod]) -> Self {
        Self { methods: methods.to_vec() }
    }
    /// The methods joined by `+`, as a rule writes them: `password+otp-sms`.
    pub fn methods(&self) -> String {
        self.methods.iter().map(ToString::to_string).collect::<Vec<_>>().join("+")
    }
    /// Distinct factors.
    pub fn factors(&self) -> Vec<Factor> {
        let mut factors: Vec<_> = self.methods.iter().map(Factor::of).collect();
        factors.sort_unstable();
        factors.dedup();
        factors
    }
    /// Two different factors beyond the link and its mailbox, or a card or provider that joins two itself.
    pub fn is_multi_factor(&self) -> bool {
        let strong = self.factors().into_iter().filter(|f| *f > Factor::Mailbox).count();
        strong >= 2 || self.methods.iter().any(|m| matches!(m, GateMethod::Cps | GateMethod::Tiqr))
    }
}

impl fmt::Display for Assurance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let factors: Vec<_> = self.factors().into_iter().map(Factor::as_str).collect();
        write!(f, "{} ({})", self.methods(), factors.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_by_mail_is_one_factor_whatever_it_is_joined_with() {
        use GateMethod::{Cps, Link, OtpMail, OtpSms, Password};
        for (methods, multi) in [
            (vec![Link], false),
            (vec![OtpMail], false),
            (vec![Password, OtpMail], false),
            (vec![Password, OtpSms], true),
            (vec![Cps], true),
        ] {
            assert_eq!(Assurance::of(&methods).is_multi_factor(), multi, "{methods:?}");
        }
        assert_eq!(Assurance::of(&[Password, OtpMail]).to_string(), "password+otp-mail (mailbox, knowledge)");
    }
}
