//! The streaming MIME walk.
use crate::error::MessageError;
use crate::structure::{PartInfo, Stored, Structure, TopHeaders};
use bytes::Bytes;
use sealpost_envelope::PartNo;

/// Bounds of what is accepted and of what is kept in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all header blocks together.
    pub header_bytes: usize,
    /// Multiparts within multiparts.
    pub depth: usize,
    /// Nodes of the tree.
    pub parts: usize,
    /// A text stays in the skeleton up to this many raw bytes.
    pub text_inline: usize,
    /// All texts, fillers and recipes kept in the skeleton together; beyond, they are stored as parts.
    pub skeleton_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 256 << 10,
            depth: 50,
            parts: 10_000,
            text_inline: 64 << 10,
            skeleton_bytes: 2 << 20,
        }
    }
}

/// What the walk yields, in this order for each stored part: start, data, end; skeleton pieces between.
#[derive(Debug, Clone, PartialEq)]
pub enum WalkEvent {
    /// The next bytes of the skeleton; concatenate them all.
    Skeleton(Bytes),
    /// A stored part begins. Its role may still change (an image turns out to be shown by the HTML body);
    /// the [`Structure`] has the last word.
    PartStart {
        /// Number from 1.
        n: PartNo,
        /// Header facts.
        info: PartInfo,
    },
    /// The next bytes to store of the part that last started.
    PartData(Bytes),
    /// The stored part ends.
    PartEnd(Stored),
}

/// Push parser for one message.
#[derive(Debug)]
pub struct Walker {}

impl Walker {
    /// Ready for the first byte.
    pub fn new(limits: Limits) -> Self {
        let _ = limits;
        todo!()
    }
    /// Takes the next bytes of the message (after SMTP un-stuffing), in any pieces; appends events.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<WalkEvent>) -> Result<(), MessageError> {
        let _ = (input, out);
        todo!()
    }
    /// Facts of the header, once the whole header has been read.
    pub fn top(&self) -> Option<&TopHeaders> {
        todo!()
    }
    /// Ends the message; appends the last events.
    pub fn finish(self, out: &mut Vec<WalkEvent>) -> Result<Structure, MessageError> {
        let _ = out;
        todo!()
    }
}
