//! One organisation becomes part of another: nothing is forgotten, nothing is rewritten.

use crate::common::{TestStore, address, event, issuer, new_deposit, on_both_engines};
use sealpost_envelope::{EntityId, Secret};
use sealpost_evidence::{BuiltEvent, Detail, Event, EventName, render};
use sealpost_store::account::{Account, Accounts, GroupPut, NewAccount, Role, ScimFilter, ScimGroup};
use sealpost_store::deposit::{FollowFilter, Sight};
use sealpost_store::entity::{MergeError, Obstacle, Prefer, merged_tables};
use sealpost_store::person::Person;
use sealpost_store::{Args, Engine, Fence, StoreError};
use std::collections::BTreeSet;
use std::time::Duration;
use uuid::Uuid;

on_both_engines!(
    every_table_with_an_entity_is_treated,
    everything_moves_and_the_log_still_holds,
    recipients_known_to_both_become_one,
    what_collides_is_named,
);

const FROM: &str = "Clinique Lilas";
const INTO: &str = "Cabinet Martin";

async fn every_table_with_an_entity_is_treated(t: TestStore) {
    let sql = match t.db().engine() {
        Engine::Sqlite => {
            "SELECT m.name AS name FROM sqlite_master m JOIN pragma_table_info(m.name) c \
             WHERE m.type = 'table' AND c.name LIKE '%entity%'"
        }
        Engine::Postgres => {
            "SELECT CAST(table_name AS TEXT) AS name FROM information_schema.columns \
             WHERE table_schema = current_schema() AND column_name LIKE '%entity%'"
        }
    };
    let rows = t.db().fetch_all(sql, Args::new()).await.unwrap();
    let there: BTreeSet<String> = rows.iter().map(|r| r.text("name").unwrap()).collect();
    let treated: BTreeSet<String> = merged_tables().map(str::to_owned).collect();
    assert!(there.len() > 40, "{there:?}");
    assert_eq!(treated, there, "a merge must say what becomes of each (store/src/entity/merge.rs)");
}

async fn other(t: &TestStore) -> EntityId {
    t.ensure_entity(FROM, Some("552100554")).await.unwrap()
}

async fn account(t: &TestStore, entity: EntityId, login: &str) -> Account {
    let new = NewAccount {
        entity,
        login: address(login),
        role: Role::Sender,
        name: login.to_owned(),
        password: Some(Secret::new("a password of some length".to_owned())),
    };
    Accounts::new(&t.store).unwrap().create(new, vec![]).await.unwrap()
}

fn said(t: &TestStore) -> Vec<BuiltEvent> {
    let detail = Detail::new().text("change", "entity merged").text("from", FROM);
    let event = Event::new(EventName::AccountChanged, t.entity, t.now()).detail(detail);
    vec![render(&issuer(t.entity), event, None).unwrap()]
}

async fn rows_of(t: &TestStore, entity: EntityId) -> i64 {
    let mut total = 0;
    for table in merged_tables() {
        let sql = format!("SELECT COUNT(*) AS n FROM {table} WHERE entity = {}", entity.0);
        total += t.db().fetch_one(sqlx::AssertSqlSafe(sql), Args::new()).await.unwrap().int("n").unwrap();
    }
    total
}

async fn sequence(t: &TestStore) {
    let fence = t.claim("log", "test", Duration::from_secs(60)).await.unwrap().unwrap();
    while t.sequence_batch(fence).await.unwrap().more {}
    t.release("log", "test", fence).await.unwrap();
}

