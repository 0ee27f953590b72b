//! The right edge of the tree: all that appending needs, 64 hashes at most.

use super::hash::{EMPTY_ROOT, Hash, node_hash};

/// A stored frontier that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a tree of {size} leaves has a frontier of {expected} hashes, not {found}")]
pub struct FrontierError {
    /// Number of leaves.
    pub size: u64,
    /// One hash per set bit of the size.
    pub expected: usize,
    /// What was given.
    pub found: usize,
}

/// Roots of the complete subtrees that make up the tree, largest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    nodes: Vec<Hash>,
}

impl Frontier {
    /// The empty tree.
    pub fn new() -> Self {
        Self::default()
    }
    /// Takes a stored frontier over: one hash per set bit of `size`, largest subtree first.
    pub fn from_parts(size: u64, nodes: Vec<Hash>) -> Result<Self, FrontierError> {
        let expected = size.count_ones() as usize;
        if nodes.len() != expected {
            return Err(FrontierError { size, expected, found: nodes.len() });
        }
        Ok(Self { size, nodes })
    }
    /// Takes a stored frontier over from its hashes one after the other.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Result<Self, FrontierError> {
        let expected = size.count_ones() as usize;
        let (nodes, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() {
            return Err(FrontierError { size, expected, found: nodes.len() });
        }
        Self::from_parts(size, nodes.to_vec())
    }
    /// The hashes one after the other, for [`Frontier::from_bytes`].
    pub fn to_bytes(&self) -> Vec<u8> {
        self.nodes.concat()
    }
    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }
    /// The hashes, largest subtree first.
    pub fn nodes(&self) -> &[Hash] {
        &self.nodes
    }
    /// Appends a leaf hash and tells of every subtree that became complete, the leaf (level 0) included:
    /// `complete(level, index, hash)`. Tiles keep those whose level is a multiple of eight.
    pub fn append(&mut self, leaf: Hash, mut complete: impl FnMut(u8, u64, &Hash)) {
        let mut index = self.size;
        let mut node = leaf;
        let mut level = 0;
        complete(level, index, &node);
        while index & 1 == 1 {
            let Some(left) = self.nodes.pop() else { break };
            node = node_hash(&left, &node);
            level += 1;
            index >>= 1;
            complete(level, index, &node);
        }
        self.nodes.push(node);
        self.size += 1;
    }
    /// Appends a leaf hash.
    pub fn push(&mut self, leaf: Hash) {
        self.append(leaf, |_, _, _| {});
    }
    /// Root of the whole (RFC 6962 §2.1 MTH).
    pub fn root(&self) -> Hash {
        let mut from_the_right = self.nodes.iter().rev();
        let Some(last) = from_the_right.next() else { return EMPTY_ROOT };
        from_the_right.fold(*last, |right, left| node_hash(left, &right))
    }
}
