//! Troubles, chores and TLS results, on both engines.

use crate::common::{TestStore, count, on_both_engines};
use jiff::SignedDuration;
use sealpost_envelope::EmailAddress;
use sealpost_store::TlsCount;
use sealpost_store::queue::{NewOutbound, OutboundId, Priority};

on_both_engines!(
    a_trouble_is_told_once_and_its_end_too,
    chores_are_remembered,
    sessions_add_up_until_the_report,
    mailboxes_are_read_from_where_they_were_left
);

fn mail(t: &TestStore) -> NewOutbound {
    NewOutbound {
        id: OutboundId::generate(),
        entity: t.entity,
        deposit: None,
        recipient: None,
        priority: Priority::Mail,
        spec: "{}".to_owned(),
        envelope_from: None,
        rcpt: EmailAddress::parse("admin@lilas.example").unwrap(),
        next_at: t.now(),
        created: t.now(),
        hold: None,
    }
}

async fn queued(t: &TestStore) -> i64 {
    count(t, "SELECT COUNT(*) AS n FROM outbound").await
}

async fn a_trouble_is_told_once_and_its_end_too(t: TestStore) {
    let now = t.now();
    let day = SignedDuration::from_hours(24);
    assert!(!t.relief("disk", mail(&t)).await.unwrap(), "nothing is over that never began");
    assert!(t.trouble("disk", now, now - day, mail(&t)).await.unwrap());
    assert!(!t.trouble("disk", now, now - day, mail(&t)).await.unwrap(), "told a moment ago");
    assert!(t.trouble("disk", now + day, now, mail(&t)).await.unwrap(), "told again after a day");
    assert_eq!(t.troubles().await.unwrap(), [("disk".to_owned(), now)]);
    assert!(t.relief("disk", mail(&t)).await.unwrap());
    assert!(!t.relief("disk", mail(&t)).await.unwrap());
    assert!(t.troubles().await.unwrap().is_empty());
    assert_eq!(queued(&t).await, 3);
}

async fn chores_are_remembered(t: TestStore) {
    assert_eq!(t.chore("backup").await.unwrap(), None);
    let later = t.now() + SignedDuration::from_hours(1);
    for at in [t.now(), later] {
        t.chore_done("backup", at).await.unwrap();
        assert_eq!(t.chore("backup").await.unwrap(), Some(at));
    }
}

async fn sessions_add_up_until_the_report(t: TestStore) {
    let of = |day, domain: &str, fault: &str, sessions| TlsCount {
        day,
        domain: domain.to_owned(),
        policy: "{}".to_owned(),
        fault: fault.to_owned(),
        mx: String::new(),
        ip: String::new(),
        sessions,
    };
    t.add_tls(vec![of(5, "b.example", "", 3), of(5, "a.example", "", 1)]).await.unwrap();
    t.add_tls(vec![of(5, "b.example", "", 4), of(5, "b.example", "x", 1), of(6, "b.example", "", 9)])
        .await
        .unwrap();
    assert_eq!(t.tls_due(5, 10).await.unwrap(), []);
    let (a, b) = ((5, "a.example".to_owned()), (5, "b.example".to_owned()));
    assert_eq!(t.tls_due(6, 10).await.unwrap(), [a.clone(), b]);
    assert_eq!(t.tls_due(6, 1).await.unwrap(), [a]);
    let of_b = t.tls_results(5, "b.example", 10).await.unwrap();
    assert_eq!(of_b, [of(5, "b.example", "", 7), of(5, "b.example", "x", 1)]);
    assert_eq!(t.tls_results(5, "b.example", 1).await.unwrap().len(), 1);
    assert!(t.take_tls(5, "a.example", vec![mail(&t)]).await.unwrap());
    // Another node comes too late.
    assert!(!t.take_tls(5, "a.example", vec![mail(&t)]).await.unwrap());
    assert!(t.take_tls(5, "b.example", vec![]).await.unwrap());
    assert_eq!(t.tls_due(7, 10).await.unwrap(), [(6, "b.example".to_owned())]);
    assert_eq!(queued(&t).await, 1);
}

async fn mailboxes_are_read_from_where_they_were_left(t: TestStore) {
    assert_eq!(t.polled("a", 7).await.unwrap(), 0);
    t.set_polled("a", 7, 12).await.unwrap();
    t.set_polled("b", u32::MAX, u32::MAX).await.unwrap();
    assert_eq!(t.polled("a", 7).await.unwrap(), 12);
    assert_eq!(t.polled("b", u32::MAX).await.unwrap(), u32::MAX);
    // Its numbers mean something else: everything is new.
    assert_eq!(t.polled("a", 8).await.unwrap(), 0);
    let (now, later) = (t.now(), t.now() + SignedDuration::from_mins(1));
    t.polling_failed("a", now, "down").await.unwrap();
    t.polling_failed("a", later, "still down").await.unwrap();
    t.polling_failed("c", later, "never up").await.unwrap();
    assert_eq!(t.polled("a", 7).await.unwrap(), 12);
    assert_eq!(t.unread_mailboxes(now).await.unwrap(), []);
    let unread = t.unread_mailboxes(later).await.unwrap();
    let [a] = &unread[..] else { panic!("{unread:?}") };
    assert_eq!((a.name.as_str(), a.since, a.failure.as_str()), ("a", now, "still down"));
    t.polling_works("a").await.unwrap();
    t.polling_works("d").await.unwrap();
    t.set_polled("a", 8, 1).await.unwrap();
    let names = t.unread_mailboxes(later + SignedDuration::from_mins(1)).await.unwrap();
    assert_eq!(names.iter().map(|u| u.name.as_str()).collect::<Vec<_>>(), ["c"]);
}
