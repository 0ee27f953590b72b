//! What goes into a proof, in the vocabulary of the evidence; the gateway fills it from the store.

use sealpost_certs::{Certificate, RevocationValue};
use sealpost_envelope::{DepositId, Digests, EntryId, Language, RecipientNo, Reference, Timestamp};
use sealpost_evidence::{EventName, PartFacts, Party};
use std::io::{self, Read};

/// Bytes that are read once, when their turn comes: a message may be larger than memory.
pub struct Source<'a> {
    /// Exact number of bytes.
    pub size: u64,
    /// Opens them.
    #[allow(clippy::type_complexity)]
    pub open: Box<dyn FnOnce() -> io::Result<Box<dyn Read + 'a>> + Send + 'a>,
}

impl<'a> Source<'a> {
    /// Any reader of known length.
    pub fn new(size: u64, open: impl FnOnce() -> io::Result<Box<dyn Read + 'a>> + Send + 'a) -> Self {
        Self { size, open: Box::new(open) }
    }
    /// Bytes in memory.
    pub fn bytes(bytes: Vec<u8>) -> Self {
        Self::new(bytes.len() as u64, move || Ok(Box::new(io::Cursor::new(bytes)) as Box<dyn Read>))
    }
}

impl std::fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Source({} bytes)", self.size)
    }
}

/// An evidence with its seal.
#[derive(Debug, Clone)]
pub struct SealedEvidence {
    /// What it attests.
    pub event: EventName,
    /// ETSI XML.
    pub xml: Vec<u8>,
    /// Detached CAdES over it, B-T or B-LT.
    pub seal: Vec<u8>,
}

/// A journal entry with its place in the log.
#[derive(Debug, Clone)]
pub struct LoggedEntry {
    /// Index in the log.
    pub index: u64,
    /// Canonical JSON.
    pub json: Vec<u8>,
    /// Clear values and salts, as far as this proof shows them.
    pub openings: Option<Vec<u8>>,
    /// Audit path to the checkpoint's root, sibling of the leaf first.
    pub path: Vec<[u8; 32]>,
}

/// The checkpoint that covers all entries.
#[derive(Debug, Clone)]
pub struct Checkpointed {
    /// The signed note.
    pub note: Vec<u8>,
    /// Bare timestamp token over the note.
    pub token: Vec<u8>,
    /// Detached CAdES over the note, whose signer's key is the key that signed the note.
    pub seal: Vec<u8>,
}

/// What an authority outside says of the time, for the report.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ExternalTime {
    /// None was asked: all times are those of the organisation's own authority.
    #[default]
    None,
    /// It was asked and has not answered yet.
    Pending,
    /// It dated the checkpoint, and with it every entry below.
    Dated {
        /// When.
        at: Timestamp,
        /// Who.
        authority: String,
    },
}

/// A step of the story, for the report.
#[derive(Debug, Clone)]
pub struct Step {
    /// When.
    pub time: Timestamp,
    /// What.
    pub event: EventName,
    /// Journal entry.
    pub entry: EntryId,
    /// Whom it concerns, when one recipient.
    pub recipient: Option<RecipientNo>,
    /// More, in words: a host, a method, a file.
    pub note: Option<String>,
}

/// Everything a proof holds. With a proof about one recipient, nothing of the others is in it.
#[derive(Debug)]
pub struct Bundle<'a> {
    /// Language of the report.
    pub language: Language,
    /// Organisation that exports.
    pub organisation: String,
    /// Deposit.
    pub deposit: DepositId,
    /// Its name for people.
    pub reference: Reference,
    /// The author's Message-ID.
    pub message_id: Option<String>,
    /// Subject, where the proof may show it.
    pub subject: Option<String>,
    /// Who wrote.
    pub sender: Party,
    /// Who sent for the author.
    pub delegate: Option<Party>,
    /// To whom, with their numbers.
    pub recipients: Vec<(RecipientNo, Party)>,
    /// When it was accepted.
    pub submitted: Timestamp,
    /// Length of the message as received.
    pub size: u64,
    /// Digests of the message as received.
    pub digests: Digests,
    /// Attachments.
    pub parts: Vec<PartFacts>,
    /// The story, for the report.
    pub steps: Vec<Step>,
    /// The message as received, unless left out.
    pub original: Option<Source<'a>>,
    /// What each recipient was sent, token blanked.
    pub sent: Vec<(RecipientNo, Source<'a>)>,
    /// Receipts as they came in, by recipient, in order.
    pub receipts: Vec<(RecipientNo, Source<'a>)>,
    /// Address of the page that verifies proofs.
    pub verify_url: Option<String>,
    /// Evidence in the order of its events.
    pub evidence: Vec<SealedEvidence>,
    /// Entries, ascending by index.
    pub entries: Vec<LoggedEntry>,
    /// Whether somebody else has dated the log.
    pub external_time: ExternalTime,
    /// The one checkpoint.
    pub checkpoint: Checkpointed,
    /// What issuers of certificates used here said of them: lists and responders' answers.
    pub revocation: Vec<RevocationValue>,
    /// Whether all seals have theirs inside too (level B-LT); set by [`crate::complete`].
    pub long_term: bool,
    /// Whether each evidence stands there once more with an enveloped XAdES signature.
    pub enveloped: bool,
    /// Roots that the signatures lead to, for convenience; a verifier must have them from elsewhere.
    pub roots: Vec<Certificate>,
}
