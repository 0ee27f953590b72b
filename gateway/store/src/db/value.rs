//! Values bound to statements. NULLs keep their type, because PostgreSQL asks for it.

use crate::StoreError;
use sealpost_envelope::{AccountId, BlobId, DepositId, EntityId, EntryId, Reference, Timestamp};
use sqlx::Arguments;
use sqlx::postgres::PgArguments;
use uuid::Uuid;

/// One bound value. Build lists of them with [`args!`](crate::args).
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// BIGINT (also times, in microseconds since 1970).
    Int(Option<i64>),
    /// TEXT (also UUIDs, hyphenated).
    Text(Option<String>),
    /// BLOB or BYTEA.
    Bytes(Option<Vec<u8>>),
    /// BOOLEAN.
    Bool(Option<bool>),
}

/// The values of one statement, in the order of `$1`, `$2`, ….
pub type Args = Vec<Value>;

/// Builds [`Args`]: `args![id, name, None::<i64>]`.
#[macro_export]
macro_rules! args {
    ($($v:expr),* $(,)?) => { ::std::vec![$($crate::db::Value::from($v)),*] };
}

macro_rules! values {
    ($($t:ty => $variant:ident, $v:ident, $e:expr;)*) => {$(
        impl From<$t> for Value {
            fn from($v: $t) -> Self {
                Self::$variant(Some($e))
            }
        }
        impl From<Option<$t>> for Value {
            fn from(v: Option<$t>) -> Self {
                Self::$variant(v.map(|$v| $e))
            }
        }
    )*};
}
values! {
    i64 => Int, v, v;
    i32 => Int, v, i64::from(v);
    u32 => Int, v, i64::from(v);
    u16 => Int, v, i64::from(v);
    u8 => Int, v, i64::from(v);
    bool => Bool, v, v;
    String => Text, v, v;
    &String => Text, v, v.clone();
    &str => Text, v, v.to_owned();
    Vec<u8> => Bytes, v, v;
    &Vec<u8> => Bytes, v, v.clone();
    &[u8] => Bytes, v, v.to_vec();
    Uuid => Text, v, v.to_string();
    DepositId => Text, v, v.to_string();
    EntryId => Text, v, v.to_string();
    BlobId => Text, v, v.to_string();
    EntityId => Int, v, v.0;
    AccountId => Int, v, v.0;
    Timestamp => Int, v, v.as_microsecond();
    &Reference => Text, v, v.as_str().to_owned();
}
impl<const N: usize> From<[u8; N]> for Value {
    fn from(v: [u8; N]) -> Self {
        Self::Bytes(Some(v.to_vec()))
    }
}
impl<const N: usize> From<&[u8; N]> for Value {
    fn from(v: &[u8; N]) -> Self {
        Self::Bytes(Some(v.to_vec()))
    }
}
impl Value {
    /// A size or count; refuses what does not fit 63 bits.
    pub fn size(v: u64) -> Result<Self, StoreError> {
        i64::try_from(v).map(|v| Self::Int(Some(v))).map_err(|_| StoreError::OutOfRange("size"))
    }
}

/// The values in the form PostgreSQL's driver takes.
pub(super) fn for_postgres(values: Args) -> Result<PgArguments, StoreError> {
    let mut out = PgArguments::default();
    out.reserve(values.len(), 0);
    for value in values {
        match value {
            Value::Int(v) => out.add(v),
            Value::Text(v) => out.add(v),
            Value::Bytes(v) => out.add(v),
            Value::Bool(v) => out.add(v),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(out)
}
