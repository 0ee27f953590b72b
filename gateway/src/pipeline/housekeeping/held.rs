//! Held mail that nobody released: after `relay.hold_for` it is given up and its sender told:
//! no silent downgrade, no endless wait.

use super::{Housekeeping, HousekeepingError};
use crate::pipeline::handover::Handover;
use futures_util::StreamExt;
use sealpost_relay::{Decision, Delivery, Report};
use sealpost_store::queue::{Filter, State};

/// Gives up what has waited too long; says how many.
pub async fn give_up(keeper: &Housekeeping) -> Result<u64, HousekeepingError> {
    let gateway = &keeper.gateway;
    let (now, patience) = (gateway.clock.now(), gateway.config.relay.hold_for);
    let handover = Handover { gateway: gateway.clone() };
    let mut rows = gateway.queue.list(&Filter { state: Some(State::Held), ..Filter::default() });
    let mut given_up = 0;
    while let Some(row) = rows.next().await {
        let row = row?;
        // After a restore nobody but a person knows whether it has left: to say that it failed may be untrue.
        let restored = row.last_reply.as_deref() == Some(sealpost_store::backup::HELD);
        // Where a row is held, `next_at` is the time since when.
        if restored || patience.after(row.next_at) > now {
            continue;
        }
        let why = row.last_reply.as_deref().unwrap_or("held");
        let report = Report {
            decision: Decision::Failed,
            remote: None,
            reply: None,
            text: format!("not released in time: {why}"),
            attempt: row.attempts.saturating_add(1),
            at: now,
        };
        match handover.outcome(&row, &report).await {
            Ok(()) => given_up += 1,
            Err(error) => tracing::error!(%error, row = %row.id, "held mail could not be given up"),
        }
    }
    Ok(given_up)
}
