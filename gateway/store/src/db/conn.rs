//! A single connection of either engine: what the writer and the migrations run on.

use super::row::{Inner, Row};
use super::sqlite::{Access, Sqlite};
use super::value::{Args, for_postgres};
use super::{Engine, Target};
use crate::StoreError;
use sqlx::{ConnectOptions, Connection, PgConnection, SqlSafeStr};

/// A server may be set up to answer COMMIT before the data is safe; for us it may not. Stronger settings stay.
const DURABLE: &str = "SELECT set_config('synchronous_commit', 'on', false) \
     WHERE current_setting('synchronous_commit') = 'off'";

/// An open connection. With SQLite nothing here waits: the futures are ready at once.
pub(crate) enum Conn {
    Sqlite(Sqlite),
    Postgres(PgConnection),
}

impl Conn {
    /// Opens a connection that may write.
    pub(crate) async fn open(target: &Target) -> Result<Self, StoreError> {
        Ok(match target {
            Target::Sqlite(path) => Self::Sqlite(Sqlite::open(path, Access::Write)?),
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
    pub(crate) async fn batch(&mut self, sql: impl SqlSafeStr) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(c) => c.batch(sql.into_sql_str().as_str()),
            Self::Postgres(c) => Ok(sqlx::raw_sql(sql).execute(&mut *c).await.map(drop)?),
        }
    }
    /// Transaction control, possibly several statements: prepared once where the engine can (PostgreSQL's
    /// extended protocol takes one at a time).
    pub(crate) async fn control(&mut self, sql: &'static str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(c) => sql.split("; ").try_for_each(|statement| c.execute(statement, &[]).map(drop)),
            Self::Postgres(c) => Ok(sqlx::raw_sql(sql).execute(&mut *c).await.map(drop)?),
        }
    }
    pub(crate) async fn execute(&mut self, sql: impl SqlSafeStr, args: Args) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(c) => c.execute(sql.into_sql_str().as_str(), &args),
            Self::Postgres(c) => {
                Ok(sqlx::query_with(sql, for_postgres(args)?).execute(&mut *c).await?.rows_affected())
            }
        }
    }
    /// At most `limit` rows.
    pub(crate) async fn fetch(
        &mut self,
        sql: impl SqlSafeStr,
        args: Args,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(c) => c.fetch(sql.into_sql_str().as_str(), &args, limit),
            Self::Postgres(c) => {
                let query = sqlx::query_with(sql, for_postgres(args)?);
                let rows = match limit {
                    1 => query.fetch_optional(&mut *c).await?.into_iter().collect(),
                    _ => query.fetch_all(&mut *c).await?,
                };
                Ok(rows.into_iter().map(|r| Row(Inner::Postgres(r))).collect())
            }
        }
    }
    /// Ends the connection in order.
    pub(crate) async fn close(self) -> Result<(), StoreError> {
        match self {
            // Dropping closes, and moves what is in the log into the file.
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(c) => Ok(c.close().await?),
        }
    }
}
