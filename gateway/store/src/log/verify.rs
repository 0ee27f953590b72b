//! Recomputes the log from its entries and names what does not fit.

use super::{Checkpoint, LogHead};
use crate::{Row, Store, StoreError};
use futures_util::StreamExt;
use futures_util::stream::{BoxStream, Peekable};
use sealpost_evidence::merkle::{Frontier, Hash, TILE_HEIGHT, TileId, leaf_hash};
use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;

/// Something that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// No entry stands at this place; the next that was found stands at the second.
    Missing(u64, u64),
    /// The entry's bytes do not have the stored leaf hash.
    Changed(u64),
    /// The tree over the entries has another root than the log's state says.
    Root(u64),
    /// The tree over the entries has another root than this checkpoint.
    Checkpoint(u64),
    /// The checkpoint covers entries that the log does not have.
    Ahead(u64),
    /// What the caller found wrong with the checkpoint of that size.
    Note(u64, String),
    /// A tile differs from the tree, or is missing.
    Tile(TileId),
    /// Another entry stood at this place when the log grew.
    Moved(u64),
    /// A column of the entry's row does not say what the entry says.
    Column(u64, &'static str),
    /// The entry's clear values are not those it commits to.
    Opening(u64, String),
    /// The entry's evidence is missing, or not the one that it names.
    Evidence(u64),
    /// The entry's bytes are gone, and no tombstone in the journal says so.
    Pruned(u64),
    /// Entries from the first up to before the second are missing at the end.
    End(u64, u64),
    /// The entry stands beyond the end of the log.
    Beyond(u64),
    /// A checkpoint of a log that a restore ended: its log, its size, and why.
    Former(String, u64, String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(at, next) => write!(f, "entry {at}: missing (the next one is {next})"),
            Self::Changed(at) => write!(f, "entry {at}: its bytes do not have its leaf hash"),
            Self::Root(size) => write!(f, "log of {size} entries: the stored root differs from the entries"),
            Self::Checkpoint(size) => write!(f, "checkpoint {size}: its root differs from the entries"),
            Self::Ahead(size) => write!(f, "checkpoint {size}: covers entries that are missing"),
            Self::Note(size, why) => write!(f, "checkpoint {size}: {why}"),
            Self::Moved(at) => write!(f, "entry {at}: another one stood here when the log grew"),
            Self::Column(at, name) => write!(f, "entry {at}: its column {name} was changed"),
            Self::Opening(at, why) => write!(f, "entry {at}: its clear values were changed: {why}"),
            Self::Evidence(at) => write!(f, "entry {at}: its evidence is missing or was changed"),
            Self::Pruned(at) => write!(f, "entry {at}: its bytes are gone without a tombstone"),
            Self::End(from, to) => write!(f, "entries {from} to {}: missing at the end", to - 1),
            Self::Beyond(at) => write!(f, "entry {at}: stands beyond the end of the log"),
            Self::Former(log, size, why) => write!(f, "former log {log}, checkpoint {size}: {why}"),
            Self::Tile(tile) => write!(f, "tile/{}: differs from the entries or is missing", tile.path()),
        }
    }
}

/// Result of [`Store::verify_log`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogReport {
    /// The log as recomputed.
    pub head: LogHead,
    /// Entries whose bytes were pruned; their leaf hashes were taken as stored.
    pub pruned: u64,
    /// Checkpoints compared.
    pub checkpoints: u64,
    /// What does not fit; the first [`MAX_FINDINGS`].
    pub findings: Vec<Finding>,
}

/// Findings kept; a log that is damaged throughout need not be listed whole.
pub const MAX_FINDINGS: usize = 1000;

/// A tile under construction: `width` hashes so far.
type Partial = (u64, Vec<u8>);

