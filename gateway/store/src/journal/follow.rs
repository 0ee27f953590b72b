//! The journal for people, newest first, page by page.
//!
//! **Job.** [`Store::follow_journal`] gives one page of what somebody may see ([`Sight`]). A page continues behind an
//! entry, so that it stays the same while new ones arrive.
//!
//! **Cost.** An organisation's page is read along an index, whatever the number of entries. With words, with events, and
//! for a sender, places come from the index of words (`find.rs`), newest first by place in the log; what that
//! does not cover yet, of late a second's entries, is read as it lies there, but for words. With an address, the entries
//! of that address's deposits are read and sorted.

use super::JournalEntry;
use super::read::{COLUMNS, entry};
use crate::account::owner::FOLLOWED;
use crate::db::{Args, AssertSqlSafe, Value};
use crate::deposit::Sight;
use crate::endoflife::EndError;
use crate::{Store, StoreError, args};
use sealpost_envelope::{DepositId, EmailAddress, EntryId, Timestamp};
use sealpost_evidence::EventName;

/// Longest page.
const PAGE: u32 = 500;

/// A word that must occur.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// As [`super::words()`] gives it.
    pub word: String,
    /// Events that are called so: any of them does as well.
    pub events: Vec<EventName>,
}

/// Which entries [`Store::follow_journal`] gives.
#[derive(Debug, Clone)]
pub struct FollowJournal {
    /// Whose.
    pub sight: Sight,
    /// All of these occur in the entry, its deposit or its recipient.
    pub words: Vec<Term>,
    /// One of these events; any if none is named.
    pub events: Vec<EventName>,
    /// About this deposit.
    pub deposit: Option<DepositId>,
    /// About deposits that this address sent or got.
    pub address: Option<EmailAddress>,
    /// At or after.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// Continue behind this entry of the page before.
    pub after: Option<(Timestamp, EntryId)>,
    /// At most so many, and never more than five hundred.
    pub limit: u32,
}

/// Text and values under way; only constants enter the text.
struct Sql(String, Args);

impl Sql {
    /// Adds a piece; each `$?` in it stands for the next of `values`.
    fn add(&mut self, piece: &str, values: Args) {
        let mut pieces = piece.split("$?");
        self.0.push_str(pieces.next().unwrap_or_default());
        for (piece, value) in pieces.zip(values) {
            self.1.push(value);
            self.0.push_str(&format!("${}{piece}", self.1.len()));
        }
    }
}

/// Which part of the journal a statement reads.
pub(super) enum Part<'a> {
    /// All of it, by time.
    Whole,
    /// What has no place in the log yet.
    Unplaced,
    /// From one place to before another, newest first.
    Places(u64, u64),
    /// These places, newest first.
    At(&'a [u64]),
}

impl Store {
    /// A page of the journal, newest first.
    pub async fn follow_journal(&self, filter: &FollowJournal) -> Result<Vec<JournalEntry>, EndError> {
        let few = filter.deposit.is_some() || filter.address.is_some();
        let own = matches!(filter.sight, Sight::Own(..));
        if filter.words.is_empty() && (few || filter.events.is_empty() && !own) {
            return Ok(self.part(filter, &Part::Whole).await?);
        }
        let limit = filter.limit.clamp(1, PAGE) as usize;
        let covered = self.words_entered().await?;
        // A page that continues begins where its last entry lies now: that may have got its place since.
        let begun = match filter.after {
            None => None,
            Some((_, id)) => {
                let sql = "SELECT idx FROM journal WHERE id = $1";
                let Some(row) = self.db.fetch_optional(sql, args![id]).await? else { return Ok(Vec::new()) };
                row.opt_int("idx")?.map(|i| u64::try_from(i).map_err(|e| StoreError::damaged("idx", e)))
            }
        };
        let begun = begun.transpose()?;
        let mut page = Vec::new();
        if filter.words.is_empty() {
            if begun.is_none() {
                page = self.part(filter, &Part::Unplaced).await?;
            }
            let behind = FollowJournal { after: None, limit: left(limit, &page), ..filter.clone() };
            if page.len() < limit && begun.is_none_or(|place| place > covered) {
                let to = begun.unwrap_or(i64::MAX as u64);
                page.extend(self.part(&behind, &Part::Places(covered, to)).await?);
            }
        }
        let wanted = limit.saturating_sub(page.len());
        if wanted > 0 {
            let below = begun.map_or(covered, |place| place.min(covered));
            page.extend(self.find_entries(filter, below, wanted).await?);
        }
        Ok(page)
    }

