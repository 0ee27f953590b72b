//! The end of content: destruction once and whole, what is kept longer, restores, orphans, forgotten rows.

use crate::common::{TestStore, count, event, new_deposit, on_both_engines, part};
use jiff::SignedDuration;
use sealpost_envelope::{BlobId, DepositId, Timestamp};
use sealpost_store::account::{Accounts, NewAccount, Role};
use sealpost_store::keys::KeyError;
use sealpost_store::mailbox::{Mailboxes, NewMail};
use sealpost_store::queue::{Filter, Queue, State};
use sealpost_store::{Args, EndError, StoreError, StoredBody, access, args};
use std::path::PathBuf;

on_both_engines!(
    content_goes_with_its_event_and_proof_stays,
    a_week_with_living_content_keeps_its_key,
    what_is_kept_longer_moves_on,
    a_restored_database_is_cleared_again,
    blobs_without_rows_are_collected,
    the_door_forgets,
);

/// End of retention of the fixture's consignments, ninety days after the store's clock, and its week.
const WEEK: &str = "2027-W07";
const OVER: &str = "2027-02-22T00:00:00Z";

async fn blob(t: &TestStore, key: &sealpost_store::keys::DepositKey) -> BlobId {
    let mut writer = t.blobs().writer(key);
    writer.write(&[7; 70_000]).await.unwrap();
    writer.finish().await.unwrap().id
}

fn path(t: &TestStore, id: BlobId) -> PathBuf {
    let name = id.to_string();
    let root = PathBuf::from(t.config.blobs.strip_prefix("file:").unwrap());
    root.join(&name[..4]).join(&name[4..6]).join(name)
}

