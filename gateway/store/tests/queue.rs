//! The outgoing queue: order, leases, states, on both engines.

use crate::common::{TestStore, address, count, event, on_both_engines};
use futures_util::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use sealpost_envelope::{DepositId, Sha256Digest};
use sealpost_store::StoreError;
use sealpost_store::queue::{
    Composed, Filter, MAX_REPLY, NewOutbound, Outbound, OutboundId, Priority, Queue, Settlement, State,
    forget_recipe, settle,
};
use std::time::Duration;

on_both_engines!(
    a_row_from_insertion_to_hand_over,
    urgent_rows_overtake,
    claims_exclude_and_lapse,
    claims_are_renewed_and_released,
    concurrent_workers_share_the_rows,
    the_first_recipe_stays,
    retries_wait,
    people_hold_retry_and_drop,
    bytes_without_a_deposit_are_forgotten,
    what_has_happened_is_recorded,
    rows_are_listed_and_counted,
    a_failing_unit_changes_nothing,
    workers_are_woken,
);

const LEASE: Duration = Duration::from_secs(60);

fn queue(t: &TestStore) -> Queue {
    Queue::new(t.db().clone())
}

fn new(t: &TestStore, priority: Priority, rcpt: &str) -> NewOutbound {
    NewOutbound {
        id: OutboundId::generate(),
        entity: t.entity,
        deposit: None,
        recipient: None,
        priority,
        spec: r#"{"kind":"consignment"}"#.into(),
        envelope_from: None,
        rcpt: address(rcpt),
        next_at: t.now(),
        created: t.now(),
        hold: None,
    }
}

fn composed(byte: u8) -> Composed {
    Composed { recipe: vec![byte; 40], size: 1 << 33, sha256: Sha256Digest([byte; 32]), rcpt: None }
}

fn later(t: &TestStore, seconds: i64) -> Timestamp {
    t.now() + SignedDuration::from_secs(seconds)
}

/// A row that is ready to leave.
async fn ready(t: &TestStore, q: &Queue, priority: Priority, rcpt: &str) -> OutboundId {
    let row = new(t, priority, rcpt);
    let id = row.id;
    q.enqueue(vec![row], vec![]).await.unwrap();
    assert!(q.set_recipe(id, composed(7), vec![]).await.unwrap());
    id
}

fn ids(rows: &[Outbound]) -> Vec<OutboundId> {
    rows.iter().map(|r| r.id).collect()
}

async fn a_row_from_insertion_to_hand_over(t: TestStore) {
    let q = queue(&t);
    let deposit = DepositId::generate();
    let row = NewOutbound {
        deposit: Some(deposit),
        recipient: Some(2),
        envelope_from: Some(address("bounce@mail.example.org")),
        ..new(&t, Priority::Mail, "chloé@été.example")
    };
    let id = row.id;
    q.enqueue(vec![row.clone()], vec![event(t.entity, t.now(), None)]).await.unwrap();
    assert!(q.claim_ready("node", t.now(), LEASE, 10).await.unwrap().is_empty());
    assert!(matches!(q.recipe(id).await, Err(StoreError::Conflict(_))));

    let claimed = q.claim_compose("node", t.now(), LEASE, 10).await.unwrap();
    assert_eq!(ids(&claimed), [id]);
    let found = &claimed[0];
    assert_eq!((found.entity, found.deposit, found.recipient), (t.entity, Some(deposit), Some(2)));
    assert_eq!((&found.envelope_from, &found.rcpt, &found.spec), (&row.envelope_from, &row.rcpt, &row.spec));
    assert_eq!((found.state, found.attempts, found.priority), (State::Compose, 0, Priority::Mail));
    assert_eq!((found.claimed_by.as_deref(), found.claimed_until), (Some("node"), Some(later(&t, 60))));

    assert!(q.set_recipe(id, composed(1), vec![event(t.entity, t.now(), None)]).await.unwrap());
    assert_eq!(q.recipe(id).await.unwrap(), vec![1; 40]);
    let claimed = q.claim_ready("node", t.now(), LEASE, 10).await.unwrap();
    assert_eq!((claimed[0].size, claimed[0].sha256), (Some(1 << 33), Some(Sha256Digest([1; 32]))));

    assert!(q.sent(id, "250 2.0.0 queued", vec![event(t.entity, t.now(), None)]).await.unwrap());
    let row = q.get(id).await.unwrap();
    assert_eq!((row.state, row.attempts, row.claimed_by), (State::Sent, 1, None));
    assert_eq!(row.last_reply.as_deref(), Some("250 2.0.0 queued"));
    assert_eq!(count(&t, "SELECT COUNT(*) AS n FROM journal").await, 3);
    // What was sent is still there for the proof.
    assert_eq!(q.recipe(id).await.unwrap(), vec![1; 40]);
}

