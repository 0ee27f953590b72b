//! A unit's view of the open transaction, and groups of statements.
//!
//! **A unit that is undone** takes back what it wrote and nothing else. PostgreSQL has savepoints for that. In
//! SQLite a savepoint copies every page that its unit touches, which costs each of the thousands of units that
//! succeed more than their rows do. There the batch keeps its statements until COMMIT instead: when a
//! unit fails after it wrote, the transaction is rolled back and begun again, and what the units before it
//! wrote is written once more, provided that no other process wrote in between and that each statement
//! touches as many rows as before. Otherwise the batch fails as a whole, and says so to all its callers.

use crate::StoreError;
use crate::db::conn::Conn;
use crate::db::{Args, Engine, Row, Value};
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};
use std::fmt::Write as _;

/// Rows of one multi-row INSERT at most (PostgreSQL).
const ROWS: usize = 64;
/// Up to here each length has a text of its own; beyond, powers of two, so that few texts are prepared.
const SHORT: usize = 16;

/// A unit's view of the open transaction.
pub struct Tx {
    conn: Conn,
    /// A statement failed: PostgreSQL ignores the rest of the unit, so both engines give it up.
    failed: bool,
    /// What the batch has written (SQLite).
    written: Vec<Written>,
    /// Where in `written` the unit began.
    begun: usize,
    /// The unit has, or may have, changed something.
    dirty: bool,
}

/// A statement that changed something, and how many rows.
struct Written {
    statement: Statement,
    touched: u64,
}

/// One statement with its values.
#[derive(Debug)]
enum Statement {
    Plain(SqlStr, Args),
    Insert { head: &'static str, rows: Vec<Args>, tail: &'static str },
}

impl std::fmt::Debug for Tx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tx").field("engine", &self.engine()).finish_non_exhaustive()
    }
}

/// The writer's side.
impl Tx {
    pub(super) fn new(conn: Conn) -> Self {
        Self { conn, failed: false, written: Vec::new(), begun: 0, dirty: false }
    }
    /// Begins the batch's transaction. Taking the write lock at once avoids the deadlock of two readers
    /// that both want to write.
    pub(super) async fn begin(&mut self) -> Result<(), StoreError> {
        self.written.clear();
        self.conn
            .control(match self.engine() {
                Engine::Sqlite => "BEGIN IMMEDIATE",
                Engine::Postgres => "BEGIN; SAVEPOINT unit",
            })
            .await
    }
    pub(super) fn begin_unit(&mut self) {
        (self.failed, self.dirty, self.begun) = (false, false, self.written.len());
    }
    /// Whether a statement of the unit failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }
    /// What the unit wrote stays. One round trip ends it and begins the next; COMMIT ends the last.
    pub(super) async fn keep_unit(&mut self) -> Result<(), StoreError> {
        match self.engine() {
            Engine::Sqlite => Ok(()),
            Engine::Postgres => self.conn.control("RELEASE SAVEPOINT unit; SAVEPOINT unit").await,
        }
    }
    /// Takes back what the unit wrote.
    pub(super) async fn undo_unit(&mut self) -> Result<(), StoreError> {
        match &self.conn {
            Conn::Postgres(_) => self.conn.control("ROLLBACK TO SAVEPOINT unit").await,
            // Some errors (a full disk) end the transaction by themselves, and the batch with it.
            Conn::Sqlite(c) if !c.in_transaction() => {
                Err(StoreError::NotCommitted("the transaction was ended by an error".to_owned()))
            }
            Conn::Sqlite(_) if !self.dirty => Ok(()),
            Conn::Sqlite(_) => self.write_again().await,
        }
    }
    async fn write_again(&mut self) -> Result<(), StoreError> {
        self.written.truncate(self.begun);
        let version = self.version().await?;
        self.conn.control("ROLLBACK; BEGIN IMMEDIATE").await?;
        if self.version().await? != version {
            return Err(StoreError::NotCommitted("another process wrote in between".to_owned()));
        }
        let Conn::Sqlite(conn) = &mut self.conn else { return Ok(()) };
        for written in &self.written {
            let touched = match &written.statement {
                Statement::Plain(sql, args) => conn.execute(sql.as_str(), args)?,
                Statement::Insert { head, rows, tail } => conn.insert(head, rows, tail)?,
            };
            if touched != written.touched {
                return Err(StoreError::NotCommitted("a unit could not be written again".to_owned()));
            }
        }
        Ok(())
    }
    /// Changes whenever another connection has committed.
    async fn version(&mut self) -> Result<i64, StoreError> {
        let row = self.conn.fetch("PRAGMA data_version", Vec::new(), 1).await?.pop();
        row.ok_or(StoreError::NotFound("row"))?.int("data_version")
    }
    pub(super) async fn commit(&mut self) -> Result<(), StoreError> {
        let done = self.conn.control("COMMIT").await;
        self.written.clear();
        done
    }
    pub(super) async fn rollback(&mut self) -> Result<(), StoreError> {
        self.written.clear();
        self.conn.control("ROLLBACK").await
    }
    /// Replaces a connection that is of no more use.
    pub(super) fn replace(&mut self, conn: Conn) {
        self.conn = conn;
    }
    pub(super) async fn close(self) -> Result<(), StoreError> {
        self.conn.close().await
    }

