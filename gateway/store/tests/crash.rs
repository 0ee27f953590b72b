//! Durability: a process that is killed while it deposits loses nothing that it acknowledged, and leaves
//! nothing half done.

use crate::common::{TestStore, count, new_deposit};
use sealpost_envelope::{DepositId, SystemClock};
use sealpost_store::{Deposited, Fence, Store, StoreConfig, args};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// Names the directory in which the child works.
const CHILD: &str = "SEALPOST_CRASH_CHILD";
const KILLS: usize = 5;

fn config(dir: &Path) -> StoreConfig {
    StoreConfig {
        database: format!("sqlite:{}", dir.join("store.db").display()),
        blobs: format!("file:{}", dir.join("blobs").display()),
        s3: None,
        keys: dir.join("keys"),
    }
}

/// Deposits from eight tasks and a sequencer beside them; prints each id once it is acknowledged.
async fn deposit_and_tell(store: Store, each: usize) {
    let entity = store.ensure_entity("Cabinet Martin", None).await.unwrap();
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            for _ in 0..each {
                let new =
                    new_deposit(entity, store.clock().now(), &["bob@dupont.example", "carl@dupont.example"]);
                let id = new.id;
                assert_eq!(store.deposit(new).await.unwrap(), Deposited::New);
                // One write of one line, so that a kill does not cut it.
                std::io::stdout().write_all(format!("ack {id}\n").as_bytes()).unwrap();
                store.sequence_batch(Fence(1)).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

/// On its own a short run; under [`CHILD`] the process that is killed.
#[tokio::test]
async fn deposits_without_end() {
    match std::env::var_os(CHILD) {
        Some(dir) => {
            let store = Store::open(&config(Path::new(&dir)), Arc::new(SystemClock)).await.unwrap();
            deposit_and_tell(store, usize::MAX).await;
        }
        None => {
            let t = TestStore::sqlite().await;
            deposit_and_tell(t.store.clone(), 3).await;
            assert_eq!(count(&t, "SELECT COUNT(*) AS n FROM deposits").await, 24);
        }
    }
}

/// Runs a child until it has acknowledged `enough` deposits, then kills it. Answers all that it told.
fn run_and_kill(dir: &Path, enough: usize) -> Vec<DepositId> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::deposits_without_end", "--nocapture"])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut told = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // The harness prints lines of its own, the first of them without an end.
        if let Some((_, id)) = line.split_once("ack ") {
            told.push(id.parse().unwrap());
        }
        if told.len() == enough {
            // SIGKILL; what is still in the pipe is read to its end.
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    told
}

#[tokio::test]
async fn killed_processes_lose_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut told = Vec::new();
    for kill in 0..KILLS {
        let new = run_and_kill(dir.path(), 40 + 17 * kill);
        assert!(new.len() >= 40, "the child worked");
        told.extend(new);
        let store = Store::open(&config(dir.path()), Arc::new(SystemClock)).await.unwrap();
        for id in &told {
            let found = store.read_deposit(*id).await.unwrap();
            assert!(found.skeleton.is_some());
            assert_eq!(store.consignments(*id).await.unwrap().len(), 2);
            assert_eq!(store.entries_of_deposit(*id).await.unwrap().len(), 2);
        }
        whole(&store).await;
    }
    tokio::time::timeout(Duration::from_secs(60), async {
        let store = Store::open(&config(dir.path()), Arc::new(SystemClock)).await.unwrap();
        while store.sequence_batch(Fence(2)).await.unwrap().more {}
        let report = store.verify_log(|_, _| None).await.unwrap();
        assert_eq!(report.findings, vec![]);
        assert!(report.head.size as usize >= told.len() * 2);
    })
    .await
    .unwrap();
}

/// No deposit without its rows, no row without its deposit, no damage.
async fn whole(store: &Store) {
    let row = store
        .db()
        .fetch_one("SELECT integrity_check AS v FROM pragma_integrity_check", args![])
        .await
        .unwrap();
    assert_eq!(row.text("v").unwrap(), "ok");
    let deposits = count(store, "SELECT COUNT(*) AS n FROM deposits").await;
    for (sql, each) in [
        ("SELECT COUNT(*) AS n FROM consignments", 2),
        ("SELECT COUNT(*) AS n FROM tokens", 2),
        ("SELECT COUNT(*) AS n FROM outbound", 2),
        ("SELECT COUNT(*) AS n FROM journal", 2),
        ("SELECT COUNT(*) AS n FROM evidence", 1),
        ("SELECT COUNT(*) AS n FROM parts", 1),
    ] {
        assert_eq!(count(store, sql).await, each * deposits, "{sql}");
    }
}
