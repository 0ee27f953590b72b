//! A single connection of either engine: what the writer and the migrations run on.

use super::row::{Inner, Row};
use super::value::{Args, for_postgres, for_sqlite};
use super::{Engine, Target};
use crate::StoreError;
use sqlx::{ConnectOptions, Connection, PgConnection, SqlSafeStr, SqliteConnection};

/// A server may be set up to answer COMMIT before the data is safe; for us it may not. Stronger settings stay.
const DURABLE: &str = "SELECT set_config('synchronous_commit', 'on', false) \
     WHERE current_setting('synchronous_commit') = 'off'";
/// Page cache of the writer, in KiB (negative, as SQLite wants it): unique keys are random.
const CACHE: &str = "-16384";

/// An open connection.
pub(crate) enum Conn {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Conn {
    /// Opens a connection that may write.
    pub(crate) async fn open(target: &Target) -> Result<Self, StoreError> {
        Ok(match target {
            Target::Sqlite(options) => {
                // Savepoints copy each page they touch; by default into a file.
                let options = options.clone().pragma("cache_size", CACHE).pragma("temp_store", "memory");
                Self::Sqlite(options.connect().await?)
            }
            Target::Postgres(options) => {
                let mut conn = options.connect().await?;
                sqlx::raw_sql(DURABLE).execute(&mut conn).await?;
                Self::Postgres(conn)
            }
        })
    }
    pub(crate) fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
    }
    /// Several statements without values, outside the statement cache.
    pub(crate) async fn batch(&mut self, sql: impl SqlSafeStr) -> Result<(), sqlx::Error> {
        let sql = sqlx::raw_sql(sql);
        match self {
            Self::Sqlite(c) => sql.execute(&mut *c).await.map(|_| ()),
            Self::Postgres(c) => sql.execute(&mut *c).await.map(|_| ()),
        }
    }
    /// Transaction control, possibly several statements: prepared once where the engine can (SQLite keeps
    /// them together; PostgreSQL's extended protocol takes one at a time).
    pub(crate) async fn control(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(c) => sqlx::query(sql).execute(&mut *c).await.map(|_| ()),
            Self::Postgres(c) => sqlx::raw_sql(sql).execute(&mut *c).await.map(|_| ()),
        }
    }
    pub(crate) async fn execute(&mut self, sql: impl SqlSafeStr, args: Args) -> Result<u64, StoreError> {
        Ok(match self {
            Self::Sqlite(c) => {
                sqlx::query_with(sql, for_sqlite(args)?).execute(&mut *c).await?.rows_affected()
            }
            Self::Postgres(c) => {
                sqlx::query_with(sql, for_postgres(args)?).execute(&mut *c).await?.rows_affected()
            }
        })
    }
    pub(crate) async fn fetch_all(
        &mut self,
        sql: impl SqlSafeStr,
        args: Args,
    ) -> Result<Vec<Row>, StoreError> {
        Ok(match self {
            Self::Sqlite(c) => {
                let rows = sqlx::query_with(sql, for_sqlite(args)?).fetch_all(&mut *c).await?;
                rows.into_iter().map(|r| Row(Inner::Sqlite(r))).collect()
            }
            Self::Postgres(c) => {
                let rows = sqlx::query_with(sql, for_postgres(args)?).fetch_all(&mut *c).await?;
                rows.into_iter().map(|r| Row(Inner::Postgres(r))).collect()
            }
        })
    }
    pub(crate) async fn fetch_optional(
        &mut self,
        sql: impl SqlSafeStr,
        args: Args,
    ) -> Result<Option<Row>, StoreError> {
        Ok(match self {
            Self::Sqlite(c) => sqlx::query_with(sql, for_sqlite(args)?)
                .fetch_optional(&mut *c)
                .await?
                .map(|r| Row(Inner::Sqlite(r))),
            Self::Postgres(c) => sqlx::query_with(sql, for_postgres(args)?)
                .fetch_optional(&mut *c)
                .await?
                .map(|r| Row(Inner::Postgres(r))),
        })
    }
    /// Ends the connection in order.
    pub(crate) async fn close(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(c) => c.close().await?,
            Self::Postgres(c) => c.close().await?,
        }
        Ok(())
    }
}
