//! Deposits: one accepted message, written whole in one transaction, and read back.
//!
//! **Job.** [`Store::deposit`] makes a message durable with its parts, consignments, tokens, journal
//! events, evidence and outbound work. A resubmission answers the first id.
//!
//! **Exposure.** Addresses and identifiers of strangers, parsed before; content arrives encrypted.
//!
//! **Failure modes.** A drawn reference that is taken: [`DepositError::ReferenceTaken`], the caller draws
//! another. Anything else is [`StoreError`], and nothing is stored.

mod follow;
mod read;
mod statistics;
mod write;

pub use follow::{DepositState, FollowFilter, Followed, PAGE, RecipientMatch, Sight, StateFilter};
pub(crate) use read::address;
pub use read::{Deposit, DepositFilter, DepositRow, PartRow};
pub use statistics::DayCount;
pub(crate) use write::INSERT_TOKENS;

use crate::StoreError;
use crate::queue::NewOutbound;
use sealpost_envelope::{
    AccountId, BlobId, DepositId, Digests, EmailAddress, EntityId, Language, Observed, PartNo, RecipientNo,
    Reference, Sha256Digest, Submitter, Timestamp, Verdict,
};
use sealpost_evidence::BuiltEvent;

/// Where an encrypted body lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredBody {
    /// In the row: small bodies, ciphertext.
    Inline(Vec<u8>),
    /// In the blob store.
    Blob(BlobId),
}

/// A message ready to be written.
#[derive(Debug, Clone)]
pub struct NewDeposit {
    /// Its identifier.
    pub id: DepositId,
    /// Organisation.
    pub entity: EntityId,
    /// Account that submitted it, if one logged in.
    pub account: Option<AccountId>,
    /// Who handed it over.
    pub submitter: Submitter,
    /// The author.
    pub sender: EmailAddress,
    /// Name for people; unique in the entity.
    pub reference: Reference,
    /// Digest over what makes two submissions the same: account, Message-ID, envelope, digest.
    pub idempotency: Sha256Digest,
    /// The author's Message-ID without angle brackets.
    pub message_id: Option<String>,
    /// When it was accepted.
    pub created: Timestamp,
    /// Bytes as received.
    pub size: u64,
    /// Digests of the bytes as received.
    pub digests: Digests,
    /// The deposit key, wrapped under the key of `key_week`.
    pub wrapped_key: Vec<u8>,
    /// Expiry week whose key wraps the deposit key.
    pub key_week: String,
    /// What pages and mails say of the message (subject, names); encrypted JSON.
    pub meta: Vec<u8>,
    /// The message without its stored parts.
    pub skeleton: StoredBody,
    /// Stored parts.
    pub parts: Vec<NewPart>,
    /// One for each recipient.
    pub consignments: Vec<NewConsignment>,
    /// Verifier of the message's password (PHC string), kept for every recipient whose gate asks for it.
    pub password: Option<String>,
    /// What happened.
    pub events: Vec<BuiltEvent>,
    /// Mail to be composed and sent. Rows of a held recipient are held.
    pub outbound: Vec<NewOutbound>,
}

/// A stored part ready to be written.
#[derive(Debug, Clone)]
pub struct NewPart {
    /// Number, from 1.
    pub n: PartNo,
    /// The message crate's word for what the part is.
    pub role: String,
    /// Decoded bytes.
    pub size: u64,
    /// Digests of the decoded bytes.
    pub digests: Digests,
    /// Where its ciphertext lies.
    pub body: StoredBody,
    /// Name, media type and what else describes it; encrypted JSON.
    pub meta: Vec<u8>,
}

/// A recipient's share of a deposit, ready to be written.
#[derive(Debug, Clone)]
pub struct NewConsignment {
    /// Recipient, from 1.
    pub n: RecipientNo,
    /// Mailbox.
    pub address: EmailAddress,
    /// Policy's answer.
    pub verdict: Verdict,
    /// Language of mails and pages.
    pub language: Language,
    /// Hash of the link token's generation 1, for treatments with a link.
    pub token_hash: Option<[u8; 32]>,
    /// When to remind whoever has not opened, in seconds from now, or back from the end of access.
    pub remind: Vec<i64>,
    /// What policy would have done, where it is only observed.
    pub observed: Option<Observed>,
}

/// Outcome of [`Store::deposit`](crate::Store::deposit).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deposited {
    /// Stored now.
    New,
    /// The same submission was stored before, under this id.
    Repeated(DepositId),
}

/// Why a deposit was not stored.
#[derive(Debug, thiserror::Error)]
pub enum DepositError {
    /// Another deposit of the entity has this reference: draw another and try again.
    #[error("the reference is taken")]
    ReferenceTaken,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
