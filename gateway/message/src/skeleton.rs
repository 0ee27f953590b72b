//! The skeleton: a message without its stored parts, as a sequence of records (docs/formats/skeleton.md).
use crate::error::SkeletonError;
use crate::recipe::Reencoder;
use crate::structure::Transfer;
use bytes::Bytes;

/// What composition must know of a text before it re-encodes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextInfo {
    /// Transfer encoding in which the raw bytes stand.
    pub transfer: Transfer,
    /// Charset parameter, lower case, if any.
    pub charset: Option<String>,
    /// Holds a byte over 127.
    pub eight_bit: bool,
    /// Holds a line over 998 octets (RFC 5322 §2.1.1).
    pub long_lines: bool,
    /// Holds a line that ends in a space or a tab, which transports may remove.
    pub trailing_blanks: bool,
    /// Stands under the author's own signature: never touch.
    pub author_signed: bool,
}

/// One record.
#[derive(Debug)]
pub enum Record {
    /// Header block of a node, blank line included when there was one.
    Headers {
        /// Index in [`crate::Structure::nodes`].
        node: u32,
        /// As received.
        bytes: Bytes,
    },
    /// Bytes between parts: preamble, boundary lines, epilogue.
    Structure(Bytes),
    /// A text kept here, raw.
    Text {
        /// Index in [`crate::Structure::nodes`].
        node: u32,
        /// Facts for composition.
        info: TextInfo,
        /// As received, transfer encoding included.
        raw: Bytes,
    },
    /// Place of a stored part.
    Part(Box<Reencoder>),
    /// Nothing follows; the length of the whole message.
    End {
        /// Bytes of the message.
        size: u64,
    },
}

/// Reads records from bytes that arrive in any pieces.
#[derive(Debug, Default)]
pub struct SkeletonReader {}

impl SkeletonReader {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self::default()
    }
    /// Adds bytes of the stored skeleton.
    pub fn push(&mut self, bytes: &[u8]) {
        let _ = bytes;
        todo!()
    }
    /// The next whole record; `None` when more bytes are needed, or after [`Record::End`].
    pub fn next_record(&mut self) -> Result<Option<Record>, SkeletonError> {
        todo!()
    }
    /// Checks that the end record was read.
    pub fn finish(self) -> Result<(), SkeletonError> {
        todo!()
    }
}

/// Writes records.
#[derive(Debug, Default)]
pub struct SkeletonWriter {}
