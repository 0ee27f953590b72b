//! Whose addresses an account may write as, and whose mail it gets.

use super::{Account, AccountError, Accounts, COLUMNS, read_account};
use crate::{StoreError, Tx, args};
use sealpost_envelope::{AccountId, EmailAddress, EntityId};
use sealpost_evidence::BuiltEvent;

/// How an account stands to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Its own: mail for it comes here.
    Own,
    /// Someone else's, for whom it may act (delegation): `From:` them, `Sender:` itself.
    ActsFor,
}

impl Standing {
    /// The word in rows and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::ActsFor => "acts-for",
        }
    }
    fn read(word: &str) -> Result<Self, StoreError> {
        [Self::Own, Self::ActsFor]
            .into_iter()
            .find(|s| s.as_str() == word)
            .ok_or_else(|| StoreError::damaged("standing", word))
    }
}

/// An address an account may write as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountAddress {
    /// The address.
    pub address: EmailAddress,
    /// How the account stands to it.
    pub standing: Standing,
}

/// Adds an address; `false` when it is another account's own.
pub(super) async fn insert(
    tx: &mut Tx,
    account: AccountId,
    entity: EntityId,
    address: &EmailAddress,
    standing: Standing,
) -> Result<bool, StoreError> {
    let added = tx
        .execute(
            "INSERT INTO account_addresses (account, address_key, entity, address, standing) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            args![account, address.key(), entity, address.as_str(), standing.as_str()],
        )
        .await?;
    Ok(added == 1)
}

impl Accounts {
    /// Lets an account write as an address. Granting the same again with another standing changes it.
    pub async fn add_address(
        &self,
        account: &Account,
        address: &EmailAddress,
        standing: Standing,
        events: Vec<BuiltEvent>,
    ) -> Result<(), AccountError> {
        let (id, entity, address) = (account.id, account.entity, address.clone());
        self.db
            .write_as(async move |tx| {
                tx.execute(
                    "DELETE FROM account_addresses WHERE account = $1 AND address_key = $2",
                    args![id, address.key()],
                )
                .await?;
                if !insert(tx, id, entity, &address, standing).await? {
                    return Err(AccountError::Taken(address));
                }
                Ok(tx.append(events).await?)
            })
            .await
    }

    /// Takes an address away; the login stays an address of its account for ever.
    pub async fn remove_address(
        &self,
        account: &Account,
        address: &EmailAddress,
        events: Vec<BuiltEvent>,
    ) -> Result<(), AccountError> {
        let key = address.key();
        if key == account.login.key() {
            return Err(AccountError::Taken(address.clone()));
        }
        let sql = "DELETE FROM account_addresses WHERE account = $1 AND address_key = $2";
        self.update(sql, args![account.id, key], account.id, events).await
    }

    /// The addresses an account may write as, its own first; at most 1000.
    pub async fn addresses(&self, account: AccountId) -> Result<Vec<AccountAddress>, AccountError> {
        let rows = self
            .db
            .fetch_all(
                "SELECT address, standing FROM account_addresses WHERE account = $1 \
                 ORDER BY standing DESC, address_key LIMIT 1000",
                args![account],
            )
            .await?;
        rows.iter()
            .map(|row| {
                let standing = Standing::read(&row.text("standing")?)?;
                Ok(AccountAddress { address: row.parse("address")?, standing })
            })
            .collect::<Result<_, StoreError>>()
            .map_err(AccountError::from)
    }

    /// Who acts for one of an account's own addresses: the account and the address, at most 1000.
    pub async fn delegates(&self, account: &Account) -> Result<Vec<(Account, EmailAddress)>, AccountError> {
        let sql = crate::db::AssertSqlSafe(format!(
            "SELECT {COLUMNS}, x.address FROM account_addresses x JOIN accounts a ON a.id = x.account \
             WHERE x.standing = 'acts-for' AND a.entity = $2 AND x.address_key IN \
             (SELECT o.address_key FROM account_addresses o WHERE o.account = $1 AND o.standing = 'own') \
             ORDER BY a.id, x.address_key LIMIT 1000"
        ));
        let rows = self.db.fetch_all(sql, args![account.id, account.entity]).await?;
        let read = |row: &crate::Row| Ok((read_account(row)?, row.parse("address")?));
        Ok(rows.iter().map(read).collect::<Result<_, StoreError>>()?)
    }

    /// How an account stands to an address; `None` means it may not write as it.
    pub async fn standing(
        &self,
        account: AccountId,
        address: &EmailAddress,
    ) -> Result<Option<Standing>, AccountError> {
        let row = self
            .db
            .fetch_optional(
                "SELECT standing FROM account_addresses WHERE account = $1 AND address_key = $2",
                args![account, address.key()],
            )
            .await?;
        Ok(row.map(|r| Standing::read(&r.text("standing")?)).transpose()?)
    }

    /// The account, not disabled, that gets mail for an address: its own, or its successor's (see
    /// [`Accounts::hand_over`]).
    pub async fn owner_of(&self, address: &EmailAddress) -> Result<Option<Account>, AccountError> {
        let sql = crate::db::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM account_addresses x JOIN accounts o ON o.id = x.account \
             JOIN accounts a ON a.id = CASE WHEN o.disabled IS NULL THEN o.id ELSE o.heir END \
             WHERE x.address_key = $1 AND x.standing = 'own' AND a.disabled IS NULL"
        ));
        let row = self.db.fetch_optional(sql, args![address.key()]).await?;
        Ok(row.as_ref().map(read_account).transpose()?)
    }
}
