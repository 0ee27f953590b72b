//! The log's arithmetic against RFC 6962's own definition and published vectors.
#![allow(clippy::unwrap_used, missing_docs)]

use proptest::prelude::*;
use sealpost_envelope::hex;
use sealpost_evidence::merkle::{
    EMPTY_ROOT, Frontier, Hash, MerkleError, TileId, consistency_path, inclusion_path, leaf_hash,
    node_from_tiles, node_hash, root_at, tiles_between, verify_consistency, verify_inclusion,
};
use std::collections::HashMap;
use std::convert::Infallible;

/// MTH of RFC 6962 §2.1, word for word.
fn mth(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => EMPTY_ROOT,
        [one] => *one,
        _ => {
            let mut k = 1;
            while k * 2 < leaves.len() {
                k *= 2;
            }
            node_hash(&mth(&leaves[..k]), &mth(&leaves[k..]))
        }
    }
}

struct Log {
    leaves: Vec<Hash>,
    nodes: HashMap<(u8, u64), Hash>,
    frontier: Frontier,
}

fn log(size: u64) -> Log {
    let mut log = Log { leaves: Vec::new(), nodes: HashMap::new(), frontier: Frontier::new() };
    for n in 0..size {
        let leaf = leaf_hash(&n.to_be_bytes());
        log.leaves.push(leaf);
        log.frontier.append(leaf, |level, index, hash| {
            log.nodes.insert((level, index), *hash);
        });
    }
    log
}

impl Log {
    fn node(&self) -> impl FnMut(u8, u64) -> Result<Hash, Infallible> {
        |level, index| Ok(self.nodes[&(level, index)])
    }
}

/// The reference vectors of the certificate-transparency project: eight leaves and their roots.
#[test]
fn known_answers() {
    let leaves =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut frontier = Frontier::new();
    assert_eq!(frontier.root(), EMPTY_ROOT);
    for (leaf, root) in leaves.iter().zip(roots) {
        frontier.push(leaf_hash(&hex::decode(leaf).unwrap()));
        assert_eq!(hex::encode(&frontier.root()), root);
        let stored = Frontier::from_bytes(frontier.size(), &frontier.to_bytes()).unwrap();
        assert_eq!(stored, frontier);
    }
    assert!(Frontier::from_bytes(7, &frontier.to_bytes()).is_err());
}

#[test]
fn tile_paths() {
    for (tile, path) in [
        (TileId { level: 0, index: 1_234_067, width: 256 }, "0/x001/x234/067"),
        (TileId { level: 2, index: 0, width: 5 }, "2/000.p/5"),
        (TileId { level: 0, index: 999, width: 1 }, "0/999.p/1"),
        (TileId { level: 0, index: 1000, width: 256 }, "0/x001/000"),
    ] {
        assert_eq!(tile.path(), path);
        assert_eq!(TileId::parse(path), Some(tile));
    }
    for bad in [
        "",
        "0",
        "0/1",
        "0/x001",
        "0/001.p/0",
        "0/001.p/256",
        "0/+01",
        "0/001.p/+1",
        "9/000",
        "0/x000/001",
        "../000",
    ] {
        assert_eq!(TileId::parse(bad), None, "{bad}");
    }
    assert_eq!(sealpost_evidence::merkle::entries_path(67, 256), "entries/067");
}

#[test]
fn tiles_after_growth() {
    let names = |old, new| tiles_between(old, new).iter().map(TileId::path).collect::<Vec<_>>();
    assert_eq!(names(0, 1), ["0/000.p/1"]);
    assert_eq!(names(255, 256), ["0/000", "1/000.p/1"]);
    assert_eq!(names(256, 257), ["0/001.p/1"]);
    assert_eq!(names(250, 520), ["0/000", "0/001", "0/002.p/8", "1/000.p/2"]);
    assert!(names(300, 300).is_empty());
}

#[test]
fn proofs_are_right_at_every_size_up_to_70() {
    let log = log(70);
    for size in 1..=70u64 {
        let root = mth(&log.leaves[..size as usize]);
        assert_eq!(root_at(size, log.node()).unwrap(), root);
        for index in 0..size {
            let path = inclusion_path(index, size, log.node()).unwrap();
            let leaf = &log.leaves[index as usize];
            assert_eq!(verify_inclusion(leaf, index, size, &path, &root), Ok(()));
            assert!(
                verify_inclusion(leaf, (index + 1) % (size + 1), size, &path, &root).is_err() || size == 1
            );
            if let Some((_, short)) = path.split_first() {
                assert!(verify_inclusion(leaf, index, size, short, &root).is_err());
            }
            let long = [path.as_slice(), &[root]].concat();
            assert_eq!(verify_inclusion(leaf, index, size, &long, &root), Err(MerkleError::Length));
        }
        for old in 0..=size {
            let old_root = mth(&log.leaves[..old as usize]);
            let path = consistency_path(old, size, log.node()).unwrap();
            assert_eq!(verify_consistency(old, size, &old_root, &root, &path), Ok(()), "{old} → {size}");
            if old > 0 && old < size {
                assert!(verify_consistency(old, size, &root, &root, &path).is_err());
                assert!(verify_consistency(old, size, &old_root, &old_root, &path).is_err());
            }
        }
    }
    assert_eq!(verify_inclusion(&EMPTY_ROOT, 0, 0, &[], &EMPTY_ROOT), Err(MerkleError::OutOfRange));
}

#[test]
fn nodes_come_from_tiles_at_their_partial_widths() {
    let size = 66_000;
    let log = log(size);
    let root = log.frontier.root();
    let fetch = |tile: TileId| -> Result<Vec<u8>, Infallible> {
        let first = tile.index * 256;
        Ok((first..first + u64::from(tile.width)).flat_map(|i| log.nodes[&(tile.level * 8, i)]).collect())
    };
    let node =
        |level, index| Ok::<_, Infallible>(node_from_tiles(level, index, size, fetch).unwrap().unwrap());
    for index in [0, 1, 255, 256, 65_535, 65_536, 65_999] {
        let path = inclusion_path(index, size, node).unwrap();
        assert_eq!(verify_inclusion(&log.leaves[index as usize], index, size, &path, &root), Ok(()));
    }
    assert_eq!(node_from_tiles(0, size, size, fetch), Ok(None));
    assert_eq!(node_from_tiles(3, size >> 3, size, fetch), Ok(None));
}

proptest! {
    #[test]
    fn frontier_is_mth(size in 0u64..600) {
        let log = log(size);
        prop_assert_eq!(log.frontier.root(), mth(&log.leaves));
        prop_assert_eq!(log.frontier.nodes().len() as u32, size.count_ones());
    }
    #[test]
    fn a_changed_path_never_verifies(size in 2u64..300, pick in any::<u64>(), byte in 0usize..32) {
        let log = log(size);
        let index = pick % size;
        let mut path = inclusion_path(index, size, log.node()).unwrap();
        let at = (pick as usize / 7) % path.len();
        path[at][byte] ^= 1;
        let verdict = verify_inclusion(&log.leaves[index as usize], index, size, &path, &log.frontier.root());
        prop_assert_eq!(verdict, Err(MerkleError::Root));
    }
}
