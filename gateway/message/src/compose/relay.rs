//! `pass` and `trace`: the author's message, as it came or with a few fields more and less.

use super::headers::{Fields, format_date};
use super::plan::{Planner, Recipe};
use crate::error::SkeletonError;
use crate::header::fields;
use crate::skeleton::{Record, SkeletonReader};
use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sealpost_envelope::{DepositId, EmailAddress, Reference};

/// What we add to the header of a message that stays its author's.
#[derive(Debug, Clone)]
pub struct Stamp<'a> {
    /// Deposit.
    pub deposit: DepositId,
    /// Its reference.
    pub reference: &'a Reference,
    /// Our host name.
    pub hostname: &'a str,
    /// Name the client gave in EHLO; network addresses stay in the journal.
    pub helo: Option<&'a str>,
    /// `ESMTPSA`, `ESMTPS`, `ESMTP` or `HTTPS` (RFC 3848).
    pub protocol: &'a str,
    /// When the message was accepted.
    pub accepted: Timestamp,
    /// Zone of the date.
    pub zone: &'a TimeZone,
    /// The one recipient of this copy.
    pub recipient: Option<&'a EmailAddress>,
}

impl Stamp<'_> {
    /// `Received` (RFC 5321 §4.4), then our own fields.
    pub(super) fn fields(&self) -> Vec<u8> {
        let word = |text: &str| -> String {
            text.chars().filter(|c| c.is_ascii_alphanumeric() || "-._[]:".contains(*c)).take(255).collect()
        };
        let mut received = String::new();
        if let Some(helo) = self.helo.map(word).filter(|h| !h.is_empty()) {
            received.push_str(&format!("from {helo} "));
        }
        received.push_str(&format!(
            "by {} with {} id {}",
            word(self.hostname),
            word(self.protocol),
            self.deposit
        ));
        if let Some(recipient) = self.recipient {
            received.push_str(&format!(" for <{recipient}>"));
        }
        received.push_str(&format!("; {}", format_date(self.accepted, self.zone)));
        let mut out = Fields::new();
        out.words("Received", &received);
        out.words("X-Sealpost-Deposit", &self.deposit.to_string());
        out.words("X-Sealpost-Reference", self.reference.as_str());
        out.into_bytes()
    }
}

/// Fields that do not leave: blind copies (RFC 5322 §3.6.3), hints to us, and what claims to be from us.
pub(super) fn stays_inside(name: &[u8]) -> bool {
    const PREFIX: &[u8] = b"x-sealpost-";
    name.eq_ignore_ascii_case(b"bcc")
        || (name.len() > PREFIX.len() && name[..PREFIX.len()].eq_ignore_ascii_case(PREFIX))
}

/// The bytes as they came.
pub fn pass(skeleton: Bytes) -> Result<Recipe, SkeletonError> {
    Recipe::from_bytes(skeleton)
}

/// The author's message with `Received` and our fields before it, without blind copies and hints.
pub fn trace(skeleton: &[u8], stamp: &Stamp<'_>) -> Result<Recipe, SkeletonError> {
    let mut plan = Planner::new();
    plan.literal(&stamp.fields());
    let mut reader = SkeletonReader::new();
    reader.push(skeleton);
    while let Some(record) = reader.next_record()? {
        match record {
            Record::Headers { node: 0, bytes } => plan.literal(&without_inside_fields(&bytes)),
            Record::Headers { bytes, .. } | Record::Structure(bytes) => plan.literal(&bytes),
            Record::Text { raw, .. } => plan.literal(&raw),
            Record::Part(encoder) => plan.part(&encoder),
            Record::End { .. } => {}
        }
    }
    reader.finish()?;
    Ok(plan.finish())
}

/// The block as it is, fields cut out of it.
fn without_inside_fields(block: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(block.len());
    let mut from = 0;
    for field in fields(block) {
        if stays_inside(field.name) {
            let start = field.raw.as_ptr() as usize - block.as_ptr() as usize;
            kept.extend_from_slice(&block[from..start]);
            from = start + field.raw.len();
        }
    }
    kept.extend_from_slice(&block[from..]);
    kept
}
