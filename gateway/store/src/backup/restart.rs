//! A restored database begins again: what it believes about the world may have changed since.
//!
//! **Job.** In the transaction of the restore: mail that has not left is held; browsers and codes are
//! forgotten; folders get another UIDVALIDITY, because UIDs given since are not known; no node holds a job.
//! And the log: yesterday's tree must not grow a second time under the same name, for whoever saw the
//! entries that are lost would see a fork. So a new log begins. Its first entry (LogRestarted) commits to the
//! old one's head and last checkpoint; the entries that are there follow in their old order; the old
//! checkpoints are kept aside, and `journal verify` recomputes their trees from the same entries.
//!
//! **Standards.** RFC 6962 §2.1, C2SP tlog-checkpoint (an origin names one log), RFC 9051 §2.3.1.1.

use super::HELD;
use crate::db::conn::Conn;
use crate::db::{AssertSqlSafe, Value};
use crate::{Args, LogHead, StoreError, args};
use sealpost_envelope::{Sha256Digest, Timestamp};
use sealpost_evidence::BuiltEvent;
use sealpost_evidence::merkle::{EMPTY_ROOT, Frontier, Hash, TILE_HEIGHT, TILE_WIDTH};
use std::collections::BTreeMap;

/// Entries read in one go.
const PAGE: u64 = 4096;
/// Number of the log in `log_state`.
const LOG: i64 = 1;

/// The log as the backup has it.
#[derive(Debug, Clone)]
pub struct OldLog {
    /// Its name, where it does not follow from the key.
    pub origin: Option<String>,
    /// Its entries.
    pub head: LogHead,
    /// Size and digest of its last signed checkpoint.
    pub checkpoint: Option<(u64, Sha256Digest)>,
}

/// What beginning again came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restarted {
    /// Mails held.
    pub held: u64,
    /// Entries of the new log.
    pub entries: u64,
    /// Its name.
    pub origin: String,
}

/// Names the new log and renders its first entry.
pub(super) type Begin<'a> = &'a (dyn Fn(&OldLog) -> Result<(String, BuiltEvent), StoreError> + Sync);

/// See the module. `old_origin` names the old log where the database does not.
pub(super) async fn restart(
    conn: &mut Conn,
    now: Timestamp,
    old_origin: &str,
    begin: Begin<'_>,
) -> Result<Restarted, StoreError> {
    let held = quiet(conn, now).await?;
    let old = old_log(conn).await?;
    let (origin, event) = begin(&old)?;
    let known = old.origin.clone().unwrap_or_else(|| old_origin.to_owned());
    for (sql, values) in [
        ("UPDATE former_checkpoints SET first = first + 1", args![]),
        (
            "INSERT INTO former_checkpoints (origin, size, first, time, root, note, tst, p7s) \
             SELECT CAST($1 AS TEXT), size, 1, time, root, note, tst, p7s FROM checkpoints",
            args![known.as_str()],
        ),
        (
            "INSERT INTO former_anchors (origin, size, time, obtained, authority, token) \
             SELECT CAST($1 AS TEXT), size, time, obtained, authority, token FROM anchors",
            args![known.as_str()],
        ),
        ("DELETE FROM anchors", args![]),
        ("DELETE FROM checkpoints", args![]),
        ("DELETE FROM tiles", args![]),
        // Places of the old log; the words are entered again at the new ones.
        ("DELETE FROM journal_words", args![]),
        ("DELETE FROM journal_words_again", args![]),
        ("DELETE FROM journal_words_gone", args![]),
        ("DELETE FROM followers WHERE name = 'words'", args![]),
        // Two steps, because an index is unique at any time.
        ("UPDATE journal SET idx = -idx - 2 WHERE idx IS NOT NULL", args![]),
        ("UPDATE journal SET idx = -idx - 1 WHERE idx < 0", args![]),
    ] {
        conn.execute(sql, values).await?;
    }
    first_entry(conn, event).await?;
    let entries = old.head.size + 1;
    let frontier = grow(conn, entries).await?;
    conn.execute("DELETE FROM log_state WHERE log = $1", args![LOG]).await?;
    let state = vec![
        LOG.into(),
        Value::size(entries)?,
        frontier.root().into(),
        frontier.to_bytes().into(),
        0_i64.into(),
        origin.as_str().into(),
    ];
    let sql =
        "INSERT INTO log_state (log, size, root, frontier, fence, origin) VALUES ($1, $2, $3, $4, $5, $6)";
    conn.execute(sql, state).await?;
    Ok(Restarted { held, entries, origin })
}

