//! What comes back at a return address: kept as received, understood as far as it proves something, and
//! forwarded to the sender where it is for a person.
//!
//! **Job.** A failure report marks the recipient as not reached and is told to the sender; a delivery report
//! and a read receipt become events; everything else (out of office, challenges, answers) is forwarded to
//! the sender by a row of the queue, in the transaction that keeps it.
//!
//! **Exposure.** Strangers' bytes. A report is a claim of whoever had the mail: it never opens, closes or
//! delivers anything, and its evidence says who claims what. The same bytes twice count once.
//!
//! **Standards.** RFC 3464, RFC 8098, RFC 3834 §4; RFC 5321 §6.3 (loops).
//!
//! **Failure.** Until it is kept the server outside gets `451` and comes again. Loops are impossible: what
//! is forwarded leaves under the null path, carries a mark, and is not forwarded a second time.

use super::super::content::{ContentError, OpenDeposit};
use super::super::handover::receipt_row;
use super::super::intake::Sink;
use super::super::returns::Return;
use super::super::spec::{ReceiptEvent, Spec};
use super::super::{facts, notifications, submission::ours};
use super::reading::{MAX_RAW, Read};
use crate::gateway::{Gateway, Organisation};
use sealpost_envelope::{DepositId, EmailAddress, RecipientNo, Sha256Digest, Timestamp};
use sealpost_evidence::{Actor, BuiltEvent, Detail, Event, EventName, Reason, render};
use sealpost_relay::report::{Action, DeliveryReport, ReadReceipt, Report};
use sealpost_smtp::Reply;
use sealpost_store::content::Place;
use sealpost_store::queue::{NewOutbound, insert_all};
use sealpost_store::{Change, ConsignmentRow, NewReturned, StoreError};
use std::net::IpAddr;
use std::sync::Arc;
use uuid::Uuid;

/// Mark of what we have forwarded.
pub(in super::super) const FORWARDED: &str = "X-Sealpost-Forwarded";

/// Whom something comes back for, found at RCPT.
pub(super) struct Target {
    open: OpenDeposit,
    consignment: ConsignmentRow,
}

impl Target {
    /// Finds it; `None` when its deposit is unknown or its content destroyed.
    pub(super) async fn find(gateway: &Gateway, at: &Return) -> Result<Option<Self>, ContentError> {
        match gateway.store.deposit_by_reference(at.entity, &at.reference).await? {
            Some(deposit) => Self::of(gateway, deposit, at.recipient).await,
            None => Ok(None),
        }
    }

    pub(super) async fn of(
        gateway: &Gateway,
        deposit: DepositId,
        recipient: RecipientNo,
    ) -> Result<Option<Self>, ContentError> {
        let consignment = match gateway.store.consignment(deposit, recipient).await {
            Ok(row) => row,
            Err(StoreError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match OpenDeposit::open(&gateway.store, deposit).await {
            Ok(open) => Ok(Some(Self { open, consignment })),
            Err(ContentError::Destroyed) => Ok(None),
            Err(error) => Err(error),
        }
    }
    /// Whether it is the same recipient of the same deposit.
    pub(super) fn is(&self, other: &Self) -> bool {
        (self.consignment.deposit, self.consignment.n) == (other.consignment.deposit, other.consignment.n)
    }
    /// The recipient's address.
    pub(super) fn address(&self) -> &EmailAddress {
        &self.consignment.address
    }
}

/// A message on its way to be kept for a target.
pub(super) struct Keeping {
    target: Target,
    id: Uuid,
    sink: Sink,
    size: u64,
}

/// What is known of its arrival.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrived {
    /// The reverse path was null.
    pub(super) null_path: bool,
    /// Digest of the bytes as received.
    pub(super) sha256: Sha256Digest,
    /// Who handed it over.
    pub(super) peer: IpAddr,
    /// When.
    pub(super) at: Timestamp,
    /// How it was matched, in the words of the journal.
    pub(super) basis: &'static str,
}

/// What follows from a message.
struct Consequence {
    kind: &'static str,
    events: Vec<BuiltEvent>,
    outbound: Vec<NewOutbound>,
    failure: Option<String>,
}

impl Keeping {
    pub(super) fn begin(target: Target) -> Self {
        Self { target, id: Uuid::now_v7(), sink: Sink::default(), size: 0 }
    }

