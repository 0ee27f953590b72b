//! Finding entries by the index of words, newest first.
//!
//! **Job.** Terms are met block by block, from the newest, until a page is full: each term is one number or several (a
//! word of content has one under each living week). Entries are then read by their place, with every
//! condition of the page once more: the index narrows, it does not decide.
//!
//! **Cost.** A block of 1024 entries is one small row for each number, however often the word occurs in it; stretches
//! get longer while nothing is found, so that millions of entries are a handful of statements.

use super::blocks::{BLOCK, Places};
use super::follow::{FollowJournal, Part, statement};
use super::read::entry;
use super::words::{Blind, Mark};
use super::{JournalEntry, Term};
use crate::account::owner::FOLLOWED;
use crate::db::{AssertSqlSafe, Value};
use crate::deposit::Sight;
use crate::endoflife::EndError;
use crate::{Store, StoreError, args};
use jiff::SignedDuration;
use sealpost_envelope::{AccountId, Timestamp};
use std::collections::{BTreeMap, VecDeque};

/// Blocks of the first stretch.
const FIRST: u64 = 16;
/// Each stretch is so many times as long as the one before.
const LONGER: u64 = 4;
/// The log's order is that of time, but for entries that were committed late; by less than this.
const LATE: SignedDuration = SignedDuration::from_hours(1);
/// Addresses in whose name an account follows what was sent that are looked for.
const OWN: usize = 1000;

/// A walk down the log.
struct Walk {
    /// All of these must occur.
    terms: Vec<Vec<i64>>,
    /// Nothing before this place.
    low: u64,
    /// Nothing at or behind this place has yet to be looked at.
    high: u64,
    stretch: u64,
    found: VecDeque<u64>,
}

impl Store {
    /// Entries before place `below` that fit, at most `limit`.
    pub(super) async fn find_entries(
        &self,
        filter: &FollowJournal,
        below: u64,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, EndError> {
        let Some((low, high)) = self.bounds(filter, below).await? else { return Ok(Vec::new()) };
        let terms = self.terms(filter).await?;
        let mut walk = Walk { terms, low, high, stretch: FIRST, found: VecDeque::new() };
        let mut page = Vec::new();
        while page.len() < limit {
            while walk.found.len() < limit && walk.high > walk.low {
                self.stretch(&mut walk).await?;
            }
            let places: Vec<u64> = walk.found.drain(..walk.found.len().min(limit)).collect();
            if places.is_empty() {
                break;
            }
            let (sql, values) = statement(filter, &Part::At(&places))?;
            for row in self.db.fetch_all(AssertSqlSafe(sql), values).await? {
                page.push(entry(&row)?);
            }
        }
        page.truncate(limit);
        Ok(page)
    }

    async fn stretch(&self, walk: &mut Walk) -> Result<(), StoreError> {
        let last = (walk.high - 1) / BLOCK;
        let first = last.saturating_sub(walk.stretch - 1).max(walk.low / BLOCK);
        walk.stretch = walk.stretch.saturating_mul(LONGER);
        let mut left: Option<BTreeMap<u64, Places>> = None;
        for numbers in &walk.terms {
            let here = self.places(numbers, first, last).await?;
            left = Some(match left {
                None => here,
                Some(mut before) => {
                    before.retain(|block, places| {
                        here.get(block).is_some_and(|other| {
                            places.and(other);
                            !places.is_empty()
                        })
                    });
                    before
                }
            });
            if left.as_ref().is_some_and(BTreeMap::is_empty) {
                break;
            }
        }
        for (block, places) in left.unwrap_or_default().iter().rev() {
            let places = places.within().rev().map(|n| block * BLOCK + u64::from(n));
            walk.found.extend(places.filter(|place| (walk.low..walk.high).contains(place)));
        }
        walk.high = (first * BLOCK).max(walk.low);
        Ok(())
    }

    async fn places(
        &self,
        numbers: &[i64],
        first: u64,
        last: u64,
    ) -> Result<BTreeMap<u64, Places>, StoreError> {
        let mut all: BTreeMap<u64, Places> = BTreeMap::new();
        let Some(filler) = numbers.last() else { return Ok(all) };
        let length = numbers.len().next_power_of_two();
        let marks = (3..=length + 2).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "SELECT block, places FROM journal_words WHERE word IN ({marks}) AND block BETWEEN $1 AND $2"
        );
        let mut values = vec![Value::size(first)?, Value::size(last)?];
        let filled = numbers.iter().chain(std::iter::repeat(filler)).take(length);
        values.extend(filled.map(|n| Value::from(*n)));
        for row in self.db.fetch_all(AssertSqlSafe(sql), values).await? {
            all.entry(row.size("block")?).or_default().or(&Places::decode(&row.bytes("places")?)?);
        }
        Ok(all)
    }