/// A deposit under a real key, its skeleton and its second part in blobs.
async fn deposited(t: &TestStore) -> (DepositId, [BlobId; 2]) {
    let mut new = new_deposit(t.entity, t.now(), &["bob@dupont.example", "carl@dupont.example"]);
    let (key, wrapped, week) = t.keys().new_deposit_key(new.consignments[0].verdict.retention).unwrap();
    assert_eq!(week, WEEK);
    let blobs = [blob(t, &key).await, blob(t, &key).await];
    (new.wrapped_key, new.key_week) = (wrapped.bytes, week);
    new.skeleton = StoredBody::Blob(blobs[0]);
    new.parts.push(part(2, StoredBody::Blob(blobs[1])));
    t.deposit(new.clone()).await.unwrap();
    (new.id, blobs)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

const ENTRIES: &str = "SELECT COUNT(*) AS n FROM journal";
const CONTENT: &str = "SELECT (SELECT COUNT(*) FROM deposits WHERE wrapped_key IS NOT NULL OR skeleton IS NOT NULL \
     OR skeleton_blob IS NOT NULL OR LENGTH(meta) > 0) + (SELECT COUNT(*) FROM parts WHERE body IS NOT NULL \
     OR blob IS NOT NULL OR LENGTH(meta) > 0) + (SELECT COUNT(*) FROM recipes) \
     + (SELECT COUNT(*) FROM access_secret) + (SELECT COUNT(*) FROM access_grant) AS n";

async fn content_goes_with_its_event_and_proof_stays(t: TestStore) {
    let (id, blobs) = deposited(&t).await;
    let before = t.read_deposit(id).await.unwrap();
    for sql in [
        "UPDATE outbound SET state = 'sent' WHERE recipient = 1",
        "INSERT INTO recipes (id, deposit, recipe) \
         SELECT o.id, d.id, d.meta FROM outbound o JOIN deposits d ON d.id = o.deposit WHERE o.recipient = 1",
        "INSERT INTO access_secret (deposit, recipient, method, entity, verifier) \
         SELECT id, 1, 'password', entity, 'x' FROM deposits",
        "INSERT INTO access_grant (hash, entity, deposit, recipient, passed, created, expires) \
         SELECT meta, entity, id, 1, '', 0, 9 FROM deposits",
    ] {
        assert_eq!(t.db().execute(sql, args![]).await.unwrap(), 1);
    }
    assert!(t.ended_weeks(at("2027-02-21T23:59:59Z")).await.unwrap().is_empty());
    assert_eq!(t.ended_weeks(at(OVER)).await.unwrap(), [WEEK]);
    let ending = t.deposits_of_week(WEEK, None, 10).await.unwrap();
    assert_eq!((ending.len(), ending[0].id, ending[0].entity), (1, id, t.entity));
    assert_eq!(ending[0].kept_until(at(OVER)), None);
    assert!(t.deposits_of_week(WEEK, Some(id), 10).await.unwrap().is_empty());

    let entry = event(t.entity, at(OVER), Some(id));
    assert!(t.destroy_content(id, vec![entry.clone()]).await.unwrap());
    assert!(!t.destroy_content(id, vec![entry]).await.unwrap(), "once, and the event with it");
    assert_eq!((count(&t, CONTENT).await, count(&t, ENTRIES).await), (0, 2 + 1));
    assert!(blobs.iter().all(|b| !path(&t, *b).exists()));
    let queue = Queue::new(t.db().clone());
    let rows: Vec<_> = futures_util::TryStreamExt::try_collect(
        queue.list(&Filter { deposit: Some(id), ..Filter::default() }),
    )
    .await
    .unwrap();
    let states =
        |state: State| rows.iter().filter(|r: &&sealpost_store::queue::Outbound| r.state == state).count();
    assert_eq!((states(State::Sent), states(State::Dropped)), (1, 1));

    let after = t.read_deposit(id).await.unwrap();
    assert_eq!((after.skeleton, &after.row.wrapped_key), (None, &None));
    assert_eq!((after.row.digests, after.row.reference), (before.row.digests, before.row.reference));
    assert_eq!(t.parts(id).await.unwrap().len(), 2);
    assert_eq!(t.part_body(id, 2).await.unwrap(), None);
    assert!(matches!(t.deposit_key(&t.read_deposit(id).await.unwrap().row), Err(KeyError::Destroyed(_))));

    assert!(t.forget_week(WEEK, at(OVER)).await.unwrap());
    assert!(t.forget_week(WEEK, at(OVER)).await.unwrap(), "idempotent");
    let wrapped = before.row.wrapped_key.unwrap();
    assert!(matches!(t.keys().unwrap(WEEK, &wrapped), Err(KeyError::Destroyed(_))));
    assert!(t.ended_weeks(at(OVER)).await.unwrap().is_empty());
    assert_eq!(t.keys().tombstones().unwrap().len(), 1);
}

async fn a_week_with_living_content_keeps_its_key(t: TestStore) {
    let (id, _) = deposited(&t).await;
    let early = t.forget_week(WEEK, at("2027-02-21T23:59:59Z")).await;
    assert!(matches!(early, Err(EndError::Store(StoreError::Conflict(_)))), "{early:?}");
    assert!(!t.forget_week(WEEK, at(OVER)).await.unwrap());
    t.destroy_content(id, vec![]).await.unwrap();

    // Mail in a folder lives under the same key.
    let accounts = Accounts::new(&t.store).unwrap();
    let new = NewAccount {
        entity: t.entity,
        login: crate::common::address("alice@martin.example"),
        role: Role::Sender,
        name: "Alice".into(),
        password: None,
    };
    let account = accounts.create(new, vec![]).await.unwrap();
    let boxes = Mailboxes::new(&t.store);
    let inbox = boxes.ensure_folder(account.id, "INBOX", None).await.unwrap();
    let mut writer = boxes.writer(at("2027-02-20T00:00:00Z")).unwrap();
    writer.write(b"Subject: x\r\n\r\ny\r\n").await.unwrap();
    let mail = NewMail::plain(inbox.id, writer.finish().await.unwrap(), t.now());
    let uid = boxes.deliver(mail, vec![]).await.unwrap();
    assert!(!t.forget_week(WEEK, at(OVER)).await.unwrap());
    boxes.remove(inbox.id, &[uid]).await.unwrap();
    assert!(t.forget_week(WEEK, at(OVER)).await.unwrap());
}

async fn what_is_kept_longer_moves_on(t: TestStore) {
    let (held, _) = deposited(&t).await;
    let (extended, _) = deposited(&t).await;
    let entry = event(t.entity, t.now(), Some(held));
    assert!(t.keep_until(held, at("2030-01-01T00:00:00Z"), vec![entry]).await.unwrap());
    let row = t.read_deposit(held).await.unwrap().row;
    assert_eq!((row.key_week.as_str(), count(&t, ENTRIES).await), ("2030-W01", 2 * 2 + 1));
    let sql = "UPDATE consignments SET retention = $2 WHERE deposit = $1 AND recipient = 2";
    let later = at("2027-03-03T00:00:00Z");
    t.db().execute(sql, args![extended, later]).await.unwrap();

    let ending = t.deposits_of_week(WEEK, None, 10).await.unwrap();
    assert_eq!(ending.iter().map(|d| d.id).collect::<Vec<_>>(), [extended], "the held one lies elsewhere");
    assert_eq!(ending[0].kept_until(at(OVER)), Some(later));
    assert_eq!(ending[0].kept_until(later), None, "that end has come too");
    assert!(t.move_key(extended, later).await.unwrap());
    assert_eq!(t.read_deposit(extended).await.unwrap().row.key_week, "2027-W09");
    assert!(t.forget_week(WEEK, at(OVER)).await.unwrap());
    for id in [held, extended] {
        assert!(t.deposit_key(&t.read_deposit(id).await.unwrap().row).is_ok(), "{id}");
    }
    // A hold ends: access does not outlast the content.
    let soon = t.now() + SignedDuration::from_hours(24);
    assert!(t.keep_until(held, soon, vec![]).await.unwrap());
    assert_eq!(t.consignment(held, 1).await.unwrap().verdict.expires, soon);
    assert_eq!(t.read_deposit(held).await.unwrap().row.key_week, "2026-W48");
    t.destroy_content(held, vec![]).await.unwrap();
    assert!(!t.keep_until(held, later, vec![]).await.unwrap());
    assert!(!t.move_key(held, later).await.unwrap());
}

async fn a_restored_database_is_cleared_again(t: TestStore) {
    let (one, _) = deposited(&t).await;
    t.keys().note_destroyed(one, t.now()).unwrap();
    assert_eq!(t.returned_deposits().await.unwrap()[0].id, one);
    t.keys().destroy_week(WEEK, at(OVER)).unwrap();
    assert_eq!(t.ended_weeks(at(OVER)).await.unwrap(), [WEEK]);
    assert!(matches!(
        t.move_key(one, at("2027-03-03T00:00:00Z")).await,
        Err(EndError::Key(KeyError::Destroyed(_)))
    ));
    t.destroy_content(one, vec![]).await.unwrap();
    assert!(t.ended_weeks(at(OVER)).await.unwrap().is_empty());
    assert!(t.returned_deposits().await.unwrap().is_empty());
}

async fn blobs_without_rows_are_collected(t: TestStore) {
    let (_, named) = deposited(&t).await;
    let (key, _, _) = t.keys().new_deposit_key(at(OVER)).unwrap();
    let mut orphans = Vec::new();
    for _ in 0..70 {
        orphans.push(blob(&t, &key).await);
    }
    let part = path(&t, orphans[0]).with_extension("part");
    std::fs::write(&part, b"half").unwrap();
    // Files carry the machine's time, not the test's.
    let now = Timestamp::now();
    let young = t.remove_orphans(now - SignedDuration::from_hours(1)).await.unwrap();
    assert_eq!((young.seen, young.removed, young.unfinished), (0, 0, 0));
    let done = t.remove_orphans(now + SignedDuration::from_hours(1)).await.unwrap();
    assert_eq!((done.seen, done.removed, done.unfinished), (72, 70, 1));
    assert!(done.octets > 70 * 70_000);
    assert!(named.iter().all(|b| path(&t, *b).exists()) && !part.exists());
    assert!(orphans.iter().all(|b| !path(&t, *b).exists()));
}

async fn the_door_forgets(t: TestStore) {
    let (old, new) = (t.now(), t.now() + SignedDuration::from_hours(24));
    let id = DepositId::generate();
    // More than one unit of the old ones.
    for n in 0..600u32 {
        let (name, ends) = (uuid::Uuid::now_v7(), if n < 599 { old } else { new });
        let hash = sealpost_envelope::Sha256Digest::of(&n.to_be_bytes()).0;
        let statements: Vec<(&'static str, Args)> = vec![
            (
                "INSERT INTO access_challenge (id, entity, deposit, recipient, method, created, expires, tries, max_tries) \
                 VALUES ($1, $2, $3, 1, 'otp', 0, $4, 0, 5)",
                args![name, t.entity, id, ends],
            ),
            (
                "INSERT INTO access_sending (id, entity, challenge, deposit, recipient, method, sent) \
                 VALUES ($1, $2, $1, $3, 1, 'otp', $4)",
                args![name, t.entity, id, ends],
            ),
            (
                "INSERT INTO access_grant (hash, entity, deposit, recipient, passed, created, expires) \
                 VALUES ($1, $2, $3, 1, '', 0, $4)",
                args![hash, t.entity, id, ends],
            ),
            ("INSERT INTO access_span (hash, part, first, past) VALUES ($1, 1, 0, 9)", args![hash]),
            ("INSERT INTO access_file (hash, part, entity) VALUES ($1, 1, $2)", args![hash, t.entity]),
            (
                "INSERT INTO access_fetch (hash, minute) VALUES ($1, $2)",
                args![hash, ends.as_second().div_euclid(60)],
            ),
            ("INSERT INTO access_rate (key, start, count) VALUES ($1, $2, 1)", args![hash, ends.as_second()]),
        ];
        let unit = async move |tx: &mut sealpost_store::Tx| {
            for (sql, values) in statements {
                tx.execute(sql, values).await?;
            }
            Ok(())
        };
        t.db().write(unit).await.unwrap();
    }
    let limit = old + SignedDuration::from_mins(1);
    assert_eq!(access::sweep(t.db(), limit).await.unwrap(), 7 * 599);
    assert_eq!(access::sweep(t.db(), limit).await.unwrap(), 0);
    let left = "SELECT (SELECT COUNT(*) FROM access_challenge) + (SELECT COUNT(*) FROM access_sending) \
         + (SELECT COUNT(*) FROM access_grant) + (SELECT COUNT(*) FROM access_span) + (SELECT COUNT(*) FROM access_file) \
         + (SELECT COUNT(*) FROM access_fetch) + (SELECT COUNT(*) FROM access_rate) AS n";
    assert_eq!(count(&t, left).await, 7);
}
