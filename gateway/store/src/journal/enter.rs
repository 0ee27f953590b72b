//! Entering words into the journal's index, behind the log and apart from everything that waits for an answer.
//!
//! **Job.** [`Store::enter_words`] deals with the next entries of the log and notes how far it is, in one transaction.
//! [`Store::tidy_words`] enters those of content again whose key moved, and takes out what was pruned. What a
//! deposit's content says comes from the caller, who can read it.
//!
//! **What is entered.** Of an entry: its event, and the clear values that stand beside it. Of its deposit: reference,
//! sender, the words of its content, and whose it is. Of its recipient, or of the first [`PEOPLE`] where it concerns
//! all of them: the address.
//!
//! **Failure modes.** Two nodes that do it at once: the position decides, the second one is [`StoreError::Conflict`].
//! After a crash it goes on where the last transaction ended. Without rows and position all is entered again.

use super::JournalEntry;
use super::blocks::{BLOCK, Places};
use super::read::{COLUMNS, entry};
use super::words::{Blind, CONTENT, Mark, range, words};
use crate::db::{Args, AssertSqlSafe, Row, Value};
use crate::endoflife::EndError;
use crate::keys::KeyError;
use crate::log::follower::followed_to;
use crate::{ConsignmentRow, DepositRow, Store, StoreError, Tx, args};
use sealpost_envelope::{DepositId, EntityId};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Name of the follower.
pub(super) const FOLLOWER: &str = "words";
/// Recipients whose words an entry about all of them gets.
const PEOPLE: usize = 50;
/// Words of one text at most.
const WORDS: usize = 200;
/// Numbers looked up by one statement.
const TOGETHER: usize = 128;
/// Deposits entered again in one go.
const AGAIN: u32 = 16;
/// Rows read in one go while words are taken out.
const ROWS: u32 = 2048;
/// Steps in which a week's words go: each holds the writer for a moment only.
const STEPS: i64 = 256;

/// Places to add, by word and block.
type Addition = BTreeMap<(i64, u64), Places>;

/// How far the index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entered {
    /// All entries before this place are in it.
    pub position: u64,
    /// Entries of this call.
    pub entries: u64,
}

/// What one deposit's entries have in common.
struct Common {
    row: DepositRow,
    people: Vec<ConsignmentRow>,
    content: Vec<i64>,
}

/// Words of one deposit's content, over all its texts.
const SAID: usize = 2000;
/// Numbers written in one transaction, about.
const AT_ONCE: usize = 20_000;

impl Store {
    /// Enters the next entries of the log, a block of them at most. `content` tells the texts of a deposit's content:
    /// nothing for one that cannot be read.
    pub async fn enter_words(
        &self,
        content: impl Fn(&DepositRow) -> Vec<String>,
    ) -> Result<Entered, EndError> {
        let from = self.words_entered().await?;
        let sql = format!("SELECT {COLUMNS} FROM journal WHERE idx >= $1 ORDER BY idx LIMIT $2");
        let rows =
            self.db.fetch_all(AssertSqlSafe(sql), vec![Value::size(from)?, Value::size(BLOCK)?]).await?;
        let mut entries = rows.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        let block = entries.first().and_then(|e| e.index).unwrap_or(from) / BLOCK;
        entries.retain(|e| e.index.is_some_and(|i| i / BLOCK == block));
        let Some(last) = entries.last().and_then(|e| e.index) else {
            return Ok(Entered { position: from, entries: 0 });
        };
        let mut ids: Vec<DepositId> = entries.iter().filter_map(|e| e.deposit).collect();
        ids.sort_unstable();
        ids.dedup();
        let deposits = self.common(&ids, &content).await?;
        let mut addition = Addition::new();
        let mut blinds = HashMap::new();
        let (mut next, mut entered) = (last + 1, 0);
        for entry in &entries {
            let Some(place) = entry.index else { continue };
            // Others' commits wait while this one is written.
            if addition.len() >= AT_ONCE {
                next = place;
                break;
            }
            entered += 1;
            let blind = self.lasting(&mut blinds, entry.entity)?;
            let common = entry.deposit.and_then(|id| deposits.get(&id));
            let mut numbers = numbers(entry, common, blind);
            numbers.extend(common.map_or(&[][..], |c| &c.content));
            for number in numbers {
                addition.entry((number, block)).or_default().add(place);
            }
        }
        self.db
            .write_patiently(async move |tx| {
                add(tx, addition).await?;
                advance(tx, from, next).await
            })
            .await?;
        Ok(Entered { position: next, entries: entered })
    }

