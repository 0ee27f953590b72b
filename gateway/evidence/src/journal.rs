//! Journal entries: canonical JSON with salted commitments, and their openings.
//!
//! An entry is `{"actor":{…},"deposit":uuid?,"detail":{…},"entity":id,"event":NAME,"id":uuid,"recipient":n?,
//! "time":…,"v":1}`, keys in RFC 8785 order. A personal field at path `p` (as in `actor.login`) stands in it
//! as `{"sha256":hex}`, SHA-256(salt ‖ 0x00 ‖ p ‖ 0x00 ‖ value); salt and value stand in the openings,
//! `{"id":uuid,"open":{p:{"salt":hex,"value":…}},"v":1}`, which can be forgotten while the tree stays whole.
//!
//! **Exposure.** [`EntryView::parse`] and [`check_openings`] read strangers' files: bounded depth and size,
//! and only our exact canonical form passes.
//! **Standards.** RFC 8785 (JCS), RFC 7493 (I-JSON integers), RFC 3339 (times).
//! **Failure.** [`EntryError`] and [`OpeningError`] name the place.

mod opening;
mod scan;
mod view;
mod write;

pub use opening::{OpeningError, Openings, check_openings, commitment, filter_openings, openings_fit};
pub(crate) use view::parse_time;
pub use view::{EntryError, EntryView};
pub use write::format_time;
pub(crate) use write::write;

/// What fits the 16-bit length of an entry bundle (C2SP tlog-tiles).
pub const MAX_ENTRY: usize = 65_535;

/// Largest integer that every JSON reader keeps (RFC 7493 §2.2).
pub(crate) const MAX_SAFE: i128 = (1 << 53) - 1;
