//! What stands beside entries in lists: their timestamps (their own evidence's seal, or the first stamped checkpoint
//! that covers them) and the names of their deposits.

use crate::db::{AssertSqlSafe, Value};
use crate::{Store, StoreError};
use sealpost_envelope::{DepositId, EntryId, Reference, Timestamp};
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

    /// The references of these deposits.
    pub async fn references(&self, ids: &[DepositId]) -> Result<HashMap<DepositId, Reference>, StoreError> {
        let mut references = HashMap::new();
        for some in ids.chunks(TOGETHER) {
            let places: Vec<String> = (1..=some.len()).map(|n| format!("${n}")).collect();
            let sql = format!("SELECT id, reference FROM deposits WHERE id IN ({})", places.join(", "));
            let values = some.iter().map(|id| Value::from(*id)).collect();
            for row in self.db.fetch_all(AssertSqlSafe(sql), values).await? {
                let text = row.text("reference")?;
                let reference =
                    Reference::parse(&text).ok_or_else(|| StoreError::damaged("reference", &text))?;
                references.insert(DepositId(row.uuid("id")?), reference);
            }
        }
        Ok(references)
    }
}
