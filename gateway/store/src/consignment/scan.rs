//! What the antivirus said of a deposit's content.
//!
//! **Job.** One row for each recipient whose mail was judged, so that a deposit is looked at once whatever the number
//! of its recipients and attempts. The words are the gateway's.
//!
//! **Failure modes.** [`StoreError`]. Without a row content is looked at again.

use super::change::finish;
use crate::{Change, Store, StoreError, args};
use sealpost_envelope::{DepositId, EntityId, RecipientNo, Timestamp};

/// A judgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// Recipient whose mail was judged.
    pub recipient: RecipientNo,
    /// What was found: the gateway's word.
    pub finding: String,
    /// The daemon's words.
    pub name: Option<String>,
    /// When the recipient's mail was held for it.
    pub held: Option<Timestamp>,
}

impl Store {
    /// What was said of a deposit: of the mail of that recipient, or of any other's. The content is the same.
    pub async fn scan_of(&self, deposit: DepositId, n: RecipientNo) -> Result<Option<Scan>, StoreError> {
        let sql = "SELECT recipient, finding, name, held FROM scans WHERE deposit = $1 \
             ORDER BY CASE WHEN recipient = $2 THEN 0 ELSE 1 END LIMIT 1";
        let row = self.db.fetch_optional(sql, args![deposit, n]).await?;
        row.map(|row| {
            Ok(Scan {
                recipient: row.small("recipient")?,
                finding: row.text("finding")?,
                name: row.opt_text("name")?,
                held: row.opt_time("held")?,
            })
        })
        .transpose()
    }

    /// Keeps what was said, together with the hold that follows from it, if any, and its reason. A hold on what is
    /// held already is none.
    pub async fn keep_scan(
        &self,
        entity: EntityId,
        deposit: DepositId,
        scan: Scan,
        hold: Option<(String, Change)>,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.db
            .write(async move |tx| {
                let held = hold.is_some().then_some(now);
                let sql = "INSERT INTO scans (deposit, recipient, entity, scanned, finding, name, held) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (deposit, recipient) DO UPDATE SET \
                     scanned = excluded.scanned, finding = excluded.finding, name = excluded.name, \
                     held = excluded.held";
                let values = args![
                    deposit,
                    scan.recipient,
                    entity,
                    now,
                    scan.finding.as_str(),
                    scan.name.clone(),
                    held
                ];
                tx.execute(sql, values).await?;
                let Some((reason, change)) = hold else { return Ok(()) };
                let set = "UPDATE consignments SET hold = $3 \
                     WHERE deposit = $1 AND recipient = $2 AND hold IS NULL AND revoked IS NULL";
                match tx.execute(set, args![deposit, scan.recipient, reason]).await? {
                    0 => Ok(()),
                    _ => finish(tx, change).await,
                }
            })
            .await
    }
}
