//! People who receive, their tokens, texts on their way, efforts spent: on both engines.

use crate::common::{TestStore, on_both_engines};
use jiff::SignedDuration;
use sealpost_envelope::{DepositId, EmailAddress, GateMethod, Language, Secret, Timestamp};
use sealpost_store::person::{
    NewSms, NewToken, Person, Sms, SmsOwner, SmsState, Token, TokenError, TokenKind, Tokens, spend_work,
};
use uuid::Uuid;

on_both_engines!(
    numbers_are_learned_and_refused,
    a_counter_is_spent_once,
    tokens_are_given_and_taken_back,
    a_text_is_claimed_by_one,
    an_effort_counts_once,
);

fn bob() -> EmailAddress {
    EmailAddress::parse("Bob@example.test").unwrap()
}

fn after(t: Timestamp, seconds: i64) -> Timestamp {
    t + SignedDuration::from_secs(seconds)
}

async fn learn(t: &TestStore, phone: &'static str) {
    let (entity, now) = (t.entity, t.now());
    let from = ("alice@lilas.example", now);
    t.db()
        .write(async move |tx| Person::learn_phone(tx, entity, &bob(), (phone, from.0), from.1).await)
        .await
        .unwrap();
}

async fn person(t: &TestStore) -> Option<Person> {
    Person::find(t.db(), t.entity, &EmailAddress::parse("bob@EXAMPLE.test").unwrap()).await.unwrap()
}

async fn numbers_are_learned_and_refused(t: TestStore) {
    assert!(person(&t).await.is_none());
    learn(&t, "+33611111111").await;
    assert_eq!(person(&t).await.unwrap().usable_phone(), Some("+33611111111"));
    let (entity, now) = (t.entity, t.now());
    t.db()
        .write(async move |tx| Person::refuse_phone(tx, entity, &bob(), "+33611111111", now).await)
        .await
        .unwrap();
    assert_eq!(person(&t).await.unwrap().usable_phone(), None);
    learn(&t, "+33611111111").await;
    assert_eq!(person(&t).await.unwrap().usable_phone(), None, "the same number stays refused");
    learn(&t, "+33622222222").await;
    let known = person(&t).await.unwrap();
    assert_eq!(known.usable_phone(), Some("+33622222222"));
    assert_eq!(known.phone_source.as_deref(), Some("alice@lilas.example"));
    let full = Person {
        name: Some("Bob".into()),
        identity: Some("rpps:10001234567".into()),
        language: Some(Language::En),
        shared: true,
        ..known
    };
    let written = full.clone();
    t.db().write(async move |tx| written.write(tx).await).await.unwrap();
    assert_eq!(person(&t).await.unwrap(), full);
    assert_eq!(Person::list(t.db(), t.entity, "", "", 10).await.unwrap(), std::slice::from_ref(&full));
    assert_eq!(Person::list(t.db(), t.entity, "BOB@", "", 10).await.unwrap(), [full]);
    for (part, after) in [("%", ""), ("carl", ""), ("", "bob@example.test")] {
        assert!(
            Person::list(t.db(), t.entity, part, after, 10).await.unwrap().is_empty(),
            "{part:?} {after:?}"
        );
    }
    let elsewhere = sealpost_envelope::EntityId(t.entity.0 + 1);
    assert!(Person::find(t.db(), elsewhere, &bob()).await.unwrap().is_none(), "organisations do not share");
}

fn token(t: &TestStore, serial: &str, kind: TokenKind) -> NewToken {
    NewToken {
        entity: t.entity,
        kind,
        serial: Some(serial.to_owned()),
        label: "Maker".to_owned(),
        algorithm: "SHA1".to_owned(),
        digits: 6,
        period: 30,
        secret: Secret::new(b"12345678901234567890".to_vec()),
        counter: 3,
        owner: Some(bob()),
    }
}

async fn spend(t: &TestStore, id: Uuid, counter: u64) -> bool {
    let now = t.now();
    t.db().write(async move |tx| Token::spend(tx, id, counter, 0, now).await).await.unwrap()
}

