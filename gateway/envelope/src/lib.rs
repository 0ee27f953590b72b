//! The vocabulary every stage shares: addresses, envelopes, identifiers, digests, treatments, time.
//!
//! **Job.** Values that cannot be invalid once built. A stage that receives an [`EmailAddress`] or a
//! [`Reference`] need not check it again.
//!
//! **Exposure.** [`EmailAddress::parse`], [`Reference::parse`] and the `FromStr` implementations read
//! text that strangers wrote; they bound its length and refuse instead of repairing.
//!
//! **Standards.** RFC 5321 §4.1.2 (mailboxes), RFC 6531 (UTF-8 mailboxes), RFC 9562 (UUID), RFC 9106 (Argon2).
//!
//! **Absent on purpose.** No I/O, no policy, no knowledge of any stage ([`failpoint`] names steps of theirs, for
//! tests; release builds have nothing of it).

pub mod address;
pub mod clock;
pub mod digest;
pub mod failpoint;
pub mod hex;
pub mod id;
pub mod language;
pub mod password;
pub mod random;
pub mod secret;
pub mod transaction;
pub mod treatment;

pub use address::{AddressError, EmailAddress};
pub use clock::{Clock, FixedClock, SystemClock, Timestamp};
pub use digest::{Digests, DualDigester, Sha256Digest, Sha512Digest};
pub use id::{AccountId, BlobId, DepositId, EntityId, EntryId, PartNo, RecipientNo, Reference};
pub use language::Language;
pub use secret::Secret;
pub use transaction::{BodyType, DsnNotify, Envelope, EnvelopeRecipient, Submitter};
pub use treatment::{Gate, GateMethod, Observed, ParseGateError, Treatment, Verdict, Wording};
