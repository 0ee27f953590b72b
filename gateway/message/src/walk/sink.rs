//! Where the bytes of the current body go.

use super::leaf::PartWriter;

#[derive(Debug)]
pub(super) enum Sink {
    /// Between parts: into the skeleton, so many bytes more.
    Filler { left: usize },
    /// A text that may stay in the skeleton.
    Text { node: u32, raw: Vec<u8> },
    /// A stored part.
    Part { node: u32, writer: Box<PartWriter> },
}
