//! Drafts: messages that somebody has begun to write on a page.
//!
//! **Job.** A draft is content: it lies under a key of its own, wrapped under the week in which it is forgotten. One
//! that has left keeps nothing but which deposit it became, so that its form, sent again, is known.
//!
//! **Failure modes.** A draft whose key has been destroyed is no draft.

use crate::keys::KeyError;
use crate::{Row, Store, StoreError, args};
use sealpost_envelope::{AccountId, DepositId, EntityId, Sha256Digest, Timestamp};
use std::time::Duration;
use uuid::Uuid;

/// A draft that nobody touches is forgotten after this long.
const KEPT: Duration = Duration::from_secs(30 * 86_400);
/// Of one that left is known so long what became of it.
const KNOWN: Duration = Duration::from_secs(7 * 86_400);
/// Drafts of an account; the oldest make room.
const MOST: i64 = 100;

/// Why a draft could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key store.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It does not open: damage.
    #[error(transparent)]
    Crypto(#[from] crate::crypto::CryptoError),
}

/// A draft as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptDraft {
    /// Which.
    pub id: Uuid,
    /// When it was touched last.
    pub updated: Timestamp,
    /// What was written.
    pub content: Vec<u8>,
}

const FIELDS: &str = "SELECT id, updated, wrapped_key, key_week, content FROM drafts \
     WHERE account = $1 AND expires > $2 AND sent IS NULL";

impl Store {
    /// Keeps a draft in place of what it was before. Another account's of that name stays untouched.
    pub async fn keep_draft(
        &self,
        entity: EntityId,
        account: AccountId,
        id: Uuid,
        content: &[u8],
    ) -> Result<(), DraftError> {
        let now = self.clock.now();
        let expires = now.saturating_add(KEPT).unwrap_or(now);
        let (key, wrapped, week) = self.keys().new_deposit_key(expires)?;
        let sealed = key.seal("draft", &account.0.to_be_bytes(), content)?;
        self.db
            .write(async move |tx| {
                tx.execute("DELETE FROM drafts WHERE expires <= $1", args![now]).await?;
                let sql = "INSERT INTO drafts (id, account, entity, updated, expires, wrapped_key, key_week, content) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET \
                     updated = excluded.updated, expires = excluded.expires, wrapped_key = excluded.wrapped_key, \
                     key_week = excluded.key_week, content = excluded.content, form = NULL, sent = NULL \
                     WHERE drafts.account = excluded.account";
                let values = args![id, account, entity, now, expires, wrapped.bytes, week, sealed];
                tx.execute(sql, values).await?;
                let sql = "DELETE FROM drafts WHERE account = $1 AND id NOT IN \
                     (SELECT id FROM drafts WHERE account = $1 ORDER BY updated DESC, id DESC LIMIT $2)";
                tx.execute(sql, args![account, MOST]).await
            })
            .await?;
        Ok(())
    }

    fn draft_of(&self, account: AccountId, row: &Row) -> Result<Option<KeptDraft>, DraftError> {
        let (wrapped, week) = (row.bytes("wrapped_key")?, row.text("key_week")?);
        let key = match self.keys().unwrap(&week, &wrapped) {
            Ok(key) => key,
            Err(KeyError::Destroyed(_)) => return Ok(None),
            Err(other) => return Err(other.into()),
        };
        let content = key.open("draft", &account.0.to_be_bytes(), &row.bytes("content")?)?;
        Ok(Some(KeptDraft { id: row.uuid("id")?, updated: row.time("updated")?, content }))
    }

    /// A draft of an account.
    pub async fn draft(&self, account: AccountId, id: Uuid) -> Result<Option<KeptDraft>, DraftError> {
        let sql = sqlx::AssertSqlSafe(format!("{FIELDS} AND id = $3"));
        let row = self.db.fetch_optional(sql, args![account, self.clock.now(), id]).await?;
        row.map_or(Ok(None), |row| self.draft_of(account, &row))
    }

    /// The drafts of an account, the one touched last first.
    pub async fn drafts(&self, account: AccountId) -> Result<Vec<KeptDraft>, DraftError> {
        let sql = sqlx::AssertSqlSafe(format!("{FIELDS} ORDER BY updated DESC, id DESC"));
        let rows = self.db.fetch_all(sql, args![account, self.clock.now()]).await?;
        let all: Result<Vec<_>, _> = rows.iter().map(|row| self.draft_of(account, row)).collect();
        Ok(all?.into_iter().flatten().collect())
    }

    /// Notes that a draft, filled in like this, has become a deposit; what was written is no longer kept here.
    pub async fn sent_draft(
        &self,
        entity: EntityId,
        account: AccountId,
        id: Uuid,
        form: Sha256Digest,
        deposit: DepositId,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let expires = now.saturating_add(KNOWN).unwrap_or(now);
        let nothing: Vec<u8> = Vec::new();
        let sql = "INSERT INTO drafts (id, account, entity, updated, expires, wrapped_key, key_week, content, form, sent) \
             VALUES ($1, $2, $3, $4, $5, $6, '', $6, $7, $8) ON CONFLICT (id) DO UPDATE SET \
             updated = excluded.updated, expires = excluded.expires, wrapped_key = excluded.wrapped_key, \
             key_week = excluded.key_week, content = excluded.content, form = excluded.form, sent = excluded.sent \
             WHERE drafts.account = excluded.account";
        let values = args![id, account, entity, now, expires, nothing, form.0, deposit];
        self.db.execute(sql, values).await?;
        Ok(())
    }

    /// The deposit that a form, filled in like this, has become already.
    pub async fn sent_before(
        &self,
        account: AccountId,
        id: Uuid,
        form: Sha256Digest,
    ) -> Result<Option<DepositId>, StoreError> {
        let sql = "SELECT sent FROM drafts WHERE id = $1 AND account = $2 AND form = $3 AND sent IS NOT NULL";
        let row = self.db.fetch_optional(sql, args![id, account, form.0]).await?;
        row.map(|row| row.uuid("sent").map(DepositId)).transpose()
    }

    /// Forgets a draft.
    pub async fn drop_draft(&self, account: AccountId, id: Uuid) -> Result<(), DraftError> {
        let sql = "DELETE FROM drafts WHERE account = $1 AND id = $2 AND sent IS NULL";
        self.db.execute(sql, args![account, id]).await?;
        Ok(())
    }
}
