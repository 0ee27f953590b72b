//! Claims: who works on which row, and until when.

use super::row::columns;
use super::{Outbound, OutboundId, Priority, Queue, State};
use crate::db::Args;
use crate::{Engine, StoreError, Tx, args};
use jiff::SignedDuration;
use sealpost_envelope::Timestamp;
use std::time::Duration;

/// Takes due rows of one priority. PostgreSQL's nodes pass over rows that another is just claiming;
/// SQLite has one writer at a time and needs no such word.
macro_rules! claim_sql {
    ($lock:literal) => {
        concat!(
            "UPDATE outbound SET claimed_by = $1, claimed_until = $2 WHERE id IN (",
            "SELECT id FROM outbound WHERE state = $3 AND priority = $4 AND next_at <= $5 ",
            "AND state IN ('compose', 'ready') AND (claimed_until IS NULL OR claimed_until <= $5) ",
            "ORDER BY next_at, id LIMIT $6",
            $lock,
            ") RETURNING ",
            columns!()
        )
    };
}
const CLAIM_SQLITE: &str = claim_sql!("");
const CLAIM_POSTGRES: &str = claim_sql!(" FOR UPDATE SKIP LOCKED");

/// Which priorities have a row to claim: a look into the index for each.
macro_rules! due {
    ($priority:literal) => {
        concat!(
            "CAST(CASE WHEN EXISTS (SELECT 1 FROM outbound WHERE state = $1 AND priority = ",
            $priority,
            " AND next_at <= $2 AND state IN ('compose', 'ready') ",
            "AND (claimed_until IS NULL OR claimed_until <= $2)) THEN 1 ELSE 0 END AS BIGINT) AS p",
            $priority
        )
    };
}
const DUE: &str = concat!("SELECT ", due!("0"), ", ", due!("5"), ", ", due!("10"));

impl Queue {
    /// Claims up to `limit` rows that wait for the composer, most urgent first.
    pub async fn claim_compose(
        &self,
        holder: &str,
        now: Timestamp,
        lease: Duration,
        limit: usize,
    ) -> Result<Vec<Outbound>, StoreError> {
        self.claim(State::Compose, &Priority::ALL, holder, now, lease, limit).await
    }
    /// [`Queue::claim_compose`] for code mails alone, which must not wait behind large ones.
    pub async fn claim_compose_urgent(
        &self,
        holder: &str,
        now: Timestamp,
        lease: Duration,
        limit: usize,
    ) -> Result<Vec<Outbound>, StoreError> {
        self.claim(State::Compose, &[Priority::Code], holder, now, lease, limit).await
    }
    /// Claims up to `limit` rows that are ready to leave, most urgent first.
    pub async fn claim_ready(
        &self,
        holder: &str,
        now: Timestamp,
        lease: Duration,
        limit: usize,
    ) -> Result<Vec<Outbound>, StoreError> {
        self.claim(State::Ready, &Priority::ALL, holder, now, lease, limit).await
    }
    /// [`Queue::claim_ready`] for code mails alone, which must not wait behind large ones.
    pub async fn claim_urgent(
        &self,
        holder: &str,
        now: Timestamp,
        lease: Duration,
        limit: usize,
    ) -> Result<Vec<Outbound>, StoreError> {
        self.claim(State::Ready, &[Priority::Code], holder, now, lease, limit).await
    }

    async fn claim(
        &self,
        state: State,
        priorities: &[Priority],
        holder: &str,
        now: Timestamp,
        lease: Duration,
        limit: usize,
    ) -> Result<Vec<Outbound>, StoreError> {
        // Reads first: an idle queue costs no commit.
        let row = self.db.fetch_one(DUE, args![state.as_str(), now]).await?;
        let mut due = Vec::with_capacity(priorities.len());
        for &priority in priorities {
            let column = match priority {
                Priority::Code => "p0",
                Priority::Receipt => "p5",
                Priority::Mail => "p10",
            };
            if row.int(column)? > 0 {
                due.push(priority);
            }
        }
        if due.is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        let holder = holder.to_owned();
        let until = after(now, lease)?;
        self.db
            .write_patiently(async move |tx| {
                let mut claimed = Vec::new();
                for priority in due {
                    let left = limit.saturating_sub(claimed.len());
                    if left > 0 {
                        let claim =
                            args![&holder, until, state.as_str(), priority.number(), now, bound(left)?];
                        claimed.extend(claim_rows(tx, claim).await?);
                    }
                }
                Ok(claimed)
            })
            .await
    }

    /// Extends a claim during long work; false when the row is no longer the holder's.
    pub async fn renew(
        &self,
        id: OutboundId,
        holder: &str,
        now: Timestamp,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "UPDATE outbound SET claimed_until = $1 WHERE id = $2 AND claimed_by = $3";
        let values = args![after(now, lease)?, id.0, holder];
        Ok(self.db.execute(SQL, values).await? == 1)
    }
    /// Gives all of a holder's claims back: at its start, what it held when it died; at its end, what it
    /// will not do any more.
    pub async fn release(&self, holder: &str) -> Result<u64, StoreError> {
        // The second condition is that of the index: rows in other states are not claimed.
        const SQL: &str = "UPDATE outbound SET claimed_by = NULL, claimed_until = NULL \
                           WHERE claimed_by = $1 AND state IN ('compose', 'ready')";
        let released = self.db.execute(SQL, args![holder]).await?;
        if released > 0 {
            self.wake();
            self.wake_ready();
        }
        Ok(released)
    }
    /// Gives one claim back.
    pub async fn release_one(&self, id: OutboundId, holder: &str) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE outbound SET claimed_by = NULL, claimed_until = NULL \
                           WHERE id = $1 AND claimed_by = $2";
        self.db.execute(SQL, args![id.0, holder]).await.map(drop)
    }
}

async fn claim_rows(tx: &mut Tx, values: Args) -> Result<Vec<Outbound>, StoreError> {
    let sql = match tx.engine() {
        Engine::Sqlite => CLAIM_SQLITE,
        Engine::Postgres => CLAIM_POSTGRES,
    };
    let rows = tx.fetch_all(sql, values).await?;
    let mut claimed = rows.iter().map(Outbound::read).collect::<Result<Vec<_>, _>>()?;
    // RETURNING promises no order.
    claimed.sort_by_key(|o| (o.next_at, o.id));
    Ok(claimed)
}

fn bound(limit: usize) -> Result<i64, StoreError> {
    i64::try_from(limit).map_err(|_| StoreError::OutOfRange("limit"))
}

fn after(now: Timestamp, lease: Duration) -> Result<Timestamp, StoreError> {
    SignedDuration::try_from(lease)
        .ok()
        .and_then(|lease| now.checked_add(lease).ok())
        .ok_or(StoreError::OutOfRange("lease"))
}
