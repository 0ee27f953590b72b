//! Everything Sealpost keeps: metadata in SQLite or PostgreSQL, blobs in files or S3, keys apart from both.
//!
//! **Job.** Durable, transactional state behind typed operations. Every state change is written together
//! with its journal events, or not at all.
//!
//! **Exposure.** Strangers' words arrive here only as bound values that other crates have parsed.
//!
//! **Absent on purpose.** No gates, no mail formats, no signing: the store keeps what others decided.

pub mod access;
pub mod account;
pub mod backup;
mod believed;
pub mod blob;
pub mod consignment;
mod contact;
pub mod content;
pub mod crypto;
pub mod db;
pub mod deposit;
mod draft;
mod endoflife;
pub mod entity;
mod error;
pub mod federated;
pub mod invitation;
mod job;
pub mod journal;
pub mod keys;
pub mod log;
pub mod mailbox;
mod open;
mod orphans;
pub mod person;
mod polled;
pub mod queue;
mod request;
mod returned;
mod revocation;
pub mod session;
pub mod upload;
mod watch;
pub mod write;

pub use consignment::{
    Change, ConsignmentRow, ConsignmentState, Correction, HoldAnswer, LegalHold, NewNote, Note, NoteKind,
    NoteText, Observation, Observations, ObservedCount, Progress, Scan, answer_token,
};
pub use contact::{Completion, Contact};
pub use db::{Args, Db, Engine, Row, Value};
pub use deposit::{
    DayCount, Deposit, DepositError, DepositFilter, DepositRow, DepositState, Deposited, FollowFilter,
    Followed, NewConsignment, NewDeposit, NewPart, PartRow, RecipientMatch, Sight, StateFilter, StoredBody,
};
pub use draft::{DraftError, KeptDraft};
pub use endoflife::{EndError, EndingDeposit};
pub use entity::Entity;
pub use error::StoreError;
pub use job::Fence;
pub use journal::{
    Entered, FollowJournal, JournalEntry, JournalFilter, PendingEvidence, StoredEvidence, Term, words,
};
pub use log::{Anchor, Checkpoint, Finding, LogHead, LogReport, Sequenced};
pub use open::{OpenError, Store, StoreConfig};
pub use orphans::Orphans;
pub use request::{Begun, KeptAnswer, RequestKey};
pub use returned::{NewReturned, Returned};
pub use revocation::KeptRevocation;
pub use watch::TlsCount;
pub use write::Tx;
