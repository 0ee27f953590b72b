//! Blobs that no row names: what a crash leaves between a blob and its commit, or behind a destruction.
//!
//! **Job.** Walks the blob store once, a page at a time, asks the database who names the blobs of the page,
//! and deletes those that nobody names. Recipes and skeleton records name parts by number, so that
//! `deposits`, `parts`, `returned`, `mail_bodies` and `upload_segments` are all there is to ask.
//!
//! **Failure modes.** [`EndError`]; what was not reached stays for the next time. Two nodes at once harm
//! nothing. Whoever holds a blob for longer than the age asked for, before a row names it, loses it.

use crate::blob::BlobEntry;
use crate::endoflife::EndError;
use crate::{Args, Store, StoreError, Value};
use futures_util::StreamExt;
use sealpost_envelope::Timestamp;
use std::collections::HashSet;
use uuid::Uuid;

/// Blobs asked about in one go.
const PAGE: usize = 64;

/// What a collection came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Orphans {
    /// Blobs looked at.
    pub seen: u64,
    /// Blobs that nobody named, deleted.
    pub removed: u64,
    /// Their octets.
    pub octets: u64,
    /// Files of writers that never finished, deleted.
    pub unfinished: u64,
}

impl Store {
    /// Deletes the blobs completed before `before` that no row names, and unfinished files untouched since.
    /// A blob is durable before the row that names it: choose `before` at least a day in the past.
    pub async fn remove_orphans(&self, before: Timestamp) -> Result<Orphans, EndError> {
        let mut done =
            Orphans { unfinished: self.blobs().remove_unfinished(before).await?, ..Orphans::default() };
        let mut pages = self.blobs().list(before).chunks(PAGE);
        while let Some(page) = pages.next().await {
            let page: Vec<BlobEntry> = page.into_iter().collect::<Result<_, _>>()?;
            let named = self.named(&page).await?;
            done.seen += page.len() as u64;
            for blob in page.iter().filter(|b| !named.contains(&b.id.0)) {
                self.blobs().delete(blob.id).await?;
                done.removed += 1;
                done.octets += blob.stored;
            }
        }
        Ok(done)
    }

    /// Which of the blobs a row names.
    async fn named(&self, page: &[BlobEntry]) -> Result<HashSet<Uuid>, StoreError> {
        let mut named = HashSet::new();
        let Some(last) = page.last() else { return Ok(named) };
        let marks = (1..=PAGE).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
        for (table, column) in [
            ("parts", "blob"),
            ("deposits", "skeleton_blob"),
            ("mail_bodies", "blob"),
            ("returned", "blob"),
            ("upload_segments", "blob"),
        ] {
            // One length only, filled up by repeating, so that one text is prepared.
            let ids = page.iter().chain(std::iter::repeat(last)).take(PAGE);
            let values: Args = ids.map(|b| Value::from(b.id)).collect();
            let sql = format!("SELECT {column} AS blob FROM {table} WHERE {column} IN ({marks})");
            for row in self.db.fetch_all(sqlx::AssertSqlSafe(sql), values).await? {
                named.insert(row.uuid("blob")?);
            }
        }
        Ok(named)
    }
}
