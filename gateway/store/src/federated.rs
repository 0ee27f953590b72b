//! Sign-ins at providers that are under way, the accounts that subjects belong to, and what logging out takes.
//!
//! **Job.** A request is found by the hash of its state, used once, within its time. What a backchannel request
//! learns is kept until the browser fetches it, sealed by the caller.
//!
//! **Exposure.** States and cookies are strangers' words: only their SHA-256 reaches a statement.

use crate::{Db, Row, StoreError, Tx, args};
use sealpost_envelope::{AccountId, DepositId, EntityId, RecipientNo, Sha256Digest, Timestamp};

/// Requests, and tokens for logging out, are removed this long after their end.
const KEPT: i64 = 3600;

/// SHA-256 of a state, or of the handle of a backchannel request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StateHash(pub [u8; 32]);

impl StateHash {
    /// Hashes it.
    pub fn of(state: &str) -> Self {
        Self(Sha256Digest::of(state.as_bytes()).0)
    }
}

/// What a sign-in is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A recipient's gate, by the link of this generation.
    Door {
        /// Deposit.
        deposit: DepositId,
        /// Recipient.
        recipient: RecipientNo,
        /// Generation of the link.
        generation: u32,
    },
    /// Logging in to the web application.
    Login,
    /// Binding the subject to an account that is logged in.
    Bind(AccountId),
}

/// A request under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FederatedRequest {
    /// Hash of its state.
    pub hash: StateHash,
    /// Organisation, where one is known.
    pub entity: Option<EntityId>,
    /// Provider's name.
    pub provider: String,
    /// What for.
    pub purpose: Purpose,
    /// Hash of what the browser carries.
    pub browser: [u8; 32],
    /// Begun.
    pub created: Timestamp,
    /// End.
    pub expires: Timestamp,
    /// When it was used up.
    pub used: Option<Timestamp>,
    /// The backchannel's side.
    pub backchannel: Option<Backchannel>,
}

/// A request that is confirmed on a telephone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backchannel {
    /// The digits on both screens.
    pub binding: String,
    /// The provider's name of the request, sealed.
    pub request: Vec<u8>,
    /// Asked about again from then on.
    pub poll_after: Timestamp,
    /// Seconds between two questions.
    pub pause: u32,
    /// Who confirmed, sealed.
    pub person: Option<Vec<u8>>,
    /// Why nobody did.
    pub failed: Option<String>,
}

/// What became of a state that came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is used now.
    Fresh(Box<FederatedRequest>),
    /// It had been used before.
    Used(Box<FederatedRequest>),
    /// It came too late.
    Late(Box<FederatedRequest>),
    /// There is none.
    Unknown,
}

impl FederatedRequest {
    /// Remembers it, and forgets those long over.
    pub async fn insert(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let over = self.created.as_microsecond() - KEPT * 1_000_000;
        tx.execute("DELETE FROM federated_requests WHERE expires < $1", args![over]).await?;
        let (purpose, deposit, recipient, generation, account) = match self.purpose {
            Purpose::Door { deposit, recipient, generation } => {
                ("door", Some(deposit.0), Some(i64::from(recipient)), Some(i64::from(generation)), None)
            }
            Purpose::Login => ("login", None, None, None, None),
            Purpose::Bind(account) => ("bind", None, None, None, Some(account.0)),
        };
        let back = self.backchannel.as_ref();
        tx.execute(
            "INSERT INTO federated_requests (hash, entity, provider, purpose, browser, deposit, recipient, generation, \
             account, created, expires, binding, request, poll_after, pause) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
            args![
                self.hash.0,
                self.entity.map(|e| e.0),
                self.provider.as_str(),
                purpose,
                self.browser,
                deposit,
                recipient,
                generation,
                account,
                self.created,
                self.expires,
                back.map(|b| b.binding.clone()),
                back.map(|b| b.request.clone()),
                back.map(|b| b.poll_after),
                back.map(|b| i64::from(b.pause))
            ],
        )
        .await
        .map(|_| ())
    }

    /// As it stands.
    pub async fn find(db: &Db, hash: StateHash) -> Result<Option<Self>, StoreError> {
        let row =
            db.fetch_optional("SELECT * FROM federated_requests WHERE hash = $1", args![hash.0]).await?;
        row.map(|r| Self::read(hash, &r)).transpose()
    }

    /// Uses it up. The condition in the statement decides, so that of two browsers one gets it.
    pub async fn take(tx: &mut Tx, hash: StateHash, now: Timestamp) -> Result<Taken, StoreError> {
        let fresh = tx
            .fetch_optional(
                "UPDATE federated_requests SET used = $2 WHERE hash = $1 AND used IS NULL AND expires > $2 RETURNING *",
                args![hash.0, now],
            )
            .await?;
        if let Some(row) = fresh {
            return Ok(Taken::Fresh(Box::new(Self::read(hash, &row)?)));
        }
        let row =
            tx.fetch_optional("SELECT * FROM federated_requests WHERE hash = $1", args![hash.0]).await?;
        Ok(match row.map(|r| Self::read(hash, &r)).transpose()? {
            None => Taken::Unknown,
            Some(found) if found.used.is_some() => Taken::Used(Box::new(found)),
            Some(found) => Taken::Late(Box::new(found)),
        })
    }

