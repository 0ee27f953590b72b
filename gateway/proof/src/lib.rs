//! Proof bundles: one file that shows a stranger what happened to a message.
//!
//! **Job.** [`export`] writes an ASiC-E container from a [`Bundle`] that the gateway fills, once [`complete`] has put
//! what issuers say into its seals; [`verify()`]
//! judges such a file offline, with nothing but the certificates its user trusts; [`renew()`] adds a timestamp
//! before the last one ages.
//!
//! **Exposure.** [`verify()`] and [`container::read`] read files from anywhere. They accept one form only: a
//! canonical ZIP of known members, canonical JSON, strict DER; whatever is different is named.
//!
//! **Standards.** EN 319 162-1 (ASiC-E with CAdES), EN 319 122-1 (CAdES B-T and B-LT), EN 319 132-1 (XAdES B-T), RFC 3161, RFC 6962, C2SP
//! tlog-proof, APPNOTE 6.3 (ZIP).
//!
//! **Absent on purpose.** The verifier shares formats with the writer, never state, and never the store.
//! Large members are streamed on both sides.

pub mod bundle;
mod complete;
pub mod container;
mod export;
mod manifest;
pub mod name;
mod readme;
mod renew;
mod report;
pub mod verify;
mod xades;

pub use bundle::{Bundle, Checkpointed, LoggedEntry, SealedEvidence, Source};
pub use complete::{PendingRevocation, complete};
pub use export::{ExportError, export};
pub use name::MemberName;
pub use renew::{RenewError, renew};
pub use verify::{Check, OpenError, Report, Verdict, verify};

#[cfg(test)]
mod tests;
