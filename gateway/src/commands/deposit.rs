//! `sealpost deposit …`: list, show, resend, revoke, extend, readdress, hold, release; beside a gateway that
//! may be running.

mod life;

use super::{Answer, Unusable, clock, load};
use crate::cli::DepositCommand;
use crate::gateway::Gateway;
use crate::pipeline::content::OpenDeposit;
use crate::pipeline::facts;
use crate::pipeline::spec::Spec;
use anyhow::{Context, Result};
use futures_util::StreamExt;
use sealpost_envelope::{DepositId, EmailAddress, RecipientNo, Timestamp};
use sealpost_evidence::{Actor, BuiltEvent, Detail, Event, EventName, render};
use sealpost_store::keys::{DepositKey, KeyError, token_hash};
use sealpost_store::queue::{NewOutbound, OutboundId, Priority};
use sealpost_store::{Change, ConsignmentRow, ConsignmentState, DepositFilter, DepositRow};
use std::path::Path;
use std::sync::Arc;

/// Runs one of the commands.
pub async fn run(config: &Path, command: DepositCommand, json: bool) -> Result<Answer> {
    let gateway = Gateway::open(load(config)?, clock()).await?;
    let desk = Desk { gateway };
    match command {
        DepositCommand::List { sender, limit } => desk.list(sender, limit, json).await,
        DepositCommand::Show { id } => desk.show(&id, json).await,
        DepositCommand::Resend { id, recipient } => desk.resend(&id, recipient, json).await,
        DepositCommand::Revoke { id, recipient } => desk.revoke(&id, recipient, json).await,
        DepositCommand::Extend { id, until, recipient } => desk.extend(&id, recipient, until, json).await,
        DepositCommand::Readdress { id, recipient, to } => desk.readdress(&id, recipient, &to, json).await,
        DepositCommand::Hold { id, reason } => desk.hold(&id, reason, json).await,
        DepositCommand::Release { id } => desk.release(&id, json).await,
    }
}

struct Desk {
    gateway: Arc<Gateway>,
}

impl Desk {
    async fn find(&self, text: &str) -> Result<DepositRow> {
        let found = self.gateway.store.find_deposit(None, text).await?;
        let id = found
            .ok_or_else(|| Unusable(format!("there is no deposit {text}; see `sealpost deposit list`")))?;
        Ok(self.gateway.store.read_deposit(id).await?.row)
    }

    async fn consignments(&self, id: DepositId, n: Option<RecipientNo>) -> Result<Vec<ConsignmentRow>> {
        let mut all = self.gateway.store.consignments(id).await?;
        if let Some(n) = n {
            all.retain(|c| c.n == n);
            if all.is_empty() {
                return Err(Unusable(format!("the deposit has no recipient {n}")).into());
            }
        }
        Ok(all)
    }

    async fn list(&self, sender: Option<String>, limit: u32, json: bool) -> Result<Answer> {
        let sender = sender.map(|s| s.parse()).transpose().map_err(|e| Unusable(format!("--sender: {e}")))?;
        let filter = DepositFilter { sender, limit: Some(limit), ..DepositFilter::default() };
        let mut rows = self.gateway.store.list_deposits(&filter);
        while let Some(row) = rows.next().await {
            let row = row?;
            match json {
                true => say!("{}", summary(&row)),
                false => {
                    say!("{}  {}  {}  {:>12}  {}", row.reference, row.id, row.created, row.size, row.sender)
                }
            }
        }
        Ok(Answer::Done)
    }

    async fn show(&self, id: &str, json: bool) -> Result<Answer> {
        let row = self.find(id).await?;
        let consignments = self.consignments(row.id, None).await?;
        let entries = self.gateway.store.entries_of_deposit(row.id).await?;
        let now = self.gateway.clock.now();
        if json {
            let mut value = summary(&row);
            let hold = self.gateway.store.legal_hold(row.id).await?;
            value["legal_hold"] = hold.map_or(
                serde_json::Value::Null,
                |h| serde_json::json!({ "since": h.placed, "reason": h.reason }),
            );
            value["recipients"] = consignments.iter().map(|c| consignment(c, now)).collect();
            value["events"] = entries
                .iter()
                .map(|e| {
                    serde_json::json!({
                        "time": e.time, "event": e.event.as_str(), "recipient": e.recipient, "index": e.index,
                    })
                })
                .collect();
            say!("{value}");
            return Ok(Answer::Done);
        }
        say!("{}  {}", row.reference, row.id);
        say!("from {}, {} octets, {}", row.sender, row.size, row.created);
        say!("sha256 {}", row.digests.sha256);
        if let Some(hold) = self.gateway.store.legal_hold(row.id).await? {
            say!("legal hold since {}: {}", hold.placed, hold.reason);
        }
        for c in &consignments {
            let state = word(c.state(now));
            say!("  {}. {:<40} {:<7} {state}", c.n, c.address.as_str(), c.verdict.treatment.as_str());
        }
        for e in &entries {
            let whom = e.recipient.map(|n| format!(" ({n})")).unwrap_or_default();
            say!("  {}  {}{whom}", e.time, e.event);
        }
        Ok(Answer::Done)
    }