/// Nothing leaves, nobody is logged in, no job is held.
async fn quiet(conn: &mut Conn, now: Timestamp) -> Result<u64, StoreError> {
    // A code is of no use any more; all else waits for a person, who knows what has left since.
    let codes = "UPDATE outbound SET state = 'dropped', last_reply = $1, claimed_by = NULL, \
         claimed_until = NULL WHERE state IN ('compose', 'ready') AND priority = 0";
    conn.execute(codes, args![HELD]).await?;
    let mails = "UPDATE outbound SET state = 'held', last_reply = $1, claimed_by = NULL, \
         claimed_until = NULL WHERE state IN ('compose', 'ready')";
    let held = conn.execute(mails, args![HELD]).await?;
    for sql in [
        "DELETE FROM access_grant",
        "DELETE FROM access_challenge",
        "DELETE FROM access_sending",
        "DELETE FROM card_tickets",
        "DELETE FROM jobs",
    ] {
        conn.execute(sql, args![]).await?;
    }
    let validity = u32::try_from(now.as_second().max(1)).unwrap_or(u32::MAX);
    let folders =
        "UPDATE folders SET uidvalidity = CASE WHEN uidvalidity >= $1 THEN uidvalidity + 1 ELSE $1 END";
    conn.execute(folders, args![validity]).await?;
    Ok(held)
}

async fn old_log(conn: &mut Conn) -> Result<OldLog, StoreError> {
    let state = "SELECT size, root, origin FROM log_state WHERE log = $1";
    let (head, origin) = match conn.fetch(state, args![LOG], 1).await?.pop() {
        Some(row) => (LogHead { size: row.size("size")?, root: row.array("root")? }, row.opt_text("origin")?),
        None => (LogHead { size: 0, root: EMPTY_ROOT }, None),
    };
    let last = "SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1";
    let checkpoint = match conn.fetch(last, args![], 1).await?.pop() {
        Some(row) => Some((row.size("size")?, Sha256Digest::of(&row.bytes("note")?))),
        None => None,
    };
    Ok(OldLog { origin, head, checkpoint })
}

async fn first_entry(conn: &mut Conn, e: BuiltEvent) -> Result<(), StoreError> {
    let sql = "INSERT INTO journal (id, time, event, entity, idx, leaf, bytes, openings) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let values = args![e.id, e.time, e.name.as_str(), e.entity, 0_i64, e.leaf, e.bytes, e.openings];
    conn.execute(sql, values).await.map(drop)
}

/// Grows the tree over all entries and writes its tiles.
async fn grow(conn: &mut Conn, size: u64) -> Result<Frontier, StoreError> {
    let mut frontier = Frontier::new();
    let mut open: BTreeMap<u8, (u64, Vec<u8>)> = BTreeMap::new();
    while frontier.size() < size {
        let from = frontier.size();
        let bounds = vec![Value::size(from)?, Value::size(from + PAGE)?];
        let sql = "SELECT idx, leaf FROM journal WHERE idx >= $1 AND idx < $2 ORDER BY idx";
        let page = conn.fetch(sql, bounds, usize::MAX).await?;
        if page.is_empty() {
            return Err(StoreError::damaged("journal", format!("entry {from} is missing")));
        }
        let mut full: Vec<(u8, u64, Vec<u8>)> = Vec::new();
        for row in &page {
            if row.size("idx")? != frontier.size() {
                return Err(StoreError::damaged("journal", format!("entry {} is missing", frontier.size())));
            }
            frontier.append(row.array::<32>("leaf")?, |level, _, hash: &Hash| {
                if level % TILE_HEIGHT != 0 {
                    return;
                }
                let (n, hashes) = open.entry(level / TILE_HEIGHT).or_default();
                hashes.extend_from_slice(hash);
                if hashes.len() as u64 == TILE_WIDTH * 32 {
                    full.push((level / TILE_HEIGHT, *n, std::mem::take(hashes)));
                    *n += 1;
                }
            });
        }
        for (level, n, hashes) in full {
            tile(conn, level, n, hashes).await?;
        }
    }
    for (level, (n, hashes)) in open {
        if !hashes.is_empty() {
            tile(conn, level, n, hashes).await?;
        }
    }
    Ok(frontier)
}

async fn tile(conn: &mut Conn, level: u8, n: u64, hashes: Vec<u8>) -> Result<(), StoreError> {
    let width = (hashes.len() / 32) as u64;
    let values: Args = vec![level.into(), Value::size(n)?, Value::size(width)?, hashes.into()];
    let sql = "INSERT INTO tiles (level, n, width, hashes) VALUES ($1, $2, $3, $4)";
    conn.execute(AssertSqlSafe(sql.to_owned()), values).await.map(drop)
}
