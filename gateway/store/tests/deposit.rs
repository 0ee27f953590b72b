//! Deposits: whole or not at all, once, and read back as written.

use crate::common::{TestStore, address, consignment, count, new_deposit, on_both_engines, part};
use futures_util::TryStreamExt;
use sealpost_envelope::{AccountId, BlobId, DepositId, Gate, Language, Submitter, Treatment};
use sealpost_store::{
    Change, ConsignmentState, DepositError, DepositFilter, Deposited, HoldAnswer, StoreError, StoredBody,
};

on_both_engines!(
    everything_comes_back,
    a_resubmission_answers_the_first_id,
    a_taken_reference_is_told,
    a_refused_deposit_leaves_nothing,
    a_hold_keeps_the_mail,
    an_answered_hold_ends_once,
    deposits_are_found_and_listed,
    entities_are_made_once,
    concurrent_deposits_are_all_there,
);

async fn everything_comes_back(t: TestStore) {
    let mut new = new_deposit(t.entity, t.now(), &["bob@dupont.example", "chloé@été.example"]);
    new.account = Some(AccountId(7));
    new.submitter = Submitter::Account { id: AccountId(7), login: address("alice@martin.example") };
    let blob = BlobId::generate();
    new.parts.push(part(2, StoredBody::Blob(blob)));
    let second = &mut new.consignments[1];
    second.language = Language::En;
    second.token_hash = None;
    second.verdict.treatment = Treatment::Seal;
    second.verdict.gate = Gate::parse(&["cps", "password+otp-sms"]).unwrap();
    second.verdict.phone = Some("+33612345678".into());
    assert_eq!(t.deposit(new.clone()).await.unwrap(), Deposited::New);

    let found = t.read_deposit(new.id).await.unwrap();
    let row = &found.row;
    assert_eq!((row.id, row.entity, row.account), (new.id, t.entity, Some(AccountId(7))));
    assert_eq!((&row.submitter, &row.sender, &row.reference), (&new.submitter, &new.sender, &new.reference));
    assert_eq!((&row.message_id, row.created, row.size), (&new.message_id, new.created, new.size));
    assert_eq!((row.digests, row.key_week.as_str()), (new.digests, "2026-W50"));
    assert_eq!((row.wrapped_key.as_ref(), &row.meta), (Some(&new.wrapped_key), &new.meta));
    assert_eq!(found.skeleton.as_ref(), Some(&new.skeleton));

    let parts = t.parts(new.id).await.unwrap();
    assert_eq!(parts.len(), 2);
    for (row, part) in parts.iter().zip(&new.parts) {
        assert_eq!((row.n, &row.role, row.size), (part.n, &part.role, part.size));
        assert_eq!((row.digests, &row.meta), (part.digests, &part.meta));
        assert_eq!(t.part_body(new.id, part.n).await.unwrap().as_ref(), Some(&part.body));
    }
    assert!(matches!(t.part_body(new.id, 3).await, Err(StoreError::NotFound("part"))));

    let consignments = t.consignments(new.id).await.unwrap();
    for (row, c) in consignments.iter().zip(&new.consignments) {
        assert_eq!(
            (row.n, &row.address, row.language, &row.verdict),
            (c.n, &c.address, c.language, &c.verdict)
        );
        assert_eq!((row.generation, row.sendings), (u32::from(c.token_hash.is_some()), 0));
        assert_eq!(row.state(t.now()), ConsignmentState::Queued);
        assert_eq!(&t.consignment(new.id, c.n).await.unwrap(), row);
    }
    assert_eq!(count(&t, "SELECT COUNT(*) AS n FROM tokens").await, 1);
    assert_eq!(count(&t, "SELECT COUNT(*) AS n FROM outbound WHERE state = 'compose'").await, 2);
    let entries = t.entries_of_deposit(new.id).await.unwrap();
    let written: Vec<_> = entries.iter().map(|e| e.bytes.clone().unwrap()).collect();
    assert!(new.events.iter().all(|e| written.contains(&e.bytes)) && written.len() == new.events.len());

    let facts = t.facts(row, |_| Ok(None)).await.unwrap();
    assert_eq!((facts.id, facts.size, facts.recipients.len()), (new.id, new.size, 2));
    assert!(matches!(t.read_deposit(DepositId::generate()).await, Err(StoreError::NotFound("deposit"))));
}

/// Rows of everything that a deposit writes.
async fn rows(t: &TestStore) -> i64 {
    count(
        t,
        "SELECT (SELECT COUNT(*) FROM deposits) + (SELECT COUNT(*) FROM parts) + (SELECT COUNT(*) FROM consignments) \
         + (SELECT COUNT(*) FROM tokens) + (SELECT COUNT(*) FROM outbound) + (SELECT COUNT(*) FROM journal) \
         + (SELECT COUNT(*) FROM evidence) + (SELECT COUNT(*) FROM evidence_waiting) AS n",
    )
    .await
}

