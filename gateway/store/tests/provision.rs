//! Accounts that a directory or SCIM rules: who rules whom, groups, and nothing beyond the organisation.

use crate::common::{TestStore, on_both_engines};
use sealpost_envelope::{AccountId, EmailAddress, EntityId};
use sealpost_store::account::{
    Account, AccountError, Accounts, GroupPut, NewAccount, Role, ScimChange, ScimFilter, ScimGroup, Standing,
};
use uuid::Uuid;

on_both_engines!(sources, users, groups, delegates, owners);

fn new(entity: EntityId, login: &str) -> NewAccount {
    NewAccount {
        entity,
        login: EmailAddress::parse(login).unwrap(),
        role: Role::Sender,
        name: login.to_owned(),
        password: None,
    }
}

async fn sources(t: TestStore) {
    let accounts = Accounts::new(&t.store).unwrap();
    let local = accounts.create(new(t.entity, "local@a.test"), vec![]).await.unwrap();
    let brought = accounts.create_from(new(t.entity, "b@a.test"), "directory:x", vec![]).await.unwrap();
    assert_eq!(accounts.source(local.id).await.unwrap(), None);
    assert_eq!(accounts.source(brought.id).await.unwrap().as_deref(), Some("directory:x"));
    let ruled = accounts.of_source(t.entity, "directory:x", AccountId(0)).await.unwrap();
    assert_eq!(ruled, vec![brought.clone()]);
    assert!(accounts.of_source(t.entity, "directory:y", AccountId(0)).await.unwrap().is_empty());

    // Gone and back; what was disabled by hand stays so.
    assert!(accounts.set_absent(brought.id, true, vec![]).await.unwrap());
    assert!(!accounts.set_absent(brought.id, true, vec![]).await.unwrap());
    assert!(accounts.by_id(brought.id).await.unwrap().unwrap().disabled.is_some());
    assert!(accounts.set_absent(brought.id, false, vec![]).await.unwrap());
    assert!(accounts.by_id(brought.id).await.unwrap().unwrap().disabled.is_none());
    accounts.set_disabled(brought.id, true, vec![]).await.unwrap();
    assert!(!accounts.set_absent(brought.id, false, vec![]).await.unwrap());
}

async fn logins(accounts: &Accounts, entity: EntityId, filter: &ScimFilter) -> (u64, Vec<String>) {
    let (total, found) = accounts.scim_users(entity, filter, 0, 100).await.unwrap();
    (total, found.into_iter().map(|u| u.account.login.to_string()).collect())
}

async fn users(t: TestStore) {
    let (accounts, other) = (Accounts::new(&t.store).unwrap(), t.ensure_entity("Autre", None).await.unwrap());
    let anne = accounts.create(new(t.entity, "anne@a.test"), vec![]).await.unwrap();
    accounts.create(new(t.entity, "paul@a.test"), vec![]).await.unwrap();
    accounts.create(new(other, "eve@b.test"), vec![]).await.unwrap();
    accounts.create(NewAccount { role: Role::Demo, ..new(t.entity, "bob@c.test") }, vec![]).await.unwrap();
    let by = |name: &str| ScimFilter { name: Some(name.to_owned()), ..ScimFilter::default() };
    let id = |id: String| ScimFilter { id: Some(id), ..ScimFilter::default() };

    let all = logins(&accounts, t.entity, &ScimFilter::default()).await;
    assert_eq!(all, (2, vec!["anne@a.test".to_owned(), "paul@a.test".to_owned()]));
    assert_eq!(logins(&accounts, t.entity, &by("ANNE@a.test")).await.0, 1);
    for (entity, filter) in [
        (t.entity, by("eve@b.test")),
        (other, by("anne@a.test")),
        (other, id(anne.id.0.to_string())),
        (t.entity, id("x".to_owned())),
        (t.entity, id("-1".to_owned())),
    ] {
        assert_eq!(logins(&accounts, entity, &filter).await, (0, vec![]), "{filter:?}");
    }
    let (total, second) = accounts.scim_users(t.entity, &ScimFilter::default(), 1, 1).await.unwrap();
    assert_eq!((total, second[0].account.login.as_str()), (2, "paul@a.test"));

    let change =
        |active, deleted| ScimChange { name: "Anne".into(), external_id: Some("e1".into()), active, deleted };
    accounts.scim_change(&anne, change(false, false), vec![]).await.unwrap();
    let off = ScimFilter { active: Some(false), external_id: Some("e1".into()), ..ScimFilter::default() };
    let (_, found) = accounts.scim_users(t.entity, &off, 0, 10).await.unwrap();
    assert!(found[0].ruled && found[0].account.disabled.is_some() && found[0].account.name == "Anne");
    let anne = found[0].account.clone();
    accounts.scim_change(&anne, change(true, false), vec![]).await.unwrap();
    assert_eq!(logins(&accounts, t.entity, &off).await.0, 0);
    accounts.scim_change(&anne, change(true, true), vec![]).await.unwrap();
    assert_eq!(logins(&accounts, t.entity, &by("anne@a.test")).await.0, 0);
    assert!(accounts.by_id(anne.id).await.unwrap().unwrap().disabled.is_some());
}

