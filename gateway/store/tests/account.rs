//! Accounts on both engines: credentials, addresses, what is disabled.

use crate::common::{TestStore, address, count, event, on_both_engines};
use sealpost_envelope::{AccountId, Secret};
use sealpost_store::account::{Account, AccountError, Accounts, NewAccount, Role, Standing};

on_both_engines!(
    lifecycle,
    app_passwords,
    passwords,
    addresses,
    demo_mailboxes,
    events_share_the_transaction
);

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn new(t: &TestStore, login: &str) -> NewAccount {
    NewAccount {
        entity: t.entity,
        login: address(login),
        role: Role::Sender,
        name: "Alice".into(),
        password: None,
    }
}

async fn alice(t: &TestStore) -> (Accounts, Account) {
    let accounts = Accounts::new(&t.store).unwrap();
    let alice = accounts.create(new(t, "Alice@Martin.example"), vec![]).await.unwrap();
    (accounts, alice)
}

async fn lifecycle(t: TestStore) {
    let (accounts, alice) = alice(&t).await;
    assert_eq!(
        (alice.role, alice.has_password, alice.has_totp, alice.disabled),
        (Role::Sender, false, false, None)
    );
    assert_eq!(accounts.by_login(&address("alice@martin.example")).await.unwrap().as_ref(), Some(&alice));
    let taken = accounts.create(new(&t, "ALICE@martin.example"), vec![]).await;
    assert!(matches!(taken, Err(AccountError::Taken(_))));
    accounts.set_role(alice.id, Role::Auditor, vec![]).await.unwrap();
    accounts.set_name(alice.id, "Dr Alice", vec![]).await.unwrap();
    accounts.set_disabled(alice.id, true, vec![]).await.unwrap();
    let after = accounts.by_id(alice.id).await.unwrap().unwrap();
    assert_eq!((after.role, after.name.as_str(), after.disabled), (Role::Auditor, "Dr Alice", Some(t.now())));
    let bob = accounts.create(new(&t, "bob@martin.example"), vec![]).await.unwrap();
    assert_eq!(accounts.list(Some(t.entity), AccountId(0)).await.unwrap(), [after, bob.clone()]);
    assert_eq!(accounts.list(None, alice.id).await.unwrap(), [bob]);
    let other = t.ensure_entity("Autre", None).await.unwrap();
    assert_eq!(accounts.list(Some(other), AccountId(0)).await.unwrap(), []);
    let nobody = accounts.set_role(AccountId(999), Role::Admin, vec![]).await;
    assert!(matches!(nobody, Err(AccountError::Unknown(_))));
}

async fn app_passwords(t: TestStore) {
    let (accounts, alice) = alice(&t).await;
    let made = accounts.add_app_password(&alice, "Thunderbird", vec![]).await.unwrap();
    let other = accounts.add_app_password(&alice, "Téléphone", vec![]).await.unwrap();
    let login = address("alice@martin.example");
    let found = accounts.verify_app_password(&login, &made.password).await.unwrap().unwrap();
    assert_eq!(found.account.id, alice.id);
    accounts.note_use(found.password, alice.id, Some("192.0.2.7".into()));
    let typed = secret(&made.password.expose().to_uppercase().replace('-', " "));
    assert!(accounts.verify_app_password(&login, &typed).await.unwrap().is_some());
    let mut wrong = made.password.expose().clone();
    let last = if wrong.ends_with('0') { "1" } else { "0" };
    wrong.replace_range(28.., last);
    for (who, login, password) in [
        ("wrong", login.clone(), secret(&wrong)),
        ("empty", login.clone(), secret("")),
        ("longer", login.clone(), secret(&format!("{}0", made.password.expose()))),
        ("unknown", address("eve@martin.example"), made.password.clone()),
    ] {
        assert_eq!(accounts.verify_app_password(&login, &password).await.unwrap(), None, "{who}");
    }
    let stored = "SELECT COUNT(*) AS n FROM app_passwords WHERE last_used IS NOT NULL";
    assert_eq!(count(&t.store, stored).await, 0, "uses are written later");
    accounts.flush_uses().await.unwrap();
    assert_eq!(count(&t.store, stored).await, 1);
    assert_eq!(accounts.by_id(alice.id).await.unwrap().unwrap().last_used, Some(t.now()));
    let listed = accounts.app_passwords(alice.id).await.unwrap();
    assert_eq!(listed.len(), 2);
    let used = listed.iter().find(|p| p.id == made.id).unwrap();
    assert_eq!(used.last_network.as_deref(), Some("192.0.2.7"));

    let scram = accounts.scram(&login).await.unwrap();
    assert_eq!((scram.records.len(), scram.iterations), (2, 4096));
    let unknown = accounts.scram(&address("eve@martin.example")).await.unwrap();
    assert!(unknown.records.is_empty());
    assert_ne!(unknown.salt, scram.salt);
    assert_eq!(unknown.salt, accounts.scram(&address("eve@martin.example")).await.unwrap().salt);

    assert_eq!(accounts.by_app_password(made.id).await.unwrap().unwrap().account.id, alice.id);
    accounts.remove_app_password(alice.id, made.id, vec![]).await.unwrap();
    assert_eq!(accounts.by_app_password(made.id).await.unwrap(), None, "revoked during an exchange");
    assert_eq!(accounts.verify_app_password(&login, &made.password).await.unwrap(), None);
    accounts.set_disabled(alice.id, true, vec![]).await.unwrap();
    assert_eq!(accounts.verify_app_password(&login, &other.password).await.unwrap(), None);
    assert!(accounts.scram(&login).await.unwrap().records.is_empty());
    assert_eq!(accounts.by_app_password(other.id).await.unwrap(), None, "disabled during an exchange");
    accounts.set_disabled(alice.id, false, vec![]).await.unwrap();
    // Another process over the same key store knows the password as well.
    let again = Accounts::new(&t.again().await).unwrap();
    assert!(again.verify_app_password(&login, &other.password).await.unwrap().is_some());
}