    async fn part(&self, filter: &FollowJournal, part: &Part<'_>) -> Result<Vec<JournalEntry>, StoreError> {
        let (sql, values) = statement(filter, part)?;
        self.db.fetch_all(AssertSqlSafe(sql), values).await?.iter().map(entry).collect()
    }
}

/// How many more fit; at least one, where nobody asks.
fn left(limit: usize, page: &[JournalEntry]) -> u32 {
    u32::try_from(limit.saturating_sub(page.len())).unwrap_or(PAGE).max(1)
}

impl Sql {
    fn sight(&mut self, sight: Sight, part: &Part<'_>) {
        let entity = Value::from(sight.entity());
        match (sight, part) {
            (Sight::Entity(_), Part::Whole) => self.add("entity = $?", vec![entity]),
            // A sum is in no index: places are what this is read by.
            (Sight::Entity(_), _) => self.add("entity + 0 = $?", vec![entity]),
            // An own deposit is one of the organisation: without `entity` here the index over deposits serves.
            (Sight::Own(_, account), Part::Whole) => self.add(
                &format!(
                    "deposit IN (SELECT id FROM deposits WHERE entity = $? AND account = $? UNION SELECT id FROM \
                     deposits WHERE entity = $? AND sender_key IN ({FOLLOWED}))"
                ),
                vec![entity.clone(), account.into(), entity, account.into(), account.into()],
            ),
            (Sight::Own(_, account), _) => self.add(
                &format!(
                    "EXISTS (SELECT 1 FROM deposits d WHERE d.id = journal.deposit AND d.entity + 0 = $? \
                     AND (d.account = $? OR d.sender_key IN ({FOLLOWED})))"
                ),
                vec![entity, account.into(), account.into(), account.into()],
            ),
        }
        if let Sight::Own(..) = sight {
            // A legal hold, which is nobody's in particular, is told to nobody but those who place it.
            self.add(" AND NOT (event IN ('HoldPlaced', 'HoldReleased') AND recipient IS NULL)", Vec::new());
        }
    }

    fn part(&mut self, part: &Part<'_>) -> Result<(), StoreError> {
        match part {
            Part::Whole => {}
            Part::Unplaced => self.add(" AND idx IS NULL", Vec::new()),
            Part::Places(from, to) => {
                self.add(" AND idx >= $? AND idx < $?", vec![Value::size(*from)?, Value::size(*to)?]);
            }
            Part::At(places) => {
                let marks = vec!["$?"; places.len()].join(", ");
                let values = places.iter().map(|p| Value::size(*p)).collect::<Result<_, _>>()?;
                self.add(&format!(" AND idx IN ({marks})"), values);
            }
        }
        Ok(())
    }
}

pub(super) fn statement(filter: &FollowJournal, part: &Part<'_>) -> Result<(String, Args), StoreError> {
    let mut sql = Sql(format!("SELECT {COLUMNS} FROM journal WHERE "), Vec::new());
    sql.sight(filter.sight, part);
    sql.part(part)?;
    if let Some(address) = &filter.address {
        let (entity, key) = (Value::from(filter.sight.entity()), Value::from(address.key()));
        sql.add(
            " AND deposit IN (SELECT deposit FROM consignments WHERE entity = $? AND address_key = $? UNION \
             SELECT id FROM deposits WHERE entity = $? AND sender_key = $?)",
            vec![entity.clone(), key.clone(), entity, key],
        );
    }
    if let Some(deposit) = filter.deposit {
        sql.add(" AND deposit = $?", vec![deposit.into()]);
    }
    if !filter.events.is_empty() {
        let places = vec!["$?"; filter.events.len()].join(", ");
        let names = filter.events.iter().map(|e| Value::from(e.as_str())).collect();
        sql.add(&format!(" AND event IN ({places})"), names);
    }
    if let Some(since) = filter.since {
        sql.add(" AND time >= $?", vec![since.into()]);
    }
    if let Some(until) = filter.until {
        sql.add(" AND time < $?", vec![until.into()]);
    }
    if let (Some((time, id)), Part::Whole | Part::Unplaced) = (filter.after, part) {
        sql.add(" AND (time, id) < ($?, $?)", vec![time.into(), id.into()]);
    }
    let limit = Value::from(filter.limit.clamp(1, PAGE));
    let order = match part {
        Part::Whole | Part::Unplaced => "time DESC, id DESC",
        Part::Places(..) | Part::At(_) => "idx DESC",
    };
    sql.add(&format!(" ORDER BY {order} LIMIT $?"), vec![limit]);
    Ok((sql.0, sql.1))
}
