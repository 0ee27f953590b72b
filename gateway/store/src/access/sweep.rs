//! Forgets what the door needed for a while: what happened stands in the journal.

use crate::{Db, StoreError, args};
use sealpost_envelope::Timestamp;

/// Rows removed in one transaction: other writers wait no longer than this takes.
const UNIT: &str = "500";

/// What ended before a time.
const ENDED: [(&str, &str, &str); 8] = [
    ("access_challenge", "id", "expires"),
    ("access_sending", "id", "sent"),
    ("access_grant", "hash", "expires"),
    ("tiqr_enrolments", "key", "expires"),
    ("tiqr_sessions", "key", "expires"),
    ("code_deliveries", "challenge", "at"),
    ("card_tickets", "start", "expires"),
    ("sms_messages", "id", "expires"),
];
/// What belongs to a session, and goes after it.
const OF_SESSIONS: [&str; 2] = ["access_span", "access_file"];

/// Removes challenges and sessions that ended before `before`, the sendings and counters of that time, and
/// what was noted of files in sessions that are gone. Answers how many rows went. Choose `before` a day in
/// the past: limits count by the hour, and a download may outlast its session.
pub async fn sweep(db: &Db, before: Timestamp) -> Result<u64, StoreError> {
    let mut gone = 0;
    for (table, key, end) in ENDED {
        let sql = format!(
            "DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {end} < $1 LIMIT {UNIT})"
        );
        gone += repeat(db, &sql, Some(before.as_microsecond())).await?;
    }
    for table in OF_SESSIONS {
        let sql = format!(
            "DELETE FROM {table} WHERE hash IN (SELECT o.hash FROM {table} o \
             WHERE NOT EXISTS (SELECT 1 FROM access_grant g WHERE g.hash = o.hash) LIMIT {UNIT})"
        );
        gone += repeat(db, &sql, None).await?;
    }
    let fetches = format!(
        "DELETE FROM access_fetch WHERE hash IN (SELECT hash FROM access_fetch WHERE minute < $1 LIMIT {UNIT})"
    );
    gone += repeat(db, &fetches, Some(before.as_second().div_euclid(60))).await?;
    // The door itself removes most of these, window by window.
    gone += db.execute("DELETE FROM access_rate WHERE start < $1", args![before.as_second()]).await?;
    Ok(gone)
}

/// Runs a bounded removal until nothing is left to remove.
async fn repeat(db: &Db, sql: &str, limit: Option<i64>) -> Result<u64, StoreError> {
    let mut gone = 0;
    loop {
        let values = limit.map_or_else(Vec::new, |limit| args![limit]);
        match db.execute(sqlx::AssertSqlSafe(sql.to_owned()), values).await? {
            0 => return Ok(gone),
            removed => gone += removed,
        }
    }
}
