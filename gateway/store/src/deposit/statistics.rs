//! Numbers about deposits, a day at a time.

use super::Sight;
use crate::account::owner::FOLLOWED;
use crate::db::{Args, AssertSqlSafe, Value};
use crate::{Store, StoreError};
use sealpost_envelope::Timestamp;
use std::collections::BTreeMap;

/// A day in UTC, in microseconds.
const DAY: i64 = 86_400_000_000;

/// What was deposited on a day, and what has become of it since.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DayCount {
    /// Deposits.
    pub deposits: u64,
    /// Their octets as received.
    pub bytes: u64,
    /// Recipients of them.
    pub recipients: u64,
    /// Recipients with a link, whose reading can be known.
    pub tracked: u64,
    /// Of those, who has opened.
    pub opened: u64,
    /// Recipients whose mail cannot be delivered.
    pub failed: u64,
}

impl DayCount {
    /// Adds another day's numbers.
    pub fn add(&mut self, other: Self) {
        self.deposits += other.deposits;
        self.bytes += other.bytes;
        self.recipients += other.recipients;
        self.tracked += other.tracked;
        self.opened += other.opened;
        self.failed += other.failed;
    }
}

impl Store {
    /// Numbers of each day (days since 1970, UTC) with a deposit in sight, from `since` to before `until`.
    pub async fn statistics(
        &self,
        sight: Sight,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<BTreeMap<i64, DayCount>, StoreError> {
        let (whose, values) = bounds(sight, since, until);
        let mut days: BTreeMap<i64, DayCount> = BTreeMap::new();
        let sql = format!(
            "SELECT d.created / {DAY} AS day, COUNT(*) AS deposits, CAST(SUM(d.size) AS BIGINT) AS bytes \
             FROM deposits d WHERE {whose} GROUP BY d.created / {DAY}"
        );
        for row in self.db.fetch_all(AssertSqlSafe(sql), values.clone()).await? {
            let day = days.entry(row.int("day")?).or_default();
            (day.deposits, day.bytes) = (row.size("deposits")?, row.size("bytes")?);
        }
        let sql = format!(
            "SELECT d.created / {DAY} AS day, COUNT(*) AS recipients, COUNT(c.failed) AS failed, \
             COUNT(c.opened) AS opened, \
             CAST(SUM(CASE WHEN c.treatment IN ('link', 'notify') THEN 1 ELSE 0 END) AS BIGINT) AS tracked \
             FROM deposits d JOIN consignments c ON c.deposit = d.id WHERE {whose} GROUP BY d.created / {DAY}"
        );
        for row in self.db.fetch_all(AssertSqlSafe(sql), values).await? {
            let day = days.entry(row.int("day")?).or_default();
            (day.recipients, day.failed) = (row.size("recipients")?, row.size("failed")?);
            (day.opened, day.tracked) = (row.size("opened")?, row.size("tracked")?);
        }
        Ok(days)
    }
}

fn bounds(sight: Sight, since: Timestamp, until: Timestamp) -> (String, Args) {
    let mut values = vec![Value::from(sight.entity()), since.into(), until.into()];
    let mut whose = "d.entity = $1 AND d.created >= $2 AND d.created < $3".to_owned();
    if let Sight::Own(_, account) = sight {
        values.push(account.into());
        whose.push_str(&format!(
            " AND (d.account = $4 OR d.sender_key IN ({}))",
            FOLLOWED.replace("$?", "$4")
        ));
    }
    (whose, values)
}
