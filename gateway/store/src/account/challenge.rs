//! Codes sent to people of ours: at most one living per account and purpose.
//!
//! The code is derived from the challenge's name elsewhere; here it is counted how often it was sent and tried.

use crate::{Db, Row, StoreError, Tx, args};
use sealpost_envelope::{AccountId, EntityId, Timestamp};
use std::time::Duration;
use uuid::Uuid;

/// What a code is for. One is good for no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CodePurpose {
    /// Logging in, by mail.
    Login,
    /// Logging in, by SMS.
    LoginSms,
    /// Making sure that a telephone number is the person's.
    Number,
}

impl CodePurpose {
    /// The word in rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::LoginSms => "login-sms",
            Self::Number => "number",
        }
    }
}

/// A code that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaffChallenge {
    /// Identifier; the code is derived from it.
    pub id: Uuid,
    /// Organisation.
    pub entity: EntityId,
    /// Whose.
    pub account: AccountId,
    /// End of validity.
    pub expires: Timestamp,
    /// Last sending.
    pub sent: Timestamp,
}

/// Bounds of a code.
#[derive(Debug, Clone, Copy)]
pub struct CodeRule {
    /// How long it holds.
    pub lifetime: Duration,
    /// Wrong answers allowed.
    pub tries: u32,
    /// Shortest time between two sendings.
    pub resend_after: Duration,
    /// Sendings in an hour.
    pub per_hour: u32,
}

/// What an answer came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeOutcome {
    /// Right; it is used up.
    Right,
    /// Wrong, or too late, or tried too often.
    Wrong,
}

const FIELDS: &str = "SELECT id, entity, account, expires, sent FROM staff_challenges";
const HOUR: Duration = Duration::from_secs(3600);

impl StaffChallenge {
    /// The code to send now: the living one again, or a fresh one; `None` when one was sent a moment ago or too many
    /// were in the last hour.
    pub async fn ask(
        tx: &mut Tx,
        (entity, account): (EntityId, AccountId),
        purpose: CodePurpose,
        rule: CodeRule,
        now: Timestamp,
    ) -> Result<Option<Self>, StoreError> {
        tx.alone(&format!("staff challenge {} {}", account.0, purpose.as_str())).await?;
        let since = now.saturating_sub(HOUR).unwrap_or(Timestamp::MIN);
        let counted = tx
            .fetch_one(
                "SELECT CAST(COALESCE(SUM(sendings), 0) AS BIGINT) AS n FROM staff_challenges \
                 WHERE account = $1 AND purpose = $2 AND sent > $3",
                args![account, purpose.as_str(), since],
            )
            .await?;
        if counted.int("n")? >= i64::from(rule.per_hour) {
            return Ok(None);
        }
        let sql = sqlx::AssertSqlSafe(format!(
            "{FIELDS} WHERE account = $1 AND purpose = $2 AND answered IS NULL AND tries < max_tries AND expires > $3 \
             ORDER BY created DESC, id LIMIT 1"
        ));
        let live = tx.fetch_optional(sql, args![account, purpose.as_str(), now]).await?;
        if let Some(live) = live.map(|r| Self::read(&r)).transpose()? {
            let pause = live.sent.saturating_add(rule.resend_after).unwrap_or(live.sent);
            if pause > now {
                return Ok(None);
            }
            let sql = "UPDATE staff_challenges SET sent = $2, sendings = sendings + 1 WHERE id = $1";
            tx.execute(sql, args![live.id, now]).await?;
            return Ok(Some(Self { sent: now, ..live }));
        }
        // Version 4: the code is derived from it.
        let id = Uuid::new_v4();
        let expires = now.saturating_add(rule.lifetime).unwrap_or(Timestamp::MAX);
        tx.execute("DELETE FROM staff_challenges WHERE account = $1 AND sent < $2", args![account, since])
            .await?;
        tx.execute(
            "INSERT INTO staff_challenges (id, entity, account, purpose, created, expires, tries, max_tries, sent, \
             sendings) VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $5, 1)",
            args![id, entity, account, purpose.as_str(), now, expires, rule.tries],
        )
        .await?;
        Ok(Some(Self { id, entity, account, expires, sent: now }))
    }

    /// Ends the living codes of a purpose: what they would have confirmed is no longer asked for.
    pub async fn end_all(
        tx: &mut Tx,
        account: AccountId,
        purpose: CodePurpose,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE staff_challenges SET answered = $3 \
                   WHERE account = $1 AND purpose = $2 AND answered IS NULL";
        tx.execute(sql, args![account, purpose.as_str(), now]).await.map(drop)
    }

    /// By identifier.
    pub async fn get(db: &Db, id: Uuid) -> Result<Option<Self>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{FIELDS} WHERE id = $1"));
        db.fetch_optional(sql, args![id]).await?.map(|r| Self::read(&r)).transpose()
    }

    /// The codes that would be looked at now.
    pub async fn living(
        db: &Db,
        account: AccountId,
        purpose: CodePurpose,
        now: Timestamp,
    ) -> Result<Vec<Self>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!(
            "{FIELDS} WHERE account = $1 AND purpose = $2 AND answered IS NULL AND tries < max_tries AND expires > $3 \
             ORDER BY created DESC, id LIMIT 4"
        ));
        db.fetch_all(sql, args![account, purpose.as_str(), now]).await?.iter().map(Self::read).collect()
    }

    /// Counts an answer that was judged. The statement's condition decides, so that of two simultaneous right ones a
    /// single one counts.
    pub async fn answer(
        tx: &mut Tx,
        id: Uuid,
        right: bool,
        now: Timestamp,
    ) -> Result<CodeOutcome, StoreError> {
        let counted = tx
            .execute(
                "UPDATE staff_challenges SET tries = tries + $2, answered = CASE WHEN $2 = 0 THEN $3 ELSE NULL END \
                 WHERE id = $1 AND answered IS NULL AND tries < max_tries AND expires > $3",
                args![id, i64::from(!right), now],
            )
            .await?;
        Ok(if right && counted == 1 { CodeOutcome::Right } else { CodeOutcome::Wrong })
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.uuid("id")?,
            entity: row.entity()?,
            account: AccountId(row.int("account")?),
            expires: row.time("expires")?,
            sent: row.time("sent")?,
        })
    }
}
