//! Content on its way out: the message as deposited, rebuilt byte for byte while it streams.
//!
//! **Job.** [`original`] joins the skeleton and the stored parts again. Memory is a few chunks, whatever the
//! message: a task produces, a bounded channel carries, the reader sets the pace.
//!
//! **Failure.** [`ContentError`]; a stream that fails has yielded only right bytes before.

use super::meta::{Meta, MetaError};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use sealpost_envelope::PartNo;
use sealpost_message::{Rebuilder, Reencoder, SkeletonError, Step};
use sealpost_store::blob::{BlobError, BlobStream};
use sealpost_store::content::Place;
use sealpost_store::crypto::CryptoError;
use sealpost_store::keys::{DepositKey, KeyError};
use sealpost_store::{Deposit, Store, StoreError};
use std::ops::Range;
use tokio::sync::mpsc;

/// Why content cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The content was destroyed at the end of its retention.
    #[error("the content was destroyed")]
    Destroyed,
    /// The key store.
    #[error(transparent)]
    Key(KeyError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A blob.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// A sealed piece does not open.
    #[error(transparent)]
    Sealed(#[from] CryptoError),
    /// The skeleton is damaged.
    #[error(transparent)]
    Skeleton(#[from] SkeletonError),
    /// The structure is damaged.
    #[error(transparent)]
    Meta(#[from] MetaError),
    /// A message without a deposit refers to parts of one.
    #[error("the message belongs to no deposit and refers to stored parts")]
    NoDeposit,
    /// Nobody reads any more.
    #[error("the reader has gone")]
    Gone,
}

impl From<KeyError> for ContentError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Destroyed(_) => Self::Destroyed,
            other => Self::Key(other),
        }
    }
}

/// Bytes as they are produced.
pub type ContentStream = BoxStream<'static, Result<Bytes, ContentError>>;

/// A deposit opened for reading.
#[derive(Debug, Clone)]
pub struct OpenDeposit {
    /// As stored.
    pub deposit: std::sync::Arc<Deposit>,
    /// Its key.
    pub key: DepositKey,
    /// What the walk learned.
    pub meta: std::sync::Arc<Meta>,
    store: Store,
}

impl OpenDeposit {
    /// Reads and unwraps what is needed to read a deposit's content.
    pub async fn open(store: &Store, id: sealpost_envelope::DepositId) -> Result<Self, ContentError> {
        let deposit = store.read_deposit(id).await?;
        let key = store.deposit_key(&deposit.row)?;
        let meta = Meta::open(&deposit.row, &key)?;
        Ok(Self { deposit: deposit.into(), key, meta: meta.into(), store: store.clone() })
    }

    /// Of what was just made.
    pub fn from_parts(store: &Store, deposit: Deposit, key: DepositKey, meta: Meta) -> Self {
        Self { deposit: deposit.into(), key, meta: meta.into(), store: store.clone() }
    }

    /// The skeleton's records, as bytes.
    pub fn skeleton(&self) -> Result<BlobStream, ContentError> {
        let body = self.deposit.skeleton.as_ref().ok_or(ContentError::Destroyed)?;
        let (place, len) = (Place::skeleton(self.deposit.row.id), self.meta.skeleton_len);
        Ok(self.store.read_body(&self.key, &place, body, len, 0..len)?)
    }

    /// A stored part's bytes, as stored.
    pub async fn part(&self, n: PartNo, stored_len: u64) -> Result<BlobStream, ContentError> {
        self.part_range(n, stored_len, 0..stored_len).await
    }

    async fn part_range(&self, n: PartNo, len: u64, range: Range<u64>) -> Result<BlobStream, ContentError> {
        let id = self.deposit.row.id;
        let body = self.store.part_body(id, n).await?.ok_or(ContentError::Destroyed)?;
        Ok(self.store.read_body(&self.key, &Place::body(id, n), &body, len, range)?)
    }

    /// The message as deposited.
    pub fn original(&self) -> ContentStream {
        let this = self.clone();
        produce(move |sink| async move {
            let mut rebuilder = Rebuilder::new();
            let mut skeleton = this.skeleton()?;
            while let Some(bytes) = skeleton.next().await {
                rebuilder.push(&bytes?);
                while let Some(step) = rebuilder.next_step()? {
                    match step {
                        Step::Literal(bytes) => sink.send(bytes).await?,
                        Step::Part { encoder, .. } => this.encoded(*encoder, &sink).await?,
                    }
                }
            }
            Ok(rebuilder.finish()?)
        })
    }

