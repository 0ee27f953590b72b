//! The end of evidence: journal entries older than `entity.retention.evidence` lose their bytes, clear values,
//! evidence and seals; their leaf hashes stay in the log, and a tombstone says which.

use super::{Housekeeping, HousekeepingError};
use sealpost_evidence::{Detail, Event, EventName, render};
use sealpost_store::StoreError;
use sealpost_store::log::Ranges;

/// Prunes what is due in every organisation; answers how many entries.
pub async fn prune(keeper: &Housekeeping) -> Result<u64, HousekeepingError> {
    let gateway = &keeper.gateway;
    let now = gateway.clock.now();
    let mut pruned = 0;
    for organisation in &gateway.organisations {
        let kept = organisation.settings.retention.evidence.signed();
        let before = now.saturating_sub(kept).unwrap_or(jiff::Timestamp::MIN);
        loop {
            let (issuer, entity) = (organisation.issuer.clone(), organisation.id);
            let tombstone = move |ranges: &Ranges| {
                let detail = Detail::new().text("cause", "evidence retention").list("pruned", ranges.words());
                let event = Event::new(EventName::ContentDestroyed, entity, now).detail(detail);
                render(&issuer, event, None).map_err(|e| StoreError::damaged("tombstone", e))
            };
            let done = gateway.store.prune(entity, before, tombstone).await?;
            pruned += done.entries;
            if !done.more {
                break;
            }
            keeper.hold().await?;
        }
    }
    if pruned > 0 {
        gateway.bells.seal.notify_one();
    }
    Ok(pruned)
}
