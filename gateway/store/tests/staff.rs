//! Sessions, codes, links and paper codes of people of ours: what ends them, and that each is good once.

use crate::common::{TestStore, on_both_engines};
use jiff::SignedDuration;
use sealpost_envelope::{EmailAddress, GateMethod, Secret};
use sealpost_store::account::{
    Account, AccountError, AccountLink, Accounts, AppScope, CodeOutcome, CodePurpose, CodeRule, LinkPurpose,
    NewAccount, Profile, Role, StaffChallenge,
};
use sealpost_store::session::{NewSession, SessionHash, StaffSession};
use std::time::Duration;

on_both_engines!(sessions, codes, links, particulars, paper_codes, app_passwords_end, time_steps, pending);

const IDLE: Duration = Duration::from_secs(1800);
const RULE: CodeRule = CodeRule {
    lifetime: Duration::from_secs(600),
    tries: 3,
    resend_after: Duration::from_secs(45),
    per_hour: 3,
};

async fn person(t: &TestStore, login: &str) -> (Accounts, Account) {
    let accounts = Accounts::new(&t.store).unwrap();
    let new = NewAccount {
        entity: t.entity,
        login: EmailAddress::parse(login).unwrap(),
        role: Role::Sender,
        name: "Alice Martin".into(),
        password: None,
    };
    let account = accounts.create(new, vec![]).await.unwrap();
    (accounts, account)
}

async fn begin(t: &TestStore, account: &Account, cookie: &str) -> Result<uuid::Uuid, AccountError> {
    let now = t.now();
    let new = NewSession {
        hash: SessionHash::of(cookie),
        former: None,
        entity: account.entity,
        account: account.id,
        passed: vec![GateMethod::Password, GateMethod::Totp],
        now,
        expires: now.saturating_add(Duration::from_secs(12 * 3600)).unwrap(),
        network: Some("192.0.2.1".into()),
        agent: Some("a browser".into()),
    };
    t.store.db().write_as(async move |tx| StaffSession::begin(tx, new).await).await
}

async fn find(t: &TestStore, cookie: &str) -> Option<StaffSession> {
    let found = StaffSession::find(t.store.db(), SessionHash::of(cookie), t.now(), IDLE).await.unwrap();
    found.map(|(session, _)| session)
}

async fn sessions(t: TestStore) {
    let (accounts, alice) = person(&t, "alice@martin.example").await;
    let first = begin(&t, &alice, "one").await.unwrap();
    begin(&t, &alice, "two").await.unwrap();
    let found = find(&t, "one").await.unwrap();
    assert_eq!((found.id, found.account, found.passed.len()), (first, alice.id, 2));
    assert!(find(&t, "three").await.is_none());

    // A request keeps it awake; silence ends it.
    t.clock.advance(SignedDuration::from_mins(20));
    assert!(find(&t, "one").await.is_some());
    t.clock.advance(SignedDuration::from_mins(20));
    assert!(find(&t, "one").await.is_some());
    assert!(find(&t, "two").await.is_none(), "silent for forty minutes");
    assert_eq!(StaffSession::of_account(t.store.db(), alice.id, t.now(), IDLE).await.unwrap().len(), 1);

    // A further proof changes the cookie and nothing else.
    let (old, new) = (SessionHash::of("one"), SessionHash::of("one again"));
    let now = t.now();
    let methods = [GateMethod::Password];
    let stepped =
        t.store.db().write(async move |tx| StaffSession::step_up(tx, old, new, &methods, now).await).await;
    assert!(stepped.unwrap());
    assert!(find(&t, "one").await.is_none());
    assert_eq!(find(&t, "one again").await.unwrap().id, first);

    // The others end, this one stays; then its account is disabled.
    begin(&t, &alice, "three").await.unwrap();
    let id = alice.id;
    let ended = t.store.db().write(async move |tx| StaffSession::end_all(tx, id, Some(first)).await).await;
    assert_eq!(ended.unwrap(), 2);
    assert!(find(&t, "three").await.is_none());
    accounts.set_disabled(alice.id, true, vec![]).await.unwrap();
    assert!(find(&t, "one again").await.is_none());
    assert!(matches!(begin(&t, &alice, "four").await, Err(AccountError::Unknown(_))));
    accounts.set_disabled(alice.id, false, vec![]).await.unwrap();
    assert!(find(&t, "one again").await.is_none(), "what was ended stays ended");

    // Twelve hours are the end, however busy.
    begin(&t, &alice, "five").await.unwrap();
    for _ in 0..36 {
        t.clock.advance(SignedDuration::from_mins(20));
        find(&t, "five").await;
    }
    assert!(find(&t, "five").await.is_none());
}

