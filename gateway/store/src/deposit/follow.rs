//! Following deposits: lists for those who may see them, newest first, page by page.
//!
//! **Job.** [`Store::follow`] gives one page; what somebody may see at all is a [`Sight`] and part of every
//! statement. Pages continue behind a deposit, so that they stay stable while new ones arrive.
//!
//! **Cost.** Without a filter a page is read from an index, whoever asks. A filter by state or recipient looks
//! at one deposit after the other until the page is full.

use super::read::{COLUMNS, deposit_row};
use super::{DepositRow, StoreError};
use crate::account::owner::FOLLOWED;
use crate::consignment::{ConsignmentRow, ConsignmentState};
use crate::db::{Args, AssertSqlSafe, Value};
use crate::{Store, args};
use sealpost_envelope::{AccountId, DepositId, EntityId, Reference, Timestamp};
use std::collections::HashMap;

/// Longest page.
pub const PAGE: u32 = 200;
/// Own addresses that are looked up one by one; an account with more is looked up in one go.
const BRANCHES: usize = 16;

/// Whose deposits somebody may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// All of an organisation.
    Entity(EntityId),
    /// What an account of it submitted, and what was submitted in its name or that of an account it answers for.
    Own(EntityId, AccountId),
}

impl Sight {
    /// The organisation beyond which nothing is seen.
    pub fn entity(self) -> EntityId {
        match self {
            Self::Entity(entity) | Self::Own(entity, _) => entity,
        }
    }
}

/// Where a deposit stands, over all its recipients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DepositState {
    /// Accepted; no mail has left.
    Created,
    /// Mail waits for the sender's answer.
    Held,
    /// At least one mail was handed over.
    Sent,
    /// Some recipients have opened it, not all who can.
    PartlyReceived,
    /// All recipients who can have opened it.
    Received,
    /// A mail cannot be delivered or was refused, and nobody has opened the message.
    Failed,
    /// Access ended before anybody opened it.
    Expired,
    /// Withdrawn from all recipients.
    Revoked,
}

impl DepositState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Created,
        Self::Held,
        Self::Sent,
        Self::PartlyReceived,
        Self::Received,
        Self::Failed,
        Self::Expired,
        Self::Revoked,
    ];

    /// The word in JSON, addresses and forms.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Held => "held",
            Self::Sent => "sent",
            Self::PartlyReceived => "partly-received",
            Self::Received => "received",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    /// The state of a deposit with these consignments. [`STATE`] says the same in SQL.
    pub fn of(all: &[ConsignmentRow], now: Timestamp) -> Self {
        use ConsignmentState as C;
        let read = |c: &ConsignmentRow| matches!(c.state(now), C::Opened | C::Downloaded);
        let any = |state: C| all.iter().any(|c| c.state(now) == state);
        if all.iter().all(|c| c.revoked.is_some()) {
            Self::Revoked
        } else if all.iter().any(read) {
            let unread =
                |c: &ConsignmentRow| c.revoked.is_none() && c.verdict.treatment.has_link() && !read(c);
            if all.iter().any(unread) { Self::PartlyReceived } else { Self::Received }
        } else if any(C::Failed) || any(C::Declined) {
            Self::Failed
        } else if any(C::Held) {
            Self::Held
        } else if any(C::Sent) {
            Self::Sent
        } else if any(C::Queued) {
            Self::Created
        } else {
            Self::Expired
        }
    }
}

/// [`DepositState::of`] as a value of the row `d`; `$?` is the time. Times of a consignment say that it
/// happened, as in [`ConsignmentRow::state`].
const STATE: &str = "(SELECT CASE \
     WHEN COUNT(*) = COUNT(c.revoked) THEN 'revoked' \
     WHEN MAX(CASE WHEN c.revoked IS NULL AND c.k = 'read' THEN 1 ELSE 0 END) = 1 THEN CASE \
       WHEN MAX(CASE WHEN c.revoked IS NULL AND c.k <> 'read' AND c.treatment IN ('link', 'notify') \
         THEN 1 ELSE 0 END) = 1 THEN 'partly-received' ELSE 'received' END \
     WHEN MAX(CASE WHEN c.revoked IS NULL AND c.k = 'failed' THEN 1 ELSE 0 END) = 1 THEN 'failed' \
     WHEN MAX(CASE WHEN c.revoked IS NULL AND c.k = 'held' THEN 1 ELSE 0 END) = 1 THEN 'held' \
     WHEN MAX(CASE WHEN c.revoked IS NULL AND c.k = 'sent' THEN 1 ELSE 0 END) = 1 THEN 'sent' \
     WHEN MAX(CASE WHEN c.revoked IS NULL AND c.k = 'queued' THEN 1 ELSE 0 END) = 1 THEN 'created' \
     ELSE 'expired' END \
     FROM (SELECT x.revoked, x.treatment, CASE \
       WHEN x.declined IS NOT NULL THEN 'failed' \
       WHEN x.hold IS NOT NULL AND x.first_sent IS NULL AND x.failed IS NULL THEN 'held' \
       WHEN x.downloaded IS NOT NULL OR x.opened IS NOT NULL THEN 'read' \
       WHEN x.failed IS NOT NULL THEN 'failed' \
       WHEN x.treatment IN ('link', 'notify') AND x.expires <= $? THEN 'expired' \
       WHEN x.first_sent IS NOT NULL THEN 'sent' \
       ELSE 'queued' END AS k FROM consignments x WHERE x.deposit = d.id) AS c)";

