//! From skeleton and stored parts to the message, byte for byte.
use crate::error::SkeletonError;
use crate::recipe::Reencoder;
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

/// Iterates a skeleton. Feed it the skeleton's bytes, take steps until it wants more.
#[derive(Debug, Default)]
pub struct Rebuilder {}

impl Rebuilder {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self::default()
    }
    /// Adds bytes of the stored skeleton.
    pub fn push(&mut self, bytes: &[u8]) {
        let _ = bytes;
        todo!()
    }
    /// The next step; `None` when more skeleton bytes are needed, or at the end.
    pub fn next_step(&mut self) -> Result<Option<Step>, SkeletonError> {
        todo!()
    }
    /// Checks that all was read and that the lengths add up.
    pub fn finish(self) -> Result<(), SkeletonError> {
        todo!()
    }
}
