//! One result row with typed getters by column name.

use crate::StoreError;
use sealpost_envelope::{EntityId, Timestamp};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

/// A row of either engine.
pub struct Row(pub(super) Inner);

pub(super) enum Inner {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl std::fmt::Debug for Row {
    // Rows hold personal data: never printed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Row")
    }
}

macro_rules! get {
    ($self:ident, $column:ident, $t:ty) => {
        match &$self.0 {
            // Unchecked: the getter asks for what the schema says; INTEGER and BIGINT both read as i64.
            Inner::Sqlite(r) => r.try_get_unchecked::<$t, _>($column),
            Inner::Postgres(r) => r.try_get_unchecked::<$t, _>($column),
        }
        .map_err(StoreError::from)
    };
}

impl Row {
    /// BIGINT or INTEGER, not NULL.
    pub fn int(&self, column: &str) -> Result<i64, StoreError> {
        get!(self, column, i64)
    }
    /// BIGINT or INTEGER.
    pub fn opt_int(&self, column: &str) -> Result<Option<i64>, StoreError> {
        get!(self, column, Option<i64>)
    }
    /// A size or count, which is never negative.
    pub fn size(&self, column: &str) -> Result<u64, StoreError> {
        u64::try_from(self.int(column)?).map_err(|_| StoreError::damaged("size", "negative"))
    }
    /// A small number such as a recipient's or a part's.
    pub fn small(&self, column: &str) -> Result<u32, StoreError> {
        u32::try_from(self.int(column)?).map_err(|_| StoreError::damaged("number", "beyond 32 bits"))
    }
    /// TEXT, not NULL.
    pub fn text(&self, column: &str) -> Result<String, StoreError> {
        get!(self, column, String)
    }
    /// TEXT.
    pub fn opt_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        get!(self, column, Option<String>)
    }
    /// BLOB or BYTEA, not NULL.
    pub fn bytes(&self, column: &str) -> Result<Vec<u8>, StoreError> {
        get!(self, column, Vec<u8>)
    }
    /// BLOB or BYTEA.
    pub fn opt_bytes(&self, column: &str) -> Result<Option<Vec<u8>>, StoreError> {
        get!(self, column, Option<Vec<u8>>)
    }
    /// BOOLEAN, not NULL.
    pub fn flag(&self, column: &str) -> Result<bool, StoreError> {
        get!(self, column, bool)
    }
    /// Microseconds since 1970, not NULL.
    pub fn time(&self, column: &str) -> Result<Timestamp, StoreError> {
        micros(self.int(column)?)
    }
    /// Microseconds since 1970.
    pub fn opt_time(&self, column: &str) -> Result<Option<Timestamp>, StoreError> {
        self.opt_int(column)?.map(micros).transpose()
    }
    /// Hyphenated UUID, not NULL; wrap it in the id type wanted.
    pub fn uuid(&self, column: &str) -> Result<Uuid, StoreError> {
        Uuid::parse_str(&self.text(column)?).map_err(|e| StoreError::damaged("uuid", e))
    }
    /// Hyphenated UUID.
    pub fn opt_uuid(&self, column: &str) -> Result<Option<Uuid>, StoreError> {
        let text = self.opt_text(column)?;
        text.map(|t| Uuid::parse_str(&t).map_err(|e| StoreError::damaged("uuid", e))).transpose()
    }
    /// The `entity` column.
    pub fn entity(&self) -> Result<EntityId, StoreError> {
        self.int("entity").map(EntityId)
    }
    /// TEXT that must parse as `T` (addresses, references, digests, words).
    pub fn parse<T: std::str::FromStr>(&self, column: &'static str) -> Result<T, StoreError>
    where
        T::Err: std::fmt::Display,
    {
        self.text(column)?.parse().map_err(|e| StoreError::damaged(column, e))
    }
    /// BLOB of exactly `N` bytes.
    pub fn array<const N: usize>(&self, column: &'static str) -> Result<[u8; N], StoreError> {
        let bytes = self.bytes(column)?;
        bytes
            .try_into()
            .map_err(|b: Vec<u8>| StoreError::damaged(column, format!("{} bytes, not {N}", b.len())))
    }
}

fn micros(us: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(us).map_err(|e| StoreError::damaged("time", e))
}
