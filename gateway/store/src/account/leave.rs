//! Somebody leaves: what they deposited goes on under a successor.
//!
//! Deposits change hands, and so do the applications and addresses of services that the leaver answered for; mail for the leaver's own addresses reaches the successor, and the leaver's account is
//! disabled. What was journaled and sealed stays as it was: it names who acted then. The successor does not write as
//! the leaver.

use super::{Account, AccountError, AccountLink, Accounts};
use crate::args;
use sealpost_evidence::BuiltEvent;

impl Accounts {
    /// Hands everything of `from` to `to`, of the same organisation; answers how many deposits changed hands.
    pub async fn hand_over(
        &self,
        from: &Account,
        to: &Account,
        events: Vec<BuiltEvent>,
    ) -> Result<u64, AccountError> {
        if from.entity != to.entity || from.id == to.id || to.disabled.is_some() || to.owner.is_some() {
            return Err(AccountError::NoHeir(to.login.clone()));
        }
        let (from, to, entity, now) = (from.id, to.id, from.entity, self.clock.now());
        let moved = self
            .db
            .write_as(async move |tx| {
                let sql = "UPDATE deposits SET account = $2 WHERE account = $1 AND entity = $3";
                let moved = tx.execute(sql, args![from, to, entity]).await?;
                // Whoever had handed over to the leaver is followed to the same successor.
                tx.execute("UPDATE accounts SET heir = $2 WHERE heir = $1 AND id <> $2", args![from, to])
                    .await?;
                tx.execute(
                    "UPDATE accounts SET owner = $2 WHERE owner = $1 AND entity = $3",
                    args![from, to, entity],
                )
                .await?;
                let sql = "UPDATE accounts SET heir = $2, disabled = COALESCE(disabled, $3) WHERE id = $1";
                if tx.execute(sql, args![from, to, now]).await? == 0 {
                    return Err(AccountError::Unknown(from.to_string()));
                }
                // The successor is nobody's leaver any more.
                tx.execute("UPDATE accounts SET heir = NULL WHERE id = $1", args![to]).await?;
                tx.execute("DELETE FROM staff_sessions WHERE account = $1", args![from]).await?;
                AccountLink::end_all(tx, from, now).await?;
                tx.append(events).await?;
                Ok(moved)
            })
            .await?;
        self.revoked();
        Ok(moved)
    }
}
