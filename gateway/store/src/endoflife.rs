//! The end of content: what was written under a week's key goes when that week is over.
//!
//! **Job.** Finds the weeks that are over and the content that still lives under them, moves what is to be
//! kept longer under a later week's key, clears the rest together with its event in one transaction, and
//! destroys the week's key once nothing lives under it. Every step may be repeated and taken up by
//! another node.
//!
//! **Exposure.** None; what ends when was decided before.
//!
//! **What stays.** The rows of deposits, parts and consignments with their digests, sizes and times, the
//! journal, evidence and seals: a proof without content can still be exported.
//!
//! **Failure modes.** [`EndError`]. A crash after the transaction leaves blobs that no row names
//! ([`Store::remove_orphans`]), and a key that the next round destroys. A database restored from a backup
//! brings rows back whose keys are gone: they are found by their tombstones and cleared again.

use crate::blob::BlobError;
use crate::keys::{KeyError, TombstoneSubject, week};
use crate::{Store, StoreError, Tx, args, journal};
use jiff::SignedDuration;
use sealpost_envelope::failpoint;
use sealpost_envelope::{BlobId, DepositId, EntityId, Timestamp};
use sealpost_evidence::BuiltEvent;

/// Why content could not be ended.
#[derive(Debug, thiserror::Error)]
pub enum EndError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key store.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The blob store.
    #[error(transparent)]
    Blob(#[from] BlobError),
}

/// A deposit whose week is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndingDeposit {
    /// Which.
    pub id: DepositId,
    /// Organisation.
    pub entity: EntityId,
    /// Week whose key wraps its key.
    pub week: String,
    /// Latest end of retention among its consignments.
    pub retention: Option<Timestamp>,
    /// A legal hold stands.
    pub held: bool,
}

/// A hold moves the key so far ahead at a time: into a later week, however short the present one lasts.
const HOLD: SignedDuration = SignedDuration::from_hours(7 * 24);

impl EndingDeposit {
    /// Until when its content is to be kept nevertheless: retention was moved beyond the week, or a legal
    /// hold stands.
    pub fn kept_until(&self, now: Timestamp) -> Option<Timestamp> {
        if self.held {
            return Some(now.saturating_add(HOLD).unwrap_or(now));
        }
        self.retention.filter(|end| *end > now && week::end(&self.week).is_none_or(|over| *end >= over))
    }
}

const LIVING: &str = "SELECT d.id, d.entity, d.key_week, \
     (SELECT MAX(c.retention) FROM consignments c WHERE c.deposit = d.id) AS retention, \
     (SELECT COUNT(*) FROM legal_holds h WHERE h.deposit = d.id AND h.released IS NULL) AS held \
     FROM deposits d WHERE d.wrapped_key IS NOT NULL";

fn ending(row: &crate::Row) -> Result<EndingDeposit, StoreError> {
    Ok(EndingDeposit {
        id: DepositId(row.uuid("id")?),
        entity: row.entity()?,
        week: row.text("key_week")?,
        retention: row.opt_time("retention")?,
        held: row.int("held")? > 0,
    })
}

impl Store {
    /// Weeks that are over at `now` and not ended yet, in order of time: those whose key exists, and those
    /// destroyed before whose content came back with a restored database.
    pub async fn ended_weeks(&self, now: Timestamp) -> Result<Vec<String>, EndError> {
        let mut weeks = self.keys().due_weeks(now)?;
        weeks.extend(self.destroyed_weeks().await?);
        weeks.sort();
        weeks.dedup();
        Ok(weeks)
    }

    /// Weeks whose key is gone while a restored database still has deposits under it; no clock is asked.
    pub async fn destroyed_weeks(&self) -> Result<Vec<String>, EndError> {
        let mut weeks = Vec::new();
        for stone in self.keys().tombstones()? {
            if let TombstoneSubject::Week(week) = stone.subject
                && self.lives_under(&week).await?
            {
                weeks.push(week);
            }
        }
        Ok(weeks)
    }

    /// Deposits with living content under a week's key, in the order of their ids, after `after`.
    pub async fn deposits_of_week(
        &self,
        week: &str,
        after: Option<DepositId>,
        limit: u32,
    ) -> Result<Vec<EndingDeposit>, StoreError> {
        let sql = format!("{LIVING} AND d.key_week = $1 AND d.id > $2 ORDER BY d.id LIMIT $3");
        let after = after.map_or_else(String::new, |id| id.to_string());
        let rows = self.db.fetch_all(sqlx::AssertSqlSafe(sql), args![week, after, limit]).await?;
        rows.iter().map(ending).collect()
    }

