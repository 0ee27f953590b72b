//! What comes back: delivery reports, read receipts, and bounces in no standard form.
//!
//! **Job.** Tells from the parts of a message that came to a return address what it says about the one
//! recipient that address was made for. A report is a claim: it proves that somebody who had the mail, or
//! carried it, sent it, and nothing more; what follows from it is decided elsewhere.
//!
//! **Exposure.** Every byte is a stranger's. The machine-readable halves are read strictly and bounded; what
//! cannot be read is [`Report::Other`], a message for a person, and changes no state.
//!
//! **Standards.** RFC 3464 (delivery status), RFC 8098 (read receipts), RFC 6522 (multipart/report),
//! RFC 6533 (internationalised), RFC 3463 (status codes).
//!
//! **Failure modes.** None: what is no report is [`Report::Other`].

mod bounce;
mod delivery;
mod disposition;
mod fields;

pub use delivery::{Action, DeliveryReport};
pub use disposition::ReadReceipt;

use sealpost_envelope::EmailAddress;

/// Longest machine-readable half that is read; longer ones are no reports.
pub const MAX_REPORT: usize = 64 << 10;

/// What a message says about the recipient it came back from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// What became of the mail.
    Delivery(DeliveryReport),
    /// What the recipient's mail program says was done with it.
    Read(ReadReceipt),
    /// For a person: out of office, a challenge, an answer, or a report that cannot be understood.
    Other,
}

/// A message as the reader of reports needs it.
#[derive(Debug, Clone, Default)]
pub struct Incoming<'a> {
    /// Whether the reverse path was null, as it is for every true bounce (RFC 5321 §4.5.5).
    pub null_path: bool,
    /// `From`, the first address.
    pub from: Option<&'a str>,
    /// `X-Failed-Recipients`, as some servers add it.
    pub failed_recipients: Option<&'a str>,
    /// `Auto-Submitted`, its first word.
    pub auto_submitted: Option<&'a str>,
    /// Machine-readable halves: media type in lower case, content.
    pub halves: &'a [(String, Vec<u8>)],
    /// The first texts, decoded.
    pub text: &'a str,
}

/// Reads what came back for `recipient`.
pub fn read(message: &Incoming<'_>, recipient: &EmailAddress) -> Report {
    for (media_type, bytes) in message.halves.iter().filter(|(_, bytes)| bytes.len() <= MAX_REPORT) {
        match media_type.as_str() {
            // RFC 3464 §2: a report travels under the null path; another may come from anyone.
            "message/delivery-status" | "message/global-delivery-status" if message.null_path => {
                if let Some(report) = delivery::read(bytes, recipient) {
                    return Report::Delivery(report);
                }
            }
            "message/disposition-notification" | "message/global-disposition-notification" => {
                if let Some(receipt) = disposition::read(bytes) {
                    return Report::Read(receipt);
                }
            }
            _ => {}
        }
    }
    match bounce::read(message, recipient) {
        Some(report) => Report::Delivery(report),
        None => Report::Other,
    }
}

#[cfg(test)]
mod tests;
