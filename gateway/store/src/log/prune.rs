//! The end of evidence: entries whose own retention is over lose their bytes and keep their place.
//!
//! **Job.** [`Store::prune`] takes the bytes, clear values, evidence and seals of entries that are older than
//! asked for, together with a tombstone in the journal that names their places; what remains of a deposit all
//! of whose entries are pruned goes too. The leaf hashes stay, so the tree stays verifiable.
//!
//! **Form.** A tombstone is a ContentDestroyed of no deposit with `detail.pruned`: ranges `first-last` of
//! places in the log as it was then; a restore after it moves every place by one.
//!
//! **What stays.** Tombstones and LogRestarted; deposits with living content or under a legal hold; deposits
//! of which anything happened later.

use crate::db::AssertSqlSafe;
use crate::{Args, Store, StoreError, Tx, Value, args, journal};
use futures_util::StreamExt;
use sealpost_envelope::{EntityId, Timestamp};
use sealpost_evidence::BuiltEvent;
use sealpost_evidence::journal::EntryView;

/// Entries pruned by one transaction.
const BATCH: u32 = 256;

/// What may go. The last entry of a deposit counts, not each of its own.
const DUE: &str = "SELECT j.idx, j.id, j.deposit FROM journal j WHERE j.entity = $1 AND j.time < $2 \
     AND j.idx IS NOT NULL AND j.bytes IS NOT NULL AND j.event <> 'LogRestarted' \
     AND (j.event <> 'ContentDestroyed' OR j.deposit IS NOT NULL) \
     AND (j.deposit IS NULL OR ( \
       NOT EXISTS (SELECT 1 FROM journal k WHERE k.deposit = j.deposit AND (k.time >= $2 OR k.idx IS NULL)) \
       AND NOT EXISTS (SELECT 1 FROM legal_holds h WHERE h.deposit = j.deposit AND h.released IS NULL) \
       AND NOT EXISTS (SELECT 1 FROM deposits d WHERE d.id = j.deposit AND d.wrapped_key IS NOT NULL))) \
     ORDER BY j.idx LIMIT $3";

/// Rows of a deposit that end with its evidence, in this order.
const REST: [&str; 14] = [
    "DELETE FROM sent_copies WHERE deposit = $1",
    "DELETE FROM access_span WHERE hash IN (SELECT hash FROM access_grant WHERE deposit = $1)",
    "DELETE FROM access_file WHERE hash IN (SELECT hash FROM access_grant WHERE deposit = $1)",
    "DELETE FROM access_grant WHERE deposit = $1",
    "DELETE FROM access_secret WHERE deposit = $1",
    "DELETE FROM access_sending WHERE deposit = $1",
    "DELETE FROM access_challenge WHERE deposit = $1",
    "DELETE FROM tokens WHERE deposit = $1",
    "DELETE FROM outbound WHERE deposit = $1",
    "DELETE FROM returned WHERE deposit = $1",
    "DELETE FROM legal_holds WHERE deposit = $1",
    "DELETE FROM observed WHERE deposit = $1",
    "DELETE FROM consignments WHERE deposit = $1",
    "DELETE FROM parts WHERE deposit = $1",
];

/// What one call of [`Store::prune`] took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Entries.
    pub entries: u64,
    /// More may be due.
    pub more: bool,
}

/// Places in the log, as ranges without gaps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Ranges over places, in any order.
    pub fn of(places: impl IntoIterator<Item = u64>) -> Self {
        Self::joined(places.into_iter().map(|p| (p, p)).collect())
    }
    fn joined(mut all: Vec<(u64, u64)>) -> Self {
        all.sort_unstable();
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for (first, last) in all {
            match ranges.last_mut() {
                Some(open) if first <= open.1.saturating_add(1) => open.1 = open.1.max(last),
                _ => ranges.push((first, last)),
            }
        }
        Self(ranges)
    }
    /// Whether the place is in one of them.
    pub fn contains(&self, place: u64) -> bool {
        let at = self.0.partition_point(|(first, _)| *first <= place);
        at.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|(_, last)| place <= *last)
    }
    /// `first-last`, as a tombstone lists them.
    pub fn words(&self) -> Vec<String> {
        self.0.iter().map(|(first, last)| format!("{first}-{last}")).collect()
    }
}

