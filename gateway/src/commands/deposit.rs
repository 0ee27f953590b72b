//! `sealpost deposit …`: list, show, resend, revoke, extend, readdress, hold, release; beside a gateway that
//! may be running.

mod life;

use super::{Answer, Unusable, clock, load};
use crate::cli::DepositCommand;
use crate::gateway::Gateway;
use crate::pipeline::observation::consequence;
use anyhow::Result;
use futures_util::StreamExt;
use sealpost_envelope::{DepositId, GateMethod, Language, RecipientNo, Timestamp};
use sealpost_store::access::verifier;
use sealpost_store::{ConsignmentRow, ConsignmentState, DepositFilter, DepositRow};
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

    /// Whether the message has a password for this recipient; never which.
    async fn has_password(&self, c: &ConsignmentRow) -> Result<bool> {
        let db = self.gateway.store.db();
        Ok(verifier(db, c.deposit, c.n, &GateMethod::Password).await?.is_some())
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
            let mut recipients = Vec::with_capacity(consignments.len());
            for c in &consignments {
                let mut shown = consignment(c, now);
                shown["password"] = self.has_password(c).await?.into();
                recipients.push(shown);
            }
            value["recipients"] = recipients.into();
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
            if let Some(why) = &c.verdict.hold {
                say!("     waits: {why}");
            }
            if let Some(o) = self.gateway.store.observed_of(row.id, c.n).await? {
                say!("     observed: {}", consequence(o.treatment, o.hold.is_some(), &o.rule, Language::En));
            }
            if self.has_password(c).await? {
                say!("     a password is set");
            }
        }
        for e in &entries {
            let whom = e.recipient.map(|n| format!(" ({n})")).unwrap_or_default();
            say!("  {}  {}{whom}", e.time, e.event);
        }
        Ok(Answer::Done)
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
        "hold": c.verdict.hold, "declined": c.declined, "acknowledged": c.acknowledged, "reminders": c.reminders,
    })
}

fn word(state: ConsignmentState) -> &'static str {
    match state {
        ConsignmentState::Revoked => "revoked",
        ConsignmentState::Declined => "declined",
        ConsignmentState::Held => "held",
        ConsignmentState::Downloaded => "downloaded",
        ConsignmentState::Opened => "opened",
        ConsignmentState::Failed => "failed",
        ConsignmentState::Expired => "expired",
        ConsignmentState::Sent => "sent",
        ConsignmentState::Queued => "queued",
    }
}