async fn urgent_rows_overtake(t: TestStore) {
    let q = queue(&t);
    let early = ready(&t, &q, Priority::Mail, "a@x.example").await;
    t.clock.advance(SignedDuration::from_secs(1));
    let receipt = ready(&t, &q, Priority::Receipt, "b@x.example").await;
    let late = ready(&t, &q, Priority::Mail, "c@x.example").await;
    let code = ready(&t, &q, Priority::Code, "d@x.example").await;
    let future = NewOutbound { next_at: later(&t, 5), ..new(&t, Priority::Code, "e@x.example") };
    q.enqueue(vec![future], vec![]).await.unwrap();
    let first = q.claim_ready("n", t.now(), LEASE, 2).await.unwrap();
    assert_eq!(ids(&first), [code, receipt]);
    assert!(q.claim_urgent("n", t.now(), LEASE, 2).await.unwrap().is_empty());
    q.release_one(code, "n").await.unwrap();
    assert_eq!(ids(&q.claim_urgent("n", t.now(), LEASE, 2).await.unwrap()), [code]);
    assert_eq!(ids(&q.claim_ready("n", t.now(), LEASE, 9).await.unwrap()), [early, late]);
    assert!(q.claim_compose("n", t.now(), LEASE, 9).await.unwrap().is_empty());
    assert_eq!(q.claim_compose("n", later(&t, 5), LEASE, 9).await.unwrap().len(), 1);
    assert!(q.claim_ready("n", t.now(), LEASE, 0).await.unwrap().is_empty());
}

async fn claims_exclude_and_lapse(t: TestStore) {
    let q = queue(&t);
    let id = ready(&t, &q, Priority::Mail, "a@x.example").await;
    assert_eq!(ids(&q.claim_ready("one", t.now(), LEASE, 9).await.unwrap()), [id]);
    assert!(q.claim_ready("two", t.now(), LEASE, 9).await.unwrap().is_empty());
    assert!(q.claim_ready("two", later(&t, 59), LEASE, 9).await.unwrap().is_empty());
    assert_eq!(ids(&q.claim_ready("two", later(&t, 60), LEASE, 9).await.unwrap()), [id]);
}

async fn claims_are_renewed_and_released(t: TestStore) {
    let q = queue(&t);
    let id = ready(&t, &q, Priority::Mail, "a@x.example").await;
    q.claim_ready("one", t.now(), LEASE, 9).await.unwrap();
    assert!(q.renew(id, "one", later(&t, 50), LEASE).await.unwrap());
    assert!(!q.renew(id, "two", later(&t, 50), LEASE).await.unwrap());
    assert!(q.claim_ready("two", later(&t, 100), LEASE, 9).await.unwrap().is_empty());
    // A holder that starts again takes up what it had, without waiting for the lease.
    assert_eq!(q.release("two").await.unwrap(), 0);
    assert_eq!(q.release("one").await.unwrap(), 1);
    assert_eq!(ids(&q.claim_ready("one", t.now(), LEASE, 9).await.unwrap()), [id]);
    q.release_one(id, "two").await.unwrap();
    assert!(q.claim_ready("two", t.now(), LEASE, 9).await.unwrap().is_empty());
    q.release_one(id, "one").await.unwrap();
    assert_eq!(q.claim_ready("two", t.now(), LEASE, 9).await.unwrap().len(), 1);
}

async fn concurrent_workers_share_the_rows(t: TestStore) {
    let q = queue(&t);
    let rows: Vec<_> = (0..40).map(|n| new(&t, Priority::Mail, &format!("r{n}@x.example"))).collect();
    q.enqueue(rows, vec![]).await.unwrap();
    let other = Queue::new(t.again().await.db().clone());
    let now = t.now();
    let workers = (0..8).map(|n| {
        let q = if n % 2 == 0 { q.clone() } else { other.clone() };
        tokio::spawn(async move { q.claim_compose(&format!("w{n}"), now, LEASE, 5).await.unwrap() })
    });
    let mut claimed = Vec::new();
    for worker in workers {
        claimed.extend(ids(&worker.await.unwrap()));
    }
    // Rows that another is just claiming are passed over, so that somebody may have come too early.
    claimed.extend(ids(&q.claim_compose("last", now, LEASE, 40).await.unwrap()));
    claimed.sort();
    claimed.dedup();
    assert_eq!(claimed.len(), 40);
}

