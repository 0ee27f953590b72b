//! What can go wrong in the store, by who is at fault.

/// Failure of a store operation.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database address in the configuration cannot be used.
    #[error("database address {0:?} is neither sqlite:/path/to/file nor postgres://…")]
    BadUrl(String),
    /// The database was written by a newer release; this one must not touch it.
    #[error("the database has schema {found}, this release knows up to {known}: use a newer release")]
    NewerSchema {
        /// Version recorded in the database.
        found: i64,
        /// Highest version this program can migrate to.
        known: i64,
    },
    /// PostgreSQL refused or failed.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// SQLite refused or failed.
    #[error("database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The unit's batch could not be begun or committed; nothing of it is stored.
    #[error("not committed: {0}")]
    NotCommitted(String),
    /// Another process held the database for longer than a writer waits.
    #[error("the database is held by another process")]
    Busy,
    /// The disk is full; nothing of the unit is stored.
    #[error("not committed: the disk is full")]
    Full,
    /// A statement of this unit failed and the unit went on regardless; it was rolled back.
    #[error("a statement failed inside the unit, which was rolled back")]
    Poisoned,
    /// The unit panicked; it was rolled back.
    #[error("a store operation stopped by a fault in the program")]
    Panicked,
    /// What was asked for does not exist (or is not this entity's).
    #[error("no such {0}")]
    NotFound(&'static str),
    /// A uniqueness or state rule refuses the change.
    #[error("conflict: {0}")]
    Conflict(&'static str),
    /// A stored row does not read as what was written: damage, or a foreign hand.
    #[error("damaged {what}: {detail}")]
    Damaged {
        /// Table, column or object.
        what: &'static str,
        /// What does not fit.
        detail: String,
    },
    /// An organisation that has become part of another is still asked for.
    #[error(
        "the organisation {name:?} was merged into {into:?}: remove its [[entity]] section and give its domains to {into:?}"
    )]
    Merged {
        /// Which.
        name: String,
        /// Of which it is part.
        into: String,
    },
    /// A value that the store cannot represent (sizes beyond 63 bits).
    #[error("{0} is out of range")]
    OutOfRange(&'static str),
    /// The writer has ended.
    #[error("the store is closed")]
    Closed,
    /// The database's file cannot be made.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file or directory of the store.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl StoreError {
    /// Whether a UNIQUE or PRIMARY KEY constraint refused the row.
    pub fn is_unique_violation(&self) -> bool {
        use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
        match self {
            Self::Database(sqlx::Error::Database(e)) => e.is_unique_violation(),
            Self::Sqlite(rusqlite::Error::SqliteFailure(e, _)) => {
                [SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE].contains(&e.extended_code)
            }
            _ => false,
        }
    }
    /// Whether the disk is full: the caller is asked to come again later.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Full => true,
            Self::Sqlite(e) => e.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull),
            // PostgreSQL's "disk_full".
            Self::Database(sqlx::Error::Database(e)) => e.code().as_deref() == Some("53100"),
            Self::Io(e) | Self::File { source: e, .. } => e.kind() == std::io::ErrorKind::StorageFull,
            _ => false,
        }
    }
    /// What every unit of a batch is told when the batch as a whole failed so.
    pub(crate) fn for_each_unit(&self) -> Self {
        match self {
            Self::Busy => Self::Busy,
            e if e.is_full() => Self::Full,
            e => Self::NotCommitted(e.to_string()),
        }
    }
    /// Shorthand for [`StoreError::Damaged`].
    pub fn damaged(what: &'static str, detail: impl std::fmt::Display) -> Self {
        Self::Damaged { what, detail: detail.to_string() }
    }
    /// SQLite's "database is locked".
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Sqlite(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy))
    }
}
