//! Accounts that another system rules: a directory, or whoever provisions by SCIM.
//!
//! An account remembers where it comes from. What that system says may change and disable those accounts, and no
//! others: people who were added here stay whatever it says.

use super::{Account, AccountError, AccountLink, Accounts, COLUMNS, NewAccount, read_account};
use crate::{StoreError, args};
use sealpost_envelope::{AccountId, EntityId};
use sealpost_evidence::BuiltEvent;

impl Accounts {
    /// Creates an account that `source` rules from now on.
    pub async fn create_from(
        &self,
        new: NewAccount,
        source: &str,
        events: Vec<BuiltEvent>,
    ) -> Result<Account, AccountError> {
        self.create_with(new, None, Some(source), None, events).await
    }

    /// Which system rules an account; `None`: it was added here.
    pub async fn source(&self, id: AccountId) -> Result<Option<String>, AccountError> {
        let row = self.db.fetch_optional("SELECT source FROM accounts WHERE id = $1", args![id]).await?;
        Ok(row.map(|r| r.opt_text("source")).transpose()?.flatten())
    }

    /// The accounts that `source` rules, in the order of their numbers, at most 500 after `after`.
    pub async fn of_source(
        &self,
        entity: EntityId,
        source: &str,
        after: AccountId,
    ) -> Result<Vec<Account>, AccountError> {
        let sql = crate::db::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM accounts a WHERE a.entity = $1 AND a.source = $2 AND a.id > $3 \
             ORDER BY a.id LIMIT 500"
        ));
        let rows = self.db.fetch_all(sql, args![entity, source, after]).await?;
        Ok(rows.iter().map(read_account).collect::<Result<_, StoreError>>()?)
    }
}

/// What an account's `external_id` says while its system does not know it any more.
const ABSENT: &str = "absent";

impl Accounts {
    /// Disables an account because its system does not know it any more, or enables it because it does again. What an
    /// administrator disabled by hand stays disabled: `false`.
    pub async fn set_absent(
        &self,
        id: AccountId,
        absent: bool,
        events: Vec<BuiltEvent>,
    ) -> Result<bool, AccountError> {
        let now = self.clock.now();
        let done = self.db.write_as(async move |tx| {
            let (sql, args) = match absent {
                true => (
                    "UPDATE accounts SET disabled = $2, external_id = $3 WHERE id = $1 AND disabled IS NULL",
                    args![id, now, ABSENT],
                ),
                false => (
                    "UPDATE accounts SET disabled = NULL, external_id = NULL WHERE id = $1 AND external_id = $2",
                    args![id, ABSENT],
                ),
            };
            if tx.execute(sql, args).await? == 0 {
                return Ok(false);
            }
            tx.execute("DELETE FROM staff_sessions WHERE account = $1", args![id]).await?;
            AccountLink::end_all(tx, id, now).await?;
            tx.append(events).await?;
            Ok::<_, AccountError>(true)
        });
        let done = done.await?;
        self.revoked();
        Ok(done)
    }
}
