//! The end of access: who never opened has not accepted in time (C.5); who opened, but took no file while
//! the files were there, was not handed the content (E.2).
//!
//! **Standards.** EN 319 522-1 §6.2 C.5 AcceptanceRejectionExpiry, E.2 ContentHandoverFailure with
//! MessageHandoverTimeout. A later extension lifts the record; what was evidenced stays true of its time.

use super::{BATCH, Housekeeping, HousekeepingError};
use crate::gateway::Gateway;
use crate::pipeline::content::{ContentError, OpenDeposit};
use crate::pipeline::facts;
use jiff::SignedDuration;
use sealpost_envelope::Timestamp;
use sealpost_evidence::{BuiltEvent, Detail, Event, EventName, Reason, render};
use sealpost_message::{Role, Structure};
use sealpost_store::{Change, ConsignmentRow};

/// An answer given in time may still be on its way, and clocks of nodes differ a little.
const SETTLED: SignedDuration = SignedDuration::from_mins(1);
/// A download that began in time may still be running: this long after the end it is left alone.
const RUNNING: SignedDuration = SignedDuration::from_hours(6);

/// Records every end of access that has come; answers how many.
pub async fn record(keeper: &Housekeeping) -> Result<u64, HousekeepingError> {
    let (mut recorded, mut after) = (0, None);
    loop {
        let rows = keeper.gateway.store.expiring(after.as_ref(), BATCH).await?;
        for row in &rows {
            match record_one(&keeper.gateway, row).await {
                Ok(done) => recorded += u64::from(done),
                Err(error) => {
                    tracing::error!(%error, deposit = %row.deposit, recipient = row.n, "end of access");
                }
            }
        }
        after = rows.into_iter().next_back();
        if after.is_none() {
            break;
        }
        keeper.hold().await?;
    }
    if recorded > 0 {
        keeper.gateway.bells.seal.notify_one();
    }
    Ok(recorded)
}

async fn record_one(gateway: &Gateway, row: &ConsignmentRow) -> Result<bool, HousekeepingError> {
    let now = gateway.clock.now();
    let ended = row.verdict.expires.duration_until(now);
    let events = match (row.opened, row.downloaded) {
        // A refusal is an answer in time.
        _ if row.declined.is_some() => None,
        (None, _) if ended < SETTLED => return Ok(false),
        (None, _) => event(gateway, row, now, EventName::AcceptanceRejectionExpiry).await?,
        (Some(_), None) if ended < RUNNING => return Ok(false),
        (Some(_), None) => event(gateway, row, now, EventName::ContentHandoverFailure).await?,
        (Some(_), Some(_)) => None,
    };
    let change = Change::events(events.into_iter().collect());
    Ok(gateway.store.mark_expired(row, now, change).await?)
}

/// The event with its evidence; `None` where opening was all there was to do.
async fn event(
    gateway: &Gateway,
    row: &ConsignmentRow,
    now: Timestamp,
    name: EventName,
) -> Result<Option<BuiltEvent>, HousekeepingError> {
    let organisation =
        gateway.organisation(row.entity).ok_or(HousekeepingError::NoOrganisation(row.entity))?;
    let facts = match OpenDeposit::open(&gateway.store, row.deposit).await {
        Ok(open) if name == EventName::ContentHandoverFailure && !has_files(&open.meta.structure) => {
            return Ok(None);
        }
        Ok(open) => Some(facts::of(&gateway.store, &open).await?),
        // Too late for an evidence: a journal line remains.
        Err(ContentError::Destroyed) => None,
        Err(error) => return Err(error.into()),
    };
    let (reason, why) = match name {
        EventName::ContentHandoverFailure => (Reason::HandoverTimeout, None),
        _ if row.first_sent.is_none() => {
            (Reason::NotAcceptedInTime, Some("the notification could not be handed over"))
        }
        _ => (Reason::NotAcceptedInTime, None),
    };
    let event =
        Event::new(name, row.entity, now).deposit(row.deposit).recipient(row.n).reason(reason, why).detail(
            Detail::new()
                .personal("recipient", row.address.as_str())
                .time("access_ended", row.verdict.expires)
                .int("sendings", row.sendings),
        );
    Ok(Some(render(&organisation.issuer, event, facts.as_ref())?))
}

/// What the door offers as files.
fn has_files(structure: &Structure) -> bool {
    structure.author_signed
        || structure.author_encrypted
        || structure
            .stored()
            .any(|(node, _)| matches!(node.info.role, Role::Attachment | Role::Calendar | Role::VCard))
}