async fn a_resubmission_answers_the_first_id(t: TestStore) {
    let first = new_deposit(t.entity, t.now(), &["bob@dupont.example"]);
    t.deposit(first.clone()).await.unwrap();
    let before = rows(&t).await;
    let mut again = new_deposit(t.entity, t.now(), &["bob@dupont.example"]);
    again.idempotency = first.idempotency;
    assert_eq!(t.deposit(again.clone()).await.unwrap(), Deposited::Repeated(first.id));
    assert_eq!(rows(&t).await, before);
    // Two at once: one of them is first.
    let mut twin = new_deposit(t.entity, t.now(), &["bob@dupont.example"]);
    again.idempotency.0[0] ^= 1;
    twin.idempotency = again.idempotency;
    let (a, b) = (again.id, twin.id);
    match tokio::join!(t.deposit(again), t.deposit(twin)) {
        (Ok(Deposited::New), Ok(Deposited::Repeated(id))) => assert_eq!(id, a),
        (Ok(Deposited::Repeated(id)), Ok(Deposited::New)) => assert_eq!(id, b),
        other => panic!("{other:?}"),
    }
}

async fn a_taken_reference_is_told(t: TestStore) {
    let first = new_deposit(t.entity, t.now(), &["bob@dupont.example"]);
    t.deposit(first.clone()).await.unwrap();
    let before = rows(&t).await;
    let mut second = new_deposit(t.entity, t.now(), &["bob@dupont.example"]);
    second.reference = first.reference.clone();
    assert!(matches!(t.deposit(second.clone()).await, Err(DepositError::ReferenceTaken)));
    assert_eq!(rows(&t).await, before);
    // Another organisation may use it.
    second.entity = t.ensure_entity("Étude Durand", None).await.unwrap();
    second.events.clear();
    assert_eq!(t.deposit(second.clone()).await.unwrap(), Deposited::New);
    let text =
        format!(" {}-{} ", &first.reference.as_str()[..4], &first.reference.as_str()[4..].to_lowercase());
    assert_eq!(t.find_deposit(Some(t.entity), &text).await.unwrap(), Some(first.id));
    assert_eq!(t.find_deposit(Some(second.entity), &text).await.unwrap(), Some(second.id));
    assert_eq!(t.find_deposit(Some(second.entity), &first.id.to_string()).await.unwrap(), None);
    for unknown in ["", "not a reference", "ZZZZZZZZ"] {
        assert_eq!(t.find_deposit(None, unknown).await.unwrap(), None, "{unknown}");
    }
}

async fn a_refused_deposit_leaves_nothing(t: TestStore) {
    let mut new = new_deposit(t.entity, t.now(), &["bob@dupont.example"]);
    new.consignments.push(consignment(new.id, 1, "bob@dupont.example", t.now()));
    assert!(matches!(t.deposit(new).await, Err(DepositError::Store(e)) if e.is_unique_violation()));
    // An event whose id exists is refused with all that goes with it.
    let first = new_deposit(t.entity, t.now(), &["bob@dupont.example"]);
    let mut second = new_deposit(t.entity, t.now(), &["bob@dupont.example"]);
    second.events = first.events.clone();
    assert_eq!(rows(&t).await, 0);
    t.deposit(first).await.unwrap();
    let before = rows(&t).await;
    assert!(matches!(t.deposit(second).await, Err(DepositError::Store(e)) if e.is_unique_violation()));
    assert_eq!(rows(&t).await, before);
}

async fn a_hold_keeps_the_mail(t: TestStore) {
    let mut new = new_deposit(t.entity, t.now(), &["bob@dupont.example", "carl@dupont.example"]);
    new.consignments[1].verdict.hold = Some("no phone number".into());
    t.deposit(new.clone()).await.unwrap();
    let held = "SELECT COUNT(*) AS n FROM outbound WHERE state = 'held' AND recipient = 2";
    assert_eq!(count(&t, held).await, 1);
    assert_eq!(
        count(&t, "SELECT COUNT(*) AS n FROM outbound WHERE state = 'compose' AND recipient = 1").await,
        1
    );
    assert_eq!(t.consignment(new.id, 2).await.unwrap().state(t.now()), ConsignmentState::Held);
    assert!(t.release_hold(new.id, 2, Default::default()).await.unwrap());
    assert!(!t.release_hold(new.id, 2, Default::default()).await.unwrap());
    assert_eq!(count(&t, held).await, 0);
    t.hold(new.id, 2, "wait".into(), Default::default()).await.unwrap();
    assert_eq!(count(&t, held).await, 1);
    assert!(matches!(
        t.hold(new.id, 2, "again".into(), Default::default()).await,
        Err(StoreError::Conflict(_))
    ));
}

