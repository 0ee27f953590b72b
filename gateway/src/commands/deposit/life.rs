//! `sealpost deposit revoke | extend | readdress | hold | release`: what changes the life of a deposit.
//!
//! The sender hears of what changes for their recipients (a receipt); a legal hold is told to nobody: whom
//! it concerns is the business of whoever ordered it.

use super::{Desk, again};
use crate::commands::{Answer, Unusable};
use crate::pipeline::handover::receipt_row;
use crate::pipeline::spec::ReceiptEvent;
use anyhow::{Context, Result};
use sealpost_envelope::{EmailAddress, RecipientNo, Timestamp};
use sealpost_evidence::{Detail, EventName};
use sealpost_store::keys::token_hash;
use sealpost_store::queue::NewOutbound;
use sealpost_store::{Change, ConsignmentRow, Correction, DepositRow, StoreError};

impl Desk {
    /// Closes access; a legal hold keeps the content nevertheless.
    pub(super) async fn revoke(&self, id: &str, n: Option<RecipientNo>, json: bool) -> Result<Answer> {
        let row = self.find(id).await?;
        self.consignments(row.id, n).await?;
        let events = self.event(&row, EventName::Revoked, n, Detail::new()).await?;
        let outbound = self.receipt(&row, n, ReceiptEvent::Revoked);
        let count = self.gateway.store.revoke(row.id, n, Change { events, outbound }).await?;
        let held = self.gateway.store.legal_hold(row.id).await?.is_some();
        if json {
            say!("{}", serde_json::json!({ "deposit": row.id, "revoked": count, "legal_hold": held }));
        } else {
            say!("{count} recipients withdrawn");
            if held {
                say!("the content stays: a legal hold stands");
            }
        }
        Ok(answer(count > 0))
    }

    pub(super) async fn extend(
        &self,
        id: &str,
        n: Option<RecipientNo>,
        until: Timestamp,
        json: bool,
    ) -> Result<Answer> {
        let row = self.find(id).await?;
        self.consignments(row.id, n).await?;
        if until <= self.gateway.clock.now() {
            return Err(
                Unusable(format!("--until {until} has passed; `deposit revoke` closes access")).into()
            );
        }
        let events = self.event(&row, EventName::Extended, n, Detail::new().time("until", until)).await?;
        let outbound = self.receipt(&row, n, ReceiptEvent::Extended);
        let change = Change { events, outbound };
        let Some(count) = done(self.gateway.store.extend(row.id, n, until, change).await)? else {
            return Ok(Answer::Negative);
        };
        if json {
            say!("{}", serde_json::json!({ "deposit": row.id, "extended": count, "until": until }));
        } else {
            say!("access extended to {until} for {count} recipients");
        }
        Ok(answer(count > 0))
    }

    /// Corrects an address: what went to the wrong one opens nothing any more.
    pub(super) async fn readdress(
        &self,
        id: &str,
        n: Option<RecipientNo>,
        to: &str,
        json: bool,
    ) -> Result<Answer> {
        let to: EmailAddress = to.parse().map_err(|e| Unusable(format!("--to {to}: {e}")))?;
        let row = self.find(id).await?;
        let all = self.consignments(row.id, None).await?;
        let c = self.one(&all, n)?;
        if all.iter().any(|other| other.address.key() == to.key()) {
            eprintln!("nothing was changed: {to} is a recipient already");
            return Ok(Answer::Negative);
        }
        let Some(key) = self.key(&row)? else { return Ok(Answer::Negative) };
        let organisation =
            self.gateway.organisation(row.entity).context("the organisation is not configured")?;
        let generation = c.generation + 1;
        let detail = Detail::new()
            .personal("from", c.address.as_str())
            .personal("to", to.as_str())
            .int("generation", generation);
        let events = self.event(&row, EventName::RecipientCorrected, Some(c.n), detail).await?;
        let now = self.gateway.clock.now();
        let mut outbound = self.receipt(&row, Some(c.n), ReceiptEvent::Corrected);
        outbound.push(NewOutbound {
            rcpt: to.clone(),
            hold: c.verdict.hold.clone(),
            ..again(&row, c, &organisation.seal_address, generation, now)
        });
        let correction = Correction {
            deposit: row.id,
            n: c.n,
            language: organisation.language_for(&to),
            address: to.clone(),
            generation,
            hash: token_hash(key.link_token(c.n, generation).expose()),
        };
        let written = self.gateway.store.readdress(correction, Change { events, outbound }).await;
        if done(written)?.is_none() {
            return Ok(Answer::Negative);
        }
        if json {
            say!("{}", serde_json::json!({ "deposit": row.id, "recipient": c.n, "address": to }));
        } else {
            say!("recipient {} is now {to}; links sent to {} are closed", c.n, c.address);
        }
        Ok(Answer::Done)
    }

    pub(super) async fn hold(&self, id: &str, reason: String, json: bool) -> Result<Answer> {
        let row = self.find(id).await?;
        let detail = Detail::new().text("kind", "legal").text("reason", reason.as_str());
        let events = self.event(&row, EventName::HoldPlaced, None, detail).await?;
        let placed =
            self.gateway.store.place_legal_hold(row.id, reason.clone(), Change::events(events)).await;
        match done(placed)? {
            Some(true) => {}
            Some(false) => {
                eprintln!("nothing was changed: a legal hold stands already");
                return Ok(Answer::Negative);
            }
            None => return Ok(Answer::Negative),
        }
        if json {
            say!("{}", serde_json::json!({ "deposit": row.id, "legal_hold": true, "reason": reason }));
        } else {
            say!("legal hold placed: the content of {} is kept until `deposit release`", row.reference);
        }
        Ok(Answer::Done)
    }

    pub(super) async fn release(&self, id: &str, json: bool) -> Result<Answer> {
        let row = self.find(id).await?;
        let detail = Detail::new().text("kind", "legal");
        let events = self.event(&row, EventName::HoldReleased, None, detail).await?;
        if !self.gateway.store.lift_legal_hold(row.id, Change::events(events)).await? {
            eprintln!("nothing was changed: no legal hold stands");
            return Ok(Answer::Negative);
        }
        if json {
            say!("{}", serde_json::json!({ "deposit": row.id, "legal_hold": false }));
        } else {
            say!("legal hold lifted: the content of {} ends with its retention", row.reference);
        }
        Ok(Answer::Done)
    }

    fn receipt(&self, row: &DepositRow, n: Option<RecipientNo>, event: ReceiptEvent) -> Vec<NewOutbound> {
        vec![receipt_row(row.sender.clone(), row.entity, row.id, n, event, &self.gateway)]
    }

    /// The recipient that is meant.
    fn one<'a>(&self, all: &'a [ConsignmentRow], n: Option<RecipientNo>) -> Result<&'a ConsignmentRow> {
        let found = match (n, all) {
            (None, [only]) => Some(only),
            (None, _) => return Err(Unusable("name one of the recipients with --recipient N".into()).into()),
            (Some(n), _) => all.iter().find(|c| c.n == n),
        };
        Ok(found.ok_or_else(|| Unusable(format!("the deposit has no recipient {}", n.unwrap_or(0))))?)
    }
}

fn answer(changed: bool) -> Answer {
    if changed { Answer::Done } else { Answer::Negative }
}

/// What a change answered; `None`, said to the operator, when the state forbids it.
fn done<T>(result: Result<T, StoreError>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::Conflict(why)) => {
            eprintln!("nothing was changed: {why}");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
