//! Outgoing mail between deposit and hand-over.
//!
//! **Job.** Rows enter in the transaction of the deposit ([`insert`]), are composed, sent and settled.
//! Workers of any number of processes claim rows by lease: a claim whose holder died lapses.
//!
//! **Exposure.** `last_reply` holds a remote server's words, cut to [`MAX_REPLY`] octets. Recipes arrive
//! encrypted under the deposit's key: the table holds no content in clear.
//!
//! **Failure modes.** A holder that lost its lease may still settle the row: what it reports has happened.
//! A crash between hand-over and settlement sends a message twice; SMTP has no way to avoid that
//! (RFC 1047).

mod claim;
mod list;
mod row;
mod settle;

pub use list::Filter;
pub use row::{NewOutbound, Outbound, OutboundId, ParseStateError, Priority, State};
pub use settle::{Composed, Settlement, forget_recipe, set_recipe, settle, take_out};

use crate::write::Group;
use crate::{Db, StoreError, Tx, args};
use sealpost_evidence::BuiltEvent;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Longest remote reply kept.
pub const MAX_REPLY: usize = 2000;

/// Puts a row into the queue, inside the caller's transaction. Call [`Queue::wake`] after the commit.
pub async fn insert(tx: &mut Tx, new: &NewOutbound) -> Result<(), StoreError> {
    insert_all(tx, std::slice::from_ref(new)).await
}

/// [`insert`] for all recipients of a deposit, by few statements.
pub async fn insert_all(tx: &mut Tx, rows: &[NewOutbound]) -> Result<(), StoreError> {
    let mut group = Group::default();
    group.outbound(rows);
    tx.together(group).await.map(drop)
}

impl Group {
    /// Adds what [`insert_all`] would run.
    pub(crate) fn outbound(&mut self, rows: &[NewOutbound]) {
        const HEAD: &str = "INSERT INTO outbound (id, entity, deposit, recipient, priority, spec, \
                            envelope_from, rcpt, state, next_at, created, last_reply) VALUES";
        let values = rows
            .iter()
            .map(|n| {
                let (state, reason) = match &n.hold {
                    Some(reason) => (State::Held, Some(settle::cut(reason))),
                    None => (State::Compose, None),
                };
                args![
                    n.id.0,
                    n.entity,
                    n.deposit,
                    n.recipient,
                    n.priority.number(),
                    &n.spec,
                    n.envelope_from.as_ref().map_or("", |a| a.as_str()),
                    n.rcpt.as_str(),
                    state.as_str(),
                    n.next_at,
                    n.created,
                    reason,
                ]
            })
            .collect();
        self.insert(HEAD, values, "");
    }
}

/// The queue of one database. Cheap to clone; clones share their wake-up calls.
#[derive(Debug, Clone)]
pub struct Queue {
    db: Db,
    wakeups: Arc<Wakeups>,
}

#[derive(Debug, Default)]
struct Wakeups {
    compose: Notify,
    ready: Notify,
}

impl Queue {
    /// The queue in `db`.
    pub fn new(db: Db) -> Self {
        Self { db, wakeups: Arc::default() }
    }
    /// Inserts rows with their events, commits, and wakes a composer.
    pub async fn enqueue(&self, rows: Vec<NewOutbound>, events: Vec<BuiltEvent>) -> Result<(), StoreError> {
        self.db
            .write(async move |tx| {
                insert_all(tx, &rows).await?;
                tx.append(events).await
            })
            .await?;
        self.wake();
        Ok(())
    }
    /// Wakes this process's composer: rows were inserted and committed.
    pub fn wake(&self) {
        self.wakeups.compose.notify_one();
    }
    /// Waits until rows may be waiting for a composer, `at_most` at the longest: other processes' rows
    /// and lapsed claims make no call.
    pub async fn wait_compose(&self, at_most: Duration) {
        wait(&self.wakeups.compose, at_most).await;
    }
    /// Waits until rows may be ready to send, `at_most` at the longest.
    pub async fn wait_ready(&self, at_most: Duration) {
        wait(&self.wakeups.ready, at_most).await;
    }
}

async fn wait(notify: &Notify, at_most: Duration) {
    // Running out of time is one of the two ways to wake.
    let _ = tokio::time::timeout(at_most, notify.notified()).await;
}
