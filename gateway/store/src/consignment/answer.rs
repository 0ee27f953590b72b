//! The sender's answer to what policy asked about a recipient whose mail waits.
//!
//! **Job.** In one transaction: the hold ends, what the answer changes is written, and the waiting mail is composed.
//!
//! **Failure modes.** A hold that has ended meanwhile is not ended again: nothing is written.

use super::change::finish;
use crate::deposit::INSERT_TOKENS;
use crate::person::{ON_PHONE, learned};
use crate::{Change, Store, StoreError, args};
use sealpost_envelope::{DepositId, EmailAddress, RecipientNo, Treatment};

/// What an answer changes besides ending the hold.
#[derive(Debug, Clone)]
pub struct HoldAnswer {
    /// Deposit.
    pub deposit: DepositId,
    /// Recipient.
    pub n: RecipientNo,
    /// Another treatment.
    pub treatment: Option<Treatment>,
    /// Generation and hash of the link's token, where there was no link before.
    pub token: Option<(u32, [u8; 32])>,
    /// Return path of the mail, where it becomes one of ours.
    pub envelope_from: Option<EmailAddress>,
    /// The recipient's number, E.164, and who gave it.
    pub phone: Option<(String, String)>,
}

impl Store {
    /// Ends a hold as answered. `false` when it had ended, or the recipient was withdrawn or given up.
    pub async fn answer_hold(&self, answer: HoldAnswer, change: Change) -> Result<bool, StoreError> {
        let now = self.clock.now();
        self.db
            .write(async move |tx| {
                let (deposit, n) = (answer.deposit, answer.n);
                let row = "SELECT entity, address FROM consignments WHERE deposit = $1 AND recipient = $2 \
                     AND hold IS NOT NULL AND revoked IS NULL AND failed IS NULL";
                let Some(row) = tx.fetch_optional(row, args![deposit, n]).await? else { return Ok(false) };
                let set = "UPDATE consignments SET hold = NULL, \
                     treatment = COALESCE(CAST($3 AS TEXT), treatment), phone = COALESCE(CAST($4 AS TEXT), phone) \
                     WHERE deposit = $1 AND recipient = $2 AND hold IS NOT NULL";
                let treatment = answer.treatment.map(|t| t.as_str().to_owned());
                let phone = answer.phone.as_ref().map(|(number, _)| number.clone());
                if tx.execute(set, args![deposit, n, treatment, phone]).await? == 0 {
                    return Ok(false);
                }
                if let Some((generation, hash)) = answer.token {
                    let counted = "UPDATE consignments SET generation = $3 WHERE deposit = $1 AND recipient = $2";
                    tx.execute(counted, args![deposit, n, generation]).await?;
                    let values = args![hash, row.entity()?, deposit, n, generation, now];
                    tx.insert(INSERT_TOKENS, vec![values], "").await?;
                }
                if let Some((number, source)) = &answer.phone {
                    let address = EmailAddress::parse(&row.text("address")?)
                        .map_err(|e| StoreError::damaged("consignments.address", e))?;
                    let values = learned(row.entity()?, &address, number, source, now);
                    tx.insert(crate::person::INSERT_PHONES, vec![values], ON_PHONE).await?;
                }
                let mails = "UPDATE outbound SET next_at = $3, \
                     envelope_from = COALESCE(CAST($4 AS TEXT), envelope_from), \
                     state = CASE WHEN sha256 IS NULL THEN 'compose' ELSE 'ready' END \
                     WHERE deposit = $1 AND recipient = $2 AND state = 'held'";
                let from = answer.envelope_from.as_ref().map(|a| a.as_str().to_owned());
                tx.execute(mails, args![deposit, n, now, from]).await?;
                finish(tx, change).await?;
                Ok(true)
            })
            .await
    }
}