    /// The index covers all entries before this place.
    pub async fn words_entered(&self) -> Result<u64, StoreError> {
        Ok(followed_to(&self.db, FOLLOWER).await?.unwrap_or(0))
    }

    /// Something waits for [`Store::tidy_words`].
    pub async fn words_untidy(&self) -> Result<bool, StoreError> {
        let sql = "SELECT 1 AS one FROM journal_words_again UNION ALL SELECT 1 AS one FROM journal_words_gone LIMIT 1";
        Ok(self.db.fetch_optional(sql, args![]).await?.is_some())
    }

    /// Empties the index; everything is entered again by [`Store::enter_words`].
    pub async fn forget_all_words(&self) -> Result<(), StoreError> {
        self.db.write(async move |tx| forget(tx).await).await
    }

    /// Does what destruction, extension and pruning left to do. `true` when there may be more.
    pub async fn tidy_words(&self, content: impl Fn(&DepositRow) -> Vec<String>) -> Result<bool, EndError> {
        Ok(self.enter_moved(content).await? | self.take_out_pruned().await?)
    }

    async fn enter_moved(&self, content: impl Fn(&DepositRow) -> Vec<String>) -> Result<bool, EndError> {
        let sql = "SELECT deposit FROM journal_words_again ORDER BY deposit LIMIT $1";
        let rows = self.db.fetch_all(sql, args![AGAIN]).await?;
        let ids = rows.iter().map(|r| r.uuid("deposit").map(DepositId)).collect::<Result<Vec<_>, _>>()?;
        let position = self.words_entered().await?;
        for (id, common) in self.common(&ids, &content).await? {
            let mut addition = Addition::new();
            let sql = "SELECT idx FROM journal WHERE deposit = $1 AND idx < $2";
            for row in self.db.fetch_all(sql, vec![id.into(), Value::size(position)?]).await? {
                let place = row.size("idx")?;
                for number in &common.content {
                    addition.entry((*number, place / BLOCK)).or_default().add(place);
                }
            }
            self.db.write_patiently(async move |tx| add(tx, addition).await).await?;
        }
        for id in &ids {
            self.db.execute("DELETE FROM journal_words_again WHERE deposit = $1", args![*id]).await?;
        }
        Ok(ids.len() == AGAIN as usize)
    }

    /// Of pruned entries only lasting words are left: those of content ended with its key.
    async fn take_out_pruned(&self) -> Result<bool, StoreError> {
        let sql = "SELECT first, last FROM journal_words_gone ORDER BY first LIMIT 1000";
        let ranges = self.db.fetch_all(sql, args![]).await?;
        let mut gone: BTreeMap<u64, Places> = BTreeMap::new();
        for row in &ranges {
            for place in row.size("first")?..=row.size("last")? {
                gone.entry(place / BLOCK).or_default().add(place);
            }
        }
        let (Some((low, _)), Some((high, _))) = (gone.first_key_value(), gone.last_key_value()) else {
            return Ok(false);
        };
        let (low, high) = (Value::size(*low)?, Value::size(*high)?);
        let sql = "SELECT word, block, places FROM journal_words WHERE (word, block) > ($1, $2) AND word < $3 \
             AND block BETWEEN $4 AND $5 ORDER BY word, block LIMIT $6";
        let (mut word, mut block) = (Value::from(-1), Value::from(-1));
        loop {
            let values = vec![word, block, CONTENT.into(), low.clone(), high.clone(), ROWS.into()];
            let rows = self.db.fetch_all(sql, values).await?;
            let mut changes = Vec::new();
            for row in &rows {
                let Some(gone) = gone.get(&row.size("block")?) else { continue };
                let before = Places::decode(&row.bytes("places")?)?;
                let mut after = before;
                after.without(gone);
                if after != before {
                    changes.push((row.int("word")?, row.int("block")?, after));
                }
            }
            self.db.write_patiently(async move |tx| put_back(tx, changes).await).await?;
            match rows.last().filter(|_| rows.len() == ROWS as usize) {
                Some(last) => (word, block) = (last.int("word")?.into(), last.int("block")?.into()),
                None => break,
            }
        }
        for row in &ranges {
            let sql = "DELETE FROM journal_words_gone WHERE first = $1";
            self.db.execute(sql, args![row.int("first")?]).await?;
        }
        Ok(ranges.len() == 1000)
    }

