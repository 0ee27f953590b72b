//! Changes of consignments, with what they cause.

use super::ConsignmentRow;
use crate::access::{Grant, GrantHash};
use crate::db::{Args, AssertSqlSafe};
use crate::deposit::INSERT_TOKENS;
use crate::queue::NewOutbound;
use crate::write::Group;
use crate::{Store, StoreError, Tx, args};
use sealpost_envelope::{DepositId, RecipientNo, Timestamp};
use sealpost_evidence::BuiltEvent;

/// What a state change causes, written with it.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// What happened.
    pub events: Vec<BuiltEvent>,
    /// Mail to be composed: receipts, notifications.
    pub outbound: Vec<NewOutbound>,
}

impl Change {
    /// Events only.
    pub fn events(events: Vec<BuiltEvent>) -> Self {
        Self { events, outbound: Vec::new() }
    }
}

/// How far a deposit is after a change of one consignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The consignment had not been in this state before.
    pub first: bool,
    /// Consignments in this state, this one included.
    pub done: u32,
    /// Consignments of the deposit that can be (with a link, not revoked).
    pub of: u32,
}

/// Mails of a recipient that have not left and that nobody is sending right now.
pub(super) const WAITING: &str = "state IN ('compose', 'ready', 'held') AND claimed_by IS NULL";

pub(super) async fn finish(tx: &mut Tx, change: Change) -> Result<(), StoreError> {
    let mut group = Group::default();
    group.append(change.events);
    group.outbound(&change.outbound);
    tx.together(group).await.map(drop)
}

impl Store {
    /// Records an opening. `decide` sees how far the deposit is and gives what to write, inside the
    /// transaction, so that of two openings at once exactly one is the first. A revoked consignment is
    /// refused. The browser's session, if there is one, is marked in the same transaction.
    pub async fn mark_opened(
        &self,
        deposit: DepositId,
        n: RecipientNo,
        session: Option<GrantHash>,
        at: Timestamp,
        decide: impl FnOnce(&Progress) -> Result<Change, StoreError> + Send + 'static,
    ) -> Result<Progress, StoreError> {
        self.mark("opened", deposit, n, session, at, decide).await
    }

    /// Records that a file was downloaded whole; as [`Store::mark_opened`].
    pub async fn mark_downloaded(
        &self,
        deposit: DepositId,
        n: RecipientNo,
        at: Timestamp,
        decide: impl FnOnce(&Progress) -> Result<Change, StoreError> + Send + 'static,
    ) -> Result<Progress, StoreError> {
        self.mark("downloaded", deposit, n, None, at, decide).await
    }

    async fn mark(
        &self,
        column: &'static str,
        deposit: DepositId,
        n: RecipientNo,
        session: Option<GrantHash>,
        at: Timestamp,
        decide: impl FnOnce(&Progress) -> Result<Change, StoreError> + Send + 'static,
    ) -> Result<Progress, StoreError> {
        self.db
            .write(async move |tx| {
                // Whoever opens has been reached, whatever was said of the mail.
                let reached = if column == "opened" { ", failed = NULL, failure = NULL" } else { "" };
                let set = format!(
                    "UPDATE consignments SET {column} = $3{reached} \
                     WHERE deposit = $1 AND recipient = $2 AND {column} IS NULL AND revoked IS NULL"
                );
                let first = tx.execute(AssertSqlSafe(set), args![deposit, n, at]).await? == 1;
                if !first {
                    not_revoked(tx, deposit, n).await?;
                }
                let count = format!(
                    "SELECT COUNT({column}) AS done, COUNT(*) AS total FROM consignments \
                     WHERE deposit = $1 AND treatment IN ('link', 'notify') AND revoked IS NULL"
                );
                let row = tx.fetch_one(AssertSqlSafe(count), args![deposit]).await?;
                let progress = Progress { first, done: row.small("done")?, of: row.small("total")? };
                finish(tx, decide(&progress)?).await?;
                if let Some(session) = session {
                    Grant::open(tx, session, at).await?;
                }
                Ok(progress)
            })
            .await
    }

    /// Counts a hand-over of the recipient's mail.
    pub async fn mark_sent(
        &self,
        deposit: DepositId,
        n: RecipientNo,
        at: Timestamp,
        change: Change,
    ) -> Result<(), StoreError> {
        self.db.write(async move |tx| tx.mark_sent(deposit, n, at, change).await).await
    }

    /// Records that the recipient's mail cannot be delivered; a later hand-over clears it.
    pub async fn mark_failed(
        &self,
        deposit: DepositId,
        n: RecipientNo,
        at: Timestamp,
        reason: String,
        change: Change,
    ) -> Result<(), StoreError> {
        self.db.write(async move |tx| tx.mark_failed(deposit, n, at, reason, change).await).await
    }