async fn the_first_recipe_stays(t: TestStore) {
    let q = queue(&t);
    let row = new(&t, Priority::Mail, "a@x.example");
    let id = row.id;
    q.enqueue(vec![row], vec![]).await.unwrap();
    assert!(q.set_recipe(id, composed(1), vec![]).await.unwrap());
    assert!(!q.set_recipe(id, composed(2), vec![event(t.entity, t.now(), None)]).await.unwrap());
    assert_eq!(q.recipe(id).await.unwrap(), vec![1; 40]);
    assert_eq!(count(&t, "SELECT COUNT(*) AS n FROM journal").await, 0);
}

async fn retries_wait(t: TestStore) {
    let q = queue(&t);
    let id = ready(&t, &q, Priority::Mail, "a@x.example").await;
    q.claim_ready("n", t.now(), LEASE, 9).await.unwrap();
    assert!(q.retry(id, "451 4.3.0 later\0", later(&t, 300), vec![]).await.unwrap());
    assert!(q.claim_ready("n", later(&t, 299), LEASE, 9).await.unwrap().is_empty());
    let row = &q.claim_ready("n", later(&t, 300), LEASE, 9).await.unwrap()[0];
    assert_eq!((row.attempts, row.last_reply.as_deref()), (1, Some("451 4.3.0 later ")));
    let long = "é".repeat(MAX_REPLY);
    assert!(q.fail(id, &long, vec![]).await.unwrap());
    let row = q.get(id).await.unwrap();
    assert_eq!((row.state, row.attempts), (State::Failed, 2));
    assert_eq!(row.last_reply.unwrap().len(), MAX_REPLY);
    assert!(q.claim_ready("n", later(&t, 9999), LEASE, 9).await.unwrap().is_empty());
}

async fn people_hold_retry_and_drop(t: TestStore) {
    let q = queue(&t);
    let held = NewOutbound { hold: Some("no route".into()), ..new(&t, Priority::Mail, "a@x.example") };
    let id = held.id;
    q.enqueue(vec![held], vec![]).await.unwrap();
    assert_eq!(q.get(id).await.unwrap().last_reply.as_deref(), Some("no route"));
    assert!(q.claim_compose("n", t.now(), LEASE, 9).await.unwrap().is_empty());
    assert!(q.retry_now(id, t.now()).await.unwrap());
    assert_eq!(q.get(id).await.unwrap().state, State::Compose);
    q.claim_compose("n", t.now(), LEASE, 9).await.unwrap();
    // Somebody is at work on it.
    assert!(!q.retry_now(id, t.now()).await.unwrap());
    q.set_recipe(id, composed(1), vec![]).await.unwrap();
    q.fail(id, "550 no", vec![]).await.unwrap();
    assert!(q.retry_now(id, t.now()).await.unwrap());
    assert_eq!(q.get(id).await.unwrap().state, State::Ready);
    let later = "2026-11-29T10:00:00Z".parse().unwrap();
    assert!(q.hold(id, "wait", later).await.unwrap());
    assert_eq!(q.get(id).await.unwrap().next_at, later, "how long it has waited counts from the hold");
    assert!(!q.hold(id, "wait", later).await.unwrap());
    assert!(q.drop_row(id, "not wanted", vec![event(t.entity, t.now(), None)]).await.unwrap());
    assert!(!q.drop_row(id, "not wanted", vec![event(t.entity, t.now(), None)]).await.unwrap());
    assert!(!q.retry_now(id, t.now()).await.unwrap());
    assert_eq!(count(&t, "SELECT COUNT(*) AS n FROM journal").await, 1);
}

