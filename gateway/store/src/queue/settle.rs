//! How a row moves on: composed, settled after an attempt, or moved by a person.

use super::{MAX_REPLY, OutboundId, Queue, State};
use crate::db::Value;
use crate::{StoreError, Tx, args};
use sealpost_envelope::{EmailAddress, Sha256Digest, Timestamp};
use sealpost_evidence::BuiltEvent;

/// What the composer made.
#[derive(Debug, Clone)]
pub struct Composed {
    /// The byte-exact plan, encrypted under the deposit's key.
    pub recipe: Vec<u8>,
    /// Octets on the wire.
    pub size: u64,
    /// SHA-256 of the wire bytes.
    pub sha256: Sha256Digest,
    /// Where it goes, when that is somebody else than was asked for.
    pub rcpt: Option<EmailAddress>,
}

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// Handed over.
    Sent {
        /// The server's words.
        reply: String,
    },
    /// Again later.
    Retry {
        /// The server's words, or what went wrong.
        reply: String,
        /// When.
        next_at: Timestamp,
    },
    /// Given up.
    Failed {
        /// The server's words, or what went wrong.
        reply: String,
    },
    /// Kept for a person.
    Held {
        /// Why.
        reason: String,
        /// Since when; stands as the row's `next_at`.
        at: Timestamp,
    },
}

/// Fixes a row's bytes: compose → ready. False when the row no longer waits for that (dropped, held, or
/// composed by another after the claim lapsed): the first recipe stays, so that every attempt sends the
/// same bytes. Call [`Queue::wake_ready`] after the commit.
pub async fn set_recipe(tx: &mut Tx, id: OutboundId, composed: Composed) -> Result<bool, StoreError> {
    const READY: &str = "UPDATE outbound SET state = 'ready', size = $1, sha256 = $2, claimed_by = NULL, \
                         claimed_until = NULL, last_reply = NULL, rcpt = COALESCE($4, rcpt) WHERE id = $3 AND state = 'compose'";
    const RECIPE: &str = "INSERT INTO recipes (id, deposit, recipe) \
                          SELECT id, deposit, $2 FROM outbound WHERE id = $1";
    let ready = args![
        Value::size(composed.size)?,
        composed.sha256.to_hex(),
        id.0,
        composed.rcpt.as_ref().map(EmailAddress::as_str)
    ];
    if tx.execute(READY, ready).await? == 0 {
        return Ok(false);
    }
    tx.execute(RECIPE, args![id.0, composed.recipe]).await?;
    Ok(true)
}

/// Ends an attempt, inside the caller's transaction. False when the row is no longer waiting: a person
/// dropped it meanwhile, or it has been settled as sent.
pub async fn settle(tx: &mut Tx, id: OutboundId, settlement: &Settlement) -> Result<bool, StoreError> {
    // Whatever a person decided meanwhile, a hand-over has happened and is recorded.
    const SENT: &str = "UPDATE outbound SET state = 'sent', attempts = attempts + 1, claimed_by = NULL, \
                        claimed_until = NULL, last_reply = $1 WHERE id = $2 AND state <> 'sent'";
    const RETRY: &str = "UPDATE outbound SET attempts = attempts + 1, claimed_by = NULL, claimed_until = NULL, \
                         last_reply = $1, next_at = $3 WHERE id = $2 AND state IN ('compose', 'ready')";
    const FAILED: &str = "UPDATE outbound SET state = 'failed', attempts = attempts + 1, claimed_by = NULL, \
                          claimed_until = NULL, last_reply = $1 WHERE id = $2 AND state IN ('compose', 'ready', 'held')";
    const HELD: &str = "UPDATE outbound SET state = 'held', claimed_by = NULL, claimed_until = NULL, \
                        last_reply = $1, next_at = $3 WHERE id = $2 AND state IN ('compose', 'ready')";
    let touched = match settlement {
        Settlement::Sent { reply } => tx.execute(SENT, args![cut(reply), id.0]).await?,
        Settlement::Retry { reply, next_at } => tx.execute(RETRY, args![cut(reply), id.0, *next_at]).await?,
        Settlement::Failed { reply } => tx.execute(FAILED, args![cut(reply), id.0]).await?,
        Settlement::Held { reason, at } => tx.execute(HELD, args![cut(reason), id.0, *at]).await?,
    };
    Ok(touched == 1)
}

/// Removes the composed bytes of mail that belongs to no deposit and will not be sent again: no week's key ends
/// them. What belongs to a deposit ends with it.
pub async fn forget_recipe(tx: &mut Tx, id: OutboundId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM recipes WHERE id = $1 AND deposit IS NULL", args![id.0]).await?;
    Ok(())
}

/// Takes a row out for good, inside the caller's transaction. False when it has been sent or taken out before.
pub async fn take_out(tx: &mut Tx, id: OutboundId, reason: &str) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE outbound SET state = $1, last_reply = $2, claimed_by = NULL, \
                       claimed_until = NULL WHERE id = $3 AND state NOT IN ('sent', 'dropped')";
    if tx.execute(SQL, args![State::Dropped.as_str(), cut(reason), id.0]).await? == 0 {
        return Ok(false);
    }
    forget_recipe(tx, id).await?;
    Ok(true)
}