    /// Deposits destroyed before their week whose content came back with a restored database.
    pub async fn returned_deposits(&self) -> Result<Vec<EndingDeposit>, EndError> {
        let mut found = Vec::new();
        for stone in self.keys().tombstones()? {
            let TombstoneSubject::Deposit(id) = stone.subject else { continue };
            let sql = sqlx::AssertSqlSafe(format!("{LIVING} AND d.id = $1"));
            if let Some(row) = self.db.fetch_optional(sql, args![id]).await? {
                found.push(ending(&row)?);
            }
        }
        Ok(found)
    }

    /// Puts a deposit's key under the key of a later week, because its retention was moved there. `false`
    /// when it was destroyed or moved meanwhile.
    pub async fn move_key(&self, id: DepositId, until: Timestamp) -> Result<bool, EndError> {
        let Some(moved) = self.rewrapped(id, until).await? else { return Ok(false) };
        Ok(self.db.write(async move |tx| moved.write(tx).await).await?)
    }

    /// Sets the end of retention of a deposit's content, for a legal hold, an extension, or the end of
    /// one. Key, consignments and events change together; access never outlasts the content. `false` when
    /// there is no content any more (nothing is written then).
    pub async fn keep_until(
        &self,
        id: DepositId,
        until: Timestamp,
        events: Vec<BuiltEvent>,
    ) -> Result<bool, EndError> {
        let now = self.clock.now();
        let Some(moved) = self.rewrapped(id, until.max(now)).await? else { return Ok(false) };
        let kept = async move |tx: &mut Tx| {
            if !moved.write(tx).await? {
                return Err(StoreError::Conflict("the content was moved or destroyed meanwhile"));
            }
            let sql = "UPDATE consignments SET retention = $2, \
                 expires = CASE WHEN expires > $2 THEN $2 ELSE expires END WHERE deposit = $1";
            tx.execute(sql, args![id, until]).await?;
            tx.append(events).await
        };
        self.db.write(kept).await?;
        Ok(true)
    }

    async fn rewrapped(&self, id: DepositId, until: Timestamp) -> Result<Option<Moved>, EndError> {
        let sql = "SELECT key_week, wrapped_key FROM deposits WHERE id = $1";
        let row = self.db.fetch_optional(sql, args![id]).await?.ok_or(StoreError::NotFound("deposit"))?;
        let Some(wrapped) = row.opt_bytes("wrapped_key")? else { return Ok(None) };
        let from = row.text("key_week")?;
        let (wrapped, to) = self.keys().rewrap(&from, &wrapped, until)?;
        let sql = "SELECT folder, uid, wrapped_key FROM mails WHERE deposit = $1 AND key_week = $2";
        let mut copies = Vec::new();
        for row in self.db.fetch_all(sql, args![id, from.as_str()]).await? {
            let (moved, _) = self.keys().rewrap(&from, &row.bytes("wrapped_key")?, until)?;
            copies.push((row.int("folder")?, row.int("uid")?, moved.bytes));
        }
        Ok(Some(Moved { id, from, to, wrapped: wrapped.bytes, copies }))
    }

    /// Clears a deposit's content: its wrapped key, structure, bodies, recipes, verifiers and sessions go,
    /// mail that has not left is dropped, and `events` say so, all in one transaction; then its blobs go.
    /// `false` when that had been done before, or a legal hold stands (nothing is written then).
    pub async fn destroy_content(&self, id: DepositId, events: Vec<BuiltEvent>) -> Result<bool, StoreError> {
        self.end_content(id, false, events).await
    }

    /// [`Store::destroy_content`] for content whose key was destroyed before and that a restored database
    /// brought back: a hold of that time keeps nothing any more, and ends.
    pub async fn destroy_returned(&self, id: DepositId, events: Vec<BuiltEvent>) -> Result<bool, StoreError> {
        self.end_content(id, true, events).await
    }

    async fn end_content(
        &self,
        id: DepositId,
        returned: bool,
        events: Vec<BuiltEvent>,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let unit = async move |tx: &mut Tx| {
            let lift = "UPDATE legal_holds SET released = $2 WHERE deposit = $1 AND released IS NULL";
            let held = "SELECT 1 AS one FROM legal_holds WHERE deposit = $1 AND released IS NULL";
            if returned {
                tx.execute(lift, args![id, now]).await?;
            } else if tx.fetch_optional(held, args![id]).await?.is_some() {
                return Ok(None);
            }
            clear(tx, id, events).await
        };
        let Some(blobs) = self.db.write(unit).await? else {
            return Ok(false);
        };
        failpoint!(DestructionCleared)?;
        for blob in blobs {
            if let Err(error) = self.blobs().delete(blob).await {
                tracing::warn!(%error, %blob, "left for the collection of orphans");
            }
        }
        Ok(true)
    }

