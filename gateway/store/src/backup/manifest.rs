//! What a backup says of itself.

use super::{BackupError, MANIFEST};
use crate::{Engine, LogHead};
use sealpost_envelope::{Sha256Digest, Timestamp, hex};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

/// The one form this program writes and reads.
const FORMAT: &str = "sealpost-backup-1";
/// A manifest has under one kilobyte.
const MAX: u64 = 64 * 1024;

/// A file, or many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// Files.
    pub count: u64,
    /// Their octets.
    pub octets: u64,
    /// Of the file; of the list, where there are many.
    pub sha256: String,
}

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: String,
    /// When the backup began.
    pub made: Timestamp,
    /// Version of the program that made it.
    pub version: String,
    /// Engine that served: `sqlite` or `postgres`. The copy is SQLite's in both cases.
    pub engine: String,
    /// The copy of the database.
    pub database: Count,
    /// The blobs.
    pub blobs: Count,
    /// Name of the log.
    pub log: String,
    /// Entries in it, at least.
    pub log_size: u64,
    /// Root over them.
    pub log_root: String,
}

impl Manifest {
    pub(super) fn new(
        made: Timestamp,
        engine: Engine,
        database: Count,
        blobs: Count,
        log: &str,
        head: LogHead,
    ) -> Self {
        Self {
            format: FORMAT.to_owned(),
            made,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            engine: match engine {
                Engine::Sqlite => "sqlite".to_owned(),
                Engine::Postgres => "postgres".to_owned(),
            },
            database,
            blobs,
            log: log.to_owned(),
            log_size: head.size,
            log_root: hex::encode(&head.root),
        }
    }

    /// Writes it last: a directory without it is no backup.
    pub(super) fn save(&self, dir: &Path) -> Result<(), BackupError> {
        let path = dir.join(MANIFEST);
        let text = serde_json::to_vec_pretty(self).expect("a manifest is plain data");
        let write = || -> std::io::Result<()> {
            let mut file = File::create_new(&path)?;
            file.write_all(&text)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            crate::keys::file::sync_dir(dir)
        };
        write().map_err(BackupError::io(&path))
    }

    /// Reads it.
    pub fn load(dir: &Path) -> Result<Self, BackupError> {
        let path = dir.join(MANIFEST);
        let mut text = String::new();
        let read = File::open(&path).and_then(|f| f.take(MAX).read_to_string(&mut text));
        read.map_err(BackupError::io(&path))?;
        let manifest: Self =
            serde_json::from_str(&text).map_err(|e| BackupError::damaged(&path, e.to_string()))?;
        if manifest.format != FORMAT {
            let why = format!("its format {:?} is not known; {FORMAT} is", manifest.format);
            return Err(BackupError::damaged(&path, why));
        }
        Ok(manifest)
    }
}

/// Length and digest of a file.
pub(super) fn digest(path: &Path) -> Result<Count, BackupError> {
    let read = || -> std::io::Result<Count> {
        let mut file = File::open(path)?;
        let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        let mut buffer = vec![0; 128 * 1024];
        let mut octets = 0;
        loop {
            let n = file.read(&mut buffer)?;
            if n == 0 {
                break;
            }
            octets += n as u64;
            context.update(&buffer[..n]);
        }
        let sum: [u8; 32] = context.finish().as_ref().try_into().expect("SHA-256 has 32 octets");
        Ok(Count { count: 1, octets, sha256: Sha256Digest(sum).to_hex() })
    };
    read().map_err(BackupError::io(path))
}
