//! The canonical ZIP: one way to write a given list of members, and a reader that accepts no other.
//!
//! Stored, no flags, no data descriptors, no comments, one fixed date, no gaps; ZIP64 fields exactly where
//! sizes need them. `mimetype` comes first, so that its value begins at offset 38 (EN 319 162-1 §A.1).
//!
//! **Exposure.** [`read`] takes files from anywhere; it holds names and sizes in memory, never contents.
//! **Standards.** PKWARE APPNOTE 6.3.10, ISO/IEC 21320-1.

mod collection;
mod read;
mod records;
mod write;

pub use collection::Collection;
pub use read::{Archive, Deviation, Member, ReadError, read};
pub use write::Writer;

/// Content of `mimetype`.
pub const MIMETYPE: &str = "application/vnd.etsi.asic-e+zip";

pub(crate) use read::WHOLE;

#[cfg(test)]
mod tests;
