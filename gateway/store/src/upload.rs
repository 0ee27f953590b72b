//! Uploads: files that arrive in pieces, before a deposit takes them.
//!
//! **Job.** An upload has a key of its own, wrapped like a deposit's under the key of the week in which it
//! expires. Its content lies in segments, one blob each; an offset is acknowledged after the segments up to it
//! are durable, so that an upload goes on after a lost connection, a crash or a restart.
//!
//! **Exposure.** Sizes and names that a client chose arrive here parsed; content is opaque.
//!
//! **Failure modes.** [`UploadError`]. Blobs that no segment names yet are orphans and collected later.

use crate::blob::{BlobError, BlobStream};
use crate::crypto::CryptoError;
use crate::keys::{DepositKey, KeyError};
use crate::{Row, Store, StoreError, Tx, args};
use futures_util::{StreamExt, TryStreamExt, stream};
use sealpost_envelope::{AccountId, BlobId, EntityId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why an upload could not go on.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// There is none of that name, or it is somebody else's, or it has expired.
    #[error("there is no such upload")]
    Unknown,
    /// Another offset is next.
    #[error("the upload stands at {0}")]
    Offset(u64),
    /// The account has too much under way.
    #[error("too many uploads are under way")]
    TooMany,
    /// The invitation is good for so many octets in all.
    #[error("the invitation is good for {0} octets in all")]
    TooLarge(u64),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key store.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Sealing or opening.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// The blob store.
    #[error(transparent)]
    Blob(#[from] BlobError),
}

/// Whose an upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// Account; for a guest's, whose guest they are.
    pub account: AccountId,
    /// The guest's invitation, and how many octets it is good for in all.
    pub guest: Option<(Uuid, u64)>,
}

impl From<AccountId> for Owner {
    fn from(account: AccountId) -> Self {
        Self { account, guest: None }
    }
}

impl Owner {
    /// As in the column `invitation`.
    fn invitation(self) -> String {
        self.guest.map(|(id, _)| id.to_string()).unwrap_or_default()
    }
}

/// What the client says of the file; kept under the upload's key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadMeta {
    /// Its name.
    pub name: Option<String>,
    /// Its media type.
    pub media_type: Option<String>,
}

/// An upload.
#[derive(Debug, Clone)]
pub struct Upload {
    /// Which.
    pub id: Uuid,
    /// Organisation.
    pub entity: EntityId,
    /// Whose.
    pub account: AccountId,
    /// Octets in all.
    pub length: u64,
    /// Octets that are durable.
    pub received: u64,
    /// Since when.
    pub created: Timestamp,
    /// Until when it can be used.
    pub expires: Timestamp,
    /// What the client says of it.
    pub meta: UploadMeta,
    /// Its key.
    pub key: DepositKey,
}

impl Upload {
    /// Whether all of it is there.
    pub fn is_complete(&self) -> bool {
        self.received == self.length
    }
}

/// A durable piece of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Octets.
    pub size: u64,
    /// Where they lie.
    pub blob: BlobId,
}

const COLUMNS: &str = "id, entity, account, length, received, created, expires, wrapped_key, key_week, meta";
/// Uploads of an account at the same time.
const MOST: i64 = 1000;
/// Uploads of one guest.
const MOST_OF_GUEST: i64 = 100;
/// Uploads ended in one go.
const BATCH: u32 = 100;

impl Store {
    /// Begins an upload of `length` octets.
    pub async fn create_upload(
        &self,
        entity: EntityId,
        owner: impl Into<Owner>,
        length: u64,
        meta: UploadMeta,
        expires: Timestamp,
    ) -> Result<Upload, UploadError> {
        let owner = owner.into();
        let account = owner.account;
        let (key, wrapped, week) = self.keys().new_deposit_key(expires)?;
        let (id, created) = (Uuid::now_v7(), self.clock.now());
        let plain = serde_json::to_vec(&meta).map_err(|e| StoreError::damaged("JSON", e))?;
        let sealed = key.seal("upload", id.as_bytes(), &plain)?;
        let size = i64::try_from(length).map_err(|_| StoreError::OutOfRange("length"))?;
        self.db
            .write_as(async move |tx| {
                room(tx, owner, length).await?;
                let sql = "INSERT INTO uploads (id, entity, account, length, received, created, expires, \
                     wrapped_key, key_week, meta, invitation) VALUES ($1, $2, $3, $4, 0, $5, $6, $7, $8, $9, $10)";
                let invitation = owner.invitation();
                let values =
                    args![id, entity, account, size, created, expires, wrapped.bytes, week, sealed, invitation];
                tx.execute(sql, values).await?;
                Ok::<_, UploadError>(())
            })
            .await?;
        Ok(Upload { id, entity, account, length, received: 0, created, expires, meta, key })
    }

