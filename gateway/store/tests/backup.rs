//! Backups and restores, from each engine and into each: what comes back, what begins again, what is refused.

use crate::common::{TestStore, address, count, event, issuer, new_deposit, on_both_engines, part};
use sealpost_envelope::{BlobId, DepositId, EntityId};
use sealpost_evidence::{Event, EventName, render};
use sealpost_store::backup::{self, BackupError, OldLog};
use sealpost_store::log::SEQUENCER;
use sealpost_store::queue::{Filter, Queue, State};
use sealpost_store::{Change, Finding, Store, StoreConfig, StoreError, StoredBody, args};
use std::path::Path;
use std::time::Duration;

on_both_engines!(
    a_backup_comes_back_and_begins_again,
    a_changed_backup_is_refused,
    tables_move_to_the_other_engine,
    a_legal_hold_keeps_content,
    a_corrected_address_closes_the_old_links,
);

const LEASE: Duration = Duration::from_secs(60);

async fn sequence(store: &Store) -> u64 {
    let fence = store.claim(SEQUENCER, "node", LEASE).await.unwrap().unwrap();
    let done = store.sequence_batch(fence).await.unwrap();
    let head = done.head;
    let note = format!("checkpoint {}", head.size).into_bytes();
    store.store_checkpoint(fence, head.size, head.root, note).await.unwrap();
    store.release(SEQUENCER, "node", fence).await.unwrap();
    head.size
}

/// A deposit whose second part lies in a blob.
async fn deposited(t: &TestStore) -> (DepositId, BlobId) {
    let mut new = new_deposit(t.entity, t.now(), &["bob@dupont.example"]);
    let (key, wrapped, week) = t.keys().new_deposit_key(new.consignments[0].verdict.retention).unwrap();
    let mut writer = t.blobs().writer(&key);
    writer.write(&[7; 70_000]).await.unwrap();
    let blob = writer.finish().await.unwrap().id;
    (new.wrapped_key, new.key_week) = (wrapped.bytes, week);
    new.parts.push(part(2, StoredBody::Blob(blob)));
    t.deposit(new.clone()).await.unwrap();
    (new.id, blob)
}

fn begin(old: &OldLog) -> Result<(String, sealpost_evidence::BuiltEvent), StoreError> {
    let entity = EntityId(1);
    let event = Event::new(EventName::LogRestarted, entity, "2026-11-23T00:00:00Z".parse().unwrap());
    assert!(old.head.size > 0);
    Ok(("sealpost/log/test/2".into(), render(&issuer(entity), event, None).unwrap()))
}

fn place(dir: &Path, keys: &Path) -> StoreConfig {
    StoreConfig {
        database: format!("sqlite:{}", dir.join("restored/store.db").display()),
        blobs: format!("file:{}", dir.join("restored/blobs").display()),
        s3: None,
        keys: keys.to_owned(),
    }
}

