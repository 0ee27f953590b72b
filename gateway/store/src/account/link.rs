//! Links by which a person sets their password: derived, single-use, short.
//!
//! The token is HMAC-SHA-256 of the link's name under a key of the key store, so that the mail can be composed later
//! without the token lying anywhere; the database knows its SHA-256. Asking for a link ends the ones before it, and so
//! does a change of the password.

use super::{Account, AccountError, Accounts};
use crate::{Row, StoreError, Tx, args};
use sealpost_envelope::{AccountId, EmailAddress, EntityId, Secret, Sha256Digest, Timestamp};
use std::time::Duration;
use uuid::Uuid;

/// Octets of a token: 160 bits.
const TOKEN: usize = 20;
/// A link that is over is still told apart from one that never was, for this long.
const KEPT: Duration = Duration::from_secs(30 * 86_400);
/// Longest token looked at.
const LONGEST: usize = 64;

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkPurpose {
    /// The password was forgotten.
    Reset,
    /// The person connects for the first time.
    First,
    /// The person was invited by an administrator.
    Invite,
}

impl LinkPurpose {
    /// The word in rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::First => "first",
            Self::Invite => "invite",
        }
    }
}

impl std::str::FromStr for LinkPurpose {
    type Err = StoreError;
    fn from_str(s: &str) -> Result<Self, StoreError> {
        [Self::Reset, Self::First, Self::Invite]
            .into_iter()
            .find(|p| p.as_str() == s)
            .ok_or_else(|| StoreError::damaged("purpose", s))
    }
}

/// A link as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountLink {
    /// Names it; the token is derived from it.
    pub id: Uuid,
    /// Organisation.
    pub entity: EntityId,
    /// Whose password it sets.
    pub account: AccountId,
    /// What it is for.
    pub purpose: LinkPurpose,
    /// Where it was sent.
    pub address: EmailAddress,
    /// End of validity.
    pub expires: Timestamp,
    /// Used, or replaced by a newer one.
    pub ended: Option<Timestamp>,
}

impl AccountLink {
    /// Whether it can still be used.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.expires
    }
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.uuid("id")?,
            entity: row.entity()?,
            account: AccountId(row.int("account")?),
            purpose: row.parse("purpose")?,
            address: row.parse("address")?,
            expires: row.time("expires")?,
            ended: row.opt_time("ended")?,
        })
    }

    /// Ends every living link of an account.
    pub async fn end_all(tx: &mut Tx, account: AccountId, now: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE account_links SET ended = $2 WHERE account = $1 AND ended IS NULL";
        tx.execute(sql, args![account, now]).await.map(drop)
    }

    /// Writes it; former ones end.
    async fn write(&self, tx: &mut Tx, hash: [u8; 32], now: Timestamp) -> Result<(), StoreError> {
        Self::end_all(tx, self.account, now).await?;
        // What happened stands in the journal.
        let old = now.saturating_sub(KEPT).unwrap_or(Timestamp::MIN);
        tx.execute("DELETE FROM account_links WHERE expires < $1", args![old]).await?;
        tx.execute(
            "INSERT INTO account_links (hash, id, entity, account, purpose, address, created, expires) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            args![
                hash,
                self.id,
                self.entity,
                self.account,
                self.purpose.as_str(),
                self.address.as_str(),
                now,
                self.expires
            ],
        )
        .await
        .map(drop)
    }

    /// Uses the link up. `false` when somebody was faster, or it is over: the statement's condition decides.
    pub async fn consume(&self, tx: &mut Tx, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "UPDATE account_links SET ended = $2 WHERE id = $1 AND ended IS NULL AND expires > $2";
        Ok(tx.execute(sql, args![self.id, now]).await? == 1)
    }
}

const FIELDS: &str = "SELECT id, entity, account, purpose, address, expires, ended FROM account_links";

impl Accounts {
    /// The token of a link.
    pub fn link_token(&self, link: Uuid) -> Secret<String> {
        let tag = self.links.hmac(&[b"account-link", link.as_bytes()]);
        Secret::new(base64_simd::URL_SAFE_NO_PAD.encode_to_string(&tag[..TOKEN]))
    }

    /// Makes a link for an account, inside the caller's transaction; former ones end.
    pub async fn issue_link(
        &self,
        tx: &mut Tx,
        account: &Account,
        purpose: LinkPurpose,
        address: &EmailAddress,
        (now, lifetime): (Timestamp, Duration),
    ) -> Result<AccountLink, StoreError> {
        let id = Uuid::new_v4();
        let link = AccountLink {
            id,
            entity: account.entity,
            account: account.id,
            purpose,
            address: address.clone(),
            expires: now.saturating_add(lifetime).unwrap_or(now),
            ended: None,
        };
        link.write(tx, self.link_hash(id), now).await?;
        Ok(link)
    }

    fn link_hash(&self, id: Uuid) -> [u8; 32] {
        Sha256Digest::of(self.link_token(id).expose().as_bytes()).0
    }

    /// [`Accounts::issue_link`] in a transaction of its own.
    pub async fn make_link(
        &self,
        account: &Account,
        purpose: LinkPurpose,
        address: &EmailAddress,
        (now, lifetime): (Timestamp, Duration),
    ) -> Result<AccountLink, AccountError> {
        let id = Uuid::new_v4();
        let hash = self.link_hash(id);
        let (account, address) = (account.clone(), address.clone());
        let expires = now.saturating_add(lifetime).unwrap_or(now);
        let link = AccountLink {
            id,
            entity: account.entity,
            account: account.id,
            purpose,
            address,
            expires,
            ended: None,
        };
        let written = link.clone();
        self.db.write(async move |tx| written.write(tx, hash, now).await).await?;
        Ok(link)
    }

    /// The link behind a token, alive or not.
    pub async fn link(&self, token: &str) -> Result<Option<AccountLink>, AccountError> {
        if token.len() > LONGEST {
            return Ok(None);
        }
        let sql = crate::db::AssertSqlSafe(format!("{FIELDS} WHERE hash = $1"));
        let row = self.db.fetch_optional(sql, args![Sha256Digest::of(token.as_bytes()).0]).await?;
        Ok(row.as_ref().map(AccountLink::read).transpose()?)
    }

    /// The link of that name.
    pub async fn link_by_id(&self, id: Uuid) -> Result<Option<AccountLink>, AccountError> {
        let sql = crate::db::AssertSqlSafe(format!("{FIELDS} WHERE id = $1"));
        let row = self.db.fetch_optional(sql, args![id]).await?;
        Ok(row.as_ref().map(AccountLink::read).transpose()?)
    }
}
