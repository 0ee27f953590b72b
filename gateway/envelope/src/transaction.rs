//! The SMTP envelope: who hands over what, to whom (RFC 5321 §2.3.1, §3.3).

use crate::{AccountId, EmailAddress, GateMethod};
use serde::{Deserialize, Serialize};

/// `BODY=` parameter of MAIL (RFC 6152).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum BodyType {
    /// `7BIT`, also when nothing was said.
    #[default]
    SevenBit,
    /// `8BITMIME`.
    EightBitMime,
}

/// `NOTIFY=` of RCPT (RFC 3461 §4.1). All false with `never` unset means the client said nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DsnNotify {
    /// `NEVER`.
    pub never: bool,
    /// `SUCCESS`.
    pub success: bool,
    /// `FAILURE`.
    pub failure: bool,
    /// `DELAY`.
    pub delay: bool,
}

/// One RCPT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvelopeRecipient {
    /// Forward path.
    pub address: EmailAddress,
    /// `NOTIFY=`.
    pub notify: DsnNotify,
    /// `ORCPT=` as sent, xtext undone.
    pub orcpt: Option<String>,
}

impl EnvelopeRecipient {
    /// A recipient without parameters.
    pub fn plain(address: EmailAddress) -> Self {
        Self { address, notify: DsnNotify::default(), orcpt: None }
    }
}

/// One mail transaction as the client gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Reverse path; `None` is the null path `<>`.
    pub reverse_path: Option<EmailAddress>,
    /// Recipients in order; recipient N of a deposit is element N−1. Duplicates are removed.
    pub recipients: Vec<EnvelopeRecipient>,
    /// `BODY=`.
    pub body: BodyType,
    /// `SMTPUTF8` was given.
    pub smtputf8: bool,
    /// `SIZE=`.
    pub declared_size: Option<u64>,
    /// `ENVID=`, xtext undone.
    pub envid: Option<String>,
    /// `RET=FULL` (`Some(true)`) or `RET=HDRS` (`Some(false)`).
    pub ret_full: Option<bool>,
}

/// Who handed the message over, and how we know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Submitter {
    /// Logged in to the submission port.
    Account {
        /// Account.
        id: AccountId,
        /// Its login address.
        login: EmailAddress,
    },
    /// A `[[trusted]]` server relayed it: identity asserted, never "logged in".
    Asserted {
        /// Name of the server in the configuration.
        server: String,
    },
    /// Somebody outside who deposits on a page of ours: invited by one of our people, or in answer to a message that
    /// they have opened.
    Guest {
        /// Their address, to which the link had gone.
        address: EmailAddress,
        /// Gate methods passed, in order.
        methods: Vec<GateMethod>,
    },
    /// Sealpost itself (receipts, codes).
    System,
}