async fn codes(t: TestStore) {
    let (_, alice) = person(&t, "alice@martin.example").await;
    let ask = async || {
        let (who, now) = ((alice.entity, alice.id), t.now());
        let db = t.store.db();
        db.write(async move |tx| StaffChallenge::ask(tx, who, CodePurpose::Login, RULE, now).await)
            .await
            .unwrap()
    };
    let answer = async |id, right| {
        let now = t.now();
        t.store.db().write(async move |tx| StaffChallenge::answer(tx, id, right, now).await).await.unwrap()
    };
    let first = ask().await.unwrap();
    assert!(ask().await.is_none(), "one was sent a moment ago");
    t.clock.advance(SignedDuration::from_secs(60));
    assert_eq!(ask().await.unwrap().id, first.id, "the same code, as long as it is valid");
    assert_eq!(answer(first.id, false).await, CodeOutcome::Wrong);
    let (a, b) = tokio::join!(answer(first.id, true), answer(first.id, true));
    assert!((a == CodeOutcome::Right) ^ (b == CodeOutcome::Right), "good once");
    let second = ask().await.unwrap();
    assert_ne!(second.id, first.id);
    t.clock.advance(SignedDuration::from_secs(60));
    assert!(ask().await.is_none(), "three in an hour are enough");
    for _ in 0..3 {
        answer(second.id, false).await;
    }
    assert_eq!(answer(second.id, true).await, CodeOutcome::Wrong, "tried too often");
    let living = StaffChallenge::living(t.store.db(), alice.id, CodePurpose::Login, t.now()).await.unwrap();
    assert!(living.is_empty());
    t.clock.advance(SignedDuration::from_hours(1));
    let third = ask().await.unwrap();
    t.clock.advance(SignedDuration::from_mins(11));
    assert_eq!(answer(third.id, true).await, CodeOutcome::Wrong, "too late");
}

async fn links(t: TestStore) {
    let (accounts, alice) = person(&t, "alice@martin.example").await;
    let accounts = std::sync::Arc::new(accounts);
    let issue = async || {
        let (accounts, alice, now) = (accounts.clone(), alice.clone(), t.now());
        let life = (now, Duration::from_secs(1800));
        t.store
            .db()
            .write(async move |tx| {
                accounts.issue_link(tx, &alice, LinkPurpose::Reset, &alice.login, life).await
            })
            .await
            .unwrap()
    };
    let consume = async |link: AccountLink| {
        let now = t.now();
        t.store.db().write(async move |tx| link.consume(tx, now).await).await.unwrap()
    };
    let first = issue().await;
    let token = accounts.link_token(first.id);
    assert!(token.expose().len() >= 26, "128 bits or more");
    assert_eq!(accounts.link(token.expose()).await.unwrap().unwrap(), first);
    assert!(accounts.link("MzAwMTY5Njgx").await.unwrap().is_none());
    let second = issue().await;
    assert!(!consume(first.clone()).await, "a newer one ends it");
    let tries = futures_util::future::join_all((0..8).map(|_| consume(second.clone()))).await;
    assert_eq!(tries.iter().filter(|done| **done).count(), 1, "used once, whoever is first");
    let third = issue().await;
    t.clock.advance(SignedDuration::from_mins(31));
    assert!(!consume(third).await, "too late");
    let stored = "SELECT COUNT(*) AS n FROM account_links WHERE address LIKE '%alice%'";
    assert_eq!(crate::common::count(&t.store, stored).await, 3);
}

