//! What is known of a person who passed a method: for the journal, for evidence, and for an account.
//!
//! Levels use eIDAS's three words (regulation 910/2014, article 8) as a scale, not as a claim: nobody has assessed
//! this service, and evidence writes them under a name of our own.

use crate::Assurance;
use sealpost_envelope::{GateMethod, Timestamp};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// How much an authentication is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// One factor, or two steps over the same one.
    Low,
    /// Two different factors, or a provider or card that vouches for as much.
    Substantial,
    /// A card whose holder was seen in person, with its PIN.
    High,
}

impl Level {
    /// The word in evidence and on pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Substantial => "substantial",
            Self::High => "high",
        }
    }
    /// What a method is worth by itself.
    pub fn of(method: &GateMethod) -> Self {
        match method {
            // The PIN and the device or card join two factors.
            GateMethod::Cps | GateMethod::Tiqr => Self::Substantial,
            _ => Self::Low,
        }
    }
    /// What several passed methods are worth together: the best of them, raised where they join two factors.
    pub fn together(facts: &[Facts]) -> Self {
        let best = facts.iter().map(|f| f.level).max().unwrap_or(Self::Low);
        let methods: Vec<_> = facts.iter().map(|f| f.method.clone()).collect();
        if Assurance::of(&methods).is_multi_factor() { best.max(Self::Substantial) } else { best }
    }
}

/// Whom a method established.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Kind of number: `rpps`, `adeli`, `mail`, `sub`…
    pub scheme: String,
    /// The number or address itself.
    pub value: String,
    /// The person's name, where the method gave one.
    pub name: Option<String>,
}

impl Identity {
    /// Without a name.
    pub fn new(scheme: impl Into<String>, value: impl Into<String>) -> Self {
        Self { scheme: scheme.into(), value: value.into(), name: None }
    }
    /// With the person's name.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

impl std::fmt::Display for Identity {
    /// As rules and evidence write it: `rpps:10001234567`; an address stands by itself.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.scheme == "mail" {
            f.write_str(&self.value)
        } else {
            write!(f, "{}:{}", self.scheme, self.value)
        }
    }
}

/// A method that was passed. Holds no secrets; identity and details are personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Method.
    pub method: GateMethod,
    /// When.
    pub at: Timestamp,
    /// What it was worth.
    pub level: Level,
    /// Whom it established.
    pub identity: Option<Identity>,
    /// More, in words that evidence repeats: `serial`, `issuer`, `acr`…
    pub details: Vec<(Cow<'static, str>, String)>,
}

impl Facts {
    /// Of a method that says nothing about the person.
    pub fn new(method: GateMethod, at: Timestamp) -> Self {
        let level = Level::of(&method);
        Self { method, at, level, identity: None, details: Vec::new() }
    }
    /// Worth this much.
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }
    /// Established this person.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }
    /// Says more.
    pub fn detail(mut self, key: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.details.push((key.into(), value.into()));
        self
    }
    /// The person whom the strongest of these methods established.
    pub fn person(all: &[Self]) -> Option<&Identity> {
        // The last of equals: what was passed later was asked for because the earlier was not enough.
        all.iter().filter(|f| f.identity.is_some()).max_by_key(|f| f.level).and_then(|f| f.identity.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use GateMethod::{Cps, Link, OtpMail, OtpSms, Password, Totp};

    fn facts(methods: &[GateMethod]) -> Vec<Facts> {
        methods.iter().map(|m| Facts::new(m.clone(), Timestamp::UNIX_EPOCH)).collect()
    }

    #[test]
    fn levels_follow_the_factors() {
        for (methods, expected) in [
            (vec![], Level::Low),
            (vec![Link], Level::Low),
            (vec![OtpMail], Level::Low),
            (vec![Totp], Level::Low),
            (vec![Password, OtpMail], Level::Low),
            (vec![Password, OtpSms], Level::Substantial),
            (vec![Cps], Level::Substantial),
        ] {
            assert_eq!(Level::together(&facts(&methods)), expected, "{methods:?}");
        }
        let vouched = Facts::new(Cps, Timestamp::UNIX_EPOCH).level(Level::High);
        assert_eq!(Level::together(&[vouched]), Level::High);
    }

    #[test]
    fn the_strongest_method_names_the_person() {
        let mail = Facts::new(OtpMail, Timestamp::UNIX_EPOCH).identity(Identity::new("mail", "a@b.test"));
        let card = Facts::new(Cps, Timestamp::UNIX_EPOCH).identity(Identity::new("rpps", "10001234567"));
        let both = [card.clone(), mail.clone()];
        assert_eq!(Facts::person(&both).unwrap().to_string(), "rpps:10001234567");
        assert_eq!(Facts::person(std::slice::from_ref(&mail)).unwrap().to_string(), "a@b.test");
        assert_eq!(Facts::person(&facts(&[Password])), None);
    }

    #[test]
    fn facts_survive_the_store() {
        let card = Facts::new(Cps, Timestamp::UNIX_EPOCH)
            .level(Level::High)
            .identity(Identity::new("rpps", "1").named("Dora"))
            .detail("serial", "42");
        let text = serde_json::to_string(std::slice::from_ref(&card)).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Facts>>(&text).unwrap(), [card]);
    }
}
