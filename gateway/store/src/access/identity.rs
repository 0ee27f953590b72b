//! Who a recipient is known to be, and which cards log in to which account.

use crate::{Db, StoreError, Tx, args};
use sealpost_envelope::{AccountId, EmailAddress, EntityId, Timestamp};

/// The identity on record of a mailbox, as a rule writes it: `rpps:10001234567`.
pub async fn known_identity(
    db: &Db,
    entity: EntityId,
    address: &EmailAddress,
) -> Result<Option<String>, StoreError> {
    let sql = "SELECT identity FROM people WHERE entity = $1 AND address_key = $2";
    let row = db.fetch_optional(sql, args![entity, address.key()]).await?;
    row.map(|r| r.opt_text("identity")).transpose().map(Option::flatten)
}

/// Puts an identity on record where none is; `true` for the one that did. Two first uses at once bind one.
pub async fn bind_identity(
    tx: &mut Tx,
    entity: EntityId,
    address: &EmailAddress,
    identity: &str,
    name: Option<&str>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let touched = tx
        .execute(
            "INSERT INTO people (entity, address_key, address, name, identity, shared, created, changed) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT (entity, address_key) DO UPDATE \
             SET identity = excluded.identity, name = COALESCE(people.name, excluded.name), \
             changed = excluded.changed WHERE people.identity IS NULL",
            args![entity, address.key(), address.as_str(), name.map(str::to_owned), identity, false, now],
        )
        .await?;
    Ok(touched == 1)
}

/// A card bound to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountCard {
    /// National identifier, as a rule writes it.
    pub identity: String,
    /// Name on the card.
    pub name: String,
    /// Since when.
    pub bound: Timestamp,
}

/// Binds a card to an account of the organisation; `false` when it is bound to another one.
pub async fn bind_card(
    tx: &mut Tx,
    (entity, account): (EntityId, AccountId),
    identity: &str,
    name: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let touched = tx
        .execute(
            "INSERT INTO account_cards (entity, identity, account, name, bound) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (entity, identity) DO UPDATE SET name = excluded.name, bound = excluded.bound \
             WHERE account_cards.account = excluded.account",
            args![entity, identity, account, name, now],
        )
        .await?;
    Ok(touched == 1)
}

/// Cards of an account.
pub async fn cards_of(db: &Db, account: AccountId) -> Result<Vec<AccountCard>, StoreError> {
    let sql = "SELECT identity, name, bound FROM account_cards WHERE account = $1 ORDER BY bound, identity";
    let rows = db.fetch_all(sql, args![account]).await?;
    let read = |row: &crate::Row| {
        Ok(AccountCard {
            identity: row.text("identity")?,
            name: row.text("name")?,
            bound: row.time("bound")?,
        })
    };
    rows.iter().map(read).collect()
}

/// Takes a card away from an account; `true` when it was there.
pub async fn unbind_card(tx: &mut Tx, account: AccountId, identity: &str) -> Result<bool, StoreError> {
    let sql = "DELETE FROM account_cards WHERE account = $1 AND identity = $2";
    Ok(tx.execute(sql, args![account, identity]).await? > 0)
}

/// The account that a card logs in to; none where it is bound in several organisations, since the login names none.
pub async fn account_of_card(db: &Db, identity: &str) -> Result<Option<AccountId>, StoreError> {
    let sql = "SELECT account FROM account_cards WHERE identity = $1 LIMIT 2";
    match db.fetch_all(sql, args![identity]).await?.as_slice() {
        [one] => Ok(Some(AccountId(one.int("account")?))),
        _ => Ok(None),
    }
}
