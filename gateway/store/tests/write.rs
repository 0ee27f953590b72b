//! The database layer and its writer, on both engines.

use crate::common::{TestStore, count, on_both_engines};
use sealpost_store::{OpenError, Store, StoreError, args};
use std::time::Duration;
use tokio::sync::oneshot;

on_both_engines!(
    values_come_back,
    a_batch_commits_at_once,
    a_failing_unit_harms_no_other,
    a_refusal_waits_for_what_it_rests_on,
    an_ignored_error_fails_the_unit,
    a_panicking_unit_is_survived,
    a_caller_that_leaves_changes_nothing,
    readers_cannot_write,
    two_openers_write_together,
    a_newer_schema_is_refused,
    many_rows_are_inserted_in_order,
    streams_end_early,
    a_lost_connection_is_replaced,
);

async fn values_come_back(t: TestStore) {
    let db = t.db();
    let odd = "l'été; DROP TABLE x -- \u{1F4E7}";
    let sql = "INSERT INTO jobs (name, holder, until, fence) VALUES ($1, $2, $3, $4)";
    assert_eq!(db.execute(sql, args![odd, "", i64::MIN, i64::MAX]).await.unwrap(), 1);
    let row = db.fetch_one("SELECT * FROM jobs WHERE name = $1", args![odd]).await.unwrap();
    assert_eq!(row.text("name").unwrap(), odd);
    assert_eq!(row.text("holder").unwrap(), "");
    assert_eq!((row.int("until").unwrap(), row.int("fence").unwrap()), (i64::MIN, i64::MAX));
    assert!(row.size("until").is_err());
    assert!(row.int("no such column").is_err());
    let nulls = "INSERT INTO checkpoints (size, time, root, note, tst, p7s) VALUES ($1, $2, $3, $4, $5, $6)";
    db.execute(nulls, args![7i64, 0i64, [9u8; 32], Vec::<u8>::new(), None::<Vec<u8>>, Some(vec![0u8, 255])])
        .await
        .unwrap();
    let row = db.fetch_one("SELECT * FROM checkpoints", args![]).await.unwrap();
    assert_eq!(row.array::<32>("root").unwrap(), [9; 32]);
    assert!(row.array::<31>("root").is_err());
    assert_eq!((row.bytes("note").unwrap(), row.opt_bytes("tst").unwrap()), (vec![], None));
    assert_eq!(row.opt_bytes("p7s").unwrap(), Some(vec![0, 255]));
    assert!(matches!(
        db.fetch_one("SELECT 1 AS n WHERE 1 = $1", args![2i64]).await,
        Err(StoreError::NotFound(_))
    ));
}

fn job(n: i64) -> sealpost_store::Args {
    args![format!("job {n}"), "holder", n, 0i64]
}
const JOB: &str = "INSERT INTO jobs (name, holder, until, fence) VALUES ($1, $2, $3, $4)";
const JOBS: &str = "SELECT COUNT(*) AS n FROM jobs";

/// Keeps the writer busy until the sender speaks, so that what is queued meanwhile forms one batch.
async fn block(store: &Store) -> (oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let (go, wait) = oneshot::channel::<()>();
    let (entered, inside) = oneshot::channel::<()>();
    let db = store.db().clone();
    let held = tokio::spawn(async move {
        db.write(async move |_| {
            entered.send(()).unwrap();
            wait.await.unwrap();
            Ok(())
        })
        .await
        .unwrap();
    });
    inside.await.unwrap();
    (go, held)
}

async fn a_batch_commits_at_once(t: TestStore) {
    let (go, first) = block(&t).await;
    let mut units = Vec::new();
    for n in 0..100 {
        let db = t.db().clone();
        units
            .push(tokio::spawn(async move { db.write(async move |tx| tx.execute(JOB, job(n)).await).await }));
        tokio::task::yield_now().await;
    }
    let (go_last, last) = {
        let (go_last, wait) = oneshot::channel::<()>();
        let (entered, inside) = oneshot::channel::<()>();
        let db = t.db().clone();
        let last = tokio::spawn(async move {
            db.write(async move |tx| {
                let n = tx.fetch_one(JOBS, args![]).await?.int("n")?;
                entered.send(()).unwrap();
                wait.await.unwrap();
                Ok(n)
            })
            .await
        });
        tokio::task::yield_now().await;
        go.send(()).unwrap();
        inside.await.unwrap();
        (go_last, last)
    };
    // The last unit of the batch is still running: it sees all the others, nobody outside sees any.
    assert_eq!(count(&t, JOBS).await, 0);
    assert!(units.iter().all(|u| !u.is_finished()), "no answer before COMMIT");
    go_last.send(()).unwrap();
    assert_eq!(last.await.unwrap().unwrap(), 100);
    for unit in units {
        assert_eq!(unit.await.unwrap().unwrap(), 1);
    }
    first.await.unwrap();
    assert_eq!(count(&t, JOBS).await, 100);
}

