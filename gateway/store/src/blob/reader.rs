//! Reading: ranges of the plaintext, decrypted off the asynchronous workers, one batch ahead.

use super::BlobError;
use super::file::io_at;
use super::object::Bucket;
use crate::crypto::stream::{SEALED_CHUNK, check_header};
use crate::crypto::{ChunkOpener, CipherSpan, CryptoError, HEADER, cipher_range, sealed_len};
use crate::keys::DepositKey;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt};
use sealpost_envelope::BlobId;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Plaintext as it is decrypted, in pieces of at most a chunk.
pub type BlobStream = BoxStream<'static, Result<Bytes, BlobError>>;

/// Chunks per read: one batch is on its way to the client while the next is read and decrypted.
const BATCH_CHUNKS: u64 = 2;

/// What is left to read, and how to open it.
struct Plan {
    id: BlobId,
    opener: ChunkOpener,
    size: u64,
    span: CipherSpan,
}

impl Plan {
    fn new(key: &DepositKey, id: BlobId, size: u64, range: Range<u64>) -> Self {
        Self { id, opener: ChunkOpener::new(key.blob_key(id), size), size, span: cipher_range(size, range) }
    }
    fn damaged(&self) -> impl Fn(CryptoError) -> BlobError + use<> {
        let id = self.id;
        move |cause| BlobError::Damaged { id, cause }
    }
    /// Takes the next batch's stored octets off the span.
    fn next_bytes(&mut self) -> Range<u64> {
        let start = self.span.bytes.start;
        let end = (start + BATCH_CHUNKS * SEALED_CHUNK as u64).min(self.span.bytes.end);
        self.span.bytes.start = end;
        start..end
    }
    /// Decrypts stored chunks in place and cuts the pieces wanted out of them.
    fn open(&mut self, mut sealed: Vec<u8>) -> Result<VecDeque<Bytes>, BlobError> {
        let lengths = self.opener.open(self.span.first_chunk, &mut sealed).map_err(self.damaged())?;
        self.span.first_chunk += lengths.len() as u64;
        let plain = Bytes::from(sealed);
        let mut pieces = VecDeque::with_capacity(lengths.len());
        for (n, len) in lengths.into_iter().enumerate() {
            let skip = self.span.skip.min(len as u64);
            let take = (len as u64 - skip).min(self.span.take);
            self.span.skip -= skip;
            self.span.take -= take;
            if take > 0 {
                let start = n * SEALED_CHUNK + skip as usize;
                pieces.push_back(plain.slice(start..start + take as usize));
            }
        }
        Ok(pieces)
    }
}

/// A file being read: opened and checked by the first batch.
struct FileRead {
    plan: Plan,
    path: PathBuf,
    file: Option<File>,
}

type Ahead = JoinHandle<Result<(FileRead, VecDeque<Bytes>), BlobError>>;

impl FileRead {
    fn batch(mut self) -> Result<(Self, VecDeque<Bytes>), BlobError> {
        let file = match self.file.take() {
            Some(file) => file,
            None => self.open()?,
        };
        let bytes = self.plan.next_bytes();
        let mut sealed = vec![0; (bytes.end - bytes.start) as usize];
        file.read_exact_at(&mut sealed, bytes.start).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => self.plan.damaged()(CryptoError::Damaged),
            _ => io_at(&self.path)(e),
        })?;
        self.file = Some(file);
        let pieces = self.plan.open(sealed)?;
        Ok((self, pieces))
    }

    fn open(&self) -> Result<File, BlobError> {
        let file = File::open(&self.path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => BlobError::NotFound(self.plan.id),
            _ => io_at(&self.path)(e),
        })?;
        let len = file.metadata().map_err(io_at(&self.path))?.len();
        if len != sealed_len(self.plan.size) {
            return Err(self.plan.damaged()(CryptoError::Damaged));
        }
        let mut header = [0u8; HEADER.len()];
        file.read_exact_at(&mut header, 0).map_err(io_at(&self.path))?;
        check_header(&header).map_err(self.plan.damaged())?;
        Ok(file)
    }

    fn ahead(self) -> Ahead {
        tokio::task::spawn_blocking(move || self.batch())
    }
}

pub(super) fn from_file(
    path: PathBuf,
    key: &DepositKey,
    id: BlobId,
    size: u64,
    range: Range<u64>,
) -> BlobStream {
    let read = FileRead { plan: Plan::new(key, id, size, range), path, file: None };
    // Reading begins with the first poll.
    stream::try_unfold((Next::Start(read), VecDeque::new()), |(mut next, mut pieces)| async move {
        loop {
            if let Some(piece) = pieces.pop_front() {
                return Ok(Some((piece, (next, pieces))));
            }
            let ahead = match next {
                Next::Start(read) => read.ahead(),
                Next::Ahead(ahead) => ahead,
                Next::End => return Ok(None),
            };
            let (read, opened) = ahead.await.unwrap_or(Err(BlobError::Stopped))?;
            pieces = opened;
            next = if read.plan.span.bytes.is_empty() { Next::End } else { Next::Ahead(read.ahead()) };
        }
    })
    .boxed()
}

enum Next {
    Start(FileRead),
    Ahead(Ahead),
    End,
}

/// One GET for the whole range; its stream is cut into batches of chunks and decrypted.
pub(super) fn from_bucket(
    bucket: Arc<Bucket>,
    key: &DepositKey,
    id: BlobId,
    size: u64,
    range: Range<u64>,
) -> BlobStream {
    let plan = Plan::new(key, id, size, range);
    stream::once(async move {
        let path = bucket.path_of(id);
        let missing = move |e| match e {
            object_store::Error::NotFound { .. } => BlobError::NotFound(id),
            e => BlobError::Object(e),
        };
        let header = bucket.store.get_range(&path, 0..HEADER.len() as u64).await.map_err(missing)?;
        check_header(&header).map_err(plan.damaged())?;
        if plan.span.bytes.is_empty() {
            return Ok(stream::empty().boxed());
        }
        let wanted =
            GetOptions { range: Some(GetRange::Bounded(plan.span.bytes.clone())), ..GetOptions::default() };
        let found = bucket.store.get_opts(&path, wanted).await.map_err(missing)?;
        if found.meta.size != sealed_len(size) {
            return Err(plan.damaged()(CryptoError::Damaged));
        }
        Ok(opened(plan, found.into_stream()))
    })
    .try_flatten()
    .boxed()
}

/// State of [`opened`].
struct Opening {
    plan: Plan,
    source: BoxStream<'static, object_store::Result<Bytes>>,
    held: BytesMut,
    pieces: VecDeque<Bytes>,
}

fn opened(plan: Plan, source: BoxStream<'static, object_store::Result<Bytes>>) -> BlobStream {
    let start = Opening { plan, source, held: BytesMut::new(), pieces: VecDeque::new() };
    stream::try_unfold(start, |mut s| async move {
        loop {
            if let Some(piece) = s.pieces.pop_front() {
                return Ok(Some((piece, s)));
            }
            let wanted = s.plan.next_bytes();
            if wanted.is_empty() {
                return Ok(None);
            }
            let wanted = (wanted.end - wanted.start) as usize;
            while s.held.len() < wanted {
                match s.source.try_next().await? {
                    Some(bytes) => s.held.extend_from_slice(&bytes),
                    None => return Err(s.plan.damaged()(CryptoError::Damaged)),
                }
            }
            let sealed = s.held.split_to(wanted).to_vec();
            let mut plan = s.plan;
            (s.plan, s.pieces) =
                super::blocking(move || plan.open(sealed).map(|pieces| (plan, pieces))).await?;
        }
    })
    .boxed()
}
