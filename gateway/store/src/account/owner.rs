//! Accounts that are nobody's: applications, copiers, the address of a service. A person answers for each of them.
//!
//! The person (its owner) reads what is said to such a sender, sees what was sent in its name and keeps its app
//! passwords. Ownership goes on to the successor when the person leaves (`leave.rs`). An owner is a person: whoever
//! has an owner owns nothing.

use super::{Account, AccountError, AccountLink, Accounts, COLUMNS, Role, read_account};
use crate::session::StaffSession;
use crate::{StoreError, Tx, args};
use sealpost_envelope::{AccountId, EmailAddress, EntityId};
use sealpost_evidence::BuiltEvent;

/// Keys of the addresses in whose name an account (`$?`) may follow what was sent: its own, and those of the accounts
/// it answers for.
pub(crate) const FOLLOWED: &str = "SELECT x.address_key FROM account_addresses x JOIN accounts o ON o.id = x.account \
     WHERE x.standing = 'own' AND (o.id = $? OR o.owner = $?)";

/// What keeps `owner` from answering for an account of `entity`.
pub(super) async fn may_own(
    tx: &mut Tx,
    account: Option<AccountId>,
    owner: &Account,
    entity: EntityId,
) -> Result<(), AccountError> {
    let refused = || Err(AccountError::NoOwner(owner.login.clone()));
    let (account, id) = (account.unwrap_or(AccountId(0)), owner.id);
    if owner.entity != entity || owner.role == Role::Demo || id == account {
        return refused();
    }
    // As they are now, whatever the caller had read.
    let person = "SELECT 1 AS one FROM accounts WHERE id = $1 AND owner IS NULL AND disabled IS NULL";
    let owns = "SELECT 1 AS one FROM accounts WHERE owner = $1 LIMIT 1";
    if tx.fetch_optional(person, args![id]).await?.is_none()
        || tx.fetch_optional(owns, args![account]).await?.is_some()
    {
        return refused();
    }
    Ok(())
}

impl Accounts {
    /// Says who answers for an account; with nobody, it is a person's again.
    pub async fn set_owner(
        &self,
        account: &Account,
        owner: Option<&Account>,
        events: Vec<BuiltEvent>,
    ) -> Result<(), AccountError> {
        let (id, entity, owner, now) = (account.id, account.entity, owner.cloned(), self.clock.now());
        self.db
            .write_as(async move |tx| {
                if let Some(owner) = &owner {
                    may_own(tx, Some(id), owner, entity).await?;
                }
                let sql = "UPDATE accounts SET owner = $2 WHERE id = $1";
                if tx.execute(sql, args![id, owner.map(|o| o.id)]).await? == 0 {
                    return Err(AccountError::Unknown(id.to_string()));
                }
                // Who answered for it before has neither a link to it nor a session of it any more.
                AccountLink::end_all(tx, id, now).await?;
                StaffSession::end_all(tx, id, None).await?;
                Ok(tx.append(events).await?)
            })
            .await
    }

    /// The accounts for which a person answers, by name, at most 1000.
    pub async fn owned_by(&self, owner: &Account) -> Result<Vec<Account>, AccountError> {
        let sql = crate::db::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM accounts a WHERE a.owner = $1 AND a.entity = $2 ORDER BY a.name, a.id LIMIT 1000"
        ));
        let rows = self.db.fetch_all(sql, args![owner.id, owner.entity]).await?;
        Ok(rows.iter().map(read_account).collect::<Result<_, StoreError>>()?)
    }

    /// Who reads what is said to the sender with this address, where that is somebody else: who answers for the
    /// account, or the successor of who has left.
    pub async fn reads_for(
        &self,
        entity: EntityId,
        address: &EmailAddress,
    ) -> Result<Option<EmailAddress>, AccountError> {
        let sql = "SELECT a.login FROM account_addresses x JOIN accounts o ON o.id = x.account \
             JOIN accounts h ON h.id = CASE WHEN o.disabled IS NULL THEN o.id ELSE COALESCE(o.heir, o.id) END \
             JOIN accounts a ON a.id = COALESCE(h.owner, h.id) \
             WHERE x.address_key = $1 AND x.standing = 'own' AND a.entity = $2 AND a.id <> o.id \
             AND a.disabled IS NULL";
        let row = self.db.fetch_optional(sql, args![address.key(), entity]).await?;
        Ok(row.map(|r| r.parse("login")).transpose()?)
    }

    /// Whether an account may act on what was sent in this name: its own address, or one of an account it answers for.
    pub async fn speaks_for(&self, account: &Account, address: &EmailAddress) -> Result<bool, AccountError> {
        let sql = format!("{} AND x.address_key = $2", FOLLOWED.replace("$?", "$1"));
        let found = self.db.fetch_optional(crate::db::AssertSqlSafe(sql), args![account.id, address.key()]);
        Ok(found.await?.is_some())
    }
}
