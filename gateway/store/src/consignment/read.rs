//! Reading consignments; the state is derived, never stored.

use crate::db::Row;
use crate::deposit::address;
use crate::{Store, StoreError, args};
use sealpost_envelope::{
    DepositId, EmailAddress, EntityId, Gate, Language, RecipientNo, Timestamp, Treatment, Verdict,
};

/// A recipient's share of a deposit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsignmentRow {
    /// Deposit.
    pub deposit: DepositId,
    /// Recipient, from 1.
    pub n: RecipientNo,
    /// Organisation.
    pub entity: EntityId,
    /// Mailbox.
    pub address: EmailAddress,
    /// Language of mails and pages.
    pub language: Language,
    /// Policy's answer, with later extensions, holds and releases.
    pub verdict: Verdict,
    /// Newest generation of the link token; 0 when there is none.
    pub generation: u32,
    /// How often its mail was handed over.
    pub sendings: u32,
    /// First hand-over.
    pub first_sent: Option<Timestamp>,
    /// Last hand-over.
    pub last_sent: Option<Timestamp>,
    /// Given up.
    pub failed: Option<Timestamp>,
    /// Why.
    pub failure: Option<String>,
    /// First opening.
    pub opened: Option<Timestamp>,
    /// First complete download.
    pub downloaded: Option<Timestamp>,
    /// Withdrawn by the sender.
    pub revoked: Option<Timestamp>,
    /// Expiry was recorded.
    pub expired: Option<Timestamp>,
    /// Refused by the recipient.
    pub declined: Option<Timestamp>,
    /// Expressly confirmed as read.
    pub acknowledged: Option<Timestamp>,
    /// How often the recipient was reminded.
    pub reminders: u32,
}

/// Where a consignment stands, strongest statement first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConsignmentState {
    /// Withdrawn by the sender.
    Revoked,
    /// Refused by the recipient.
    Declined,
    /// Waits for the sender's answer.
    Held,
    /// A file was downloaded whole.
    Downloaded,
    /// Opened by the recipient.
    Opened,
    /// Its mail cannot be delivered.
    Failed,
    /// Access has ended without an opening.
    Expired,
    /// Its mail was handed over.
    Sent,
    /// Its mail waits to be sent.
    Queued,
}

impl ConsignmentRow {
    /// Where it stands at `now`.
    pub fn state(&self, now: Timestamp) -> ConsignmentState {
        let ended = self.verdict.treatment.has_link() && self.verdict.expires <= now;
        if self.revoked.is_some() {
            ConsignmentState::Revoked
        } else if self.declined.is_some() {
            ConsignmentState::Declined
        } else if self.verdict.hold.is_some() && self.first_sent.is_none() && self.failed.is_none() {
            ConsignmentState::Held
        } else if self.downloaded.is_some() {
            ConsignmentState::Downloaded
        } else if self.opened.is_some() {
            ConsignmentState::Opened
        } else if self.failed.is_some() {
            ConsignmentState::Failed
        } else if ended {
            ConsignmentState::Expired
        } else if self.first_sent.is_some() {
            ConsignmentState::Sent
        } else {
            ConsignmentState::Queued
        }
    }
}

const COLUMNS: &str = "SELECT deposit, recipient, entity, address, language, treatment, gate, expires, retention, \
     rule, phone, identity, hold, generation, sendings, first_sent, last_sent, failed, failure, opened, downloaded, revoked, \
     expired, declined, acknowledged, reminders FROM consignments";

