//! `sealpost queue …`: what has not left, and moving it by hand. What a person decides about somebody's mail is
//! journaled, and its sender is told.

use super::{Answer, Unusable, clock, load, store};
use crate::cli::QueueCommand;
use crate::gateway::Gateway;
use crate::pipeline::content::OpenDeposit;
use crate::pipeline::facts;
use crate::pipeline::handover::receipt_row;
use crate::pipeline::spec::{ReceiptEvent, Spec};
use anyhow::{Context, Result};
use futures_util::StreamExt;
use sealpost_envelope::Treatment;
use sealpost_evidence::{Actor, BuiltEvent, Detail, Event, EventName, Reason, render};
use sealpost_store::queue::{Filter, NewOutbound, Outbound, OutboundId, Queue, State, take_out};
use sealpost_store::{Change, ConsignmentRow, StoreError, Tx};
use std::path::Path;
use std::sync::Arc;

/// Runs one of the commands.
pub async fn run(config: &Path, command: QueueCommand, json: bool) -> Result<Answer> {
    let (_, store) = store(config).await?;
    let queue = Queue::new(store.db().clone());
    let moved = match command {
        QueueCommand::List { state } => {
            let state =
                state.map(|s| s.parse()).transpose().map_err(|e| Unusable(format!("--state: {e}")))?;
            let mut rows = queue.list(&Filter { state, ..Filter::default() });
            while let Some(row) = rows.next().await {
                let row = row?;
                // What has left is listed when it is asked for.
                if state.is_some() || !matches!(row.state, State::Sent | State::Dropped) {
                    print(&row, json);
                }
            }
            return Ok(Answer::Done);
        }
        QueueCommand::Retry { id } => match Hand::of(config, &id).await? {
            Some(hand) => hand.retry().await?,
            None => false,
        },
        QueueCommand::Hold { id } => match Hand::of(config, &id).await? {
            Some(hand) => hand.hold().await?,
            None => false,
        },
        QueueCommand::Drop { id } => match Hand::of(config, &id).await? {
            Some(hand) => hand.take_out().await?,
            None => false,
        },
    };
    if !moved {
        eprintln!("nothing was changed: there is no such row, or it has been sent or given up");
        return Ok(Answer::Negative);
    }
    Ok(Answer::Done)
}

const HELD: &str = "held by the administrator";
const DROPPED: &str = "taken back by the administrator";

/// A person's decision about one row.
struct Hand {
    gateway: Arc<Gateway>,
    row: Outbound,
}

impl Hand {
    async fn of(config: &Path, id: &str) -> Result<Option<Self>> {
        let gateway = Gateway::open(load(config)?, clock()).await?;
        match gateway.queue.get(parse(id)?).await {
            Ok(row) => Ok(Some(Self { gateway, row })),
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
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

    async fn retry(&self) -> Result<bool> {
        let queue = &self.gateway.queue;
        match self.consignment().await? {
            Some(consignment) if consignment.verdict.hold.is_some() => {
                let events = vec![self.event(EventName::HoldReleased, &consignment, None).await?];
                let change = Change::events(events);
                Ok(self.gateway.store.release_hold(consignment.deposit, consignment.n, change).await?)
            }
            _ => Ok(queue.retry_now(self.row.id, clock().now()).await?),
        }
    }

    async fn hold(&self) -> Result<bool> {
        if !matches!(self.row.state, State::Compose | State::Ready) {
            return Ok(false);
        }
        let Some(consignment) = self.consignment().await? else {
            return Ok(self.gateway.queue.hold(self.row.id, HELD).await?);
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

    async fn take_out(&self) -> Result<bool> {
        let id = self.row.id;
        let Some(consignment) = self.consignment().await? else {
            return Ok(self.gateway.queue.drop_row(id, DROPPED, Vec::new()).await?);
        };
        let (name, reason) = match consignment.verdict.treatment.has_link() {
            true => (EventName::NotificationForAcceptanceFailure, Reason::NotificationError),
            false => (EventName::RelayToNonERDSFailure, Reason::RelayNotAllowed),
        };
        let change = Change {
            events: vec![self.event(name, &consignment, Some(reason)).await?],
            outbound: self.told(&consignment, ReceiptEvent::Failed).await?,
        };
        let (deposit, n, now) = (consignment.deposit, consignment.n, clock().now());
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
        let user = std::env::var("SUDO_USER").or(std::env::var("USER")).ok();
        let mut event = Event::new(name, self.row.entity, clock().now())
            .deposit(consignment.deposit)
            .recipient(consignment.n)
            .actor(Actor::Operator { user })
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
        Ok(vec![receipt_row(sender, self.row.entity, consignment.deposit, n, event, &self.gateway)])
    }
}

fn parse(id: &str) -> Result<OutboundId, Unusable> {
    id.parse().map_err(|_| Unusable(format!("{id} is no queue id; see `sealpost queue list`")))
}

fn print(row: &Outbound, json: bool) {
    let reply = row.last_reply.as_deref().unwrap_or("");
    if json {
        let deposit = row.deposit.map(|d| d.to_string());
        say!(
            "{}",
            serde_json::json!({
                "id": row.id.to_string(), "state": row.state.as_str(), "rcpt": row.rcpt, "deposit": deposit,
                "recipient": row.recipient, "attempts": row.attempts, "next_at": row.next_at, "created": row.created,
                "size": row.size, "last_reply": reply,
            })
        );
        return;
    }
    say!(
        "{}  {:<8} {:<40} attempts {:<3} next {}  {reply}",
        row.id,
        row.state.as_str(),
        row.rcpt.as_str(),
        row.attempts,
        row.next_at
    );
}
