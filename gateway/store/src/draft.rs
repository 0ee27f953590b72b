//! Drafts: the message that somebody has begun to write on a page, one per account.
//!
//! **Job.** A draft is content: it lies under a key of its own, wrapped under the week in which it is forgotten.
//!
//! **Failure modes.** A draft whose key has been destroyed is no draft.

use crate::keys::KeyError;
use crate::{Store, StoreError, args};
use sealpost_envelope::{AccountId, EntityId, Timestamp};
use std::time::Duration;

/// A draft that nobody touches is forgotten after this long.
const KEPT: Duration = Duration::from_secs(30 * 86_400);

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

impl Store {
    /// Keeps the draft of an account in place of the one before.
    pub async fn keep_draft(
        &self,
        entity: EntityId,
        account: AccountId,
        content: &[u8],
    ) -> Result<(), DraftError> {
        let now = self.clock.now();
        let expires = now.saturating_add(KEPT).unwrap_or(now);
        let (key, wrapped, week) = self.keys().new_deposit_key(expires)?;
        let sealed = key.seal("draft", &account.0.to_be_bytes(), content)?;
        self.db
            .write(async move |tx| {
                tx.execute("DELETE FROM drafts WHERE account = $1 OR expires <= $2", args![account, now])
                    .await?;
                let sql = "INSERT INTO drafts (account, entity, updated, expires, wrapped_key, key_week, content) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7)";
                tx.execute(sql, args![account, entity, now, expires, wrapped.bytes, week, sealed]).await
            })
            .await?;
        Ok(())
    }

    /// The draft of an account, and when it was touched last.
    pub async fn draft(&self, account: AccountId) -> Result<Option<(Timestamp, Vec<u8>)>, DraftError> {
        let sql =
            "SELECT updated, wrapped_key, key_week, content FROM drafts WHERE account = $1 AND expires > $2";
        let Some(row) = self.db.fetch_optional(sql, args![account, self.clock.now()]).await? else {
            return Ok(None);
        };
        let (wrapped, week) = (row.bytes("wrapped_key")?, row.text("key_week")?);
        let key = match self.keys().unwrap(&week, &wrapped) {
            Ok(key) => key,
            Err(KeyError::Destroyed(_)) => return Ok(None),
            Err(other) => return Err(other.into()),
        };
        let content = key.open("draft", &account.0.to_be_bytes(), &row.bytes("content")?)?;
        Ok(Some((row.time("updated")?, content)))
    }

    /// Forgets the draft of an account.
    pub async fn drop_draft(&self, account: AccountId) -> Result<(), DraftError> {
        self.db.execute("DELETE FROM drafts WHERE account = $1", args![account]).await?;
        Ok(())
    }
}
