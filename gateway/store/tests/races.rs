//! Races at the door and the login: what is good once is good once, on one node and between two, on both engines.

use crate::common::{TestStore, on_both_engines};
use futures_util::future::join_all;
use jiff::SignedDuration;
use sealpost_envelope::{DepositId, EmailAddress, GateMethod, Secret, Timestamp};
use sealpost_store::access::{
    AnswerOutcome, AskOutcome, AskRule, CardPurpose, CardReturn, CardTicket, Challenge, Judgement,
    NewChallenge, NewEnrolment, NewTiqrSession, TicketHash,
};
use sealpost_store::account::{
    Account, Accounts, CodePurpose, CodeRule, LinkPurpose, NewAccount, Role, StaffChallenge,
};
use sealpost_store::person::{NewToken, Token, TokenKind, Tokens};
use sealpost_store::{Db, Store};
use std::time::Duration;

on_both_engines!(
    asking_at_once_makes_one_challenge,
    one_answer_wins,
    one_code_of_a_token_wins,
    one_visitor_wins_a_link_and_a_paper_code,
    one_browser_wins_a_ticket,
    every_wrong_answer_of_a_telephone_counts,
);

/// Browsers that race, half of them at each node.
const RACERS: u32 = 12;

/// Two nodes at one database.
async fn nodes(t: &TestStore) -> [Store; 2] {
    [t.store.clone(), t.again().await]
}

/// What becomes of `RACERS` attempts that begin together, alternating between the nodes.
async fn race<T>(nodes: &[Store; 2], attempt: impl AsyncFn(Db) -> T) -> Vec<T> {
    join_all((0..RACERS).map(|n| attempt(nodes[n as usize % 2].db().clone()))).await
}

fn later(t: &TestStore, seconds: i64) -> Timestamp {
    t.now() + SignedDuration::from_secs(seconds)
}

fn wins<T>(outcomes: &[T], won: impl Fn(&T) -> bool) -> usize {
    outcomes.iter().filter(|o| won(o)).count()
}

async fn ask(t: &TestStore, db: Db, deposit: DepositId) -> AskOutcome {
    let new = NewChallenge {
        entity: t.entity,
        deposit,
        recipient: 1,
        method: "otp-mail".into(),
        now: t.now(),
        expires: later(t, 600),
        max_tries: 5,
    };
    let rule = AskRule { not_since: later(t, -45), counted_since: later(t, -3600), at_most: 6 };
    db.write(async move |tx| Challenge::ask(tx, &new, rule).await).await.unwrap()
}

async fn asking_at_once_makes_one_challenge(t: TestStore) {
    let (nodes, deposit) = (nodes(&t).await, DepositId::generate());
    let asked = race(&nodes, async |db| ask(&t, db, deposit).await).await;
    assert_eq!(wins(&asked, |o| matches!(o, AskOutcome::Send(_))), 1, "one mail: {asked:?}");
    assert_eq!(crate::common::count(&t, "SELECT COUNT(*) AS n FROM access_challenge").await, 1);

    let accounts = Accounts::new(&t.store).unwrap();
    let alice = alice(&t, &accounts).await;
    let rule = CodeRule {
        lifetime: Duration::from_secs(600),
        tries: 3,
        resend_after: Duration::from_secs(45),
        per_hour: 3,
    };
    let (who, now) = ((alice.entity, alice.id), t.now());
    let asked = race(&nodes, async |db| {
        let ask = async move |tx: &mut _| StaffChallenge::ask(tx, who, CodePurpose::Login, rule, now).await;
        db.write(ask).await.unwrap()
    })
    .await;
    assert_eq!(wins(&asked, Option::is_some), 1, "one mail for somebody who logs in");
}

async fn one_answer_wins(t: TestStore) {
    let (nodes, deposit, now) = (nodes(&t).await, DepositId::generate(), t.now());
    let AskOutcome::Send(challenge) = ask(&t, t.db().clone(), deposit).await else { panic!("not sent") };
    let answers = race(&nodes, async |db| {
        db.write(async move |tx| Challenge::answer(tx, challenge.id, true, now).await).await.unwrap()
    })
    .await;
    assert_eq!(wins(&answers, |o| *o == AnswerOutcome::Right), 1);
    assert_eq!(wins(&answers, |o| *o == AnswerOutcome::Dead), RACERS as usize - 1, "{answers:?}");

    // Of right and wrong ones mixed, no more than five are looked at, and one of them at most is right.
    let AskOutcome::Send(challenge) = ask(&t, t.db().clone(), DepositId::generate()).await else {
        panic!("not sent")
    };
    let mixed =
        join_all((0..24u32).map(|n| {
            let (db, id) = (nodes[n as usize % 2].db().clone(), challenge.id);
            async move {
                db.write(async move |tx| Challenge::answer(tx, id, n % 6 == 5, now).await).await.unwrap()
            }
        }))
        .await;
    assert!(wins(&mixed, |o| *o == AnswerOutcome::Right) <= 1, "{mixed:?}");
    assert!(wins(&mixed, |o| matches!(o, AnswerOutcome::Wrong(_))) <= 5, "{mixed:?}");
}