    fn note<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        self.failed |= result.is_err();
        result
    }
    async fn run(&mut self, statement: Statement) -> Result<u64, StoreError> {
        let touched = match (&mut self.conn, &statement) {
            (Conn::Sqlite(c), Statement::Plain(sql, args)) => c.execute(sql.as_str(), args),
            (Conn::Sqlite(c), Statement::Insert { head, rows, tail }) => {
                // Of several rows some may be written before one fails.
                self.dirty |= rows.len() > 1;
                c.insert(head, rows, tail)
            }
            (Conn::Postgres(_), _) => return self.run_there(statement).await,
        };
        let touched = self.note(touched)?;
        if touched > 0 {
            self.dirty = true;
            self.written.push(Written { statement, touched });
        }
        Ok(touched)
    }
    /// On a server, where each statement is a round trip: rows go together.
    async fn run_there(&mut self, statement: Statement) -> Result<u64, StoreError> {
        let result = match statement {
            Statement::Plain(sql, args) => self.conn.execute(sql, args).await,
            Statement::Insert { head, rows, tail } => insert(&mut self.conn, head, rows, tail).await,
        };
        self.note(result)
    }
    async fn fetch(
        &mut self,
        sql: impl SqlSafeStr,
        args: Args,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let sql = sql.into_sql_str();
        let rows = match &mut self.conn {
            Conn::Sqlite(c) => match c.fetch_noting(sql.as_str(), &args, limit) {
                Ok((rows, None)) => Ok(rows),
                Ok((rows, Some(touched))) => {
                    self.dirty = true;
                    self.written.push(Written { statement: Statement::Plain(sql, args), touched });
                    Ok(rows)
                }
                Err(e) => Err(e),
            },
            Conn::Postgres(_) => self.conn.fetch(sql, args, limit).await,
        };
        self.note(rows)
    }
}

/// What a unit can do.
impl Tx {
    /// Which engine serves.
    pub fn engine(&self) -> Engine {
        self.conn.engine()
    }
    /// Runs a statement; answers the number of rows it touched. After an error the unit cannot succeed
    /// any more: use `ON CONFLICT` where a refusal is expected.
    pub async fn execute(&mut self, sql: impl SqlSafeStr, args: Args) -> Result<u64, StoreError> {
        self.run(Statement::Plain(sql.into_sql_str(), args)).await
    }
    /// Holds `name` until COMMIT, waiting for another node that does: for a unit that reads before it writes, where two
    /// nodes would both find nothing. SQLite has one writer at a time as it is. PostgreSQL resolves a deadlock
    /// of two batches by failing one unit, whose caller may try again.
    pub async fn alone(&mut self, name: &str) -> Result<(), StoreError> {
        match self.engine() {
            Engine::Sqlite => Ok(()),
            Engine::Postgres => {
                let sql = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
                self.fetch(sql, crate::args![name], 1).await.map(drop)
            }
        }
    }
    /// Every row of a result known to be small.
    pub async fn fetch_all(&mut self, sql: impl SqlSafeStr, args: Args) -> Result<Vec<Row>, StoreError> {
        self.fetch(sql, args, usize::MAX).await
    }
    /// The first row, if any.
    pub async fn fetch_optional(
        &mut self,
        sql: impl SqlSafeStr,
        args: Args,
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.fetch(sql, args, 1).await?.pop())
    }
    /// The first row; [`StoreError::NotFound`] if there is none.
    pub async fn fetch_one(&mut self, sql: impl SqlSafeStr, args: Args) -> Result<Row, StoreError> {
        self.fetch_optional(sql, args).await?.ok_or(StoreError::NotFound("row"))
    }
    /// Inserts rows of equal length: `tx.insert("INSERT INTO t (a, b) VALUES", rows, "ON CONFLICT DO
    /// NOTHING")`. The texts must be constants of the program.
    pub async fn insert(
        &mut self,
        head: &'static str,
        rows: Vec<Args>,
        tail: &'static str,
    ) -> Result<u64, StoreError> {
        self.run(Statement::Insert { head, rows, tail }).await
    }
    /// Runs a group of statements; answers the number of rows they touched in all.
    pub async fn together(&mut self, group: Group) -> Result<u64, StoreError> {
        let mut touched = 0;
        for statement in group.statements {
            touched += self.run(statement).await?;
        }
        Ok(touched)
    }
}

/// Statements that need no answer of one another ([`Tx::together`]). Their texts are constants of the
/// program, without `$` in literals.
#[derive(Debug, Default)]
pub struct Group {
    statements: Vec<Statement>,
}

impl Group {
    /// Adds a statement.
    pub fn add(&mut self, sql: impl SqlSafeStr, args: Args) {
        self.statements.push(Statement::Plain(sql.into_sql_str(), args));
    }
    /// Adds what [`Tx::insert`] would run.
    pub fn insert(&mut self, head: &'static str, rows: Vec<Args>, tail: &'static str) {
        if !rows.is_empty() {
            self.statements.push(Statement::Insert { head, rows, tail });
        }
    }
}

/// Inserts by few multi-row statements.
async fn insert(conn: &mut Conn, head: &str, rows: Vec<Args>, tail: &str) -> Result<u64, StoreError> {
    let (mut rows, mut touched) = (rows.into_iter(), 0);
    while rows.len() > 0 {
        let take = if rows.len() <= SHORT { rows.len() } else { (1 << rows.len().ilog2()).min(ROWS) };
        let values: Vec<Args> = rows.by_ref().take(take).collect();
        let width = values[0].len();
        let flat: Vec<Value> = values.into_iter().flatten().collect();
        if flat.len() != take * width {
            return Err(StoreError::Conflict("rows of different length"));
        }
        touched += conn.execute(AssertSqlSafe(insert_text(head, tail, take, width)), flat).await?;
    }
    Ok(touched)
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