    /// The next bytes.
    pub(super) async fn write(&mut self, gateway: &Gateway, bytes: &[u8]) -> Result<(), Reply> {
        self.size += bytes.len() as u64;
        let written = self.sink.write(gateway.store.blobs(), &self.target.open.key, bytes).await;
        written.map_err(|error| ours("keeping what came back", &error))
    }

    /// Keeps it, with what follows from it.
    pub(super) async fn finish(
        self,
        gateway: &Arc<Gateway>,
        read: &Read,
        arrived: Arrived,
    ) -> Result<(), Reply> {
        let report = read.about(self.target.address(), arrived.null_path);
        if report == Report::Other && read.raw.is_none() {
            // RFC 3463 §3.4: an answer of this size has a person behind it, who can write to the author.
            let text =
                format!("Answers to this address may have {MAX_RAW} octets; write to the author instead");
            return Err(Reply::new(552, 3, 4, text));
        }
        let fault = |error: &dyn std::fmt::Display| ours("keeping what came back", error);
        let Self { target, id, sink, size } = self;
        let body = sink.finish(&target.open.key, &Place::returned(id)).await.map_err(|e| fault(&e))?;
        let consequence =
            target.consequence(gateway, id, &report, read, arrived).await.map_err(|e| fault(&e))?;
        let (deposit, n) = (target.consignment.deposit, target.consignment.n);
        let kept = NewReturned {
            id,
            entity: target.consignment.entity,
            deposit,
            recipient: n,
            received: arrived.at,
            kind: consequence.kind,
            sha256: arrived.sha256,
            size,
            body,
        };
        let Consequence { kind, events, outbound, failure } = consequence;
        let wrote = gateway
            .store
            .db()
            .write(async move |tx| {
                if !tx.keep_returned(kept).await? {
                    return Ok(false);
                }
                match failure {
                    Some(reason) => {
                        tx.mark_failed(deposit, n, arrived.at, reason, Change { events, outbound }).await?;
                    }
                    None => {
                        insert_all(tx, &outbound).await?;
                        tx.append(events).await?;
                    }
                }
                Ok(true)
            })
            .await
            .map_err(|e| fault(&e))?;
        tracing::info!(%deposit, recipient = n, kind, new = wrote, "something came back");
        gateway.queue.wake();
        gateway.bells.seal.notify_one();
        Ok(())
    }
}

impl Target {
    async fn consequence(
        &self,
        gateway: &Gateway,
        id: Uuid,
        report: &Report,
        read: &Read,
        arrived: Arrived,
    ) -> Result<Consequence, StoreError> {
        let organisation = gateway
            .organisation(self.consignment.entity)
            .ok_or(StoreError::Conflict("the deposit's organisation is not configured"))?;
        let forward = || self.forward(gateway, organisation, id, read);
        Ok(match report {
            Report::Delivery(report) if report.action == Action::Failed => {
                let events = self.delivery_event(gateway, organisation, report, arrived).await?;
                // The sender hears once that a recipient is not reached.
                let outbound = match self.consignment.failed {
                    Some(_) => Vec::new(),
                    None => self.told(gateway, report).await?,
                };
                Consequence { kind: "delivery", events, outbound, failure: Some(words(report)) }
            }
            Report::Delivery(report) => Consequence {
                kind: "delivery",
                events: match report.action {
                    Action::Delivered | Action::Expanded => {
                        self.delivery_event(gateway, organisation, report, arrived).await?
                    }
                    _ => Vec::new(),
                },
                outbound: self.told(gateway, report).await?,
                failure: None,
            },
            Report::Read(receipt) => Consequence {
                kind: "read",
                events: vec![self.read_event(organisation, receipt, arrived)?],
                // One that came to the author's own address is in their mailbox already.
                outbound: if arrived.basis == BY_ADDRESS { forward() } else { Vec::new() },
                failure: None,
            },
            Report::Other => {
                Consequence { kind: "other", events: Vec::new(), outbound: forward(), failure: None }
            }
        })
    }

    async fn told(&self, gateway: &Gateway, report: &DeliveryReport) -> Result<Vec<NewOutbound>, StoreError> {
        notifications::after_report(gateway, &self.open.deposit.row, self.consignment.n, report).await
    }

