//! Link tokens: only their SHA-256 is known here.

use crate::keys::token_hash;
use crate::{Db, Row, StoreError, Tx, args};
use sealpost_envelope::{DepositId, EntityId, RecipientNo, Timestamp};

/// SHA-256 of a link token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// Hashes a token as it stands in the address.
    pub fn of(token: &str) -> Self {
        Self(token_hash(token))
    }
}

/// A link to be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewLink {
    /// Hash of its token.
    pub hash: TokenHash,
    /// Organisation.
    pub entity: EntityId,
    /// Deposit.
    pub deposit: DepositId,
    /// Recipient.
    pub recipient: RecipientNo,
    /// Generation, from 1; a resend counts up.
    pub generation: u32,
}

/// What a token leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Hash of its token.
    pub hash: TokenHash,
    /// Organisation.
    pub entity: EntityId,
    /// Deposit.
    pub deposit: DepositId,
    /// Recipient.
    pub recipient: RecipientNo,
    /// Generation.
    pub generation: u32,
    /// Since when.
    pub created: Timestamp,
    /// When it was withdrawn.
    pub revoked: Option<Timestamp>,
    /// Whether a later, living link of the same consignment exists.
    pub newer: bool,
}

/// Remembers links, within the transaction that deposits or resends.
pub async fn insert_links(tx: &mut Tx, links: &[NewLink], now: Timestamp) -> Result<(), StoreError> {
    let rows =
        links.iter().map(|l| args![l.hash.0, l.entity, l.deposit, l.recipient, l.generation, now]).collect();
    tx.insert("INSERT INTO tokens (hash, entity, deposit, recipient, generation, created) VALUES", rows, "")
        .await
        .map(|_| ())
}

/// Withdraws every living link of a consignment and ends its sessions; answers how many links died.
pub async fn revoke_links(
    tx: &mut Tx,
    deposit: DepositId,
    recipient: RecipientNo,
    now: Timestamp,
) -> Result<u64, StoreError> {
    tx.execute(
        "UPDATE access_grant SET closed = $3 WHERE deposit = $1 AND recipient = $2 AND closed IS NULL",
        args![deposit, recipient, now],
    )
    .await?;
    tx.execute(
        "UPDATE tokens SET revoked = $3 WHERE deposit = $1 AND recipient = $2 AND revoked IS NULL",
        args![deposit, recipient, now],
    )
    .await
}

impl Link {
    /// Looks a token up. The work is one index probe of a hash whether the token exists or not.
    pub async fn find(db: &Db, hash: TokenHash) -> Result<Option<Self>, StoreError> {
        let row = db
            .fetch_optional(
                "SELECT t.entity, t.deposit, t.recipient, t.generation, t.created, t.revoked, \
                 (SELECT COUNT(*) FROM tokens n WHERE n.deposit = t.deposit AND n.recipient = t.recipient \
                  AND n.generation > t.generation AND n.revoked IS NULL) AS newer \
                 FROM tokens t WHERE t.hash = $1",
                args![hash.0],
            )
            .await?;
        row.map(|r| Self::read(hash, &r)).transpose()
    }

    fn read(hash: TokenHash, row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            hash,
            entity: row.entity()?,
            deposit: DepositId(row.uuid("deposit")?),
            recipient: row.small("recipient")?,
            generation: row.small("generation")?,
            created: row.time("created")?,
            revoked: row.opt_time("revoked")?,
            newer: row.int("newer")? > 0,
        })
    }

    /// Whether a fetch at `now` falls into a minute that was not journaled yet.
    pub async fn fetch_is_news(&self, db: &Db, now: Timestamp) -> Result<bool, StoreError> {
        let row =
            db.fetch_optional("SELECT minute FROM access_fetch WHERE hash = $1", args![self.hash.0]).await?;
        Ok(row.map(|r| r.int("minute")).transpose()?.is_none_or(|minute| minute < minute_of(now)))
    }

    /// Claims the minute of `now` for this link; `true` for the one request that journals it.
    pub async fn claim_fetch(&self, tx: &mut Tx, now: Timestamp) -> Result<bool, StoreError> {
        let touched = tx
            .execute(
                "INSERT INTO access_fetch (hash, minute) VALUES ($1, $2) \
                 ON CONFLICT (hash) DO UPDATE SET minute = excluded.minute WHERE access_fetch.minute < excluded.minute",
                args![self.hash.0, minute_of(now)],
            )
            .await?;
        Ok(touched > 0)
    }
}

fn minute_of(t: Timestamp) -> i64 {
    t.as_second().div_euclid(60)
}
