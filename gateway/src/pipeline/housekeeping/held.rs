//! Held mail that nobody released: its sender is reminded, and after `relay.hold_for` it is given up and they are told:
//! no silent downgrade, no endless wait.

use super::{Housekeeping, HousekeepingError};
use crate::gateway::Gateway;
use crate::pipeline::handover::{Handover, receipt_row};
use crate::pipeline::inbound::answers::question;
use crate::pipeline::spec::{ReceiptEvent, Spec};
use futures_util::StreamExt;
use sealpost_envelope::{DepositId, RecipientNo, Timestamp};
use sealpost_relay::{Decision, Delivery, Report};
use sealpost_store::queue::{Filter, Outbound, State, insert_all};
use std::collections::BTreeMap;
use std::time::Duration;

/// Which share of the time is left when the sender is reminded: a quarter of it, twelve hours of two days.
const LAST_PART: u32 = 4;

/// Gives up what has waited too long, and reminds of what soon will have; says how many were given up.
pub async fn give_up(keeper: &Housekeeping) -> Result<u64, HousekeepingError> {
    let gateway = &keeper.gateway;
    let (now, patience) = (gateway.clock.now(), gateway.config.relay.hold_for);
    let last_part = patience.duration() / LAST_PART;
    let handover = Handover { gateway: gateway.clone() };
    let mut rows = gateway.queue.list(&Filter { state: Some(State::Held), ..Filter::default() });
    let (mut given_up, mut waiting) = (0, BTreeMap::<DepositId, Vec<RecipientNo>>::new());
    while let Some(row) = rows.next().await {
        let row = row?;
        // After a restore nobody but a person knows whether it has left: to say that it failed may be untrue.
        let restored = row.last_reply.as_deref() == Some(sealpost_store::backup::HELD);
        if restored {
            continue;
        }
        // Where a row is held, `next_at` is the time since when.
        let end = patience.after(row.next_at);
        if end > now {
            if let (Some(deposit), Some(n)) = (row.deposit, row.recipient)
                && ends_soon(end, last_part, now)
                && waiting.len() < REMINDED
            {
                waiting.entry(deposit).or_default().push(n);
            }
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
    for (deposit, recipients) in waiting {
        remind(gateway, deposit, &recipients).await?;
    }
    Ok(given_up)
}

/// Deposits whose senders are reminded in one round.
const REMINDED: usize = 1000;

fn ends_soon(end: Timestamp, last_part: Duration, now: Timestamp) -> bool {
    end.saturating_sub(last_part).is_ok_and(|from| from <= now)
}

/// Asks again what was asked, once; tells again of what could not be asked.
async fn remind(
    gateway: &Gateway,
    deposit: DepositId,
    waiting: &[RecipientNo],
) -> Result<(), HousekeepingError> {
    let mut rows = gateway.queue.list(&Filter { deposit: Some(deposit), ..Filter::default() });
    let (mut asked, mut reminded) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next().await {
        let row: Outbound = row?;
        match Spec::read(&row.spec) {
            Ok(Spec::Question { again: true, .. } | Spec::Receipt { event: ReceiptEvent::StillHeld }) => {
                return Ok(());
            }
            Ok(Spec::Question { ask, recipients, fr, en, again: false })
                if recipients.iter().any(|n| waiting.contains(n)) =>
            {
                reminded.extend(recipients.iter().copied());
                asked.push(Spec::Question { ask, recipients, fr, en, again: true });
            }
            _ => {}
        }
    }
    let row = gateway.store.read_deposit(deposit).await?.row;
    let sender = (row.id, &row.sender);
    let mut mails: Vec<_> = asked.iter().map(|spec| question(gateway, sender, row.entity, spec)).collect();
    if !waiting.iter().all(|n| reminded.contains(n)) {
        let event = ReceiptEvent::StillHeld;
        mails.push(receipt_row(row.sender.clone(), row.entity, deposit, None, event, gateway));
    }
    gateway.store.db().write(async move |tx| insert_all(tx, &mails).await).await?;
    gateway.queue.wake();
    Ok(())
}
