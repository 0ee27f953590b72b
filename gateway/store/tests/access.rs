//! Links, challenges, sessions and download progress, on both engines.

use crate::common::{TestStore, on_both_engines};
use jiff::SignedDuration;
use sealpost_envelope::{DepositId, GateMethod, Timestamp};
use sealpost_store::access::{
    AnswerOutcome, AskOutcome, AskRule, Challenge, FileMark, Grant, GrantHash, GrantStep, Link, NewChallenge,
    NewLink, Span, TokenHash, completed, insert_links, record, revoke_links, set_verifier, verifier,
};
use std::time::Duration;

on_both_engines!(
    links_are_found_replaced_and_revoked,
    fetches_are_claimed_once_a_minute,
    one_challenge_lives_for_all_browsers,
    simultaneous_tries_never_exceed_the_limit,
    sendings_are_limited_by_the_hour,
    sessions_belong_to_one_consignment,
    spans_join_to_a_whole,
    rates_count_by_window,
    verifiers_are_replaced,
);

fn after(t: Timestamp, seconds: i64) -> Timestamp {
    t + SignedDuration::from_secs(seconds)
}

fn link(t: &TestStore, deposit: DepositId, generation: u32, token: &str) -> NewLink {
    NewLink { hash: TokenHash::of(token), entity: t.entity, deposit, recipient: 1, generation }
}

async fn links_are_found_replaced_and_revoked(t: TestStore) {
    let (deposit, now) = (DepositId::generate(), t.now());
    let first = link(&t, deposit, 1, "first");
    t.db().write(async move |tx| insert_links(tx, &[first], now).await).await.unwrap();
    assert!(Link::find(t.db(), TokenHash::of("other")).await.unwrap().is_none());
    let found = Link::find(t.db(), TokenHash::of("first")).await.unwrap().unwrap();
    assert_eq!((found.deposit, found.recipient, found.generation), (deposit, 1, 1));
    assert!(!found.newer && found.revoked.is_none());

    let second = link(&t, deposit, 2, "second");
    t.db().write(async move |tx| insert_links(tx, &[second], now).await).await.unwrap();
    assert!(Link::find(t.db(), TokenHash::of("first")).await.unwrap().unwrap().newer);
    assert!(!Link::find(t.db(), TokenHash::of("second")).await.unwrap().unwrap().newer);
    // A generation is given once.
    let twice = link(&t, deposit, 2, "third");
    let error = t.db().write(async move |tx| insert_links(tx, &[twice], now).await).await.unwrap_err();
    assert!(error.is_unique_violation());

    let grant = session(&t, deposit, 1, "cookie").await;
    let ended = t.db().write(async move |tx| revoke_links(tx, deposit, 1, now).await).await.unwrap();
    assert_eq!(ended, 2);
    let first = Link::find(t.db(), TokenHash::of("first")).await.unwrap().unwrap();
    assert!(first.revoked.is_some() && !first.newer);
    assert!(Grant::find(t.db(), grant, deposit, 1, now).await.unwrap().is_none(), "its sessions ended too");
}

async fn fetches_are_claimed_once_a_minute(t: TestStore) {
    let (deposit, now) = (DepositId::generate(), t.now());
    let new = link(&t, deposit, 1, "token");
    t.db().write(async move |tx| insert_links(tx, &[new], now).await).await.unwrap();
    let link = Link::find(t.db(), TokenHash::of("token")).await.unwrap().unwrap();
    for (seconds, news) in [(0, true), (1, false), (59, false), (60, true), (60, false), (30, false)] {
        let at = after(now, seconds);
        assert_eq!(link.fetch_is_news(t.db(), at).await.unwrap(), news, "{seconds}");
        assert_eq!(
            t.db().write(async move |tx| link.claim_fetch(tx, at).await).await.unwrap(),
            news,
            "{seconds}"
        );
    }
}

fn challenge(t: &TestStore, deposit: DepositId, now: Timestamp) -> NewChallenge {
    NewChallenge {
        entity: t.entity,
        deposit,
        recipient: 1,
        method: "otp-mail".into(),
        now,
        expires: after(now, 600),
        max_tries: 5,
    }
}

async fn ask(t: &TestStore, deposit: DepositId, now: Timestamp, at_most: u32) -> AskOutcome {
    let new = challenge(t, deposit, now);
    let rule = AskRule { not_since: after(now, -45), counted_since: after(now, -3600), at_most };
    t.db().write(async move |tx| Challenge::ask(tx, &new, rule).await).await.unwrap()
}

async fn answer(t: &TestStore, id: uuid::Uuid, right: bool, now: Timestamp) -> AnswerOutcome {
    t.db().write(async move |tx| Challenge::answer(tx, id, right, now).await).await.unwrap()
}

