//! Delivery status notifications (RFC 3464).

use super::fields::{Group, address, groups, line, one, typed};
use sealpost_envelope::EmailAddress;

/// What a server says it did (RFC 3464 §2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It has given up.
    Failed,
    /// It is still trying.
    Delayed,
    /// It put the mail into the mailbox.
    Delivered,
    /// It gave the mail to a server that reports nothing.
    Relayed,
    /// It gave the mail to several addresses behind this one.
    Expanded,
}

impl Action {
    /// The word in a report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
        }
    }
    fn parse(value: &str) -> Option<Self> {
        // RFC 3464 §2.3.3: one word; some servers add a comment.
        let word = value.split([' ', '(']).next()?.to_ascii_lowercase();
        [Self::Failed, Self::Delayed, Self::Delivered, Self::Relayed, Self::Expanded]
            .into_iter()
            .find(|a| a.as_str() == word)
    }
}

/// What a report says about one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryReport {
    /// What was done.
    pub action: Action,
    /// `5.1.1` (RFC 3463); empty where a bounce tells none.
    pub status: String,
    /// The remote server's words, or those for people.
    pub diagnostic: String,
    /// Who reports.
    pub reporter: Option<String>,
    /// Whether it has the standard's form; a bounce that has not proves even less.
    pub standard: bool,
}

/// Reads a report about `recipient`; `None` when it is none, or is about others.
pub(super) fn read(bytes: &[u8], recipient: &EmailAddress) -> Option<DeliveryReport> {
    let groups = groups(bytes)?;
    let (message, recipients) = groups.split_first()?;
    // RFC 3464 §2.2.2: the one field that every report has.
    let reporter = one(message, "reporting-mta").map(|v| line(typed(v).1));
    let key = recipient.key();
    let names = |g: &&Group| {
        ["original-recipient", "final-recipient"].iter().any(|f| one(g, f).is_some_and(|v| address(v) == key))
    };
    let group = match recipients.iter().find(names) {
        Some(group) => group,
        // Forwarded mail fails at an address we do not know; the return address says whose mail it was.
        None => match recipients {
            [only] => only,
            _ => return None,
        },
    };
    let action = Action::parse(one(group, "action")?)?;
    let status = status(one(group, "status")?)?;
    // A report that contradicts itself says nothing (RFC 3464 §2.3.4: 2 success, 4 and 5 failure).
    let agrees = match action {
        Action::Failed => !status.starts_with('2'),
        Action::Delayed => status.starts_with('4'),
        Action::Delivered | Action::Relayed | Action::Expanded => status.starts_with('2'),
    };
    let diagnostic = one(group, "diagnostic-code").map(|v| line(typed(v).1)).unwrap_or_default();
    agrees.then_some(DeliveryReport { action, status, diagnostic, reporter, standard: true })
}

/// `class.subject.detail` at the front of a value.
pub(super) fn status(value: &str) -> Option<String> {
    let word = value.split([' ', '(', ';']).next()?;
    let mut numbers = word.split('.');
    let class = numbers.next().filter(|c| matches!(*c, "2" | "4" | "5"))?;
    let mut detail =
        || numbers.next().filter(|n| (1..=3).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit()));
    let (subject, detail) = (detail()?, detail()?);
    numbers.next().is_none().then(|| format!("{class}.{subject}.{detail}"))
}
