//! How far mailboxes elsewhere have been read: nothing in them is taken twice, by whichever node.
//!
//! **Failure.** A row follows what was kept, and may be lost with a crash in between: what is kept is known by its digest
//! when it comes again ([`crate::NewReturned`]).

use crate::{Store, StoreError, args};
use sealpost_envelope::Timestamp;

/// A mailbox that could not be read for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Mailbox.
    pub name: String,
    /// Since when.
    pub since: Timestamp,
    /// Why, at last.
    pub failure: String,
}

impl Store {
    /// The last message of the mailbox that was dealt with; 0 for none, and when its numbers mean something else now.
    pub async fn polled(&self, name: &str, uid_validity: u32) -> Result<u32, StoreError> {
        const SQL: &str = "SELECT uid FROM polled_mailboxes WHERE name = $1 AND uid_validity = $2";
        let row = self.db.fetch_optional(SQL, args![name.to_owned(), i64::from(uid_validity)]).await?;
        let uid = row.map(|r| r.int("uid")).transpose()?.unwrap_or(0);
        u32::try_from(uid).map_err(|_| StoreError::OutOfRange("uid"))
    }

    /// The mailbox has been read up to this message.
    pub async fn set_polled(&self, name: &str, uid_validity: u32, uid: u32) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO polled_mailboxes (name, uid_validity, uid, failing_since, failure) \
                           VALUES ($1, $2, $3, NULL, '') ON CONFLICT (name) DO UPDATE \
                           SET uid_validity = excluded.uid_validity, uid = excluded.uid";
        let values = args![name.to_owned(), i64::from(uid_validity), i64::from(uid)];
        self.db.execute(SQL, values).await.map(drop)
    }

    /// The mailbox could not be read.
    pub async fn polling_failed(&self, name: &str, now: Timestamp, why: &str) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO polled_mailboxes (name, uid_validity, uid, failing_since, failure) \
                           VALUES ($1, 0, 0, $2, $3) ON CONFLICT (name) DO UPDATE SET failure = excluded.failure, \
                           failing_since = COALESCE(polled_mailboxes.failing_since, excluded.failing_since)";
        self.db.execute(SQL, args![name.to_owned(), now, why.to_owned()]).await.map(drop)
    }

    /// The mailbox was read again.
    pub async fn polling_works(&self, name: &str) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE polled_mailboxes SET failing_since = NULL, failure = '' \
                           WHERE name = $1 AND failing_since IS NOT NULL";
        self.db.execute(SQL, args![name.to_owned()]).await.map(drop)
    }

    /// Mailboxes that could not be read since before this moment.
    pub async fn unread_mailboxes(&self, before: Timestamp) -> Result<Vec<Unread>, StoreError> {
        const SQL: &str = "SELECT name, failing_since, failure FROM polled_mailboxes \
                           WHERE failing_since IS NOT NULL AND failing_since < $1 ORDER BY name";
        let rows = self.db.fetch_all(SQL, args![before]).await?;
        let read = |r: &crate::Row| {
            Ok(Unread { name: r.text("name")?, since: r.time("failing_since")?, failure: r.text("failure")? })
        };
        rows.iter().map(read).collect()
    }
}
