//! The one writer of a process: drains a bounded channel and commits a batch with one flush.
//!
//! **Job.** Group commit. A batch is at most [`BATCH`] units; one that fails leaves nothing and harms no
//! other ([`tx`]). Callers are answered only after COMMIT returned.
//!
//! **Exposure.** None.
//!
//! **Failure modes.** COMMIT fails: every unit of the batch answers [`StoreError::NotCommitted`]. A unit
//! panics: it is rolled back and answers [`StoreError::Panicked`]. The connection breaks inside a batch: the
//! batch fails, the next one reconnects. The database is held by another process beyond the
//! busy time-out: [`StoreError::Busy`]; the disk is full: [`StoreError::Full`]; it cannot be reached:
//! [`StoreError::NotCommitted`].

mod tx;

pub use tx::{Group, Tx};

use crate::StoreError;
use crate::db::Target;
use crate::db::conn::Conn;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use sealpost_envelope::failpoint;
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Units that share one commit at most.
pub const BATCH: usize = 256;
/// How long patient units wait for a commit that somebody else pays for.
const PATIENCE: Duration = Duration::from_millis(8);
/// Units waiting before callers are held back.
const WAITING: usize = 1024;

type Ack = Box<dyn FnOnce(Result<(), StoreError>)>;
/// What a unit wants: its writes kept or undone, and in both cases its caller answered after COMMIT. A
/// refusal waits too: it may rest on what an earlier unit of the batch wrote, and the caller goes and reads.
enum Done {
    Keep(Ack),
    Undo(Ack),
}
/// Runs in the transaction, or learns why there is none.
type Work =
    Box<dyn for<'t> FnOnce(Result<&'t mut Tx, StoreError>) -> LocalBoxFuture<'t, Option<Done>> + Send>;

/// What a caller wants written.
struct Unit {
    work: Work,
    pace: Pace,
}

/// Whether somebody waits for the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// A person, or a server with an open session: committed at once, with all that waits.
    Prompt,
    /// A stage in the background: goes with the next commit, after [`PATIENCE`] at the latest.
    Patient,
}

/// Handle to the writer's channel.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    units: mpsc::Sender<Unit>,
}

impl Writer {
    /// Starts the writer on a thread of its own, so that units need not be `Send` while they run and
    /// commits do not wait for busy sessions. It ends when the last handle is dropped.
    pub(crate) async fn start(target: Target) -> Result<Self, StoreError> {
        let (units, queue) = mpsc::channel(WAITING);
        let (ready, opened) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("store-writer".into()).spawn(move || {
            runtime.block_on(async move {
                match Conn::open(&target).await {
                    Ok(conn) => {
                        // The opener may have given up waiting; then the channel is closed as well.
                        let _ = ready.send(Ok(()));
                        serve(target, Tx::new(conn), queue).await;
                    }
                    Err(e) => {
                        let _ = ready.send(Err(e));
                    }
                }
            });
        })?;
        opened.await.map_err(|_| StoreError::Closed)??;
        Ok(Self { units })
    }

    /// Queues a unit and waits for its commit.
    pub(crate) async fn run<T, E, F>(&self, pace: Pace, unit: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel::<Result<T, E>>();
        let work: Work = Box::new(move |tx| {
            Box::pin(async move {
                let tx = match tx {
                    Ok(tx) => tx,
                    Err(e) => {
                        let _ = reply.send(Err(e.into()));
                        return None;
                    }
                };
                match AssertUnwindSafe(unit(tx)).catch_unwind().await {
                    Ok(Ok(value)) => Some(Done::Keep(Box::new(move |committed| {
                        // A caller that stopped waiting changes nothing about the commit.
                        let _ = reply.send(committed.map(|()| value).map_err(E::from));
                    }))),
                    Ok(Err(e)) => Some(Done::Undo(Box::new(move |committed| {
                        let _ = reply.send(Err(committed.map_or_else(E::from, |()| e)));
                    }))),
                    Err(_panic) => {
                        let _ = reply.send(Err(StoreError::Panicked.into()));
                        None
                    }
                }
            })
        });
        self.units.send(Unit { work, pace }).await.map_err(|_| StoreError::Closed)?;
        answer.await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }
}

