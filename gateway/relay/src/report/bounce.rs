//! Bounces in no standard form: qmail's, older Exim's, Exchange's and those of some providers.
//!
//! They are believed only when they come under the null path from a mail system, name the recipient, and
//! carry a permanent code beside it.

use super::Incoming;
use super::delivery::{Action, DeliveryReport, status};
use super::fields::line;
use sealpost_envelope::EmailAddress;

/// Text looked at.
const MOST: usize = 16 << 10;
/// Lines after the address in which its reason may stand.
const NEAR: usize = 8;

/// Reads a bounce about `recipient`.
pub(super) fn read(message: &Incoming<'_>, recipient: &EmailAddress) -> Option<DeliveryReport> {
    if !message.null_path || message.auto_submitted == Some("auto-replied") {
        return None;
    }
    let sender = message.from.unwrap_or_default().to_lowercase();
    let system = ["mailer-daemon", "postmaster", "mail-daemon", "microsoftexchange"];
    if !system.iter().any(|name| sender.starts_with(name)) {
        return None;
    }
    let text = &message.text[..message.text.floor_char_boundary(MOST)];
    let key = recipient.key();
    let lines: Vec<&str> = text.lines().collect();
    let named = lines.iter().position(|l| l.to_lowercase().contains(&key));
    let listed = message
        .failed_recipients
        .is_some_and(|list| list.split(',').any(|a| a.trim().trim_matches(['<', '>']).to_lowercase() == key));
    let from = match (named, listed) {
        (Some(at), _) => at,
        (None, true) => 0,
        (None, false) => return None,
    };
    let near = &lines[from..lines.len().min(from + NEAR)];
    let code = near.iter().find_map(|l| permanent(l));
    // The list of failed recipients is a statement of its own; without it, the code is needed.
    if code.is_none() && !listed {
        return None;
    }
    let words = near.iter().skip(1).find(|l| !l.trim().is_empty()).or(near.first());
    Some(DeliveryReport {
        action: Action::Failed,
        status: code.unwrap_or_default(),
        diagnostic: line(words.copied().unwrap_or_default()),
        reporter: None,
        standard: false,
    })
}

/// A permanent code in a line: `5.1.1`, or a reply such as `550`.
fn permanent(text: &str) -> Option<String> {
    let mut words = text.split(|c: char| !(c.is_ascii_digit() || c == '.')).filter(|w| !w.is_empty());
    words.find_map(|word| {
        let word = word.trim_matches('.');
        if let Some(code) = status(word).filter(|s| s.starts_with('5')) {
            return Some(code);
        }
        (word.len() == 3 && word.starts_with('5') && word.bytes().all(|b| b.is_ascii_digit()))
            .then(|| word.to_owned())
    })
}
