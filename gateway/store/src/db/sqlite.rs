//! SQLite on the caller's thread.
//!
//! **Job.** One connection ([`Sqlite`]), the reading connections of a process ([`Readers`]), and streams.
//! A statement costs microseconds, far less than handing it to another thread and its rows back; so reads of
//! few rows run where they are asked for, and only streams, whose length nobody knows, get a thread.
//!
//! **Exposure.** None: values are always bound.
//!
//! **Failure modes.** As [`super`]. A stream that is dropped ends its thread at the next rows.

use super::row::{Cell, Columns, Inner, LocalRow, Row};
use super::value::{Args, Value};
use crate::StoreError;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, OpenFlags};
use sqlx::SqlStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

/// How long a writer waits for another process's transaction on the same file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// Statements kept prepared by each connection.
const CACHED_STATEMENTS: usize = 256;
/// Reading connections that stay open, and streams that run at the same time.
const READERS: usize = 8;
/// Pages of the log beyond which a commit moves them into the file (32 MiB): each page that changed often
/// is then moved once.
const LOG_PAGES: u32 = 2048;
/// Size to which a log that grew further is cut back.
const LOG_KEPT: u32 = 64 << 20;
/// Page cache of the writer, in KiB (negative, as SQLite wants it): unique keys are random.
const WRITER_CACHE: i32 = -16384;
/// Rows of a stream that cross to its reader together: so many, or so many octets.
const TOGETHER: usize = 256;
/// See [`TOGETHER`].
const OCTETS: usize = 256 << 10;

/// What a connection may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anything; creates the file.
    Write,
    /// Nothing else than reading, not even by mistake.
    Read,
}

/// An open connection.
pub(crate) struct Sqlite {
    conn: Connection,
    /// The statement's text with SQLite's numbered parameters; kept for its room.
    text: String,
}

impl Sqlite {
    /// Opens a file with every option that must hold on each connection.
    pub(crate) fn open(path: &Path, access: Access) -> Result<Self, StoreError> {
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if access == Access::Write {
            flags |= OpenFlags::SQLITE_OPEN_CREATE;
        }
        let conn = Connection::open_with_flags(path, flags)?;
        conn.busy_timeout(BUSY_TIMEOUT)?;
        conn.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
        if access == Access::Write {
            conn.pragma_update(None, "page_size", 16 * 1024)?;
            conn.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
            conn.pragma_update(None, "cache_size", WRITER_CACHE)?;
            conn.pragma_update(None, "temp_store", "memory")?;
            conn.pragma_update_and_check(None, "wal_autocheckpoint", LOG_PAGES, |_| Ok(()))?;
            conn.pragma_update_and_check(None, "journal_size_limit", LOG_KEPT, |_| Ok(()))?;
        }
        conn.pragma_update(None, "synchronous", "full")?;
        conn.pragma_update(None, "foreign_keys", true)?;
        if access == Access::Read {
            conn.pragma_update(None, "query_only", true)?;
        }
        Ok(Self { conn, text: String::new() })
    }

    /// Several statements without values, not kept prepared.
    pub(crate) fn batch(&self, sql: &str) -> Result<(), StoreError> {
        Ok(self.conn.execute_batch(sql)?)
    }

    /// Runs a statement; answers the number of rows it touched.
    pub(crate) fn execute(&mut self, sql: &str, args: &[Value]) -> Result<u64, StoreError> {
        numbered(&mut self.text, sql);
        let mut statement = self.conn.prepare_cached(&self.text)?;
        bind(&mut statement, args)?;
        run(&mut statement)?;
        drop(statement);
        Ok(self.conn.changes())
    }

    /// Runs a one-row INSERT for each of `rows`: prepared once, without the statement journal that SQLite
    /// keeps for several rows in one statement.
    pub(crate) fn insert(&mut self, head: &str, rows: &[Args], tail: &str) -> Result<u64, StoreError> {
        let Some(first) = rows.first() else { return Ok(0) };
        if rows.iter().any(|row| row.len() != first.len()) {
            return Err(StoreError::Conflict("rows of different length"));
        }
        self.text.clear();
        self.text.push_str(head);
        for column in 0..first.len() {
            self.text.push_str(if column == 0 { " (?" } else { ", ?" });
        }
        self.text.push_str(") ");
        self.text.push_str(tail);
        let mut statement = self.conn.prepare_cached(&self.text)?;
        let mut touched = 0;
        for row in rows {
            bind(&mut statement, row)?;
            run(&mut statement)?;
            touched += self.conn.changes();
        }
        Ok(touched)
    }

    /// At most `limit` rows.
    pub(crate) fn fetch(&mut self, sql: &str, args: &[Value], limit: usize) -> Result<Vec<Row>, StoreError> {
        let mut rows = Vec::new();
        self.each(sql, args, |row| {
            rows.push(Row(Inner::Sqlite(row)));
            rows.len() < limit
        })?;
        Ok(rows)
    }

    /// [`Sqlite::fetch`]; and how many rows were touched, if the statement writes (RETURNING) and touched any.
    pub(crate) fn fetch_noting(
        &mut self,
        sql: &str,
        args: &[Value],
        limit: usize,
    ) -> Result<(Vec<Row>, Option<u64>), StoreError> {
        let mut rows = Vec::new();
        let writes = self.each(sql, args, |row| {
            rows.push(Row(Inner::Sqlite(row)));
            rows.len() < limit
        })?;
        // All rows are changed before the first one is returned.
        let touched = (writes && !rows.is_empty()).then(|| self.conn.changes());
        Ok((rows, touched))
    }

    /// Whether a transaction is open.
    pub(crate) fn in_transaction(&self) -> bool {
        !self.conn.is_autocommit()
    }