async fn groups(t: TestStore) {
    let (accounts, other) = (Accounts::new(&t.store).unwrap(), t.ensure_entity("Autre", None).await.unwrap());
    let anne = accounts.create(new(t.entity, "anne@a.test"), vec![]).await.unwrap();
    let eve = accounts.create(new(other, "eve@b.test"), vec![]).await.unwrap();
    let group = |name: &str| ScimGroup {
        id: Uuid::now_v7(),
        name: name.into(),
        external_id: None,
        created: t.now(),
        changed: t.now(),
    };
    let one = group("Auditeurs");
    // Others' accounts do not become members.
    let put = accounts.scim_put_group(t.entity, one.clone(), vec![anne.id, eve.id], None, vec![]).await;
    assert_eq!(put.unwrap(), GroupPut::Done);
    let members = accounts.scim_members(one.id).await.unwrap();
    assert_eq!(members, vec![(anne.id, "anne@a.test".to_owned())]);
    let put = accounts.scim_put_group(t.entity, group("AUDITEURS"), vec![], None, vec![]).await;
    assert_eq!(put.unwrap(), GroupPut::Taken);
    // Read before somebody else changed it: nothing is written.
    let before = Some(one.changed.saturating_sub(std::time::Duration::from_secs(1)).unwrap());
    let put = accounts.scim_put_group(t.entity, one.clone(), vec![], before, vec![]).await;
    assert_eq!(put.unwrap(), GroupPut::Changed);
    assert_eq!(accounts.scim_members(one.id).await.unwrap().len(), 1);
    let put = accounts.scim_put_group(other, group("Auditeurs"), vec![], None, vec![]).await;
    assert_eq!(put.unwrap(), GroupPut::Done);
    assert_eq!(accounts.scim_groups_of(anne.id).await.unwrap(), vec![one.clone()]);
    let filter = ScimFilter { name: Some("auditeurs".into()), ..ScimFilter::default() };
    assert_eq!(accounts.scim_groups(t.entity, &filter, 0, 10).await.unwrap(), (1, vec![one.clone()]));
    assert!(!accounts.scim_delete_group(other, one.id, vec![]).await.unwrap());
    assert_eq!(accounts.scim_members(one.id).await.unwrap().len(), 1);
    assert!(accounts.scim_delete_group(t.entity, one.id, vec![]).await.unwrap());
    assert!(accounts.scim_groups_of(anne.id).await.unwrap().is_empty());
}

