//! All tables from one database into another, row by row, whichever the engines.

use super::{BackupError, Copied};
use crate::db::conn::Conn;
use crate::db::{AssertSqlSafe, Db, Row, Target, Value};
use crate::{Args, Engine, StoreError, args};
use futures_util::StreamExt;
use sealpost_envelope::Timestamp;
use std::fmt::Write as _;

/// Tables that others refer to, in the order in which they must be filled.
const FIRST: [&str; 9] = [
    "entities",
    "accounts",
    "deposits",
    "journal",
    "evidence",
    "folders",
    "checkpoints",
    "provisioned_groups",
    "uploads",
];
/// Migrations know what they did; the copy has its own.
const STEPS: &str = "schema_steps";
/// Rows that travel together.
const TOGETHER: usize = 64;
/// Rows of one page read from a server.
const PAGE: u32 = 256;

/// What a column holds.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Int,
    Text,
    Bytes,
    Bool,
}

struct Column {
    name: String,
    kind: Kind,
}

/// How a transaction begins that nobody may disturb.
pub(super) fn begin(conn: &Conn) -> &'static str {
    match conn.engine() {
        Engine::Sqlite => "BEGIN IMMEDIATE",
        Engine::Postgres => "BEGIN",
    }
}

/// A connection to a database that holds nothing, with the schema of this release.
pub(super) async fn open_empty(url: &str) -> Result<Conn, BackupError> {
    let db = Db::open(url).await?;
    for table in tables_of(&db).await? {
        let sql = format!("SELECT 1 AS one FROM {table} LIMIT 1");
        if db.fetch_optional(AssertSqlSafe(sql), args![]).await?.is_some() {
            // A URL may hold a password.
            let name = if url.starts_with("sqlite:") { url } else { "the PostgreSQL database" };
            return Err(BackupError::NotEmpty(name.to_owned()));
        }
    }
    Ok(Conn::open(&Target::parse(url)?).await?)
}

/// Refuses a database on which a node holds a job.
pub(super) async fn not_running(url: &str, now: Timestamp) -> Result<(), BackupError> {
    let db = Db::open(url).await?;
    let sql = "SELECT name, holder FROM jobs WHERE until > $1 AND name IN ('log', 'housekeeping') LIMIT 1";
    match db.fetch_optional(sql, args![now]).await? {
        Some(row) => Err(BackupError::Running(row.text("holder")?)),
        None => Ok(()),
    }
}

/// Copies every table into the open transaction of `to`.
pub(super) async fn tables(from: &str, to: &mut Conn) -> Result<Copied, StoreError> {
    let source = Db::open(from).await?;
    // One moment for all tables, however long it takes.
    let mut snapshot = match source.engine() {
        Engine::Sqlite => None,
        Engine::Postgres => {
            let mut conn = Conn::open(&Target::parse(from)?).await?;
            conn.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
            Some(conn)
        }
    };
    let mut copied = Copied::new();
    for table in tables_of(&source).await? {
        let columns = columns_of(&source, &table).await?;
        let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
        let names = names.join(", ");
        let select = format!("SELECT {names} FROM {table}");
        let head = format!("INSERT INTO {table} ({names}) VALUES");
        let rows = match &mut snapshot {
            None => from_file(&source, select, &columns, to, &head).await?,
            Some(conn) => from_server(conn, &table, &select, &columns, to, &head).await?,
        };
        let count = format!("SELECT COUNT(*) AS n FROM {table}");
        let there = to.fetch(AssertSqlSafe(count), args![], 1).await?.pop();
        if there.map(|r| r.size("n")).transpose()? != Some(rows) {
            return Err(StoreError::Damaged { what: "copy", detail: format!("of {table} is incomplete") });
        }
        copied.push((table, rows));
    }
    if to.engine() == Engine::Postgres {
        count_on(to).await?;
    }
    Ok(copied)
}

async fn from_file(
    source: &Db,
    select: String,
    columns: &[Column],
    to: &mut Conn,
    head: &str,
) -> Result<u64, StoreError> {
    let mut rows = source.stream(AssertSqlSafe(select), args![]).chunks(TOGETHER);
    let mut count = 0;
    while let Some(page) = rows.next().await {
        let page = page.into_iter().map(|row| values(&row?, columns)).collect::<Result<Vec<_>, _>>()?;
        count += page.len() as u64;
        insert(to, head, page).await?;
    }
    Ok(count)
}

async fn from_server(
    source: &mut Conn,
    table: &str,
    select: &str,
    columns: &[Column],
    to: &mut Conn,
    head: &str,
) -> Result<u64, StoreError> {
    // A name for each table: the server keeps a statement's columns with its text.
    source.batch(AssertSqlSafe(format!("DECLARE of_{table} NO SCROLL CURSOR FOR {select}"))).await?;
    let fetch = format!("FETCH {PAGE} FROM of_{table}");
    let mut count = 0;
    loop {
        let page = source.fetch(AssertSqlSafe(fetch.clone()), args![], usize::MAX).await?;
        if page.is_empty() {
            break;
        }
        count += page.len() as u64;
        for rows in page.chunks(TOGETHER) {
            let rows = rows.iter().map(|row| values(row, columns)).collect::<Result<Vec<_>, _>>()?;
            insert(to, head, rows).await?;
        }
    }
    source.batch(AssertSqlSafe(format!("CLOSE of_{table}"))).await?;
    Ok(count)
}

