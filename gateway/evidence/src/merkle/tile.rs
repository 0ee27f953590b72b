//! Tiles: 256 hashes a file, so that the log is served by any static file server (C2SP tlog-tiles).

use super::hash::{Hash, node_hash};

/// Levels of the tree in one tile.
pub const TILE_HEIGHT: u8 = 8;
/// Hashes in a full tile.
pub const TILE_WIDTH: u64 = 256;
/// Octets of a hash in a tile.
pub const HASH_SIZE: usize = 32;

/// One tile: `width` hashes of tree level `8·level`, from number `256·index` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileId {
    /// Tile level; tree level divided by eight.
    pub level: u8,
    /// Number within the level.
    pub index: u64,
    /// Hashes in it, 1 to 256.
    pub width: u16,
}

impl TileId {
    /// `<level>/<index>[.p/<width>]`, to be put after `tile/`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.level, indexed(self.index, self.width))
    }
    /// Reads what [`TileId::path`] writes, and nothing else.
    pub fn parse(path: &str) -> Option<Self> {
        if path.len() > 64 {
            return None;
        }
        let (level, rest) = path.split_once('/')?;
        let (digits, width) = match rest.split_once(".p/") {
            Some((digits, width)) => (digits, width.parse().ok()?),
            None => (rest, 256),
        };
        let index = digits.split('/').try_fold(0u64, |sum, group| {
            let group = group.strip_prefix('x').unwrap_or(group);
            sum.checked_mul(1000)?.checked_add(group.parse::<u16>().ok()?.into())
        })?;
        let tile = Self { level: level.parse().ok()?, index, width };
        // Comparing with the one right spelling refuses leading signs, missing `x` and widths of 0 or 256.
        (tile.level < 8 && tile.path() == path && width > 0).then_some(tile)
    }
}

/// `x001/x234/067[.p/W]` for 1234067.
fn indexed(index: u64, width: u16) -> String {
    let mut text = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        text = format!("x{:03}/{text}", rest % 1000);
        rest /= 1000;
    }
    if u64::from(width) < TILE_WIDTH {
        text.push_str(&format!(".p/{width}"));
    }
    text
}

/// Path of a bundle of entries, to be put after `tile/`: `entries/<index>[.p/<width>]`.
pub fn entries_path(index: u64, width: u16) -> String {
    format!("entries/{}", indexed(index, width))
}

/// Tiles that a log of `new` leaves has and one of `old` leaves has not: what a sequencer writes after
/// growth. Each is given at its width in the new tree, full tiles first within a level.
pub fn tiles_between(old: u64, new: u64) -> Vec<TileId> {
    let mut tiles = Vec::new();
    for level in 0..TILE_HEIGHT {
        let shift = u32::from(level) * u32::from(TILE_HEIGHT);
        let (had, has) = (old >> shift, new >> shift);
        if has == 0 {
            break;
        }
        if has == had {
            continue;
        }
        let first = had / TILE_WIDTH;
        tiles.extend((first..has / TILE_WIDTH).map(|index| TileId { level, index, width: 256 }));
        let partial = (has % TILE_WIDTH) as u16;
        if partial > 0 {
            tiles.push(TileId { level, index: has / TILE_WIDTH, width: partial });
        }
    }
    tiles
}

/// Hash of the complete subtree `(level, index)` of a log with `size` leaves, from its tiles.
/// `fetch` gives the bytes of a tile; a tile too short for what is asked gives `None`.
pub fn node_from_tiles<E>(
    level: u8,
    index: u64,
    size: u64,
    mut fetch: impl FnMut(TileId) -> Result<Vec<u8>, E>,
) -> Result<Option<Hash>, E> {
    let tile_level = level / TILE_HEIGHT;
    let above = level % TILE_HEIGHT;
    let first = index << above;
    let tile_index = first / TILE_WIDTH;
    let shift = u32::from(tile_level) * u32::from(TILE_HEIGHT);
    let width = (size >> shift).saturating_sub(tile_index * TILE_WIDTH).min(TILE_WIDTH) as u16;
    if width == 0 {
        return Ok(None);
    }
    let bytes = fetch(TileId { level: tile_level, index: tile_index, width })?;
    let offset = (first % TILE_WIDTH) as usize;
    let (hashes, _) = bytes.as_chunks::<HASH_SIZE>();
    let Some(slice) = hashes.get(offset..offset + (1 << above)) else { return Ok(None) };
    Ok(Some(fold(slice)))
}

/// Root over a power of two of hashes.
fn fold(hashes: &[Hash]) -> Hash {
    match hashes {
        [one] => *one,
        _ => {
            let (left, right) = hashes.split_at(hashes.len() / 2);
            node_hash(&fold(left), &fold(right))
        }
    }
}