impl Store {
    /// Recomputes the log in one pass and in constant memory. `check` judges each checkpoint's note
    /// (signature, stamp, seal), given the recomputed root, and says what is wrong with it.
    pub async fn verify_log(
        &self,
        mut check: impl FnMut(&Checkpoint, &Hash) -> Option<String>,
    ) -> Result<LogReport, StoreError> {
        let head = self.log_head().await?;
        let mut run = Run::new();
        let mut checkpoints = self.checkpoints().peekable();
        // What the sequencer adds while this runs is the next run's business.
        let sql = "SELECT idx, leaf, bytes FROM journal WHERE idx < $1 ORDER BY idx";
        let mut entries = self.db.chunks(sql, vec![crate::Value::size(head.size)?]);
        let mut due = run.compare_checkpoints(&mut checkpoints, &mut check).await?;
        while let Some(chunk) = entries.next().await {
            for entry in &chunk? {
                if due.is_some_and(|size| size <= run.frontier.size()) {
                    due = run.compare_checkpoints(&mut checkpoints, &mut check).await?;
                }
                run.take(entry)?;
            }
            for (tile, bytes) in std::mem::take(&mut run.full) {
                self.compare_tile(&mut run, tile, &bytes).await?;
            }
        }
        run.compare_checkpoints(&mut checkpoints, &mut check).await?;
        for (level, (index, bytes)) in std::mem::take(&mut run.partial) {
            if !bytes.is_empty() {
                let width = (bytes.len() / 32) as u16;
                self.compare_tile(&mut run, TileId { level, index, width }, &bytes).await?;
            }
        }
        while let Some(checkpoint) = checkpoints.next().await {
            let size = checkpoint?.size;
            if size <= head.size {
                run.note(Finding::Ahead(size));
            }
        }
        if run.frontier.size() != head.size || run.frontier.root() != head.root {
            run.note(Finding::Root(head.size));
        }
        let recomputed = LogHead { size: run.frontier.size(), root: run.frontier.root() };
        Ok(LogReport {
            head: recomputed,
            pruned: run.pruned,
            checkpoints: run.compared,
            findings: run.findings,
        })
    }

    async fn compare_tile(&self, run: &mut Run, tile: TileId, bytes: &[u8]) -> Result<(), StoreError> {
        match self.tile(tile).await {
            Ok(stored) if stored == bytes => Ok(()),
            Ok(_) | Err(StoreError::Damaged { .. }) => {
                run.note(Finding::Tile(tile));
                Ok(())
            }
            Err(e) => Err(e),
        }
    }
}

struct Run {
    frontier: Frontier,
    next: u64,
    pruned: u64,
    compared: u64,
    findings: Vec<Finding>,
    partial: BTreeMap<u8, Partial>,
    full: Vec<(TileId, Vec<u8>)>,
}

impl Run {
    fn new() -> Self {
        Self {
            frontier: Frontier::new(),
            next: 0,
            pruned: 0,
            compared: 0,
            findings: Vec::new(),
            partial: BTreeMap::new(),
            full: Vec::new(),
        }
    }

    fn note(&mut self, finding: Finding) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }

    fn take(&mut self, entry: &Row) -> Result<(), StoreError> {
        let (index, stored) = (entry.size("idx")?, entry.array("leaf")?);
        if index != self.next {
            self.note(Finding::Missing(self.next, index));
        }
        self.next = index + 1;
        let leaf = match entry.opt_octets("bytes")? {
            Some(bytes) => leaf_hash(&bytes),
            None => {
                self.pruned += 1;
                stored
            }
        };
        if leaf != stored {
            self.note(Finding::Changed(index));
        }
        let (partial, full) = (&mut self.partial, &mut self.full);
        self.frontier.append(leaf, |level, _, hash| {
            if level % TILE_HEIGHT == 0 {
                let level = level / TILE_HEIGHT;
                let (number, bytes) = partial.entry(level).or_default();
                bytes.extend_from_slice(hash);
                if bytes.len() == 256 * 32 {
                    let tile = TileId { level, index: *number, width: 256 };
                    full.push((tile, std::mem::take(bytes)));
                    *number += 1;
                }
            }
        });
        Ok(())
    }

    /// Compares the checkpoints that end at the entries taken so far; answers where the next one ends.
    async fn compare_checkpoints(
        &mut self,
        checkpoints: &mut Peekable<BoxStream<'static, Result<Checkpoint, StoreError>>>,
        check: &mut impl FnMut(&Checkpoint, &Hash) -> Option<String>,
    ) -> Result<Option<u64>, StoreError> {
        let size = self.frontier.size();
        let due = |next: &Result<Checkpoint, StoreError>| next.as_ref().map_or(true, |c| c.size <= size);
        while let Some(checkpoint) = Pin::new(&mut *checkpoints).next_if(due).await.transpose()? {
            let root = self.frontier.root();
            self.compared += 1;
            if checkpoint.size != size || checkpoint.root != root {
                self.note(Finding::Checkpoint(checkpoint.size));
            }
            if let Some(why) = check(&checkpoint, &root) {
                self.note(Finding::Note(checkpoint.size, why));
            }
        }
        let next = Pin::new(checkpoints).peek().await;
        Ok(next.and_then(|c| c.as_ref().ok()).map(|c| c.size))
    }
}
