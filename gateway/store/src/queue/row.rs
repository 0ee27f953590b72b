//! What a queue row holds.

use crate::StoreError;
use crate::db::Row;
use sealpost_envelope::{DepositId, EmailAddress, EntityId, RecipientNo, Sha256Digest, Timestamp};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// Name of a queue row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct OutboundId(pub Uuid);

impl OutboundId {
    /// A fresh one (UUIDv7).
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}
impl fmt::Display for OutboundId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl FromStr for OutboundId {
    type Err = uuid::Error;
    fn from_str(s: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(s).map(Self)
    }
}

/// Who overtakes whom; the number in the table is lower for what leaves first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Priority {
    /// Code mails: a person is waiting in front of a form.
    Code,
    /// Receipts to senders.
    Receipt,
    /// Everything else.
    Mail,
}

impl Priority {
    /// All, most urgent first.
    pub const ALL: [Self; 3] = [Self::Code, Self::Receipt, Self::Mail];

    /// The number in the table.
    pub fn number(self) -> i64 {
        match self {
            Self::Code => 0,
            Self::Receipt => 5,
            Self::Mail => 10,
        }
    }
    fn from_number(n: i64) -> Result<Self, StoreError> {
        Self::ALL.into_iter().find(|p| p.number() == n).ok_or_else(|| StoreError::damaged("priority", n))
    }
}

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Waits for the composer.
    Compose,
    /// Waits for the relay; its bytes are fixed.
    Ready,
    /// Handed over.
    Sent,
    /// Given up.
    Failed,
    /// Waits for a person.
    Held,
    /// Taken out by a person.
    Dropped,
}

/// A word that is no queue state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown queue state {0:?}; one of compose, ready, sent, failed, held, dropped")]
pub struct ParseStateError(String);

impl State {
    const ALL: [Self; 6] = [Self::Compose, Self::Ready, Self::Sent, Self::Failed, Self::Held, Self::Dropped];
    /// The word in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compose => "compose",
            Self::Ready => "ready",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Dropped => "dropped",
        }
    }
}
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl FromStr for State {
    type Err = ParseStateError;
    fn from_str(s: &str) -> Result<Self, ParseStateError> {
        Self::ALL.into_iter().find(|state| state.as_str() == s).ok_or_else(|| ParseStateError(s.to_owned()))
    }
}

/// A row to insert.
#[derive(Debug, Clone)]
pub struct NewOutbound {
    /// Name.
    pub id: OutboundId,
    /// Organisation.
    pub entity: EntityId,
    /// Deposit it belongs to.
    pub deposit: Option<DepositId>,
    /// Recipient within the deposit.
    pub recipient: Option<RecipientNo>,
    /// Rank.
    pub priority: Priority,
    /// JSON that tells the composer what to make.
    pub spec: String,
    /// Reverse path; `None` is `<>`.
    pub envelope_from: Option<EmailAddress>,
    /// To whom.
    pub rcpt: EmailAddress,
    /// Not before.
    pub next_at: Timestamp,
    /// Now.
    pub created: Timestamp,
    /// Set to keep the row for a person's decision; says why.
    pub hold: Option<String>,
}

/// A row as stored, without its recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbound {
    /// Name.
    pub id: OutboundId,
    /// Organisation.
    pub entity: EntityId,
    /// Deposit it belongs to.
    pub deposit: Option<DepositId>,
    /// Recipient within the deposit.
    pub recipient: Option<RecipientNo>,
    /// Rank.
    pub priority: Priority,
    /// JSON that tells the composer what to make.
    pub spec: String,
    /// Reverse path; `None` is `<>`.
    pub envelope_from: Option<EmailAddress>,
    /// To whom.
    pub rcpt: EmailAddress,
    /// Where it stands.
    pub state: State,
    /// Attempts that ended.
    pub attempts: u32,
    /// Not before.
    pub next_at: Timestamp,
    /// When it was inserted.
    pub created: Timestamp,
    /// Who works on it.
    pub claimed_by: Option<String>,
    /// Until when, unless renewed.
    pub claimed_until: Option<Timestamp>,
    /// Octets on the wire, once composed.
    pub size: Option<u64>,
    /// SHA-256 of the wire bytes, once composed.
    pub sha256: Option<Sha256Digest>,
    /// Latest reply, error or reason.
    pub last_reply: Option<String>,
}

/// The columns [`Outbound::read`] wants.
macro_rules! columns {
    () => {
        "id, entity, deposit, recipient, priority, spec, envelope_from, rcpt, state, attempts, next_at, \
         created, claimed_by, claimed_until, size, sha256, last_reply"
    };
}
pub(super) use columns;

impl Outbound {
    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        let from = row.text("envelope_from")?;
        Ok(Self {
            id: OutboundId(row.uuid("id")?),
            entity: row.entity()?,
            deposit: row.opt_uuid("deposit")?.map(DepositId),
            recipient: row.opt_int("recipient")?.map(small).transpose()?,
            priority: Priority::from_number(row.int("priority")?)?,
            spec: row.text("spec")?,
            envelope_from: match from.as_str() {
                "" => None,
                address => {
                    Some(EmailAddress::parse(address).map_err(|e| StoreError::damaged("envelope_from", e))?)
                }
            },
            rcpt: row.parse("rcpt")?,
            state: row.parse("state")?,
            attempts: row.small("attempts")?,
            next_at: row.time("next_at")?,
            created: row.time("created")?,
            claimed_by: row.opt_text("claimed_by")?,
            claimed_until: row.opt_time("claimed_until")?,
            size: row.opt_int("size")?.map(|_| row.size("size")).transpose()?,
            sha256: match row.opt_text("sha256")? {
                None => None,
                Some(hex) => Some(Sha256Digest::try_from(hex).map_err(|e| StoreError::damaged("sha256", e))?),
            },
            last_reply: row.opt_text("last_reply")?,
        })
    }
}

fn small(n: i64) -> Result<u32, StoreError> {
    u32::try_from(n).map_err(|e| StoreError::damaged("recipient", e))
}
