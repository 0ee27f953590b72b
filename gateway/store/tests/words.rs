//! Searching the journal: by words of content, names and events, in pages, and what ends with what it speaks of.

use crate::common::{TestStore, address, count, event, issuer, new_deposit, on_both_engines};
use jiff::SignedDuration;
use sealpost_envelope::{AccountId, DepositId};
use sealpost_evidence::{Actor, Event, EventName, render};
use sealpost_store::account::{Accounts, NewAccount, Role};
use sealpost_store::{DepositRow, Fence, FollowJournal, JournalEntry, Sight, Term, args, words};

on_both_engines!(
    words_are_found,
    pages_go_on_where_they_ended,
    senders_find_their_own,
    words_follow_the_key_and_end_with_it,
    pruned_entries_lose_their_words,
    plans_use_indexes,
);

fn asked(t: &TestStore, q: &str) -> FollowJournal {
    let words = words(q).map(|word| Term { word, events: Vec::new() }).collect();
    FollowJournal { words, ..all(Sight::Entity(t.entity)) }
}

fn all(sight: Sight) -> FollowJournal {
    FollowJournal {
        sight,
        words: Vec::new(),
        events: Vec::new(),
        deposit: None,
        address: None,
        since: None,
        until: None,
        after: None,
        limit: 50,
    }
}

/// A deposit under a real key; its subject stands in `message_id`, where the tests' `said` reads it.
async fn deposited(t: &TestStore, subject: &str, to: &[&str]) -> DepositId {
    deposited_for(t, None, subject, to).await
}

async fn deposited_for(t: &TestStore, by: Option<AccountId>, subject: &str, to: &[&str]) -> DepositId {
    let mut new = new_deposit(t.entity, t.now(), to);
    let (_, wrapped, week) = t.keys().new_deposit_key(new.consignments[0].verdict.retention).unwrap();
    (new.wrapped_key, new.key_week, new.account) = (wrapped.bytes, week, by);
    new.message_id = Some(subject.into());
    if by.is_some() {
        new.sender = address("someone@martin.example");
    }
    let id = new.id;
    t.deposit(new).await.unwrap();
    t.clock.advance(SignedDuration::from_secs(1));
    id
}

fn said(row: &DepositRow) -> Vec<String> {
    row.message_id.clone().into_iter().collect()
}

async fn enter(t: &TestStore) {
    while t.sequence_batch(Fence(1)).await.unwrap().more {}
    while t.tidy_words(said).await.unwrap() {}
    while t.enter_words(said).await.unwrap().entries > 0 {}
    assert_eq!(t.words_entered().await.unwrap(), t.log_head().await.unwrap().size);
}

async fn found(t: &TestStore, filter: &FollowJournal) -> Vec<DepositId> {
    let mut found: Vec<_> =
        t.follow_journal(filter).await.unwrap().iter().filter_map(|e| e.deposit).collect();
    found.dedup();
    found
}

async fn words_are_found(t: TestStore) {
    let one = deposited(&t, "Compte rendu d’opération Müller", &["bob@dupont.example"]).await;
    let other = deposited(&t, "Facture 2026-117", &["zoe.martin@dupont.example", "bob@dupont.example"]).await;
    let actor = Actor::Operator { user: Some("hildegarde".into()) };
    let login = Event::new(EventName::AccountChanged, t.entity, t.now()).actor(actor);
    t.record(vec![render(&issuer(t.entity), login, None).unwrap()]).await.unwrap();
    assert!(found(&t, &asked(&t, "facture")).await.is_empty(), "nothing is entered yet");
    enter(&t).await;
    for (q, expected) in [
        ("operation", &[one][..]),
        ("OPÉRATION muller", &[one]),
        ("opération facture", &[]),
        ("117", &[other]),
        ("bob", &[other, one]),
        ("bob 2026", &[other]),
        ("zoe", &[other]),
        ("dupont example bob", &[other, one]),
        ("alice martin", &[other, one]),
        ("operatio", &[]),
        ("absent", &[]),
    ] {
        assert_eq!(found(&t, &asked(&t, q)).await, expected, "{q}");
    }
    let entries = t.follow_journal(&asked(&t, "hildegarde")).await.unwrap();
    assert_eq!(entries.iter().map(|e| e.event).collect::<Vec<_>>(), [EventName::AccountChanged]);
    let reference = t.references(&[one]).await.unwrap()[&one].to_string();
    assert_eq!(found(&t, &asked(&t, &reference)).await, [one]);
    // A word may name an event as well.
    let mut accepted = asked(&t, "accepted bob");
    accepted.words[0].events = vec![EventName::SubmissionAcceptance];
    assert_eq!(found(&t, &accepted).await, [other, one]);
    let dated =
        FollowJournal { since: Some(t.read_deposit(other).await.unwrap().row.created), ..asked(&t, "bob") };
    assert_eq!(found(&t, &dated).await, [other]);
    let dated = FollowJournal { until: dated.since, since: None, ..dated };
    assert_eq!(found(&t, &dated).await, [one]);
    // Another organisation has other numbers, and sees nothing.
    let durand = t.ensure_entity("Étude Durand", None).await.unwrap();
    assert!(found(&t, &FollowJournal { sight: Sight::Entity(durand), ..asked(&t, "bob") }).await.is_empty());
    // All at once again gives the same.
    t.forget_all_words().await.unwrap();
    assert!(found(&t, &asked(&t, "bob")).await.is_empty());
    enter(&t).await;
    assert_eq!(found(&t, &asked(&t, "bob muller")).await, [one]);
}

