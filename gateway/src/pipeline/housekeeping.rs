//! Housekeeping: the end of a message's life, and of what was needed only for a while.
//!
//! **Job.** One background task. Every minute it records whose access has ended ([`expiry`]), reminds recipients
//! ([`reminder`]) and gives up mail held too long ([`held`]); every hour it
//! destroys content whose week is over ([`destruction`]) and has the door forget old challenges and sessions;
//! once a day it collects blobs that nobody names. While the clock is in doubt ([`clock`]) it does nothing. Any number of nodes may run it: one of them holds the
//! job, and every step may be repeated.
//!
//! **Standards.** EN 319 522-1 C.5 and E.2. Content dies, proof lives.
//!
//! **Failure.** What failed is logged and tried again; a week's key stays as long as anything under it could
//! not be ended.

pub mod clock;
mod destruction;
mod expiry;
mod held;
mod pruning;
mod reminder;
mod stub;

use super::content::ContentError;
use crate::gateway::Gateway;
use jiff::SignedDuration;
use sealpost_envelope::{EntityId, Timestamp};
use sealpost_evidence::EventError;
use sealpost_store::keys::KeyError;
use sealpost_store::mailbox::MailboxError;
use sealpost_store::{EndError, StoreError, access};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Name of the job.
const JOB: &str = "housekeeping";
/// A node that does not come back in this time is taken for dead.
const LEASE: Duration = Duration::from_secs(600);
/// Time between two looks.
const LOOK: Duration = Duration::from_secs(60);
/// Time between two rounds of destruction.
const DESTRUCTION: SignedDuration = SignedDuration::from_hours(1);
/// The collection of orphans walks the whole blob store: one node does it, once in this time.
const ORPHANS: Duration = Duration::from_secs(24 * 3600);
/// Name of that turn.
const ORPHANS_JOB: &str = "orphans";
/// How old a blob without a row must be, and how long the door remembers.
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// A doubtful clock is spoken of again after this long.
const REPEAT: Duration = Duration::from_secs(3600);
/// Rows looked at in one go.
const BATCH: u32 = 200;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum HousekeepingError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Ending content.
    #[error(transparent)]
    End(#[from] EndError),
    /// Reading content for its last evidence.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A folder.
    #[error(transparent)]
    Mailbox(#[from] MailboxError),
    /// The event could not be rendered.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The organisation left the configuration: what needs its name waits until it is back.
    #[error("organisation {0} is not configured")]
    NoOrganisation(EntityId),
    /// An upload.
    #[error(transparent)]
    Upload(#[from] sealpost_store::upload::UploadError),
    /// Another node has taken the job over.
    #[error("another node has taken over")]
    Overtaken,
}

impl HousekeepingError {
    /// Whether the content's key was destroyed before.
    fn is_destroyed(&self) -> bool {
        matches!(self, Self::End(EndError::Key(KeyError::Destroyed(_))))
    }
}

/// One node's share: what it did when.
#[derive(Debug)]
pub struct Housekeeping {
    gateway: Arc<Gateway>,
    holder: String,
    /// End of the pause after the last destruction; `None` before the first.
    pause: Option<Timestamp>,
    /// When a doubtful clock was last spoken of.
    doubted: Option<Instant>,
}

/// Runs until `shutdown`, which interrupts it at any point.
pub async fn run(gateway: Arc<Gateway>, holder: String, shutdown: CancellationToken) {
    let mut keeper = Housekeeping::new(gateway, holder);
    let rounds = async {
        loop {
            keeper.round().await;
            tokio::time::sleep(LOOK).await;
        }
    };
    // Dropped anywhere, a round leaves nothing half done: every unit is a transaction.
    let _: Option<()> = shutdown.run_until_cancelled(rounds).await;
    keeper.release().await;
}

impl Housekeeping {
    /// Ready for the first round.
    pub fn new(gateway: Arc<Gateway>, holder: String) -> Self {
        Self { gateway, holder, pause: None, doubted: None }
    }

    /// Does what is due, if this node has the job. What fails is logged.
    pub async fn round(&mut self) {
        match self.hold().await {
            Ok(()) => {}
            Err(HousekeepingError::Overtaken) => return,
            Err(error) => return tracing::error!(%error, "housekeeping cannot begin"),
        }
        match self.trusts_clock().await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return tracing::error!(%error, "housekeeping cannot look at the clock"),
        }
        told("recording the end of access", expiry::record(self).await);
        told("giving up held mail", held::give_up(self).await);
        told("reminding recipients", reminder::send(self).await);
        let now = self.gateway.clock.now();
        if self.pause.is_some_and(|until| now < until) {
            return;
        }
        let started = self.pause.is_none();
        // Before the keys of a week go: an upload ends with the week under whose key it lies, at the latest.
        let ended = self.gateway.store.sweep_uploads().await;
        told("ending uploads that no deposit took", ended.map_err(Into::into));
        told("destroying content", destruction::destroy(self, started).await);
        let before = now.saturating_sub(DAY).unwrap_or(now);
        let swept = access::sweep(self.gateway.store.db(), before).await;
        told("forgetting old challenges and sessions", swept.map_err(Into::into));
        self.pause = Some(now.saturating_add(DESTRUCTION).unwrap_or(now));
        told("pruning the journal", pruning::prune(self).await);
        told("collecting blobs that nobody names", self.orphans(before, now).await);
    }

    /// Whether the clock may end things; a doubt is said at once, and then every hour.
    async fn trusts_clock(&mut self) -> Result<bool, HousekeepingError> {
        let gateway = &self.gateway;
        let now = gateway.clock.now();
        let Some(doubt) = clock::look(&gateway.store, &gateway.config.timestamp, now).await? else {
            self.doubted = None;
            return Ok(true);
        };
        if self.doubted.is_none_or(|at| at.elapsed() >= REPEAT) {
            tracing::error!("{doubt}");
            self.doubted = Some(Instant::now());
        }
        Ok(false)
    }

    /// Destroys what a restored database brought back, before anything is served.
    pub async fn destroy_again(&self) -> Result<u64, HousekeepingError> {
        self.hold().await?;
        let destroyed = destruction::destroy(self, true).await;
        self.release().await;
        destroyed
    }

    /// Takes the job, or keeps it.
    async fn hold(&self) -> Result<(), HousekeepingError> {
        match self.gateway.store.claim(JOB, &self.holder, LEASE).await? {
            Some(_) => Ok(()),
            None => Err(HousekeepingError::Overtaken),
        }
    }

    async fn release(&self) {
        if let Ok(Some(fence)) = self.gateway.store.claim(JOB, &self.holder, LEASE).await
            && let Err(error) = self.gateway.store.release(JOB, &self.holder, fence).await
        {
            tracing::debug!(%error, "the claim on housekeeping lapses by itself");
        }
    }

    /// Under a name that nobody has a second time, a claim that is never given back is had once a day,
    /// over all nodes and restarts.
    async fn orphans(&self, before: Timestamp, now: Timestamp) -> Result<u64, HousekeepingError> {
        let once = format!("{}/{now}", self.holder);
        if self.gateway.store.claim(ORPHANS_JOB, &once, ORPHANS).await?.is_none() {
            return Ok(0);
        }
        let done = self.gateway.store.remove_orphans(before).await?;
        Ok(done.removed + done.unfinished)
    }
}

fn told(what: &str, done: Result<u64, HousekeepingError>) {
    match done {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "{what}"),
        Err(HousekeepingError::Overtaken) => tracing::debug!("{what}: another node goes on"),
        Err(error) => tracing::error!(%error, "{what}"),
    }
}

#[cfg(test)]
mod tests;