impl Store {
    /// Prunes entries of an organisation from before `before`; `tombstone` renders the event that names their
    /// places. To be called until there is no more.
    pub async fn prune(
        &self,
        entity: EntityId,
        before: Timestamp,
        tombstone: impl FnOnce(&Ranges) -> Result<BuiltEvent, StoreError> + Send + 'static,
    ) -> Result<Pruned, StoreError> {
        self.db.write(async move |tx| prune(tx, entity, before, tombstone).await).await
    }

    /// Places whose entries were pruned, as the tombstones in the journal say.
    pub(super) async fn tombstones(&self) -> Result<Ranges, StoreError> {
        let restarts = "SELECT time FROM journal WHERE event = 'LogRestarted' ORDER BY time";
        let mut times = Vec::new();
        let mut rows = self.db.stream(restarts, args![]);
        while let Some(row) = rows.next().await {
            times.push(row?.time("time")?);
        }
        let sql = "SELECT time, bytes FROM journal WHERE event = 'ContentDestroyed' AND deposit IS NULL \
             AND idx IS NOT NULL AND bytes IS NOT NULL ORDER BY idx";
        let mut rows = self.db.stream(sql, args![]);
        let mut all = Vec::new();
        while let Some(row) = rows.next().await {
            let row = row?;
            let (time, bytes) = (row.time("time")?, row.bytes("bytes")?);
            let moved = times.iter().filter(|restart| **restart > time).count() as u64;
            let Ok(view) = EntryView::parse(&bytes) else { continue };
            let detail: serde_json::Value = serde_json::from_str(view.detail).unwrap_or_default();
            let words = detail.get("pruned").and_then(|p| p.as_array());
            for word in words.into_iter().flatten().filter_map(|w| w.as_str()) {
                let Some((first, last)) = word.split_once('-') else { continue };
                if let (Ok(first), Ok(last)) = (first.parse::<u64>(), last.parse::<u64>()) {
                    all.push((first + moved, last + moved));
                }
            }
        }
        Ok(Ranges::joined(all))
    }
}

async fn prune(
    tx: &mut Tx,
    entity: EntityId,
    before: Timestamp,
    tombstone: impl FnOnce(&Ranges) -> Result<BuiltEvent, StoreError>,
) -> Result<Pruned, StoreError> {
    let due = tx.fetch_all(DUE, args![entity, before, BATCH]).await?;
    if due.is_empty() {
        return Ok(Pruned::default());
    }
    let (mut places, mut deposits) = (Vec::new(), Vec::new());
    for row in &due {
        places.push(row.size("idx")?);
        deposits.extend(row.opt_text("deposit")?);
    }
    deposits.sort();
    deposits.dedup();
    let ids = due.iter().map(|r| r.text("id").map(Value::from)).collect::<Result<Args, _>>()?;
    let marks = (1..=ids.len()).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
    for sql in [
        "DELETE FROM seals WHERE id IN",
        "DELETE FROM evidence_waiting WHERE id IN",
        "DELETE FROM evidence WHERE id IN",
        "UPDATE journal SET bytes = NULL, openings = NULL WHERE id IN",
    ] {
        tx.execute(AssertSqlSafe(format!("{sql} ({marks})")), ids.clone()).await?;
    }
    for deposit in deposits {
        let left = "SELECT 1 AS one FROM journal WHERE deposit = $1 AND bytes IS NOT NULL LIMIT 1";
        if tx.fetch_optional(left, args![deposit.as_str()]).await?.is_some() {
            continue;
        }
        for sql in REST {
            tx.execute(sql, args![deposit.as_str()]).await?;
        }
        tx.execute("UPDATE mails SET deposit = NULL WHERE deposit = $1", args![deposit.as_str()]).await?;
        tx.execute("DELETE FROM deposits WHERE id = $1", args![deposit.as_str()]).await?;
    }
    let entries = places.len() as u64;
    let places = Ranges::of(places);
    journal::take_out(tx, &places.0).await?;
    tx.append(vec![tombstone(&places)?]).await?;
    Ok(Pruned { entries, more: entries == u64::from(BATCH) })
}

#[cfg(test)]
mod tests {
    use super::Ranges;

    #[test]
    fn ranges() {
        let ranges = Ranges::of([7, 1, 2, 3, 9]);
        assert_eq!(ranges.words(), ["1-3", "7-7", "9-9"]);
        for (place, inside) in
            [(0, false), (1, true), (3, true), (4, false), (8, false), (9, true), (10, false)]
        {
            assert_eq!(ranges.contains(place), inside, "{place}");
        }
        assert!(!Ranges::default().contains(0));
    }
}
