//! From an [`Event`] to what the store writes.

use crate::{DepositFacts, Event, EventName, Issuer, Value, journal, merkle, xml};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use sealpost_envelope::{DepositId, EntityId, EntryId, RecipientNo, Sha256Digest, Timestamp};

/// Why an event cannot be written. All of them are mistakes of the calling code, or details of strangers
/// that were not cut to size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The entry would not fit a log tile.
    #[error("the journal entry has {0} octets; {max} fit", max = journal::MAX_ENTRY)]
    TooLarge(usize),
    /// The event names a recipient that the deposit does not have, or none where ETSI wants one.
    #[error("{event} needs one of the deposit's {count} recipients")]
    Recipient {
        /// Event.
        event: EventName,
        /// Recipients of the deposit.
        count: usize,
    },
    /// A relay without the host.
    #[error("{0} needs the external system's name")]
    ExternalSystem(EventName),
    /// A negative event without a reason.
    #[error("{0} needs a reason")]
    Reason(EventName),
    /// The event belongs to another deposit than the facts.
    #[error("the facts are those of another deposit")]
    OtherDeposit,
}

/// An event in the form in which it is stored, in the transaction that changes the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltEvent {
    /// Entry.
    pub id: EntryId,
    /// When.
    pub time: Timestamp,
    /// What.
    pub name: EventName,
    /// Organisation.
    pub entity: EntityId,
    /// Deposit concerned.
    pub deposit: Option<DepositId>,
    /// Recipient concerned, from 1.
    pub recipient: Option<RecipientNo>,
    /// The entry: canonical JSON.
    pub bytes: Vec<u8>,
    /// RFC 6962 leaf hash of `bytes`.
    pub leaf: [u8; 32],
    /// JSON: clear values and salts of the commitments in the entry.
    pub openings: Vec<u8>,
    /// ETSI evidence XML, when the event has one.
    pub evidence: Option<Vec<u8>>,
}

/// Writes the entry, its openings and, when ETSI names the event and `facts` are given, the evidence, whose
/// SHA-256 then stands in `detail.evidence`. Without facts (treatment `pass`, and events of ours) there is
/// no evidence.
pub fn render(issuer: &Issuer, event: Event, facts: Option<&DepositFacts>) -> Result<BuiltEvent, EventError> {
    let random = SystemRandom::new();
    render_with(issuer, event, facts, &mut || {
        let mut salt = [0; 16];
        // aws-lc's generator reseeds from the kernel and has no recoverable failure.
        random.fill(&mut salt).expect("the system's random generator works");
        salt
    })
}

/// [`render`] with the source of salts given, for tests with known answers.
pub(crate) fn render_with(
    issuer: &Issuer,
    mut event: Event,
    facts: Option<&DepositFacts>,
    salts: &mut dyn FnMut() -> [u8; 16],
) -> Result<BuiltEvent, EventError> {
    let evidence = match facts {
        Some(facts) if event.name.is_etsi() => Some(xml::write(issuer, &event, facts)?),
        _ => None,
    };
    if let Some(xml) = &evidence {
        event.detail.put("evidence", Value::Text(Sha256Digest::of(xml).to_hex()));
    }
    if !event.reasons.is_empty() {
        let codes = event.reasons.iter().map(|(r, _)| r.code().to_owned()).collect();
        event.detail.put("reasons", Value::List(codes));
    }
    let (bytes, openings) = journal::write(&event, salts);
    if bytes.len() > journal::MAX_ENTRY {
        return Err(EventError::TooLarge(bytes.len()));
    }
    Ok(BuiltEvent {
        id: event.id,
        time: event.time,
        name: event.name,
        entity: event.entity,
        deposit: event.deposit,
        recipient: event.recipient,
        leaf: merkle::leaf_hash(&bytes),
        bytes,
        openings,
        evidence,
    })
}
