//! RFC 3161 timestamps: requests and answers as a client, and the embedded authority.
//!
//! **Exposure.** [`TimeStampRequest::accept`] reads the answer of a remote authority,
//! [`TimeAuthority::reply`] a request of anyone. Neither does I/O.
//!
//! **Standards.** RFC 3161, RFC 5816, ETSI EN 319 422 (accuracy of a second or better, nonce echoed,
//! no ordering promised).

mod authority;
mod client;
pub(crate) mod types;

pub use authority::TimeAuthority;
pub use client::{TimeStampRequest, TspError};