    /// Gives every row to `take`, until it answers `false`. Answers whether the statement may write.
    fn each(
        &mut self,
        sql: &str,
        args: &[Value],
        mut take: impl FnMut(LocalRow) -> bool,
    ) -> Result<bool, StoreError> {
        numbered(&mut self.text, sql);
        let mut statement = self.conn.prepare_cached(&self.text)?;
        bind(&mut statement, args)?;
        let writes = !statement.readonly();
        let mut columns: Option<Arc<Columns>> = None;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            let statement: &rusqlite::Statement<'_> = row.as_ref();
            let columns = columns.get_or_insert_with(|| Columns::new(statement.column_names()));
            if !take(local(row, columns)?) {
                break;
            }
        }
        Ok(writes)
    }
}

/// `$1` of our texts as `?1`: the same number, where SQLite takes `$1` for a name and counts by itself. No
/// text of ours has a `$` elsewhere.
fn numbered(text: &mut String, sql: &str) {
    text.clear();
    let mut pieces = sql.split('$');
    text.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        text.push('?');
        text.push_str(piece);
    }
}

fn bind(statement: &mut CachedStatement<'_>, args: &[Value]) -> Result<(), StoreError> {
    for (n, value) in (1..).zip(args) {
        match value {
            Value::Int(v) => statement.raw_bind_parameter(n, *v),
            Value::Text(v) => statement.raw_bind_parameter(n, v.as_deref()),
            Value::Bytes(v) => statement.raw_bind_parameter(n, v.as_deref()),
            Value::Bool(v) => statement.raw_bind_parameter(n, *v),
        }?;
    }
    Ok(())
}

/// To the end, whatever rows come (RETURNING, PRAGMA).
fn run(statement: &mut CachedStatement<'_>) -> Result<(), StoreError> {
    let mut rows = statement.raw_query();
    while rows.next()?.is_some() {}
    Ok(())
}

fn local(row: &rusqlite::Row<'_>, columns: &Arc<Columns>) -> Result<LocalRow, StoreError> {
    let mut out = LocalRow::new(columns.clone());
    for n in 0..columns.len() {
        match row.get_ref(n)? {
            ValueRef::Null => out.push(Cell::Null),
            ValueRef::Integer(v) => out.push(Cell::Int(v)),
            ValueRef::Real(_) => out.push(Cell::Other),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => out.push_bytes(bytes),
        }
    }
    Ok(out)
}

/// Some rows of a stream.
pub(crate) type Rows = Result<Vec<Row>, StoreError>;

/// The reading connections of a process.
#[derive(Clone)]
pub(crate) struct Readers {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    idle: Mutex<Vec<Sqlite>>,
    streams: Arc<Semaphore>,
}

impl std::fmt::Debug for Readers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Readers").field("path", &self.shared.path).finish_non_exhaustive()
    }
}

impl Readers {
    /// Opens the first one.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let idle = Mutex::new(vec![Sqlite::open(path, Access::Read)?]);
        let shared = Shared { path: path.to_owned(), idle, streams: Arc::new(Semaphore::new(READERS)) };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Reads on a connection of its own: as many at a time as there are threads that ask.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&mut Sqlite) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = || self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle().pop();
        let mut connection = match kept {
            Some(connection) => connection,
            None => Sqlite::open(&self.shared.path, Access::Read)?,
        };
        let result = read(&mut connection);
        let mut idle = idle();
        if idle.len() < READERS {
            idle.push(connection);
        }
        result
    }

    /// The rows, read ahead by a thread and handed over some at a time.
    pub(crate) fn chunks(&self, sql: SqlStr, args: Args) -> BoxStream<'static, Rows> {
        let readers = self.clone();
        stream::once(async move {
            let permit = readers.shared.streams.clone().acquire_owned().await;
            let (sender, receiver) = mpsc::channel(2);
            tokio::task::spawn_blocking(move || {
                let _permit = permit;
                let failed = readers.read(|c| produce(c, sql.as_str(), &args, &sender)).err();
                if let Some(error) = failed {
                    // The reader may have gone, and then nobody wants to know.
                    let _ = sender.blocking_send(Err(error));
                }
            });
            stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)))
        })
        .flatten()
        .boxed()
    }
    /// The rows one after the other.
    pub(crate) fn stream(&self, sql: SqlStr, args: Args) -> BoxStream<'static, Result<Row, StoreError>> {
        let one_by_one = |rows: Rows| {
            let (rows, error) = match rows {
                Ok(rows) => (rows, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            stream::iter(rows.into_iter().map(Ok).chain(error))
        };
        self.chunks(sql, args).flat_map(one_by_one).boxed()
    }
}

fn produce(
    connection: &mut Sqlite,
    sql: &str,
    args: &[Value],
    sender: &mpsc::Sender<Rows>,
) -> Result<(), StoreError> {
    let (mut rows, mut octets) = (Vec::new(), 0);
    connection.each(sql, args, |row| {
        octets += row.octets();
        rows.push(Row(Inner::Sqlite(row)));
        if rows.len() < TOGETHER && octets < OCTETS {
            return true;
        }
        octets = 0;
        sender.blocking_send(Ok(std::mem::take(&mut rows))).is_ok()
    })?;
    if !rows.is_empty() {
        // As above.
        let _ = sender.blocking_send(Ok(rows));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_keep_their_numbers() {
        for (ours, theirs) in [
            ("SELECT 1", "SELECT 1"),
            ("UPDATE t SET a = $2 WHERE b = $1 AND c = $10", "UPDATE t SET a = ?2 WHERE b = ?1 AND c = ?10"),
            ("", ""),
        ] {
            let mut text = String::from("before");
            super::numbered(&mut text, ours);
            assert_eq!(text, theirs);
        }
    }
}
