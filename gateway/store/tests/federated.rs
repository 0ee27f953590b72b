//! Sign-ins under way at providers, on both engines.

use crate::common::{TestStore, on_both_engines};
use jiff::SignedDuration;
use sealpost_envelope::{DepositId, Timestamp};
use sealpost_store::federated::{
    Backchannel, FederatedRequest, Purpose, StateHash, Taken, keep_logout, take_logout,
};

on_both_engines!(
    a_state_is_used_once_and_in_time,
    one_node_asks_at_a_time_and_one_outcome_counts,
    logouts_are_taken_once,
);

fn after(t: Timestamp, seconds: i64) -> Timestamp {
    t + SignedDuration::from_secs(seconds)
}

fn request(t: &TestStore, state: &str, backchannel: Option<Backchannel>) -> FederatedRequest {
    FederatedRequest {
        hash: StateHash::of(state),
        entity: Some(t.entity),
        provider: "psc".to_owned(),
        purpose: Purpose::Door { deposit: DepositId::generate(), recipient: 2, generation: 3 },
        browser: [7; 32],
        created: t.now(),
        expires: after(t.now(), 600),
        used: None,
        backchannel,
    }
}

async fn insert(t: &TestStore, request: &FederatedRequest) {
    let request = request.clone();
    t.db().write(async move |tx| request.insert(tx).await).await.unwrap();
}

async fn take(t: &TestStore, state: &'static str, now: Timestamp) -> Taken {
    t.db().write(async move |tx| FederatedRequest::take(tx, StateHash::of(state), now).await).await.unwrap()
}

async fn a_state_is_used_once_and_in_time(t: TestStore) {
    let (one, two) = (request(&t, "one", None), request(&t, "two", None));
    insert(&t, &one).await;
    insert(&t, &two).await;
    let now = after(t.now(), 5);
    assert_eq!(take(&t, "other", now).await, Taken::Unknown);
    let Taken::Fresh(found) = take(&t, "one", now).await else { panic!("not fresh") };
    assert_eq!(*found, FederatedRequest { used: Some(now), ..one });
    assert!(matches!(take(&t, "one", now).await, Taken::Used(_)));
    assert!(matches!(take(&t, "two", after(t.now(), 600)).await, Taken::Late(_)));
    // Those long over are forgotten when the next one begins.
    let later = FederatedRequest {
        created: after(t.now(), 10_000),
        expires: after(t.now(), 10_600),
        purpose: Purpose::Login,
        entity: None,
        ..request(&t, "three", None)
    };
    insert(&t, &later).await;
    assert!(FederatedRequest::find(t.db(), StateHash::of("two")).await.unwrap().is_none());
    assert_eq!(FederatedRequest::find(t.db(), StateHash::of("three")).await.unwrap(), Some(later));
}

async fn one_node_asks_at_a_time_and_one_outcome_counts(t: TestStore) {
    let now = t.now();
    let back = Backchannel {
        binding: "42".to_owned(),
        request: vec![1, 2, 3],
        poll_after: after(now, 5),
        pause: 5,
        person: None,
        failed: None,
    };
    insert(&t, &request(&t, "ring", Some(back))).await;
    let hash = StateHash::of("ring");
    let claim = async |at: Timestamp| {
        t.db()
            .write(async move |tx| FederatedRequest::claim_poll(tx, hash, at, after(at, 5)).await)
            .await
            .unwrap()
    };
    assert!(!claim(after(now, 4)).await, "too early");
    assert!(claim(after(now, 5)).await);
    assert!(!claim(after(now, 5)).await, "claimed a moment ago");
    assert!(claim(after(now, 10)).await);
    t.db().write(async move |tx| FederatedRequest::slow_down(tx, hash, 5).await).await.unwrap();
    let decide = async |outcome: Result<Vec<u8>, &'static str>| {
        t.db().write(async move |tx| FederatedRequest::decide(tx, hash, outcome).await).await.unwrap()
    };
    assert!(decide(Ok(vec![9])).await);
    assert!(!decide(Err("denied")).await, "decided before");
    let found = FederatedRequest::find(t.db(), hash).await.unwrap().unwrap().backchannel.unwrap();
    assert_eq!((found.pause, found.person, found.failed), (10, Some(vec![9]), None));
    assert!(!claim(after(now, 60)).await, "nothing more to ask");
}

async fn logouts_are_taken_once(t: TestStore) {
    let now = t.now();
    let end = after(now, 60);
    t.db()
        .write(async move |tx| keep_logout(tx, StateHash::of("c"), "psc", vec![1], now, end).await)
        .await
        .unwrap();
    let take = async |at: Timestamp| {
        t.db().write(async move |tx| take_logout(tx, StateHash::of("c"), at).await).await.unwrap()
    };
    assert_eq!(take(end).await, None);
    assert_eq!(take(now).await, Some(("psc".to_owned(), vec![1])));
    assert_eq!(take(now).await, None);
}