async fn a_failing_unit_harms_no_other(t: TestStore) {
    let (go, _first) = block(&t).await;
    let mut units = Vec::new();
    for n in 0..20 {
        let db = t.db().clone();
        units.push(tokio::spawn(async move {
            db.write(async move |tx| {
                tx.execute(JOB, job(n)).await?;
                match n % 4 {
                    // A statement that fails, and a unit that changes its mind.
                    1 => tx.execute(JOB, job(n)).await,
                    2 => Err(StoreError::Conflict("changed my mind")),
                    _ => Ok(1),
                }
            })
            .await
        }));
    }
    tokio::task::yield_now().await;
    go.send(()).unwrap();
    for (n, unit) in units.into_iter().enumerate() {
        match (n % 4, unit.await.unwrap()) {
            (1, Err(e)) => assert!(e.is_unique_violation(), "{e}"),
            (2, Err(StoreError::Conflict(_))) | (0 | 3, Ok(1)) => {}
            (_, other) => panic!("unit {n}: {other:?}"),
        }
    }
    assert_eq!(count(&t, JOBS).await, 10);
}

async fn a_refusal_waits_for_what_it_rests_on(t: TestStore) {
    const MAYBE: &str =
        "INSERT INTO jobs (name, holder, until, fence) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    let (go, first) = block(&t).await;
    let mut units = Vec::new();
    for _ in 0..8 {
        let db = t.db().clone();
        units.push(tokio::spawn(async move {
            let made = db.write(async |tx| match tx.execute(MAYBE, job(7)).await? {
                1 => Ok(()),
                _ => Err(StoreError::Conflict("it is there")),
            });
            let refused = made.await.is_err();
            // Whoever was told that it is there finds it.
            (refused, db.fetch_one(JOBS, args![]).await.unwrap().int("n").unwrap())
        }));
        tokio::task::yield_now().await;
    }
    go.send(()).unwrap();
    let mut refusals = 0;
    for unit in units {
        let (refused, seen) = unit.await.unwrap();
        assert_eq!(seen, 1);
        refusals += usize::from(refused);
    }
    assert_eq!(refusals, 7);
    first.await.unwrap();
}

async fn an_ignored_error_fails_the_unit(t: TestStore) {
    let done = t
        .db()
        .write(async |tx| {
            tx.execute(JOB, job(1)).await?;
            let _ = tx.execute(JOB, job(1)).await;
            Ok(())
        })
        .await;
    assert!(matches!(done, Err(StoreError::Poisoned)), "{done:?}");
    assert_eq!(count(&t, JOBS).await, 0);
}

async fn a_panicking_unit_is_survived(t: TestStore) {
    let done: Result<(), _> = t
        .db()
        .write(async |tx| {
            tx.execute(JOB, job(1)).await?;
            panic!("a test's panic");
        })
        .await;
    assert!(matches!(done, Err(StoreError::Panicked)), "{done:?}");
    t.db().execute(JOB, job(2)).await.unwrap();
    assert_eq!(count(&t, JOBS).await, 1);
}

async fn a_caller_that_leaves_changes_nothing(t: TestStore) {
    let (go, first) = block(&t).await;
    let db = t.db().clone();
    let leaving = tokio::spawn(async move { db.execute(JOB, job(1)).await });
    tokio::task::yield_now().await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    leaving.abort();
    go.send(()).unwrap();
    first.await.unwrap();
    t.db().execute(JOB, job(2)).await.unwrap();
    assert_eq!(count(&t, JOBS).await, 2, "the unit was queued, so it runs");
}

async fn readers_cannot_write(t: TestStore) {
    if t.db().engine() == sealpost_store::Engine::Sqlite {
        assert!(t.db().fetch_all("DELETE FROM entities", args![]).await.is_err());
    }
    assert_eq!(count(&t, "SELECT COUNT(*) AS n FROM entities").await, 1);
}

async fn two_openers_write_together(t: TestStore) {
    let other = t.again().await;
    let mut tasks = Vec::new();
    for (store, from) in [(t.store.clone(), 0), (other.clone(), 1000)] {
        for n in from..from + 100 {
            let db = store.db().clone();
            tasks.push(tokio::spawn(async move { db.execute(JOB, job(n)).await }));
        }
    }
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap(), 1);
    }
    assert_eq!(count(&other, JOBS).await, 200);
}

async fn a_newer_schema_is_refused(t: TestStore) {
    let sql = "INSERT INTO schema_steps (version, name) VALUES (9999, 'of the future')";
    t.db().execute(sql, args![]).await.unwrap();
    match Store::open(&t.config, t.clock.clone()).await {
        Err(OpenError::Database(StoreError::NewerSchema { found: 9999, known })) => assert!(known < 9999),
        other => panic!("{other:?}"),
    }
}

