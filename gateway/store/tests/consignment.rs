//! States of consignments, each change with what it causes.

use crate::common::{TestStore, address, count, event, new_deposit, on_both_engines};
use jiff::SignedDuration;
use sealpost_envelope::{DepositId, Treatment};
use sealpost_store::queue::{NewOutbound, OutboundId, Priority};
use sealpost_store::{Change, ConsignmentState, Progress, StoreError};

on_both_engines!(
    sending_is_counted,
    the_first_opening_is_one,
    a_failed_change_writes_no_event,
    revoking_ends_everything,
    access_is_extended_within_retention,
    generations_follow_one_another,
);

async fn deposited(t: &TestStore, recipients: &[&str]) -> DepositId {
    let new = new_deposit(t.entity, t.now(), recipients);
    t.deposit(new.clone()).await.unwrap();
    new.id
}

fn change(t: &TestStore, id: DepositId) -> Change {
    Change::events(vec![event(t.entity, t.now(), Some(id))])
}

fn receipt(t: &TestStore, id: DepositId) -> NewOutbound {
    NewOutbound {
        id: OutboundId::generate(),
        entity: t.entity,
        deposit: Some(id),
        recipient: None,
        priority: Priority::Receipt,
        spec: r#"{"kind":"receipt"}"#.into(),
        envelope_from: None,
        rcpt: address("alice@martin.example"),
        next_at: t.now(),
        created: t.now(),
        hold: None,
    }
}

const ENTRIES: &str = "SELECT COUNT(*) AS n FROM journal";
const RECEIPTS: &str = "SELECT COUNT(*) AS n FROM outbound WHERE recipient IS NULL";

async fn sending_is_counted(t: TestStore) {
    let id = deposited(&t, &["bob@dupont.example"]).await;
    let first = t.now();
    t.mark_sent(id, 1, first, change(&t, id)).await.unwrap();
    t.clock.advance(SignedDuration::from_mins(5));
    t.mark_failed(id, 1, t.now(), "550 no such user".into(), change(&t, id)).await.unwrap();
    let row = t.consignment(id, 1).await.unwrap();
    assert_eq!(
        (row.state(t.now()), row.failure.as_deref()),
        (ConsignmentState::Failed, Some("550 no such user"))
    );
    t.mark_sent(id, 1, t.now(), change(&t, id)).await.unwrap();
    let row = t.consignment(id, 1).await.unwrap();
    assert_eq!((row.first_sent, row.last_sent, row.sendings), (Some(first), Some(t.now()), 2));
    assert_eq!((row.state(t.now()), row.failure), (ConsignmentState::Sent, None));
    assert_eq!(count(&t, ENTRIES).await, 2 + 3);
    t.clock.advance(SignedDuration::from_hours(24 * 30));
    assert_eq!(t.consignment(id, 1).await.unwrap().state(t.now()), ConsignmentState::Expired);
    let ending = t.expiring(None, 10).await.unwrap();
    assert_eq!(ending.len(), 1);
    assert!(t.expiring(ending.last(), 10).await.unwrap().is_empty());
    // What was decided for one who has not opened is not written for one who has.
    t.mark_opened(id, 1, None, t.now(), |_| Ok(Change::default())).await.unwrap();
    assert!(!t.mark_expired(&ending[0], t.now(), change(&t, id)).await.unwrap());
    let ending = t.expiring(None, 10).await.unwrap();
    assert!(t.mark_expired(&ending[0], t.now(), change(&t, id)).await.unwrap());
    assert!(!t.mark_expired(&ending[0], t.now(), change(&t, id)).await.unwrap());
    assert_eq!((t.expiring(None, 10).await.unwrap().len(), count(&t, ENTRIES).await), (0, 6));
}

async fn the_first_opening_is_one(t: TestStore) {
    let mut new =
        new_deposit(t.entity, t.now(), &["bob@dupont.example", "carl@dupont.example", "dora@dupont.example"]);
    new.consignments[2].verdict.treatment = Treatment::Seal;
    let id = new.id;
    t.deposit(new).await.unwrap();
    let open = |n: u32| {
        let (entry, receipt) = (event(t.entity, t.now(), Some(id)), receipt(&t, id));
        t.mark_opened(id, n, None, t.now(), move |p: &Progress| {
            let outbound = if p.first { vec![receipt] } else { Vec::new() };
            Ok(Change { events: vec![entry], outbound })
        })
    };
    let (a, b) = tokio::join!(open(1), open(1));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert!(a.first != b.first, "of two at once one is first");
    assert_eq!((a.done, a.of, b.done, b.of), (1, 2, 1, 2));
    assert_eq!(open(2).await.unwrap(), Progress { first: true, done: 2, of: 2 });
    assert_eq!((count(&t, RECEIPTS).await, count(&t, ENTRIES).await), (2, 2 + 3));
    assert_eq!(t.consignment(id, 1).await.unwrap().state(t.now()), ConsignmentState::Opened);
    let entry = event(t.entity, t.now(), Some(id));
    let loaded = t.mark_downloaded(id, 1, t.now(), move |_| Ok(Change::events(vec![entry]))).await.unwrap();
    assert_eq!(loaded, Progress { first: true, done: 1, of: 2 });
    assert_eq!(t.consignment(id, 1).await.unwrap().state(t.now()), ConsignmentState::Downloaded);
}

