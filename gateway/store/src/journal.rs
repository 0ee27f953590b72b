//! The journal: entries written with every state change, their evidence and its seals.
//!
//! **Job.** [`Tx::append`] writes events inside any transaction, without an index: the sequencer
//! ([`crate::log`]) gives it later. Reading by id, index, deposit, or search: words are entered into an index of their
//! own behind the log ([`Store::enter_words`]), never by those who write.
//!
//! **Exposure.** None; entries are rendered by the evidence crate.
//!
//! **Standards.** None here: bytes are stored as given and never edited.
//!
//! **Failure modes.** An event that is written twice is refused by its id, with the whole transaction.

mod blocks;
mod enter;
mod evidence;
mod find;
mod follow;
mod read;
mod stamps;
mod words;

pub use enter::Entered;
pub(crate) use enter::{enter_again, forget, take_out};
pub use evidence::{PendingEvidence, StoredEvidence};
pub use follow::{FollowJournal, Term};
pub use read::{JournalEntry, JournalFilter};
pub use words::words;

use crate::write::Group;
use crate::{Store, StoreError, Tx, args};
use sealpost_evidence::BuiltEvent;

impl Tx {
    /// Writes events, and their evidence where they have one, in this transaction.
    pub async fn append(&mut self, events: Vec<BuiltEvent>) -> Result<(), StoreError> {
        let mut group = Group::default();
        group.append(events);
        self.together(group).await.map(drop)
    }
}

impl Group {
    /// Adds what [`Tx::append`] would run.
    pub(crate) fn append(&mut self, events: Vec<BuiltEvent>) {
        const ENTRY: &str =
            "INSERT INTO journal (id, time, event, entity, deposit, recipient, leaf, bytes, openings) VALUES";
        const EVIDENCE: &str =
            "INSERT INTO evidence (id, entity, deposit, recipient, event, time, xml) VALUES";
        let (mut entries, mut evidence, mut pending) = (Vec::new(), Vec::new(), Vec::new());
        for e in events {
            let name = e.name.as_str();
            if let Some(xml) = e.evidence {
                evidence.push(args![e.id, e.entity, e.deposit, e.recipient, name, e.time, xml]);
                pending.push(args![e.entity, e.id]);
            }
            entries.push(args![
                e.id,
                e.time,
                name,
                e.entity,
                e.deposit,
                e.recipient,
                e.leaf,
                e.bytes,
                e.openings
            ]);
        }
        self.insert(ENTRY, entries, "");
        self.insert(EVIDENCE, evidence, "");
        self.insert("INSERT INTO evidence_waiting (entity, id) VALUES", pending, "");
    }
}

impl Store {
    /// Writes events that change no state.
    pub async fn record(&self, events: Vec<BuiltEvent>) -> Result<(), StoreError> {
        self.db.write(async move |tx| tx.append(events).await).await
    }
}