    /// Claims the next question about a backchannel request; `false` when it is not time, or it is decided.
    pub async fn claim_poll(
        tx: &mut Tx,
        hash: StateHash,
        now: Timestamp,
        next: Timestamp,
    ) -> Result<bool, StoreError> {
        let claimed = tx
            .execute(
                "UPDATE federated_requests SET poll_after = $3 WHERE hash = $1 AND poll_after <= $2 AND used IS NULL \
                 AND person IS NULL AND failed IS NULL AND expires > $2",
                args![hash.0, now, next],
            )
            .await?;
        Ok(claimed == 1)
    }

    /// Waits longer from now on.
    pub async fn slow_down(tx: &mut Tx, hash: StateHash, more: u32) -> Result<(), StoreError> {
        tx.execute(
            "UPDATE federated_requests SET pause = pause + $2 WHERE hash = $1",
            args![hash.0, i64::from(more)],
        )
        .await
        .map(|_| ())
    }

    /// Keeps who confirmed, sealed, or why nobody did. `false` when that was decided before.
    pub async fn decide(
        tx: &mut Tx,
        hash: StateHash,
        outcome: Result<Vec<u8>, &str>,
    ) -> Result<bool, StoreError> {
        let (person, failed) = match outcome {
            Ok(person) => (Some(person), None),
            Err(reason) => (None, Some(reason.to_owned())),
        };
        let decided = tx
            .execute(
                "UPDATE federated_requests SET person = $2, failed = $3 \
                 WHERE hash = $1 AND person IS NULL AND failed IS NULL AND used IS NULL",
                args![hash.0, person, failed],
            )
            .await?;
        Ok(decided == 1)
    }

    fn read(hash: StateHash, row: &Row) -> Result<Self, StoreError> {
        let damaged = |what: &'static str| StoreError::damaged("federated_requests", what);
        let purpose = match row.text("purpose")?.as_str() {
            "door" => Purpose::Door {
                deposit: DepositId(row.uuid("deposit")?),
                recipient: row.small("recipient")?,
                generation: row.small("generation")?,
            },
            "login" => Purpose::Login,
            "bind" => Purpose::Bind(AccountId(row.int("account")?)),
            _ => return Err(damaged("purpose")),
        };
        let backchannel = match row.opt_bytes("request")? {
            None => None,
            Some(request) => Some(Backchannel {
                binding: row.text("binding")?,
                request,
                poll_after: row.time("poll_after")?,
                pause: row.small("pause")?,
                person: row.opt_bytes("person")?,
                failed: row.opt_text("failed")?,
            }),
        };
        Ok(Self {
            hash,
            entity: row.opt_int("entity")?.map(EntityId),
            provider: row.text("provider")?,
            purpose,
            browser: row.array("browser")?,
            created: row.time("created")?,
            expires: row.time("expires")?,
            used: row.opt_time("used")?,
            backchannel,
        })
    }
}

/// The account that a provider's subject was bound to.
pub async fn account_of(db: &Db, issuer: &str, subject: &str) -> Result<Option<AccountId>, StoreError> {
    let sql = "SELECT account FROM federated_subjects WHERE issuer = $1 AND subject = $2";
    let row = db.fetch_optional(sql, args![issuer, subject]).await?;
    row.map(|r| r.int("account").map(AccountId)).transpose()
}

/// Binds a subject to an account; one that is bound already stays where it is (`false`).
pub async fn bind(
    tx: &mut Tx,
    issuer: &str,
    subject: &str,
    entity: EntityId,
    account: AccountId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let bound = tx
        .execute(
            "INSERT INTO federated_subjects (issuer, subject, entity, account, created) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (issuer, subject) DO NOTHING",
            args![issuer, subject, entity, account.0, now],
        )
        .await?;
    Ok(bound == 1)
}

/// Keeps a token for logging out, sealed, and forgets those that are over.
pub async fn keep_logout(
    tx: &mut Tx,
    hash: StateHash,
    provider: &str,
    token: Vec<u8>,
    now: Timestamp,
    expires: Timestamp,
) -> Result<(), StoreError> {
    tx.execute("DELETE FROM federated_logouts WHERE expires < $1", args![now]).await?;
    tx.execute(
        "INSERT INTO federated_logouts (hash, provider, token, expires) VALUES ($1, $2, $3, $4)",
        args![hash.0, provider, token, expires],
    )
    .await
    .map(|_| ())
}

/// Takes it out again: provider and sealed token.
pub async fn take_logout(
    tx: &mut Tx,
    hash: StateHash,
    now: Timestamp,
) -> Result<Option<(String, Vec<u8>)>, StoreError> {
    let row = tx
        .fetch_optional(
            "DELETE FROM federated_logouts WHERE hash = $1 AND expires > $2 RETURNING provider, token",
            args![hash.0, now],
        )
        .await?;
    row.map(|r| Ok((r.text("provider")?, r.bytes("token")?))).transpose()
}
