//! Reminders (`remind` of a rule): recipients who have not opened are told once more, in time.
//!
//! **Failure.** A reminder is settled in the transaction that queues its mail: repeated or simultaneous looks
//! send it once. Who cannot be reminded any more, because they have opened, refused, or lost access, is settled
//! without a mail; so is whoever never got the first one, since the sender knows of that already.

use super::{BATCH, Housekeeping, HousekeepingError};
use crate::gateway::Gateway;
use crate::pipeline::spec::Spec;
use sealpost_envelope::{DepositId, RecipientNo};
use sealpost_store::queue::{NewOutbound, OutboundId, Priority};
use sealpost_store::{Change, ConsignmentRow, ConsignmentState};

/// Queues every reminder that is due; answers how many.
pub async fn send(keeper: &Housekeeping) -> Result<u64, HousekeepingError> {
    let gateway = &keeper.gateway;
    let mut sent = 0;
    loop {
        let due = gateway.store.reminders_due(BATCH).await?;
        let last = due.len() < BATCH as usize;
        for (deposit, n) in due {
            sent += u64::from(remind(gateway, deposit, n).await?);
        }
        if last {
            break;
        }
        keeper.hold().await?;
    }
    if sent > 0 {
        gateway.queue.wake();
    }
    Ok(sent)
}

async fn remind(gateway: &Gateway, deposit: DepositId, n: RecipientNo) -> Result<bool, HousekeepingError> {
    let row = gateway.store.consignment(deposit, n).await?;
    let waits = row.state(gateway.clock.now()) == ConsignmentState::Sent;
    let change = if waits { mail(gateway, &row)? } else { None };
    Ok(gateway.store.remind(deposit, n, change).await?)
}

fn mail(gateway: &Gateway, row: &ConsignmentRow) -> Result<Option<Change>, HousekeepingError> {
    let organisation =
        gateway.organisation(row.entity).ok_or(HousekeepingError::NoOrganisation(row.entity))?;
    let now = gateway.clock.now();
    let mail = NewOutbound {
        id: OutboundId::generate(),
        entity: row.entity,
        deposit: Some(row.deposit),
        recipient: Some(row.n),
        priority: Priority::Mail,
        spec: Spec::Reminder { generation: row.generation }.to_json(),
        envelope_from: Some(organisation.seal_address.clone()),
        rcpt: row.address.clone(),
        next_at: now,
        created: now,
        hold: None,
    };
    Ok(Some(Change { events: Vec::new(), outbound: vec![mail] }))
}
