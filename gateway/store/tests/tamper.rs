//! A hand in the database: every manipulation of the journal is found and named; what pruning takes is not.

use crate::common::{TestStore, count, issuer, new_deposit, on_both_engines};
use sealpost_evidence::{Detail, Event, EventName, render};
use sealpost_store::log::{Ranges, SEQUENCER};
use sealpost_store::{Args, StoreError, args};
use std::time::Duration;

on_both_engines!(every_manipulation_is_named, what_was_pruned_is_accepted);

async fn sequence(t: &TestStore) {
    let fence = t.claim(SEQUENCER, "node", Duration::from_secs(60)).await.unwrap().unwrap();
    while t.sequence_batch(fence).await.unwrap().more {}
    let head = t.log_head().await.unwrap();
    t.store_checkpoint(fence, head.size, head.root, b"note".to_vec()).await.unwrap();
}

async fn findings(t: &TestStore) -> Vec<String> {
    let mut found: Vec<String> =
        t.verify_log(|_, _| None).await.unwrap().findings.iter().map(ToString::to_string).collect();
    found.extend(t.verify_rows().await.unwrap().iter().map(ToString::to_string));
    found
}

/// Entry 0 accepts a deposit, with clear values and evidence; 300 more follow.
async fn filled(t: &TestStore) {
    let new = new_deposit(t.entity, t.now(), &["bob@dupont.example"]);
    t.deposit(new).await.unwrap();
    for n in 0..298 {
        let mut event = Event::new(EventName::AccountLogin, t.entity, t.now());
        event.detail = Detail::new().personal("login", format!("user{n}@martin.example"));
        t.record(vec![render(&issuer(t.entity), event, None).unwrap()]).await.unwrap();
    }
    sequence(t).await;
    assert_eq!(t.log_head().await.unwrap().size, 300);
    assert_eq!(findings(t).await, Vec::<String>::new());
}

/// What is done, and a word that its finding must say. Each is undone by the statements behind it.
const HANDS: &[(&str, &str, &str)] = &[
    ("a row in the middle is deleted", "DELETE FROM journal WHERE idx = 150", "entry 150: missing"),
    ("the first row is deleted", "DELETE FROM journal WHERE idx = 10", "entry 10: missing"),
    (
        "the last rows are deleted",
        "DELETE FROM journal WHERE idx >= 298",
        "entries 298 to 299: missing at the end",
    ),
    (
        "two rows change places",
        "UPDATE journal SET idx = CASE idx WHEN 40 THEN -41 ELSE -40 END WHERE idx IN (40, 41)",
        "entry 40: another one stood here",
    ),
    (
        "an entry's bytes are edited",
        "UPDATE journal SET bytes = (SELECT bytes FROM journal k WHERE k.idx = 61) WHERE idx = 60",
        "entry 60",
    ),
    (
        "bytes and leaf are exchanged",
        "UPDATE journal SET bytes = (SELECT bytes FROM journal k WHERE k.idx = 71), leaf = (SELECT leaf FROM journal k WHERE k.idx = 71) WHERE idx = 70",
        "entry 70",
    ),
    (
        "bytes go without a tombstone",
        "UPDATE journal SET bytes = NULL, openings = NULL WHERE idx = 80",
        "entry 80: its bytes are gone without a tombstone",
    ),
    (
        "the event's column says otherwise",
        "UPDATE journal SET event = 'GatePassed' WHERE idx = 90",
        "entry 90: its column event",
    ),
    (
        "the time's column says otherwise",
        "UPDATE journal SET time = time + 1 WHERE idx = 91",
        "entry 91: its column time",
    ),
    (
        "the organisation's column says otherwise",
        "UPDATE journal SET entity = entity + 1 WHERE idx = 92",
        "entry 92: its column entity",
    ),
    (
        "an entry is moved to a deposit",
        "UPDATE journal SET deposit = (SELECT id FROM deposits) WHERE idx = 93",
        "entry 93: its column deposit",
    ),
    (
        "an entry is given a recipient",
        "UPDATE journal SET recipient = 1 WHERE idx = 94",
        "entry 94: its column recipient",
    ),
    (
        "a clear value is exchanged",
        "UPDATE journal SET openings = (SELECT openings FROM journal k WHERE k.idx = 96) WHERE idx = 95",
        "entry 95: its clear values",
    ),
    (
        "clear values are deleted",
        "UPDATE journal SET openings = NULL WHERE idx = 97",
        "entry 97: its clear values",
    ),
    ("an evidence is deleted", "DELETE FROM evidence", "evidence is missing"),
    (
        "an evidence is edited",
        "UPDATE evidence SET xml = (SELECT leaf FROM journal WHERE idx = 5)",
        "evidence is missing or was changed",
    ),
    (
        "a row is put behind the log",
        "UPDATE journal SET idx = 9000 WHERE idx = 299",
        "entry 9000: stands beyond",
    ),
    (
        "a tile is edited",
        "UPDATE tiles SET hashes = (SELECT leaf FROM journal WHERE idx = 0) WHERE level = 1",
        "tile/1",
    ),
    (
        "the root is edited",
        "UPDATE log_state SET root = (SELECT leaf FROM journal WHERE idx = 0)",
        "the stored root differs",
    ),
    (
        "the checkpoint is edited",
        "UPDATE checkpoints SET root = (SELECT leaf FROM journal WHERE idx = 0)",
        "checkpoint 300",
    ),
];

