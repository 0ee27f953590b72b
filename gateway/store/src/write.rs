//! The one writer of a process: drains a bounded channel and commits a batch with one flush.
//!
//! **Job.** Group commit. A batch is at most [`BATCH`] units; each runs in its own savepoint, so that a
//! failing unit leaves nothing and harms no other. Callers are answered only after COMMIT returned.
//!
//! **Exposure.** None.
//!
//! **Failure modes.** COMMIT fails: every unit of the batch answers [`StoreError::NotCommitted`]. A unit
//! panics: it is rolled back and answers [`StoreError::Panicked`]. The connection breaks inside a batch: the
//! batch fails, the next one reconnects. The database is held by another process beyond the
//! busy time-out: [`StoreError::Busy`]; it cannot be reached: [`StoreError::NotCommitted`].

use crate::StoreError;
use crate::db::conn::Conn;
use crate::db::{Args, Engine, Row, Target, Value};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use sqlx::{AssertSqlSafe, SqlSafeStr};
use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use tokio::sync::{mpsc, oneshot};

/// Units that share one commit at most.
pub const BATCH: usize = 256;
/// Units waiting before callers are held back.
const WAITING: usize = 1024;
/// Rows of one multi-row INSERT at most.
const ROWS: usize = 64;
/// Up to here each length has a text of its own; beyond, powers of two, so that few texts are prepared.
const SHORT: usize = 16;

type Ack = Box<dyn FnOnce(Result<(), StoreError>)>;
/// What a unit wants: its writes kept or undone, and in both cases its caller answered after COMMIT. A
/// refusal waits too: it may rest on what an earlier unit of the batch wrote, and the caller goes and reads.
enum Done {
    Keep(Ack),
    Undo(Ack),
}
/// Runs in the transaction, or learns why there is none.
type Unit =
    Box<dyn for<'t> FnOnce(Result<&'t mut Tx, StoreError>) -> LocalBoxFuture<'t, Option<Done>> + Send>;

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
                        serve(target, Tx { conn, failed: false }, queue).await;
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
    pub(crate) async fn run<T, E, F>(&self, unit: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel::<Result<T, E>>();
        let unit: Unit = Box::new(move |tx| {
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
        self.units.send(unit).await.map_err(|_| StoreError::Closed)?;
        answer.await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }
}

async fn serve(target: Target, mut tx: Tx, mut queue: mpsc::Receiver<Unit>) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        match begin(&mut tx, &target).await {
            Ok(()) => run_batch(&mut tx, &mut batch).await,
            Err(e) => {
                tracing::error!(error = %e, units = batch.len(), "the database cannot be written");
                for unit in batch.drain(..) {
                    let why = if matches!(e, StoreError::Busy) {
                        StoreError::Busy
                    } else {
                        StoreError::NotCommitted(e.to_string())
                    };
                    unit(Err(why)).await;
                }
            }
        }
    }
    if let Err(e) = tx.conn.close().await {
        tracing::warn!(error = %e, "closing the database");
    }
}

/// Opens the batch's transaction. Nothing has run yet, so a connection that was lost since the last batch
/// is replaced without anybody noticing.
async fn begin(tx: &mut Tx, target: &Target) -> Result<(), StoreError> {
    // Taking the write lock at once avoids the deadlock of two readers that both want to write.
    let begin = match tx.engine() {
        Engine::Sqlite => "BEGIN IMMEDIATE; SAVEPOINT unit",
        Engine::Postgres => "BEGIN; SAVEPOINT unit",
    };
    match tx.conn.control(begin).await {
        Ok(()) => Ok(()),
        Err(e) if StoreError::is_busy(&e) => Err(StoreError::Busy),
        Err(e) => {
            tracing::warn!(error = %e, "connecting to the database again");
            tx.conn = Conn::open(target).await?;
            Ok(tx.conn.control(begin).await?)
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
                ack(Err(StoreError::NotCommitted(e.to_string())));
            }
            for unit in batch.drain(..) {
                unit(Err(StoreError::NotCommitted(e.to_string()))).await;
            }
            // After a failed COMMIT the transaction may still be open; if even this fails, the next batch
            // begins on a new connection.
            if let Err(e) = tx.conn.control("ROLLBACK").await {
                tracing::warn!(error = %e, "rolling back");
            }
        }
    }
}

async fn try_batch(tx: &mut Tx, batch: &mut Vec<Unit>, acks: &mut Vec<Ack>) -> Result<(), sqlx::Error> {
    batch.reverse();
    while let Some(unit) = batch.pop() {
        tx.failed = false;
        match (unit(Ok(tx)).await, tx.failed) {
            (Some(Done::Keep(ack)), false) => {
                acks.push(ack);
                // One round trip ends this unit and begins the next; COMMIT ends the last.
                tx.conn.control("RELEASE SAVEPOINT unit; SAVEPOINT unit").await?;
            }
            (done, _) => {
                match done {
                    Some(Done::Keep(ack)) => ack(Err(StoreError::Poisoned)),
                    Some(Done::Undo(ack)) => acks.push(ack),
                    None => {}
                }
                tx.conn.control("ROLLBACK TO SAVEPOINT unit").await?;
            }
        }
    }
    tx.conn.control("COMMIT").await
}

/// A unit's view of the open transaction.
pub struct Tx {
    conn: Conn,
    /// A statement failed: PostgreSQL ignores the rest of the unit, so both engines give it up.
    failed: bool,
}

impl std::fmt::Debug for Tx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tx").field("engine", &self.engine()).finish_non_exhaustive()
    }
}

