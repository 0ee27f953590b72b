//! Moving a row of the queue by hand: by command or from the administrators' page. What a person decides about
//! somebody's mail is journaled, and its sender is told.

use crate::gateway::Gateway;
use crate::pipeline::content::OpenDeposit;
use crate::pipeline::facts;
use crate::pipeline::handover::receipt_row;
use crate::pipeline::spec::{ReceiptEvent, Spec};
use anyhow::{Context, Result};
use sealpost_envelope::{EntityId, Treatment};
use sealpost_evidence::{Actor, BuiltEvent, Detail, Event, EventName, Reason, render};
use sealpost_store::queue::{NewOutbound, Outbound, OutboundId, State, take_out};
use sealpost_store::{Change, ConsignmentRow, StoreError, Tx};

/// The reason that stands at mail which an administrator holds: nobody else lets it go.
pub(crate) const HELD: &str = "held by the administrator";
const DROPPED: &str = "taken back by the administrator";

/// A person's decision about one row.
#[derive(Debug)]
pub struct Hand<'a> {
    gateway: &'a Gateway,
    row: Outbound,
    by: Actor,
}

impl<'a> Hand<'a> {
    /// For one row, in the name of `by`; `None` if there is no such row.
    pub async fn of(gateway: &'a Gateway, id: OutboundId, by: Actor) -> Result<Option<Self>> {
        match gateway.queue.get(id).await {
            Ok(row) => Ok(Some(Self { gateway, row, by })),
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whose mail it is.
    pub fn entity(&self) -> EntityId {
        self.row.entity
    }

    /// The consignment whose mail the row is; notices and codes belong to none.
    async fn consignment(&self) -> Result<Option<ConsignmentRow>> {
        let spec = Spec::read(&self.row.spec)?;
        match (spec, self.row.deposit, self.row.recipient) {
            (Spec::Consignment { .. } | Spec::Resend { .. }, Some(deposit), Some(n)) => {
                Ok(Some(self.gateway.store.consignment(deposit, n).await?))
            }
            _ => Ok(None),
        }
    }

    /// Sends now; what was held is released. `false` when it has left or was given up, here and below.
    pub async fn retry(&self) -> Result<bool> {
        let queue = &self.gateway.queue;
        match self.consignment().await? {
            Some(consignment) if consignment.verdict.hold.is_some() => {
                let events = vec![self.event(EventName::HoldReleased, &consignment, None).await?];
                let change = Change::events(events);
                Ok(self.gateway.store.release_hold(consignment.deposit, consignment.n, change).await?)
            }
            _ => Ok(queue.retry_now(self.row.id, self.gateway.clock.now()).await?),
        }
    }

    /// Holds it.
    pub async fn hold(&self) -> Result<bool> {
        if !matches!(self.row.state, State::Compose | State::Ready) {
            return Ok(false);
        }
        let Some(consignment) = self.consignment().await? else {
            return Ok(self.gateway.queue.hold(self.row.id, HELD, self.gateway.clock.now()).await?);
        };
        let events = vec![self.event(EventName::HoldPlaced, &consignment, None).await?];
        let outbound = self.told(&consignment, ReceiptEvent::Held).await?;
        let (deposit, n) = (consignment.deposit, consignment.n);
        match self.gateway.store.hold(deposit, n, HELD.to_owned(), Change { events, outbound }).await {
            Ok(()) => Ok(true),
            Err(StoreError::Conflict(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes it out.
    pub async fn take_out(&self) -> Result<bool> {
        let id = self.row.id;
        let Some(consignment) = self.consignment().await? else {
            return Ok(self.gateway.queue.drop_row(id, DROPPED, Vec::new()).await?);
        };
        let (name, reason) = match consignment.verdict.treatment.has_link() {
            true => facts::notification(consignment.opened.is_some(), false, false),
            false => (EventName::RelayToNonERDSFailure, Some(Reason::RelayNotAllowed)),
        };
        let change = Change {
            events: vec![self.event(name, &consignment, reason).await?],
            outbound: self.told(&consignment, ReceiptEvent::Failed).await?,
        };
        let (deposit, n, now) = (consignment.deposit, consignment.n, self.gateway.clock.now());
        let unit = async move |tx: &mut Tx| {
            if !take_out(tx, id, DROPPED).await? {
                return Ok(false);
            }
            tx.mark_failed(deposit, n, now, DROPPED.to_owned(), change).await?;
            Ok(true)
        };
        Ok(self.gateway.store.db().write(unit).await?)
    }

    async fn event(
        &self,
        name: EventName,
        consignment: &ConsignmentRow,
        reason: Option<Reason>,
    ) -> Result<BuiltEvent> {
        let organisation =
            self.gateway.organisation(self.row.entity).context("the organisation is not configured")?;
        let mut event = Event::new(name, self.row.entity, self.gateway.clock.now())
            .deposit(consignment.deposit)
            .recipient(consignment.n)
            .actor(self.by.clone())
            .detail(
                Detail::new()
                    .personal("recipient", self.row.rcpt.as_str())
                    .text("queue", self.row.id.to_string()),
            );
        if let Some(reason) = reason {
            event = event.reason(reason, Some(DROPPED)).external_system(&organisation.settings.hostname);
        }
        let facts = match name.is_etsi() && consignment.verdict.treatment != Treatment::Pass {
            true => {
                let open = OpenDeposit::open(&self.gateway.store, consignment.deposit).await?;
                Some(facts::of(&self.gateway.store, &open).await?)
            }
            false => None,
        };
        Ok(render(&organisation.issuer, event, facts.as_ref())?)
    }

    /// The mail that tells the sender.
    async fn told(&self, consignment: &ConsignmentRow, event: ReceiptEvent) -> Result<Vec<NewOutbound>> {
        let sender = self.gateway.store.read_deposit(consignment.deposit).await?.row.sender;
        // Held mail keeps its recipient's rows back: what tells of it belongs to none.
        let n = (event == ReceiptEvent::Failed).then_some(consignment.n);
        Ok(vec![receipt_row(sender, self.row.entity, consignment.deposit, n, event, self.gateway)])
    }
}
