//! Giving indexes and growing the tree.

use super::LOG;
use crate::db::{Args, AssertSqlSafe, Row};
use crate::job::Fence;
use crate::{Store, StoreError, Tx, args};
use sealpost_evidence::merkle::{EMPTY_ROOT, Frontier, Hash, TILE_HEIGHT};
use std::fmt::Write as _;

/// Size and root of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogHead {
    /// Number of entries.
    pub size: u64,
    /// RFC 6962 root over them.
    pub root: Hash,
}

/// What one call of the sequencer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequenced {
    /// Size before.
    pub before: u64,
    /// The log now.
    pub head: LogHead,
    /// More entries may be waiting.
    pub more: bool,
}

/// Entries per transaction at most: small enough that deposits hardly notice.
const BATCH: usize = 512;
/// Entries whose index is set by one statement; a power of two, so that few texts are prepared.
const UPDATE: usize = 64;

impl Store {
    /// Size and root of the log.
    pub async fn log_head(&self) -> Result<LogHead, StoreError> {
        let row =
            self.db.fetch_optional("SELECT size, root FROM log_state WHERE log = $1", args![LOG]).await?;
        match row {
            Some(row) => Ok(LogHead { size: row.size("size")?, root: row.array("root")? }),
            None => Ok(LogHead { size: 0, root: EMPTY_ROOT }),
        }
    }

    /// Sequences waiting entries, oldest first. `fence` is that of the claim on [`super::SEQUENCER`]; a
    /// higher one seen before refuses the call.
    pub async fn sequence_batch(&self, fence: Fence) -> Result<Sequenced, StoreError> {
        self.db.write_patiently(async move |tx| sequence(tx, fence).await).await
    }
}

async fn sequence(tx: &mut Tx, fence: Fence) -> Result<Sequenced, StoreError> {
    let mut frontier = take_state(tx, fence).await?;
    let before = frontier.size();
    // Not by a high-water mark: PostgreSQL commits out of order, so older entries may appear later.
    let waiting = tx
        .fetch_all(
            AssertSqlSafe(format!(
                "SELECT id, leaf FROM journal WHERE idx IS NULL ORDER BY time, id LIMIT {BATCH}"
            )),
            args![],
        )
        .await?;
    let more = waiting.len() == BATCH;
    if waiting.is_empty() {
        return Ok(Sequenced { before, head: LogHead { size: before, root: frontier.root() }, more });
    }
    let mut grown: Vec<Vec<Hash>> = Vec::new();
    let mut indexes: Vec<(String, u64)> = Vec::with_capacity(waiting.len());
    for row in &waiting {
        indexes.push((row.text("id")?, frontier.size()));
        frontier.append(row.array("leaf")?, |level, _, hash| {
            if level % TILE_HEIGHT == 0 {
                let tile_level = usize::from(level / TILE_HEIGHT);
                grown.resize_with(grown.len().max(tile_level + 1), Vec::new);
                grown[tile_level].push(*hash);
            }
        });
    }
    set_indexes(tx, indexes).await?;
    super::tiles::grow(tx, before, frontier.size(), &grown).await?;
    let head = LogHead { size: frontier.size(), root: frontier.root() };
    put_state(tx, fence, &frontier, head).await?;
    Ok(Sequenced { before, head, more })
}

/// Reads the tree's state and writes the fencing number, which locks the row: of two sequencers at once,
/// the second waits here and then sees what the first did.
async fn take_state(tx: &mut Tx, fence: Fence) -> Result<Frontier, StoreError> {
    let row = tx
        .fetch_optional(
            "INSERT INTO log_state (log, size, root, frontier, fence) VALUES ($1, 0, $2, $3, $4) \
             ON CONFLICT (log) DO UPDATE SET fence = excluded.fence WHERE log_state.fence <= excluded.fence \
             RETURNING size, root, frontier",
            args![LOG, EMPTY_ROOT, Vec::new(), fence.0],
        )
        .await?;
    let row: Row = row.ok_or(StoreError::Conflict("another sequencer has taken over"))?;
    let frontier = Frontier::from_bytes(row.size("size")?, &row.bytes("frontier")?)
        .map_err(|e| StoreError::damaged("log_state", e))?;
    if frontier.root() != row.array("root")? {
        return Err(StoreError::damaged("log_state", "the frontier does not lead to the root"));
    }
    Ok(frontier)
}

async fn put_state(tx: &mut Tx, fence: Fence, frontier: &Frontier, head: LogHead) -> Result<(), StoreError> {
    let values = vec![
        LOG.into(),
        crate::Value::size(head.size)?,
        head.root.into(),
        frontier.to_bytes().into(),
        fence.0.into(),
    ];
    let sql = "UPDATE log_state SET size = $2, root = $3, frontier = $4 WHERE log = $1 AND fence = $5";
    match tx.execute(sql, values).await? {
        1 => Ok(()),
        _ => Err(StoreError::Conflict("another sequencer has taken over")),
    }
}

async fn set_indexes(tx: &mut Tx, mut entries: Vec<(String, u64)>) -> Result<(), StoreError> {
    while !entries.is_empty() {
        let take = (1usize << entries.len().ilog2()).min(UPDATE);
        let mut sql = String::from("UPDATE journal SET idx = v.column2 FROM (VALUES ");
        let mut values: Args = Vec::with_capacity(take * 2);
        for (n, (id, index)) in entries.drain(..take).enumerate() {
            // Writing to a String cannot fail.
            let _ = write!(sql, "{}(${}, ${})", if n == 0 { "" } else { ", " }, 2 * n + 1, 2 * n + 2);
            values.push(id.into());
            values.push(crate::Value::size(index)?);
        }
        sql.push_str(") AS v WHERE journal.id = v.column1 AND journal.idx IS NULL");
        if tx.execute(AssertSqlSafe(sql), values).await? != take as u64 {
            return Err(StoreError::Conflict("an entry was sequenced by somebody else"));
        }
    }
    Ok(())
}
