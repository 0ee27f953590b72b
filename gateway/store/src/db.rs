//! One thin layer over SQLite and PostgreSQL: the same SQL text with `$1`… placeholders serves both.
//!
//! **Job.** Reads go to a pool ([`Db::fetch_all`], [`Db::stream`]); every write goes through the one
//! writer of the process ([`Db::write`]), which commits many units with one flush.
//!
//! **Exposure.** None: values are always bound, SQL text is always ours (`&'static str`, or
//! [`AssertSqlSafe`] around text assembled from constants).
//!
//! **Habits that keep one text for both engines.** BIGINT for numbers (an INTEGER reads as well), BOOLEAN
//! with TRUE/FALSE, TEXT UUIDs, BIGINT microseconds; `ON CONFLICT … DO NOTHING/UPDATE`, `RETURNING`,
//! `COALESCE`; `CAST(SUM(x) AS BIGINT)`; never a type that only one engine has.
//!
//! **Failure modes.** SQLite held by another process: a writer waits half a minute, then
//! [`StoreError::Busy`]. PostgreSQL gone: the statement fails, the writer reconnects for the next batch.

pub(crate) mod conn;
pub(crate) mod migrate;
mod row;
mod sqlite;
mod value;

pub use row::Row;
pub use sqlx::AssertSqlSafe;
pub use value::{Args, Value};

use crate::StoreError;
use crate::write::{Pace, Tx, Writer};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use row::Inner;
use sqlite::{Readers, Rows};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Executor, SqlSafeStr};
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use value::for_postgres;

/// Which database serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Embedded, the default.
    Sqlite,
    /// A server, for several nodes.
    Postgres,
}

/// Where the database is.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>),
}

/// Reading connections to a server per process.
const READERS: u32 = 8;
/// Multi-row inserts come in a few lengths each; all of them stay prepared.
const CACHED_STATEMENTS: usize = 512;

impl Target {
    /// Reads `sqlite:/path` or `postgres://…`.
    pub(crate) fn parse(url: &str) -> Result<Self, StoreError> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err(StoreError::BadUrl(url.to_owned()));
            }
            return Ok(Self::Sqlite(path.into()));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(url)?.statement_cache_capacity(CACHED_STATEMENTS);
            return Ok(Self::Postgres(Box::new(options)));
        }
        Err(StoreError::BadUrl(url.to_owned()))
    }
}

#[derive(Debug, Clone)]
enum Pool {
    Sqlite(Readers),
    Postgres(PgPool),
}

/// An open database: reading connections and the writer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Db {
    pool: Pool,
    writer: Writer,
}

