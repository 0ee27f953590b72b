//! `sealpost deposit resend | revoke | extend | readdress | hold | release`: what changes the life of a deposit, in
//! the name of whoever sits at the server ([`crate::desk`]).

use super::Desk;
use crate::commands::{Answer, Unusable};
use crate::desk;
use anyhow::Result;
use sealpost_envelope::{EmailAddress, RecipientNo, Timestamp};
use sealpost_evidence::Actor;
use sealpost_store::DepositRow;
use sealpost_web::{Act, ActionError, Refusal};
use serde_json::json;

impl Desk {
    /// A new generation of the link; earlier ones stay valid.
    pub(super) async fn resend(&self, id: &str, n: Option<RecipientNo>, json: bool) -> Result<Answer> {
        let row = self.find(id).await?;
        for c in self.consignments(row.id, n).await?.iter().filter(|c| c.revoked.is_some()) {
            eprintln!("recipient {} was revoked: not sent again", c.n);
        }
        let Some(sent) = self.act(&row, Act::Resend { n }).await? else { return Ok(Answer::Negative) };
        match json {
            true => say!("{}", json!({ "deposit": row.id, "resent": sent })),
            false => say!("the message will be sent again to {}", recipients(sent)),
        }
        Ok(Answer::Done)
    }

    /// Closes access; a legal hold keeps the content nevertheless.
    pub(super) async fn revoke(&self, id: &str, n: Option<RecipientNo>, json: bool) -> Result<Answer> {
        let row = self.find(id).await?;
        let count = self.act(&row, Act::Revoke { n }).await?.unwrap_or(0);
        let held = self.gateway.store.legal_hold(row.id).await?.is_some();
        if json {
            say!("{}", json!({ "deposit": row.id, "revoked": count, "legal_hold": held }));
        } else {
            say!("withdrawn from {}", recipients(count));
            if held {
                say!("the content stays: a legal hold stands");
            }
        }
        Ok(if count > 0 { Answer::Done } else { Answer::Negative })
    }

    pub(super) async fn extend(
        &self,
        id: &str,
        n: Option<RecipientNo>,
        until: Timestamp,
        json: bool,
    ) -> Result<Answer> {
        let row = self.find(id).await?;
        let Some(count) = self.act(&row, Act::Extend { n, until }).await? else {
            return Ok(Answer::Negative);
        };
        match json {
            true => say!("{}", json!({ "deposit": row.id, "extended": count, "until": until })),
            false => say!("access extended to {until} for {}", recipients(count)),
        }
        Ok(Answer::Done)
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
        let before = self.consignments(row.id, None).await?;
        if self.act(&row, Act::Readdress { n, to: to.clone() }).await?.is_none() {
            return Ok(Answer::Negative);
        }
        let wrong = before.iter().find(|c| n.is_none_or(|n| c.n == n));
        let (n, wrong) = wrong.map_or((1, ""), |c| (c.n, c.address.as_str()));
        match json {
            true => say!("{}", json!({ "deposit": row.id, "recipient": n, "address": to })),
            false => say!("recipient {n} is now {to}; links sent to {wrong} are closed"),
        }
        Ok(Answer::Done)
    }

    pub(super) async fn hold(&self, id: &str, reason: String, json: bool) -> Result<Answer> {
        let row = self.find(id).await?;
        if self.act(&row, Act::Hold { reason: reason.clone() }).await?.is_none() {
            return Ok(Answer::Negative);
        }
        match json {
            true => say!("{}", json!({ "deposit": row.id, "legal_hold": true, "reason": reason })),
            false => {
                say!("legal hold placed: the content of {} is kept until `deposit release`", row.reference)
            }
        }
        Ok(Answer::Done)
    }

    pub(super) async fn release(&self, id: &str, json: bool) -> Result<Answer> {
        let row = self.find(id).await?;
        if self.act(&row, Act::Release).await?.is_none() {
            return Ok(Answer::Negative);
        }
        match json {
            true => say!("{}", json!({ "deposit": row.id, "legal_hold": false })),
            false => say!("legal hold lifted: the content of {} ends with its retention", row.reference),
        }
        Ok(Answer::Done)
    }

    /// `None`, said to the operator, when the state of things forbids it.
    async fn act(&self, row: &DepositRow, act: Act) -> Result<Option<u64>> {
        let by = Actor::Operator { user: std::env::var("SUDO_USER").or(std::env::var("USER")).ok() };
        let done = match desk::Desk::open(&self.gateway, row.id, by, false).await {
            Ok(desk) => desk.act(act).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(count) => Ok(Some(count)),
            Err(ActionError::Refused(why)) => match why {
                Refusal::NoRecipient(_) => Err(Unusable(why.to_string()).into()),
                Refusal::WhichRecipient => Err(Unusable(format!("{why} with --recipient N")).into()),
                Refusal::Past => {
                    Err(Unusable(format!("--until: {why}; `deposit revoke` closes access")).into())
                }
                _ => {
                    eprintln!("nothing was changed: {why}");
                    Ok(None)
                }
            },
            Err(error) => Err(error.into()),
        }
    }
}

fn recipients(count: u64) -> String {
    format!("{count} recipient{}", if count == 1 { "" } else { "s" })
}