/// A mail about an account may hold a code or a link: nothing of it stays once it is out.
async fn bytes_without_a_deposit_are_forgotten(t: TestStore) {
    let q = queue(&t);
    let (sent, dropped) =
        (ready(&t, &q, Priority::Mail, "a@b.test").await, ready(&t, &q, Priority::Mail, "c@d.test").await);
    assert_eq!(count(&t, "SELECT COUNT(*) AS n FROM recipes").await, 2);
    t.db()
        .write(async move |tx| {
            settle(tx, sent, &Settlement::Sent { reply: "250 ok".into() }).await?;
            forget_recipe(tx, sent).await
        })
        .await
        .unwrap();
    assert_eq!(count(&t, "SELECT COUNT(*) AS n FROM recipes").await, 1);
    assert!(q.recipe(sent).await.is_err());
    assert!(q.recipe(dropped).await.is_ok());
    assert!(q.drop_row(dropped, "no longer needed", Vec::new()).await.unwrap());
    assert_eq!(count(&t, "SELECT COUNT(*) AS n FROM recipes").await, 0);
}

async fn what_has_happened_is_recorded(t: TestStore) {
    let q = queue(&t);
    let id = ready(&t, &q, Priority::Mail, "a@x.example").await;
    q.claim_ready("n", t.now(), LEASE, 9).await.unwrap();
    q.drop_row(id, "too late", vec![]).await.unwrap();
    // The server had it before it was dropped here.
    assert!(q.sent(id, "250 ok", vec![]).await.unwrap());
    assert_eq!(q.get(id).await.unwrap().state, State::Sent);
    // What did not happen changes nothing about that.
    assert!(!q.retry(id, "451 no", later(&t, 5), vec![]).await.unwrap());
    assert!(!q.fail(id, "550 no", vec![]).await.unwrap());
    assert!(!q.sent(id, "250 again", vec![]).await.unwrap());
    assert!(!q.sent(OutboundId::generate(), "250 ok", vec![]).await.unwrap());
}

async fn rows_are_listed_and_counted(t: TestStore) {
    let q = queue(&t);
    let deposit = DepositId::generate();
    let one =
        NewOutbound { deposit: Some(deposit), recipient: Some(1), ..new(&t, Priority::Mail, "a@x.example") };
    let first = one.id;
    q.enqueue(vec![one], vec![]).await.unwrap();
    t.clock.advance(SignedDuration::from_secs(1));
    let second = ready(&t, &q, Priority::Code, "b@x.example").await;
    let list = async |f: Filter| ids(&q.list(&f).try_collect::<Vec<_>>().await.unwrap());
    assert_eq!(list(Filter::default()).await, [first, second]);
    assert_eq!(list(Filter { state: Some(State::Ready), ..Filter::default() }).await, [second]);
    assert_eq!(list(Filter { deposit: Some(deposit), ..Filter::default() }).await, [first]);
    assert_eq!(list(Filter { rcpt: Some("b@x.example".into()), ..Filter::default() }).await, [second]);
    assert_eq!(list(Filter { entity: Some(t.entity), ..Filter::default() }).await.len(), 2);
    let other = t.ensure_entity("Autre", None).await.unwrap();
    assert!(list(Filter { entity: Some(other), ..Filter::default() }).await.is_empty());
    assert_eq!(q.counts().await.unwrap(), [(State::Compose, 1), (State::Ready, 1)]);
    assert!(matches!(q.get(OutboundId::generate()).await, Err(StoreError::NotFound(_))));
}

async fn a_failing_unit_changes_nothing(t: TestStore) {
    let q = queue(&t);
    let id = ready(&t, &q, Priority::Mail, "a@x.example").await;
    let failed: Result<(), _> = t
        .db()
        .write(async move |tx| {
            assert!(settle(tx, id, &Settlement::Sent { reply: "250".into() }).await?);
            Err(StoreError::Conflict("the event cannot be written"))
        })
        .await;
    assert!(failed.is_err());
    assert_eq!(q.get(id).await.unwrap().state, State::Ready);
}

async fn workers_are_woken(t: TestStore) {
    let q = queue(&t);
    let far = Duration::from_secs(3600);
    let waiting = tokio::spawn({
        let q = q.clone();
        async move {
            q.wait_compose(far).await;
            q.wait_ready(far).await;
        }
    });
    let id = ready(&t, &q, Priority::Mail, "a@x.example").await;
    tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("both were woken").unwrap();
    q.wait_ready(Duration::from_millis(1)).await;
    assert!(q.release("nobody").await.is_ok());
    assert_eq!(q.get(id).await.unwrap().state, State::Ready);
}
