//! Anchors: checkpoints dated by an authority outside. Written once, in ascending order.

use super::Checkpoint;
use crate::db::{Row, Value};
use crate::{Store, StoreError};
use sealpost_envelope::Timestamp;

/// An external timestamp over a checkpoint's note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// Size of the checkpoint.
    pub size: u64,
    /// What the authority says.
    pub time: Timestamp,
    /// When it was obtained, by our clock.
    pub obtained: Timestamp,
    /// Who dated it, for people.
    pub authority: String,
    /// RFC 3161 token over the note.
    pub token: Vec<u8>,
}

fn anchor(row: &Row) -> Result<Anchor, StoreError> {
    Ok(Anchor {
        size: row.size("size")?,
        time: row.time("time")?,
        obtained: row.time("obtained")?,
        authority: row.text("authority")?,
        token: row.bytes("token")?,
    })
}

impl Store {
    /// Keeps an anchor; `false` when there is one for as many entries or more, which stays the last.
    pub async fn store_anchor(&self, anchor: Anchor) -> Result<bool, StoreError> {
        let size = Value::size(anchor.size)?;
        // WHERE instead of a look before: two nodes may have asked at the same time.
        let sql = "INSERT INTO anchors (size, time, obtained, authority, token) \
                   SELECT c.size, $2, $3, $4, $5 FROM checkpoints c WHERE c.size = $1 \
                   AND NOT EXISTS (SELECT 1 FROM anchors a WHERE a.size >= $1)";
        let values = vec![
            size,
            anchor.time.into(),
            anchor.obtained.into(),
            anchor.authority.into(),
            anchor.token.into(),
        ];
        Ok(self.db.execute(sql, values).await? == 1)
    }

    /// The newest anchor.
    pub async fn latest_anchor(&self) -> Result<Option<Anchor>, StoreError> {
        let sql = "SELECT size, time, obtained, authority, token FROM anchors ORDER BY size DESC LIMIT 1";
        self.db.fetch_optional(sql, vec![]).await?.as_ref().map(anchor).transpose()
    }

    /// The smallest anchored checkpoint that covers the entry at `index`, with its anchor.
    pub async fn anchor_covering(&self, index: u64) -> Result<Option<(Checkpoint, Anchor)>, StoreError> {
        let sql = "SELECT size, time, obtained, authority, token FROM anchors WHERE size > $1 \
                   ORDER BY size LIMIT 1";
        let Some(row) = self.db.fetch_optional(sql, vec![Value::size(index)?]).await? else {
            return Ok(None);
        };
        let anchor = anchor(&row)?;
        let checkpoint = self.checkpoint(anchor.size).await?;
        let checkpoint =
            checkpoint.ok_or_else(|| StoreError::damaged("anchors", "its checkpoint is missing"))?;
        Ok(Some((checkpoint, anchor)))
    }

    /// All anchors, smallest first, at most `limit`, of checkpoints larger than `after`.
    pub async fn anchors(&self, after: u64, limit: u32) -> Result<Vec<Anchor>, StoreError> {
        let sql = "SELECT size, time, obtained, authority, token FROM anchors WHERE size > $1 \
                   ORDER BY size LIMIT $2";
        self.db.fetch_all(sql, vec![Value::size(after)?, limit.into()]).await?.iter().map(anchor).collect()
    }
}