/// Against the list of all entries, over more than a block of them.
async fn pages_go_on_where_they_ended(t: TestStore) {
    let id = deposited(&t, "Bilan", &["bob@dupont.example"]).await;
    for n in 0..1300 {
        let about = (n % 3 == 0 || n > 1250).then_some(id);
        t.record(vec![event(t.entity, t.now(), about)]).await.unwrap();
        if n % 100 == 0 {
            t.clock.advance(SignedDuration::from_secs(1));
        }
        if n % 700 == 0 {
            enter(&t).await;
        }
    }
    enter(&t).await;
    let whole = pages(&t, all(Sight::Entity(t.entity)), 400).await;
    let about: Vec<_> = whole.into_iter().filter(|e| e.deposit == Some(id)).collect();
    assert!(about.len() > 450);
    assert_eq!(pages(&t, asked(&t, "bilan bob"), 37).await, about);
    // By event: what has been entered, what has a place only, and what has none.
    for placed in [false, true] {
        t.record(vec![event(t.entity, t.now(), Some(id))]).await.unwrap();
        if !placed {
            while t.sequence_batch(Fence(1)).await.unwrap().more {}
        }
    }
    let mut whole = pages(&t, all(Sight::Entity(t.entity)), 400).await;
    whole.retain(|e| e.event == EventName::PolicyLoaded);
    assert!(whole.len() > 1300);
    let loaded = FollowJournal { events: vec![EventName::PolicyLoaded], ..all(Sight::Entity(t.entity)) };
    assert_eq!(pages(&t, loaded, 250).await, whole);
}

async fn pages(t: &TestStore, mut filter: FollowJournal, limit: u32) -> Vec<JournalEntry> {
    filter.limit = limit;
    let mut read = Vec::new();
    loop {
        let page = t.follow_journal(&filter).await.unwrap();
        assert!(page.len() <= limit as usize);
        let Some(last) = page.last() else { return read };
        filter.after = Some((last.time, last.id));
        read.extend(page);
    }
}

async fn senders_find_their_own(t: TestStore) {
    let accounts = Accounts::new(&t).unwrap();
    let mut people = Vec::new();
    for login in ["alice@martin.example", "paul@martin.example"] {
        let new = NewAccount {
            entity: t.entity,
            login: address(login),
            role: Role::Sender,
            name: login.into(),
            password: None,
        };
        people.push(accounts.create(new, vec![]).await.unwrap().id);
    }
    // In Alice's name, by a server; by Paul, in another's.
    let named = deposited(&t, "Bilan", &["bob@dupont.example"]).await;
    let by = deposited_for(&t, Some(people[1]), "Bilan", &["bob@dupont.example"]).await;
    for entered in [false, true] {
        if entered {
            enter(&t).await;
            for (who, expected) in [(people[0], named), (people[1], by)] {
                let sight = Sight::Own(t.entity, who);
                assert_eq!(found(&t, &FollowJournal { sight, ..asked(&t, "bilan") }).await, [expected]);
            }
        }
        for (who, expected) in [(people[0], named), (people[1], by)] {
            assert_eq!(found(&t, &all(Sight::Own(t.entity, who))).await, [expected], "entered: {entered}");
        }
    }
}