    /// Every way in which each term may have been entered.
    async fn terms(&self, filter: &FollowJournal) -> Result<Vec<Vec<i64>>, EndError> {
        let entity = filter.sight.entity();
        let lasting = Blind::lasting(&self.keys().purpose(super::enter::FOLLOWER)?, entity);
        let mut weeks = Vec::new();
        if !filter.words.is_empty() {
            for week in self.keys().weeks()? {
                weeks.extend(Blind::of_week(self.keys(), &week, entity)?);
            }
        }
        let mut terms: Vec<Vec<i64>> = Vec::new();
        for Term { word, events } in &filter.words {
            let everywhere = std::iter::once(&lasting).chain(&weeks);
            let mut numbers: Vec<i64> = everywhere.map(|b| b.number(Mark::Word(word))).collect();
            numbers.extend(events.iter().map(|e| lasting.number(Mark::Event(*e))));
            terms.push(numbers);
        }
        if !filter.events.is_empty() {
            terms.push(filter.events.iter().map(|e| lasting.number(Mark::Event(*e))).collect());
        }
        if let Sight::Own(_, account) = filter.sight {
            let mut numbers = vec![lasting.number(Mark::Account(account))];
            // What was handed over was entered under who left.
            for row in self.db.fetch_all("SELECT id FROM accounts WHERE heir = $1", args![account]).await? {
                numbers.push(lasting.number(Mark::Account(AccountId(row.int("id")?))));
            }
            let sql = format!("{} ORDER BY x.address_key LIMIT {OWN}", FOLLOWED.replace("$?", "$1"));
            for row in self.db.fetch_all(AssertSqlSafe(sql), args![account]).await? {
                numbers.push(lasting.number(Mark::Sender(&row.text("address_key")?)));
            }
            terms.push(numbers);
        }
        Ok(terms)
    }

    /// Where in the log it can be; the times themselves are looked at when entries are read.
    async fn bounds(&self, filter: &FollowJournal, below: u64) -> Result<Option<(u64, u64)>, StoreError> {
        let entity = filter.sight.entity();
        let edge = |at: Timestamp, by: SignedDuration| at.saturating_add(by).unwrap_or(at);
        let (mut low, mut high) = (0, below);
        if let Some(since) = filter.since {
            let sql = "SELECT idx FROM journal WHERE entity = $1 AND time >= $2 AND idx IS NOT NULL ORDER BY time LIMIT 1";
            match self.db.fetch_optional(sql, args![entity, edge(since, -LATE)]).await? {
                Some(row) => low = row.size("idx")?,
                None => return Ok(None),
            }
        }
        if let Some(until) = filter.until {
            let sql = "SELECT idx FROM journal WHERE entity = $1 AND time < $2 AND idx IS NOT NULL ORDER BY time DESC LIMIT 1";
            match self.db.fetch_optional(sql, args![entity, edge(until, LATE)]).await? {
                Some(row) => high = high.min(row.size("idx")? + 1),
                None => return Ok(None),
            }
        }
        Ok((low < high).then_some((low, high)))
    }
}
