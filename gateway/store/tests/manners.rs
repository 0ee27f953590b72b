//! What recipients say at the door, reminders, and telephones: each once.

use crate::common::{TestStore, count, event, new_deposit, on_both_engines};
use jiff::SignedDuration;
use sealpost_envelope::{AccountId, DepositId, Timestamp};
use sealpost_store::access::{
    Judgement, Met, NewEnrolment, NewTiqrSession, account_of_subject, account_subject,
};
use sealpost_store::{Change, ConsignmentState, NewNote, NoteKind, StoreError};

on_both_engines!(
    a_refusal_closes_access_once,
    a_request_is_answered_once,
    reminders_are_sent_once_and_follow_the_end,
    a_phone_is_enrolled_once,
    a_challenge_is_answered_once,
);

async fn deposited(t: &TestStore, remind: &[i64]) -> DepositId {
    let mut new = new_deposit(t.entity, t.now(), &["bob@dupont.example", "carl@dupont.example"]);
    for consignment in &mut new.consignments {
        consignment.remind = remind.to_vec();
    }
    t.deposit(new.clone()).await.unwrap();
    new.id
}

fn note(t: &TestStore, deposit: DepositId, kind: NoteKind) -> NewNote {
    let answer = Some(([7; 32], days(t, 14)));
    let (id, entity, created) = (NewNote::fresh_id(), t.entity, t.now());
    NewNote { id, entity, deposit, recipient: 1, kind, sealed: vec![1], created, answer }
}

fn days(t: &TestStore, n: i64) -> Timestamp {
    t.now() + SignedDuration::from_hours(24 * n)
}

fn change(t: &TestStore, id: DepositId) -> Change {
    Change::events(vec![event(t.entity, t.now(), Some(id))])
}

async fn a_refusal_closes_access_once(t: TestStore) {
    let id = deposited(&t, &[]).await;
    let entries = "SELECT COUNT(*) AS n FROM journal";
    let before = count(&t, entries).await;
    assert!(t.decline(note(&t, id, NoteKind::Declined), change(&t, id)).await.unwrap());
    let mut again = note(&t, id, NoteKind::NotForMe);
    again.answer = None;
    assert!(!t.decline(again.clone(), change(&t, id)).await.unwrap());
    assert_eq!(count(&t, entries).await, before + 1);
    assert_eq!(t.consignment(id, 1).await.unwrap().state(t.now()), ConsignmentState::Declined);
    assert_eq!(t.consignment(id, 2).await.unwrap().declined, None);
    // Sent again, it can be opened again.
    t.add_token(id, 1, 2, [2; 32], Change::default()).await.unwrap();
    assert_eq!(t.consignment(id, 1).await.unwrap().declined, None);
    t.revoke(id, Some(1), Change::default()).await.unwrap();
    assert!(matches!(t.decline(again, Change::default()).await, Err(StoreError::Conflict(_))));
}

async fn a_request_is_answered_once(t: TestStore) {
    let id = deposited(&t, &[]).await;
    let asked = note(&t, id, NoteKind::Extension);
    assert!(t.request(asked.clone(), days(&t, -1), Change::default()).await.unwrap());
    let mut second = note(&t, id, NoteKind::Extension);
    second.answer = Some(([8; 32], days(&t, 14)));
    assert!(!t.request(second, days(&t, -1), Change::default()).await.unwrap(), "one waits");
    let found = t.note_of_token([7; 32]).await.unwrap().unwrap();
    assert_eq!((found.id, found.kind, &found.sealed[..]), (asked.id, NoteKind::Extension, &[1][..]));
    assert!(t.note_of_token([9; 32]).await.unwrap().is_none());
    let until = days(&t, 40);
    let beyond = t.answer_note(&found, "granted", Some(days(&t, 400)), Change::default()).await;
    assert!(matches!(beyond, Err(StoreError::Conflict(_))), "content ends before");
    assert!(t.answer_note(&found, "granted", Some(until), change(&t, id)).await.unwrap());
    assert!(!t.answer_note(&found, "refused", None, change(&t, id)).await.unwrap());
    assert_eq!(t.consignment(id, 1).await.unwrap().verdict.expires, until);
    assert_eq!(t.read_note(asked.id).await.unwrap().answer.as_deref(), Some("granted"));
}

