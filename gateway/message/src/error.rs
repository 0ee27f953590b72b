//! What can be wrong, by who is at fault: the message's author ([`MessageError`]), or whoever kept the
//! skeleton ([`SkeletonError`]).

use sealpost_envelope::PartNo;

/// The message goes beyond what is accepted. The SMTP answer is `554 5.6.0` and the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// All header blocks together are larger than the limit.
    #[error("the header fields of this message exceed {limit} bytes")]
    HeadersTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// Multiparts within multiparts beyond the limit.
    #[error("this message nests more than {limit} levels of parts")]
    TooDeep {
        /// The limit in levels.
        limit: usize,
    },
    /// More parts than the limit.
    #[error("this message has more than {limit} parts")]
    TooManyParts {
        /// The limit in parts.
        limit: usize,
    },
}

impl MessageError {
    /// Reply code of SMTP.
    pub const CODE: u16 = 554;
    /// Enhanced status code (RFC 3463 §3.7, "other or undefined media error").
    pub const ENHANCED: &'static str = "5.6.0";
}

/// The skeleton or a stored part is not what the walker wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SkeletonError {
    /// The first bytes are not those of a skeleton.
    #[error("not a skeleton")]
    Magic,
    /// Written by a later version.
    #[error("skeleton version {0} is not known")]
    Version(u8),
    /// Ends within a record, or before the end record.
    #[error("the skeleton ends too early")]
    Truncated,
    /// A record that cannot be read; the tag and what is wrong.
    #[error("skeleton record {tag:#04x}: {what}")]
    Record {
        /// Tag of the record.
        tag: u8,
        /// What is wrong.
        what: &'static str,
    },
    /// A stored part has another length than the skeleton says.
    #[error("stored part {n} has {got} bytes where {expected} are due")]
    PartLength {
        /// The part.
        n: PartNo,
        /// Length when it was walked.
        expected: u64,
        /// Length now.
        got: u64,
    },
    /// The rebuilt message has another length than the one received.
    #[error("the rebuilt message has {got} bytes where {expected} are due")]
    MessageLength {
        /// Length when it was walked.
        expected: u64,
        /// Length now.
        got: u64,
    },
}
