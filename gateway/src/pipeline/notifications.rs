//! Delivery status notifications for senders who asked for them, and what came back, forwarded to them.
//!
//! **Job.** [`after`] decides what the sender is told after an attempt: the notification that was asked for
//! with `NOTIFY` (RFC 3461), otherwise a receipt in our own words. [`report`] and [`forward`] compose.
//!
//! **Standards.** RFC 3461 §4.1 and §6.2, RFC 3464, RFC 5321 §4.5.5 (nobody reports about a null path).
//!
//! **Failure.** As composition and handover.

use super::composition::{ComposeError, Desk, skeleton};
use super::content::ContentError;
use super::handover::receipt_row;
use super::inbound::FORWARDED;
use super::letters::{Heading, senders_language};
use super::spec::{Asked, ReceiptEvent, Spec, Status};
use crate::gateway::Gateway;
use futures_util::StreamExt;
use jiff::SignedDuration;
use sealpost_envelope::{DepositId, EmailAddress, EntityId, RecipientNo, Timestamp};
use sealpost_message::compose::{self, DsnAction, DsnMail, Recipe};
use sealpost_message::{Record, SkeletonReader};
use sealpost_policy::strip_tags;
use sealpost_relay::report::{Action, DeliveryReport};
use sealpost_relay::{Decision, Report};
use sealpost_store::content::Place;
use sealpost_store::queue::{Filter, NewOutbound, Outbound};
use sealpost_store::{DepositRow, StoreError};
use uuid::Uuid;

/// A delay of this length is worth a notification to whoever asked for one (RFC 5321 §4.5.4.1 speaks of
/// hours).
const DELAY: SignedDuration = SignedDuration::from_hours(4);

/// What the client asked about a row's recipient.
pub fn asked(item: &Outbound) -> Option<Asked> {
    match Spec::read(&item.spec) {
        Ok(Spec::Consignment { dsn, .. }) => dsn,
        _ => None,
    }
}

/// What the client asked about a recipient of a deposit, and whether it wants to hear anything at all.
pub async fn asked_for(
    gateway: &Gateway,
    deposit: DepositId,
    n: RecipientNo,
) -> Result<Option<Asked>, StoreError> {
    let mut rows = gateway.queue.list(&Filter { deposit: Some(deposit), ..Filter::default() });
    while let Some(row) = rows.next().await {
        let row = row?;
        if row.recipient == Some(n)
            && let Some(asked) = asked(&row)
        {
            return Ok(Some(asked));
        }
    }
    Ok(None)
}

/// What the sender is told after a report about a recipient came back.
pub async fn after_report(
    gateway: &Gateway,
    deposit: &DepositRow,
    n: RecipientNo,
    report: &DeliveryReport,
) -> Result<Vec<NewOutbound>, StoreError> {
    let asked = asked_for(gateway, deposit.id, n).await?;
    let notify = asked.as_ref().map(|a| a.notify).unwrap_or_default();
    let action = match report.action {
        _ if notify.never => return Ok(Vec::new()),
        Action::Failed if !notify.failure => {
            let sender = deposit.sender.clone();
            return Ok(vec![receipt_row(
                sender,
                deposit.entity,
                deposit.id,
                Some(n),
                ReceiptEvent::Failed,
                gateway,
            )]);
        }
        Action::Failed => DsnAction::Failed,
        Action::Delivered | Action::Expanded if notify.success => DsnAction::Delivered,
        Action::Relayed if notify.success => DsnAction::Relayed,
        Action::Delayed if notify.delay => DsnAction::Delayed,
        _ => return Ok(Vec::new()),
    };
    let Some(asked) = asked else { return Ok(Vec::new()) };
    let told = Status {
        recipient: n,
        action: action.word().to_owned(),
        status: match report.status.as_str() {
            "" => "5.0.0".to_owned(),
            status => status.to_owned(),
        },
        diagnostic: Some(report.diagnostic.clone()).filter(|d| !d.is_empty()),
        remote: report.reporter.clone(),
        asked,
    };
    Ok(vec![row(gateway, deposit.entity, deposit.id, deposit.sender.clone(), told)])
}

/// What the sender is told after an attempt.
pub async fn after(
    gateway: &Gateway,
    item: &Outbound,
    report: &Report,
) -> Result<Vec<NewOutbound>, StoreError> {
    let (Some(deposit), Some(n), Some(_)) = (item.deposit, item.recipient, &item.envelope_from) else {
        return Ok(Vec::new());
    };
    let asked = asked(item);
    let notify = asked.as_ref().map(|a| a.notify).unwrap_or_default();
    let action = match (&report.decision, &report.remote) {
        _ if notify.never => return Ok(Vec::new()),
        (Decision::Sent, None) if notify.success => DsnAction::Delivered,
        // A server that offers DSN reports itself (RFC 3461 §6.2.4); its report comes to our return address.
        (Decision::Sent, Some(remote)) if notify.success && !remote.dsn => DsnAction::Relayed,
        (Decision::Retry(next), _) if notify.delay && passes_delay(item.created, report.at, *next) => {
            DsnAction::Delayed
        }
        (Decision::Failed, _) => DsnAction::Failed,
        _ => return Ok(Vec::new()),
    };
    let sender = gateway.store.read_deposit(deposit).await?.row.sender;
    if action == DsnAction::Failed && !notify.failure {
        let row = receipt_row(sender, item.entity, deposit, Some(n), ReceiptEvent::Failed, gateway);
        return Ok(vec![row]);
    }
    let Some(asked) = asked else { return Ok(Vec::new()) };
    let told = Status {
        recipient: n,
        action: action.word().to_owned(),
        status: status(action, report),
        diagnostic: report.reply.as_ref().map(|r| r.to_string()),
        remote: report.remote.as_ref().map(|r| r.host.clone()),
        asked,
    };
    Ok(vec![row(gateway, item.entity, deposit, sender, told)])
}

