//! A rule as it is configured, and what can be wrong with it.

use crate::{Defaults, Period};
use sealpost_envelope::{Gate, Treatment};
use std::fmt;

/// One `[[rule]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleConfig {
    /// What people call it; evidence and refusals quote it.
    pub name: String,
    /// Condition in CEL; it always applies when absent.
    pub when: Option<String>,
    /// What the recipient gets.
    pub treatment: Treatment,
    /// How they authenticate; the default gate when absent.
    pub gate: Option<Gate>,
    /// Access ends this long after the deposit.
    pub expires: Option<Period>,
    /// Content is destroyed this long after the deposit.
    pub retention: Option<Period>,
    /// Reminders to a recipient who has not opened: after the deposit, or before the end when negative.
    pub remind: Vec<Period>,
    /// Identity that the gate must establish, as `rpps:10001234567`.
    pub identity: Option<String>,
}

impl RuleConfig {
    /// What is wrong besides the condition.
    pub(crate) fn mistakes(&self, index: usize, all: &[RuleConfig], defaults: &Defaults) -> Vec<RuleError> {
        let mut found = Vec::new();
        let mut wrong = |key, message: String| found.push(self.error(index, key, message, None));
        if self.name.trim().is_empty() {
            wrong("name", "a rule needs a name".into());
        }
        if all[..index].iter().any(|r| r.name == self.name) {
            wrong("name", "another rule has this name".into());
        }
        let expires = self.expires.unwrap_or(defaults.expires);
        if expires.as_seconds() <= 0 {
            wrong("expires", "must be after the deposit".into());
        }
        if let Some(retention) = self.retention.filter(|r| *r < expires) {
            wrong("retention", format!("{retention} ends before access does ({expires})"));
        }
        for period in &self.remind {
            if period.as_seconds() == 0 || period.as_seconds().abs() >= expires.as_seconds() {
                wrong("remind", format!("{period} does not fall between the deposit and the end of access"));
            }
        }
        if let Some(index) = all[..index].iter().position(|r| r.when.is_none()) {
            wrong("when", format!("never asked: rule {} {:?} has no condition", index + 1, all[index].name));
        }
        found
    }

    pub(crate) fn error(
        &self,
        index: usize,
        key: &'static str,
        message: String,
        suggestion: Option<String>,
    ) -> RuleError {
        RuleError { index, name: self.name.clone(), key, message, suggestion }
    }
}

/// A mistake in one rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct RuleError {
    /// Position among the rules, from 0.
    pub index: usize,
    /// The rule's name.
    pub name: String,
    /// The key at fault: `when`, `gate`, `expires`…
    pub key: &'static str,
    /// What is wrong.
    pub message: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {} {:?}, {}: {}", self.index + 1, self.name, self.key, self.message)?;
        match &self.suggestion {
            Some(s) => write!(f, "; did you mean {s:?}?"),
            None => Ok(()),
        }
    }
}
