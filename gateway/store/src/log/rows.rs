//! Every row of the journal against the log: what was deleted, reordered or edited, by name.
//!
//! **Job.** [`Store::verify_rows`] goes through the rows once, in constant memory: each place is taken, its
//! leaf is the one in the tile that the log grew, the columns say what the bytes say (an entry of an organisation that
//! was merged belongs to the one it is part of now), clear values are those
//! committed to, the evidence is the one named, and what was pruned was pruned by a tombstone that stands in
//! the journal. [`Store::verify_log`] recomputes the tree itself; only both together say that all is well.
//!
//! **Exposure.** None.

use super::verify::MAX_FINDINGS;
use super::{Finding, Ranges};
use crate::db::{Row, Value};
use crate::{Store, StoreError, args};
use futures_util::StreamExt;
use sealpost_envelope::{EntityId, Sha256Digest};
use sealpost_evidence::journal::{EntryView, openings_fit};
use sealpost_evidence::merkle::{TILE_WIDTH, TileId};
use std::collections::HashMap;

/// Columns of the journal with the evidence of each entry.
const ROWS: &str = "SELECT j.idx, j.id, j.time, j.event, j.entity, j.deposit, j.recipient, j.leaf, j.bytes, \
     j.openings, e.xml FROM journal j LEFT JOIN evidence e ON e.id = j.id WHERE j.idx < $1 ORDER BY j.idx";

impl Store {
    /// Compares every row with the log; see the module.
    pub async fn verify_rows(&self) -> Result<Vec<Finding>, StoreError> {
        // Both in one look: the sequencer may be at work.
        let state = "SELECT size, (SELECT MAX(idx) FROM journal WHERE idx >= size) AS beyond \
             FROM log_state WHERE log = $1";
        let Some(state) = self.db.fetch_optional(state, args![super::LOG]).await? else {
            return Ok(Vec::new());
        };
        let size = state.size("size")?;
        let mut findings: Vec<Finding> = Vec::new();
        if let Some(at) = state.opt_int("beyond")? {
            findings.push(Finding::Beyond(at.unsigned_abs()));
        }
        let pruned = self.tombstones().await?;
        let merged = self.merged_entities().await?;
        let mut chunks = self.db.chunks(ROWS, vec![Value::size(size)?]);
        let mut next = 0;
        let mut tile: Option<(u64, Vec<u8>)> = None;
        while let Some(chunk) = chunks.next().await {
            for row in &chunk? {
                let index = row.size("idx")?;
                if index != next && findings.len() < MAX_FINDINGS {
                    findings.push(Finding::Missing(next, index));
                }
                next = index + 1;
                let number = index / TILE_WIDTH;
                if tile.as_ref().is_none_or(|(n, _)| *n != number) {
                    tile = Some((number, self.leaves(number, size).await?));
                }
                let at = (index % TILE_WIDTH) as usize * 32;
                let grown = tile.as_ref().and_then(|(_, hashes)| hashes.get(at..at + 32));
                if let Some(finding) = judge(row, index, grown, &pruned, &merged)?
                    && findings.len() < MAX_FINDINGS
                {
                    findings.push(finding);
                }
            }
        }
        if next < size {
            findings.push(Finding::End(next, size));
        }
        Ok(findings)
    }

    /// The leaves of one tile as the log grew them; fewer when the tile is damaged, which the tree's own
    /// check names.
    async fn leaves(&self, number: u64, size: u64) -> Result<Vec<u8>, StoreError> {
        let width = (size - number * TILE_WIDTH).min(TILE_WIDTH);
        // At most 256.
        match self.tile(TileId { level: 0, index: number, width: width as u16 }).await {
            Err(StoreError::Damaged { .. }) => Ok(Vec::new()),
            other => other,
        }
    }
}

fn judge(
    row: &Row,
    index: u64,
    grown: Option<&[u8]>,
    pruned: &Ranges,
    merged: &HashMap<EntityId, EntityId>,
) -> Result<Option<Finding>, StoreError> {
    if grown.is_some_and(|hash| row.array::<32>("leaf").is_ok_and(|leaf| leaf != hash)) {
        return Ok(Some(Finding::Moved(index)));
    }
    let Some(bytes) = row.opt_octets("bytes")? else {
        return Ok((!pruned.contains(index)).then_some(Finding::Pruned(index)));
    };
    let Ok(view) = EntryView::parse(&bytes) else { return Ok(Some(Finding::Changed(index))) };
    let entity = merged.get(&view.entity).copied().unwrap_or(view.entity);
    let columns = [
        ("id", row.text("id")? == view.id.to_string()),
        ("time", row.int("time")? == view.time.as_microsecond()),
        ("event", row.text("event")? == view.event.as_str()),
        ("entity", row.entity()? == entity),
        ("deposit", row.opt_text("deposit")? == view.deposit.map(|d| d.to_string())),
        ("recipient", row.opt_int("recipient")? == view.recipient.map(i64::from)),
    ];
    if let Some((name, _)) = columns.iter().find(|(_, same)| !same) {
        return Ok(Some(Finding::Column(index, name)));
    }
    let fits = match row.opt_octets("openings")? {
        Some(openings) => openings_fit(&view, &openings).map_err(|e| e.to_string()),
        None => Err("they are missing".to_owned()),
    };
    if let Err(why) = fits {
        return Ok(Some(Finding::Opening(index, why)));
    }
    let named = if view.event.is_etsi() { view.evidence().ok().flatten() } else { None };
    let stored = row.opt_octets("xml")?.map(|xml| Sha256Digest::of(&xml));
    Ok((named != stored).then_some(Finding::Evidence(index)))
}
