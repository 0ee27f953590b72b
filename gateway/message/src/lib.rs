//! Messages: the streaming MIME walk, the byte-exact way back, composition, and a safe view.
//!
//! **Job.** [`walk`] takes a message's bytes as they arrive and yields a small *skeleton* (headers,
//! short texts, boundaries) and *stored parts* (decoded attachments); [`rebuild`] turns both into the
//! original bytes again; [`present`] makes a body fit for a browser; [`compose`] makes outgoing mail.
//!
//! **Exposure.** Every byte read here was written by strangers. Nothing is assumed of line ends,
//! encodings, boundaries or character sets; what does not decode is kept raw, never repaired and never
//! refused. Refused are only messages over the [`Limits`].
//!
//! **Memory** is bounded by the limits, never by the message.
//!
//! **Standards.** RFC 5322, RFC 2045 to 2047, RFC 2183, RFC 2231, RFC 2392, RFC 3676, RFC 8551, RFC 3156,
//! MS-OXTNEF.
//!
//! **Absent on purpose.** No I/O, no clock, no storage, no policy.

pub mod charset;
pub mod compose;
pub mod content;
pub mod dkim;
pub mod error;
pub mod header;
pub mod mimetype;
pub mod present;
pub mod rebuild;
pub mod recipe;
pub mod reencode;
pub mod skeleton;
pub mod structure;
pub mod tnef;
mod varint;
pub mod walk;

pub use content::ContentDecoder;
pub use error::{MessageError, SkeletonError};
pub use rebuild::{Rebuilder, Step};
pub use reencode::Reencoder;
pub use skeleton::{Record, SkeletonReader, SkeletonWriter, TextInfo};
pub use structure::{
    Coding, Disposition, Inside, Mailbox, Node, NodeBody, PartInfo, Role, Stored, Structure, TopHeaders,
    Transfer,
};
pub use walk::{Limits, WalkEvent, Walker};