/// Which states are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateFilter {
    /// This one.
    Is(DepositState),
    /// Read by at least one recipient.
    Consulted,
}

impl StateFilter {
    /// The word in addresses and forms.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Is(state) => state.as_str(),
            Self::Consulted => "consulted",
        }
    }
    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        let all = DepositState::ALL.into_iter().map(Self::Is).chain([Self::Consulted]);
        all.into_iter().find(|s| s.as_str() == word)
    }
}

/// Which recipients are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecipientMatch {
    /// This address, as [`sealpost_envelope::EmailAddress::key`] writes it.
    Address(String),
    /// An address in which this occurs, in any case.
    Part(String),
}

/// Which deposits [`Store::follow`] gives.
#[derive(Debug, Clone)]
pub struct FollowFilter {
    /// Whose.
    pub sight: Sight,
    /// With this reference.
    pub reference: Option<Reference>,
    /// With such a recipient.
    pub recipient: Option<RecipientMatch>,
    /// In this state.
    pub state: Option<StateFilter>,
    /// Accepted at or after.
    pub since: Option<Timestamp>,
    /// Accepted before.
    pub until: Option<Timestamp>,
    /// Continue behind this deposit of the page before.
    pub after: Option<(Timestamp, DepositId)>,
    /// At most so many, and never more than [`PAGE`].
    pub limit: u32,
}

impl FollowFilter {
    /// Everything that is in sight, a page of `limit`.
    pub fn all(sight: Sight, limit: u32) -> Self {
        Self {
            sight,
            reference: None,
            recipient: None,
            state: None,
            since: None,
            until: None,
            after: None,
            limit,
        }
    }
}

/// A deposit with how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// The deposit.
    pub row: DepositRow,
    /// Over all recipients.
    pub state: DepositState,
    /// Each of them, in the order of their numbers.
    pub recipients: Vec<ConsignmentRow>,
}

impl Store {
    /// A page of deposits, newest first.
    pub async fn follow(&self, filter: &FollowFilter) -> Result<Vec<Followed>, StoreError> {
        let now = self.clock.now();
        let names = match filter.sight {
            Sight::Entity(_) => Vec::new(),
            Sight::Own(_, account) => {
                let own = format!("{} ORDER BY x.address_key LIMIT 1000", FOLLOWED.replace("$?", "$1"));
                let rows = self.db.fetch_all(AssertSqlSafe(own), args![account]).await?;
                rows.iter().map(|r| r.text("address_key")).collect::<Result<_, _>>()?
            }
        };
        let (sql, values) = statement(filter, &names, now);
        let rows = self.db.fetch_all(AssertSqlSafe(sql), values).await?;
        let rows = rows.iter().map(deposit_row).collect::<Result<Vec<_>, _>>()?;
        self.with_recipients(rows, now).await
    }

    /// One deposit, if it is in sight.
    pub async fn follow_one(&self, sight: Sight, text: &str) -> Result<Option<Followed>, StoreError> {
        let Some(id) = self.find_deposit(Some(sight.entity()), text).await? else { return Ok(None) };
        let row = self.read_deposit(id).await?.row;
        if let Sight::Own(_, account) = sight
            && row.account != Some(account)
        {
            let sql = AssertSqlSafe(format!("{} AND x.address_key = $2", FOLLOWED.replace("$?", "$1")));
            if self.db.fetch_optional(sql, args![account, row.sender.key()]).await?.is_none() {
                return Ok(None);
            }
        }
        let found = self.with_recipients(vec![row], self.clock.now()).await?;
        Ok(found.into_iter().next())
    }

    async fn with_recipients(
        &self,
        rows: Vec<DepositRow>,
        now: Timestamp,
    ) -> Result<Vec<Followed>, StoreError> {
        let ids: Vec<DepositId> = rows.iter().map(|r| r.id).collect();
        let mut recipients: HashMap<DepositId, Vec<ConsignmentRow>> = HashMap::new();
        for c in self.consignments_of(&ids).await? {
            recipients.entry(c.deposit).or_default().push(c);
        }
        let followed = rows.into_iter().map(|row| {
            let recipients = recipients.remove(&row.id).unwrap_or_default();
            Followed { state: DepositState::of(&recipients, now), row, recipients }
        });
        Ok(followed.collect())
    }
}

