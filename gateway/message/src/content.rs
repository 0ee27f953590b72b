//! From stored bytes to the content that a person downloads.
use crate::structure::Coding;

/// Streaming decoder for one stored part.
#[derive(Debug)]
pub struct ContentDecoder {}

impl ContentDecoder {
    /// For a part stored with `coding`.
    pub fn new(coding: Coding) -> Self {
        let _ = coding;
        todo!()
    }
    /// Takes the next stored bytes, appends content to `out`.
    pub fn push(&mut self, stored: &[u8], out: &mut Vec<u8>) {
        let _ = (stored, out);
        todo!()
    }
    /// Appends what was held back.
    pub fn finish(self, out: &mut Vec<u8>) {
        let _ = out;
        todo!()
    }
}
