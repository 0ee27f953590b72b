//! The whole message as deposited, byte for byte: what is offered of a message that its author signed or
//! encrypted, since taking it apart would break the signature or show nothing.
//!
//! **Memory.** One piece of the skeleton and one of a part at a time; a slow client slows the reading.

use crate::content::ContentStream;
use crate::state::WebState;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use sealpost_envelope::DepositId;
use sealpost_message::{Rebuilder, Reencoder, SkeletonError, Step};
use sealpost_store::StoreError;
use sealpost_store::blob::BlobError;
use sealpost_store::content::Place;
use sealpost_store::crypto::CryptoError;
use sealpost_store::keys::DepositKey;
use tokio::sync::mpsc;

/// Why the message could not be rebuilt to its end.
#[derive(Debug, thiserror::Error)]
enum WholeError {
    #[error("the client is gone")]
    Gone,
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    #[error(transparent)]
    Skeleton(#[from] SkeletonError),
}

/// A deposit to rebuild.
pub(crate) struct Whole {
    pub(crate) state: WebState,
    pub(crate) key: DepositKey,
    pub(crate) deposit: DepositId,
    pub(crate) skeleton_len: u64,
}

type Pieces = mpsc::Sender<Result<Bytes, BlobError>>;

impl Whole {
    /// The message's bytes.
    pub(crate) fn stream(self) -> ContentStream {
        let (pieces, received) = mpsc::channel(2);
        tokio::spawn(async move {
            match self.write(&pieces).await {
                Ok(()) | Err(WholeError::Gone) => {}
                Err(error) => {
                    tracing::error!(%error, "a message could not be rebuilt");
                    // The response must break off; the client may be gone already.
                    let _ = pieces.send(Err(BlobError::Stopped)).await;
                }
            }
        });
        stream::unfold(received, |mut r| async move { r.recv().await.map(|piece| (piece, r)) }).boxed()
    }

    async fn write(&self, pieces: &Pieces) -> Result<(), WholeError> {
        let store = &self.state.store;
        let body =
            store.read_deposit(self.deposit).await?.skeleton.ok_or(StoreError::NotFound("skeleton"))?;
        let (place, size) = (Place::skeleton(self.deposit), self.skeleton_len);
        let mut skeleton = store.read_body(&self.key, &place, &body, size, 0..size)?;
        let mut rebuilder = Rebuilder::new();
        while let Some(piece) = skeleton.try_next().await? {
            rebuilder.push(&piece);
            while let Some(step) = rebuilder.next_step()? {
                match step {
                    Step::Literal(bytes) => put(pieces, bytes).await?,
                    Step::Part { encoder, .. } => self.part(*encoder, pieces).await?,
                }
            }
        }
        Ok(rebuilder.finish()?)
    }

    async fn part(&self, mut encoder: Reencoder, pieces: &Pieces) -> Result<(), WholeError> {
        let (n, size) = (encoder.part(), encoder.stored_len());
        let store = &self.state.store;
        let body = store.part_body(self.deposit, n).await?.ok_or(StoreError::NotFound("part"))?;
        let mut stored = store.read_body(&self.key, &Place::body(self.deposit, n), &body, size, 0..size)?;
        while let Some(piece) = stored.try_next().await? {
            let mut out = Vec::with_capacity(piece.len() / 3 * 4 + 4096);
            encoder.push(&piece, &mut out)?;
            put(pieces, out.into()).await?;
        }
        let mut out = Vec::new();
        encoder.finish(&mut out)?;
        put(pieces, out.into()).await
    }
}

async fn put(pieces: &Pieces, bytes: Bytes) -> Result<(), WholeError> {
    if bytes.is_empty() {
        return Ok(());
    }
    pieces.send(Ok(bytes)).await.map_err(|_| WholeError::Gone)
}