async fn one_challenge_lives_for_all_browsers(t: TestStore) {
    let (deposit, now) = (DepositId::generate(), t.now());
    let AskOutcome::Send(first) = ask(&t, deposit, now, 6).await else { panic!("not sent") };
    assert!(matches!(ask(&t, deposit, after(now, 10), 6).await, AskOutcome::Wait(c) if c.id == first.id));
    let AskOutcome::Send(again) = ask(&t, deposit, after(now, 50), 6).await else { panic!("not sent again") };
    assert_eq!((again.id, again.expires, again.sent), (first.id, first.expires, Some(after(now, 50))));
    assert_eq!(Challenge::get(t.db(), first.id).await.unwrap().unwrap(), again);

    assert_eq!(answer(&t, first.id, false, after(now, 60)).await, AnswerOutcome::Wrong(4));
    assert_eq!(answer(&t, first.id, true, after(now, 61)).await, AnswerOutcome::Right);
    assert_eq!(answer(&t, first.id, true, after(now, 62)).await, AnswerOutcome::Dead, "good for one login");
    let AskOutcome::Send(next) = ask(&t, deposit, after(now, 120), 6).await else { panic!("no new one") };
    assert_ne!(next.id, first.id);
    assert_eq!(answer(&t, next.id, true, next.expires).await, AnswerOutcome::Dead, "expired");

    let id = next.id;
    t.db().write(async move |tx| Challenge::note_reply(tx, id, "550 no such user").await).await.unwrap();
    let latest = Challenge::latest(t.db(), deposit, 1, "otp-mail").await.unwrap().unwrap();
    assert_eq!((latest.id, latest.reply.as_deref()), (id, Some("550 no such user")));
    assert!(Challenge::latest(t.db(), deposit, 2, "otp-mail").await.unwrap().is_none());
}

async fn simultaneous_tries_never_exceed_the_limit(t: TestStore) {
    let (deposit, now) = (DepositId::generate(), t.now());
    let AskOutcome::Send(c) = ask(&t, deposit, now, 6).await else { panic!("not sent") };
    let tries = (0..40).map(|_| answer(&t, c.id, false, now));
    let outcomes = futures_util::future::join_all(tries).await;
    let mut left: Vec<u32> = outcomes
        .iter()
        .filter_map(|o| if let AnswerOutcome::Wrong(n) = o { Some(*n) } else { None })
        .collect();
    left.sort_unstable();
    assert_eq!(left, [0, 1, 2, 3, 4]);
    assert_eq!(answer(&t, c.id, true, now).await, AnswerOutcome::Dead);
}

async fn sendings_are_limited_by_the_hour(t: TestStore) {
    let (deposit, now) = (DepositId::generate(), t.now());
    for minute in 0..3 {
        assert!(matches!(ask(&t, deposit, after(now, minute * 60), 3).await, AskOutcome::Send(_)));
    }
    let AskOutcome::Limited(free, Some(_)) = ask(&t, deposit, after(now, 240), 3).await else {
        panic!("no limit")
    };
    assert_eq!(free, after(now, 3600), "when the oldest sending is an hour old");
    let late = ask(&t, deposit, after(now, 700), 3).await;
    assert!(matches!(late, AskOutcome::Limited(_, None)), "the code has expired meanwhile: {late:?}");
    assert!(matches!(ask(&t, deposit, after(now, 3601), 3).await, AskOutcome::Send(_)));
    assert!(matches!(ask(&t, DepositId::generate(), now, 3).await, AskOutcome::Send(_)), "others are free");
}

async fn session(t: &TestStore, deposit: DepositId, recipient: u32, cookie: &str) -> GrantHash {
    let hash = GrantHash::of(cookie);
    let step = GrantStep {
        hash,
        former: None,
        entity: t.entity,
        deposit,
        recipient,
        passed: vec![GateMethod::Password],
        facts: "[]".to_owned(),
        now: t.now(),
        expires: after(t.now(), 7200),
    };
    t.db().write(async move |tx| Grant::advance(tx, &step).await).await.unwrap();
    hash
}