async fn a_backup_comes_back_and_begins_again(t: TestStore) {
    let dir = tempfile::tempdir().unwrap();
    let (id, blob) = deposited(&t).await;
    for _ in 0..600 {
        t.record(vec![event(t.entity, t.now(), None)]).await.unwrap();
    }
    while sequence(&t).await < 602 {}
    let waiting = event(t.entity, t.now(), None);
    t.record(vec![waiting.clone()]).await.unwrap();
    let to = dir.path().join("backup");
    let made = backup::write(&t, &t.config, &to, "sealpost/log/test", t.now()).await.unwrap();
    assert_eq!((made.blobs.count, made.log_size), (1, 602));
    let again = backup::write(&t, &t.config, &to, "sealpost/log/test", t.now()).await;
    assert!(matches!(again, Err(BackupError::NotEmpty(_))));

    // What comes after the backup is lost, and its log goes on elsewhere.
    t.record(vec![event(t.entity, t.now(), None)]).await.unwrap();
    sequence(&t).await;

    let config = place(dir.path(), &t.config.keys);
    let (_, restarted) = backup::restore(&to, &config, t.now(), &begin).await.unwrap();
    assert_eq!((restarted.held, restarted.entries), (1, 603));
    let back = Store::open(&config, t.clock.clone()).await.unwrap();
    let row = back.read_deposit(id).await.unwrap().row;
    let key = back.deposit_key(&row).unwrap();
    let mut stream = back.blobs().read(&key, blob, 70_000);
    let mut read = 0;
    while let Some(piece) = futures_util::StreamExt::next(&mut stream).await {
        read += piece.unwrap().len();
    }
    assert_eq!(read, 70_000);

    // Nothing leaves by itself.
    let mut rows = Queue::new(back.db().clone()).list(&Filter::default());
    let mail = futures_util::StreamExt::next(&mut rows).await.unwrap().unwrap();
    assert_eq!((mail.state, mail.last_reply.as_deref()), (State::Held, Some(backup::HELD)));

    // A new log over the same entries, and the old one's checkpoint still vouches for them.
    assert_eq!(back.log_origin().await.unwrap().as_deref(), Some("sealpost/log/test/2"));
    let first = back.entry_by_index(0).await.unwrap().unwrap();
    assert_eq!(first.event, EventName::LogRestarted);
    assert!(back.latest_checkpoint().await.unwrap().is_none());
    assert_eq!(sequence(&back).await, 604, "what waited for its place gets one");
    assert_eq!(back.entry_by_index(603).await.unwrap().unwrap().id, waiting.id);
    let report = back.verify_log(|_, _| None).await.unwrap();
    assert_eq!((report.findings, report.head.size), (vec![], 604));
    let former = back.verify_former_logs(|log, _| (log != "sealpost/log/test").then(|| log.to_owned()));
    assert_eq!(former.await.unwrap(), (2, vec![]), "one per batch of 512");

    // Twice restored is the third log, and both former ones are still looked after.
    let second = dir.path().join("second");
    backup::write(&back, &config, &second, "unused", t.now()).await.unwrap();
    let third = dir.path().join("third");
    let config = place(&third, &t.config.keys);
    backup::restore(&second, &config, t.now(), &begin).await.unwrap();
    let back = Store::open(&config, t.clock.clone()).await.unwrap();
    sequence(&back).await;
    assert_eq!(back.verify_log(|_, _| None).await.unwrap().findings, []);
    assert_eq!(back.verify_former_logs(|_, _| None).await.unwrap(), (3, vec![]));
    let forged = "UPDATE journal SET leaf = (SELECT leaf FROM journal j WHERE j.idx = 5) WHERE idx = 4";
    back.db().execute(forged, args![]).await.unwrap();
    let (_, findings) = back.verify_former_logs(|_, _| None).await.unwrap();
    assert!(matches!(&findings[..], [Finding::Former(..), ..]), "{findings:?}");
}

async fn a_changed_backup_is_refused(t: TestStore) {
    let dir = tempfile::tempdir().unwrap();
    let (_, blob) = deposited(&t).await;
    sequence(&t).await;
    let to = dir.path().join("backup");
    backup::write(&t, &t.config, &to, "log", t.now()).await.unwrap();
    let name = blob.to_string();
    let blob = format!("blobs/{}/{}/{name}", &name[..4], &name[4..6]);
    for file in ["sealpost.db", "blobs.txt", "manifest.json", &blob] {
        let path = to.join(file);
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        std::fs::write(&path, &bad).unwrap();
        let config = place(&dir.path().join(file.replace('/', "-")), &t.config.keys);
        let refused = backup::restore(&to, &config, t.now(), &begin).await;
        assert!(refused.is_err(), "{file}");
        let database = config.database.strip_prefix("sqlite:").unwrap();
        assert!(!Path::new(database).exists(), "{file}: nothing to serve");
        std::fs::write(&path, &good).unwrap();
    }
    let config = place(dir.path(), &t.config.keys);
    backup::restore(&to, &config, t.now(), &begin).await.unwrap();
    let again = backup::restore(&to, &config, t.now(), &begin).await;
    assert!(matches!(again, Err(BackupError::NotEmpty(_))), "{again:?}");
}

