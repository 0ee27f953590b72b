//! Which bytes of a file were sent under one session; a file is handed over when their union is whole.

use crate::access::{Grant, GrantHash};
use crate::{StoreError, Tx, args};
use sealpost_envelope::{PartNo, Timestamp};

/// Octets `first..past` of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First octet.
    pub first: u64,
    /// One past the last octet.
    pub past: u64,
}

/// What is to be journaled after a sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileMark {
    /// The union of what was sent is the whole file, for the first time in this session.
    Completed,
    /// Part of it, or a look at it, for the first time in this session.
    Tracked,
    /// Nothing new.
    Nothing,
}

/// Adds `span` of file `part` (of `size` octets) to what the session was sent. `look` marks inline views,
/// which are journaled as such even when every octet went out. The first file that is whole marks the
/// consignment as downloaded.
pub async fn record(
    tx: &mut Tx,
    grant: &Grant,
    (part, size): (PartNo, u64),
    span: Span,
    look: bool,
    now: Timestamp,
) -> Result<FileMark, StoreError> {
    let (hash, entity) = (grant.hash, grant.entity);
    tx.execute(
        "INSERT INTO access_file (hash, part, entity) VALUES ($1, $2, $3) ON CONFLICT (hash, part) DO NOTHING",
        args![&hash.0, part, entity],
    )
    .await?;
    let marks = tx
        .fetch_one(
            "SELECT tracked, completed FROM access_file WHERE hash = $1 AND part = $2",
            args![&hash.0, part],
        )
        .await?;
    let (tracked, completed) = (marks.opt_time("tracked")?, marks.opt_time("completed")?);
    if completed.is_some() && (!look || tracked.is_some()) {
        return Ok(FileMark::Nothing);
    }
    if !look && merge(tx, hash, part, span).await? == (Span { first: 0, past: size }) {
        tx.execute(
            "UPDATE access_file SET completed = $3 WHERE hash = $1 AND part = $2",
            args![&hash.0, part, now],
        )
        .await?;
        tx.execute(
            "UPDATE consignments SET downloaded = $3 WHERE deposit = $1 AND recipient = $2 AND downloaded IS NULL",
            args![grant.deposit, grant.recipient, now],
        )
        .await?;
        // The spans have said what they had to say.
        tx.execute("DELETE FROM access_span WHERE hash = $1 AND part = $2", args![&hash.0, part]).await?;
        return Ok(FileMark::Completed);
    }
    if tracked.is_some() {
        return Ok(FileMark::Nothing);
    }
    tx.execute(
        "UPDATE access_file SET tracked = $3 WHERE hash = $1 AND part = $2",
        args![&hash.0, part, now],
    )
    .await?;
    Ok(FileMark::Tracked)
}

/// Joins `span` with every stored span it touches; answers the joined one.
async fn merge(tx: &mut Tx, hash: GrantHash, part: PartNo, span: Span) -> Result<Span, StoreError> {
    use crate::Value;
    let (first, past) = (Value::size(span.first)?, Value::size(span.past)?);
    let key = || args![&hash.0, part];
    let touching = [key(), vec![first, past]].concat();
    let row = tx
        .fetch_one(
            "SELECT MIN(first) AS first, MAX(past) AS past FROM access_span \
             WHERE hash = $1 AND part = $2 AND first <= $4 AND past >= $3",
            touching.clone(),
        )
        .await?;
    let joined = match (row.opt_int("first")?, row.opt_int("past")?) {
        (Some(first), Some(past)) => {
            Span { first: span.first.min(first.unsigned_abs()), past: span.past.max(past.unsigned_abs()) }
        }
        _ => span,
    };
    tx.execute(
        "DELETE FROM access_span WHERE hash = $1 AND part = $2 AND first <= $4 AND past >= $3",
        touching,
    )
    .await?;
    tx.execute(
        "INSERT INTO access_span (hash, part, first, past) VALUES ($1, $2, $3, $4)",
        [key(), vec![Value::size(joined.first)?, Value::size(joined.past)?]].concat(),
    )
    .await?;
    Ok(joined)
}

/// Files that were handed over whole in a session.
pub async fn completed(db: &crate::Db, hash: GrantHash) -> Result<Vec<PartNo>, StoreError> {
    let sql = "SELECT part FROM access_file WHERE hash = $1 AND completed IS NOT NULL ORDER BY part";
    db.fetch_all(sql, args![&hash.0]).await?.iter().map(|r| r.small("part")).collect()
}