    fn upload_of(&self, row: &Row) -> Result<Upload, UploadError> {
        let id = row.uuid("id")?;
        let key = self.keys().unwrap(&row.text("key_week")?, &row.bytes("wrapped_key")?)?;
        let plain = key.open("upload", id.as_bytes(), &row.bytes("meta")?)?;
        Ok(Upload {
            id,
            entity: row.entity()?,
            account: AccountId(row.int("account")?),
            length: row.size("length")?,
            received: row.size("received")?,
            created: row.time("created")?,
            expires: row.time("expires")?,
            meta: serde_json::from_slice(&plain).map_err(|e| StoreError::damaged("upload", e))?,
            key,
        })
    }

    /// An upload of its owner; [`UploadError::Unknown`] for anybody else's.
    pub async fn upload(&self, owner: impl Into<Owner>, id: Uuid) -> Result<Upload, UploadError> {
        let owner = owner.into();
        let sql = format!(
            "SELECT {COLUMNS} FROM uploads WHERE id = $1 AND account = $2 AND expires > $3 AND invitation = $4"
        );
        let values = args![id, owner.account, self.clock.now(), owner.invitation()];
        let row = self.db.fetch_optional(sqlx::AssertSqlSafe(sql), values).await?;
        self.upload_of(&row.ok_or(UploadError::Unknown)?)
    }

    /// Uploads of an owner that have arrived whole, oldest first: they stand in the form of a guest who comes back.
    pub async fn arrived_uploads(&self, owner: impl Into<Owner>) -> Result<Vec<Upload>, UploadError> {
        let owner = owner.into();
        let sql = format!(
            "SELECT {COLUMNS} FROM uploads WHERE account = $1 AND invitation = $2 AND expires > $3 \
             AND received = length ORDER BY created, id"
        );
        let values = args![owner.account, owner.invitation(), self.clock.now()];
        let rows = self.db.fetch_all(sqlx::AssertSqlSafe(sql), values).await?;
        rows.iter().map(|row| self.upload_of(row)).collect()
    }

    /// Takes durable segments in, the first of which begins at `offset`; all of them or none. Answers the new
    /// offset.
    pub async fn extend_upload(
        &self,
        id: Uuid,
        offset: u64,
        segments: Vec<Segment>,
    ) -> Result<u64, UploadError> {
        self.db
            .write_as(async move |tx| {
                let sql = "SELECT entity, length, received FROM uploads WHERE id = $1";
                let row = tx.fetch_optional(sql, args![id]).await?.ok_or(UploadError::Unknown)?;
                let (entity, length) = (row.entity()?, row.size("length")?);
                let mut at = row.size("received")?;
                if at != offset {
                    return Err(UploadError::Offset(at));
                }
                for segment in segments {
                    let sql = "INSERT INTO upload_segments (upload, start, entity, size, blob) \
                         VALUES ($1, $2, $3, $4, $5)";
                    let values = vec![
                        id.into(),
                        crate::Value::size(at)?,
                        entity.into(),
                        crate::Value::size(segment.size)?,
                        segment.blob.into(),
                    ];
                    tx.execute(sql, values).await?;
                    at += segment.size;
                }
                if at > length {
                    return Err(UploadError::Offset(offset));
                }
                let sql = "UPDATE uploads SET received = $2 WHERE id = $1";
                tx.execute(sql, vec![id.into(), crate::Value::size(at)?]).await?;
                Ok(at)
            })
            .await
    }

