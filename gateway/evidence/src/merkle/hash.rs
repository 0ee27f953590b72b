//! Leaf and node hashes (RFC 6962 §2.1).

use aws_lc_rs::digest::{SHA256, digest};

/// A SHA-256 output.
pub type Hash = [u8; 32];

/// Root of the empty tree: SHA-256 of nothing.
pub const EMPTY_ROOT: Hash = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// One call over joined bytes: an incremental context is an allocation of its own.
fn hash(joined: &[u8]) -> Hash {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, joined).as_ref());
    out
}

/// SHA-256(0x00 ‖ entry).
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut joined = Vec::with_capacity(entry.len() + 1);
    joined.push(0);
    joined.extend_from_slice(entry);
    hash(&joined)
}

/// SHA-256(0x01 ‖ left ‖ right).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut joined = [1u8; 65];
    joined[1..33].copy_from_slice(left);
    joined[33..].copy_from_slice(right);
    hash(&joined)
}