/// Text and values under way; only constants enter the text.
#[derive(Default)]
struct Sql {
    text: String,
    values: Args,
}

impl Sql {
    /// Adds a piece; each `$?` in it stands for the next of `values`.
    fn add(&mut self, piece: &str, values: Args) {
        let mut pieces = piece.split("$?");
        self.text.push_str(pieces.next().unwrap_or_default());
        for (piece, value) in pieces.zip(values) {
            self.values.push(value);
            self.text.push_str(&format!("${}{piece}", self.values.len()));
        }
    }

    fn conditions(&mut self, filter: &FollowFilter, now: Timestamp) {
        if let Some(reference) = &filter.reference {
            self.add(" AND d.reference = $?", args![reference]);
        }
        let has = |condition: &str| {
            format!(" AND EXISTS (SELECT 1 FROM consignments c WHERE c.deposit = d.id AND {condition})")
        };
        match &filter.recipient {
            None => {}
            // By the index over addresses, however few deposits they have.
            Some(RecipientMatch::Address(key)) => self.add(
                " AND d.id IN (SELECT c.deposit FROM consignments c WHERE c.entity = $? AND c.address_key = $?)",
                args![filter.sight.entity(), key],
            ),
            Some(RecipientMatch::Part(part)) => {
                self.add(&has("LOWER(c.address) LIKE $? ESCAPE '!'"), args![containing(part)]);
            }
        }
        match filter.state {
            None => {}
            Some(StateFilter::Is(state)) => {
                self.add(&format!(" AND {STATE} = $?"), args![now, state.as_str()]);
            }
            Some(StateFilter::Consulted) => {
                self.add(&format!(" AND {STATE} IN ('partly-received', 'received')"), args![now]);
            }
        }
        if let Some(since) = filter.since {
            self.add(" AND d.created >= $?", args![since]);
        }
        if let Some(until) = filter.until {
            self.add(" AND d.created < $?", args![until]);
        }
        if let Some((created, id)) = filter.after {
            self.add(" AND (d.created, d.id) < ($?, $?)", args![created, id]);
        }
        let limit = Value::from(filter.limit.clamp(1, PAGE));
        self.add(" ORDER BY d.created DESC, d.id DESC LIMIT $?", vec![limit]);
    }
}

/// A LIKE pattern for text that contains `part` literally.
fn containing(part: &str) -> String {
    let mut pattern = String::from("%");
    for c in part.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// What an account submitted and what was submitted in its name are two (or more) walks along an index,
/// each a page long: an OR over both would make the database look at everybody's deposits.
fn statement(filter: &FollowFilter, own: &[String], now: Timestamp) -> (String, Args) {
    let mut sql = Sql::default();
    let Sight::Own(entity, account) = filter.sight else {
        // An address has few deposits: they are read one by one instead of looking for them among all. A sum is in no
        // index.
        let by_address = matches!(filter.recipient, Some(RecipientMatch::Address(_)));
        let entity = if by_address { "d.entity + 0" } else { "d.entity" };
        sql.add(
            &format!("SELECT {COLUMNS} FROM deposits d WHERE {entity} = $?"),
            args![filter.sight.entity()],
        );
        sql.conditions(filter, now);
        return (sql.text, sql.values);
    };
    sql.add(&format!("SELECT {COLUMNS} FROM deposits d WHERE d.id IN ("), args![]);
    sql.add(
        "SELECT id FROM (SELECT d.id FROM deposits d WHERE d.entity = $? AND d.account = $?",
        args![entity, account],
    );
    sql.conditions(filter, now);
    sql.add(") AS mine", args![]);
    if own.len() <= BRANCHES {
        for key in own {
            sql.add(
                " UNION SELECT id FROM (SELECT d.id FROM deposits d WHERE d.entity = $? AND d.sender_key = $?",
                args![entity, key],
            );
            sql.conditions(filter, now);
            sql.add(") AS named", args![]);
        }
    } else {
        sql.add(
            &format!(
                " UNION SELECT id FROM (SELECT d.id FROM deposits d WHERE d.entity = $? AND d.sender_key IN \
                 ({FOLLOWED})"
            ),
            args![entity, account, account],
        );
        sql.conditions(filter, now);
        sql.add(") AS named", args![]);
    }
    sql.add(") ORDER BY d.created DESC, d.id DESC LIMIT $?", vec![Value::from(filter.limit.clamp(1, PAGE))]);
    (sql.text, sql.values)
}
