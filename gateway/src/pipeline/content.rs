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
        let id = self.deposit.row.id;
        let body = self.store.part_body(id, n).await?.ok_or(ContentError::Destroyed)?;
        Ok(self.store.read_body(&self.key, &Place::body(id, n), &body, stored_len, 0..stored_len)?)
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
