//! Blobs as files.
//!
//! A blob is durable after three steps: rename from `.part`, flush of the file, flush of its directory.
//! Renaming first lets one journal commit of the file system cover both flushes; a crash in between leaves
//! an orphan that no row names.

use super::{BlobEntry, BlobError, name_of};
use crate::keys::file::{durable_dir, sync_dir};
use futures_util::{Stream, stream};
use sealpost_envelope::{BlobId, Timestamp, failpoint};
use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinHandle;

/// While a large blob arrives, what came so far is flushed in the background after so many octets, so
/// that the last flush is short.
const FLUSH_EVERY: u64 = 32 * 1024 * 1024;

pub(super) fn io_at(path: &Path) -> impl FnOnce(io::Error) -> BlobError {
    let path = path.to_owned();
    move |source| BlobError::Io { path, source }
}

/// The directory of a blob store.
#[derive(Debug)]
pub(super) struct Directory {
    root: PathBuf,
    /// Directories known to be durable; others are flushed into their parents at first use.
    known: Mutex<HashSet<PathBuf>>,
}

impl Directory {
    pub(super) fn open(root: PathBuf) -> Result<Self, BlobError> {
        durable_dir(&root, 0o700).map_err(io_at(&root))?;
        Ok(Self { root, known: Mutex::default() })
    }

    pub(super) fn path_of(&self, id: BlobId) -> PathBuf {
        self.root.join(name_of(id))
    }

    pub(super) fn delete(&self, id: BlobId) -> Result<(), BlobError> {
        let path = self.path_of(id);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_at(&path)(e)),
            _ => Ok(()),
        }
    }

    /// Makes `root/a/b` and flushes its entries, once per directory and process.
    fn prepare(&self, dir: &Path) -> Result<(), BlobError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(dir) {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io_at(dir))?;
        let middle = dir.parent().unwrap_or(&self.root);
        sync_dir(middle).and_then(|()| sync_dir(&self.root)).map_err(io_at(dir))?;
        known.insert(dir.to_owned());
        Ok(())
    }

    /// Calls `visit` with every file of the store until it answers `false`.
    fn walk(&self, mut visit: impl FnMut(&Path, &str) -> Result<bool, BlobError>) -> Result<(), BlobError> {
        for first in entries(&self.root)? {
            for second in entries(&first)? {
                for path in entries(&second)? {
                    let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
                    if !visit(&path, name)? {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn remove_unfinished(&self, before: Timestamp) -> Result<u64, BlobError> {
        let mut removed = 0;
        self.walk(|path, name| {
            if name.ends_with(".part") && modified(path)?.is_some_and(|(_, at)| at < before) {
                match fs::remove_file(path) {
                    Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io_at(path)(e)),
                    _ => removed += 1,
                }
            }
            Ok(true)
        })?;
        Ok(removed)
    }
}

/// Entries of a directory; none when it is gone or no directory.
fn entries(dir: &Path) -> Result<impl Iterator<Item = PathBuf>, BlobError> {
    let read = match fs::read_dir(dir) {
        Ok(read) => Some(read),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => None,
        Err(e) => return Err(io_at(dir)(e)),
    };
    Ok(read.into_iter().flatten().filter_map(|e| e.ok().map(|e| e.path())))
}

/// Length and time of last change; `None` when it is gone.
fn modified(path: &Path) -> Result<Option<(u64, Timestamp)>, BlobError> {
    match fs::metadata(path) {
        Ok(meta) => {
            let at = meta.modified().map_err(io_at(path))?;
            Ok(Timestamp::try_from(at).ok().map(|at| (meta.len(), at)))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(io_at(path)(e)),
    }
}

/// Walks the store on a thread of its own, held back by its reader.
pub(super) fn list(
    dir: Arc<Directory>,
    before: Timestamp,
) -> impl Stream<Item = Result<BlobEntry, BlobError>> {
    let (found, receiver) = tokio::sync::mpsc::channel(64);
    tokio::task::spawn_blocking(move || {
        let walked = dir.walk(|path, name| {
            let Ok(id) = name.parse::<BlobId>() else { return Ok(true) };
            match modified(path)? {
                Some((stored, modified)) if modified < before => {
                    Ok(found.blocking_send(Ok(BlobEntry { id, stored, modified })).is_ok())
                }
                _ => Ok(true),
            }
        });
        if let Err(e) = walked {
            // The reader may have gone; then nobody wants to know.
            let _ = found.blocking_send(Err(e));
        }
    });
    stream::unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|item| (item, receiver)) })
}

/// A blob under way. Dropped before [`FileSink::finish`], it removes its file.
#[derive(Debug)]
pub(super) struct FileSink {
    file: File,
    path: PathBuf,
    partial: PathBuf,
    unflushed: u64,
    flushing: Option<JoinHandle<io::Result<()>>>,
    done: bool,
}

impl FileSink {
    pub(super) fn create(dir: &Directory, id: BlobId) -> Result<Self, BlobError> {
        let path = dir.path_of(id);
        failpoint!(BlobCreate).map_err(io_at(&path))?;
        dir.prepare(path.parent().unwrap_or(&dir.root))?;
        let partial = path.with_extension("part");
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&partial)
            .map_err(io_at(&partial))?;
        Ok(Self { file, path, partial, unflushed: 0, flushing: None, done: false })
    }

    /// Blocking.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        failpoint!(BlobWrite).and_then(|()| self.file.write_all(bytes)).map_err(io_at(&self.partial))?;
        self.unflushed += bytes.len() as u64;
        if self.unflushed >= FLUSH_EVERY && self.flushing.as_ref().is_none_or(JoinHandle::is_finished) {
            self.flushed()?;
            let file = self.file.try_clone().map_err(io_at(&self.partial))?;
            self.flushing = Some(tokio::task::spawn_blocking(move || file.sync_data()));
            self.unflushed = 0;
        }
        Ok(())
    }

    /// The outcome of the background flush: the kernel reports a failed write-back only once.
    fn flushed(&mut self) -> Result<(), BlobError> {
        match self.flushing.take() {
            Some(handle) => tokio::runtime::Handle::current()
                .block_on(handle)
                .map_err(|_| BlobError::Stopped)?
                .map_err(io_at(&self.partial)),
            None => Ok(()),
        }
    }

    /// Blocking; durable when it returns.
    pub(super) fn finish(mut self) -> Result<(), BlobError> {
        self.flushed()?;
        failpoint!(BlobWritten)
            .and_then(|()| fs::rename(&self.partial, &self.path))
            .map_err(io_at(&self.path))?;
        self.partial.clone_from(&self.path);
        failpoint!(BlobRenamed).and_then(|()| self.file.sync_all()).map_err(io_at(&self.path))?;
        let dir = self.path.parent().unwrap_or(&self.path);
        failpoint!(BlobFlushed).and_then(|()| sync_dir(dir)).map_err(io_at(dir))?;
        failpoint!(BlobDurable).map_err(io_at(&self.path))?;
        self.done = true;
        Ok(())
    }
}

impl Drop for FileSink {
    fn drop(&mut self) {
        if !self.done
            && let Err(e) = fs::remove_file(&self.partial)
            && e.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.partial.display(), error = %e, "an unfinished blob stays behind");
        }
    }
}