/// SQLite to PostgreSQL and back, or the other way round.
async fn tables_move_to_the_other_engine(t: TestStore) {
    let (id, _) = deposited(&t).await;
    sequence(&t).await;
    let other = match t.db().engine() {
        sealpost_store::Engine::Sqlite => TestStore::postgres().await,
        sealpost_store::Engine::Postgres => TestStore::sqlite().await,
    };
    let full = backup::migrate(&t.config.database, &other.config.database, t.now()).await;
    assert!(matches!(full, Err(BackupError::NotEmpty(_))), "{full:?}");
    other.db().execute("DELETE FROM entities", args![]).await.unwrap();
    backup::migrate(&t.config.database, &other.config.database, t.now()).await.unwrap();

    let config = StoreConfig { database: other.config.database.clone(), ..t.config.clone() };
    let moved = Store::open(&config, t.clock.clone()).await.unwrap();
    assert_eq!(moved.read_deposit(id).await.unwrap(), t.read_deposit(id).await.unwrap());
    assert_eq!(moved.consignments(id).await.unwrap(), t.consignments(id).await.unwrap());
    assert_eq!(moved.log_head().await.unwrap(), t.log_head().await.unwrap());
    assert_eq!(moved.verify_log(|_, _| None).await.unwrap().findings, []);
    // Numbers go on behind those that came along.
    let next = moved.ensure_entity("Another", None).await.unwrap();
    assert!(next.0 > t.entity.0);

    t.claim(SEQUENCER, "node", LEASE).await.unwrap().unwrap();
    let fresh = tempfile::tempdir().unwrap();
    let to = format!("sqlite:{}", fresh.path().join("x.db").display());
    let running = backup::migrate(&t.config.database, &to, t.now()).await;
    assert!(matches!(running, Err(BackupError::Running(_))), "{running:?}");
}

async fn a_legal_hold_keeps_content(t: TestStore) {
    let (id, _) = deposited(&t).await;
    assert!(t.place_legal_hold(id, "case 12".into(), Change::default()).await.unwrap());
    assert!(!t.place_legal_hold(id, "again".into(), Change::default()).await.unwrap());
    assert_eq!(t.legal_hold(id).await.unwrap().unwrap().reason, "case 12");
    t.clock.advance(jiff::SignedDuration::from_hours(24 * 400));
    let week = t.ended_weeks(t.now()).await.unwrap();
    let ending = t.deposits_of_week(&week[0], None, 10).await.unwrap();
    let until = ending[0].kept_until(t.now()).unwrap();
    assert!(!t.destroy_content(id, vec![]).await.unwrap(), "the hold beats destruction");
    assert!(t.move_key(id, until).await.unwrap());
    assert!(t.forget_week(&week[0], t.now()).await.unwrap());
    let row = t.read_deposit(id).await.unwrap().row;
    t.deposit_key(&row).unwrap();

    assert!(t.lift_legal_hold(id, Change::default()).await.unwrap());
    assert!(!t.lift_legal_hold(id, Change::default()).await.unwrap());
    assert!(t.legal_hold(id).await.unwrap().is_none());
    t.clock.advance(jiff::SignedDuration::from_hours(24 * 15));
    let week = t.ended_weeks(t.now()).await.unwrap();
    let ending = t.deposits_of_week(&week[0], None, 10).await.unwrap();
    assert_eq!(ending[0].kept_until(t.now()), None);
    assert!(t.destroy_content(id, vec![]).await.unwrap());
    let late = t.place_legal_hold(id, "too late".into(), Change::default()).await;
    assert!(matches!(late, Err(StoreError::Conflict(_))), "{late:?}");
}

async fn a_corrected_address_closes_the_old_links(t: TestStore) {
    let (id, _) = deposited(&t).await;
    let correction = |generation, hash| sealpost_store::Correction {
        deposit: id,
        n: 1,
        address: address("robert@dupont.example"),
        language: sealpost_envelope::Language::En,
        generation,
        hash,
    };
    let before = t.consignment(id, 1).await.unwrap();
    t.readdress(correction(before.generation + 1, [9; 32]), Change::default()).await.unwrap();
    let after = t.consignment(id, 1).await.unwrap();
    assert_eq!(after.address.as_str(), "robert@dupont.example");
    assert_eq!(count(&t, "SELECT COUNT(*) AS n FROM tokens WHERE revoked IS NULL").await, 1);
    assert_eq!(count(&t, "SELECT COUNT(*) AS n FROM outbound WHERE state = 'dropped'").await, 1);
    let stale = t.readdress(correction(before.generation + 1, [8; 32]), Change::default()).await;
    assert!(matches!(stale, Err(StoreError::Conflict(_))));
    t.mark_opened(id, 1, None, t.now(), |_| Ok(Change::default())).await.unwrap();
    let opened = t.readdress(correction(after.generation + 1, [7; 32]), Change::default()).await;
    assert!(matches!(opened, Err(StoreError::Conflict(why)) if why.contains("opened")));
}
