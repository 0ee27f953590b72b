//! Counters against floods, shared by all nodes.

use crate::{Db, StoreError, args};
use sealpost_envelope::Timestamp;
use std::time::Duration;

impl Db {
    /// Counts one more use of `key` (a keyed hash of an address or link) in the current window and answers
    /// whether it is still within `limit`. Old windows of every key are swept on the way.
    pub async fn rate_allows(
        &self,
        key: [u8; 32],
        window: Duration,
        limit: u32,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let start = window_start(window, now);
        self.write(async move |tx| {
            let row = tx
                .fetch_one(
                    "INSERT INTO access_rate (key, start, count) VALUES ($1, $2, 1) \
                     ON CONFLICT (key, start) DO UPDATE SET count = access_rate.count + 1 RETURNING count",
                    args![key, start],
                )
                .await?;
            let count = row.int("count")?;
            if count == 1 {
                // A day is longer than any window in use.
                tx.execute("DELETE FROM access_rate WHERE start < $1", args![start - 86_400]).await?;
            }
            Ok(count <= i64::from(limit))
        })
        .await
    }

    /// How often `key` was counted in the current window; counts nothing.
    pub async fn rate_count(
        &self,
        key: [u8; 32],
        window: Duration,
        now: Timestamp,
    ) -> Result<u32, StoreError> {
        let sql = "SELECT count FROM access_rate WHERE key = $1 AND start = $2";
        let row = self.fetch_optional(sql, args![key, window_start(window, now)]).await?;
        let count = row.map(|r| r.int("count")).transpose()?.unwrap_or(0);
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// Whether `key` was counted in a window that began at `since` or later; windows are kept for a day.
    pub async fn rate_counted_since(&self, key: [u8; 32], since: Timestamp) -> Result<bool, StoreError> {
        let sql = "SELECT 1 AS one FROM access_rate WHERE key = $1 AND start >= $2 LIMIT 1";
        Ok(self.fetch_optional(sql, args![key, since.as_second()]).await?.is_some())
    }
}

/// Where the window begins that `now` lies in.
fn window_start(window: Duration, now: Timestamp) -> i64 {
    let width = i64::try_from(window.as_secs()).unwrap_or(i64::MAX).max(1);
    now.as_second().div_euclid(width) * width
}
