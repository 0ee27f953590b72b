//! Sessions of browsers that passed a step of the gate.

use crate::{Db, Row, StoreError, Tx, args};
use sealpost_envelope::{DepositId, EntityId, GateMethod, RecipientNo, Sha256Digest, Timestamp};

/// SHA-256 of a session cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GrantHash(pub [u8; 32]);

impl GrantHash {
    /// Hashes a cookie's value.
    pub fn of(cookie: &str) -> Self {
        Self(Sha256Digest::of(cookie.as_bytes()).0)
    }
}

/// A browser's standing for one consignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Hash of its cookie.
    pub hash: GrantHash,
    /// Organisation.
    pub entity: EntityId,
    /// Deposit.
    pub deposit: DepositId,
    /// Recipient.
    pub recipient: RecipientNo,
    /// Methods passed, in order.
    pub passed: Vec<GateMethod>,
    /// What they said about the person, JSON (`sealpost_gate::Facts`).
    pub facts: String,
    /// First step passed.
    pub created: Timestamp,
    /// End of the session.
    pub expires: Timestamp,
    /// Explicitly opened in this session.
    pub opened: Option<Timestamp>,
}

/// A step just passed, to be written under a fresh cookie (which ends the former session, if any).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantStep {
    /// Hash of the fresh cookie.
    pub hash: GrantHash,
    /// Session this one continues.
    pub former: Option<GrantHash>,
    /// Organisation.
    pub entity: EntityId,
    /// Deposit.
    pub deposit: DepositId,
    /// Recipient.
    pub recipient: RecipientNo,
    /// Every method passed so far, in order.
    pub passed: Vec<GateMethod>,
    /// What they said about the person, JSON.
    pub facts: String,
    /// Now.
    pub now: Timestamp,
    /// End of the session.
    pub expires: Timestamp,
}

/// What an explicit opening changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// This session had not opened before.
    pub first_in_session: bool,
}

impl Grant {
    /// The living session behind a cookie, for this consignment only: a cookie of another consignment
    /// finds nothing.
    pub async fn find(
        db: &Db,
        hash: GrantHash,
        deposit: DepositId,
        recipient: RecipientNo,
        now: Timestamp,
    ) -> Result<Option<Self>, StoreError> {
        let row = db
            .fetch_optional(
                "SELECT entity, deposit, recipient, passed, facts, created, expires, opened FROM access_grant \
                 WHERE hash = $1 AND deposit = $2 AND recipient = $3 AND closed IS NULL AND expires > $4",
                args![&hash.0, deposit, recipient, now],
            )
            .await?;
        row.map(|r| Self::read(hash, &r)).transpose()
    }

    fn read(hash: GrantHash, row: &Row) -> Result<Self, StoreError> {
        let passed = row
            .text("passed")?
            .split_ascii_whitespace()
            .map(|m| m.parse().map_err(|e| StoreError::damaged("access_grant.passed", e)))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            hash,
            entity: row.entity()?,
            deposit: DepositId(row.uuid("deposit")?),
            recipient: row.small("recipient")?,
            passed,
            facts: row.text("facts")?,
            created: row.time("created")?,
            expires: row.time("expires")?,
            opened: row.opt_time("opened")?,
        })
    }

    /// Writes a passed step. The cookie changes with every step, against fixation.
    pub async fn advance(tx: &mut Tx, step: &GrantStep) -> Result<(), StoreError> {
        if let Some(former) = step.former {
            tx.execute(
                "UPDATE access_grant SET closed = $2 WHERE hash = $1 AND deposit = $3 AND recipient = $4",
                args![&former.0, step.now, step.deposit, step.recipient],
            )
            .await?;
        }
        let passed = step.passed.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        tx.execute(
            "INSERT INTO access_grant (hash, entity, deposit, recipient, passed, facts, created, expires) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            args![
                &step.hash.0,
                step.entity,
                step.deposit,
                step.recipient,
                passed,
                step.facts.as_str(),
                step.now,
                step.expires
            ],
        )
        .await
        .map(|_| ())
    }

    /// Marks the session as opened. `NotFound` when it ended meanwhile.
    pub async fn open(tx: &mut Tx, hash: GrantHash, now: Timestamp) -> Result<Opening, StoreError> {
        let row = tx
            .fetch_optional(
                "SELECT opened FROM access_grant WHERE hash = $1 AND closed IS NULL AND expires > $2",
                args![&hash.0, now],
            )
            .await?
            .ok_or(StoreError::NotFound("session"))?;
        if row.opt_time("opened")?.is_some() {
            return Ok(Opening { first_in_session: false });
        }
        tx.execute("UPDATE access_grant SET opened = $2 WHERE hash = $1", args![&hash.0, now]).await?;
        Ok(Opening { first_in_session: true })
    }

    /// Keeps what more is said of the person in this session, JSON.
    pub async fn set_facts(db: &Db, hash: GrantHash, facts: &str) -> Result<(), StoreError> {
        let sql = "UPDATE access_grant SET facts = $2 WHERE hash = $1 AND closed IS NULL";
        db.execute(sql, args![&hash.0, facts]).await.map(|_| ())
    }

    /// Ends the session.
    pub async fn close(db: &Db, hash: GrantHash, now: Timestamp) -> Result<(), StoreError> {
        db.execute(
            "UPDATE access_grant SET closed = $2 WHERE hash = $1 AND closed IS NULL",
            args![&hash.0, now],
        )
        .await
        .map(|_| ())
    }
}