impl Db {
    /// Opens `sqlite:/path/file.db` or `postgres://…`, creating and migrating it under a lock.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let target = Target::parse(url)?;
        if let Target::Sqlite(path) = &target {
            private_file(path)?;
        }
        migrate::run(&target).await?;
        let pool = match &target {
            Target::Sqlite(path) => Pool::Sqlite(Readers::open(path)?),
            Target::Postgres(options) => Pool::Postgres(
                PgPoolOptions::new().max_connections(READERS).connect_with(options.as_ref().clone()).await?,
            ),
        };
        Ok(Self { pool, writer: Writer::start(target).await? })
    }
    /// Which engine serves.
    pub fn engine(&self) -> Engine {
        match self.pool {
            Pool::Sqlite(_) => Engine::Sqlite,
            Pool::Postgres(_) => Engine::Postgres,
        }
    }
    /// Every row of a result known to be small (bounded by the query); use [`Db::stream`] otherwise.
    pub async fn fetch_all(&self, sql: impl SqlSafeStr, args: Args) -> Result<Vec<Row>, StoreError> {
        Ok(match &self.pool {
            Pool::Sqlite(p) => p.read(|c| c.fetch(sql.into_sql_str().as_str(), &args, usize::MAX))?,
            Pool::Postgres(p) => {
                let rows = sqlx::query_with(sql, for_postgres(args)?).fetch_all(p).await?;
                rows.into_iter().map(|r| Row(Inner::Postgres(r))).collect()
            }
        })
    }
    /// The first row, if any.
    pub async fn fetch_optional(&self, sql: impl SqlSafeStr, args: Args) -> Result<Option<Row>, StoreError> {
        Ok(match &self.pool {
            Pool::Sqlite(p) => p.read(|c| c.fetch(sql.into_sql_str().as_str(), &args, 1))?.pop(),
            Pool::Postgres(p) => {
                let row = sqlx::query_with(sql, for_postgres(args)?).fetch_optional(p).await?;
                row.map(|r| Row(Inner::Postgres(r)))
            }
        })
    }
    /// The first row; [`StoreError::NotFound`] if there is none.
    pub async fn fetch_one(&self, sql: impl SqlSafeStr, args: Args) -> Result<Row, StoreError> {
        self.fetch_optional(sql, args).await?.ok_or(StoreError::NotFound("row"))
    }
    /// The rows one after the other, as they are read: for results of any size. Holds a reading
    /// connection (and SQLite's snapshot) until dropped.
    pub fn stream(&self, sql: impl SqlSafeStr, args: Args) -> BoxStream<'static, Result<Row, StoreError>> {
        match &self.pool {
            Pool::Sqlite(p) => p.stream(sql.into_sql_str(), args),
            Pool::Postgres(p) => match for_postgres(args) {
                Ok(args) => p
                    .fetch(sqlx::query_with::<sqlx::Postgres, _>(sql, args))
                    .map(|r| r.map(|r| Row(Inner::Postgres(r))).map_err(StoreError::from))
                    .boxed(),
                Err(e) => futures_util::stream::once(async move { Err(e) }).boxed(),
            },
        }
    }
    /// [`Db::stream`] some rows at a time, for those who read very many.
    pub(crate) fn chunks(&self, sql: impl SqlSafeStr, args: Args) -> BoxStream<'static, Rows> {
        match &self.pool {
            Pool::Sqlite(p) => p.chunks(sql.into_sql_str(), args),
            Pool::Postgres(_) => {
                let together = |rows: Vec<Result<Row, StoreError>>| rows.into_iter().collect();
                self.stream(sql, args).ready_chunks(256).map(together).boxed()
            }
        }
    }
    /// Runs `unit` in a transaction and answers after COMMIT: `db.write(async move |tx| { … }).await`.
    ///
    /// Units of concurrent callers share one commit, each in its own savepoint: one that returns `Err`
    /// leaves nothing and harms no other. The unit runs to its end even if the caller stops waiting.
    /// Do nothing slow inside (no network, no password hashing): all other writers wait.
    pub async fn write<T, F>(&self, unit: F) -> Result<T, StoreError>
    where
        F: AsyncFnOnce(&mut Tx) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        self.writer.run(Pace::Prompt, unit).await
    }
    /// [`Db::write`] for stages in the background, for whom nobody waits: the unit goes with the next commit,
    /// some milliseconds later at most, instead of paying for a flush of its own.
    pub async fn write_patiently<T, F>(&self, unit: F) -> Result<T, StoreError>
    where
        F: AsyncFnOnce(&mut Tx) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        self.writer.run(Pace::Patient, unit).await
    }
    /// [`Db::write`] for units with an error type of their own.
    pub async fn write_as<T, E, F>(&self, unit: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.writer.run(Pace::Prompt, unit).await
    }
    /// One writing statement on its own; answers the number of rows it touched.
    pub async fn execute(&self, sql: impl SqlSafeStr, args: Args) -> Result<u64, StoreError> {
        let sql = sql.into_sql_str();
        self.write(async move |tx| tx.execute(sql, args).await).await
    }
}

/// Creates the file, if it is new, for its owner alone: SQLite gives its side files the same rights.
pub(crate) fn private_file(path: &Path) -> Result<(), StoreError> {
    match File::options().write(true).create_new(true).mode(0o600).open(path) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => {
            Err(StoreError::File { path: path.to_owned(), source: e })
        }
        _ => Ok(()),
    }
}
