//! Reading the journal.

use crate::db::{Args, AssertSqlSafe, Row, Value};
use crate::{Store, StoreError, args};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use sealpost_envelope::{DepositId, EntityId, EntryId, RecipientNo, Timestamp};
use sealpost_evidence::EventName;

/// A stored entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// Identifier.
    pub id: EntryId,
    /// When.
    pub time: Timestamp,
    /// What.
    pub event: EventName,
    /// Organisation.
    pub entity: EntityId,
    /// Deposit concerned.
    pub deposit: Option<DepositId>,
    /// Recipient concerned.
    pub recipient: Option<RecipientNo>,
    /// Place in the log; `None` until the sequencer gave one.
    pub index: Option<u64>,
    /// RFC 6962 leaf hash.
    pub leaf: [u8; 32],
    /// Canonical JSON; `None` once pruned.
    pub bytes: Option<Vec<u8>>,
    /// Clear values and salts; `None` once pruned.
    pub openings: Option<Vec<u8>>,
}

/// Which entries [`Store::search_journal`] gives, oldest first.
#[derive(Debug, Clone, Default)]
pub struct JournalFilter {
    /// Organisation; `None` only for the operator.
    pub entity: Option<EntityId>,
    /// Event.
    pub event: Option<EventName>,
    /// Deposit.
    pub deposit: Option<DepositId>,
    /// Recipient of the deposit.
    pub recipient: Option<RecipientNo>,
    /// At or after.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// At most so many.
    pub limit: Option<u32>,
}

pub(super) const COLUMNS: &str = "id, time, event, entity, deposit, recipient, idx, leaf, bytes, openings";

pub(super) fn recipient(row: &Row) -> Result<Option<RecipientNo>, StoreError> {
    let n = row.opt_int("recipient")?;
    n.map(|n| u32::try_from(n).map_err(|e| StoreError::damaged("recipient", e))).transpose()
}

pub(crate) fn entry(row: &Row) -> Result<JournalEntry, StoreError> {
    let index = row.opt_int("idx")?;
    Ok(JournalEntry {
        id: EntryId(row.uuid("id")?),
        time: row.time("time")?,
        event: row.parse("event")?,
        entity: row.entity()?,
        deposit: row.opt_uuid("deposit")?.map(DepositId),
        recipient: recipient(row)?,
        index: index.map(|i| u64::try_from(i).map_err(|e| StoreError::damaged("idx", e))).transpose()?,
        leaf: row.array("leaf")?,
        bytes: row.opt_bytes("bytes")?,
        openings: row.opt_bytes("openings")?,
    })
}

impl Store {
    /// One entry by its id.
    pub async fn entry(&self, id: EntryId) -> Result<Option<JournalEntry>, StoreError> {
        let sql = AssertSqlSafe(format!("SELECT {COLUMNS} FROM journal WHERE id = $1"));
        self.db.fetch_optional(sql, args![id]).await?.as_ref().map(entry).transpose()
    }

    /// One entry by its place in the log.
    pub async fn entry_by_index(&self, index: u64) -> Result<Option<JournalEntry>, StoreError> {
        let sql = AssertSqlSafe(format!("SELECT {COLUMNS} FROM journal WHERE idx = $1"));
        self.db.fetch_optional(sql, vec![Value::size(index)?]).await?.as_ref().map(entry).transpose()
    }

    /// Every entry about a deposit, oldest first. Bounded by the number of its events.
    pub async fn entries_of_deposit(&self, deposit: DepositId) -> Result<Vec<JournalEntry>, StoreError> {
        let sql =
            AssertSqlSafe(format!("SELECT {COLUMNS} FROM journal WHERE deposit = $1 ORDER BY time, id"));
        self.db.fetch_all(sql, args![deposit]).await?.iter().map(entry).collect()
    }

    /// Sequenced entries with `from <= index < to`, in the order of the log.
    pub fn entries(&self, from: u64, to: u64) -> BoxStream<'static, Result<JournalEntry, StoreError>> {
        // The log never has more than 2^63 entries, so cutting there changes nothing.
        let bound = |v: u64| i64::try_from(v).unwrap_or(i64::MAX);
        let sql = format!("SELECT {COLUMNS} FROM journal WHERE idx >= $1 AND idx < $2 ORDER BY idx");
        self.db.stream(AssertSqlSafe(sql), args![bound(from), bound(to)]).map(|row| entry(&row?)).boxed()
    }

    /// Entries as asked for, oldest first, sequenced or not.
    pub fn search_journal(
        &self,
        filter: &JournalFilter,
    ) -> BoxStream<'static, Result<JournalEntry, StoreError>> {
        let (sql, values) = searching(filter);
        self.db.stream(AssertSqlSafe(sql), values).map(|row| entry(&row?)).boxed()
    }
}

/// Text and values of a search; only constants enter the text.
fn searching(filter: &JournalFilter) -> (String, Args) {
    let conditions = [
        (" AND entity = $", filter.entity.map(Value::from)),
        (" AND event = $", filter.event.map(|e| Value::from(e.as_str()))),
        (" AND deposit = $", filter.deposit.map(Value::from)),
        (" AND recipient = $", filter.recipient.map(Value::from)),
        (" AND time >= $", filter.since.map(Value::from)),
        (" AND time < $", filter.until.map(Value::from)),
    ];
    let mut sql = format!("SELECT {COLUMNS} FROM journal WHERE TRUE");
    let mut values: Args = Vec::new();
    for (condition, value) in conditions {
        let Some(value) = value else { continue };
        values.push(value);
        sql.push_str(condition);
        sql.push_str(&values.len().to_string());
    }
    values.push(Value::from(filter.limit.map_or(i64::MAX, i64::from)));
    sql.push_str(&format!(" ORDER BY time, id LIMIT ${}", values.len()));
    (sql, values)
}
