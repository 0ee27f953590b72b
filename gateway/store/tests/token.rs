//! Bearer tokens: shown once, good for their scopes, and dead with what they rest on.

use crate::common::{TestStore, address, count, event, on_both_engines};
use jiff::SignedDuration;
use sealpost_envelope::AccountId;
use sealpost_store::account::{Account, AccountError, Accounts, NewAccount, Role, TokenScope};

on_both_engines!(a_token_works_until_it_ends, a_token_dies_with_its_account, tokens_are_bounded);

async fn account(t: &TestStore, accounts: &Accounts, login: &str, role: Role) -> Account {
    let new =
        NewAccount { entity: t.entity, login: address(login), role, name: "Alice".into(), password: None };
    accounts.create(new, vec![]).await.unwrap()
}

async fn a_token_works_until_it_ends(t: TestStore) {
    let accounts = Accounts::new(&t).unwrap();
    let alice = account(&t, &accounts, "alice@martin.example", Role::Sender).await;
    let scopes = [TokenScope::Proofs, TokenScope::DepositsRead, TokenScope::Proofs];
    let expires = Some(t.now() + SignedDuration::from_hours(1));
    let events = vec![event(t.entity, t.now(), None)];
    let new = accounts.add_api_token(&alice, "archive", &scopes, expires, events).await.unwrap();
    let shown = new.token.expose().clone();
    assert!(shown.starts_with("sealpost_") && shown.len() == 52);
    let (found, token) = accounts.by_api_token(&shown).await.unwrap().unwrap();
    assert_eq!((found.id, token.id, token.label.as_str()), (alice.id, new.id, "archive"));
    assert_eq!(token.scopes, [TokenScope::DepositsRead, TokenScope::Proofs]);
    assert_eq!(accounts.api_tokens(alice.id).await.unwrap()[0].last_used, Some(t.now()));
    for other in ["", "sealpost_", &shown[..51], &format!("{shown}A"), &shown.to_uppercase()] {
        assert!(accounts.by_api_token(other).await.unwrap().is_none(), "{other}");
    }
    // The database holds nothing that could be shown.
    let written = "SELECT COUNT(*) AS n FROM api_tokens WHERE CAST(hash AS TEXT) LIKE '%sealpost_%'";
    assert_eq!(count(&t, written).await, 0);
    assert!(!accounts.revoke_api_token(AccountId(99), new.id, vec![]).await.unwrap());
    t.clock.advance(SignedDuration::from_hours(1));
    assert!(accounts.by_api_token(&shown).await.unwrap().is_none(), "expired");
    let lasting = accounts.add_api_token(&alice, "x", &TokenScope::ALL, None, vec![]).await.unwrap();
    assert!(accounts.by_api_token(lasting.token.expose()).await.unwrap().is_some());
    assert!(accounts.revoke_api_token(alice.id, lasting.id, vec![]).await.unwrap());
    assert!(accounts.by_api_token(lasting.token.expose()).await.unwrap().is_none());
}

async fn a_token_dies_with_its_account(t: TestStore) {
    let accounts = Accounts::new(&t).unwrap();
    let alice = account(&t, &accounts, "alice@martin.example", Role::Sender).await;
    let demo = account(&t, &accounts, "bob@example.test", Role::Demo).await;
    let token = accounts.add_api_token(&alice, "x", &TokenScope::ALL, None, vec![]).await.unwrap();
    let outside = accounts.add_api_token(&demo, "x", &TokenScope::ALL, None, vec![]).await.unwrap();
    assert!(accounts.by_api_token(outside.token.expose()).await.unwrap().is_none());
    assert!(accounts.by_api_token(token.token.expose()).await.unwrap().is_some());
    accounts.set_disabled(alice.id, true, vec![]).await.unwrap();
    assert!(accounts.by_api_token(token.token.expose()).await.unwrap().is_none());
    accounts.set_disabled(alice.id, false, vec![]).await.unwrap();
    accounts.set_role(alice.id, Role::Auditor, vec![]).await.unwrap();
    let (found, _) = accounts.by_api_token(token.token.expose()).await.unwrap().unwrap();
    assert_eq!(found.role, Role::Auditor, "the role of today");
}

async fn tokens_are_bounded(t: TestStore) {
    let accounts = Accounts::new(&t).unwrap();
    let alice = account(&t, &accounts, "alice@martin.example", Role::Sender).await;
    for _ in 0..100 {
        accounts.add_api_token(&alice, "x", &[TokenScope::Journal], None, vec![]).await.unwrap();
    }
    let more = accounts.add_api_token(&alice, "x", &[TokenScope::Journal], None, vec![]).await;
    assert!(matches!(more, Err(AccountError::Store(_))));
}