/// The row of a notification.
fn row(
    gateway: &Gateway,
    entity: EntityId,
    deposit: DepositId,
    sender: EmailAddress,
    status: Status,
) -> NewOutbound {
    // Without a recipient: withdrawing the recipient must not take the notification back.
    let row = receipt_row(sender, entity, deposit, None, ReceiptEvent::Failed, gateway);
    NewOutbound { spec: Spec::Report(status).to_json(), ..row }
}

/// Whether the mail becomes late between this attempt and the next: so that it is told once.
fn passes_delay(created: Timestamp, at: Timestamp, next: Timestamp) -> bool {
    let late = created.saturating_add(DELAY).unwrap_or(created);
    at < late && next >= late
}

/// RFC 3463: the remote's own code where it gave one that fits.
fn status(action: DsnAction, report: &Report) -> String {
    let own =
        report.reply.as_ref().and_then(|r| r.enhanced.as_ref()).map(|e| format!("{}.{}.{}", e.0, e.1, e.2));
    let (class, fallback) = match action {
        DsnAction::Delivered | DsnAction::Relayed => ('2', "2.0.0"),
        DsnAction::Delayed => ('4', "4.4.1"),
        DsnAction::Failed => ('5', if report.reply.is_some() { "5.0.0" } else { "5.4.7" }),
    };
    own.filter(|code| code.starts_with(class)).unwrap_or_else(|| fallback.to_owned())
}

/// The notification, as multipart/report.
pub async fn report(desk: &Desk<'_>, status: &Status) -> Result<Recipe, ComposeError> {
    let deposit = &desk.open.deposit.row;
    let consignment = desk.gateway.store.consignment(deposit.id, status.recipient).await?;
    let structure = &desk.open.meta.structure;
    let heading = Heading::new(desk);
    let action = [DsnAction::Delivered, DsnAction::Relayed, DsnAction::Delayed, DsnAction::Failed]
        .into_iter()
        .find(|a| a.word() == status.action)
        .ok_or_else(|| ComposeError::Row(format!("unknown action {:?}", status.action)))?;
    let patience = desk.gateway.config.relay.give_up.duration();
    let subject = strip_tags(&structure.top.subject);
    // RFC 3461 §4.3: RET concerns failures; of what arrived, the header is enough.
    let wants_all = action == DsnAction::Failed && status.asked.ret_full == Some(true);
    let whole = match wants_all {
        true => Some(compose::pass(skeleton(desk.open).await?.into())?),
        false => None,
    };
    Ok(compose::dsn(&DsnMail {
        letter: heading.letter(desk, senders_language(desk)),
        action,
        recipient: &consignment.address,
        original_recipient: status.asked.orcpt.as_deref(),
        envelope_id: status.asked.envid.as_deref(),
        status: &status.status,
        diagnostic: status.diagnostic.as_deref(),
        remote: status.remote.as_deref(),
        reporter: &desk.organisation.settings.hostname,
        arrived: deposit.created,
        until: (action == DsnAction::Delayed)
            .then(|| deposit.created.saturating_add(patience).unwrap_or(deposit.created)),
        subject: &subject,
        message_id: deposit.message_id.as_deref(),
        header: &header(desk).await?,
        whole: whole.as_ref(),
    })?)
}

/// The header block of the deposit.
async fn header(desk: &Desk<'_>) -> Result<Vec<u8>, ComposeError> {
    let skeleton = skeleton(desk.open).await?;
    let mut reader = SkeletonReader::new();
    reader.push(&skeleton);
    while let Some(record) = reader.next_record()? {
        if let Record::Headers { node: 0, bytes } = record {
            return Ok(bytes.to_vec());
        }
    }
    Ok(Vec::new())
}

/// What came back, as it came, under a mark by which it is known if it should come again.
pub async fn forward(desk: &Desk<'_>, id: Uuid) -> Result<Recipe, ComposeError> {
    let store = &desk.gateway.store;
    let kept = store.returned_one(id).await?.ok_or(ContentError::Destroyed)?;
    let place = Place::returned(id);
    let mut bytes = store.read_body(&desk.open.key, &place, &kept.body, kept.size, 0..kept.size)?;
    let deposit = &desk.open.deposit.row;
    let date = desk.gateway.clock.now().strftime("%a, %d %b %Y %H:%M:%S +0000");
    let mut message = format!(
        "Received: by {} id {id};\r\n {date}\r\n{FORWARDED}: {id}\r\nX-Sealpost-Deposit: {}\r\n\
         X-Sealpost-Reference: {}\r\n",
        desk.organisation.settings.hostname, deposit.id, deposit.reference
    )
    .into_bytes();
    while let Some(piece) = bytes.next().await {
        message.extend_from_slice(&piece.map_err(ContentError::from)?);
    }
    Ok(Recipe::of(&message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_told_once() {
        let at = |hours: i64| Timestamp::from_second(1_795_305_600 + hours * 3600).unwrap();
        for (now, next, told) in [(0, 1, false), (1, 5, true), (3, 4, true), (4, 8, false), (5, 9, false)] {
            assert_eq!(passes_delay(at(0), at(now), at(next)), told, "{now} {next}");
        }
    }
}