async fn insert(to: &mut Conn, head: &str, rows: Vec<Args>) -> Result<(), StoreError> {
    if let Conn::Sqlite(c) = to {
        return c.insert(head, &rows, "").map(drop);
    }
    let mut sql = head.to_owned();
    let mut next = 1;
    for (n, row) in rows.iter().enumerate() {
        sql.push_str(if n == 0 { " (" } else { ", (" });
        for column in 0..row.len() {
            // Writing to a String cannot fail.
            let _ = write!(sql, "{}${next}", if column == 0 { "" } else { ", " });
            next += 1;
        }
        sql.push(')');
    }
    to.execute(AssertSqlSafe(sql), rows.into_iter().flatten().collect()).await.map(drop)
}

fn values(row: &Row, columns: &[Column]) -> Result<Args, StoreError> {
    columns
        .iter()
        .map(|c| {
            Ok(match c.kind {
                Kind::Int => Value::Int(row.opt_int(&c.name)?),
                Kind::Text => Value::Text(row.opt_text(&c.name)?),
                Kind::Bytes => Value::Bytes(row.opt_bytes(&c.name)?),
                Kind::Bool => Value::Bool(Some(row.flag(&c.name)?)),
            })
        })
        .collect()
}

/// Every table of ours, those first that others refer to.
async fn tables_of(db: &Db) -> Result<Vec<String>, StoreError> {
    let sql = match db.engine() {
        Engine::Sqlite => {
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name"
        }
        Engine::Postgres => {
            "SELECT CAST(table_name AS TEXT) AS name FROM information_schema.tables \
             WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' ORDER BY table_name"
        }
    };
    let mut names = Vec::new();
    for row in db.fetch_all(sql, args![]).await? {
        names.push(row.text("name")?);
    }
    names.retain(|n| n != STEPS);
    names.sort_by_key(|n| FIRST.iter().position(|f| f == n).unwrap_or(FIRST.len()));
    Ok(names)
}

async fn columns_of(db: &Db, table: &str) -> Result<Vec<Column>, StoreError> {
    let sql = match db.engine() {
        Engine::Sqlite => "SELECT name, type FROM pragma_table_info($1) ORDER BY cid",
        Engine::Postgres => {
            "SELECT CAST(column_name AS TEXT) AS name, CAST(data_type AS TEXT) AS type \
             FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1 \
             ORDER BY ordinal_position"
        }
    };
    let rows = db.fetch_all(sql, args![table]).await?;
    rows.iter()
        .map(|row| {
            let (name, declared) = (row.text("name")?, row.text("type")?);
            let kind = match declared.to_ascii_lowercase().as_str() {
                "bigint" | "integer" => Kind::Int,
                "text" => Kind::Text,
                "blob" | "bytea" => Kind::Bytes,
                "boolean" => Kind::Bool,
                other => {
                    let detail = format!("{table}.{name} is declared as {other}");
                    return Err(StoreError::Damaged { what: "schema", detail });
                }
            };
            Ok(Column { name, kind })
        })
        .collect()
}

/// Columns that count by themselves go on behind the highest number that was copied.
async fn count_on(to: &mut Conn) -> Result<(), StoreError> {
    let counting = "SELECT CAST(table_name AS TEXT) AS name, CAST(column_name AS TEXT) AS counter \
         FROM information_schema.columns WHERE table_schema = current_schema() AND is_identity = 'YES'";
    for row in to.fetch(counting, args![], usize::MAX).await? {
        let (table, column) = (row.text("name")?, row.text("counter")?);
        let set = format!(
            "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), \
             (SELECT COALESCE(MAX({column}), 0) + 1 FROM {table}), false) AS next"
        );
        to.fetch(AssertSqlSafe(set), args![], 1).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the schema says of itself decides: a new table with a reference fails here, not at a customer's move.
    #[tokio::test]
    async fn no_row_is_copied_before_the_row_it_refers_to() -> Result<(), StoreError> {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&format!("sqlite:{}", dir.path().join("s.db").display())).await?;
        let order = tables_of(&db).await?;
        let place = |name: &str| order.iter().position(|t| t == name);
        let mut references = 0;
        for child in &order {
            let sql = r#"SELECT "table" AS parent FROM pragma_foreign_key_list($1)"#;
            for row in db.fetch_all(sql, args![child.as_str()]).await? {
                let parent = row.text("parent")?;
                assert!(place(&parent) < place(child), "{child} would be copied before {parent}");
                references += 1;
            }
        }
        assert!(references > 20, "the schema has references: {references} were found");
        for name in FIRST {
            assert!(place(name).is_some(), "{name} is no table");
        }
        Ok(())
    }
}