async fn reminders_are_sent_once_and_follow_the_end(t: TestStore) {
    const DAY: i64 = 86_400;
    let id = deposited(&t, &[3 * DAY, -3 * DAY]).await;
    assert!(t.reminders_due(10).await.unwrap().is_empty());
    t.clock.advance(SignedDuration::from_hours(24 * 3 + 1));
    assert_eq!(t.reminders_due(10).await.unwrap(), [(id, 1), (id, 2)]);
    assert!(t.remind(id, 1, Some(change(&t, id))).await.unwrap());
    assert!(!t.remind(id, 1, Some(change(&t, id))).await.unwrap(), "once");
    // Settled without a mail: nobody waits for it.
    assert!(!t.remind(id, 2, None).await.unwrap());
    assert!(t.reminders_due(10).await.unwrap().is_empty());
    t.clock.advance(SignedDuration::from_hours(24 * 25));
    assert_eq!(t.reminders_due(10).await.unwrap().len(), 2);
    // The end moves: so does what counts back from it.
    t.extend(id, Some(1), days(&t, 20), Change::default()).await.unwrap();
    assert_eq!(t.reminders_due(10).await.unwrap(), [(id, 2)]);
    t.mark_opened(id, 2, None, t.now(), |_| Ok(Change::default())).await.unwrap();
    assert!(!t.remind(id, 2, Some(change(&t, id))).await.unwrap(), "read meanwhile");
    t.clock.advance(SignedDuration::from_hours(24 * 18));
    assert!(t.remind(id, 1, Some(change(&t, id))).await.unwrap());
    let counts = (t.consignment(id, 1).await.unwrap(), t.consignment(id, 2).await.unwrap());
    assert_eq!((counts.0.reminders, counts.1.reminders), (2, 0));
}

fn enrolment(t: &TestStore, key: u8, phone: &str) -> NewEnrolment {
    NewEnrolment {
        key: [key; 32],
        browser: [key; 32],
        entity: t.entity,
        subject: "mail:bob@dupont.example".into(),
        name: "Bob".into(),
        phone: phone.into(),
        vouched: "otp-mail".into(),
        sealed: vec![1],
        expires: t.now() + SignedDuration::from_mins(5),
    }
}

async fn enrol(t: &TestStore, key: u8, phone: &str) -> bool {
    t.begin_enrolment(enrolment(t, key, phone)).await.unwrap();
    t.retrieve_enrolment([key; 32], [key + 1; 32], t.now()).await.unwrap().unwrap();
    let finished = t.finish_enrolment([key + 1; 32], t.now(), |_| Ok((vec![9], Vec::new()))).await.unwrap();
    finished.is_some()
}

async fn a_phone_is_enrolled_once(t: TestStore) {
    let subject = "mail:bob@dupont.example";
    assert!(enrol(&t, 1, "first").await);
    assert!(t.retrieve_enrolment([1; 32], [3; 32], t.now()).await.unwrap().is_none(), "fetched once");
    let again = t.finish_enrolment([2; 32], t.now(), |_| Ok((vec![8], Vec::new()))).await.unwrap();
    assert!(again.is_none(), "sent once");
    assert_eq!(t.phone_of(t.entity, subject).await.unwrap().unwrap().id, "first");
    // A second one is begun, and replaces nothing before it is finished; late is too late.
    t.begin_enrolment(enrolment(&t, 10, "late")).await.unwrap();
    t.retrieve_enrolment([10; 32], [11; 32], t.now()).await.unwrap().unwrap();
    t.clock.advance(SignedDuration::from_mins(6));
    assert!(t.finish_enrolment([11; 32], t.now(), |_| Ok((vec![8], Vec::new()))).await.unwrap().is_none());
    assert_eq!(t.phone_of(t.entity, subject).await.unwrap().unwrap().id, "first");
    assert!(enrol(&t, 20, "second").await);
    assert_eq!(t.phone_of(t.entity, subject).await.unwrap().unwrap().id, "second");
    assert!(t.forget_phone(t.entity, subject.into(), Vec::new()).await.unwrap());
    assert!(t.phone_of(t.entity, subject).await.unwrap().is_none());
    // What is under way goes with it, whether or not there is a phone.
    t.begin_enrolment(enrolment(&t, 40, "third")).await.unwrap();
    t.retrieve_enrolment([40; 32], [41; 32], t.now()).await.unwrap().unwrap();
    assert!(!t.forget_phone(t.entity, subject.into(), Vec::new()).await.unwrap());
    assert!(t.finish_enrolment([41; 32], t.now(), |_| Ok((vec![8], Vec::new()))).await.unwrap().is_none());
}

