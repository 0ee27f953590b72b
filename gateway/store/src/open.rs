//! Opening the store: database, blobs and keys together.

use crate::blob::{BlobError, Blobs, S3Keys};
use crate::keys::{KeyError, KeyStore};
use crate::{Db, StoreError};
use sealpost_envelope::Clock;
use std::path::PathBuf;
use std::sync::Arc;

/// Where everything lies.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// `sqlite:/path/file.db` or `postgres://…`.
    pub database: String,
    /// `file:/dir` or `s3://bucket?endpoint=…`.
    pub blobs: String,
    /// Keys of the S3 bucket; those of the environment when absent.
    pub s3: Option<S3Keys>,
    /// Directory of the key store: outside the database and its backups.
    pub keys: PathBuf,
}

/// Why the store cannot be opened, by the setting at fault.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database.
    #[error(transparent)]
    Database(#[from] StoreError),
    /// The blob store.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// The key store.
    #[error(transparent)]
    Keys(#[from] KeyError),
}

/// The open store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) db: Db,
    blobs: Blobs,
    keys: Arc<KeyStore>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Store {
    /// Opens what `config` names, creating and migrating the database if necessary.
    pub async fn open(config: &StoreConfig, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let keys = Arc::new(KeyStore::open(&config.keys)?);
        let blobs = Blobs::open(&config.blobs, config.s3.as_ref())?;
        let db = Db::open(&config.database).await?;
        Ok(Self { db, blobs, keys, clock })
    }
    /// The database.
    pub fn db(&self) -> &Db {
        &self.db
    }
    /// The blob store.
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }
    /// The key store.
    pub fn keys(&self) -> &KeyStore {
        &self.keys
    }
    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }
}