    /// The words of content under a week's key go.
    pub(crate) async fn forget_words(&self, week: &str) -> Result<(), StoreError> {
        let Some((first, beyond)) = range(week) else { return Ok(()) };
        let step = (beyond - first) / STEPS;
        for low in (first..beyond).step_by(usize::try_from(step).unwrap_or(usize::MAX)) {
            let sql = "DELETE FROM journal_words WHERE word >= $1 AND word < $2";
            self.db.write_patiently(async move |tx| tx.execute(sql, args![low, low + step]).await).await?;
        }
        Ok(())
    }

    async fn common(
        &self,
        ids: &[DepositId],
        content: &impl Fn(&DepositRow) -> Vec<String>,
    ) -> Result<BTreeMap<DepositId, Common>, EndError> {
        let mut all = BTreeMap::new();
        let mut blinds: HashMap<(EntityId, String), Option<Blind>> = HashMap::new();
        for row in self.deposit_rows(ids).await? {
            let mut found = Vec::new();
            if row.wrapped_key.is_some() {
                let key = (row.entity, row.key_week.clone());
                if !blinds.contains_key(&key) {
                    blinds.insert(key.clone(), Blind::of_week(self.keys(), &row.key_week, row.entity)?);
                }
                if let Some(Some(blind)) = blinds.get(&key) {
                    let texts = content(&row);
                    let said: BTreeSet<String> =
                        texts.iter().flat_map(|t| words(t).take(WORDS)).take(SAID).collect();
                    found = said.iter().map(|w| blind.number(Mark::Word(w))).collect();
                }
            }
            all.insert(row.id, Common { row, people: Vec::new(), content: found });
        }
        for person in self.consignments_of(ids).await? {
            if let Some(common) = all.get_mut(&person.deposit) {
                common.people.push(person);
            }
        }
        Ok(all)
    }

    fn lasting<'a>(
        &self,
        known: &'a mut HashMap<EntityId, Blind>,
        entity: EntityId,
    ) -> Result<&'a Blind, KeyError> {
        Ok(match known.entry(entity) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(free) => free.insert(Blind::lasting(&self.keys().purpose(FOLLOWER)?, entity)),
        })
    }
}

/// Lasting words of an entry.
fn numbers(entry: &JournalEntry, common: Option<&Common>, blind: &Blind) -> BTreeSet<i64> {
    let mut said: BTreeSet<String> = BTreeSet::new();
    let openings = entry.openings.as_ref().and_then(|b| serde_json::from_slice(b).ok());
    let openings: serde_json::Value = openings.unwrap_or_default();
    for (path, opening) in openings["open"].as_object().into_iter().flatten() {
        // What a program calls itself is nothing that anybody looks for.
        if !path.ends_with("agent")
            && let Some(text) = opening["value"].as_str()
        {
            said.extend(words(text).take(WORDS));
        }
    }
    let mut numbers = BTreeSet::from([blind.number(Mark::Event(entry.event))]);
    if let Some(Common { row, people, .. }) = common {
        said.extend(words(row.reference.as_str()));
        said.extend(words(row.sender.as_str()));
        let concerned = people.iter().filter(|p| entry.recipient.is_none_or(|n| n == p.n));
        for person in concerned.take(PEOPLE) {
            said.extend(words(person.address.as_str()));
        }
        numbers.extend(row.account.map(|id| blind.number(Mark::Account(id))));
        numbers.insert(blind.number(Mark::Sender(&row.sender.key())));
    }
    numbers.extend(said.iter().map(|word| blind.number(Mark::Word(word))));
    numbers
}

