//! Sessions of people who log in to the web application.
//!
//! **Job.** A session is found by the hash of its cookie, ends by itself after silence and after its whole
//! length, and at once when its account is disabled or it is ended here. What remains of it is the journal.
//!
//! **Exposure.** Cookies of strangers, looked up by SHA-256 only.
//!
//! **Standards.** OWASP ASVS 5.0 7.2 to 7.5 (fresh token at login and at each further proof, both limits, ended on
//! the server).

use crate::account::{Account, AccountError, COLUMNS, read_account};
use crate::{Db, Row, StoreError, Tx, args};
use sealpost_envelope::{AccountId, EntityId, GateMethod, Sha256Digest, Timestamp};
use std::time::Duration;
use uuid::Uuid;

/// `seen` is written so often at most; a silence is measured that much too short at worst.
const SEEN: Duration = Duration::from_secs(60);
/// What is typed under a session that ended less than this ago is still kept for its person.
const LAPSED: Duration = Duration::from_secs(3 * 86_400);
/// Longest description of a browser kept.
const MAX_AGENT: usize = 200;

/// SHA-256 of a session cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionHash(pub [u8; 32]);

impl SessionHash {
    /// Hashes a cookie's value.
    pub fn of(cookie: &str) -> Self {
        Self(Sha256Digest::of(cookie.as_bytes()).0)
    }
}

/// A living session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaffSession {
    /// Names it in lists.
    pub id: Uuid,
    /// Organisation.
    pub entity: EntityId,
    /// Whose.
    pub account: AccountId,
    /// When the person logged in.
    pub created: Timestamp,
    /// Last request, a minute late at most.
    pub seen: Timestamp,
    /// End, whatever happens.
    pub expires: Timestamp,
    /// Methods passed, in order.
    pub passed: Vec<GateMethod>,
    /// When the last of them was passed.
    pub proved: Timestamp,
    /// Network address it began from.
    pub network: Option<String>,
    /// What the browser calls itself.
    pub agent: Option<String>,
}

/// A session to write.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Hash of its fresh cookie.
    pub hash: SessionHash,
    /// Session of the same browser that this one replaces.
    pub former: Option<SessionHash>,
    /// Organisation.
    pub entity: EntityId,
    /// Whose.
    pub account: AccountId,
    /// Methods passed, in order.
    pub passed: Vec<GateMethod>,
    /// Now.
    pub now: Timestamp,
    /// End, whatever happens.
    pub expires: Timestamp,
    /// Network address.
    pub network: Option<String>,
    /// What the browser calls itself.
    pub agent: Option<String>,
}

const FIELDS: &str = "s.id AS session_id, s.account AS session_account, s.created AS session_created, \
    s.seen, s.expires, s.passed, s.proved, s.network, s.agent, s.entity AS session_entity";