async fn many_rows_are_inserted_in_order(t: TestStore) {
    for rows in [0, 1, 63, 64, 65, 200] {
        let touched = t
            .db()
            .write(async move |tx| {
                tx.execute("DELETE FROM jobs", args![]).await?;
                tx.insert(
                    "INSERT INTO jobs (name, holder, until, fence) VALUES",
                    (0..rows).map(job).collect(),
                    "",
                )
                .await
            })
            .await
            .unwrap();
        assert_eq!(touched, rows as u64);
        assert_eq!(
            count(&t, "SELECT COALESCE(CAST(SUM(until) AS BIGINT), 0) AS n FROM jobs").await,
            rows * (rows - 1) / 2
        );
    }
    let uneven = t
        .db()
        .write(async |tx| tx.insert("INSERT INTO jobs (name) VALUES", vec![args!["a"], args![]], "").await);
    assert!(uneven.await.is_err());
}

async fn streams_end_early(t: TestStore) {
    use futures_util::StreamExt;
    t.db()
        .write(async |tx| {
            tx.insert(
                "INSERT INTO jobs (name, holder, until, fence) VALUES",
                (0..5000).map(job).collect(),
                "",
            )
            .await
        })
        .await
        .unwrap();
    // More streams than reading connections, each left in the middle.
    for _ in 0..20 {
        let mut rows = t.db().stream("SELECT until FROM jobs ORDER BY until", args![]);
        for n in 0..10 {
            assert_eq!(rows.next().await.unwrap().unwrap().int("until").unwrap(), n);
        }
    }
    let rows = t.db().stream("SELECT until FROM jobs", args![]);
    assert_eq!(rows.fold(0, async |n, row| n + i64::from(row.is_ok())).await, 5000);
    assert!(t.db().stream("SELECT nothing FROM nowhere", args![]).next().await.unwrap().is_err());
}

#[tokio::test]
async fn addresses_are_read_strictly() {
    for url in ["", "sqlite:", "mysql://x", "/var/lib/sealpost.db"] {
        assert!(matches!(sealpost_store::Db::open(url).await, Err(StoreError::BadUrl(_))), "{url}");
    }
    let nowhere = sealpost_store::Db::open("sqlite:/nonexistent/dir/store.db").await;
    assert!(nowhere.unwrap_err().to_string().starts_with("/nonexistent/dir/store.db: "));
}

#[tokio::test]
async fn sqlite_keeps_its_promises() {
    let t = TestStore::sqlite().await;
    for (pragma, expected) in [("page_size", "16384"), ("synchronous", "2"), ("foreign_keys", "1")] {
        let row = t.db().fetch_one(
            sqlx::AssertSqlSafe(format!("SELECT CAST({pragma} AS TEXT) AS v FROM pragma_{pragma}")),
            args![],
        );
        assert_eq!(row.await.unwrap().text("v").unwrap(), expected, "{pragma}");
    }
    let mode = t.db().fetch_one("SELECT journal_mode AS v FROM pragma_journal_mode", args![]).await.unwrap();
    assert_eq!(mode.text("v").unwrap(), "wal");
    // Fixed in 3.51.3: damage of the WAL by a checkpoint at the same time as a reset.
    let version = t.db().fetch_one("SELECT sqlite_version() AS v", args![]).await.unwrap().text("v").unwrap();
    let number: Vec<u32> = version.split('.').map(|n| n.parse().unwrap()).collect();
    assert!(number >= vec![3, 51, 3], "{version}");
}

const SUICIDE: &str = "SELECT pg_terminate_backend(pg_backend_pid())";

/// The server ends every connection of the store; only PostgreSQL can.
async fn a_lost_connection_is_replaced(t: TestStore) {
    if t.db().engine() == sealpost_store::Engine::Postgres {
        let end = "SELECT COUNT(pg_terminate_backend(pid)) AS n FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()";
        assert!(count(&t, end).await > 0);
        // Between batches nobody notices; inside one, the batch fails and says so.
        t.db().execute(JOB, job(1)).await.unwrap();
        let lost = t.db().write(async move |tx| tx.fetch_all(SUICIDE, args![]).await.map(|_| ())).await;
        assert!(matches!(lost, Err(StoreError::NotCommitted(_))), "{lost:?}");
    }
    t.db().execute(JOB, job(2)).await.unwrap();
    t.db().execute(JOB, job(3)).await.unwrap();
    assert!(count(&t, JOBS).await >= 2);
}

/// Many programs start at once on nothing.
#[tokio::test]
async fn a_database_is_made_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let url = format!("sqlite:{}", path.display());
    let openers: Vec<_> = (0..8)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { sealpost_store::Db::open(&url).await.map(|_| ()) })
        })
        .collect();
    for opener in openers {
        opener.await.unwrap().unwrap();
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

/// A server that goes away, and an answer for each caller.
#[tokio::test]
async fn an_unreachable_database_is_told() {
    let t = TestStore::postgres().await;
    // No new connections, and the old ones end: as if the server had gone.
    let name = t.db().fetch_one("SELECT current_database() AS v", args![]).await.unwrap().text("v").unwrap();
    crate::common::lock_out(&name).await;
    for _ in 0..2 {
        let done = tokio::time::timeout(Duration::from_secs(20), t.db().execute(JOB, job(1))).await.unwrap();
        assert!(matches!(done, Err(StoreError::NotCommitted(_))), "{done:?}");
    }
}