async fn sessions_belong_to_one_consignment(t: TestStore) {
    let (deposit, now) = (DepositId::generate(), t.now());
    let hash = session(&t, deposit, 1, "half").await;
    assert!(Grant::find(t.db(), hash, deposit, 2, now).await.unwrap().is_none());
    assert!(Grant::find(t.db(), hash, DepositId::generate(), 1, now).await.unwrap().is_none());
    let half = Grant::find(t.db(), hash, deposit, 1, now).await.unwrap().unwrap();
    assert_eq!(half.passed, [GateMethod::Password]);

    let whole = GrantHash::of("whole");
    let step = GrantStep {
        hash: whole,
        former: Some(hash),
        entity: t.entity,
        deposit,
        recipient: 1,
        passed: vec![GateMethod::Password, GateMethod::Oidc("psc".into())],
        facts: r#"[{"level":"high"}]"#.to_owned(),
        now,
        expires: after(now, 7200),
    };
    t.db().write(async move |tx| Grant::advance(tx, &step).await).await.unwrap();
    assert!(Grant::find(t.db(), hash, deposit, 1, now).await.unwrap().is_none(), "the cookie has changed");
    let open = async move |tx: &mut sealpost_store::Tx| Grant::open(tx, whole, now).await;
    assert!(t.db().write(open).await.unwrap().first_in_session);
    assert!(!t.db().write(open).await.unwrap().first_in_session);
    let found = Grant::find(t.db(), whole, deposit, 1, now).await.unwrap().unwrap();
    assert_eq!((found.opened, found.passed.len()), (Some(now), 2));
    assert!(Grant::find(t.db(), whole, deposit, 1, found.expires).await.unwrap().is_none());
    Grant::close(t.db(), whole, now).await.unwrap();
    assert!(Grant::find(t.db(), whole, deposit, 1, now).await.unwrap().is_none());
    assert!(t.db().write(open).await.is_err());
}

async fn spans_join_to_a_whole(t: TestStore) {
    let (deposit, now) = (DepositId::generate(), t.now());
    let hash = session(&t, deposit, 1, "cookie").await;
    let grant = Grant::find(t.db(), hash, deposit, 1, now).await.unwrap().unwrap();
    let send = async |part: u32, size: u64, first: u64, past: u64, look: bool| {
        let grant = grant.clone();
        t.db()
            .write(async move |tx| record(tx, &grant, (part, size), Span { first, past }, look, now).await)
            .await
            .unwrap()
    };
    use FileMark::{Completed, Nothing, Tracked};
    for (first, past, expected) in [
        (50, 60, Tracked),
        (0, 10, Nothing),
        (20, 40, Nothing),
        (9, 21, Nothing),
        (60, 100, Nothing),
        (35, 50, Completed),
        (0, 100, Nothing),
    ] {
        assert_eq!(send(1, 100, first, past, false).await, expected, "{first}..{past}");
    }
    // A look is no hand-over, however much of it was sent; an empty file is handed over by asking.
    assert_eq!(send(2, 10, 0, 10, true).await, Tracked);
    assert_eq!(send(2, 10, 0, 10, true).await, Nothing);
    assert_eq!(send(2, 10, 0, 10, false).await, Completed);
    assert_eq!(send(3, 0, 0, 0, false).await, Completed);
    // Another session counts for itself.
    let other = session(&t, deposit, 1, "other").await;
    assert_eq!(completed(t.db(), hash).await.unwrap(), [1, 2, 3]);
    assert!(completed(t.db(), other).await.unwrap().is_empty());
}

async fn rates_count_by_window(t: TestStore) {
    let (now, hour) = (t.now(), Duration::from_secs(3600));
    for expected in [true, true, false] {
        assert_eq!(t.db().rate_allows([1; 32], hour, 2, now).await.unwrap(), expected);
    }
    assert!(t.db().rate_allows([2; 32], hour, 2, now).await.unwrap());
    assert_eq!(t.db().rate_count([1; 32], hour, now).await.unwrap(), 3);
    assert_eq!(t.db().rate_count([1; 32], hour, after(now, 3600)).await.unwrap(), 0);
    assert!(t.db().rate_counted_since([1; 32], after(now, -7200)).await.unwrap());
    assert!(!t.db().rate_counted_since([1; 32], after(now, 3600)).await.unwrap());
    assert!(!t.db().rate_counted_since([3; 32], after(now, -7200)).await.unwrap());
    assert!(t.db().rate_allows([1; 32], hour, 2, after(now, 3600)).await.unwrap());
}

async fn verifiers_are_replaced(t: TestStore) {
    let (deposit, entity) = (DepositId::generate(), t.entity);
    assert_eq!(verifier(t.db(), deposit, 1, &GateMethod::Password).await.unwrap(), None);
    for text in ["$argon2id$one", "$argon2id$two"] {
        let keep = async move |tx: &mut sealpost_store::Tx| {
            set_verifier(tx, entity, (deposit, 1), &GateMethod::Password, text).await
        };
        t.db().write(keep).await.unwrap();
        assert_eq!(verifier(t.db(), deposit, 1, &GateMethod::Password).await.unwrap().as_deref(), Some(text));
    }
}
