//! Writing: encrypt and store in the background while the next bytes are collected.

use super::file::FileSink;
use super::object::ObjectSink;
use super::{Backend, BlobError, Blobs, blocking};
use crate::crypto::{Batch, ChunkSealer, CryptoError, HEADER};
use crate::keys::DepositKey;
use bytes::Bytes;
use sealpost_envelope::BlobId;
use tokio::task::JoinHandle;

/// Chunks per batch: one batch fills while the one before is sealed and written.
const BATCH_CHUNKS: usize = 4;

/// A blob that is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredBlob {
    /// Its name; with the deposit key it opens.
    pub id: BlobId,
    /// Plaintext octets.
    pub size: u64,
}

/// Takes a blob's bytes as they come. Dropping it before [`BlobWriter::finish`] removes what was written.
#[derive(Debug)]
pub struct BlobWriter {
    id: BlobId,
    batch: Batch,
    stage: Stage,
}

/// What a batch passes through.
struct Pipe {
    id: BlobId,
    sealer: ChunkSealer,
    /// Plaintext octets so far.
    size: u64,
    sink: Sink,
}

impl std::fmt::Debug for Pipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipe").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Where sealed bytes go. A file is made when its first batch is due.
enum Sink {
    NewFile(std::sync::Arc<super::file::Directory>),
    File(FileSink),
    Object(ObjectSink),
}

type Running = JoinHandle<Result<(Box<Pipe>, Batch), BlobError>>;

#[derive(Debug)]
enum Stage {
    Idle(Box<Pipe>, Batch),
    Running(Running),
    Failed,
}

impl BlobWriter {
    pub(super) fn start(blobs: &Blobs, key: &DepositKey) -> Self {
        let id = BlobId::generate();
        let sink = match &blobs.backend {
            Backend::Files(dir) => Sink::NewFile(std::sync::Arc::clone(dir)),
            Backend::Objects(bucket) => Sink::Object(ObjectSink::new(std::sync::Arc::clone(bucket), id)),
        };
        let sealer = ChunkSealer::new(key.blob_key(id));
        let pipe = Box::new(Pipe { id, sealer, size: 0, sink });
        Self { id, batch: Batch::new(BATCH_CHUNKS), stage: Stage::Idle(pipe, Batch::new(BATCH_CHUNKS)) }
    }

    /// The name the blob will have.
    pub fn id(&self) -> BlobId {
        self.id
    }

    /// Takes the next bytes; waits only when storing is slower than they come.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), BlobError> {
        while !bytes.is_empty() {
            if self.batch.is_full() {
                // Only now it is known not to be the last.
                let (pipe, spare) = self.idle().await?;
                let full = std::mem::replace(&mut self.batch, spare);
                self.stage = Stage::Running(tokio::spawn(pipe.pass(full, false)));
            }
            bytes = &bytes[self.batch.push(bytes)..];
        }
        Ok(())
    }

    /// Ends the blob; durable when it returns.
    pub async fn finish(mut self) -> Result<StoredBlob, BlobError> {
        let (pipe, _) = self.idle().await?;
        let last = std::mem::replace(&mut self.batch, Batch::new(1));
        let (pipe, _) = pipe.pass(last, true).await?;
        let Pipe { id, size, sink, .. } = *pipe;
        match sink {
            Sink::File(file) => blocking(move || file.finish()).await?,
            Sink::Object(object) => object.finish().await?,
            Sink::NewFile(_) => return Err(BlobError::Failed(id)),
        }
        Ok(StoredBlob { id, size })
    }

    /// Gives the blob up and waits until it is gone.
    pub async fn abort(mut self) {
        // Dropping the pipe removes what it wrote.
        drop(self.idle().await);
    }

    /// Waits for the batch under way.
    async fn idle(&mut self) -> Result<(Box<Pipe>, Batch), BlobError> {
        match std::mem::replace(&mut self.stage, Stage::Failed) {
            Stage::Idle(pipe, spare) => Ok((pipe, spare)),
            Stage::Running(job) => job.await.unwrap_or(Err(BlobError::Stopped)),
            Stage::Failed => Err(BlobError::Failed(self.id)),
        }
    }
}

impl Pipe {
    /// Seals and stores a batch; gives its memory back.
    async fn pass(self: Box<Self>, batch: Batch, last: bool) -> Result<(Box<Self>, Batch), BlobError> {
        let is_object = matches!(self.sink, Sink::Object(_));
        let (mut pipe, mut batch) = blocking(move || self.work(batch, last)).await?;
        if is_object && let Sink::Object(object) = &mut pipe.sink {
            object.write(Bytes::from(batch.take())).await?;
        }
        batch.clear();
        Ok((pipe, batch))
    }

    /// The blocking half: everything for files, the sealing for objects.
    fn work(mut self: Box<Self>, mut batch: Batch, last: bool) -> Result<(Box<Self>, Batch), BlobError> {
        let first = self.size == 0;
        self.size += batch.plain_len() as u64;
        if let Sink::NewFile(dir) = &self.sink {
            self.sink = Sink::File(FileSink::create(dir, self.id)?);
        }
        let id = self.id;
        let damaged = |cause: CryptoError| BlobError::Damaged { id, cause };
        let sealed = self.sealer.seal(&mut batch, last).map_err(damaged)?;
        match &mut self.sink {
            Sink::File(file) => {
                if first {
                    file.write(&HEADER)?;
                }
                file.write(sealed)?;
            }
            Sink::Object(_) if first => batch.prefix(&HEADER),
            Sink::Object(_) | Sink::NewFile(_) => {}
        }
        Ok((self, batch))
    }
}