fn consignment(row: &Row) -> Result<ConsignmentRow, StoreError> {
    let gate: Gate = serde_json::from_str(&row.text("gate")?).map_err(|e| StoreError::damaged("gate", e))?;
    let language = match row.text("language")?.as_str() {
        tag if tag == Language::Fr.tag() => Language::Fr,
        tag if tag == Language::En.tag() => Language::En,
        other => return Err(StoreError::damaged("language", other)),
    };
    Ok(ConsignmentRow {
        deposit: DepositId(row.uuid("deposit")?),
        n: row.small("recipient")?,
        entity: row.entity()?,
        address: address(row, "address")?,
        language,
        verdict: Verdict {
            treatment: row.parse::<Treatment>("treatment")?,
            gate,
            expires: row.time("expires")?,
            retention: row.time("retention")?,
            rule: row.text("rule")?,
            phone: row.opt_text("phone")?,
            identity: row.opt_text("identity")?,
            hold: row.opt_text("hold")?,
        },
        generation: row.small("generation")?,
        sendings: row.small("sendings")?,
        first_sent: row.opt_time("first_sent")?,
        last_sent: row.opt_time("last_sent")?,
        failed: row.opt_time("failed")?,
        failure: row.opt_text("failure")?,
        opened: row.opt_time("opened")?,
        downloaded: row.opt_time("downloaded")?,
        revoked: row.opt_time("revoked")?,
        expired: row.opt_time("expired")?,
        declined: row.opt_time("declined")?,
        acknowledged: row.opt_time("acknowledged")?,
        reminders: row.small("reminders")?,
    })
}

macro_rules! select {
    ($tail:literal) => {
        sqlx::AssertSqlSafe(format!("{COLUMNS} {}", $tail))
    };
}

impl Store {
    /// A deposit's consignments in the order of their numbers.
    pub async fn consignments(&self, deposit: DepositId) -> Result<Vec<ConsignmentRow>, StoreError> {
        let rows =
            self.db.fetch_all(select!("WHERE deposit = $1 ORDER BY recipient"), args![deposit]).await?;
        rows.iter().map(consignment).collect()
    }

    /// The consignments of some deposits, of each in the order of their numbers.
    pub async fn consignments_of(&self, deposits: &[DepositId]) -> Result<Vec<ConsignmentRow>, StoreError> {
        let Some(last) = deposits.last() else { return Ok(Vec::new()) };
        // Few lengths only, filled up by repeating, so that few texts are prepared.
        let length = deposits.len().next_power_of_two();
        let marks = (1..=length).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
        let sql = format!("{COLUMNS} WHERE deposit IN ({marks}) ORDER BY deposit, recipient");
        let values =
            deposits.iter().chain(std::iter::repeat(last)).take(length).map(|d| (*d).into()).collect();
        let rows = self.db.fetch_all(sqlx::AssertSqlSafe(sql), values).await?;
        rows.iter().map(consignment).collect()
    }

    /// One consignment; [`StoreError::NotFound`] if there is none.
    pub async fn consignment(
        &self,
        deposit: DepositId,
        n: RecipientNo,
    ) -> Result<ConsignmentRow, StoreError> {
        let sql = select!("WHERE deposit = $1 AND recipient = $2");
        let row = self.db.fetch_optional(sql, args![deposit, n]).await?;
        consignment(&row.ok_or(StoreError::NotFound("consignment"))?)
    }

    /// Consignments with a link whose access has ended and whose expiry is not recorded yet, in the order
    /// in which it ended; `after` is the last one of the page before.
    pub async fn expiring(
        &self,
        after: Option<&ConsignmentRow>,
        limit: u32,
    ) -> Result<Vec<ConsignmentRow>, StoreError> {
        // The index `consignments_ending` has these very conditions.
        let sql = select!(
            "WHERE expired IS NULL AND revoked IS NULL AND treatment IN ('link', 'notify') AND expires <= $1 \
             AND (expires, deposit, recipient) > ($2, $3, $4) ORDER BY expires, deposit, recipient LIMIT $5"
        );
        let (ended, deposit, n) = match after {
            Some(c) => (c.verdict.expires.as_microsecond(), c.deposit.to_string(), c.n),
            None => (i64::MIN, String::new(), 0),
        };
        let rows = self.db.fetch_all(sql, args![self.clock.now(), ended, deposit, n, limit]).await?;
        rows.iter().map(consignment).collect()
    }
}