    /// Destroys the key of a week that is over, its tombstone first. `false` while content lives under it.
    pub async fn forget_week(&self, week: &str, now: Timestamp) -> Result<bool, EndError> {
        if week::end(week).is_none_or(|over| over > now) {
            return Err(StoreError::Conflict("the week is not over").into());
        }
        if self.lives_under(week).await? {
            return Ok(false);
        }
        self.forget_words(week).await?;
        self.keys().destroy_week(week, now)?;
        Ok(true)
    }

    async fn lives_under(&self, week: &str) -> Result<bool, StoreError> {
        let deposit = "SELECT 1 AS one FROM deposits WHERE key_week = $1 AND wrapped_key IS NOT NULL LIMIT 1";
        let mail = "SELECT 1 AS one FROM mails WHERE key_week = $1 LIMIT 1";
        Ok(self.db.fetch_optional(deposit, args![week]).await?.is_some()
            || self.db.fetch_optional(mail, args![week]).await?.is_some())
    }
}

/// A deposit key under another week's key, not yet written.
struct Moved {
    id: DepositId,
    from: String,
    to: String,
    wrapped: Vec<u8>,
    /// Folder, UID and key of the sender's copies, which last as long as the deposit.
    copies: Vec<(i64, i64, Vec<u8>)>,
}

impl Moved {
    /// Unless it was moved or destroyed meanwhile.
    async fn write(self, tx: &mut Tx) -> Result<bool, StoreError> {
        let sql = "UPDATE deposits SET wrapped_key = $4, key_week = $3 \
             WHERE id = $1 AND key_week = $2 AND wrapped_key IS NOT NULL";
        let (from, to) = (self.from, self.to);
        if tx.execute(sql, args![self.id, from.as_str(), to.as_str(), self.wrapped]).await? != 1 {
            return Ok(false);
        }
        if from != to {
            journal::enter_again(tx, self.id).await?;
        }
        for (folder, uid, key) in self.copies {
            let sql = "UPDATE mails SET wrapped_key = $5, key_week = $4 WHERE folder = $1 AND uid = $2 AND key_week = $3";
            tx.execute(sql, args![folder, uid, from.as_str(), to.as_str(), key]).await?;
        }
        Ok(true)
    }
}

/// Answers the blobs that no row names any more; `None` when the content was gone before.
async fn clear(
    tx: &mut Tx,
    id: DepositId,
    events: Vec<BuiltEvent>,
) -> Result<Option<Vec<BlobId>>, StoreError> {
    let living = "SELECT skeleton_blob FROM deposits WHERE id = $1 AND wrapped_key IS NOT NULL";
    let Some(deposit) = tx.fetch_optional(living, args![id]).await? else { return Ok(None) };
    let parts = "SELECT blob FROM parts WHERE deposit = $1 AND blob IS NOT NULL";
    let mut parts = tx.fetch_all(parts, args![id]).await?;
    let returned = "SELECT blob FROM returned WHERE deposit = $1 AND blob IS NOT NULL";
    parts.extend(tx.fetch_all(returned, args![id]).await?);
    // Of two nodes at once, one touches the row.
    let content = "UPDATE deposits SET wrapped_key = NULL, meta = $2, skeleton = NULL, skeleton_blob = NULL \
         WHERE id = $1 AND wrapped_key IS NOT NULL";
    let nothing: &[u8] = &[];
    if tx.execute(content, args![id, nothing]).await? == 0 {
        return Ok(None);
    }
    let bodies = "UPDATE parts SET meta = $2, body = NULL, blob = NULL WHERE deposit = $1";
    tx.execute(bodies, args![id, nothing]).await?;
    for sql in [
        "DELETE FROM recipes WHERE deposit = $1",
        "UPDATE returned SET body = NULL, blob = NULL WHERE deposit = $1",
        "UPDATE outbound SET state = 'dropped', last_reply = 'the content was destroyed' \
         WHERE deposit = $1 AND state IN ('compose', 'ready', 'held') AND claimed_by IS NULL",
        "DELETE FROM access_secret WHERE deposit = $1",
        "DELETE FROM access_grant WHERE deposit = $1",
        // Their words have its subject; retention may have been shortened since they were begun.
        "DELETE FROM invitations WHERE deposit = $1 AND kind = 'reply'",
    ] {
        tx.execute(sql, args![id]).await?;
    }
    tx.append(events).await?;
    let mut blobs = Vec::new();
    blobs.extend(deposit.opt_uuid("skeleton_blob")?.map(BlobId));
    for part in &parts {
        blobs.extend(part.opt_uuid("blob")?.map(BlobId));
    }
    Ok(Some(blobs))
}
