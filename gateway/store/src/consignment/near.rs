//! Addresses that a sender writes to, for telling a slip of the pen from a new correspondent.
//!
//! **Job.** Two questions on the index of addresses. Only what has left and did not fail counts: an address that was typed
//! wrongly, held or returned does not vouch for itself.
//!
//! **Exposure.** Only what this sender wrote to: what a colleague writes is not told.

use crate::db::{Args, AssertSqlSafe, Value};
use crate::{Store, StoreError, args};
use sealpost_envelope::{EmailAddress, EntityId};

/// Candidates in one statement.
const TOGETHER: usize = 500;
/// A delivered consignment of the sender's.
const SENT: &str = "FROM consignments c JOIN deposits d ON d.id = c.deposit \
     WHERE c.entity = $1 AND d.sender_key = $2 AND c.first_sent IS NOT NULL AND c.failed IS NULL";

impl Store {
    /// Whether a sender's mail has reached this address before.
    pub async fn has_written(
        &self,
        entity: EntityId,
        sender: &EmailAddress,
        to: &EmailAddress,
    ) -> Result<bool, StoreError> {
        let sql = format!("SELECT c.deposit {SENT} AND c.address_key = $3 LIMIT 1");
        let values = args![entity, sender.key(), to.key()];
        Ok(self.db.fetch_optional(AssertSqlSafe(sql), values).await?.is_some())
    }

    /// The first of `keys` that a sender's mail has reached.
    pub async fn written_among(
        &self,
        entity: EntityId,
        sender: &EmailAddress,
        keys: &[String],
    ) -> Result<Option<EmailAddress>, StoreError> {
        for some in keys.chunks(TOGETHER) {
            let mut values: Args = args![entity, sender.key()];
            // Always the same number, so that it is always the same statement.
            let padded = some.iter().map(String::as_str).chain(std::iter::repeat("")).take(TOGETHER);
            values.extend(padded.map(Value::from));
            let marks = (3..TOGETHER + 3).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
            let sql = format!("SELECT c.address AS address {SENT} AND c.address_key IN ({marks}) LIMIT 1");
            if let Some(row) = self.db.fetch_optional(AssertSqlSafe(sql), values).await? {
                return crate::deposit::address(&row, "address").map(Some);
            }
        }
        Ok(None)
    }
}