async fn one_code_of_a_token_wins(t: TestStore) {
    let (nodes, now) = (nodes(&t).await, t.now());
    let token = NewToken {
        entity: t.entity,
        kind: TokenKind::Totp,
        serial: None,
        label: "app".into(),
        algorithm: "SHA1".into(),
        digits: 6,
        period: 30,
        secret: Secret::new(vec![7; 20]),
        counter: 0,
        owner: Some(EmailAddress::parse("bob@dupont.example").unwrap()),
    };
    let id = Tokens::new(&t.store).unwrap().add(&token, Vec::new(), now).await.unwrap();
    let spent = race(&nodes, async |db| {
        db.write(async move |tx| Token::spend(tx, id, 59_000_000, 0, now).await).await.unwrap()
    })
    .await;
    assert_eq!(wins(&spent, |won| *won), 1);
}

async fn alice(t: &TestStore, accounts: &Accounts) -> Account {
    let new = NewAccount {
        entity: t.entity,
        login: EmailAddress::parse("alice@martin.example").unwrap(),
        role: Role::Sender,
        name: "Alice Martin".into(),
        password: None,
    };
    accounts.create(new, vec![]).await.unwrap()
}

async fn one_visitor_wins_a_link_and_a_paper_code(t: TestStore) {
    let (nodes, now) = (nodes(&t).await, t.now());
    let both = [Accounts::new(&nodes[0]).unwrap(), Accounts::new(&nodes[1]).unwrap()];
    let alice = alice(&t, &both[0]).await;
    let life = (now, Duration::from_secs(1800));
    let link = both[0].make_link(&alice, LinkPurpose::Reset, &alice.login, life).await.unwrap();
    let used = race(&nodes, async |db| {
        let link = link.clone();
        db.write(async move |tx| link.consume(tx, now).await).await.unwrap()
    })
    .await;
    assert_eq!(wins(&used, |won| *won), 1, "one visitor sets the password");

    let codes = both[0].new_backup_codes(alice.id);
    let (who, hashes) = (alice.clone(), codes.iter().map(|(_, hash)| *hash).collect::<Vec<_>>());
    let write = async move |tx: &mut _| Accounts::write_backup_codes(tx, &who, hashes, now).await;
    t.db().write(write).await.unwrap();
    let code = codes[0].0.expose();
    let tries = (0..RACERS).map(|n| both[n as usize % 2].use_backup_code(alice.id, code, now));
    let used: Vec<bool> = join_all(tries).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(wins(&used, |won| *won), 1, "one browser uses the code on paper");
    assert_eq!(both[0].backup_codes_left(alice.id).await.unwrap(), codes.len() as u32 - 1);
}

async fn one_browser_wins_a_ticket(t: TestStore) {
    let (nodes, now) = (nodes(&t).await, t.now());
    let hash = |text: &str| TicketHash::of(text);
    let purpose = CardPurpose::Door(DepositId::generate(), 1, 1);
    let ticket = CardTicket { entity: t.entity, purpose, browser: hash("browser"), refused: 0 };
    ticket.begin(t.db(), hash("start"), now, later(&t, 600)).await.unwrap();
    assert!(CardTicket::prove(t.db(), hash("start"), hash("back"), "{}", now, later(&t, 120)).await.unwrap());
    let take = async |db: Db| CardReturn::take(&db, hash("back"), hash("browser"), now).await.unwrap();
    let taken = race(&nodes, take).await;
    assert_eq!(wins(&taken, Option::is_some), 1);
}

async fn every_wrong_answer_of_a_telephone_counts(t: TestStore) {
    let (nodes, now, subject) = (nodes(&t).await, t.now(), "mail:bob@dupont.example");
    let enrolment = NewEnrolment {
        key: [1; 32],
        browser: [1; 32],
        entity: t.entity,
        subject: subject.into(),
        name: "Bob".into(),
        phone: "phone".into(),
        vouched: GateMethod::OtpMail.to_string(),
        sealed: vec![1],
        expires: later(&t, 300),
    };
    t.begin_enrolment(enrolment).await.unwrap();
    t.retrieve_enrolment([1; 32], [2; 32], now).await.unwrap().unwrap();
    t.finish_enrolment([2; 32], now, |_| Ok((vec![9], Vec::new()))).await.unwrap().unwrap();
    let session = NewTiqrSession {
        key: [3; 32],
        browser: [3; 32],
        entity: t.entity,
        subject: Some(subject.to_owned()),
        sealed: vec![1],
        consignment: None,
        expires: later(&t, 180),
    };
    t.begin_tiqr(session).await.unwrap();
    let tries = (0..RACERS).map(|n| {
        nodes[n as usize % 2].answer_tiqr([3; 32], "phone".into(), now, later(&t, 180), |_, phone| {
            let failures = phone.failures + 1;
            Ok((Judgement::Wrong { failures, blocks: 0, blocked: None, events: Vec::new() }, ()))
        })
    });
    for done in join_all(tries).await {
        done.unwrap();
    }
    let counted = t.phone_of(t.entity, subject).await.unwrap().unwrap().failures;
    assert_eq!(counted, RACERS, "no guess of the PIN is free");
}