async fn words_follow_the_key_and_end_with_it(t: TestStore) {
    let id = deposited(&t, "Secret", &["bob@dupont.example"]).await;
    enter(&t).await;
    let week = t.read_deposit(id).await.unwrap().row.key_week;
    let retention = t.consignments(id).await.unwrap()[0].verdict.retention;
    let content = "SELECT COUNT(*) AS n FROM journal_words WHERE word >= 281474976710656";
    let lasting = "SELECT COUNT(*) AS n FROM journal_words WHERE word < 281474976710656";
    let (before, kept) = (count(&t, content).await, count(&t, lasting).await);
    assert_eq!(before, 1);
    // Kept longer: under both keys now, and only under the later one once the earlier is destroyed.
    let later = retention.saturating_add(SignedDuration::from_hours(21 * 24)).unwrap();
    assert!(t.move_key(id, later).await.unwrap());
    enter(&t).await;
    assert_eq!(count(&t, content).await, 2);
    t.clock.advance(SignedDuration::from_hours(98 * 24));
    assert!(t.forget_week(&week, t.now()).await.unwrap());
    assert_eq!(count(&t, content).await, 1);
    assert_eq!(found(&t, &asked(&t, "secret")).await, [id]);
    // Destroyed: the word is gone, the address is found.
    let week = t.read_deposit(id).await.unwrap().row.key_week;
    t.clock.advance(SignedDuration::from_hours(21 * 24));
    assert!(t.destroy_content(id, vec![]).await.unwrap());
    assert!(t.forget_week(&week, t.now()).await.unwrap());
    assert_eq!((count(&t, content).await, count(&t, lasting).await), (0, kept));
    assert!(found(&t, &asked(&t, "secret")).await.is_empty());
    assert_eq!(found(&t, &asked(&t, "bob")).await, [id]);
    t.forget_all_words().await.unwrap();
    enter(&t).await;
    assert!(found(&t, &asked(&t, "secret")).await.is_empty());
}

async fn pruned_entries_lose_their_words(t: TestStore) {
    let id = deposited(&t, "Ancien", &["bob@dupont.example"]).await;
    t.clock.advance(SignedDuration::from_secs(60));
    let fresh = deposited(&t, "Nouveau", &["bob@dupont.example"]).await;
    enter(&t).await;
    let before = t.read_deposit(fresh).await.unwrap().row.created;
    let entity = t.entity;
    let due = t.prune(entity, before, move |_| Ok(event(entity, before, None))).await.unwrap();
    assert_eq!(due.entries, 0, "its content lives");
    assert!(t.destroy_content(id, vec![]).await.unwrap());
    let due = t.prune(entity, before, move |_| Ok(event(entity, before, None))).await.unwrap();
    assert!(due.entries > 0);
    assert!(t.words_untidy().await.unwrap());
    let lasting = "SELECT COUNT(*) AS n FROM journal_words WHERE word < 281474976710656";
    let all = count(&t, lasting).await;
    enter(&t).await;
    assert!(!t.words_untidy().await.unwrap());
    assert!(count(&t, lasting).await <= all);
    assert_eq!(found(&t, &asked(&t, "bob")).await, [fresh]);
}

/// However many entries there are, no statement of a page looks at all of them.
async fn plans_use_indexes(t: TestStore) {
    if t.db().engine() != sealpost_store::Engine::Sqlite {
        return;
    }
    for (sql, index) in [
        (
            "SELECT block, places FROM journal_words WHERE word IN (1, 2) AND block BETWEEN 3 AND 4",
            "PRIMARY KEY",
        ),
        (
            "SELECT id FROM journal WHERE entity + 0 = 1 AND idx IN (1, 2, 3) ORDER BY idx DESC LIMIT 50",
            "journal_index",
        ),
        (
            "SELECT id FROM journal WHERE entity + 0 = 1 AND idx >= 1 AND idx < 9 ORDER BY idx DESC LIMIT 50",
            "journal_index",
        ),
        (
            "SELECT id FROM journal WHERE entity + 0 = 1 AND idx IS NULL ORDER BY time DESC, id DESC LIMIT 50",
            "journal_pending",
        ),
        (
            "SELECT idx FROM journal WHERE entity = 1 AND time >= 5 AND idx IS NOT NULL ORDER BY time LIMIT 1",
            "journal_time",
        ),
        (
            "SELECT id FROM deposits d WHERE d.entity + 0 = 1 AND d.id IN (SELECT c.deposit FROM consignments c \
             WHERE c.entity = 1 AND c.address_key = 'x') ORDER BY d.created DESC, d.id DESC LIMIT 50",
            "consignments_address",
        ),
    ] {
        let rows = t.db().fetch_all(sqlx_text(sql), args![]).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|r| r.text("detail").unwrap()).collect();
        assert!(plan.iter().any(|step| step.contains(index)), "{sql}: {plan:?}");
        // A partial index holds nothing but what is wanted.
        let whole = |step: &String| step.starts_with("SCAN ") && !step.contains("journal_pending");
        assert!(!plan.iter().any(whole), "{sql}: {plan:?}");
    }
}

fn sqlx_text(sql: &str) -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"))
}
