//! The Merkle log: hashes, growth, tiles, paths.
//!
//! **Exposure.** The `verify_*` functions read paths from strangers' files: bounded, no allocation.
//! **Standards.** RFC 6962 §2.1 (hashes, paths), RFC 9162 §2.1.3–2.1.4 (verification), C2SP tlog-tiles.
//! **Failure.** [`MerkleError`]: a path that does not lead to the root.

mod frontier;
mod hash;
mod path;
mod tile;

pub use frontier::{Frontier, FrontierError};
pub use hash::{EMPTY_ROOT, Hash, leaf_hash, node_hash};
pub use path::{
    MerkleError, consistency_path, inclusion_path, root_at, verify_consistency, verify_inclusion,
};
pub use tile::{HASH_SIZE, TILE_HEIGHT, TILE_WIDTH, TileId, entries_path, node_from_tiles, tiles_between};
