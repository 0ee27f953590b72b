//! Checkpoints: signed notes over size and root; stamp and seal are added once, nothing is edited.

use super::LOG;
use crate::db::{AssertSqlSafe, Row, Value};
use crate::job::Fence;
use crate::{Store, StoreError, args};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use sealpost_envelope::Timestamp;
use sealpost_evidence::merkle::Hash;

/// A stored checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Entries it covers.
    pub size: u64,
    /// When it was signed.
    pub time: Timestamp,
    /// Root it signs.
    pub root: Hash,
    /// The signed note (C2SP), as text bytes.
    pub note: Vec<u8>,
    /// RFC 3161 token over the note.
    pub tst: Option<Vec<u8>>,
    /// Detached CAdES over the note.
    pub p7s: Option<Vec<u8>>,
}

const SELECT: &str = "SELECT size, time, root, note, tst, p7s FROM checkpoints";

pub(super) fn checkpoint(row: &Row) -> Result<Checkpoint, StoreError> {
    Ok(Checkpoint {
        size: row.size("size")?,
        time: row.time("time")?,
        root: row.array("root")?,
        note: row.bytes("note")?,
        tst: row.opt_bytes("tst")?,
        p7s: row.opt_bytes("p7s")?,
    })
}

impl Store {
    /// Keeps a signed note over the log's head. Refused when the head has another root at that size, or
    /// when the sequencer was overtaken; `false` when this size has a checkpoint, which stays.
    pub async fn store_checkpoint(
        &self,
        fence: Fence,
        size: u64,
        root: Hash,
        note: Vec<u8>,
    ) -> Result<bool, StoreError> {
        if self.root_at(size).await? != root {
            return Err(StoreError::Conflict("the checkpoint signs another root"));
        }
        let now = self.clock.now();
        self.db
            .write_patiently(async move |tx| {
                let held = tx
                    .fetch_optional(
                        "SELECT fence FROM log_state WHERE log = $1 AND fence <= $2",
                        args![LOG, fence.0],
                    )
                    .await?;
                held.ok_or(StoreError::Conflict("another sequencer has taken over"))?;
                let sql = "INSERT INTO checkpoints (size, time, root, note) VALUES ($1, $2, $3, $4) \
                     ON CONFLICT DO NOTHING";
                Ok(tx.execute(sql, vec![Value::size(size)?, now.into(), root.into(), note.into()]).await?
                    == 1)
            })
            .await
    }

    /// Adds stamp and seal to a checkpoint that has none; `false` when it has, or does not exist.
    pub async fn stamp_checkpoint(
        &self,
        size: u64,
        tst: Vec<u8>,
        p7s: Option<Vec<u8>>,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE checkpoints SET tst = $2, p7s = $3 WHERE size = $1 AND tst IS NULL";
        let values = vec![Value::size(size)?, tst.into(), p7s.into()];
        Ok(self.db.write_patiently(async move |tx| tx.execute(sql, values).await).await? == 1)
    }

    /// The newest checkpoint.
    pub async fn latest_checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        self.one("ORDER BY size DESC LIMIT 1", args![]).await
    }

    /// The smallest stamped checkpoint that covers the entry at `index`.
    pub async fn checkpoint_covering(&self, index: u64) -> Result<Option<Checkpoint>, StoreError> {
        self.one("WHERE size > $1 AND tst IS NOT NULL ORDER BY size LIMIT 1", vec![Value::size(index)?]).await
    }

    /// The checkpoint of exactly that size.
    pub async fn checkpoint(&self, size: u64) -> Result<Option<Checkpoint>, StoreError> {
        self.one("WHERE size = $1", vec![Value::size(size)?]).await
    }

    /// The newest stamped checkpoint.
    pub async fn latest_stamped(&self) -> Result<Option<Checkpoint>, StoreError> {
        self.one("WHERE tst IS NOT NULL ORDER BY size DESC LIMIT 1", args![]).await
    }

    /// Checkpoints that wait for their stamp, oldest first.
    pub async fn bare_checkpoints(&self, limit: u32) -> Result<Vec<Checkpoint>, StoreError> {
        let sql = format!("{SELECT} WHERE tst IS NULL ORDER BY size LIMIT $1");
        self.db.fetch_all(AssertSqlSafe(sql), args![limit]).await?.iter().map(checkpoint).collect()
    }

    /// Every checkpoint, smallest first.
    pub fn checkpoints(&self) -> BoxStream<'static, Result<Checkpoint, StoreError>> {
        let sql = format!("{SELECT} ORDER BY size");
        self.db.stream(AssertSqlSafe(sql), args![]).map(|row| checkpoint(&row?)).boxed()
    }

    async fn one(&self, tail: &str, values: crate::Args) -> Result<Option<Checkpoint>, StoreError> {
        let row = self.db.fetch_optional(AssertSqlSafe(format!("{SELECT} {tail}")), values).await?;
        row.as_ref().map(checkpoint).transpose()
    }
}
