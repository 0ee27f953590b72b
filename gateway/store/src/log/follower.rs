//! Followers: jobs that deal with the log's entries one after the other, and note how far they are.

use crate::db::{Db, Value};
use crate::{Store, StoreError, args};

impl Store {
    /// Where a follower stands: it has dealt with all entries before. `None` before its first note.
    pub async fn followed_to(&self, follower: &str) -> Result<Option<u64>, StoreError> {
        followed_to(&self.db, follower).await
    }

    /// Notes that a follower has dealt with all entries before `position`; it never goes back, whoever comes late.
    pub async fn follow_from(&self, follower: &str, position: u64) -> Result<(), StoreError> {
        follow_from(&self.db, follower, position).await
    }
}

pub(crate) async fn followed_to(db: &Db, follower: &str) -> Result<Option<u64>, StoreError> {
    let row = db.fetch_optional("SELECT position FROM followers WHERE name = $1", args![follower]).await?;
    row.map(|r| r.size("position")).transpose()
}

pub(crate) async fn follow_from(db: &Db, follower: &str, position: u64) -> Result<(), StoreError> {
    let sql = "INSERT INTO followers (name, position) VALUES ($1, $2) \
         ON CONFLICT (name) DO UPDATE SET position = excluded.position \
         WHERE followers.position < excluded.position";
    db.execute(sql, vec![follower.into(), Value::size(position)?]).await.map(drop)
}