impl Queue {
    /// [`set_recipe`] in a transaction of its own, with the events that go with it; wakes the relay.
    pub async fn set_recipe(
        &self,
        id: OutboundId,
        composed: Composed,
        events: Vec<BuiltEvent>,
    ) -> Result<bool, StoreError> {
        let done = self
            .db
            .write(async move |tx| {
                let done = set_recipe(tx, id, composed).await?;
                if done {
                    tx.append(events).await?;
                }
                Ok(done)
            })
            .await?;
        if done {
            self.wake_ready();
        }
        Ok(done)
    }
    /// [`set_recipe`] for several rows in one transaction; answers which were fixed, and wakes the relay.
    pub async fn set_recipes(
        &self,
        composed: Vec<(OutboundId, Composed)>,
    ) -> Result<Vec<OutboundId>, StoreError> {
        let done = self
            .db
            .write_patiently(async move |tx| {
                let mut done = Vec::with_capacity(composed.len());
                for (id, composed) in composed {
                    if set_recipe(tx, id, composed).await? {
                        done.push(id);
                    }
                }
                Ok(done)
            })
            .await?;
        if !done.is_empty() {
            self.wake_ready();
        }
        Ok(done)
    }
    /// Wakes this process's relay: rows became ready and were committed.
    pub fn wake_ready(&self) {
        self.wakeups.ready.notify_one();
    }
    /// [`settle`] in a transaction of its own, with the events that go with it.
    pub async fn settle(
        &self,
        id: OutboundId,
        settlement: Settlement,
        events: Vec<BuiltEvent>,
    ) -> Result<bool, StoreError> {
        self.db
            .write(async move |tx| {
                let done = settle(tx, id, &settlement).await?;
                if done {
                    tx.append(events).await?;
                }
                Ok(done)
            })
            .await
    }
    /// The row was handed over.
    pub async fn sent(
        &self,
        id: OutboundId,
        reply: &str,
        events: Vec<BuiltEvent>,
    ) -> Result<bool, StoreError> {
        self.settle(id, Settlement::Sent { reply: reply.to_owned() }, events).await
    }
    /// The row waits for another attempt.
    pub async fn retry(
        &self,
        id: OutboundId,
        reply: &str,
        next_at: Timestamp,
        events: Vec<BuiltEvent>,
    ) -> Result<bool, StoreError> {
        self.settle(id, Settlement::Retry { reply: reply.to_owned(), next_at }, events).await
    }
    /// The row is given up.
    pub async fn fail(
        &self,
        id: OutboundId,
        reply: &str,
        events: Vec<BuiltEvent>,
    ) -> Result<bool, StoreError> {
        self.settle(id, Settlement::Failed { reply: reply.to_owned() }, events).await
    }
    /// Keeps a waiting row for a person, from now on.
    pub async fn hold(&self, id: OutboundId, reason: &str, now: Timestamp) -> Result<bool, StoreError> {
        self.settle(id, Settlement::Held { reason: reason.to_owned(), at: now }, Vec::new()).await
    }
    /// Ends a claim without an attempt; the row waits until `next_at`. False when the claim was lost.
    pub async fn put_back(
        &self,
        id: OutboundId,
        holder: &str,
        next_at: Timestamp,
    ) -> Result<bool, StoreError> {
        const SQL: &str = "UPDATE outbound SET claimed_by = NULL, claimed_until = NULL, next_at = $1 \
                           WHERE id = $2 AND claimed_by = $3 AND state = 'ready'";
        Ok(self.db.execute(SQL, args![next_at, id.0, holder]).await? == 1)
    }
    /// Tries a waiting, held or failed row now. False when it is finished otherwise, or being worked on.
    pub async fn retry_now(&self, id: OutboundId, now: Timestamp) -> Result<bool, StoreError> {
        const SQL: &str = "UPDATE outbound SET next_at = $1, \
                           state = CASE WHEN sha256 IS NULL THEN 'compose' ELSE 'ready' END \
                           WHERE id = $2 AND state IN ('compose', 'ready', 'held', 'failed') \
                           AND (claimed_until IS NULL OR claimed_until <= $1)";
        let done = self.db.execute(SQL, args![now, id.0]).await? == 1;
        if done {
            self.wake();
            self.wake_ready();
        }
        Ok(done)
    }
    /// Takes a row out for good; its record stays. False when it has been sent or dropped already.
    pub async fn drop_row(
        &self,
        id: OutboundId,
        reason: &str,
        events: Vec<BuiltEvent>,
    ) -> Result<bool, StoreError> {
        let reason = reason.to_owned();
        self.db
            .write(async move |tx| {
                let done = take_out(tx, id, &reason).await?;
                if done {
                    tx.append(events).await?;
                }
                Ok(done)
            })
            .await
    }
}

/// At most [`MAX_REPLY`] octets of a text, cut between characters. NUL, which PostgreSQL cannot store,
/// becomes a space.
pub(super) fn cut(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_REPLY);
    text[..end].replace('\0', " ")
}
