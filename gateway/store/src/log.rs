//! The Merkle log over the journal: indexes, tiles, checkpoints.
//!
//! **Job.** [`Store::sequence_batch`] gives waiting entries their indexes and grows the tree, in one
//! transaction. Checkpoints are signed and stamped by the caller and kept here. Paths for proofs are read
//! from tiles; [`Store::verify_log`] recomputes everything.
//!
//! **Exposure.** None.
//!
//! **Standards.** RFC 6962 §2.1, C2SP tlog-tiles, through the evidence crate.
//!
//! **Failure modes.** A sequencer that was overtaken is stopped by its fencing number and changes nothing.
//! Stored tree state that does not fit itself is [`StoreError::Damaged`]; nothing is repaired silently.

mod anchor;
mod checkpoint;
pub(crate) mod follower;
mod former;
mod prune;
mod rows;
mod sequence;
mod tiles;
mod verify;

pub use anchor::Anchor;
pub use checkpoint::Checkpoint;
pub(crate) use follower::{follow_from, followed_to};
pub use prune::{Pruned, Ranges};
pub use sequence::{LogHead, Sequenced};
pub use verify::{Finding, LogReport};

/// The job that the sequencer claims ([`Store::claim`](crate::Store::claim)).
pub const SEQUENCER: &str = "log";

/// Number of the log in `log_state`.
const LOG: i64 = 1;
