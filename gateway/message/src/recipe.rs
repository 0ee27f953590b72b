//! How stored bytes were laid out in the message.
use crate::error::SkeletonError;
use sealpost_envelope::PartNo;

/// Turns the stored bytes of one part into the bytes that stood in the message.
#[derive(Debug)]
pub struct Reencoder {
    n: PartNo,
}

impl Reencoder {
    /// The part it is for.
    pub fn part(&self) -> PartNo {
        self.n
    }
    /// Bytes it takes in all.
    pub fn stored_len(&self) -> u64 {
        todo!()
    }
    /// Bytes it gives in all.
    pub fn encoded_len(&self) -> u64 {
        todo!()
    }
    /// Takes the next stored bytes, appends message bytes to `out`.
    pub fn push(&mut self, stored: &[u8], out: &mut Vec<u8>) -> Result<(), SkeletonError> {
        let _ = (stored, out);
        todo!()
    }
    /// Appends the end; fails when the part was too short or too long.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<(), SkeletonError> {
        let _ = out;
        todo!()
    }
}