    /// The content of an upload, one segment after the other, decrypted as it is read.
    pub async fn read_upload(&self, upload: &Upload) -> Result<BlobStream, UploadError> {
        let sql = "SELECT size, blob FROM upload_segments WHERE upload = $1 ORDER BY start";
        let rows = self.db.stream(sql, args![upload.id]);
        // Segments are large, so that there are few of them.
        let segments: Vec<Segment> = rows
            .map(|row| {
                let row = row?;
                Ok::<_, StoreError>(Segment { size: row.size("size")?, blob: BlobId(row.uuid("blob")?) })
            })
            .try_collect()
            .await?;
        let (blobs, key) = (self.blobs().clone(), upload.key.clone());
        Ok(stream::iter(segments).flat_map(move |s| blobs.read(&key, s.blob, s.size)).boxed())
    }

    /// Says that nothing more comes: what is there is all. `false` when there is none.
    pub async fn close_upload(&self, owner: impl Into<Owner>, id: Uuid) -> Result<bool, UploadError> {
        let owner = owner.into();
        let sql = "UPDATE uploads SET length = received WHERE id = $1 AND account = $2 AND invitation = $3";
        Ok(self.db.execute(sql, args![id, owner.account, owner.invitation()]).await? == 1)
    }

    /// Ends an upload: taken by a deposit, or given up by its owner. `false` when there is none.
    pub async fn end_upload(&self, owner: impl Into<Owner>, id: Uuid) -> Result<bool, UploadError> {
        let owner = owner.into();
        let sql = "SELECT id FROM uploads WHERE id = $1 AND account = $2 AND invitation = $3";
        let values = args![id, owner.account, owner.invitation()];
        match self.db.fetch_optional(sql, values).await? {
            Some(_) => self.remove_upload(id).await,
            None => Ok(false),
        }
    }

    async fn remove_upload(&self, id: Uuid) -> Result<bool, UploadError> {
        let blobs = self
            .db
            .write(async move |tx| {
                let rows =
                    tx.fetch_all("SELECT blob FROM upload_segments WHERE upload = $1", args![id]).await?;
                let blobs = rows.iter().map(|r| r.uuid("blob").map(BlobId)).collect::<Result<Vec<_>, _>>()?;
                tx.execute("DELETE FROM upload_segments WHERE upload = $1", args![id]).await?;
                let gone = tx.execute("DELETE FROM uploads WHERE id = $1", args![id]).await?;
                Ok((gone == 1).then_some(blobs))
            })
            .await?;
        let Some(blobs) = blobs else { return Ok(false) };
        for blob in blobs {
            self.blobs().delete(blob).await?;
        }
        Ok(true)
    }

    /// Ends the uploads that have expired; answers how many.
    pub async fn sweep_uploads(&self) -> Result<u64, UploadError> {
        let mut gone = 0;
        loop {
            let sql = "SELECT id FROM uploads WHERE expires <= $1 ORDER BY expires LIMIT $2";
            let rows = self.db.fetch_all(sql, args![self.clock.now(), BATCH]).await?;
            if rows.is_empty() {
                return Ok(gone);
            }
            for row in &rows {
                gone += u64::from(self.remove_upload(row.uuid("id")?).await?);
            }
        }
    }
}

/// Whether its owner may begin another upload of `length` octets.
async fn room(tx: &mut Tx, owner: Owner, length: u64) -> Result<(), UploadError> {
    let sql = "SELECT COUNT(*) AS n, CAST(COALESCE(SUM(length), 0) AS BIGINT) AS octets FROM uploads \
         WHERE account = $1 AND invitation = $2";
    let row = tx.fetch_one(sql, args![owner.account, owner.invitation()]).await?;
    let most = if owner.guest.is_some() { MOST_OF_GUEST } else { MOST };
    if row.int("n")? >= most {
        return Err(UploadError::TooMany);
    }
    match owner.guest {
        Some((_, octets)) if row.size("octets")?.saturating_add(length) > octets => {
            Err(UploadError::TooLarge(octets))
        }
        _ => Ok(()),
    }
}
