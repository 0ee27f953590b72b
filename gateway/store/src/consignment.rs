//! Consignments: one recipient's share of a deposit, and how far it went.
//!
//! **Job.** State changes, each with its events and the mail it causes in one transaction.
//!
//! **Exposure.** None; who may change what is decided before.
//!
//! **Failure modes.** A change that the state forbids is [`StoreError::Conflict`] and writes nothing.

mod change;
mod hold;
mod read;
mod readdress;

pub use change::{Change, Progress};
pub use hold::LegalHold;
pub use read::{ConsignmentRow, ConsignmentState};
pub use readdress::Correction;
