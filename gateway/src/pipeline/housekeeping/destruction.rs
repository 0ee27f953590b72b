//! Destruction: a week that is over takes its content with it.
//!
//! In this order, each step repeatable: what is to be kept longer moves under a later week's key; each
//! deposit's content is cleared in the transaction that says so; mail of the week leaves the folders; then
//! the week's key goes, its tombstone first. From then on the bytes are noise wherever a backup keeps them.

use super::{BATCH, Housekeeping, HousekeepingError, clock, stub};
use crate::gateway::Gateway;
use jiff::SignedDuration;
use sealpost_envelope::{Timestamp, failpoint};
use sealpost_evidence::{Detail, Event, EventName, render};
use sealpost_store::{EndingDeposit, StoreError};

/// Clocks of nodes differ, and a deposit may be on its way into the week that ends.
const GRACE: SignedDuration = SignedDuration::from_hours(1);

/// Ends every week that is over; answers how many deposits were destroyed. After a `started` node's first
/// look, what a restored backup brought back is gone as well.
pub async fn destroy(keeper: &Housekeeping, started: bool) -> Result<u64, HousekeepingError> {
    let gateway = &keeper.gateway;
    let now = gateway.clock.now();
    let mut destroyed = 0;
    if started {
        for deposit in gateway.store.returned_deposits().await? {
            destroyed += u64::from(clear(gateway, &deposit, Cause::Restored, now).await?);
        }
    }
    // By a clock in doubt no week ends; what ended before and came back needs no clock.
    let weeks = match clock::look(&gateway.store, &gateway.config.timestamp, now).await? {
        None => gateway.store.ended_weeks(now.saturating_sub(GRACE).unwrap_or(now)).await?,
        Some(_) => gateway.store.destroyed_weeks().await?,
    };
    for week in weeks {
        failpoint!(DestructionDue).map_err(StoreError::from)?;
        destroyed += deposits(keeper, &week, now).await?;
        mails(keeper, &week).await?;
        failpoint!(DestructionForget).map_err(StoreError::from)?;
        match gateway.store.forget_week(&week, now).await? {
            true => tracing::info!(%week, "the key of this week was destroyed"),
            false => {
                tracing::error!(%week, "the key of this week stays: content under it could not be ended")
            }
        }
    }
    if destroyed > 0 {
        gateway.bells.seal.notify_one();
    }
    Ok(destroyed)
}

/// Clears or moves every deposit of a week. One that fails stays, and keeps the week's key.
async fn deposits(keeper: &Housekeeping, week: &str, now: Timestamp) -> Result<u64, HousekeepingError> {
    let (mut destroyed, mut after) = (0, None);
    loop {
        let page = keeper.gateway.store.deposits_of_week(week, after, BATCH).await?;
        let Some(last) = page.last() else { return Ok(destroyed) };
        after = Some(last.id);
        for deposit in &page {
            match end(&keeper.gateway, deposit, now).await {
                Ok(done) => destroyed += u64::from(done),
                Err(error) => {
                    tracing::error!(%error, deposit = %deposit.id, "its content could not be ended")
                }
            }
        }
        keeper.hold().await?;
    }
}

async fn end(gateway: &Gateway, deposit: &EndingDeposit, now: Timestamp) -> Result<bool, HousekeepingError> {
    if let Some(until) = deposit.kept_until(now) {
        match gateway.store.move_key(deposit.id, until).await.map_err(HousekeepingError::from) {
            // A restored database: the key that would be moved is gone, and with it the content.
            Err(error) if error.is_destroyed() => {
                return clear(gateway, deposit, Cause::Restored, now).await;
            }
            moved => return moved.map(|_| false),
        }
    }
    clear(gateway, deposit, Cause::Retention, now).await
}

/// Why content ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// The end of its retention.
    Retention,
    /// It had ended before, and came back with a restored database.
    Restored,
}

async fn clear(
    gateway: &Gateway,
    deposit: &EndingDeposit,
    cause: Cause,
    now: Timestamp,
) -> Result<bool, HousekeepingError> {
    // An event of ours has no ETSI evidence and names no issuer: content of an organisation that left the
    // configuration ends as well.
    let organisation = gateway.organisation(deposit.entity).or(gateway.organisations.first());
    let organisation = organisation.ok_or(HousekeepingError::NoOrganisation(deposit.entity))?;
    let word = match cause {
        Cause::Retention => "retention",
        Cause::Restored => "restored",
    };
    let mut detail = Detail::new().text("cause", word).text("key_week", &deposit.week);
    if let Some(retention) = deposit.retention {
        detail = detail.time("retention", retention);
    }
    let event =
        Event::new(EventName::ContentDestroyed, deposit.entity, now).deposit(deposit.id).detail(detail);
    let event = render(&organisation.issuer, event, None)?;
    let done = match cause {
        Cause::Retention => gateway.store.destroy_content(deposit.id, vec![event]).await?,
        Cause::Restored => gateway.store.destroy_returned(deposit.id, vec![event]).await?,
    };
    // The sender's copies had their bytes from it.
    for (folder, uid) in gateway.mailboxes.every_copy(deposit.id).await? {
        stub::leave(gateway, folder, uid).await?;
        gateway.mailboxes.remove(folder, &[uid]).await?;
    }
    Ok(done)
}

/// Removes the mail of a week from all folders; a sender's copy leaves a stub.
async fn mails(keeper: &Housekeeping, week: &str) -> Result<(), HousekeepingError> {
    let mailboxes = &keeper.gateway.mailboxes;
    loop {
        let page = mailboxes.messages_of_week(week).await?;
        let mut removed = 0;
        // In the order of folders, as listed.
        for mails in page.chunk_by(|a, b| a.0 == b.0) {
            let Some((folder, _)) = mails.first() else { continue };
            let uids: Vec<_> = mails.iter().map(|(_, uid)| *uid).collect();
            for uid in &uids {
                stub::leave(&keeper.gateway, *folder, *uid).await?;
            }
            removed += mailboxes.remove(*folder, &uids).await?.len();
        }
        if removed == 0 {
            return Ok(());
        }
        keeper.hold().await?;
    }
}