    /// Records that access has ended for a consignment as it was read. `false` when that was recorded
    /// before, or when it was opened, downloaded, extended or revoked meanwhile (nothing is written then).
    pub async fn mark_expired(
        &self,
        read: &ConsignmentRow,
        at: Timestamp,
        change: Change,
    ) -> Result<bool, StoreError> {
        let values = args![read.deposit, read.n, at, read.opened.is_none(), read.downloaded.is_none()];
        self.db
            .write(async move |tx| {
                let sql = "UPDATE consignments SET expired = $3 WHERE deposit = $1 AND recipient = $2 \
                     AND expired IS NULL AND revoked IS NULL AND expires <= $3 \
                     AND (opened IS NULL) = $4 AND (downloaded IS NULL) = $5";
                if tx.execute(sql, values).await? == 0 {
                    return Ok(false);
                }
                finish(tx, change).await?;
                Ok(true)
            })
            .await
    }

    /// Withdraws a recipient, or all: links die in every generation, mails that have not left are dropped.
    /// Answers how many consignments were withdrawn; 0 writes nothing.
    pub async fn revoke(
        &self,
        deposit: DepositId,
        n: Option<RecipientNo>,
        change: Change,
    ) -> Result<u64, StoreError> {
        let now = self.clock.now();
        self.db
            .write(async move |tx| {
                let set = "UPDATE consignments SET revoked = $2 WHERE deposit = $1 AND revoked IS NULL";
                let revoked = for_recipients(tx, set, args![deposit, now], n).await?;
                if revoked == 0 {
                    return Ok(0);
                }
                let tokens = "UPDATE tokens SET revoked = $2 WHERE deposit = $1 AND revoked IS NULL";
                for_recipients(tx, tokens, args![deposit, now], n).await?;
                let mails = format!(
                    "UPDATE outbound SET state = 'dropped' WHERE deposit = $1 AND recipient IS NOT NULL AND {WAITING}"
                );
                for_recipients(tx, &mails, args![deposit], n).await?;
                finish(tx, change).await?;
                Ok(revoked)
            })
            .await
    }

    /// Moves the end of access of a recipient, or of all, never beyond the end of retention. An expiry
    /// that was recorded is lifted when the new end lies ahead.
    pub async fn extend(
        &self,
        deposit: DepositId,
        n: Option<RecipientNo>,
        expires: Timestamp,
        change: Change,
    ) -> Result<u64, StoreError> {
        let now = self.clock.now();
        self.db.write(async move |tx| tx.extend(deposit, n, expires, now, change).await).await
    }

    /// Adds a generation of the link token (a resend); earlier ones stay valid. `generation` is the
    /// consignment's plus one, otherwise somebody else was faster: [`StoreError::Conflict`], as for what is held.
    pub async fn add_token(
        &self,
        deposit: DepositId,
        n: RecipientNo,
        generation: u32,
        hash: [u8; 32],
        change: Change,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.db
            .write(async move |tx| {
                let set = "UPDATE consignments SET generation = $3, declined = NULL \
                     WHERE deposit = $1 AND recipient = $2 AND generation = $4 AND revoked IS NULL \
                     AND hold IS NULL";
                let before = i64::from(generation) - 1;
                if tx.execute(set, args![deposit, n, generation, before]).await? == 0 {
                    not_revoked(tx, deposit, n).await?;
                    return Err(StoreError::Conflict(
                        "the message waits, or another generation of the link was made meanwhile",
                    ));
                }
                let row = tx.fetch_one("SELECT entity FROM deposits WHERE id = $1", args![deposit]).await?;
                let token = args![hash, row.entity()?, deposit, n, generation, now];
                tx.insert(INSERT_TOKENS, vec![token], "").await?;
                finish(tx, change).await
            })
            .await
    }

    /// Holds a recipient's mail until [`Store::release_hold`]; `reason` is shown to the sender.
    pub async fn hold(
        &self,
        deposit: DepositId,
        n: RecipientNo,
        reason: String,
        change: Change,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.db
            .write(async move |tx| {
                let set = "UPDATE consignments SET hold = $3 \
                     WHERE deposit = $1 AND recipient = $2 AND hold IS NULL AND revoked IS NULL";
                if tx.execute(set, args![deposit, n, reason]).await? == 0 {
                    not_revoked(tx, deposit, n).await?;
                    return Err(StoreError::Conflict("the message is held already"));
                }
                let mails = "UPDATE outbound SET state = 'held', next_at = $3 WHERE deposit = $1 AND recipient = $2 \
                     AND state IN ('compose', 'ready') AND claimed_by IS NULL";
                tx.execute(mails, args![deposit, n, now]).await?;
                finish(tx, change).await
            })
            .await
    }

