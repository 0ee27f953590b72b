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
        let width = i64::try_from(window.as_secs()).unwrap_or(i64::MAX).max(1);
        let start = now.as_second().div_euclid(width) * width;
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
}