async fn every_manipulation_is_named(t: TestStore) {
    filled(&t).await;
    for table in ["journal", "evidence", "tiles", "log_state", "checkpoints"] {
        let sql = format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}");
        t.db().execute(sealpost_store::db::AssertSqlSafe(sql), args![]).await.unwrap();
    }
    for (what, hand, named) in HANDS {
        t.db()
            .write(async move |tx| {
                // A hand in the database does not care for references.
                if tx.engine() == sealpost_store::Engine::Postgres {
                    tx.execute("SET LOCAL session_replication_role = replica", Args::new()).await?;
                }
                tx.execute(*hand, Args::new()).await?;
                tx.execute("UPDATE journal SET idx = -idx WHERE idx < 0", Args::new()).await
            })
            .await
            .unwrap_or_else(|e: StoreError| panic!("{what}: {e}"));
        let found = findings(&t).await;
        assert!(found.iter().any(|f| f.contains(named)), "{what}: {found:?}");
        undo(&t).await;
    }
    assert_eq!(findings(&t).await, Vec::<String>::new());
}

async fn undo(t: &TestStore) {
    t.db().write(async |tx| {
        if tx.engine() == sealpost_store::Engine::Postgres {
            tx.execute("SET LOCAL session_replication_role = replica", Args::new()).await?;
        }
        for sql in [
            "DELETE FROM checkpoints",
            "DELETE FROM log_state",
            "DELETE FROM tiles",
            "DELETE FROM evidence",
            "UPDATE journal SET idx = NULL",
            "DELETE FROM journal WHERE id NOT IN (SELECT id FROM kept_journal)",
            "INSERT INTO journal SELECT * FROM kept_journal k WHERE k.id NOT IN (SELECT id FROM journal)",
            "UPDATE journal SET idx = k.idx, time = k.time, event = k.event, entity = k.entity, deposit = k.deposit, recipient = k.recipient, leaf = k.leaf, bytes = k.bytes, openings = k.openings FROM kept_journal k WHERE k.id = journal.id",
            "INSERT INTO evidence SELECT * FROM kept_evidence",
            "INSERT INTO tiles SELECT * FROM kept_tiles",
            "INSERT INTO log_state SELECT * FROM kept_log_state",
            "INSERT INTO checkpoints SELECT * FROM kept_checkpoints",
        ] {
            tx.execute(sql, Args::new()).await?;
        }
        Ok::<_, StoreError>(())
    }).await.unwrap();
}

async fn what_was_pruned_is_accepted(t: TestStore) {
    filled(&t).await;
    t.clock.advance(jiff::SignedDuration::from_hours(24 * 365 * 11));
    let before = t.now() - jiff::SignedDuration::from_hours(24 * 365 * 10);
    let entity = t.entity;
    let now = t.now();
    let tombstone = move |ranges: &Ranges| {
        let mut event = Event::new(EventName::ContentDestroyed, entity, now);
        event.detail = Detail::new().text("cause", "evidence retention").list("pruned", ranges.words());
        Ok(render(&issuer(entity), event, None).unwrap())
    };
    // The deposit's content lives: its entries stay, the 298 others go.
    let mut pruned = 0;
    loop {
        let done = t.prune(entity, before, tombstone).await.unwrap();
        pruned += done.entries;
        if !done.more {
            break;
        }
    }
    assert_eq!(pruned, 298);
    assert_ne!(findings(&t).await, Vec::<String>::new(), "the tombstones are not in the log yet");
    sequence(&t).await;
    assert_eq!(findings(&t).await, Vec::<String>::new());
    // With the content gone, the deposit goes whole.
    t.db().execute("UPDATE deposits SET wrapped_key = NULL", args![]).await.unwrap();
    assert_eq!(t.prune(entity, before, tombstone).await.unwrap().entries, 2);
    sequence(&t).await;
    assert_eq!(findings(&t).await, Vec::<String>::new());
    for table in ["deposits", "consignments", "outbound", "tokens", "evidence"] {
        let sql = format!("SELECT COUNT(*) AS n FROM {table}");
        let row = t.db().fetch_one(sealpost_store::db::AssertSqlSafe(sql), args![]).await.unwrap();
        assert_eq!(row.int("n").unwrap(), 0, "{table}");
    }
    assert_eq!(count(&t, "SELECT COUNT(*) AS n FROM journal WHERE bytes IS NOT NULL").await, 3);
    assert_eq!(t.prune(entity, before, tombstone).await.unwrap().entries, 0);
}
