//! Hash tiles in the database, and the paths read from them.

use crate::db::{Row, Value};
use crate::{Store, StoreError, Tx, args};
use sealpost_evidence::merkle::{
    HASH_SIZE, Hash, TILE_WIDTH, TileId, consistency_path, inclusion_path, node_from_tiles, root_at,
    tiles_between,
};
use std::collections::BTreeMap;

/// The narrowest stored tile that is at least as wide as wanted; its beginning never changes.
const WIDE_ENOUGH: &str =
    "SELECT hashes FROM tiles WHERE level = $1 AND n = $2 AND width >= $3 ORDER BY width LIMIT 1";

/// Writes the tiles of a log grown from `old` to `new` entries. `grown[level]` are the new hashes of each
/// tile level. Narrower versions of a tile are removed once the wider one stands beside them.
pub(super) async fn grow(tx: &mut Tx, old: u64, new: u64, grown: &[Vec<Hash>]) -> Result<(), StoreError> {
    let mut rows = Vec::new();
    let mut replaced = Vec::new();
    for tile in tiles_between(old, new) {
        let shift = u32::from(tile.level) * 8;
        let had = (old >> shift).saturating_sub(tile.index * TILE_WIDTH).min(TILE_WIDTH);
        let mut hashes = if had > 0 { stored(tx, &tile, had).await? } else { Vec::new() };
        let first_new = (tile.index * TILE_WIDTH + had) - (old >> shift);
        let added = u64::from(tile.width) - had;
        let fresh = grown.get(usize::from(tile.level)).and_then(|level| {
            level.get(usize::try_from(first_new).ok()?..usize::try_from(first_new + added).ok()?)
        });
        let fresh = fresh.ok_or_else(|| StoreError::damaged("tiles", "the tree grew otherwise"))?;
        hashes.extend(fresh.iter().flatten());
        if had > 0 {
            replaced.push(tile);
        }
        rows.push(vec![tile.level.into(), Value::size(tile.index)?, tile.width.into(), hashes.into()]);
    }
    tx.insert("INSERT INTO tiles (level, n, width, hashes) VALUES", rows, "").await?;
    for tile in replaced {
        tx.execute(
            "DELETE FROM tiles WHERE level = $1 AND n = $2 AND width < $3",
            key(&tile, tile.width.into())?,
        )
        .await?;
    }
    Ok(())
}

fn key(tile: &TileId, width: u64) -> Result<Vec<Value>, StoreError> {
    Ok(vec![tile.level.into(), Value::size(tile.index)?, Value::size(width)?])
}

async fn stored(tx: &mut Tx, tile: &TileId, width: u64) -> Result<Vec<u8>, StoreError> {
    let row = tx.fetch_optional(WIDE_ENOUGH, key(tile, width)?).await?;
    cut(row, width)
}

fn cut(row: Option<Row>, width: u64) -> Result<Vec<u8>, StoreError> {
    let mut hashes = row.ok_or_else(|| StoreError::damaged("tiles", "a tile is missing"))?.bytes("hashes")?;
    let length = width as usize * HASH_SIZE;
    if hashes.len() < length || hashes.len() % HASH_SIZE != 0 {
        return Err(StoreError::damaged("tiles", "a tile is too short"));
    }
    hashes.truncate(length);
    Ok(hashes)
}

/// Tiles that a computation needs, learnt by running it once over zeros.
#[derive(Default)]
struct Wanted(BTreeMap<TileId, Vec<u8>>);

impl Wanted {
    fn node(&mut self, size: u64, level: u8, index: u64) -> Result<Hash, StoreError> {
        let node = node_from_tiles(level, index, size, |tile| {
            let zeros = || vec![0; usize::from(tile.width) * HASH_SIZE];
            Ok::<_, StoreError>(self.0.entry(tile).or_insert_with(zeros).clone())
        })?;
        node.ok_or_else(|| StoreError::damaged("tiles", "a tile is too short"))
    }
}

impl Store {
    /// The bytes of a tile, `width` hashes.
    pub async fn tile(&self, tile: TileId) -> Result<Vec<u8>, StoreError> {
        let width = u64::from(tile.width);
        cut(self.db.fetch_optional(WIDE_ENOUGH, key(&tile, width)?).await?, width)
    }

    async fn over_tiles<T>(
        &self,
        size: u64,
        compute: impl Fn(&mut dyn FnMut(u8, u64) -> Result<Hash, StoreError>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let head = self.log_head().await?;
        if size > head.size {
            return Err(StoreError::NotFound("log of that size yet"));
        }
        let mut wanted = Wanted::default();
        compute(&mut |level, index| wanted.node(size, level, index))?;
        for (tile, bytes) in &mut wanted.0 {
            *bytes = self.tile(*tile).await?;
        }
        compute(&mut |level, index| wanted.node(size, level, index))
    }

    /// Audit path of the entry at `index` in the log of `size` entries; empty when it lies outside.
    pub async fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, StoreError> {
        self.over_tiles(size, |node| inclusion_path(index, size, node)).await
    }

    /// Proof that the log of `new` entries continues that of `old`.
    pub async fn consistency(&self, old: u64, new: u64) -> Result<Vec<Hash>, StoreError> {
        self.over_tiles(new, |node| consistency_path(old, new, node)).await
    }

    /// Root of the log when it had `size` entries.
    pub async fn root_at(&self, size: u64) -> Result<Hash, StoreError> {
        self.over_tiles(size, |node| root_at(size, node)).await
    }

    /// Number of stored tile rows; full tiles and the newest partial one of each level.
    pub async fn tile_count(&self) -> Result<u64, StoreError> {
        self.db.fetch_one("SELECT COUNT(*) AS n FROM tiles", args![]).await?.size("n")
    }
}
