//! Legal holds: content that must not end, whatever expires, is revoked or comes to its week meanwhile.
//!
//! **Job.** One living hold per deposit, with its reason. While it stands the end of content moves the
//! deposit's key from week to week instead of destroying it ([`crate::EndingDeposit::kept_until`]); access
//! ends as before, because a hold keeps evidence, it does not keep doors open.
//!
//! **Failure modes.** A hold on content that is gone is refused: it would promise what nobody can keep.

use super::change::finish;
use crate::{Change, Store, StoreError, args};
use sealpost_envelope::{DepositId, Timestamp};

/// A hold that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegalHold {
    /// Since when.
    pub placed: Timestamp,
    /// As given by whoever placed it.
    pub reason: String,
}

impl Store {
    /// Places a hold; `false` when one stands already (nothing is written then).
    pub async fn place_legal_hold(
        &self,
        deposit: DepositId,
        reason: String,
        change: Change,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now();
        self.db
            .write(async move |tx| {
                // The row is written to, so that a destruction at the same time is over or waits.
                let living =
                    "UPDATE deposits SET key_week = key_week WHERE id = $1 AND wrapped_key IS NOT NULL";
                if tx.execute(living, args![deposit]).await? == 0 {
                    return Err(StoreError::Conflict("the content was destroyed already"));
                }
                let place = "INSERT INTO legal_holds (deposit, entity, placed, reason) \
                     SELECT id, entity, CAST($2 AS BIGINT), CAST($3 AS TEXT) FROM deposits WHERE id = $1 \
                     ON CONFLICT DO NOTHING";
                if tx.execute(place, args![deposit, now, reason]).await? == 0 {
                    return Ok(false);
                }
                finish(tx, change).await?;
                Ok(true)
            })
            .await
    }

    /// Lifts the hold; `false` when none stands. The content then ends with the week under whose key it is.
    pub async fn lift_legal_hold(&self, deposit: DepositId, change: Change) -> Result<bool, StoreError> {
        let now = self.clock.now();
        self.db
            .write(async move |tx| {
                let lift = "UPDATE legal_holds SET released = $2 WHERE deposit = $1 AND released IS NULL";
                if tx.execute(lift, args![deposit, now]).await? == 0 {
                    return Ok(false);
                }
                finish(tx, change).await?;
                Ok(true)
            })
            .await
    }

    /// The hold that stands.
    pub async fn legal_hold(&self, deposit: DepositId) -> Result<Option<LegalHold>, StoreError> {
        let sql = "SELECT placed, reason FROM legal_holds WHERE deposit = $1 AND released IS NULL";
        let row = self.db.fetch_optional(sql, args![deposit]).await?;
        row.map(|r| Ok(LegalHold { placed: r.time("placed")?, reason: r.text("reason")? })).transpose()
    }
}