    /// A range of the message as deposited; one beyond its end is cut. Parts before the range are not read,
    /// and a part that it begins in is read from about there on.
    pub fn original_range(&self, range: Range<u64>) -> ContentStream {
        let this = self.clone();
        produce(move |sink| async move {
            let mut window = Window { at: 0, range, sink };
            let mut rebuilder = Rebuilder::new();
            let mut skeleton = this.skeleton()?;
            while let Some(bytes) = skeleton.next().await {
                rebuilder.push(&bytes?);
                while let Some(step) = rebuilder.next_step()? {
                    if window.is_over() {
                        return Ok(());
                    }
                    match step {
                        step if window.is_before(step.message_len()) => window.at += step.message_len(),
                        Step::Literal(bytes) => window.send(bytes).await?,
                        Step::Part { encoder, .. } => this.encoded_from(*encoder, &mut window).await?,
                    }
                }
            }
            Ok(rebuilder.finish()?)
        })
    }

    /// Streams what the window shows of a part.
    async fn encoded_from(&self, mut encoder: Reencoder, window: &mut Window) -> Result<(), ContentError> {
        let (n, len) = (encoder.part(), encoder.stored_len());
        let (left_out, place) = encoder.seek(window.range.start.saturating_sub(window.at))?;
        window.at += place;
        let mut stored = self.part_range(n, len, left_out..len).await?;
        while let Some(bytes) = stored.next().await {
            let bytes = bytes?;
            let mut out = Vec::with_capacity(bytes.len() / 3 * 4 + 4096);
            encoder.push(&bytes, &mut out)?;
            window.send(out.into()).await?;
            if window.is_over() {
                return Ok(());
            }
        }
        let mut out = Vec::new();
        encoder.finish(&mut out)?;
        window.send(out.into()).await
    }

    /// Streams a part through its encoder.
    pub async fn encoded(&self, mut encoder: Reencoder, sink: &Sink) -> Result<(), ContentError> {
        let mut stored = self.part(encoder.part(), encoder.stored_len()).await?;
        while let Some(bytes) = stored.next().await {
            let bytes = bytes?;
            let mut out = Vec::with_capacity(bytes.len() / 3 * 4 + 4096);
            encoder.push(&bytes, &mut out)?;
            sink.send(out.into()).await?;
        }
        let mut out = Vec::new();
        encoder.finish(&mut out)?;
        sink.send(out.into()).await
    }
}

/// Where a producer puts its bytes.
#[derive(Debug, Clone)]
pub struct Sink(mpsc::Sender<Result<Bytes, ContentError>>);

impl Sink {
    /// Hands bytes to the reader; waits while it is slow.
    pub async fn send(&self, bytes: Bytes) -> Result<(), ContentError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.0.send(Ok(bytes)).await.map_err(|_| ContentError::Gone)
    }
}

/// Lets through what lies in a range.
struct Window {
    /// Place of the next octet.
    at: u64,
    range: Range<u64>,
    sink: Sink,
}

impl Window {
    /// Whether the next `len` octets lie before the range.
    fn is_before(&self, len: u64) -> bool {
        self.at.saturating_add(len) <= self.range.start
    }
    fn is_over(&self) -> bool {
        self.at >= self.range.end
    }
    async fn send(&mut self, bytes: Bytes) -> Result<(), ContentError> {
        let cut = |place: u64| {
            usize::try_from(place.saturating_sub(self.at)).unwrap_or(usize::MAX).min(bytes.len())
        };
        let (from, to) = (cut(self.range.start), cut(self.range.end));
        self.at += bytes.len() as u64;
        self.sink.send(bytes.slice(from..to.max(from))).await
    }
}

/// Pieces on their way between producer and reader.
const AHEAD: usize = 4;

/// Turns a producer into a stream. The producer runs as a task and ends when nobody reads any more.
pub fn produce<F, R>(producer: F) -> ContentStream
where
    F: FnOnce(Sink) -> R,
    R: Future<Output = Result<(), ContentError>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(AHEAD);
    let failure = sender.clone();
    let production = producer(Sink(sender));
    tokio::spawn(async move {
        if let Err(error) = production.await
            && !matches!(error, ContentError::Gone)
        {
            // The reader may have gone meanwhile, and then nobody wants to know.
            let _ = failure.send(Err(error)).await;
        }
    });
    futures_util::stream::unfold(receiver, |mut receiver| async move {
        let item = receiver.recv().await?;
        Some((item, receiver))
    })
    .boxed()
}