    /// The deposit's key; `None`, said to the operator, when it was destroyed.
    fn key(&self, row: &DepositRow) -> Result<Option<DepositKey>> {
        match self.gateway.store.deposit_key(row) {
            Ok(key) => Ok(Some(key)),
            Err(KeyError::Destroyed(_)) => {
                eprintln!("nothing was sent: the content was destroyed at the end of its retention");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A new generation of the link; earlier ones stay valid.
    async fn resend(&self, id: &str, n: Option<RecipientNo>, json: bool) -> Result<Answer> {
        let row = self.find(id).await?;
        let Some(key) = self.key(&row)? else { return Ok(Answer::Negative) };
        let organisation =
            self.gateway.organisation(row.entity).context("the organisation is not configured")?;
        let mut sent = 0;
        for c in self.consignments(row.id, n).await? {
            if c.revoked.is_some() {
                eprintln!("recipient {} was revoked: not sent again", c.n);
                continue;
            }
            let now = self.gateway.clock.now();
            let generation = c.generation + 1;
            let outbound = again(&row, &c, &organisation.seal_address, generation, now);
            let events = self
                .event(&row, EventName::Resent, Some(c.n), Detail::new().int("generation", generation))
                .await?;
            let change = Change { events, outbound: vec![outbound] };
            let hash = token_hash(key.link_token(c.n, generation).expose());
            self.gateway.store.add_token(row.id, c.n, generation, hash, change).await?;
            if !json {
                say!("{} will be sent again", c.address);
            }
            sent += 1;
        }
        if json {
            say!("{}", serde_json::json!({ "deposit": row.id, "resent": sent }));
        }
        Ok(if sent > 0 { Answer::Done } else { Answer::Negative })
    }

    async fn event(
        &self,
        row: &DepositRow,
        name: EventName,
        n: Option<RecipientNo>,
        detail: Detail,
    ) -> Result<Vec<BuiltEvent>> {
        let organisation =
            self.gateway.organisation(row.entity).context("the organisation is not configured")?;
        let mut event = Event::new(name, row.entity, self.gateway.clock.now())
            .deposit(row.id)
            .actor(Actor::Operator { user: std::env::var("SUDO_USER").or(std::env::var("USER")).ok() })
            .detail(detail.text("reference", row.reference.as_str()));
        event.recipient = n;
        let facts = match name.is_etsi() {
            true => Some(
                facts::of(&self.gateway.store, &OpenDeposit::open(&self.gateway.store, row.id).await?)
                    .await?,
            ),
            false => None,
        };
        Ok(vec![render(&organisation.issuer, event, facts.as_ref())?])
    }
}

fn summary(row: &DepositRow) -> serde_json::Value {
    serde_json::json!({
        "id": row.id, "reference": row.reference, "sender": row.sender, "created": row.created,
        "size": row.size, "sha256": row.digests.sha256, "message_id": row.message_id,
    })
}

fn consignment(c: &ConsignmentRow, now: Timestamp) -> serde_json::Value {
    serde_json::json!({
        "n": c.n, "address": c.address, "treatment": c.verdict.treatment, "gate": c.verdict.gate,
        "rule": c.verdict.rule, "state": word(c.state(now)), "expires": c.verdict.expires,
        "sendings": c.sendings, "first_sent": c.first_sent, "last_sent": c.last_sent, "opened": c.opened,
        "downloaded": c.downloaded, "revoked": c.revoked, "failure": c.failure,
    })
}

fn word(state: ConsignmentState) -> &'static str {
    match state {
        ConsignmentState::Revoked => "revoked",
        ConsignmentState::Held => "held",
        ConsignmentState::Downloaded => "downloaded",
        ConsignmentState::Opened => "opened",
        ConsignmentState::Failed => "failed",
        ConsignmentState::Expired => "expired",
        ConsignmentState::Sent => "sent",
        ConsignmentState::Queued => "queued",
    }
}

/// The work of sending one consignment once more, with a link of this generation.
fn again(
    row: &DepositRow,
    c: &ConsignmentRow,
    seal_address: &EmailAddress,
    generation: u32,
    now: Timestamp,
) -> NewOutbound {
    NewOutbound {
        id: OutboundId::generate(),
        entity: row.entity,
        deposit: Some(row.id),
        recipient: Some(c.n),
        priority: Priority::Mail,
        spec: Spec::Resend { generation }.to_json(),
        envelope_from: Some(match c.verdict.treatment.has_link() {
            true => seal_address.clone(),
            false => row.sender.clone(),
        }),
        rcpt: c.address.clone(),
        next_at: now,
        created: now,
        hold: None,
    }
}
