//! The journal for people, newest first, page by page.
//!
//! **Job.** [`Store::follow_journal`] gives one page of what somebody may see ([`Sight`]). A page continues behind an
//! entry, so that it stays the same while new ones arrive.
//!
//! **Cost.** An organisation's page is read along an index, whatever the number of entries; with an address, the
//! entries of that address's deposits are read and sorted, and so are a sender's own.

use super::JournalEntry;
use super::read::{COLUMNS, entry};
use crate::account::owner::FOLLOWED;
use crate::db::{Args, AssertSqlSafe, Value};
use crate::deposit::Sight;
use crate::{Store, StoreError};
use sealpost_envelope::{DepositId, EmailAddress, EntryId, Timestamp};
use sealpost_evidence::EventName;

/// Longest page.
const PAGE: u32 = 500;

/// Which entries [`Store::follow_journal`] gives.
#[derive(Debug, Clone)]
pub struct FollowJournal {
    /// Whose.
    pub sight: Sight,
    /// One of these events; any if none is named.
    pub events: Vec<EventName>,
    /// About this deposit.
    pub deposit: Option<DepositId>,
    /// About deposits that this address sent or got.
    pub address: Option<EmailAddress>,
    /// At or after.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// Continue behind this entry of the page before.
    pub after: Option<(Timestamp, EntryId)>,
    /// At most so many, and never more than five hundred.
    pub limit: u32,
}

/// Text and values under way; only constants enter the text.
struct Sql(String, Args);

impl Sql {
    /// Adds a piece; each `$?` in it stands for the next of `values`.
    fn add(&mut self, piece: &str, values: Args) {
        let mut pieces = piece.split("$?");
        self.0.push_str(pieces.next().unwrap_or_default());
        for (piece, value) in pieces.zip(values) {
            self.1.push(value);
            self.0.push_str(&format!("${}{piece}", self.1.len()));
        }
    }
}

impl Store {
    /// A page of the journal, newest first.
    pub async fn follow_journal(&self, filter: &FollowJournal) -> Result<Vec<JournalEntry>, StoreError> {
        let (sql, values) = statement(filter);
        self.db.fetch_all(AssertSqlSafe(sql), values).await?.iter().map(entry).collect()
    }
}

fn statement(filter: &FollowJournal) -> (String, Args) {
    let mut sql = Sql(format!("SELECT {COLUMNS} FROM journal WHERE "), Vec::new());
    let entity = Value::from(filter.sight.entity());
    match filter.sight {
        Sight::Entity(_) => sql.add("entity = $?", vec![entity]),
        // An own deposit is one of the organisation: without `entity` here the index over deposits serves.
        Sight::Own(_, account) => sql.add(
            &format!(
                "deposit IN (SELECT id FROM deposits WHERE entity = $? AND account = $? UNION SELECT id FROM deposits \
                 WHERE entity = $? AND sender_key IN ({FOLLOWED}))"
            ),
            vec![entity.clone(), account.into(), entity.clone(), account.into(), account.into()],
        ),
    }
    if let Sight::Own(..) = filter.sight {
        // A legal hold, which is nobody's in particular, is told to nobody but those who place it.
        sql.add(" AND NOT (event IN ('HoldPlaced', 'HoldReleased') AND recipient IS NULL)", Vec::new());
    }
    if let Some(address) = &filter.address {
        let (entity, key) = (Value::from(filter.sight.entity()), Value::from(address.key()));
        sql.add(
            " AND deposit IN (SELECT deposit FROM consignments WHERE entity = $? AND address_key = $? UNION \
             SELECT id FROM deposits WHERE entity = $? AND sender_key = $?)",
            vec![entity.clone(), key.clone(), entity, key],
        );
    }
    if let Some(deposit) = filter.deposit {
        sql.add(" AND deposit = $?", vec![deposit.into()]);
    }
    if !filter.events.is_empty() {
        let places = vec!["$?"; filter.events.len()].join(", ");
        let names = filter.events.iter().map(|e| Value::from(e.as_str())).collect();
        sql.add(&format!(" AND event IN ({places})"), names);
    }
    if let Some(since) = filter.since {
        sql.add(" AND time >= $?", vec![since.into()]);
    }
    if let Some(until) = filter.until {
        sql.add(" AND time < $?", vec![until.into()]);
    }
    if let Some((time, id)) = filter.after {
        sql.add(" AND (time, id) < ($?, $?)", vec![time.into(), id.into()]);
    }
    let limit = Value::from(filter.limit.clamp(1, PAGE));
    sql.add(" ORDER BY time DESC, id DESC LIMIT $?", vec![limit]);
    (sql.0, sql.1)
}
