//! Checkpoints: the log's size and root, signed; and proofs that an entry is below one.
//!
//! The signature is ECDSA P-256 over SHA-256 of the text, DER-encoded (signature type 0x02). A log must
//! never sign two checkpoints that are not consistent; that is the sequencer's duty.
//!
//! **Exposure.** [`SignedCheckpoint::parse`] and [`TlogProof::parse`] read strangers' files: bounded, and
//! only the one spelling passes.
//! **Standards.** C2SP signed-note, tlog-checkpoint, tlog-proof.
//! **Failure.** [`NoteError`].

mod key;
mod note;
mod proof;

pub use key::LogKey;
pub use note::{Checkpoint, NoteError, SignedCheckpoint};
pub use proof::TlogProof;