    /// The row that forwards it, unless it has been forwarded before.
    fn forward(
        &self,
        gateway: &Gateway,
        organisation: &Organisation,
        id: Uuid,
        read: &Read,
    ) -> Vec<NewOutbound> {
        let Some(_) = read.raw.as_ref().filter(|_| !read.forwarded) else { return Vec::new() };
        let (sender, deposit) = (self.open.deposit.row.sender.clone(), self.consignment.deposit);
        let row = receipt_row(sender, organisation.id, deposit, None, ReceiptEvent::Failed, gateway);
        vec![NewOutbound { spec: Spec::Forward { returned: id }.to_json(), ..row }]
    }

    async fn delivery_event(
        &self,
        gateway: &Gateway,
        organisation: &Organisation,
        report: &DeliveryReport,
        arrived: Arrived,
    ) -> Result<Vec<BuiltEvent>, StoreError> {
        let treatment = self.consignment.verdict.treatment;
        let failed = report.action == Action::Failed;
        let (name, reason) = match (failed, treatment.has_link()) {
            (true, true) => facts::notification(self.consignment.opened.is_some(), false, false),
            (true, false) => (EventName::RelayToNonERDSFailure, Some(Reason::RejectedByExternalSystem)),
            (false, _) => (EventName::NotificationDelivered, None),
        };
        let host = report.reporter.clone().unwrap_or_else(|| arrived.peer.to_string());
        let detail = self
            .detail(arrived)
            .text("action", report.action.as_str())
            .text("status", report.status.as_str())
            .personal("diagnostic", report.diagnostic.as_str())
            .maybe("reported_by", report.reporter.clone())
            .flag("standard_report", report.standard);
        let mut event = self.event(name, organisation, host.clone(), arrived).detail(detail);
        if let Some(reason) = reason {
            event = event.reason(reason, Some(words(report).as_str())).external_system(&host);
        }
        let facts = match treatment {
            sealpost_envelope::Treatment::Pass => None,
            _ => Some(facts::of(&gateway.store, &self.open).await?),
        };
        Ok(vec![built(organisation, event, facts.as_ref())?])
    }

    fn read_event(
        &self,
        organisation: &Organisation,
        receipt: &ReadReceipt,
        arrived: Arrived,
    ) -> Result<BuiltEvent, StoreError> {
        let detail = self
            .detail(arrived)
            .text("disposition", receipt.disposition.as_str())
            .flag("by_hand", receipt.by_hand)
            .maybe("program", receipt.program.clone());
        let host = arrived.peer.to_string();
        built(
            organisation,
            self.event(EventName::ReadReceiptReceived, organisation, host, arrived).detail(detail),
            None,
        )
    }

    fn event(&self, name: EventName, organisation: &Organisation, host: String, arrived: Arrived) -> Event {
        Event::new(name, organisation.id, arrived.at)
            .deposit(self.consignment.deposit)
            .recipient(self.consignment.n)
            .actor(Actor::Remote { host })
    }

    /// What every event of something that came back says: a claim, by whom, in which bytes.
    fn detail(&self, arrived: Arrived) -> Detail {
        Detail::new()
            .personal("recipient", self.consignment.address.as_str())
            .text("matched_by", arrived.basis)
            .text("handed_over_by", arrived.peer.to_string().as_str())
            .sha256("report_sha256", arrived.sha256)
    }
}

/// Matched by the return address, which only who had the mail can know.
pub(super) const BY_ADDRESS: &str = "return address";
/// Matched by the Message-ID in the report, which all recipients know.
pub(super) const BY_MESSAGE_ID: &str = "message-id";

/// The report in one line.
fn words(report: &DeliveryReport) -> String {
    let mut pieces = vec![report.status.as_str(), report.diagnostic.as_str()];
    pieces.retain(|piece| !piece.is_empty());
    let text = pieces.join(" ");
    match &report.reporter {
        Some(reporter) => format!("{text} ({reporter})"),
        None => text,
    }
}

fn built(
    organisation: &Organisation,
    event: Event,
    facts: Option<&sealpost_evidence::DepositFacts>,
) -> Result<BuiltEvent, StoreError> {
    render(&organisation.issuer, event, facts).map_err(|error| {
        tracing::error!(%error, "what came back could not be journaled");
        StoreError::Conflict("what came back could not be journaled")
    })
}