impl StaffSession {
    /// The living session behind a cookie, with its account.
    pub async fn find(
        db: &Db,
        hash: SessionHash,
        now: Timestamp,
        idle: Duration,
    ) -> Result<Option<(Self, Account)>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT {FIELDS}, {COLUMNS} FROM staff_sessions s JOIN accounts a ON a.id = s.account \
             WHERE s.hash = $1 AND s.expires > $2 AND s.seen > $3 AND a.disabled IS NULL"
        ));
        let silent = now.saturating_sub(idle).unwrap_or(Timestamp::MIN);
        let Some(row) = db.fetch_optional(sql, args![hash.0, now, silent]).await? else { return Ok(None) };
        let session = Self::read(&row)?;
        if session.seen.saturating_add(SEEN).unwrap_or(session.seen) <= now {
            db.execute(
                "UPDATE staff_sessions SET seen = $2 WHERE hash = $1 AND seen < $2",
                args![hash.0, now],
            )
            .await?;
        }
        Ok(Some((session, read_account(&row)?)))
    }

    /// A session that has ended by itself not long ago, with its account: good for keeping what was typed, and for
    /// nothing else.
    pub async fn lapsed(
        db: &Db,
        hash: SessionHash,
        now: Timestamp,
    ) -> Result<Option<(Self, Account)>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT {FIELDS}, {COLUMNS} FROM staff_sessions s JOIN accounts a ON a.id = s.account \
             WHERE s.hash = $1 AND s.seen > $2 AND a.disabled IS NULL"
        ));
        let since = now.saturating_sub(LAPSED).unwrap_or(Timestamp::MIN);
        let row = db.fetch_optional(sql, args![hash.0, since]).await?;
        row.map(|row| Ok((Self::read(&row)?, read_account(&row)?))).transpose()
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        let passed = row
            .text("passed")?
            .split_ascii_whitespace()
            .map(|m| m.parse().map_err(|e| StoreError::damaged("staff_sessions.passed", e)))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            id: row.uuid("session_id")?,
            entity: EntityId(row.int("session_entity")?),
            account: AccountId(row.int("session_account")?),
            created: row.time("session_created")?,
            seen: row.time("seen")?,
            expires: row.time("expires")?,
            passed,
            proved: row.time("proved")?,
            network: row.opt_text("network")?,
            agent: row.opt_text("agent")?,
        })
    }

    /// Begins a session in the caller's transaction and ends the one it replaces. Nothing is written for an
    /// account that was disabled meanwhile.
    pub async fn begin(tx: &mut Tx, new: NewSession) -> Result<Uuid, AccountError> {
        let active = tx
            .fetch_optional(
                "SELECT id FROM accounts WHERE id = $1 AND entity = $2 AND disabled IS NULL",
                args![new.account, new.entity],
            )
            .await?;
        if active.is_none() {
            return Err(AccountError::Unknown(new.account.to_string()));
        }
        if let Some(former) = new.former {
            tx.execute("DELETE FROM staff_sessions WHERE hash = $1", args![former.0]).await?;
        }
        // What is over goes on the way: nobody else looks at it.
        let past = new.now.saturating_sub(LAPSED).unwrap_or(Timestamp::MIN);
        tx.execute("DELETE FROM staff_sessions WHERE expires < $1", args![past]).await?;
        let id = Uuid::new_v4();
        let passed = new.passed.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let agent = new.agent.map(|a| a.chars().take(MAX_AGENT).collect::<String>());
        tx.execute(
            "INSERT INTO staff_sessions (hash, id, entity, account, created, seen, expires, passed, proved, network, \
             agent) VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $5, $8, $9)",
            args![new.hash.0, id, new.entity, new.account, new.now, new.expires, passed, new.network, agent],
        )
        .await?;
        Ok(id)
    }

    /// A further proof in a living session: a fresh cookie, the methods that now stand, and when. `false` when the
    /// session ended meanwhile.
    pub async fn step_up(
        tx: &mut Tx,
        former: SessionHash,
        fresh: SessionHash,
        passed: &[GateMethod],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let passed = passed.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let sql = "UPDATE staff_sessions SET hash = $2, passed = $3, proved = $4, seen = $4 \
                   WHERE hash = $1 AND expires > $4";
        Ok(tx.execute(sql, args![former.0, fresh.0, passed, now]).await? == 1)
    }

    /// Ends the session behind a cookie.
    pub async fn end(tx: &mut Tx, hash: SessionHash) -> Result<bool, StoreError> {
        Ok(tx.execute("DELETE FROM staff_sessions WHERE hash = $1", args![hash.0]).await? == 1)
    }

    /// Ends one session of an account by its name.
    pub async fn end_one(tx: &mut Tx, account: AccountId, id: Uuid) -> Result<bool, StoreError> {
        let sql = "DELETE FROM staff_sessions WHERE account = $1 AND id = $2";
        Ok(tx.execute(sql, args![account, id]).await? == 1)
    }

    /// Ends all sessions of an account but `kept`; answers how many.
    pub async fn end_all(tx: &mut Tx, account: AccountId, kept: Option<Uuid>) -> Result<u64, StoreError> {
        let sql = "DELETE FROM staff_sessions WHERE account = $1 AND id <> $2";
        tx.execute(sql, args![account, kept.map_or_else(String::new, |id| id.to_string())]).await
    }

    /// An account's living sessions, the latest used first; at most 100.
    pub async fn of_account(
        db: &Db,
        account: AccountId,
        now: Timestamp,
        idle: Duration,
    ) -> Result<Vec<Self>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT {FIELDS} FROM staff_sessions s WHERE s.account = $1 AND s.expires > $2 AND s.seen > $3 \
             ORDER BY s.seen DESC, s.id LIMIT 100"
        ));
        let silent = now.saturating_sub(idle).unwrap_or(Timestamp::MIN);
        db.fetch_all(sql, args![account, now, silent]).await?.iter().map(Self::read).collect()
    }
}
