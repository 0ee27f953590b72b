//! When entries were timestamped: their own evidence's seal, or the first stamped checkpoint that covers them.

use crate::db::{AssertSqlSafe, Value};
use crate::{Store, StoreError};
use sealpost_envelope::{EntryId, Timestamp};
use std::collections::HashMap;

/// Most entries asked about in one statement.
const TOGETHER: usize = 200;

impl Store {
    /// The timestamp of each of these entries that has one by now.
    pub async fn stamps(&self, ids: &[EntryId]) -> Result<HashMap<EntryId, Timestamp>, StoreError> {
        let mut stamps = HashMap::new();
        for some in ids.chunks(TOGETHER) {
            let places: Vec<String> = (1..=some.len()).map(|n| format!("${n}")).collect();
            let sql = format!(
                "SELECT j.id, COALESCE((SELECT s.time FROM seals s WHERE s.id = j.id), \
                 (SELECT c.time FROM checkpoints c WHERE c.size > j.idx AND c.tst IS NOT NULL \
                 ORDER BY c.size LIMIT 1)) AS stamped FROM journal j WHERE j.id IN ({})",
                places.join(", ")
            );
            let values = some.iter().map(|id| Value::from(*id)).collect();
            for row in self.db.fetch_all(AssertSqlSafe(sql), values).await? {
                if let Some(time) = row.opt_time("stamped")? {
                    stamps.insert(EntryId(row.uuid("id")?), time);
                }
            }
        }
        Ok(stamps)
    }
}
