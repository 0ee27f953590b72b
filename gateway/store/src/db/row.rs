//! One result row with typed getters by column name.

use crate::StoreError;
use sealpost_envelope::{EntityId, Timestamp};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use std::borrow::Cow;
use std::sync::Arc;
use uuid::Uuid;

/// A row of either engine.
pub struct Row(pub(super) Inner);

pub(super) enum Inner {
    Sqlite(LocalRow),
    Postgres(PgRow),
}

/// Names of a result's columns, in one text.
pub(super) struct Columns {
    names: String,
    ends: Vec<usize>,
}

impl Columns {
    pub(super) fn new<'a>(columns: impl Iterator<Item = &'a str>) -> Arc<Self> {
        let (mut names, mut ends) = (String::new(), Vec::new());
        for column in columns {
            names.push_str(column);
            ends.push(names.len());
        }
        Arc::new(Self { names, ends })
    }
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }
    fn position(&self, column: &str) -> Option<usize> {
        let mut start = 0;
        self.ends.iter().position(|&end| {
            let name = &self.names[start..end];
            start = end;
            name == column
        })
    }
}

/// One value of a row of SQLite.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cell {
    Null,
    Int(i64),
    /// Text or octets: where they end in the row's; they begin where those before end.
    Bytes(usize, usize),
    /// A number with a fraction, which no column of ours holds.
    Other,
}

/// A row of SQLite: cells, and the texts and octets of all of them in one piece.
pub(super) struct LocalRow {
    columns: Arc<Columns>,
    cells: Vec<Cell>,
    bytes: Vec<u8>,
}

impl LocalRow {
    pub(super) fn new(columns: Arc<Columns>) -> Self {
        let cells = Vec::with_capacity(columns.len());
        Self { columns, cells, bytes: Vec::new() }
    }
    pub(super) fn push(&mut self, cell: Cell) {
        self.cells.push(cell);
    }
    pub(super) fn push_bytes(&mut self, bytes: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.cells.push(Cell::Bytes(start, self.bytes.len()));
    }
    /// About how much memory it takes.
    pub(super) fn octets(&self) -> usize {
        self.bytes.len() + self.cells.len() * size_of::<Cell>()
    }
    fn get<'a, T: FromCell<'a>>(&'a self, column: &str) -> Result<T, StoreError> {
        let at = self.columns.position(column).and_then(|at| self.cells.get(at));
        let cell = at.ok_or_else(|| StoreError::damaged("row", format!("no column {column}")))?;
        let value = match *cell {
            Cell::Null => T::null(),
            Cell::Int(v) => T::int(v),
            Cell::Bytes(start, end) => T::bytes(&self.bytes[start..end]),
            Cell::Other => None,
        };
        value
            .ok_or_else(|| StoreError::damaged("row", format!("column {column} holds another kind of value")))
    }
}

/// What a cell can be read as.
trait FromCell<'a>: Sized {
    fn null() -> Option<Self> {
        None
    }
    fn int(_: i64) -> Option<Self> {
        None
    }
    fn bytes(_: &'a [u8]) -> Option<Self> {
        None
    }
}
impl FromCell<'_> for i64 {
    fn int(v: i64) -> Option<Self> {
        Some(v)
    }
}
impl FromCell<'_> for bool {
    fn int(v: i64) -> Option<Self> {
        Some(v != 0)
    }
}
impl<'a> FromCell<'a> for String {
    fn bytes(v: &'a [u8]) -> Option<Self> {
        std::str::from_utf8(v).ok().map(str::to_owned)
    }
}
impl<'a> FromCell<'a> for &'a [u8] {
    fn bytes(v: &'a [u8]) -> Option<Self> {
        Some(v)
    }
}
impl<'a> FromCell<'a> for Vec<u8> {
    fn bytes(v: &'a [u8]) -> Option<Self> {
        Some(v.to_vec())
    }
}
impl<'a, T: FromCell<'a>> FromCell<'a> for Option<T> {
    fn null() -> Option<Self> {
        Some(None)
    }
    fn int(v: i64) -> Option<Self> {
        T::int(v).map(Some)
    }
    fn bytes(v: &'a [u8]) -> Option<Self> {
        T::bytes(v).map(Some)
    }
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
            Inner::Sqlite(r) => r.get::<$t>($column),
            // Unchecked: the getter asks for what the schema says; INTEGER and BIGINT both read as i64.
            Inner::Postgres(r) => r.try_get_unchecked::<$t, _>($column).map_err(StoreError::from),
        }
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
    /// [`Row::opt_bytes`] without a copy where there need be none.
    pub(crate) fn opt_octets(&self, column: &str) -> Result<Option<Cow<'_, [u8]>>, StoreError> {
        match &self.0 {
            Inner::Sqlite(r) => Ok(r.get::<Option<&[u8]>>(column)?.map(Cow::Borrowed)),
            Inner::Postgres(_) => Ok(self.opt_bytes(column)?.map(Cow::Owned)),
        }
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
        let exactly = |bytes: &[u8]| {
            let wrong = |_| StoreError::damaged(column, format!("{} bytes, not {N}", bytes.len()));
            <[u8; N]>::try_from(bytes).map_err(wrong)
        };
        match &self.0 {
            Inner::Sqlite(r) => exactly(r.get::<&[u8]>(column)?),
            Inner::Postgres(_) => exactly(&self.bytes(column)?),
        }
    }
}

fn micros(us: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(us).map_err(|e| StoreError::damaged("time", e))
}