async fn everything_moves_and_the_log_still_holds(t: TestStore) {
    let (from, third) = (other(&t).await, t.ensure_entity("Tiers", None).await.unwrap());
    let (anne, eve) = (account(&t, from, "anne@b.test").await, account(&t, third, "eve@c.test").await);
    for entity in [from, t.entity, third] {
        let mut new = new_deposit(entity, t.now(), &["bob@example.test"]);
        // Sealed already: nothing waits.
        new.events = vec![event(entity, t.now(), Some(new.id))];
        t.deposit(new).await.unwrap();
    }
    let team = ScimGroup {
        id: Uuid::now_v7(),
        name: "Soignants".to_owned(),
        external_id: None,
        created: t.now(),
        changed: t.now(),
    };
    let accounts = Accounts::new(&t.store).unwrap();
    for (entity, id, members) in [(from, team.id, vec![anne.id]), (t.entity, Uuid::now_v7(), Vec::new())] {
        let put = ScimGroup { id, ..team.clone() };
        assert_eq!(
            accounts.scim_put_group(entity, put, members, None, vec![]).await.unwrap(),
            GroupPut::Done
        );
    }
    sequence(&t).await;
    let (before, elsewhere) = (rows_of(&t, from).await, rows_of(&t, third).await);

    let survey = t.survey_merge(FROM, INTO, None).await.unwrap();
    assert_eq!(survey.obstacles, vec![]);
    assert_eq!(survey.moves.iter().map(|(_, n)| i64::try_from(*n).unwrap()).sum::<i64>(), before);
    assert_eq!(rows_of(&t, from).await, before, "a look changes nothing");
    t.merge_entity(FROM, INTO, None, said(&t)).await.unwrap();
    sequence(&t).await;

    assert_eq!((rows_of(&t, from).await, rows_of(&t, third).await), (0, elsewhere));
    assert_eq!(accounts.by_id(anne.id).await.unwrap().unwrap().entity, t.entity);
    assert_eq!(accounts.by_id(eve.id).await.unwrap().unwrap().entity, third);
    let sees = async |sight| t.follow(&FollowFilter::all(sight, 10)).await.unwrap().len();
    assert_eq!(sees(Sight::Entity(t.entity)).await, 2);
    assert_eq!((sees(Sight::Entity(from)).await, sees(Sight::Entity(third)).await), (0, 1));
    // A group that both had keeps its members under another name.
    let (groups, _) = accounts.scim_groups(t.entity, &ScimFilter::default(), 0, 10).await.unwrap();
    assert_eq!(groups, 2);
    let found = ScimFilter { id: Some(team.id.to_string()), ..ScimFilter::default() };
    let (_, renamed) = accounts.scim_groups(t.entity, &found, 0, 10).await.unwrap();
    assert_eq!(renamed[0].name, "Soignants (Clinique Lilas)");
    assert_eq!(accounts.scim_members(team.id).await.unwrap().len(), 1);

    // The log holds: entries say who acted then, their rows whose they are now; a row elsewhere is found out.
    assert_eq!(t.verify_rows().await.unwrap(), vec![]);
    let sql = format!("UPDATE journal SET entity = {} WHERE entity = {}", third.0, t.entity.0);
    t.db().execute(sqlx::AssertSqlSafe(sql), Args::new()).await.unwrap();
    assert!(!t.verify_rows().await.unwrap().is_empty());

    // Its name is taken for ever, and says where it went.
    let gone = t.ensure_entity(FROM, None).await;
    assert!(matches!(gone, Err(StoreError::Merged { into, .. }) if into == INTO));
    assert!(matches!(t.survey_merge(FROM, INTO, None).await, Err(MergeError::Merged(_))));
    assert!(matches!(t.survey_merge(INTO, INTO, None).await, Err(MergeError::Same)));
    assert!(matches!(t.survey_merge("Nobody", INTO, None).await, Err(MergeError::Unknown(_))));
    assert_eq!(t.entities().await.unwrap().len(), 2);
    // A second merge takes the first one along.
    t.merge_entity(INTO, "Tiers", None, vec![]).await.unwrap();
    let merged = t.merged_entities().await.unwrap();
    assert_eq!((merged[&from], merged[&t.entity]), (third, third));
}

fn person(entity: EntityId, name: &str, phone: Option<&str>, t: &TestStore) -> Person {
    Person {
        entity,
        address: address("bob@example.test"),
        name: Some(name.to_owned()),
        phone: phone.map(str::to_owned),
        phone_source: phone.map(|_| format!("source of {name}")),
        phone_refused: None,
        identity: None,
        language: None,
        shared: false,
        changed: t.now(),
    }
}

async fn write(t: &TestStore, person: Person) {
    t.db().write(async move |tx| person.write(tx).await).await.unwrap();
}

