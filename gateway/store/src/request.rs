//! Requests that may be sent twice: what an `Idempotency-Key` was answered the first time.
//!
//! **Job.** [`Store::begin_request`] says whether a request is new, is running, or was answered;
//! [`Store::end_request`] keeps the answer for a day. Keys are hashed with their account: nobody meets
//! another's.
//!
//! **Standards.** draft-ietf-httpapi-idempotency-key-header.
//!
//! **Failure modes.** A process that dies between an act and its answer leaves the request running; after
//! [`STALE`] it may be sent again. Acts that must not happen twice even then (a deposit) carry the key with
//! them into their own transaction.

use crate::{Store, StoreError, args};
use jiff::SignedDuration;
use sealpost_envelope::{AccountId, EntityId, Sha256Digest, Timestamp};

/// A request without an answer counts as running for this long.
const STALE: SignedDuration = SignedDuration::from_mins(2);
/// Answers are kept for this long.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// Whose key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestKey {
    /// Account.
    pub account: AccountId,
    /// Its organisation.
    pub entity: EntityId,
    /// Digest of the key.
    pub key: Sha256Digest,
}

/// An answer as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: String,
}

/// What is known of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Nothing: go on.
    New,
    /// It was answered: give the same answer.
    Answered(KeptAnswer),
    /// It is being worked on.
    Running,
    /// The key was used for another request.
    Other,
}

impl Store {
    /// Begins a request whose content has the digest `request`.
    pub async fn begin_request(&self, key: RequestKey, request: Sha256Digest) -> Result<Begun, StoreError> {
        let now = self.clock.now();
        let before = move |age: SignedDuration| now.saturating_sub(age).unwrap_or(Timestamp::MIN);
        self.db
            .write(async move |tx| {
                tx.execute("DELETE FROM api_requests WHERE started < $1", args![before(KEPT)]).await?;
                let again = "INSERT INTO api_requests (account, key_hash, entity, request, started) \
                     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (account, key_hash) DO UPDATE SET started = $5 \
                     WHERE api_requests.status IS NULL AND api_requests.started < $6 \
                     AND api_requests.request = $4";
                let values = args![key.account, key.key.0, key.entity, request.0, now, before(STALE)];
                if tx.execute(again, values).await? == 1 {
                    return Ok(Begun::New);
                }
                let sql =
                    "SELECT request, status, answer FROM api_requests WHERE account = $1 AND key_hash = $2";
                let row = tx.fetch_one(sql, args![key.account, key.key.0]).await?;
                if row.array::<32>("request")? != request.0 {
                    return Ok(Begun::Other);
                }
                let Some(status) = row.opt_int("status")? else { return Ok(Begun::Running) };
                let status = u16::try_from(status).map_err(|e| StoreError::damaged("status", e))?;
                Ok(Begun::Answered(KeptAnswer { status, body: row.opt_text("answer")?.unwrap_or_default() }))
            })
            .await
    }

    /// Keeps the answer; without one (the request came to nothing) it may be sent again at once.
    pub async fn end_request(&self, key: RequestKey, answer: Option<KeptAnswer>) -> Result<(), StoreError> {
        let (sql, values) = match answer {
            Some(a) => (
                "UPDATE api_requests SET status = $3, answer = $4 WHERE account = $1 AND key_hash = $2",
                args![key.account, key.key.0, a.status, a.body],
            ),
            None => (
                "DELETE FROM api_requests WHERE account = $1 AND key_hash = $2 AND status IS NULL",
                args![key.account, key.key.0],
            ),
        };
        self.db.execute(sql, values).await.map(drop)
    }
}