async fn a_challenge_is_answered_once(t: TestStore) {
    assert!(enrol(&t, 1, "phone").await);
    let (now, end) = (t.now(), t.now() + SignedDuration::from_mins(3));
    let begin = |key: u8, subject: &str| NewTiqrSession {
        key: [key; 32],
        browser: [key; 32],
        entity: t.entity,
        subject: Some(subject.to_owned()),
        sealed: vec![1],
        consignment: None,
        expires: end,
    };
    t.begin_tiqr(begin(1, "mail:bob@dupont.example")).await.unwrap();
    t.begin_tiqr(begin(2, "mail:carl@dupont.example")).await.unwrap();
    let right = |_: &_, _: &_| Ok((Judgement::Right, ()));
    let answer = async |key: u8, user: &str| t.answer_tiqr([key; 32], user.to_owned(), now, end, right).await;
    assert!(matches!(answer(3, "phone").await.unwrap(), Met::NoSession));
    assert!(matches!(answer(1, "nobody").await.unwrap(), Met::NoPhone));
    assert!(matches!(answer(2, "phone").await.unwrap(), Met::NoPhone), "somebody else is asked");
    assert!(t.take_tiqr([1; 32], now).await.unwrap().is_none(), "not answered yet");
    let wrong = |_: &_, _: &_| {
        Ok((Judgement::Wrong { failures: 1, blocks: 0, blocked: None, events: Vec::new() }, ()))
    };
    t.answer_tiqr([1; 32], "phone".into(), now, end, wrong).await.unwrap();
    assert_eq!(t.phone_of(t.entity, "mail:bob@dupont.example").await.unwrap().unwrap().failures, 1);
    assert!(matches!(answer(1, "phone").await.unwrap(), Met::Judged(())));
    assert!(matches!(answer(1, "phone").await.unwrap(), Met::NoSession), "a replay");
    assert_eq!(t.phone_of(t.entity, "mail:bob@dupont.example").await.unwrap().unwrap().failures, 0);
    assert_eq!(t.take_tiqr([1; 32], now).await.unwrap().unwrap().id, "phone");
    assert!(t.take_tiqr([1; 32], now).await.unwrap().is_none(), "taken once");
    t.begin_tiqr(begin(5, "mail:bob@dupont.example")).await.unwrap();
    t.end_tiqr([5; 32], now).await.unwrap();
    assert!(matches!(answer(5, "phone").await.unwrap(), Met::NoSession), "ended early");
    // At the login the phone says whose it is: an account's, never a recipient's.
    t.begin_tiqr(NewTiqrSession { subject: None, ..begin(4, "") }).await.unwrap();
    assert!(matches!(answer(4, "phone").await.unwrap(), Met::NoPhone));
    let theirs = NewEnrolment { subject: account_subject(AccountId(7)), ..enrolment(&t, 30, "theirs") };
    t.begin_enrolment(theirs).await.unwrap();
    t.retrieve_enrolment([30; 32], [31; 32], t.now()).await.unwrap().unwrap();
    t.finish_enrolment([31; 32], t.now(), |_| Ok((vec![9], Vec::new()))).await.unwrap().unwrap();
    assert!(matches!(answer(4, "theirs").await.unwrap(), Met::Judged(())));
    let phone = t.take_tiqr([4; 32], now).await.unwrap().unwrap();
    assert_eq!(account_of_subject(&phone.subject), Some(AccountId(7)));
    assert_eq!(account_of_subject("mail:bob@dupont.example"), None);
}