async fn recipients_known_to_both_become_one(t: TestStore) {
    let from = other(&t).await;
    write(&t, person(t.entity, "Bob", None, &t)).await;
    let there = Person { shared: true, ..person(from, "Robert", Some("+33611111111"), &t) };
    write(&t, Person { phone_refused: Some(t.now()), ..there.clone() }).await;
    write(&t, Person { address: address("new@example.test"), ..there }).await;
    let survey = t.survey_merge(FROM, INTO, None).await.unwrap();
    assert_eq!((survey.obstacles, survey.joined), (vec![], 1));
    t.merge_entity(FROM, INTO, None, vec![]).await.unwrap();
    let bob = Person::find(t.db(), t.entity, &address("bob@example.test")).await.unwrap().unwrap();
    assert_eq!((bob.name.as_deref(), bob.phone.as_deref()), (Some("Bob"), Some("+33611111111")));
    assert_eq!((bob.phone_source.as_deref(), bob.shared), (Some("source of Robert"), true));
    assert!(bob.phone_refused.is_some(), "a number that was refused stays so");
    assert!(Person::find(t.db(), t.entity, &address("new@example.test")).await.unwrap().is_some());
    assert_eq!(rows_of(&t, from).await, 0);
}

async fn what_collides_is_named(t: TestStore) {
    let from = other(&t).await;
    write(&t, person(t.entity, "Bob", Some("+33611111111"), &t)).await;
    write(&t, person(from, "Robert", Some("+33622222222"), &t)).await;
    let mut one = new_deposit(t.entity, t.now(), &["bob@example.test"]);
    let mut two = new_deposit(from, t.now(), &["bob@example.test"]);
    two.reference = one.reference.clone();
    one.events = vec![event(t.entity, t.now(), None)];
    two.events = vec![event(from, t.now(), None)];
    let reference = one.reference.to_string();
    t.deposit(one).await.unwrap();
    t.deposit(two).await.unwrap();
    let insert = async |sql: String| t.db().execute(sqlx::AssertSqlSafe(sql), Args::new()).await.unwrap();
    insert(format!("INSERT INTO evidence_waiting (entity, id) VALUES ({}, 'x')", from.0)).await;
    for entity in [from.0, t.entity.0] {
        insert(format!(
            "INSERT INTO account_cards (entity, identity, account, name, bound) VALUES ({entity}, 'rpps:1', {entity}, 'n', 0)"
        ))
        .await;
    }
    let fence: Fence = t.claim("log", "node 7", Duration::from_secs(60)).await.unwrap().unwrap();
    let survey = t.survey_merge(FROM, INTO, None).await.unwrap();
    assert_eq!(
        survey.obstacles,
        vec![
            Obstacle::Running("node 7".to_owned()),
            Obstacle::Unsealed(1, FROM.to_owned()),
            Obstacle::Reference(reference),
            Obstacle::Card("rpps:1".to_owned()),
            Obstacle::Recipient("bob@example.test".to_owned()),
        ]
    );
    let before = rows_of(&t, from).await;
    let refused = t.merge_entity(FROM, INTO, None, vec![]).await;
    assert!(matches!(refused, Err(MergeError::Obstacles(all)) if all.len() == 5));
    assert_eq!(rows_of(&t, from).await, before, "nothing has moved");

    // Once each is dealt with, and it is said whose numbers count, it is done.
    t.release("log", "node 7", fence).await.unwrap();
    insert("DELETE FROM evidence_waiting".to_owned()).await;
    insert(format!("DELETE FROM account_cards WHERE entity = {}", from.0)).await;
    insert(format!("UPDATE deposits SET reference = 'ZZZZZZZZ' WHERE entity = {}", from.0)).await;
    t.merge_entity(FROM, INTO, Some(Prefer::From), vec![]).await.unwrap();
    let bob = Person::find(t.db(), t.entity, &address("bob@example.test")).await.unwrap().unwrap();
    assert_eq!((bob.name.as_deref(), bob.phone.as_deref()), (Some("Robert"), Some("+33622222222")));
}
