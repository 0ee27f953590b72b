//! Challenges: one living question per consignment and method, for all browsers together.

use crate::{Db, Row, StoreError, Tx, args};
use sealpost_envelope::{DepositId, EntityId, RecipientNo, Timestamp};
use uuid::Uuid;

/// A question put to the recipient. Its answer is derived or verified elsewhere, never kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Identifier; codes are derived from it.
    pub id: Uuid,
    /// Organisation.
    pub entity: EntityId,
    /// Deposit.
    pub deposit: DepositId,
    /// Recipient.
    pub recipient: RecipientNo,
    /// Method, as a rule writes it.
    pub method: String,
    /// Asked.
    pub created: Timestamp,
    /// End of validity.
    pub expires: Timestamp,
    /// Wrong answers so far, from all browsers.
    pub tries: u32,
    /// Wrong answers allowed.
    pub max_tries: u32,
    /// Answered rightly.
    pub answered: Option<Timestamp>,
    /// Last time it was sent, where it is sent at all.
    pub sent: Option<Timestamp>,
    /// What the remote server said to the last sending.
    pub reply: Option<String>,
}

impl Challenge {
    /// Tries left.
    pub fn left(&self) -> u32 {
        self.max_tries.saturating_sub(self.tries)
    }
    /// Whether an answer at `now` would be looked at.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.answered.is_none() && self.left() > 0 && now < self.expires
    }
}

/// The challenge to create if none is alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewChallenge {
    /// Organisation.
    pub entity: EntityId,
    /// Deposit.
    pub deposit: DepositId,
    /// Recipient.
    pub recipient: RecipientNo,
    /// Method, as a rule writes it.
    pub method: String,
    /// Now.
    pub now: Timestamp,
    /// End of validity.
    pub expires: Timestamp,
    /// Wrong answers allowed.
    pub max_tries: u32,
}

/// How often it may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AskRule {
    /// A sending is refused while one later than this exists.
    pub not_since: Timestamp,
    /// Sendings later than this are counted …
    pub counted_since: Timestamp,
    /// … and this many are allowed.
    pub at_most: u32,
}

/// What asking came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskOutcome {
    /// To be sent now (or, for methods that send nothing, to be shown).
    Send(Challenge),
    /// A living challenge was sent a moment ago; show its form again.
    Wait(Challenge),
    /// Asked too often; again from this time on. The living challenge, if any, may still be answered.
    Limited(Timestamp, Option<Challenge>),
}

/// What an answer came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerOutcome {
    /// Right; the challenge is used up.
    Right,
    /// Wrong; so many tries are left.
    Wrong(u32),
    /// Expired, used up or tried too often in the meantime: the answer was not looked at.
    Dead,
}

const COLUMNS: &str = "SELECT c.id, c.entity, c.deposit, c.recipient, c.method, c.created, c.expires, c.tries, \
    c.max_tries, c.answered, c.reply, \
    (SELECT MAX(s.sent) FROM access_sending s WHERE s.challenge = c.id) AS sent FROM access_challenge c";