async fn delegates(t: TestStore) {
    let (accounts, other) = (Accounts::new(&t.store).unwrap(), t.ensure_entity("Autre", None).await.unwrap());
    let doctor = accounts.create(new(t.entity, "doctor@a.test"), vec![]).await.unwrap();
    let secretary = accounts.create(new(t.entity, "secretary@a.test"), vec![]).await.unwrap();
    let eve = accounts.create(new(other, "eve@b.test"), vec![]).await.unwrap();
    let address = EmailAddress::parse("Doctor@a.test").unwrap();
    for who in [&secretary, &eve] {
        accounts.add_address(who, &address, Standing::ActsFor, vec![]).await.unwrap();
    }
    let names =
        |found: Vec<(Account, EmailAddress)>| found.into_iter().map(|(a, _)| a.id).collect::<Vec<_>>();
    assert_eq!(names(accounts.delegates(&doctor).await.unwrap()), vec![secretary.id]);
    assert!(accounts.delegates(&secretary).await.unwrap().is_empty());
}

async fn owners(t: TestStore) {
    let (accounts, other) = (Accounts::new(&t.store).unwrap(), t.ensure_entity("Autre", None).await.unwrap());
    let make = async |entity, login| accounts.create(new(entity, login), vec![]).await.unwrap();
    let anne = make(t.entity, "anne@a.test").await;
    let paul = make(t.entity, "paul@a.test").await;
    let eve = make(other, "eve@b.test").await;
    let refused = |done: Result<(), AccountError>| matches!(done, Err(AccountError::NoOwner(_)));

    let copier = accounts.create_owned(new(t.entity, "copier@a.test"), &anne, vec![]).await.unwrap();
    assert_eq!(copier.owner, Some(anne.id));
    assert_eq!(accounts.owned_by(&anne).await.unwrap(), vec![copier.clone()]);
    assert_eq!(accounts.profile(&copier).await.unwrap().contact.unwrap().as_str(), "anne@a.test");
    // Persons alone own, each within the organisation, and nobody themselves.
    assert!(refused(accounts.set_owner(&paul, Some(&copier), vec![]).await), "a copier owns nothing");
    assert!(refused(accounts.set_owner(&anne, Some(&paul), vec![]).await), "who owns is a person");
    assert!(refused(accounts.set_owner(&copier, Some(&eve), vec![]).await), "another organisation");
    assert!(refused(accounts.set_owner(&paul, Some(&paul), vec![]).await), "oneself");
    let made = accounts.create_owned(new(t.entity, "scan@a.test"), &eve, vec![]).await;
    assert!(matches!(made, Err(AccountError::NoOwner(_))));
    assert!(accounts.by_login(&EmailAddress::parse("scan@a.test").unwrap()).await.unwrap().is_none());

    // A further address of the copier is followed and read for as well.
    let alias = EmailAddress::parse("scan2@a.test").unwrap();
    accounts.add_address(&copier, &alias, Standing::Own, vec![]).await.unwrap();
    let reads = async |address: &EmailAddress| {
        accounts.reads_for(t.entity, address).await.unwrap().map(|a| a.to_string())
    };
    assert_eq!(reads(&alias).await.as_deref(), Some("anne@a.test"));
    assert_eq!(reads(&anne.login).await, None, "a person reads for themselves");
    assert_eq!(accounts.reads_for(other, &alias).await.unwrap(), None);
    assert!(accounts.speaks_for(&anne, &alias).await.unwrap());
    assert!(!accounts.speaks_for(&paul, &alias).await.unwrap());

    // Who leaves hands the copier on; who left is read for by the successor.
    assert!(accounts.hand_over(&anne, &copier, vec![]).await.is_err(), "a copier succeeds nobody");
    accounts.hand_over(&anne, &paul, vec![]).await.unwrap();
    assert_eq!(reads(&alias).await.as_deref(), Some("paul@a.test"));
    assert_eq!(reads(&anne.login).await.as_deref(), Some("paul@a.test"));
    assert!(!accounts.speaks_for(&anne, &alias).await.unwrap());
    assert!(refused(accounts.set_owner(&copier, Some(&anne), vec![]).await), "who left owns nothing");
    accounts.set_owner(&copier, None, vec![]).await.unwrap();
    assert_eq!(reads(&alias).await, None);
}
