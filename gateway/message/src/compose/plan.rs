//! Recipes: skeletons of messages that are ours to send.

use crate::error::SkeletonError;
use crate::rebuild::{Rebuilder, Step};
use crate::recipe::Recipe as Layout;
use crate::reencode::Reencoder;
use crate::skeleton::{Record, SkeletonReader, SkeletonWriter};
use crate::structure::Stored;
use bytes::Bytes;
use sealpost_envelope::PartNo;

/// The exact bytes of one outgoing message, stored parts by reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    skeleton: Bytes,
    size: u64,
}

impl Recipe {
    /// Takes a stored recipe over. It is read once to find its end.
    pub fn from_bytes(skeleton: Bytes) -> Result<Self, SkeletonError> {
        let mut reader = SkeletonReader::new();
        reader.push(&skeleton);
        let mut size = None;
        while let Some(record) = reader.next_record()? {
            if let Record::End { size: end } = record {
                size = Some(end);
            }
        }
        reader.finish()?;
        Ok(Self { skeleton, size: size.ok_or(SkeletonError::Truncated)? })
    }
    /// A message that is bytes alone, as others' mail that is passed on.
    pub fn of(message: &[u8]) -> Self {
        let mut plan = Planner::new();
        plan.literal(message);
        plan.finish()
    }
    /// What is stored.
    pub fn as_bytes(&self) -> &Bytes {
        &self.skeleton
    }
    /// Bytes on the wire, before dot-stuffing.
    pub fn size(&self) -> u64 {
        self.size
    }
    /// Streams the message.
    pub fn rebuilder(&self) -> Rebuilder {
        let mut rebuilder = Rebuilder::new();
        rebuilder.push(&self.skeleton);
        rebuilder
    }
    /// Numbers of the stored parts it refers to, in order.
    pub fn parts(&self) -> Result<Vec<PartNo>, SkeletonError> {
        let (mut rebuilder, mut parts) = (self.rebuilder(), Vec::new());
        while let Some(step) = rebuilder.next_step()? {
            if let Step::Part { n, .. } = step {
                parts.push(n);
            }
        }
        Ok(parts)
    }
    /// The message itself when it refers to no stored part, as codes and receipts do.
    pub fn literal(&self) -> Result<Option<Vec<u8>>, SkeletonError> {
        let (mut rebuilder, mut message) = (self.rebuilder(), Vec::new());
        while let Some(step) = rebuilder.next_step()? {
            match step {
                Step::Literal(bytes) => message.extend_from_slice(&bytes),
                Step::Part { .. } => return Ok(None),
            }
        }
        Ok(Some(message))
    }
    /// The same message with header fields before it, each ended by CRLF: a DKIM signature.
    pub fn prepended(&self, fields: &[u8]) -> Result<Self, SkeletonError> {
        let mut plan = Planner::new();
        plan.literal(fields);
        plan.append(self)?;
        Ok(plan.finish())
    }
}

/// Builds a recipe from front to back.
#[derive(Debug, Default)]
pub(super) struct Planner {
    writer: SkeletonWriter,
    size: u64,
}

impl Planner {
    pub(super) fn new() -> Self {
        Self::default()
    }
    pub(super) fn literal(&mut self, bytes: &[u8]) {
        self.writer.structure(bytes);
        self.size += bytes.len() as u64;
    }
    /// A stored part as it stood.
    pub(super) fn part(&mut self, encoder: &Reencoder) {
        self.writer.part(encoder);
        self.size += encoder.encoded_len();
    }
    /// Content of a stored part as base64 in lines of 76 (RFC 2045 §6.8), however it is stored.
    pub(super) fn part_base64(&mut self, stored: &Stored) -> Result<(), SkeletonError> {
        let encoder = Reencoder::new(stored.n, stored.stored_len, Layout::content_base64(stored))?;
        self.part(&encoder);
        Ok(())
    }
    /// Another recipe's bytes.
    pub(super) fn append(&mut self, recipe: &Recipe) -> Result<(), SkeletonError> {
        let mut rebuilder = recipe.rebuilder();
        while let Some(step) = rebuilder.next_step()? {
            match step {
                Step::Literal(bytes) => self.literal(&bytes),
                Step::Part { encoder, .. } => self.part(&encoder),
            }
        }
        rebuilder.finish()
    }
    pub(super) fn finish(mut self) -> Recipe {
        self.writer.end(self.size);
        Recipe { skeleton: self.writer.take(), size: self.size }
    }
}