    /// Ends a hold: the waiting mail is composed and leaves. `false` when there was none.
    pub async fn release_hold(
        &self,
        deposit: DepositId,
        n: RecipientNo,
        change: Change,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now();
        self.db
            .write(async move |tx| {
                let set = "UPDATE consignments SET hold = NULL \
                     WHERE deposit = $1 AND recipient = $2 AND hold IS NOT NULL AND revoked IS NULL";
                if tx.execute(set, args![deposit, n]).await? == 0 {
                    return Ok(false);
                }
                let mails = "UPDATE outbound SET next_at = $3, \
                     state = CASE WHEN sha256 IS NULL THEN 'compose' ELSE 'ready' END \
                     WHERE deposit = $1 AND recipient = $2 AND state = 'held'";
                tx.execute(mails, args![deposit, n, now]).await?;
                finish(tx, change).await?;
                Ok(true)
            })
            .await
    }
}

impl Tx {
    /// [`Store::extend`] inside another unit.
    pub async fn extend(
        &mut self,
        deposit: DepositId,
        n: Option<RecipientNo>,
        expires: Timestamp,
        now: Timestamp,
        change: Change,
    ) -> Result<u64, StoreError> {
        let check = "SELECT MIN(retention) AS earliest, COUNT(*) AS found FROM consignments \
             WHERE deposit = $1 AND revoked IS NULL";
        let (sql, values) = scoped(check, args![deposit], n);
        let row = self.fetch_one(AssertSqlSafe(sql), values).await?;
        match row.opt_time("earliest")? {
            None => return Err(StoreError::NotFound("consignment that can be extended")),
            Some(retention) if expires > retention => {
                return Err(StoreError::Conflict("access cannot last longer than the content is kept"));
            }
            Some(_) => {}
        }
        let set = "UPDATE consignments SET expires = $2, expired = CASE WHEN $2 > $3 THEN NULL ELSE expired \
             END WHERE deposit = $1 AND revoked IS NULL";
        let extended = for_recipients(self, set, args![deposit, expires, now], n).await?;
        super::reminder::moved(self, deposit, n, expires, now).await?;
        finish(self, change).await?;
        Ok(extended)
    }

    /// [`Store::mark_sent`] inside another unit, such as the queue's.
    pub async fn mark_sent(
        &mut self,
        deposit: DepositId,
        n: RecipientNo,
        at: Timestamp,
        change: Change,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE consignments SET first_sent = COALESCE(first_sent, $3), last_sent = $3, \
             sendings = sendings + 1, failed = NULL, failure = NULL WHERE deposit = $1 AND recipient = $2";
        if self.execute(sql, args![deposit, n, at]).await? == 0 {
            return Err(StoreError::NotFound("consignment"));
        }
        finish(self, change).await
    }

    /// [`Store::mark_failed`] inside another unit, such as the queue's.
    pub async fn mark_failed(
        &mut self,
        deposit: DepositId,
        n: RecipientNo,
        at: Timestamp,
        reason: String,
        change: Change,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE consignments SET failed = $3, failure = $4 WHERE deposit = $1 AND recipient = $2";
        if self.execute(sql, args![deposit, n, at, reason]).await? == 0 {
            return Err(StoreError::NotFound("consignment"));
        }
        finish(self, change).await
    }
}

/// Tells a missing consignment from a revoked one.
pub(super) async fn not_revoked(tx: &mut Tx, deposit: DepositId, n: RecipientNo) -> Result<(), StoreError> {
    let sql = "SELECT revoked FROM consignments WHERE deposit = $1 AND recipient = $2";
    let row = tx.fetch_optional(sql, args![deposit, n]).await?.ok_or(StoreError::NotFound("consignment"))?;
    match row.opt_time("revoked")? {
        Some(_) => Err(StoreError::Conflict("the consignment is revoked")),
        None => Ok(()),
    }
}

/// Limits a statement over a deposit's rows to one recipient, if one is named.
fn scoped(sql: &str, mut values: Args, n: Option<RecipientNo>) -> (String, Args) {
    let Some(n) = n else { return (sql.to_owned(), values) };
    values.push(n.into());
    (format!("{sql} AND recipient = ${}", values.len()), values)
}

async fn for_recipients(
    tx: &mut Tx,
    sql: &str,
    values: Args,
    n: Option<RecipientNo>,
) -> Result<u64, StoreError> {
    let (sql, values) = scoped(sql, values, n);
    tx.execute(AssertSqlSafe(sql), values).await
}
