//! The journal for people: newest first, page after page, and what stands beside its lines.

use crate::common::{TestStore, address, event, new_deposit, on_both_engines};
use jiff::SignedDuration;
use sealpost_envelope::{AccountId, EntryId};
use sealpost_evidence::EventName;
use sealpost_store::account::{Accounts, NewAccount, Role};
use sealpost_store::{FollowJournal, Sight};

on_both_engines!(pages_are_stable, filters_and_sight, stamps_and_names, numbers);

fn all(sight: Sight, limit: u32) -> FollowJournal {
    FollowJournal {
        sight,
        words: Vec::new(),
        events: Vec::new(),
        deposit: None,
        address: None,
        since: None,
        until: None,
        after: None,
        limit,
    }
}

async fn person(t: &TestStore, login: &str) -> AccountId {
    let accounts = Accounts::new(t).unwrap();
    let new = NewAccount {
        entity: t.entity,
        login: address(login),
        role: Role::Sender,
        name: login.into(),
        password: None,
    };
    accounts.create(new, vec![]).await.unwrap().id
}

async fn pages_are_stable(t: TestStore) {
    // Many at the same moment: the id decides among them.
    for _ in 0..7 {
        t.record(vec![event(t.entity, t.now(), None), event(t.entity, t.now(), None)]).await.unwrap();
        t.clock.advance(SignedDuration::from_secs(1));
    }
    let sight = Sight::Entity(t.entity);
    let whole = t.follow_journal(&all(sight, 500)).await.unwrap();
    assert_eq!(whole.len(), 14);
    assert!(whole.windows(2).all(|w| (w[0].time, w[0].id.to_string()) > (w[1].time, w[1].id.to_string())));
    let (mut read, mut filter) = (Vec::new(), all(sight, 4));
    loop {
        let page = t.follow_journal(&filter).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.after = Some((last.time, last.id));
        read.extend(page.into_iter().map(|e| e.id));
        // What comes in meanwhile stands before the first page and moves nothing.
        t.record(vec![event(t.entity, t.now(), None)]).await.unwrap();
    }
    assert_eq!(read, whole.iter().map(|e| e.id).collect::<Vec<EntryId>>());
}

async fn filters_and_sight(t: TestStore) {
    let (alice, paul) = (person(&t, "alice@martin.example").await, person(&t, "paul@martin.example").await);
    let one = new_deposit(t.entity, t.now(), &["bob@dupont.example"]);
    t.deposit(one.clone()).await.unwrap();
    t.clock.advance(SignedDuration::from_secs(60));
    let mut other = new_deposit(t.entity, t.now(), &["dora@dupont.example"]);
    (other.account, other.sender) = (Some(paul), address("paul@martin.example"));
    t.deposit(other.clone()).await.unwrap();
    let about = async |filter: FollowJournal| {
        let mut found: Vec<_> =
            t.follow_journal(&filter).await.unwrap().iter().filter_map(|e| e.deposit).collect();
        found.dedup();
        found
    };
    let entity = Sight::Entity(t.entity);
    assert_eq!(about(all(entity, 50)).await, [other.id, one.id]);
    assert_eq!(about(all(Sight::Own(t.entity, alice), 50)).await, [one.id]);
    assert_eq!(about(all(Sight::Own(t.entity, paul), 50)).await, [other.id]);
    let bob = Some(address("BOB@dupont.example"));
    assert_eq!(about(FollowJournal { address: bob.clone(), ..all(entity, 50) }).await, [one.id]);
    let hidden = FollowJournal { address: bob, ..all(Sight::Own(t.entity, paul), 50) };
    assert!(about(hidden).await.is_empty());
    let accepted = FollowJournal { events: vec![EventName::SubmissionAcceptance], ..all(entity, 50) };
    assert_eq!(t.follow_journal(&accepted).await.unwrap().len(), 2);
    let late = FollowJournal { since: Some(other.created), ..all(entity, 50) };
    assert_eq!(about(late).await, [other.id]);
    let early = FollowJournal { until: Some(other.created), ..all(entity, 50) };
    assert_eq!(about(early).await, [one.id]);
    let stranger = Sight::Entity(sealpost_envelope::EntityId(9999));
    assert!(about(all(stranger, 50)).await.is_empty());
}

async fn stamps_and_names(t: TestStore) {
    let one = new_deposit(t.entity, t.now(), &["bob@dupont.example"]);
    t.deposit(one.clone()).await.unwrap();
    let ids: Vec<EntryId> =
        t.follow_journal(&all(Sight::Entity(t.entity), 50)).await.unwrap().iter().map(|e| e.id).collect();
    assert!(t.stamps(&ids).await.unwrap().is_empty(), "nothing is stamped yet");
    t.clock.advance(SignedDuration::from_secs(5));
    let pending = t.pending_evidence(t.entity, 10).await.unwrap();
    t.store_evidence_seal(t.entity, pending[0].id, vec![7; 10]).await.unwrap();
    let stamps = t.stamps(&ids).await.unwrap();
    assert_eq!(stamps.get(&pending[0].id), Some(&t.now()));
    assert_eq!(stamps.len(), 1);
    let names = t.references(&[one.id]).await.unwrap();
    assert_eq!(names.get(&one.id), Some(&one.reference));
}

async fn numbers(t: TestStore) {
    let one = new_deposit(t.entity, t.now(), &["bob@dupont.example", "dora@dupont.example"]);
    t.deposit(one.clone()).await.unwrap();
    let day = one.created.as_microsecond().div_euclid(86_400_000_000);
    let until = one.created + SignedDuration::from_hours(1);
    let days = t.statistics(Sight::Entity(t.entity), one.created, until).await.unwrap();
    let count = days[&day];
    assert_eq!((count.deposits, count.bytes, count.recipients), (1, 4096, 2));
    assert_eq!((count.tracked, count.opened, count.failed), (2, 0, 0));
    let nobody = person(&t, "eve@martin.example").await;
    assert!(t.statistics(Sight::Own(t.entity, nobody), one.created, until).await.unwrap().is_empty());
}
