//! DKIM over outgoing messages: what is digested and what is signed (RFC 6376).
//!
//! **Job.** [`Intake`] takes a message's bytes once, keeps its header and passes the relaxed form of its body
//! on to a digest; [`Signing`] writes the DKIM-Signature field around that digest. Keys are elsewhere.
//!
//! **Exposure.** Header and body may be a stranger's, through an author who forwards them; nothing here
//! depends on their being well formed, and memory is bounded by the header, never by the body.
//!
//! **Standards.** RFC 6376 §3.4.2 and §3.4.4 (relaxed), §3.5, §5.4 (fields to sign; those that must not be
//! added later are named once more than they stand, §8.15), RFC 8301, RFC 8463.
//!
//! **Failure modes.** None.

mod canonical;
mod signature;

pub use canonical::{Intake, RelaxedBody, relaxed_field};
pub use signature::Signing;