/// In a transaction after which other words stand for the entries.
pub(crate) async fn forget(tx: &mut Tx) -> Result<(), StoreError> {
    for table in ["journal_words", "journal_words_again", "journal_words_gone"] {
        tx.execute(AssertSqlSafe(format!("DELETE FROM {table}")), args![]).await?;
    }
    tx.execute("DELETE FROM followers WHERE name = $1", args![FOLLOWER]).await.map(drop)
}

/// In the transaction that moves a deposit's key: its words are to be entered under the new week.
pub(crate) async fn enter_again(tx: &mut Tx, deposit: DepositId) -> Result<(), StoreError> {
    let sql = "INSERT INTO journal_words_again (deposit) VALUES ($1) ON CONFLICT DO NOTHING";
    tx.execute(sql, args![deposit]).await.map(drop)
}

/// In the transaction that prunes entries: their words are to be taken out.
pub(crate) async fn take_out(tx: &mut Tx, places: &[(u64, u64)]) -> Result<(), StoreError> {
    let rows = places.iter().map(|(first, last)| Ok(vec![Value::size(*first)?, Value::size(*last)?]));
    let rows = rows.collect::<Result<Vec<Args>, StoreError>>()?;
    let keep = "ON CONFLICT (first) DO UPDATE SET last = excluded.last";
    tx.insert("INSERT INTO journal_words_gone (first, last) VALUES", rows, keep).await.map(drop)
}

async fn advance(tx: &mut Tx, from: u64, to: u64) -> Result<(), StoreError> {
    // Emptied meanwhile, it begins at the beginning: only a first step makes the row.
    let sql = match from {
        0 => {
            "INSERT INTO followers (name, position) VALUES ($1, $2) ON CONFLICT (name) \
             DO UPDATE SET position = excluded.position WHERE followers.position = $3"
        }
        _ => "UPDATE followers SET position = $2 WHERE name = $1 AND position = $3",
    };
    match tx.execute(sql, vec![FOLLOWER.into(), Value::size(to)?, Value::size(from)?]).await? {
        1 => Ok(()),
        _ => Err(StoreError::Conflict("another node enters the journal's words")),
    }
}

async fn add(tx: &mut Tx, mut addition: Addition) -> Result<(), StoreError> {
    let mut by_block: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
    for (word, block) in addition.keys() {
        by_block.entry(*block).or_default().push(*word);
    }
    for (block, words) in by_block {
        for some in words.chunks(TOGETHER) {
            for row in there(tx, block, some).await? {
                if let Some(places) = addition.get_mut(&(row.int("word")?, block)) {
                    places.or(&Places::decode(&row.bytes("places")?)?);
                }
            }
        }
    }
    let row = |((word, block), places): (&(i64, u64), &Places)| {
        Ok(vec![(*word).into(), Value::size(*block)?, places.encode().into()])
    };
    let rows = addition.iter().map(row).collect::<Result<Vec<Args>, StoreError>>()?;
    let merge = "ON CONFLICT (word, block) DO UPDATE SET places = excluded.places";
    tx.insert("INSERT INTO journal_words (word, block, places) VALUES", rows, merge).await.map(drop)
}

async fn there(tx: &mut Tx, block: u64, words: &[i64]) -> Result<Vec<Row>, StoreError> {
    let Some(last) = words.last() else { return Ok(Vec::new()) };
    // Few lengths only, filled up by repeating, so that few texts are prepared.
    let length = words.len().next_power_of_two();
    let marks = (2..=length + 1).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
    let sql = format!("SELECT word, places FROM journal_words WHERE block = $1 AND word IN ({marks})");
    let mut values = vec![Value::size(block)?];
    values.extend(words.iter().chain(std::iter::repeat(last)).take(length).map(|w| Value::from(*w)));
    tx.fetch_all(AssertSqlSafe(sql), values).await
}

async fn put_back(tx: &mut Tx, changes: Vec<(i64, i64, Places)>) -> Result<(), StoreError> {
    for (word, block, places) in changes {
        if places.is_empty() {
            let sql = "DELETE FROM journal_words WHERE word = $1 AND block = $2";
            tx.execute(sql, args![word, block]).await?;
        } else {
            let sql = "UPDATE journal_words SET places = $3 WHERE word = $1 AND block = $2";
            tx.execute(sql, args![word, block, places.encode()]).await?;
        }
    }
    Ok(())
}
