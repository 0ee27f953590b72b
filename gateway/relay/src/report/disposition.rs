//! Read receipts (RFC 8098).

use super::fields::{address, groups, line, one};

/// What a mail program says was done with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadReceipt {
    /// `displayed`, `deleted`, `dispatched` or `processed`.
    pub disposition: String,
    /// Whether a person had to agree to it (`manual-action`, RFC 8098 §3.2.6.1).
    pub by_hand: bool,
    /// For whom, in lower case.
    pub recipient: Option<String>,
    /// The message it is about, without angle brackets.
    pub message_id: Option<String>,
    /// The program.
    pub program: Option<String>,
}

/// Reads a receipt; `None` when it is none.
pub(super) fn read(bytes: &[u8]) -> Option<ReadReceipt> {
    let groups = groups(bytes)?;
    let [fields] = groups.as_slice() else { return None };
    // RFC 8098 §3.2.6: action-mode "/" sending-mode ";" type ["/" modifiers]
    let (modes, kind) = one(fields, "disposition")?.split_once(';')?;
    let (action, _) = modes.split_once('/')?;
    let kind = kind.split(['/', ',', ' ']).find(|w| !w.is_empty())?.to_ascii_lowercase();
    if !matches!(kind.as_str(), "displayed" | "deleted" | "dispatched" | "processed") {
        return None;
    }
    // RFC 8098 §3.2.4: always there.
    let recipient = one(fields, "final-recipient")?;
    let original = one(fields, "original-recipient").unwrap_or(recipient);
    let id = |v: &str| v.trim().trim_start_matches('<').trim_end_matches('>').to_owned();
    Some(ReadReceipt {
        disposition: kind,
        by_hand: action.trim().eq_ignore_ascii_case("manual-action"),
        recipient: Some(address(original)),
        message_id: one(fields, "original-message-id").map(id).filter(|i| !i.is_empty()),
        program: one(fields, "reporting-ua").map(line),
    })
}
