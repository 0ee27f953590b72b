//! Reminders of recipients who have not opened.
//!
//! **Job.** Each consignment's reminders are rows, made with the deposit. One that is due is done once, whatever
//! number of nodes look: its row, the count and the mail are one transaction. Who has opened, refused or been
//! withdrawn is not reminded, nor is anybody after the end of access.

use super::change::{Change, finish};
use crate::db::Args;
use crate::{Store, StoreError, Tx, args};
use sealpost_envelope::{DepositId, EntityId, RecipientNo, Timestamp};

/// Microseconds of a second.
const SECOND: i64 = 1_000_000;

/// For `write.rs`.
pub(crate) const INSERT_REMINDERS: &str =
    "INSERT INTO reminders (deposit, recipient, place, entity, after, due) VALUES";

/// The rows of a consignment: `remind` in seconds, counted from the deposit or back from the end of access.
pub(crate) fn rows(
    (deposit, n, entity): (DepositId, RecipientNo, EntityId),
    remind: &[i64],
    created: Timestamp,
    expires: Timestamp,
) -> Vec<Args> {
    (0i64..)
        .zip(remind)
        .map(|(place, seconds)| {
            let after = seconds.saturating_mul(SECOND);
            let from = if after < 0 { expires } else { created };
            args![deposit, n, place, entity, after, from.as_microsecond().saturating_add(after)]
        })
        .collect()
}

impl Store {
    /// Consignments with a reminder that is due.
    pub async fn reminders_due(&self, limit: u32) -> Result<Vec<(DepositId, RecipientNo)>, StoreError> {
        let sql = "SELECT deposit, recipient FROM reminders WHERE done IS NULL AND due <= $1 \
             GROUP BY deposit, recipient ORDER BY MIN(due) LIMIT $2";
        let rows = self.db.fetch_all(sql, args![self.clock.now(), limit]).await?;
        rows.iter().map(|r| Ok((DepositId(r.uuid("deposit")?), r.small("recipient")?))).collect()
    }

    /// Settles what is due for a consignment. With a `change` (the mail) it counts as one reminder, unless the
    /// consignment was opened, refused, withdrawn or ended meanwhile: `false` then, and nothing is sent.
    pub async fn remind(
        &self,
        deposit: DepositId,
        n: RecipientNo,
        change: Option<Change>,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now();
        self.db
            .write(async move |tx| {
                let settle = "UPDATE reminders SET done = $3 WHERE deposit = $1 AND recipient = $2 \
                     AND done IS NULL AND due <= $3";
                let due = tx.execute(settle, args![deposit, n, now]).await?;
                let Some(change) = change.filter(|_| due > 0) else { return Ok(false) };
                let count = "UPDATE consignments SET reminders = reminders + 1 \
                     WHERE deposit = $1 AND recipient = $2 AND opened IS NULL AND declined IS NULL \
                     AND revoked IS NULL AND expires > $3";
                if tx.execute(count, args![deposit, n, now]).await? == 0 {
                    return Ok(false);
                }
                finish(tx, change).await?;
                Ok(true)
            })
            .await
    }
}

/// The end of access moved: what counts back from it moves along, and is due again where it lies ahead.
pub(super) async fn moved(
    tx: &mut Tx,
    deposit: DepositId,
    n: Option<RecipientNo>,
    expires: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "UPDATE reminders SET due = $2 + after, \
         done = CASE WHEN $2 + after > $3 THEN NULL ELSE done END \
         WHERE deposit = $1 AND after < 0 AND ($4 = 0 OR recipient = $4)";
    // Recipients count from 1.
    tx.execute(sql, args![deposit, expires.as_microsecond(), now.as_microsecond(), n.unwrap_or(0)])
        .await
        .map(|_| ())
}
