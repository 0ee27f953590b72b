//! What people asked for without being able to prove who they are. An administrator decides, once.

use super::{Account, AccountError, Accounts};
use crate::{Row, StoreError, Tx, args};
use sealpost_envelope::{AccountId, EmailAddress, EntityId, Timestamp};
use uuid::Uuid;

/// Undecided requests kept for one account; more are dropped, for anybody can ask.
const OPEN: i64 = 3;

/// A request to write.
#[derive(Debug, Clone)]
pub struct NewRequest {
    /// About whose account.
    pub account: Account,
    /// The address that they give as theirs.
    pub contact: EmailAddress,
    /// The telephone number that they give as theirs.
    pub phone: String,
    /// Now.
    pub now: Timestamp,
}

/// A request nobody has decided yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRequest {
    /// Names it.
    pub id: Uuid,
    /// About whose account.
    pub account: AccountId,
    /// The address that they give as theirs.
    pub contact: EmailAddress,
    /// The telephone number that they give as theirs.
    pub phone: String,
    /// When.
    pub created: Timestamp,
}

const FIELDS: &str = "SELECT id, account, contact, phone, created FROM account_requests \
                      WHERE entity = $1 AND decided IS NULL";

impl AccountRequest {
    /// Keeps a request; `false` when enough wait for this account.
    pub async fn add(tx: &mut Tx, new: NewRequest) -> Result<bool, StoreError> {
        let sql = "SELECT COUNT(*) AS n FROM account_requests WHERE account = $1 AND decided IS NULL";
        if tx.fetch_one(sql, args![new.account.id]).await?.int("n")? >= OPEN {
            return Ok(false);
        }
        tx.execute(
            "INSERT INTO account_requests (id, entity, account, kind, contact, phone, created) \
             VALUES ($1, $2, $3, 'contact', $4, $5, $6)",
            args![
                Uuid::new_v4(),
                new.account.entity,
                new.account.id,
                new.contact.as_str(),
                new.phone,
                new.now
            ],
        )
        .await?;
        Ok(true)
    }

    /// Decides it; `false` when somebody was faster.
    pub async fn decide(
        &self,
        tx: &mut Tx,
        approved: bool,
        by: AccountId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE account_requests SET decided = $2, approved = $3, decider = $4 \
                   WHERE id = $1 AND decided IS NULL";
        Ok(tx.execute(sql, args![self.id, now, approved, by]).await? == 1)
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.uuid("id")?,
            account: AccountId(row.int("account")?),
            contact: row.parse("contact")?,
            phone: row.text("phone")?,
            created: row.time("created")?,
        })
    }
}

impl Accounts {
    /// Undecided requests of an organisation, oldest first; at most 200.
    pub async fn open_requests(&self, entity: EntityId) -> Result<Vec<AccountRequest>, AccountError> {
        let sql = crate::db::AssertSqlSafe(format!("{FIELDS} ORDER BY created, id LIMIT 200"));
        let rows = self.db.fetch_all(sql, args![entity]).await?;
        Ok(rows.iter().map(AccountRequest::read).collect::<Result<_, _>>()?)
    }

    /// An undecided request of an organisation.
    pub async fn request(&self, entity: EntityId, id: Uuid) -> Result<Option<AccountRequest>, AccountError> {
        let sql = crate::db::AssertSqlSafe(format!("{FIELDS} AND id = $2"));
        let row = self.db.fetch_optional(sql, args![entity, id]).await?;
        Ok(row.as_ref().map(AccountRequest::read).transpose()?)
    }
}
