//! The blob store: encrypted objects in files or in S3, written once, read by ranges.
//!
//! **Job.** [`BlobWriter`] encrypts and digests while bytes arrive and is durable when it has finished;
//! [`Blobs::read_range`] decrypts while bytes leave. Neither holds more than a few chunks.
//!
//! **Exposure.** Content comes from strangers and is opaque here. What lies in the store is not trusted:
//! damage is an error before any wrong byte is handed out (see [`crate::crypto::stream`]).
//!
//! **Layout.** `DIR/0193/a7/<uuid>`, from the first octets of the id: ids are ordered by time, so a
//! directory serves some hours and few are made. A blob under way is `<uuid>.part` beside its final name.
//! In a bucket the names are the same under the optional prefix.
//!
//! **Failure modes.** [`BlobError`]. A blob whose deposit was never committed is an orphan: see
//! [`Blobs::list`].

mod copy;
mod file;
mod object;
mod reader;
mod writer;

pub use reader::BlobStream;
pub use writer::{BlobWriter, StoredBlob};

use crate::crypto::CryptoError;
use crate::keys::DepositKey;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use sealpost_envelope::{BlobId, Secret, Timestamp};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// Why a blob operation failed.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The address in the configuration cannot be used; says why.
    #[error("blob store address {url:?}: {reason}")]
    BadUrl {
        /// As configured.
        url: String,
        /// What to change.
        reason: String,
    },
    /// No such blob.
    #[error("blob {0} is not in the store")]
    NotFound(BlobId),
    /// The stored bytes are not what was written.
    #[error("blob {id}: {cause}")]
    Damaged {
        /// Which.
        id: BlobId,
        /// In what way.
        cause: CryptoError,
    },
    /// A file or directory failed.
    #[error("{path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The object store failed.
    #[error("object store: {0}")]
    Object(#[from] object_store::Error),
    /// The writer was used after it failed.
    #[error("blob {0} failed before")]
    Failed(BlobId),
    /// The runtime is ending.
    #[error("stopped")]
    Stopped,
}

impl BlobError {
    /// Whether the disk or bucket is full, which is answered by "try again later" at once.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. }
            if matches!(source.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded))
    }
}

/// One stored object, as a listing shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobEntry {
    /// Which.
    pub id: BlobId,
    /// Octets as stored.
    pub stored: u64,
    /// When it was completed.
    pub modified: Timestamp,
}

/// Access to an S3 bucket.
#[derive(Debug, Clone)]
pub struct S3Keys {
    /// Access key.
    pub access: Secret<String>,
    /// Its secret.
    pub secret: Secret<String>,
}

/// An open blob store; clones share it.
#[derive(Debug, Clone)]
pub struct Blobs {
    backend: Backend,
}

#[derive(Debug, Clone)]
enum Backend {
    Files(Arc<file::Directory>),
    Objects(Arc<object::Bucket>),
}

impl Blobs {
    /// Opens `file:/dir` or `s3://bucket[/prefix]?endpoint=http://…&region=…`. Without `keys`, credentials for S3
    /// come from the environment (`AWS_ACCESS_KEY_ID`, …); plain HTTP is accepted for loopback only.
    pub fn open(url: &str, keys: Option<&S3Keys>) -> Result<Self, BlobError> {
        let bad = |reason: &str| BlobError::BadUrl { url: url.to_owned(), reason: reason.to_owned() };
        if let Some(path) = url.strip_prefix("file:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err(bad("names no directory"));
            }
            return Ok(Self { backend: Backend::Files(Arc::new(file::Directory::open(path.into())?)) });
        }
        if let Some(rest) = url.strip_prefix("s3:") {
            let bucket = object::Bucket::open(rest.trim_start_matches('/'), keys);
            let bucket = bucket.map_err(|reason| bad(&reason))?;
            return Ok(Self { backend: Backend::Objects(Arc::new(bucket)) });
        }
        Err(bad("must begin with file: or s3:"))
    }

    /// Starts a blob under a key of the deposit's.
    pub fn writer(&self, key: &DepositKey) -> BlobWriter {
        BlobWriter::start(self, key)
    }

    /// The plaintext octets `range` of a blob of `size` octets, decrypted as they are read; a range beyond
    /// the end is cut. Nothing is yielded that was not authenticated.
    pub fn read_range(&self, key: &DepositKey, id: BlobId, size: u64, range: Range<u64>) -> BlobStream {
        match &self.backend {
            Backend::Files(dir) => reader::from_file(dir.path_of(id), key, id, size, range),
            Backend::Objects(bucket) => reader::from_bucket(Arc::clone(bucket), key, id, size, range),
        }
    }

    /// The whole of a blob.
    pub fn read(&self, key: &DepositKey, id: BlobId, size: u64) -> BlobStream {
        self.read_range(key, id, size, 0..size)
    }

    /// Removes a blob; one that is not there is fine.
    pub async fn delete(&self, id: BlobId) -> Result<(), BlobError> {
        match &self.backend {
            Backend::Files(dir) => {
                let dir = Arc::clone(dir);
                blocking(move || dir.delete(id)).await
            }
            Backend::Objects(bucket) => bucket.delete(id).await,
        }
    }

    /// Every blob completed before `before`, in no promised order: whoever knows which blobs are named by
    /// rows finds the orphans among them. Choose `before` well in the past (a day), because a blob is
    /// durable before the commit that names it.
    pub fn list(&self, before: Timestamp) -> BoxStream<'static, Result<BlobEntry, BlobError>> {
        match &self.backend {
            Backend::Files(dir) => file::list(Arc::clone(dir), before).boxed(),
            Backend::Objects(bucket) => bucket.list(before).boxed(),
        }
    }

    /// Removes what crashed writers left unfinished and untouched since `before`; says how many.
    /// (In a bucket, unfinished uploads are for its lifecycle rule.)
    pub async fn remove_unfinished(&self, before: Timestamp) -> Result<u64, BlobError> {
        match &self.backend {
            Backend::Files(dir) => {
                let dir = Arc::clone(dir);
                blocking(move || dir.remove_unfinished(before)).await
            }
            Backend::Objects(_) => Ok(0),
        }
    }
}

/// `0193/a7/<uuid>`.
pub(crate) fn name_of(id: BlobId) -> String {
    let text = id.to_string();
    format!("{}/{}/{text}", &text[..4], &text[4..6])
}

/// Runs disk work away from the asynchronous workers.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(BlobError::Stopped))
}
