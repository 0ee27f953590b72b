//! Seal and time: evidence gets its CAdES-T, entries their place in the log, the log its checkpoint.
//!
//! **Job.** One background task: while there is traffic it seals all waiting evidence ([`organisation`]), sequences all
//! waiting entries, signs one checkpoint over them and has it stamped, at most every [`PACE`]. Any number of nodes
//! may run it: sealing is write-once, sequencing is claimed through the store.
//!
//! **Standards.** ETSI EN 319 122-1 §6 (B-T), RFC 3161, RFC 6962, C2SP tlog-checkpoint.
//!
//! **Failure.** What failed stays waiting and is tried again; deposits go on meanwhile, and `proof export`
//! says what is still missing. An organisation whose key fails waits alone.

pub mod organisation;

use crate::gateway::Gateway;
use sealpost_certs::{SignError, Signer, cms};
use sealpost_envelope::Sha256Digest;
use sealpost_envelope::failpoint;
use sealpost_evidence::checkpoint::{Checkpoint, LogKey, NoteError, SignedCheckpoint};
use sealpost_store::log::SEQUENCER;
use sealpost_store::{Fence, LogHead, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Time between two rounds while there is traffic; a round's checkpoint covers all that came before, and the
/// next one is stamped within a second.
const PACE: Duration = Duration::from_millis(700);
/// What comes after a pause waits only this long, for others that come with it.
const GATHER: Duration = Duration::from_millis(30);
/// Without a bell the task looks by itself: other processes ring none.
const LOOK: Duration = Duration::from_secs(2);
/// How long a node stays the sequencer without renewing.
const LEASE: Duration = Duration::from_secs(15);
/// Checkpoints stamped in one go.
const BATCH: u32 = 512;
/// How long a round waits for seals before it goes on without them.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why a round failed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key failed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// A key could not be opened.
    #[error("the key cannot be opened: {0}")]
    NoKey(String),
    /// The checkpoint could not be written.
    #[error(transparent)]
    Note(#[from] NoteError),
}

/// Runs until `shutdown`; the last round finishes.
pub async fn run(gateway: Arc<Gateway>, holder: String, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        let begun = Instant::now();
        if let Err(error) = round(&gateway, &holder).await {
            tracing::error!(%error, "sealing failed, trying again");
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = gateway.bells.seal.notified() => {
                let next = (begun + PACE).max(Instant::now() + GATHER);
                shutdown.run_until_cancelled(tokio::time::sleep_until(next)).await;
            }
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    if let Err(error) = round(&gateway, &holder).await {
        tracing::warn!(%error, "the last round of sealing failed; the next start completes it");
    }
    if let Ok(Some(fence)) = gateway.store.claim(SEQUENCER, &holder, LEASE).await
        && let Err(error) = gateway.store.release(SEQUENCER, &holder, fence).await
    {
        tracing::debug!(%error, "the sequencer's claim lapses by itself");
    }
}

/// Seals, sequences and stamps everything that waits.
pub async fn round(gateway: &Arc<Gateway>, holder: &str) -> Result<(), SealError> {
    seal_evidence(gateway).await?;
    let Some(fence) = gateway.store.claim(SEQUENCER, holder, LEASE).await? else { return Ok(()) };
    let head = loop {
        let done = gateway.store.sequence_batch(fence).await?;
        if !done.more {
            break done.head;
        }
    };
    failpoint!(LogSequenced).map_err(StoreError::from)?;
    // Whoever shows senders what has happened need not wait for the stamp.
    gateway.bells.folders.notify_one();
    publish(gateway, fence, head).await?;
    stamp(gateway).await
}

/// CAdES-T over each evidence without one, by its organisation's seal; each organisation in a task of its own, so
/// that one which fails or takes its time keeps nobody waiting.
async fn seal_evidence(gateway: &Arc<Gateway>) -> Result<(), SealError> {
    let mut tasks = Vec::new();
    for entity in gateway.store.waiting_for_seals().await? {
        match gateway.organisation(entity) {
            Some(found) => {
                tasks.push(tokio::spawn(organisation::all_waiting(gateway.clone(), found.clone())));
            }
            // The organisation left the configuration: the evidence waits until it is back.
            None => tracing::error!(%entity, "evidence of an organisation that is not configured"),
        }
    }
    if tokio::time::timeout(PATIENCE, futures_util::future::join_all(tasks)).await.is_err() {
        tracing::debug!("some seals are still being made; the log goes on");
    }
    Ok(())
}

/// A detached CAdES-T by `signer`, stamped by the embedded authority.
pub fn cades_t(gateway: &Gateway, signer: &dyn Signer, digest: &Sha256Digest) -> Result<Vec<u8>, SignError> {
    let signature = cms::sign(signer, digest, gateway.clock.now(), cms::Use::Seal)?;
    let token = gateway.time.stamp(&signature.imprint())?;
    Ok(signature.with_timestamp(&token))
}

/// Signs a checkpoint over the head, unless one of that size exists.
async fn publish(gateway: &Gateway, fence: Fence, head: LogHead) -> Result<(), SealError> {
    if head.size == 0 || gateway.store.latest_checkpoint().await?.is_some_and(|c| c.size >= head.size) {
        return Ok(());
    }
    let journal = &gateway.credentials.journal;
    let key = LogKey::new(gateway.log_origin(), journal.key().public_key())?;
    let checkpoint = Checkpoint { origin: key.name().to_owned(), size: head.size, root: head.root };
    let note: SignedCheckpoint = checkpoint.sign(&key, |text| journal.sign(text))?;
    failpoint!(CheckpointSigned).map_err(StoreError::from)?;
    gateway.store.store_checkpoint(fence, head.size, head.root, note.as_bytes().to_vec()).await?;
    Ok(failpoint!(CheckpointStored).map_err(StoreError::from)?)
}

/// Stamps checkpoints and has the journal's certificate vouch for the log's key.
async fn stamp(gateway: &Gateway) -> Result<(), SealError> {
    for bare in gateway.store.bare_checkpoints(BATCH).await? {
        let digest = Sha256Digest::of(&bare.note);
        let token = gateway.time.stamp(&digest)?;
        let p7s = cades_t(gateway, &*gateway.credentials.journal, &digest)?;
        gateway.store.stamp_checkpoint(bare.size, token, Some(p7s)).await?;
        failpoint!(CheckpointStamped).map_err(StoreError::from)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