impl Challenge {
    /// By identifier.
    pub async fn get(db: &Db, id: Uuid) -> Result<Option<Self>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE c.id = $1"));
        db.fetch_optional(sql, args![id]).await?.map(|r| Self::read(&r)).transpose()
    }
    /// The latest one of a consignment and method, alive or not.
    pub async fn latest(
        db: &Db,
        deposit: DepositId,
        recipient: RecipientNo,
        method: &str,
    ) -> Result<Option<Self>, StoreError> {
        let row = db.fetch_optional(latest_sql(), args![deposit, recipient, method]).await?;
        row.map(|r| Self::read(&r)).transpose()
    }
    /// Keeps what the remote server said to the last sending.
    pub async fn note_reply(tx: &mut Tx, id: Uuid, reply: &str) -> Result<(), StoreError> {
        tx.execute("UPDATE access_challenge SET reply = $2 WHERE id = $1", args![id, reply]).await.map(|_| ())
    }

    /// Finds the living challenge or creates one, and counts a sending of it, all within `rule`. Two
    /// browsers that ask at once, of two nodes even, get the same challenge.
    pub async fn ask(tx: &mut Tx, new: &NewChallenge, rule: AskRule) -> Result<AskOutcome, StoreError> {
        tx.alone(&format!("challenge {} {} {}", new.deposit, new.recipient, new.method)).await?;
        let row =
            tx.fetch_optional(latest_sql(), args![new.deposit, new.recipient, new.method.as_str()]).await?;
        let live = row.map(|r| Self::read(&r)).transpose()?.filter(|c| c.is_live(new.now));
        if let Some(challenge) = &live
            && challenge.sent.is_some_and(|at| at > rule.not_since)
        {
            return Ok(AskOutcome::Wait(challenge.clone()));
        }
        let row = tx
            .fetch_one(
                "SELECT COUNT(*) AS n, MIN(sent) AS oldest FROM access_sending \
                 WHERE deposit = $1 AND recipient = $2 AND method = $3 AND sent > $4",
                args![new.deposit, new.recipient, new.method.as_str(), rule.counted_since],
            )
            .await?;
        if row.int("n")? >= i64::from(rule.at_most) {
            // The oldest sending leaves the window after the window's length.
            let window = rule.counted_since.duration_until(new.now);
            let free = row.opt_time("oldest")?.and_then(|at| at.checked_add(window).ok()).unwrap_or(new.now);
            return Ok(AskOutcome::Limited(free, live));
        }
        let challenge = match live {
            Some(challenge) => challenge,
            None => Self::insert(tx, new).await?,
        };
        tx.execute(
            "INSERT INTO access_sending (id, entity, challenge, deposit, recipient, method, sent) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            args![
                Uuid::now_v7(),
                new.entity,
                challenge.id,
                new.deposit,
                new.recipient,
                new.method.as_str(),
                new.now
            ],
        )
        .await?;
        Ok(AskOutcome::Send(Self { sent: Some(new.now), ..challenge }))
    }

    async fn insert(tx: &mut Tx, new: &NewChallenge) -> Result<Self, StoreError> {
        // Version 4: the identifier feeds the code's derivation and shall not be foreseeable.
        let id = Uuid::new_v4();
        tx.execute(
            "INSERT INTO access_challenge (id, entity, deposit, recipient, method, created, expires, tries, max_tries) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8)",
            args![
                id,
                new.entity,
                new.deposit,
                new.recipient,
                new.method.as_str(),
                new.now,
                new.expires,
                new.max_tries
            ],
        )
        .await?;
        Ok(Self {
            id,
            entity: new.entity,
            deposit: new.deposit,
            recipient: new.recipient,
            method: new.method.clone(),
            created: new.now,
            expires: new.expires,
            tries: 0,
            max_tries: new.max_tries,
            answered: None,
            sent: None,
            reply: None,
        })
    }

    /// Counts an answer whose rightness the gate has judged. The condition in the statement decides, so
    /// that the sixth of six simultaneous tries is dead wherever it was made.
    pub async fn answer(
        tx: &mut Tx,
        id: Uuid,
        right: bool,
        now: Timestamp,
    ) -> Result<AnswerOutcome, StoreError> {
        let row = tx
            .fetch_optional(
                "UPDATE access_challenge SET tries = tries + $2, answered = CASE WHEN $2 = 0 THEN $3 ELSE NULL END \
                 WHERE id = $1 AND answered IS NULL AND tries < max_tries AND expires > $3 \
                 RETURNING max_tries - tries AS remaining",
                args![id, i64::from(!right), now],
            )
            .await?;
        Ok(match row {
            None => AnswerOutcome::Dead,
            Some(_) if right => AnswerOutcome::Right,
            Some(row) => AnswerOutcome::Wrong(row.small("remaining")?),
        })
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.uuid("id")?,
            entity: row.entity()?,
            deposit: DepositId(row.uuid("deposit")?),
            recipient: row.small("recipient")?,
            method: row.text("method")?,
            created: row.time("created")?,
            expires: row.time("expires")?,
            tries: row.small("tries")?,
            max_tries: row.small("max_tries")?,
            answered: row.opt_time("answered")?,
            sent: row.opt_time("sent")?,
            reply: row.opt_text("reply")?,
        })
    }
}

fn latest_sql() -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(format!(
        "{COLUMNS} WHERE c.deposit = $1 AND c.recipient = $2 AND c.method = $3 \
         ORDER BY c.created DESC, CASE WHEN c.answered IS NULL THEN 0 ELSE 1 END, c.id LIMIT 1"
    ))
}
