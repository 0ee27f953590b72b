//! What became of a consignment's mail: its state, its event and what follows, in one transaction.
//!
//! **Job.** Settles the queue's row, marks the consignment sent or failed, writes the evidence of it, and queues the
//! receipt that the sender gets.
//!
//! **Exposure.** The remote server's words, which are commitments in the journal: they often name people.
//!
//! **Standards.** EN 319 522-1 F.1 and F.2 (relay to a system that is no ERDS), C.1 and C.2 (notification).
//!
//! **Failure.** Nothing is settled without its event; the relay asks again until both are written.

use super::carry::Carried;
use super::content::{ContentError, OpenDeposit};
use super::handover::Handover;
use super::spec::Spec;
use super::{facts, notifications};
use sealpost_envelope::{DepositId, RecipientNo, Reference, Treatment};
use sealpost_evidence::{Actor, BuiltEvent, Detail, Event, EventName, Reason, render};
use sealpost_relay::{Decision, Report};
use sealpost_store::queue::{Outbound, State, insert_all, settle};
use sealpost_store::{Change, StoreError};

impl Handover {
    pub(super) async fn consignment_outcome(
        &self,
        item: &Outbound,
        report: &Report,
    ) -> Result<(), StoreError> {
        let (Some(deposit), Some(n)) = (item.deposit, item.recipient) else {
            return self.gateway.queue.settle(item.id, report.settlement(), Vec::new()).await.map(drop);
        };
        let done = matches!(report.decision, Decision::Sent | Decision::Failed);
        let carried = self.gateway.carry.get(deposit);
        let known = carried.as_ref().filter(|_| report.decision == Decision::Sent);
        let (treatment, opened) = match known.and_then(|c| c.treatment(n)) {
            // What is carried has only just been deposited.
            Some(treatment) => (treatment, false),
            None => {
                let consignment = self.gateway.store.consignment(deposit, n).await?;
                if consignment.revoked.is_some() && report.decision != Decision::Sent {
                    // Nobody waits for this mail any more, and its sender knows why.
                    return self
                        .gateway
                        .queue
                        .drop_row(item.id, "withdrawn by the sender", Vec::new())
                        .await
                        .map(drop);
                }
                (consignment.verdict.treatment, consignment.opened.is_some())
            }
        };
        let events = match done {
            true => self.events(item, (deposit, n), (treatment, opened), report, carried.as_deref()).await?,
            false => Vec::new(),
        };
        let outbound = notifications::after(&self.gateway, item, report).await?;
        let (id, settlement) = (item.id, report.settlement());
        let (sent, at, text) = (report.decision == Decision::Sent, report.at, report.text.clone());
        let bell = !outbound.is_empty();
        let change = Change { events, outbound };
        self.gateway
            .store
            .db()
            .write_patiently(async move |tx| {
                if !settle(tx, id, &settlement).await? {
                    return Ok(());
                }
                if !done {
                    return insert_all(tx, &change.outbound).await;
                }
                match sent {
                    true => tx.mark_sent(deposit, n, at, change).await,
                    false => tx.mark_failed(deposit, n, at, text, change).await,
                }
            })
            .await?;
        if bell {
            self.gateway.queue.wake();
        }
        self.gateway.bells.seal.notify_one();
        Ok(())
    }

    /// The event of a final outcome, with its evidence unless the recipient got the bytes as they came.
    async fn events(
        &self,
        item: &Outbound,
        (deposit, n): (DepositId, RecipientNo),
        (treatment, opened): (Treatment, bool),
        report: &Report,
        carried: Option<&Carried>,
    ) -> Result<Vec<BuiltEvent>, StoreError> {
        let Some(organisation) = self.gateway.organisation(item.entity) else { return Ok(Vec::new()) };
        let sent = report.decision == Decision::Sent;
        let again = Spec::read(&item.spec).is_ok_and(|spec| spec.is_subsequent());
        let (name, reason) = match (treatment.has_link(), sent) {
            (true, _) => facts::notification(opened, again, sent),
            (false, true) => (EventName::RelayToNonERDS, Some(Reason::RelayedToNonErds)),
            (false, false) => (EventName::RelayToNonERDSFailure, Some(not_relayed(item, report))),
        };
        let host =
            report.remote.as_ref().map_or(organisation.settings.hostname.as_str(), |r| r.host.as_str());
        let event = Event::new(name, item.entity, report.at)
            .deposit(deposit)
            .recipient(n)
            .actor(Actor::Remote { host: host.to_owned() })
            .external_system(host)
            .detail(detail(item, report).text("reference", self.reference(deposit).await?.as_str()));
        let event = match reason {
            Some(reason) => event.reason(reason, (!sent).then_some(report.text.as_str())),
            None => event,
        };
        let read;
        let facts = match (treatment, carried) {
            (Treatment::Pass, _) => None,
            (_, Some(carried)) => Some(&carried.facts),
            (_, None) => match OpenDeposit::open(&self.gateway.store, deposit).await {
                Ok(open) => {
                    read = facts::of(&self.gateway.store, &open).await?;
                    Some(&read)
                }
                Err(ContentError::Store(error)) => return Err(error),
                // Without its content a deposit has no facts left to repeat: a journal line remains.
                Err(error) => {
                    tracing::warn!(%error, %deposit, "no facts for the evidence");
                    None
                }
            },
        };
        match render(&organisation.issuer, event, facts) {
            Ok(built) => Ok(vec![built]),
            Err(error) => {
                tracing::error!(%error, "an outcome could not be journaled");
                Err(StoreError::Conflict("an outcome could not be journaled"))
            }
        }
    }

    /// By what people know the deposit.
    pub(super) async fn reference(&self, deposit: DepositId) -> Result<Reference, StoreError> {
        match self.gateway.carry.get(deposit) {
            Some(carried) => Ok(carried.facts.reference.clone()),
            None => Ok(self.gateway.store.read_deposit(deposit).await?.row.reference),
        }
    }
}

/// Why no server outside took the message.
fn not_relayed(item: &Outbound, report: &Report) -> Reason {
    match item.state {
        _ if report.reply.is_some() => Reason::RejectedByExternalSystem,
        // It waited for a person who did not come, or could not be composed: nobody outside was asked.
        State::Held => Reason::RelayNotAllowed,
        _ if item.sha256.is_none() => Reason::Other,
        _ => Reason::ExternalSystemUnreachable,
    }
}

fn detail(item: &Outbound, report: &Report) -> Detail {
    let mut detail = Detail::new()
        .personal("recipient", item.rcpt.as_str())
        .personal("reply", report.text.as_str())
        .int("attempt", report.attempt);
    if let Some(sha256) = item.sha256 {
        detail = detail.sha256("sent_sha256", sha256).int("sent_size", item.size.unwrap_or_default());
    }
    let Some(remote) = &report.remote else { return detail.text("route", "local") };
    detail = detail
        .text("host", remote.host.as_str())
        .maybe("ip", remote.ip.map(|ip| ip.to_string()))
        .int("port", remote.port);
    match &remote.tls {
        None => detail.text("tls", "none"),
        Some(tls) => detail
            .text("tls", tls.version.as_str())
            .text("cipher", tls.cipher.as_str())
            .flag("certificate_verified", tls.verified)
            .text("tls_policy", tls.policy)
            .maybe("certificate_sha256", tls.certificate.map(|c| c.to_hex())),
    }
}
