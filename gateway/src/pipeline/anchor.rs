//! Anchoring: the journal's checkpoints get a time from an authority outside.
//!
//! **Job.** One background task on one node: while there is a checkpoint that no authority outside has dated, and
//! the last anchor is older than `timestamp.every`, it asks for a token over the newest one. That token dates every
//! entry below it. What came meanwhile is covered by the next.
//!
//! **Failure.** While every authority fails, everything else goes on; proofs say that their external time is
//! pending, and the next token completes them. Pauses double from two seconds to five minutes.

use crate::gateway::Gateway;
use crate::timeserver::{AskError, External};
use sealpost_envelope::Sha256Digest;
use sealpost_store::{Anchor, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two looks whether there is something to anchor.
const LOOK: Duration = Duration::from_secs(1);
/// The longest pause after failures.
const LONGEST: Duration = Duration::from_secs(300);
/// Who anchors, among several nodes.
const JOB: &str = "anchor";

/// Why nothing was anchored.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Every authority failed.
    #[error(transparent)]
    Ask(#[from] AskError),
}

/// Runs until `shutdown`; returns at once without an external authority.
pub async fn run(gateway: Arc<Gateway>, holder: String, shutdown: CancellationToken) {
    let Some(external) = &gateway.external else { return };
    let mut failures = 0u32;
    loop {
        let pause = match round(&gateway, external, &holder).await {
            Ok(()) => {
                failures = 0;
                LOOK
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                let pause = Duration::from_secs(1 << failures.min(9)).min(LONGEST);
                tracing::error!(%error, pause = pause.as_secs(), "external time is pending");
                pause
            }
        };
        if shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

/// Anchors the newest checkpoint, if it is time to.
pub async fn round(gateway: &Gateway, external: &External, holder: &str) -> Result<(), AnchorError> {
    let store = &gateway.store;
    let Some(checkpoint) = store.latest_stamped().await? else { return Ok(()) };
    let last = store.latest_anchor().await?;
    let now = gateway.clock.now();
    let is_due =
        |last: &Anchor| last.size < checkpoint.size && now.duration_since(last.obtained) >= external.every;
    if last.as_ref().is_some_and(|last| !is_due(last)) {
        return Ok(());
    }
    let lease = external.patience + Duration::from_secs(10);
    let Some(fence) = store.claim(JOB, holder, lease).await? else { return Ok(()) };
    let imprint = Sha256Digest::of(&checkpoint.note);
    let asked = external.ask(&imprint, &*gateway.clock, last.map(|a| a.time)).await;
    store.release(JOB, holder, fence).await?;
    let token = asked?;
    let anchor = Anchor {
        size: checkpoint.size,
        time: token.gen_time(),
        obtained: gateway.clock.now(),
        authority: token.authority().subject(),
        token: token.token().to_vec(),
    };
    tracing::debug!(size = anchor.size, time = %anchor.time, authority = anchor.authority, "anchored");
    store.store_anchor(anchor).await?;
    Ok(())
}
