//! Names of logs, and logs that a restore ended.
//!
//! **Job.** The name of today's log where it no longer follows from the key. The checkpoints of former logs
//! stay, and their trees are recomputed from the entries that were carried over, so that yesterday's
//! signatures go on vouching for yesterday's entries.

use super::{Checkpoint, Finding, LOG, checkpoint};
use crate::db::Value;
use crate::{Store, StoreError, args};
use futures_util::StreamExt;
use sealpost_evidence::merkle::{EMPTY_ROOT, Frontier};
use std::collections::BTreeMap;

impl Store {
    /// The log's name, if it was given one.
    pub async fn log_origin(&self) -> Result<Option<String>, StoreError> {
        let row = self.db.fetch_optional("SELECT origin FROM log_state WHERE log = $1", args![LOG]).await?;
        row.map_or(Ok(None), |r| r.opt_text("origin"))
    }

    /// Keeps the log's name, so that another key does not change it. A name that was given stays.
    pub async fn keep_log_origin(&self, origin: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO log_state (log, size, root, frontier, fence, origin) VALUES ($1, 0, $2, $3, 0, $4) \
             ON CONFLICT (log) DO UPDATE SET origin = COALESCE(log_state.origin, excluded.origin)";
        self.db.execute(sql, args![LOG, EMPTY_ROOT, Vec::new(), origin]).await?;
        Ok(())
    }

    /// Recomputes the trees of former logs and compares them with their checkpoints; `check` judges each
    /// note, given its log's name. Answers how many there are, and what does not fit.
    pub async fn verify_former_logs(
        &self,
        mut check: impl FnMut(&str, &Checkpoint) -> Option<String>,
    ) -> Result<(u64, Vec<Finding>), StoreError> {
        let starts = "SELECT DISTINCT first FROM former_checkpoints ORDER BY first LIMIT 1000";
        let mut trees: BTreeMap<u64, Frontier> = BTreeMap::new();
        for row in self.db.fetch_all(starts, args![]).await? {
            trees.insert(row.size("first")?, Frontier::new());
        }
        let Some(begin) = trees.keys().next().copied() else { return Ok((0, Vec::new())) };
        let (mut compared, mut findings) = (0, Vec::new());
        let mut checkpoints = self.db.stream(
            "SELECT origin, first, size, time, root, note, tst, p7s FROM former_checkpoints \
             ORDER BY first + size, first",
            args![],
        );
        let leaves = "SELECT idx, leaf FROM journal WHERE idx >= $1 ORDER BY idx";
        let mut leaves = self.db.stream(leaves, vec![Value::size(begin)?]);
        let mut next = begin;
        while let Some(row) = checkpoints.next().await {
            let row = row?;
            let (origin, first) = (row.text("origin")?, row.size("first")?);
            let checkpoint = checkpoint::checkpoint(&row)?;
            while next < first + checkpoint.size {
                let Some(entry) = leaves.next().await.transpose()? else { break };
                let (index, leaf) = (entry.size("idx")?, entry.array("leaf")?);
                for tree in trees.range_mut(..=index).map(|(_, tree)| tree) {
                    tree.append(leaf, |_, _, _| {});
                }
                next = index + 1;
            }
            compared += 1;
            let tree = trees.get(&first).map(|t| (t.size(), t.root()));
            let wrong = match tree {
                Some((size, root)) if size == checkpoint.size && root == checkpoint.root => {
                    check(&origin, &checkpoint)
                }
                _ => Some("its root differs from the entries that were carried over".to_owned()),
            };
            if let Some(why) = wrong
                && findings.len() < super::verify::MAX_FINDINGS
            {
                findings.push(Finding::Former(origin, checkpoint.size, why));
            }
        }
        Ok((compared, findings))
    }
}
