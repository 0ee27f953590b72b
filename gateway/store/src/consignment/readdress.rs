//! Another address for a recipient whose address was wrong.
//!
//! **Job.** In one transaction: the address, a new generation of the link, the death of every earlier link
//! and session (they went to a stranger), and the mail to the right address.
//!
//! **Failure modes.** Who has opened the message is its reader and stays so: refused, like everything that
//! is revoked.

use super::change::{WAITING, finish, not_revoked};
use crate::access::revoke_links;
use crate::db::AssertSqlSafe;
use crate::deposit::INSERT_TOKENS;
use crate::{Change, Store, StoreError, args};
use sealpost_envelope::{DepositId, EmailAddress, Language, RecipientNo};

/// What is corrected.
#[derive(Debug, Clone)]
pub struct Correction {
    /// Deposit.
    pub deposit: DepositId,
    /// Recipient.
    pub n: RecipientNo,
    /// The right address.
    pub address: EmailAddress,
    /// Language of the mails and pages there.
    pub language: Language,
    /// The consignment's generation plus one.
    pub generation: u32,
    /// Hash of that generation's token.
    pub hash: [u8; 32],
}

impl Store {
    /// Corrects a recipient's address; see the module.
    pub async fn readdress(&self, c: Correction, change: Change) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.db
            .write(async move |tx| {
                let set = "UPDATE consignments SET address = $3, address_key = $4, language = $5, \
                     generation = $6, sendings = 0, first_sent = NULL, last_sent = NULL, failed = NULL, \
                     failure = NULL, declined = NULL WHERE deposit = $1 AND recipient = $2 AND generation = $7 \
                     AND revoked IS NULL AND opened IS NULL";
                let values = args![
                    c.deposit,
                    c.n,
                    c.address.as_str(),
                    c.address.key(),
                    c.language.tag(),
                    c.generation,
                    i64::from(c.generation) - 1
                ];
                if tx.execute(set, values).await? == 0 {
                    not_revoked(tx, c.deposit, c.n).await?;
                    let opened = "SELECT 1 AS one FROM consignments \
                         WHERE deposit = $1 AND recipient = $2 AND opened IS NOT NULL";
                    return Err(StoreError::Conflict(
                        match tx.fetch_optional(opened, args![c.deposit, c.n]).await? {
                            Some(_) => "this recipient has opened the message",
                            None => "another generation of the link was made meanwhile",
                        },
                    ));
                }
                revoke_links(tx, c.deposit, c.n, now).await?;
                // Codes that were sent to the wrong address open nothing, and do not count for the right one.
                for sql in [
                    "DELETE FROM access_challenge WHERE deposit = $1 AND recipient = $2",
                    "DELETE FROM access_sending WHERE deposit = $1 AND recipient = $2",
                ] {
                    tx.execute(sql, args![c.deposit, c.n]).await?;
                }
                let mails = format!(
                    "UPDATE outbound SET state = 'dropped', last_reply = 'the address was corrected' \
                     WHERE deposit = $1 AND recipient = $2 AND {WAITING}"
                );
                tx.execute(AssertSqlSafe(mails), args![c.deposit, c.n]).await?;
                let row = tx.fetch_one("SELECT entity FROM deposits WHERE id = $1", args![c.deposit]).await?;
                let token = args![c.hash, row.entity()?, c.deposit, c.n, c.generation, now];
                tx.insert(INSERT_TOKENS, vec![token], "").await?;
                finish(tx, change).await
            })
            .await
    }
}
