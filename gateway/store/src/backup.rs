//! Backups, restores, and moves from one engine to the other.
//!
//! **Job.** [`write`] copies the database as one moment shows it, and every blob that it names, into an empty
//! directory, while the gateway runs; never a key. [`restore`] brings that back into an empty installation in
//! one transaction: nothing leaves the queue by itself, browsers are logged out, folders get a new
//! UIDVALIDITY, and a new log begins ([`restart`]). [`migrate`] copies the database alone.
//!
//! **Form.** `manifest.json`; `sealpost.db`, an SQLite file whichever engine serves; `blobs.txt`, one line
//! `sha256 size id` per blob; `blobs/` as in a blob directory. See docs/formats/backup.md.
//!
//! **Exposure.** None. A backup that was changed is refused before anything is written.
//!
//! **Failure modes.** [`BackupError`]. A blob that was destroyed while the backup ran is left out, as its
//! content was to end. A restore that fails leaves no database behind that could be served.

mod blobs;
mod copy;
mod manifest;
mod restart;
mod restore;

pub use manifest::{Count, Manifest};
pub use restart::{OldLog, Restarted};
pub use restore::restore;

use crate::blob::BlobError;
use crate::db::conn::Conn;
use crate::db::{AssertSqlSafe, Target, private_file};
use crate::{Store, StoreConfig, StoreError};
use sealpost_envelope::Timestamp;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Name of the database in a backup.
const DATABASE: &str = "sealpost.db";
/// Name of the list of blobs.
const LIST: &str = "blobs.txt";
/// Name of the description, written last.
const MANIFEST: &str = "manifest.json";
/// What a held row says of itself after a restore, so that nobody takes it for policy's.
pub const HELD: &str = "held by a restore: it may have been sent after the backup was made";

/// Why a backup or a restore failed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The blob store.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// A file of the backup.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Where something is to be written there is something already.
    #[error("{0} is not empty: nothing was changed")]
    NotEmpty(String),
    /// The directory is no backup, or not as it was written.
    #[error("{path}: {why}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// In what way.
        why: String,
    },
    /// A gateway is at work on the database.
    #[error("a gateway is running on it ({0}): stop it first")]
    Running(String),
}

impl BackupError {
    fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
    fn damaged(path: &Path, why: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), why: why.into() }
    }
}

/// Writes a backup of an open store into `dir`, which must be empty or missing.
pub async fn write(
    store: &Store,
    config: &StoreConfig,
    dir: &Path,
    origin: &str,
    now: Timestamp,
) -> Result<Manifest, BackupError> {
    empty_dir(dir)?;
    let file = dir.join(DATABASE);
    let head = store.log_head().await?;
    snapshot(&config.database, &file).await?;
    let database = manifest::digest(&file)?;
    // Blobs are durable before the row that names them, so all that the snapshot names are there; what was
    // destroyed since is named no more.
    let blobs = blobs::export(store, dir).await?;
    let made = Manifest::new(now, store.db().engine(), database, blobs, origin, head);
    made.save(dir)?;
    Ok(made)
}

/// A copy of the database as one moment shows it.
async fn snapshot(url: &str, file: &Path) -> Result<(), BackupError> {
    let target = Target::parse(url)?;
    match &target {
        Target::Sqlite(_) => {
            // VACUUM INTO takes an empty file, and keeps the rights it has.
            private_file(file)?;
            let conn = Conn::open(&target).await?;
            let path = file.to_str().ok_or_else(|| BackupError::damaged(file, "the path is not UTF-8"))?;
            let sql = format!("VACUUM INTO '{}'", path.replace('\'', "''"));
            let vacuumed = tokio::task::spawn_blocking(move || match &conn {
                Conn::Sqlite(c) => c.batch(&sql),
                Conn::Postgres(_) => Err(StoreError::Conflict("not SQLite")),
            });
            vacuumed.await.map_err(|_| StoreError::Closed)??;
        }
        Target::Postgres(_) => {
            let to = format!("sqlite:{}", file.display());
            let mut conn = copy::open_empty(&to).await?;
            conn.batch("BEGIN IMMEDIATE").await?;
            copy::tables(url, &mut conn).await?;
            conn.batch("COMMIT").await?;
            settle(conn).await?;
        }
    }
    File::open(file).and_then(|f| f.sync_all()).map_err(BackupError::io(file))
}

/// Leaves one file: what is in the write-ahead log goes into it.
async fn settle(mut conn: Conn) -> Result<(), StoreError> {
    if matches!(conn, Conn::Sqlite(_)) {
        conn.fetch(AssertSqlSafe("PRAGMA wal_checkpoint(TRUNCATE)".to_owned()), Vec::new(), 1).await?;
        conn.fetch(AssertSqlSafe("PRAGMA journal_mode = DELETE".to_owned()), Vec::new(), 1).await?;
    }
    conn.close().await
}

/// Rows copied, by table.
pub type Copied = Vec<(String, u64)>;

/// Copies the database at `from` into the empty one at `to`, in one transaction. Blobs and keys stay where
/// they are.
pub async fn migrate(from: &str, to: &str, now: Timestamp) -> Result<Copied, BackupError> {
    if let Target::Sqlite(path) = Target::parse(from)?
        && !path.exists()
    {
        return Err(BackupError::damaged(&path, "there is no such database"));
    }
    let mut conn = copy::open_empty(to).await?;
    copy::not_running(from, now).await?;
    conn.batch(copy::begin(&conn)).await?;
    let copied = copy::tables(from, &mut conn).await?;
    conn.batch("COMMIT").await?;
    conn.close().await?;
    Ok(copied)
}

/// Makes the directory, for its owner alone, or refuses one that holds something.
fn empty_dir(dir: &Path) -> Result<(), BackupError> {
    match std::fs::read_dir(dir).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Err(BackupError::NotEmpty(dir.display().to_string())),
        Ok(false) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(BackupError::io(dir))
        }
        Err(e) => Err(BackupError::io(dir)(e)),
    }
}
