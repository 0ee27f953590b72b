//! From skeleton and stored parts to the message, byte for byte.
//!
//! ```
//! # use sealpost_message::{Rebuilder, Step};
//! # fn stored_part(_: u32) -> Vec<u8> { Vec::new() }
//! # fn rebuild(skeleton: &[u8]) -> Result<Vec<u8>, sealpost_message::SkeletonError> {
//! let (mut rebuilder, mut message) = (Rebuilder::new(), Vec::new());
//! rebuilder.push(skeleton); // or piece by piece
//! while let Some(step) = rebuilder.next_step()? {
//!     match step {
//!         Step::Literal(bytes) => message.extend_from_slice(&bytes),
//!         Step::Part { n, mut encoder } => {
//!             encoder.push(&stored_part(n), &mut message)?; // or piece by piece
//!             encoder.finish(&mut message)?;
//!         }
//!     }
//! }
//! rebuilder.finish()?;
//! # Ok(message)
//! # }
//! ```
//!
//! **Failure.** A damaged skeleton or a part of another length is an error, never a different message.

use crate::error::SkeletonError;
use crate::reencode::Reencoder;
use crate::skeleton::{Record, SkeletonReader};
use bytes::Bytes;
use sealpost_envelope::PartNo;

/// What to write next.
#[derive(Debug)]
pub enum Step {
    /// These bytes.
    Literal(Bytes),
    /// Stored part `n` passed through its encoder.
    Part {
        /// The part.
        n: PartNo,
        /// Feed it the whole stored part, then finish it.
        encoder: Box<Reencoder>,
    },
}

impl Step {
    /// Bytes of the message that this step gives.
    pub fn message_len(&self) -> u64 {
        match self {
            Self::Literal(bytes) => bytes.len() as u64,
            Self::Part { encoder, .. } => encoder.encoded_len(),
        }
    }
}

/// Iterates a skeleton. Feed it the skeleton's bytes, take steps until it wants more.
#[derive(Debug, Default)]
pub struct Rebuilder {
    reader: SkeletonReader,
    given: u64,
}

impl Rebuilder {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self::default()
    }
    /// Adds bytes of the stored skeleton.
    pub fn push(&mut self, bytes: &[u8]) {
        self.reader.push(bytes);
    }
    /// The next step; `None` when more skeleton bytes are needed, or at the end.
    pub fn next_step(&mut self) -> Result<Option<Step>, SkeletonError> {
        while let Some(record) = self.reader.next_record()? {
            let step = match record {
                Record::Headers { bytes, .. } | Record::Structure(bytes) => Step::Literal(bytes),
                Record::Text { raw, .. } => Step::Literal(raw),
                Record::Part(encoder) => Step::Part { n: encoder.part(), encoder },
                Record::End { size } if size == self.given => continue,
                Record::End { size } => {
                    return Err(SkeletonError::MessageLength { expected: size, got: self.given });
                }
            };
            self.given = self.given.saturating_add(step.message_len());
            return Ok(Some(step));
        }
        Ok(None)
    }
    /// Checks that all was read.
    pub fn finish(self) -> Result<(), SkeletonError> {
        self.reader.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skeleton::SkeletonWriter;

    #[test]
    fn a_wrong_length_is_an_error() {
        let mut w = SkeletonWriter::new();
        w.structure(b"abc");
        w.end(4);
        let mut r = Rebuilder::new();
        r.push(&w.take());
        assert!(matches!(r.next_step(), Ok(Some(Step::Literal(b))) if &b[..] == b"abc"));
        assert_eq!(r.next_step().unwrap_err(), SkeletonError::MessageLength { expected: 4, got: 3 });
    }
}
