//! What an administrator's hands are kept off: their own account, and an operator's.

use crate::bench::{Bench, Browser};
use http::StatusCode;
use jiff::SignedDuration;
use sealpost_envelope::EmailAddress;
use sealpost_store::account::{Account, AccountRequest, NewAccount, NewRequest, Role, Standing};
use sealpost_store::session::{NewSession, SessionHash, StaffSession};

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

async fn account(bench: &Bench, name: &str, role: Role) -> Account {
    let login = address(&format!("{name}@lilas.example"));
    let new = NewAccount { entity: bench.entity, login, role, name: name.into(), password: None };
    bench.accounts.create(new, vec![]).await.unwrap()
}

/// A browser in which this person is logged in.
async fn logged_in(bench: &Bench, account: &Account) -> Browser {
    let cookie = format!("{:A<43}", account.id.to_string());
    let now = bench.store.clock().now();
    let new = NewSession {
        hash: SessionHash::of(&cookie),
        former: None,
        entity: account.entity,
        account: account.id,
        passed: Vec::new(),
        now,
        expires: now + SignedDuration::from_hours(1),
        network: None,
        agent: None,
    };
    bench.store.db().write_as(async move |tx| StaffSession::begin(tx, new).await).await.unwrap();
    let mut browser = Browser::new(bench);
    browser.cookies.insert("__Host-sealpost-s".to_owned(), cookie);
    browser
}

/// Approves all that anybody asked for; answers whose requests are undecided after that.
async fn decided_by(bench: &Bench, mut browser: Browser) -> Vec<String> {
    let csrf = browser.get("/admin/approvals").await.csrf();
    for request in bench.accounts.open_requests(bench.entity).await.unwrap() {
        let id = request.id.to_string();
        let fields = [("csrf", csrf.as_str()), ("id", &id), ("decision", "approve")];
        assert_eq!(browser.post("/admin/approvals", &fields).await.status, StatusCode::SEE_OTHER);
    }
    let mut left = Vec::new();
    for request in bench.accounts.open_requests(bench.entity).await.unwrap() {
        left.push(bench.accounts.by_id(request.account).await.unwrap().unwrap().name);
    }
    left.sort();
    left
}

#[tokio::test]
async fn nobody_approves_their_own_way_in_nor_an_operators() {
    let bench = Bench::new().await;
    let adele = account(&bench, "adele", Role::Admin).await;
    let anne = account(&bench, "anne", Role::Sender).await;
    let olga = account(&bench, "olga", Role::Operator).await;
    for account in [&adele, &anne, &olga] {
        let now = bench.store.clock().now();
        let contact = address("mine@example.test");
        let new = NewRequest { account: account.clone(), contact, phone: "0612345678".into(), now };
        assert!(bench.store.db().write(async move |tx| AccountRequest::add(tx, new).await).await.unwrap());
    }
    let mut browser = logged_in(&bench, &adele).await;
    let shown = browser.get("/admin/approvals").await.text();
    assert_eq!(shown.matches("value=\"approve\"").count(), 1, "{shown}");
    assert!(shown.contains("Le compte d’un exploitant") && shown.contains("son propre compte"), "{shown}");
    assert_eq!(decided_by(&bench, browser).await, ["adele", "olga"]);
    assert_eq!(bench.accounts.profile(&olga).await.unwrap().contact, Some(olga.login.clone()));
    let browser = logged_in(&bench, &olga).await;
    assert_eq!(decided_by(&bench, browser).await, ["olga"]);
}

#[tokio::test]
async fn nobody_gives_or_takes_their_own_addresses_nor_an_operators() {
    let bench = Bench::new().await;
    let adele = account(&bench, "adele", Role::Admin).await;
    let mut browser = logged_in(&bench, &adele).await;
    for (name, role, may) in
        [("anne", Role::Sender, true), ("olga", Role::Operator, false), ("adele", Role::Admin, false)]
    {
        let person = match name {
            "adele" => adele.clone(),
            _ => account(&bench, name, role).await,
        };
        let other = format!("{name}.2@lilas.example");
        bench.accounts.add_address(&person, &address(&other), Standing::Own, vec![]).await.unwrap();
        let path = format!("/admin/accounts/{}", person.id);
        let page = browser.get(&path).await;
        assert_eq!(page.text().contains("name=\"standing\""), may, "{name}: {}", page.text());
        let csrf = page.csrf();
        let fields = [("csrf", csrf.as_str()), ("do", "remove"), ("address", &other)];
        let answer = browser.post(&format!("{path}/addresses"), &fields).await;
        assert_eq!(answer.status == StatusCode::SEE_OTHER, may, "{name}: {}", answer.text());
        let left = bench.accounts.addresses(person.id).await.unwrap();
        assert_eq!(left.len(), if may { 1 } else { 2 }, "{name}: {left:?}");
    }
}
