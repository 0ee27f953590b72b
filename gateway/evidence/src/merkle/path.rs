//! Inclusion and consistency: paths and their verification.

use super::hash::{EMPTY_ROOT, Hash, node_hash};

/// A path that does not prove what it claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MerkleError {
    /// The index lies outside the tree, or the older tree is larger.
    #[error("the position lies outside the tree")]
    OutOfRange,
    /// Too few or too many hashes.
    #[error("the path has the wrong length")]
    Length,
    /// The path leads elsewhere.
    #[error("the path does not lead to the root")]
    Root,
}

/// Largest power of two below `n` (n ≥ 2), RFC 6962 §2.1.
fn split(n: u64) -> u64 {
    1 << (u64::BITS - 1 - (n - 1).leading_zeros())
}

/// Hash over leaves `from..to` of a tree whose complete subtrees `node` knows.
fn range_root<E>(from: u64, to: u64, node: &mut impl FnMut(u8, u64) -> Result<Hash, E>) -> Result<Hash, E> {
    let len = to - from;
    if len.is_power_of_two() && from.is_multiple_of(len) {
        let level = len.trailing_zeros() as u8;
        return node(level, from >> level);
    }
    let middle = from + split(len);
    let left = range_root(from, middle, node)?;
    let right = range_root(middle, to, node)?;
    Ok(node_hash(&left, &right))
}

/// Root of the tree of `size` leaves. `node(level, index)` gives the hash of the complete subtree over the
/// leaves `index·2^level .. (index+1)·2^level`.
pub fn root_at<E>(size: u64, mut node: impl FnMut(u8, u64) -> Result<Hash, E>) -> Result<Hash, E> {
    if size == 0 {
        return Ok(EMPTY_ROOT);
    }
    range_root(0, size, &mut node)
}

/// Audit path of leaf `index` in the tree of `size` leaves, sibling of the leaf first (RFC 6962 §2.1.1).
/// Empty when `index` is outside the tree.
pub fn inclusion_path<E>(
    index: u64,
    size: u64,
    mut node: impl FnMut(u8, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let (mut from, mut to) = (0, size);
    let mut path = Vec::new();
    if index >= size {
        return Ok(path);
    }
    while to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            path.push(range_root(middle, to, &mut node)?);
            to = middle;
        } else {
            path.push(range_root(from, middle, &mut node)?);
            from = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// Proof that the tree of `new` leaves continues that of `old` (RFC 6962 §2.1.2). Empty when there is
/// nothing to prove (`old` is 0 or equals `new`) or `old` is larger.
pub fn consistency_path<E>(
    old: u64,
    new: u64,
    mut node: impl FnMut(u8, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let (mut from, mut to) = (0, new);
    let mut path = Vec::new();
    if old == 0 || old >= new {
        return Ok(path);
    }
    while to != old {
        let middle = from + split(to - from);
        if old <= middle {
            path.push(range_root(middle, to, &mut node)?);
            to = middle;
        } else {
            path.push(range_root(from, middle, &mut node)?);
            from = middle;
        }
    }
    // The old tree itself needs no naming while it is the leftmost subtree: the verifier knows its root.
    if from != 0 {
        path.push(range_root(from, to, &mut node)?);
    }
    path.reverse();
    Ok(path)
}

/// Checks that `leaf` stands at `index` of the tree with `size` leaves and this root (RFC 9162 §2.1.3.2).
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    path: &[Hash],
    root: &Hash,
) -> Result<(), MerkleError> {
    if index >= size {
        return Err(MerkleError::OutOfRange);
    }
    let (mut fn_, mut sn, mut r) = (index, size - 1, *leaf);
    for p in path {
        if sn == 0 {
            return Err(MerkleError::Length);
        }
        if fn_ & 1 == 1 || fn_ == sn {
            r = node_hash(p, &r);
            while fn_ & 1 == 0 && fn_ != 0 {
                fn_ >>= 1;
                sn >>= 1;
            }
        } else {
            r = node_hash(&r, p);
        }
        fn_ >>= 1;
        sn >>= 1;
    }
    match (sn, r == *root) {
        (0, true) => Ok(()),
        (0, false) => Err(MerkleError::Root),
        _ => Err(MerkleError::Length),
    }
}

/// Checks that the tree (`new`, `new_root`) continues the tree (`old`, `old_root`) (RFC 9162 §2.1.4.2).
pub fn verify_consistency(
    old: u64,
    new: u64,
    old_root: &Hash,
    new_root: &Hash,
    path: &[Hash],
) -> Result<(), MerkleError> {
    if old > new {
        return Err(MerkleError::OutOfRange);
    }
    if old == 0 || old == new {
        let same = if old == 0 { *old_root == EMPTY_ROOT } else { old_root == new_root };
        return match (path.is_empty(), same) {
            (false, _) => Err(MerkleError::Length),
            (true, false) => Err(MerkleError::Root),
            (true, true) => Ok(()),
        };
    }
    let mut rest = path.iter();
    let first = if old.is_power_of_two() { old_root } else { rest.next().ok_or(MerkleError::Length)? };
    let (mut fn_, mut sn) = (old - 1, new - 1);
    while fn_ & 1 == 1 {
        fn_ >>= 1;
        sn >>= 1;
    }
    let (mut fr, mut sr) = (*first, *first);
    for c in rest {
        if sn == 0 {
            return Err(MerkleError::Length);
        }
        if fn_ & 1 == 1 || fn_ == sn {
            fr = node_hash(c, &fr);
            sr = node_hash(c, &sr);
            while fn_ & 1 == 0 && fn_ != 0 {
                fn_ >>= 1;
                sn >>= 1;
            }
        } else {
            sr = node_hash(&sr, c);
        }
        fn_ >>= 1;
        sn >>= 1;
    }
    if sn != 0 {
        return Err(MerkleError::Length);
    }
    if fr == *old_root && sr == *new_root { Ok(()) } else { Err(MerkleError::Root) }
}
