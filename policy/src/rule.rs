//! A rule as it is configured, and what can be wrong with it.

use crate::Period;
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