async fn serve(target: Target, mut tx: Tx, mut queue: mpsc::Receiver<Unit>) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        gather(&mut queue, &mut batch).await;
        match begin(&mut tx, &target).await {
            Ok(()) => run_batch(&mut tx, &mut batch).await,
            Err(e) => {
                tracing::error!(error = %e, units = batch.len(), "the database cannot be written");
                for unit in batch.drain(..) {
                    (unit.work)(Err(e.for_each_unit())).await;
                }
            }
        }
    }
    if let Err(e) = tx.close().await {
        tracing::warn!(error = %e, "closing the database");
    }
}

/// While all units are patient, waits for others to share their flush.
async fn gather(queue: &mut mpsc::Receiver<Unit>, batch: &mut Vec<Unit>) {
    let end = tokio::time::sleep(PATIENCE);
    tokio::pin!(end);
    let mut seen = 0;
    while batch.len() < BATCH && batch[seen..].iter().all(|unit| unit.pace == Pace::Patient) {
        seen = batch.len();
        let room = BATCH - seen;
        tokio::select! {
            biased;
            more = queue.recv_many(batch, room) => if more == 0 { return },
            () = &mut end => return,
        }
    }
}

/// Opens the batch's transaction. Nothing has run yet, so a connection that was lost since the last batch
/// is replaced without anybody noticing.
async fn begin(tx: &mut Tx, target: &Target) -> Result<(), StoreError> {
    failpoint!(StoreBegin)?;
    match tx.begin().await {
        Ok(()) => Ok(()),
        Err(e) if e.is_busy() => Err(StoreError::Busy),
        Err(e) => {
            tracing::warn!(error = %e, "connecting to the database again");
            tx.replace(Conn::open(target).await?);
            tx.begin().await
        }
    }
}

/// Runs and commits one batch, and answers the callers.
async fn run_batch(tx: &mut Tx, batch: &mut Vec<Unit>) {
    let mut acks: Vec<Ack> = Vec::with_capacity(batch.len());
    let done = try_batch(tx, batch, &mut acks).await;
    match done {
        Ok(()) => acks.into_iter().for_each(|ack| ack(Ok(()))),
        Err(e) => {
            tracing::error!(error = %e, units = acks.len(), "a batch was not committed");
            for ack in acks {
                ack(Err(e.for_each_unit()));
            }
            for unit in batch.drain(..) {
                (unit.work)(Err(e.for_each_unit())).await;
            }
            // After a failed COMMIT the transaction may still be open; if even this fails, the next batch
            // begins on a new connection.
            if let Err(e) = tx.rollback().await {
                tracing::warn!(error = %e, "rolling back");
            }
        }
    }
}

async fn try_batch(tx: &mut Tx, batch: &mut Vec<Unit>, acks: &mut Vec<Ack>) -> Result<(), StoreError> {
    batch.reverse();
    while let Some(unit) = batch.pop() {
        tx.begin_unit();
        match ((unit.work)(Ok(tx)).await, tx.has_failed()) {
            (Some(Done::Keep(ack)), false) => {
                acks.push(ack);
                tx.keep_unit().await?;
            }
            (done, _) => {
                match done {
                    Some(Done::Keep(ack)) => ack(Err(StoreError::Poisoned)),
                    Some(Done::Undo(ack)) => acks.push(ack),
                    None => {}
                }
                tx.undo_unit().await?;
            }
        }
    }
    failpoint!(StoreCommit)?;
    tx.commit().await?;
    // What is committed is committed: a test can stop the process here, not take it back.
    failpoint!(StoreCommitted).or(Ok(()))
}