async fn a_failed_change_writes_no_event(t: TestStore) {
    let id = deposited(&t, &["bob@dupont.example"]).await;
    let before = count(&t, ENTRIES).await;
    let none = DepositId::generate();
    assert!(matches!(t.mark_sent(id, 9, t.now(), change(&t, id)).await, Err(StoreError::NotFound(_))));
    assert!(t.mark_opened(none, 1, None, t.now(), |_| Ok(Change::default())).await.is_err());
    let undecided = t.mark_opened(id, 1, None, t.now(), |_| Err(StoreError::Conflict("undecided"))).await;
    assert!(matches!(undecided, Err(StoreError::Conflict("undecided"))));
    assert_eq!(t.revoke(none, None, change(&t, id)).await.unwrap(), 0);
    assert_eq!(count(&t, ENTRIES).await, before);
    assert_eq!(t.consignment(id, 1).await.unwrap().opened, None);
    // An event that cannot be written takes the change with it.
    let twice = event(t.entity, t.now(), Some(id));
    t.record(vec![twice.clone()]).await.unwrap();
    assert!(
        t.mark_sent(id, 1, t.now(), Change::events(vec![twice])).await.unwrap_err().is_unique_violation()
    );
    assert_eq!(t.consignment(id, 1).await.unwrap().sendings, 0);
}

async fn revoking_ends_everything(t: TestStore) {
    let id = deposited(&t, &["bob@dupont.example", "carl@dupont.example"]).await;
    assert_eq!(t.revoke(id, Some(1), change(&t, id)).await.unwrap(), 1);
    assert_eq!(t.consignment(id, 1).await.unwrap().state(t.now()), ConsignmentState::Revoked);
    assert_eq!(
        count(&t, "SELECT COUNT(*) AS n FROM tokens WHERE revoked IS NULL AND recipient = 2").await,
        1
    );
    assert_eq!(
        count(&t, "SELECT COUNT(*) AS n FROM tokens WHERE revoked IS NOT NULL AND recipient = 1").await,
        1
    );
    assert_eq!(count(&t, "SELECT COUNT(*) AS n FROM outbound WHERE state = 'dropped'").await, 1);
    let opened = t.mark_opened(id, 1, None, t.now(), |_| Ok(Change::default())).await;
    assert!(matches!(opened, Err(StoreError::Conflict(_))), "{opened:?}");
    assert!(t.add_token(id, 1, 2, [1; 32], Change::default()).await.is_err());
    assert_eq!(t.revoke(id, None, change(&t, id)).await.unwrap(), 1);
    assert_eq!(t.revoke(id, None, change(&t, id)).await.unwrap(), 0);
    assert_eq!(count(&t, ENTRIES).await, 2 + 2);
}

async fn access_is_extended_within_retention(t: TestStore) {
    let id = deposited(&t, &["bob@dupont.example", "carl@dupont.example"]).await;
    let days = |n: i64| t.now() + SignedDuration::from_hours(24 * n);
    assert!(matches!(t.extend(id, None, days(91), change(&t, id)).await, Err(StoreError::Conflict(_))));
    assert_eq!(t.extend(id, Some(2), days(60), change(&t, id)).await.unwrap(), 1);
    assert_eq!(t.consignment(id, 1).await.unwrap().verdict.expires, days(30));
    assert_eq!(t.consignment(id, 2).await.unwrap().verdict.expires, days(60));
    let later = days(50);
    t.clock.advance(SignedDuration::from_hours(24 * 31));
    let row = t.consignment(id, 1).await.unwrap();
    assert!(t.mark_expired(&row, t.now(), change(&t, id)).await.unwrap());
    assert_eq!(t.extend(id, Some(1), later, change(&t, id)).await.unwrap(), 1);
    let row = t.consignment(id, 1).await.unwrap();
    assert_eq!((row.expired, row.state(t.now())), (None, ConsignmentState::Queued));
    t.revoke(id, None, Change::default()).await.unwrap();
    assert!(matches!(t.extend(id, None, later, change(&t, id)).await, Err(StoreError::NotFound(_))));
}

async fn generations_follow_one_another(t: TestStore) {
    let id = deposited(&t, &["bob@dupont.example"]).await;
    assert!(matches!(t.add_token(id, 1, 1, [1; 32], Change::default()).await, Err(StoreError::Conflict(_))));
    assert!(matches!(t.add_token(id, 1, 3, [1; 32], Change::default()).await, Err(StoreError::Conflict(_))));
    t.add_token(id, 1, 2, [2; 32], change(&t, id)).await.unwrap();
    t.add_token(id, 1, 3, [3; 32], change(&t, id)).await.unwrap();
    assert_eq!(t.consignment(id, 1).await.unwrap().generation, 3);
    assert_eq!(count(&t, "SELECT COUNT(*) AS n FROM tokens WHERE revoked IS NULL").await, 3);
}
