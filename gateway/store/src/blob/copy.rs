//! Blobs as they lie, for backups: sealed bytes out of the store and back into it, with their digest.

use super::file::{FileSink, io_at};
use super::object::ObjectSink;
use super::{Backend, BlobError, Blobs, blocking};
use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use futures_util::StreamExt;
use object_store::ObjectStoreExt;
use sealpost_envelope::{BlobId, Sha256Digest, Timestamp};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Octets read at once.
const PIECE: usize = 256 * 1024;

fn finished(context: Context) -> Sha256Digest {
    Sha256Digest(context.finish().as_ref().try_into().expect("SHA-256 has 32 octets"))
}

impl Blobs {
    /// Copies the sealed bytes of a blob into a new file, durable when it returns; their number and digest.
    pub(crate) async fn copy_out(&self, id: BlobId, to: &Path) -> Result<(u64, Sha256Digest), BlobError> {
        let to = to.to_owned();
        match &self.backend {
            Backend::Files(dir) => {
                let from = dir.path_of(id);
                blocking(move || {
                    let mut source = match File::open(&from) {
                        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(BlobError::NotFound(id)),
                        other => other.map_err(io_at(&from))?,
                    };
                    let mut sink = create(&to)?;
                    let (size, digest) =
                        copy(&mut source, |piece| sink.write_all(piece).map_err(io_at(&to)), &from)?;
                    sink.sync_all().map_err(io_at(&to))?;
                    Ok((size, digest))
                })
                .await
            }
            Backend::Objects(bucket) => {
                let found = match bucket.store.get(&bucket.path_of(id)).await {
                    Err(object_store::Error::NotFound { .. }) => return Err(BlobError::NotFound(id)),
                    other => other?,
                };
                let mut pieces = found.into_stream();
                let mut sink = create(&to)?;
                let (mut size, mut context) = (0, Context::new(&SHA256));
                while let Some(piece) = pieces.next().await {
                    let piece = piece?;
                    context.update(&piece);
                    size += piece.len() as u64;
                    sink.write_all(&piece).map_err(io_at(&to))?;
                }
                sink.sync_all().map_err(io_at(&to))?;
                Ok((size, finished(context)))
            }
        }
    }

    /// Stores the sealed bytes of a file as a blob, durable when it returns; their digest.
    pub(crate) async fn copy_in(&self, id: BlobId, from: &Path) -> Result<Sha256Digest, BlobError> {
        let from = from.to_owned();
        match &self.backend {
            Backend::Files(dir) => {
                let dir = Arc::clone(dir);
                blocking(move || {
                    let mut source = File::open(&from).map_err(io_at(&from))?;
                    let mut sink = FileSink::create(&dir, id)?;
                    let (_, digest) = copy(&mut source, |piece| sink.write(piece), &from)?;
                    sink.finish()?;
                    Ok(digest)
                })
                .await
            }
            Backend::Objects(bucket) => {
                let mut source = File::open(&from).map_err(io_at(&from))?;
                let mut sink = ObjectSink::new(Arc::clone(bucket), id);
                let mut context = Context::new(&SHA256);
                loop {
                    let mut piece = vec![0; PIECE];
                    let n = source.read(&mut piece).map_err(io_at(&from))?;
                    if n == 0 {
                        break;
                    }
                    piece.truncate(n);
                    context.update(&piece);
                    sink.write(Bytes::from(piece)).await?;
                }
                sink.finish().await?;
                Ok(finished(context))
            }
        }
    }

    /// Whether the store holds no blob at all.
    pub(crate) async fn is_empty(&self) -> Result<bool, BlobError> {
        self.list(Timestamp::MAX).next().await.transpose().map(|first| first.is_none())
    }
}

fn create(path: &PathBuf) -> Result<File, BlobError> {
    if let Some(dir) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io_at(dir))?;
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io_at(path))
}

fn copy(
    source: &mut File,
    mut put: impl FnMut(&[u8]) -> Result<(), BlobError>,
    from: &Path,
) -> Result<(u64, Sha256Digest), BlobError> {
    let (mut size, mut context) = (0, Context::new(&SHA256));
    let mut buffer = vec![0; PIECE];
    loop {
        let n = source.read(&mut buffer).map_err(io_at(from))?;
        if n == 0 {
            return Ok((size, finished(context)));
        }
        context.update(&buffer[..n]);
        put(&buffer[..n])?;
        size += n as u64;
    }
}