async fn particulars(t: TestStore) {
    let (accounts, alice) = person(&t, "alice@martin.example").await;
    let (_, bob) = person(&t, "bob@martin.example").await;
    assert_eq!(accounts.profile(&alice).await.unwrap().contact, Some(alice.login.clone()));
    let profile = Profile {
        access_code: Some("AB 12-345".into()),
        civility: Some("Docteur".into()),
        contact: None,
        phone: Some("+33612345678".into()),
    };
    accounts.set_profile(&alice, &profile, vec![]).await.unwrap();
    assert_eq!(accounts.profile(&alice).await.unwrap(), profile);
    for typed in ["AB12-345", " ab 12-345 ", "alice@martin.example", "ALICE@martin.example"] {
        assert_eq!(accounts.identify(typed).await.unwrap().map(|a| a.id), Some(alice.id), "{typed}");
    }
    assert!(accounts.identify("AB12345").await.unwrap().is_none());
    assert!(accounts.identify("").await.unwrap().is_none());
    for taken in ["ab12-345", "alice@martin.example"] {
        let same = Profile { access_code: Some(taken.into()), ..Profile::default() };
        assert!(matches!(accounts.set_profile(&bob, &same, vec![]).await, Err(AccountError::TakenCode(_))));
    }
    let password = Secret::new("Une phrase 4 elle !".to_owned());
    accounts.set_password(alice.id, Some(&password), vec![]).await.unwrap();
    let known = accounts.verify_identified("ab12-345", &password).await.unwrap();
    assert_eq!(known.map(|a| a.id), Some(alice.id));
}

async fn paper_codes(t: TestStore) {
    let (accounts, alice) = person(&t, "alice@martin.example").await;
    let codes = accounts.new_backup_codes(alice.id);
    let hashes: Vec<_> = codes.iter().map(|(_, hash)| *hash).collect();
    let (who, now) = (alice.clone(), t.now());
    t.store
        .db()
        .write(async move |tx| Accounts::write_backup_codes(tx, &who, hashes, now).await)
        .await
        .unwrap();
    assert_eq!(accounts.backup_codes_left(alice.id).await.unwrap(), 10);
    let code = codes[3].0.expose();
    let typed = format!(" {} ", code.to_uppercase().replace('-', " "));
    let (a, b) = tokio::join!(
        accounts.use_backup_code(alice.id, &typed, t.now()),
        accounts.use_backup_code(alice.id, code, t.now())
    );
    assert!(a.unwrap() ^ b.unwrap(), "good once, however it is written");
    assert!(!accounts.use_backup_code(alice.id, "00000-00000", t.now()).await.unwrap());
    assert_eq!(accounts.backup_codes_left(alice.id).await.unwrap(), 9);
}

async fn app_passwords_end(t: TestStore) {
    let (accounts, alice) = person(&t, "alice@martin.example").await;
    let end = t.now().saturating_add(Duration::from_secs(86_400)).unwrap();
    let (password, prepared) = accounts.new_app_password(&alice, "Tablette", AppScope::Imap, Some(end));
    let who = alice.clone();
    let id = t.store.db().write(async move |tx| Accounts::write_app_password(tx, &who, prepared).await);
    let id = id.await.unwrap();
    let found = accounts.verify_app_password(&alice.login, &password).await.unwrap().unwrap();
    assert_eq!(found.password, id);
    assert!(found.scope.allows("imap") && !found.scope.allows("smtp"));
    assert!(accounts.still_stands(id).await.unwrap());
    t.clock.advance(SignedDuration::from_hours(25));
    assert!(accounts.verify_app_password(&alice.login, &password).await.unwrap().is_none());
    assert!(!accounts.still_stands(id).await.unwrap());
}

async fn time_steps(t: TestStore) {
    let (accounts, alice) = person(&t, "alice@martin.example").await;
    let (a, b) = tokio::join!(accounts.use_totp_step(alice.id, 100), accounts.use_totp_step(alice.id, 100));
    assert!(a.unwrap() ^ b.unwrap(), "good once");
    assert!(!accounts.use_totp_step(alice.id, 99).await.unwrap(), "nor an older one");
    assert!(accounts.use_totp_step(alice.id, 101).await.unwrap());
    assert_eq!(accounts.totp_step(alice.id).await.unwrap(), Some(101));
}

async fn pending(t: TestStore) {
    let (accounts, alice) = person(&t, "alice@martin.example").await;
    let until = t.now().saturating_add(Duration::from_secs(60)).unwrap();
    let (known, nobody) =
        (accounts.seal_pending(Some(alice.id), until).unwrap(), accounts.seal_pending(None, until).unwrap());
    assert_eq!(known.len(), nobody.len());
    assert_eq!(accounts.open_pending(&known, t.now()), Some(alice.id));
    assert_eq!(accounts.open_pending(&nobody, t.now()), None);
    for at in 0..known.len() {
        let mut bad = known.clone();
        bad[at] ^= 1;
        assert_eq!(accounts.open_pending(&bad, t.now()), None, "octet {at}");
    }
    t.clock.advance(SignedDuration::from_mins(2));
    assert_eq!(accounts.open_pending(&known, t.now()), None);
}
