//! Consignments: one recipient's share of a deposit, and how far it went.
//!
//! **Job.** State changes, each with its events and the mail it causes in one transaction.
//!
//! **Exposure.** None; who may change what is decided before.
//!
//! **Failure modes.** A change that the state forbids is [`StoreError::Conflict`] and writes nothing.

mod answer;
mod change;
mod hold;
mod near;
mod note;
mod observed;
mod read;
mod readdress;
mod reminder;
mod scan;

pub use answer::HoldAnswer;
pub use change::{Change, Progress};
pub use hold::LegalHold;
pub use note::{NewNote, Note, NoteKind, NoteText, answer_token};
pub(crate) use observed::{INSERT_OBSERVED, row as observed_row};
pub use observed::{Observation, Observations, ObservedCount};
pub use read::{ConsignmentRow, ConsignmentState};
pub use readdress::Correction;
pub(crate) use reminder::{INSERT_REMINDERS, rows as reminder_rows};
pub use scan::Scan;