async fn passwords(t: TestStore) {
    let (accounts, alice) = alice(&t).await;
    let (good, login) = (secret("correct horse battery"), alice.login.clone());
    assert_eq!(accounts.verify_password(&login, &good).await.unwrap(), None, "none is set");
    let short = accounts.set_password(alice.id, Some(&secret("short")), vec![]).await;
    assert!(matches!(short, Err(AccountError::PasswordLength)));
    accounts.set_password(alice.id, Some(&good), vec![]).await.unwrap();
    assert_eq!(accounts.verify_password(&login, &good).await.unwrap().unwrap().id, alice.id);
    for wrong in ["correct horse batterY", "", &"x".repeat(5000)] {
        assert_eq!(accounts.verify_password(&login, &secret(wrong)).await.unwrap(), None);
    }
    assert_eq!(accounts.verify_password(&address("eve@martin.example"), &good).await.unwrap(), None);
    assert_eq!(accounts.verify_app_password(&login, &good).await.unwrap(), None, "it opens no mail program");

    let seed = Secret::new(vec![7u8; 20]);
    accounts.set_totp(alice.id, Some(&seed), vec![]).await.unwrap();
    assert_eq!(accounts.totp_secret(alice.id).await.unwrap().unwrap().expose(), seed.expose());
    assert!(accounts.verify_password(&login, &good).await.unwrap().unwrap().has_totp);
    // A secret copied to another row does not open.
    let bob = accounts.create(new(&t, "bob@martin.example"), vec![]).await.unwrap();
    t.db()
        .execute(
            "UPDATE accounts SET totp = (SELECT totp FROM accounts WHERE id = $1)",
            sealpost_store::args![alice.id],
        )
        .await
        .unwrap();
    assert!(matches!(accounts.totp_secret(bob.id).await, Err(AccountError::Crypto(_))));
    accounts.set_totp(alice.id, None, vec![]).await.unwrap();
    assert!(accounts.totp_secret(alice.id).await.unwrap().is_none());
    accounts.set_disabled(alice.id, true, vec![]).await.unwrap();
    assert_eq!(accounts.verify_password(&login, &good).await.unwrap(), None);
}

async fn addresses(t: TestStore) {
    let (accounts, alice) = alice(&t).await;
    let bob = accounts.create(new(&t, "bob@martin.example"), vec![]).await.unwrap();
    let doctor = address("dr.martin@martin.example");
    accounts.add_address(&bob, &doctor, Standing::Own, vec![]).await.unwrap();
    accounts.add_address(&alice, &doctor, Standing::ActsFor, vec![]).await.unwrap();
    let standing =
        async |a: &Account| accounts.standing(a.id, &address("Dr.Martin@martin.example")).await.unwrap();
    assert_eq!(standing(&alice).await, Some(Standing::ActsFor));
    assert_eq!(standing(&bob).await, Some(Standing::Own));
    assert_eq!(accounts.owner_of(&doctor).await.unwrap().unwrap().id, bob.id);
    let stolen = accounts.add_address(&alice, &bob.login, Standing::Own, vec![]).await;
    assert!(matches!(stolen, Err(AccountError::Taken(_))));
    assert_eq!(accounts.standing(alice.id, &bob.login).await.unwrap(), None);
    let list = accounts.addresses(alice.id).await.unwrap();
    let list: Vec<_> = list.iter().map(|a| (a.address.as_str(), a.standing)).collect();
    assert_eq!(list, [("Alice@martin.example", Standing::Own), (doctor.as_str(), Standing::ActsFor)]);
    accounts.remove_address(&alice, &doctor, vec![]).await.unwrap();
    assert_eq!(standing(&alice).await, None);
    assert!(accounts.remove_address(&alice, &alice.login, vec![]).await.is_err(), "the login stays");
    accounts.set_disabled(bob.id, true, vec![]).await.unwrap();
    assert_eq!(accounts.owner_of(&doctor).await.unwrap(), None);
}

async fn demo_mailboxes(t: TestStore) {
    let accounts = Accounts::new(&t.store).unwrap();
    let (bob, password) = (address("bob@example.test"), secret("demo password"));
    let make = || accounts.ensure_demo(t.entity, &bob, &password);
    let (a, b) = tokio::join!(make(), make());
    assert_eq!(a.unwrap().id, b.unwrap().id);
    let found = accounts.verify_app_password(&bob, &password).await.unwrap().unwrap();
    assert_eq!((found.account.role, found.account.name.as_str()), (Role::Demo, "bob"));
}

async fn events_share_the_transaction(t: TestStore) {
    let accounts = Accounts::new(&t.store).unwrap();
    let entries = "SELECT COUNT(*) AS n FROM journal";
    let changed = event(t.entity, t.now(), None);
    accounts.create(new(&t, "alice@martin.example"), vec![changed.clone()]).await.unwrap();
    assert_eq!(count(&t.store, entries).await, 1);
    // The same entry twice is refused, and the account with it.
    assert!(accounts.create(new(&t, "bob@martin.example"), vec![changed]).await.is_err());
    assert_eq!(accounts.by_login(&address("bob@martin.example")).await.unwrap(), None);
    // An account that is refused leaves no entry.
    let again = accounts.create(new(&t, "alice@martin.example"), vec![event(t.entity, t.now(), None)]).await;
    assert!(matches!(again, Err(AccountError::Taken(_))));
    assert_eq!(count(&t.store, entries).await, 1);
}
