//! Evidence: what happened, in a form that a stranger can check in ten years.
//!
//! **Job.** Turns an [`Event`] into a canonical journal entry with salted commitments, its RFC 6962 leaf
//! hash and, for events that EN 319 522 names, the evidence XML; computes and verifies the Merkle log and
//! its signed checkpoints. The entry point of writers is [`render`].
//!
//! **Exposure.** Writers feed it strangers' text (subjects, remote replies), which is escaped; verifiers
//! feed it files from anywhere ([`journal::EntryView::parse`], [`xml::parse`], [`checkpoint`]), which are
//! bounded and refused when not exactly in our form.
//!
//! **Standards.** RFC 8785 (canonical JSON), RFC 6962 §2.1 (tree hashes), C2SP signed-note,
//! tlog-checkpoint, tlog-tiles and tlog-proof, ETSI EN 319 522-2/-3 (evidence).
//!
//! **Absent on purpose.** No I/O, no keys (signing is a closure), no clock, no storage.

pub mod checkpoint;
pub mod event;
pub mod facts;
pub mod journal;
pub mod merkle;
pub mod name;
pub mod reason;
mod render;
mod words;
pub mod xml;

pub use event::{Actor, Detail, Event, Value};
pub use facts::{AuthBasis, Authentication, DepositFacts, Issuer, PartFacts, Party};
pub use name::{EventName, UnknownEvent};
pub use reason::Reason;
pub use render::{BuiltEvent, EventError, render};
pub use words::words;
