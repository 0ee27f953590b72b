//! Walks a message, keeps what the walk gives, and builds it together again.
#![allow(dead_code, missing_docs, clippy::unwrap_used)]

pub mod compose;

use sealpost_message::{
    Coding, ContentDecoder, Limits, MessageError, Rebuilder, Record, SkeletonReader, Step, Structure,
    Transfer, WalkEvent, Walker,
};
use std::collections::BTreeMap;

pub struct Walked {
    pub structure: Structure,
    pub skeleton: Vec<u8>,
    pub parts: BTreeMap<u32, Vec<u8>>,
}

/// Walks `message` in pieces whose lengths come from `sizes`, over and over.
pub fn walk(message: &[u8], sizes: &[usize], limits: Limits) -> Result<Walked, MessageError> {
    let mut walker = Walker::new(limits);
    let mut events = Vec::new();
    let (mut rest, mut i) = (message, 0);
    while !rest.is_empty() {
        let n = sizes[i % sizes.len()].clamp(1, rest.len());
        walker.push(&rest[..n], &mut events)?;
        rest = &rest[n..];
        i += 1;
    }
    let structure = walker.finish(&mut events)?;
    let (mut skeleton, mut parts, mut open) = (Vec::new(), BTreeMap::<u32, Vec<u8>>::new(), None);
    for event in events {
        match event {
            WalkEvent::Skeleton(bytes) => skeleton.extend_from_slice(&bytes),
            WalkEvent::PartStart { n, .. } => {
                assert!(open.is_none(), "a part within a part");
                assert!(parts.insert(n, Vec::new()).is_none(), "a number twice");
                open = Some(n);
            }
            WalkEvent::PartData(bytes) => {
                parts.get_mut(&open.expect("data outside a part")).unwrap().extend_from_slice(&bytes);
            }
            WalkEvent::PartEnd(stored) => {
                assert_eq!(open.take(), Some(stored.n));
                assert_eq!(parts[&stored.n].len() as u64, stored.stored_len);
            }
        }
    }
    assert!(open.is_none());
    Ok(Walked { structure, skeleton, parts })
}

impl Walked {
    /// The message again; skeleton and parts are fed in pieces of `step` bytes.
    pub fn rebuild(&self, step: usize) -> Vec<u8> {
        let (mut rebuilder, mut message) = (Rebuilder::new(), Vec::new());
        for piece in self.skeleton.chunks(step) {
            rebuilder.push(piece);
            while let Some(next) = rebuilder.next_step().unwrap() {
                match next {
                    Step::Literal(bytes) => message.extend_from_slice(&bytes),
                    Step::Part { n, mut encoder } => {
                        let before = message.len() as u64;
                        let due = encoder.encoded_len();
                        self.parts[&n].chunks(step).for_each(|p| encoder.push(p, &mut message).unwrap());
                        encoder.finish(&mut message).unwrap();
                        assert_eq!(message.len() as u64 - before, due);
                    }
                }
            }
        }
        rebuilder.finish().unwrap();
        message
    }

    /// What a person downloads as part `n`.
    pub fn content(&self, n: u32, step: usize) -> Vec<u8> {
        let (_, stored) = self.structure.part(n).unwrap();
        let (mut decoder, mut content) = (ContentDecoder::new(stored.coding), Vec::new());
        self.parts[&n].chunks(step.max(1)).for_each(|piece| decoder.push(piece, &mut content));
        decoder.finish(&mut content);
        assert_eq!(content.len() as u64, stored.size);
        assert_eq!(sealpost_envelope::Digests::of(&content), stored.digests);
        content
    }
}

/// Raw texts that stand in the skeleton, by node.
pub fn texts(skeleton: &[u8]) -> BTreeMap<u32, Vec<u8>> {
    let (mut reader, mut texts) = (SkeletonReader::new(), BTreeMap::new());
    reader.push(skeleton);
    while let Some(record) = reader.next_record().unwrap() {
        if let Record::Text { node, raw, .. } = record {
            texts.insert(node, raw.to_vec());
        }
    }
    texts
}

pub fn decoded(raw: &[u8], transfer: Transfer) -> Vec<u8> {
    let coding = match transfer {
        Transfer::QuotedPrintable => Coding::QpRaw,
        Transfer::Base64 => Coding::Base64Tail { decoded: 0, tail: true },
        _ => Coding::Identity,
    };
    let (mut decoder, mut content) = (ContentDecoder::new(coding), Vec::new());
    decoder.push(raw, &mut content);
    decoder.finish(&mut content);
    content
}
