//! The seals of one organisation, apart from everybody else's.
//!
//! **Job.** [`Sealing`] holds an organisation's key: opened when the gateway starts, or, where it was not there then,
//! as soon as it is. [`all_waiting`] seals what waits, oldest first.
//!
//! **Failure.** A key that fails makes its own evidence wait and nothing else. It is tried again after a second, then
//! after ever longer pauses up to [`LONGEST`]; once it works, everything is made up for. Meanwhile log, health page
//! and `check` say so. A token that does not answer at all holds a thread of its own and nobody's turn.

use super::{SealError, cades_t};
use crate::config::{Entity, KeySource};
use crate::credentials::Credentials;
use crate::gateway::{Gateway, Organisation};
use jiff::Timestamp;
use sealpost_certs::{SignError, Signer};
use sealpost_envelope::{EntryId, Sha256Digest, failpoint};
use sealpost_store::{PendingEvidence, StoreError};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Evidence sealed in one go.
const BATCH: u32 = 512;
/// The same where each seal is asked of a device.
const TOKEN_BATCH: u32 = 64;
/// The longest pause between two tries.
const LONGEST: Duration = Duration::from_secs(30);

/// An organisation's sealing key and how it fares.
#[derive(Debug, Default)]
pub struct Sealing {
    key: OnceLock<Arc<dyn Signer>>,
    /// Held by whoever seals for the organisation.
    turn: tokio::sync::Mutex<()>,
    trouble: Mutex<Option<Trouble>>,
}

/// Why evidence waits.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// Since when.
    pub since: Timestamp,
    /// What the last try said.
    pub why: String,
    tries: u32,
    next: Instant,
}

impl Sealing {
    /// With the key, if it can be opened now; otherwise what is wrong with it, and it is looked for later.
    pub fn open(
        credentials: &Credentials,
        settings: &Entity,
        now: Timestamp,
    ) -> (Self, Option<anyhow::Error>) {
        let sealing = Self::default();
        match credentials.evidence(settings, now) {
            Ok(signer) => (Self { key: OnceLock::from(signer), ..sealing }, None),
            Err(error) => {
                sealing.failed(&format!("{error:#}"), now);
                (sealing, Some(error))
            }
        }
    }

    /// The key, if it was found so far.
    pub fn known(&self) -> Option<&Arc<dyn Signer>> {
        self.key.get()
    }

    /// The key; looked for, where it was not found so far.
    pub fn signer(&self, gateway: &Gateway, settings: &Entity) -> Result<Arc<dyn Signer>, SealError> {
        if let Some(signer) = self.key.get() {
            return Ok(signer.clone());
        }
        let found = gateway.credentials.evidence(settings, gateway.clock.now());
        let found = found.map_err(|error| SealError::NoKey(format!("{error:#}")))?;
        Ok(self.key.get_or_init(|| found).clone())
    }

    /// What is wrong, if anything.
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn failed(&self, why: &str, now: Timestamp) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, tries) = trouble.as_ref().map_or((now, 0), |t| (t.since, t.tries + 1));
        let pause = Duration::from_secs(1 << tries.min(6)).min(LONGEST);
        *trouble = Some(Trouble { since, why: why.to_owned(), tries, next: Instant::now() + pause });
    }

    fn works(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Seals an organisation's evidence, unless somebody is at it or its key rests after a failure. What fails is
/// logged and kept in [`Sealing`].
pub async fn all_waiting(gateway: Arc<Gateway>, organisation: Arc<Organisation>) {
    let sealing = &organisation.sealing;
    let Ok(_turn) = sealing.turn.try_lock() else { return };
    if sealing.trouble().is_some_and(|t| Instant::now() < t.next) {
        return;
    }
    let name = &organisation.settings.name;
    match seal(&gateway, &organisation).await {
        Ok(()) => {
            if let Some(before) = sealing.works() {
                tracing::info!(organisation = name, since = %before.since, "evidence is sealed again");
            }
        }
        Err(error @ (SealError::Sign(_) | SealError::NoKey(_))) => {
            tracing::error!(%error, organisation = name, "evidence waits for its seal");
            sealing.failed(&error.to_string(), gateway.clock.now());
        }
        Err(error) => tracing::error!(%error, organisation = name, "sealing failed, trying again"),
    }
}

async fn seal(gateway: &Arc<Gateway>, organisation: &Organisation) -> Result<(), SealError> {
    let signer = organisation.sealing.signer(gateway, &organisation.settings)?;
    let in_token = matches!(organisation.settings.seal.key, Some(KeySource::Token(_)));
    let batch = if in_token { TOKEN_BATCH } else { BATCH };
    loop {
        let pending = gateway.store.pending_evidence(organisation.id, batch).await?;
        let full = pending.len() == batch as usize;
        let (seals, outcome) = match in_token {
            true => by_device(gateway.clone(), signer.clone(), pending).await,
            false => by_key(gateway, &*signer, &pending).await,
        };
        if !seals.is_empty() {
            failpoint!(SealSigned).map_err(StoreError::from)?;
            gateway.store.store_evidence_seals(organisation.id, seals).await?;
            failpoint!(SealStored).map_err(StoreError::from)?;
        }
        outcome?;
        if !full {
            return Ok(());
        }
    }
}

/// Seals made so far, and how the last one went.
type Made = (Vec<(EntryId, Vec<u8>)>, Result<(), SignError>);

async fn by_key(gateway: &Gateway, signer: &dyn Signer, pending: &[PendingEvidence]) -> Made {
    let mut seals = Vec::with_capacity(pending.len());
    for evidence in pending {
        // Signing is work for the processor alone; sessions that wait have their turn in between.
        tokio::task::yield_now().await;
        match cades_t(gateway, signer, &Sha256Digest::of(&evidence.xml)) {
            Ok(seal) => seals.push((evidence.id, seal)),
            Err(error) => return (seals, Err(error)),
        }
    }
    (seals, Ok(()))
}

async fn by_device(gateway: Arc<Gateway>, signer: Arc<dyn Signer>, pending: Vec<PendingEvidence>) -> Made {
    let work = move || {
        let mut seals = Vec::with_capacity(pending.len());
        for evidence in &pending {
            match cades_t(&gateway, &*signer, &Sha256Digest::of(&evidence.xml)) {
                Ok(seal) => seals.push((evidence.id, seal)),
                Err(error) => return (seals, Err(error)),
            }
        }
        (seals, Ok(()))
    };
    let stopped = |_| (Vec::new(), Err(SignError::Device("the gateway is ending".to_owned())));
    tokio::task::spawn_blocking(work).await.unwrap_or_else(stopped)
}