impl Tx {
    /// Which engine serves.
    pub fn engine(&self) -> Engine {
        self.conn.engine()
    }
    fn note<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        self.failed |= result.is_err();
        result
    }
    /// Runs a statement; answers the number of rows it touched. After an error the unit cannot succeed
    /// any more: use `ON CONFLICT` where a refusal is expected.
    pub async fn execute(&mut self, sql: impl SqlSafeStr, args: Args) -> Result<u64, StoreError> {
        let result = self.conn.execute(sql, args).await;
        self.note(result)
    }
    /// Every row of a result known to be small.
    pub async fn fetch_all(&mut self, sql: impl SqlSafeStr, args: Args) -> Result<Vec<Row>, StoreError> {
        let result = self.conn.fetch_all(sql, args).await;
        self.note(result)
    }
    /// The first row, if any.
    pub async fn fetch_optional(
        &mut self,
        sql: impl SqlSafeStr,
        args: Args,
    ) -> Result<Option<Row>, StoreError> {
        let result = self.conn.fetch_optional(sql, args).await;
        self.note(result)
    }
    /// The first row; [`StoreError::NotFound`] if there is none.
    pub async fn fetch_one(&mut self, sql: impl SqlSafeStr, args: Args) -> Result<Row, StoreError> {
        self.fetch_optional(sql, args).await?.ok_or(StoreError::NotFound("row"))
    }
    /// Inserts rows of equal length by few multi-row statements:
    /// `tx.insert("INSERT INTO t (a, b) VALUES", rows, "ON CONFLICT DO NOTHING")`. The texts must be
    /// constants of the program.
    pub async fn insert(
        &mut self,
        head: &'static str,
        rows: Vec<Args>,
        tail: &'static str,
    ) -> Result<u64, StoreError> {
        let mut group = Group::default();
        group.insert(head, rows, tail)?;
        self.together(group).await
    }
    /// Runs a group of statements; answers the number of rows they touched in all. SQLite gets them as
    /// one text, since a round trip to its thread costs as much as a small statement.
    pub async fn together(&mut self, group: Group) -> Result<u64, StoreError> {
        if self.engine() == Engine::Postgres {
            let mut touched = 0;
            for (sql, args) in group.statements {
                touched += self.execute(AssertSqlSafe(sql), args).await?;
            }
            return Ok(touched);
        }
        if group.statements.is_empty() {
            return Ok(0);
        }
        let mut text = String::with_capacity(group.statements.iter().map(|(sql, _)| sql.len() + 16).sum());
        let mut values = Args::new();
        for (sql, args) in group.statements {
            if !text.is_empty() {
                text.push_str("; ");
            }
            renumber(&mut text, &sql, values.len());
            values.extend(args);
        }
        self.execute(AssertSqlSafe(text), values).await
    }
}

/// Statements that need no answer of one another ([`Tx::together`]). Their texts are constants of the
/// program, without `$` in literals.
#[derive(Debug, Default)]
pub struct Group {
    statements: Vec<(String, Args)>,
}

impl Group {
    /// Adds a statement.
    pub fn add(&mut self, sql: impl Into<String>, args: Args) {
        self.statements.push((sql.into(), args));
    }
    /// Adds what [`Tx::insert`] would run.
    pub fn insert(
        &mut self,
        head: &'static str,
        rows: Vec<Args>,
        tail: &'static str,
    ) -> Result<(), StoreError> {
        let mut rows = rows.into_iter();
        while rows.len() > 0 {
            let take = if rows.len() <= SHORT { rows.len() } else { (1 << rows.len().ilog2()).min(ROWS) };
            let values: Vec<Args> = rows.by_ref().take(take).collect();
            let width = values[0].len();
            let flat: Vec<Value> = values.into_iter().flatten().collect();
            if flat.len() != take * width {
                return Err(StoreError::Conflict("rows of different length"));
            }
            self.add(insert_text(head, tail, take, width), flat);
        }
        Ok(())
    }
}

/// Appends a statement whose `$1`, `$2`… become `$1 + before`…: the values of all lie in one list.
fn renumber(text: &mut String, sql: &str, before: usize) {
    let mut rest = sql;
    while let Some(at) = rest.find('$') {
        let number = &rest[at + 1..];
        let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        text.push_str(&rest[..at]);
        // Writing to a String cannot fail; texts of the program number their values from 1.
        let _ = write!(text, "${}", number[..end].parse::<usize>().unwrap_or(0) + before);
        rest = &number[end..];
    }
    text.push_str(rest);
}

fn insert_text(head: &str, tail: &str, rows: usize, width: usize) -> String {
    let mut sql = String::with_capacity(head.len() + tail.len() + rows * width * 5);
    sql.push_str(head);
    for row in 0..rows {
        sql.push_str(if row == 0 { " (" } else { ", (" });
        for column in 0..width {
            // Writing to a String cannot fail.
            let _ = write!(sql, "{}${}", if column == 0 { "" } else { ", " }, row * width + column + 1);
        }
        sql.push(')');
    }
    sql.push(' ');
    sql.push_str(tail);
    sql
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_of_a_group_are_numbered_through() {
        let mut text = String::from("A ($1); ");
        super::renumber(&mut text, "UPDATE t SET a = $2 WHERE b = $1 AND c = $10x", 1);
        assert_eq!(text, "A ($1); UPDATE t SET a = $3 WHERE b = $2 AND c = $11x");
        super::renumber(&mut text, " plain", 5);
        assert!(text.ends_with("$11x plain"));
    }
}