async fn deposits_are_found_and_listed(t: TestStore) {
    let other = t.ensure_entity("Étude Durand", None).await.unwrap();
    let mut ids = Vec::new();
    let start = t.now();
    for n in 0..10 {
        // Pairs of the same time: the order must not depend on it alone.
        let at = start + jiff::SignedDuration::from_secs(n / 2);
        let mut new = new_deposit(if n == 9 { other } else { t.entity }, at, &["bob@dupont.example"]);
        if n % 3 == 0 {
            new.sender = address("Zoe@Martin.example");
            new.consignments[0].address = address("carl@dupont.example");
        }
        t.deposit(new.clone()).await.unwrap();
        ids.push((at, new.id));
    }
    ids.sort();
    ids.reverse();
    let list = async |filter: DepositFilter| -> Vec<_> {
        t.list_deposits(&filter).map_ok(|d| (d.created, d.id)).try_collect().await.unwrap()
    };
    assert_eq!(list(DepositFilter::default()).await, ids);
    let mine = DepositFilter { entity: Some(t.entity), ..Default::default() };
    assert_eq!(list(mine.clone()).await.len(), 9);
    let zoe = address("zoe@martin.example");
    assert_eq!(list(DepositFilter { sender: Some(zoe), ..mine.clone() }).await.len(), 3);
    let carl = address("carl@dupont.example");
    assert_eq!(list(DepositFilter { recipient: Some(carl), ..Default::default() }).await.len(), 4);
    let since = Some(start + jiff::SignedDuration::from_secs(1));
    let until = Some(start + jiff::SignedDuration::from_secs(3));
    assert_eq!(list(DepositFilter { since, until, ..Default::default() }).await, ids[4..8]);
    let mut pages = Vec::new();
    loop {
        let after = pages.last().copied();
        let page = list(DepositFilter { after, limit: Some(3), ..Default::default() }).await;
        if page.is_empty() {
            break;
        }
        pages.extend(page);
    }
    assert_eq!(pages, ids);
}

async fn entities_are_made_once(t: TestStore) {
    let (a, b) =
        tokio::join!(t.ensure_entity("Étude Durand", None), t.ensure_entity("Étude Durand", Some("1")));
    assert_eq!(a.unwrap(), b.unwrap());
    let all = t.entities().await.unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!((all[0].name.as_str(), all[0].siren.as_deref()), ("Cabinet Martin", Some("732829320")));
    assert_eq!((all[1].name.as_str(), all[1].siren.as_deref()), ("Étude Durand", Some("1")));
    assert_eq!(t.ensure_entity("Cabinet Martin", None).await.unwrap(), t.entity);
}

async fn concurrent_deposits_are_all_there(t: TestStore) {
    let other = t.again().await;
    let mut tasks = Vec::new();
    for n in 0..60 {
        let store = if n % 2 == 0 { t.store.clone() } else { other.clone() };
        let new = new_deposit(t.entity, t.now(), &["bob@dupont.example", "carl@dupont.example"]);
        tasks.push(tokio::spawn(async move { (new.id, store.deposit(new).await) }));
    }
    for task in tasks {
        let (id, done) = task.await.unwrap();
        assert_eq!(done.unwrap(), Deposited::New);
        assert_eq!(t.consignments(id).await.unwrap().len(), 2);
    }
}

async fn an_answered_hold_ends_once(t: TestStore) {
    let mut new = new_deposit(t.entity, t.now(), &["bob@dupont.example"]);
    new.consignments[0].token_hash = None;
    new.consignments[0].verdict.treatment = Treatment::Trace;
    new.consignments[0].verdict.hold = Some("a question".into());
    t.deposit(new.clone()).await.unwrap();
    let answer = HoldAnswer {
        deposit: new.id,
        n: 1,
        treatment: Some(Treatment::Notify),
        token: Some((1, [9; 32])),
        envelope_from: Some(address("seal@martin.example")),
        phone: Some(("+33612345678".into(), "alice@martin.example".into())),
    };
    assert!(t.answer_hold(answer.clone(), Change::default()).await.unwrap());
    let row = t.consignment(new.id, 1).await.unwrap();
    assert_eq!((row.verdict.hold, row.verdict.treatment), (None, Treatment::Notify));
    assert_eq!(row.verdict.phone.as_deref(), Some("+33612345678"));
    assert_eq!(count(&t, "SELECT COUNT(*) AS n FROM tokens").await, 1);
    assert_eq!(count(&t, "SELECT COUNT(*) AS n FROM people WHERE phone = '+33612345678'").await, 1);
    assert_eq!(count(&t, "SELECT COUNT(*) AS n FROM outbound WHERE state = 'held'").await, 0);
    assert!(!t.answer_hold(answer, Change::default()).await.unwrap());
}
