//! What the store's tests share: a store of each engine, and events to fill it with.

mod fixtures;
mod postgres;

pub use fixtures::*;
pub use postgres::lock_out;

use sealpost_envelope::{Clock, EntityId, FixedClock, Timestamp};
use sealpost_store::{Store, StoreConfig};
use std::sync::Arc;

/// An open store in a place of its own, which goes with it.
pub struct TestStore {
    pub store: Store,
    pub clock: Arc<FixedClock>,
    pub config: StoreConfig,
    pub entity: EntityId,
    _dir: tempfile::TempDir,
    _database: Option<postgres::Database>,
}

impl std::ops::Deref for TestStore {
    type Target = Store;
    fn deref(&self) -> &Store {
        &self.store
    }
}

impl TestStore {
    /// A store in a fresh SQLite file.
    pub async fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("store.db").display());
        Self::open(dir, url, None).await
    }
    /// A store in a fresh PostgreSQL database.
    pub async fn postgres() -> Self {
        let database = postgres::Database::create().await;
        Self::open(tempfile::tempdir().unwrap(), database.url.clone(), Some(database)).await
    }
    async fn open(dir: tempfile::TempDir, database: String, guard: Option<postgres::Database>) -> Self {
        let config = StoreConfig {
            database,
            blobs: format!("file:{}", dir.path().join("blobs").display()),
            s3: None,
            keys: dir.path().join("keys"),
        };
        let clock = Arc::new(FixedClock::new("2026-11-22T10:00:00Z".parse().unwrap()));
        let store = Store::open(&config, clock.clone()).await.unwrap();
        let entity = store.ensure_entity("Cabinet Martin", Some("732829320")).await.unwrap();
        Self { store, clock, config, entity, _dir: dir, _database: guard }
    }
    /// The same store opened again, as another process would.
    pub async fn again(&self) -> Store {
        Store::open(&self.config, self.clock.clone()).await.unwrap()
    }
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// One test for each engine: `on_both_engines!(name, …)` over `async fn name(t: TestStore)`.
macro_rules! on_both_engines {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test] async fn $name() { super::$name(crate::common::TestStore::sqlite().await).await; })*
        }
        mod postgres {
            $(#[tokio::test] async fn $name() { super::$name(crate::common::TestStore::postgres().await).await; })*
        }
    };
}
pub(crate) use on_both_engines;

/// A number that a statement gives in its column `n`.
pub async fn count(store: &Store, sql: &'static str) -> i64 {
    store.db().fetch_one(sql, vec![]).await.unwrap().int("n").unwrap()
}