async fn a_counter_is_spent_once(t: TestStore) {
    let tokens = Tokens::new(&t.store).unwrap();
    let id = tokens.add(&token(&t, "1", TokenKind::Hotp), Vec::new(), t.now()).await.unwrap();
    assert!(!spend(&t, id, 2).await, "behind");
    let both = tokio::join!(spend(&t, id, 5), spend(&t, id, 5));
    assert!(both.0 != both.1, "of two at once one wins");
    assert!(!spend(&t, id, 5).await && !spend(&t, id, 4).await);
    assert!(spend(&t, id, 6).await);
    let kept = tokens.find(t.entity, "1").await.unwrap();
    assert_eq!((kept.counter, kept.confirmed.is_some()), (7, true));
    assert_eq!(tokens.secret(&kept).unwrap().expose(), b"12345678901234567890");
    assert!(!tokens.resynchronise(id, 6, 0, Vec::new()).await.unwrap(), "never backwards");
    assert!(tokens.resynchronise(id, 60, 2, Vec::new()).await.unwrap());
    assert_eq!(tokens.find(t.entity, "1").await.unwrap().counter, 60);
}

async fn tokens_are_given_and_taken_back(t: TestStore) {
    let tokens = Tokens::new(&t.store).unwrap();
    let new = token(&t, "1", TokenKind::Totp);
    let id = tokens.add(&new, Vec::new(), t.now()).await.unwrap();
    let twice = tokens.add(&new, Vec::new(), t.now()).await;
    assert!(matches!(twice, Err(TokenError::Known(serial)) if serial == "1"));
    assert_eq!(tokens.enrolled(t.entity, &bob()).await.unwrap(), [GateMethod::Totp]);
    assert_eq!(tokens.of(t.entity, &bob(), TokenKind::Totp).await.unwrap().len(), 1);
    assert!(tokens.of(t.entity, &bob(), TokenKind::Hotp).await.unwrap().is_empty());
    tokens.assign(id, None, Vec::new()).await.unwrap();
    assert!(tokens.enrolled(t.entity, &bob()).await.unwrap().is_empty());
    assert_eq!(tokens.list(t.entity, 10).await.unwrap().len(), 1);
    tokens.remove(id, Vec::new()).await.unwrap();
    assert!(matches!(tokens.find(t.entity, "1").await, Err(TokenError::Unknown(_))));
}

async fn a_text_is_claimed_by_one(t: TestStore) {
    let now = t.now();
    let new = NewSms {
        entity: t.entity,
        challenge: Uuid::new_v4(),
        owner: SmsOwner::Consignment(DepositId::generate(), 1),
        phone: "+33612345678".into(),
        language: Language::Fr,
        now,
        expires: after(now, 300),
    };
    let queued = new.clone();
    let id = t.db().write(async move |tx| Sms::insert(tx, &queued).await).await.unwrap();
    let claim = || Sms::claim(t.db(), now, after(now, 60));
    let (a, b) = tokio::join!(claim(), claim());
    let claimed: Vec<Sms> = [a.unwrap(), b.unwrap()].into_iter().flatten().collect();
    assert_eq!((claimed.len(), &claimed[0].new, claimed[0].attempts), (1, &new, 1));
    // Whoever claimed it may have died: it is due again afterwards.
    let again = Sms::claim(t.db(), after(now, 61), after(now, 120)).await.unwrap().unwrap();
    assert_eq!((again.id, again.attempts), (id, 2));
    let settle = async |state, provider: Option<&'static str>| {
        t.db()
            .write(async move |tx| Sms::settle(tx, id, state, (provider, "said"), now).await)
            .await
            .unwrap();
        Sms::get(t.db(), id).await.unwrap().unwrap()
    };
    assert_eq!(settle(SmsState::Sent, Some("m-1")).await.provider_id.as_deref(), Some("m-1"));
    assert_eq!(settle(SmsState::Delivered, None).await.state, SmsState::Delivered);
    assert_eq!(settle(SmsState::Failed, None).await.state, SmsState::Delivered, "a final word stays");
    assert!(Sms::claim(t.db(), after(now, 200), after(now, 260)).await.unwrap().is_none());
    // It names a telephone number: once over, it is forgotten.
    assert_eq!(sealpost_store::access::sweep(t.db(), after(now, 299)).await.unwrap(), 0);
    assert_eq!(sealpost_store::access::sweep(t.db(), after(now, 301)).await.unwrap(), 1);
    assert!(Sms::get(t.db(), id).await.unwrap().is_none());
}

async fn an_effort_counts_once(t: TestStore) {
    let (now, end) = (t.now(), after(t.now(), 60));
    assert!(spend_work(t.db(), [1; 32], end, now).await.unwrap());
    assert!(!spend_work(t.db(), [1; 32], end, now).await.unwrap());
    assert!(spend_work(t.db(), [2; 32], end, now).await.unwrap());
}
