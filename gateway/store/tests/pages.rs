//! What stands behind the pages on which people write: drafts, address books, invitations.

use crate::common::{TestStore, address, on_both_engines};
use jiff::SignedDuration;
use sealpost_envelope::{AccountId, DepositId, GateMethod, Language, Sha256Digest};
use sealpost_store::account::{Accounts, NewAccount, Role};
use sealpost_store::invitation::{InvitationError, Kind, NewInvitation, Words, invitation_token};
use sealpost_store::keys::token_hash;
use sealpost_store::upload::{Owner, UploadError, UploadMeta};
use sealpost_store::{Completion, Contact};
use uuid::Uuid;

on_both_engines!(
    drafts,
    a_form_sent_twice_is_known,
    contacts_and_groups,
    completion,
    invitations,
    answers_to_one_message_give_way_to_each_other,
    an_answer_ends_with_the_content_it_answers,
    a_guests_files_are_their_own_and_bounded,
);

async fn person(t: &TestStore, login: &str) -> AccountId {
    let accounts = Accounts::new(t).unwrap();
    let new = NewAccount {
        entity: t.entity,
        login: address(login),
        role: Role::Sender,
        name: login.into(),
        password: None,
    };
    accounts.create(new, vec![]).await.unwrap().id
}

async fn two(t: &TestStore) -> (AccountId, AccountId) {
    (person(t, "alice@martin.example").await, person(t, "paul@martin.example").await)
}

async fn drafts(t: TestStore) {
    let (alice, paul) = two(&t).await;
    let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
    assert!(t.draft(alice, one).await.unwrap().is_none());
    for text in ["first", "second"] {
        t.keep_draft(t.entity, alice, one, text.as_bytes()).await.unwrap();
    }
    t.clock.advance(SignedDuration::from_secs(1));
    t.keep_draft(t.entity, alice, other, b"of another tab").await.unwrap();
    let kept = t.draft(alice, one).await.unwrap().unwrap();
    assert_eq!(kept.content, b"second");
    let all: Vec<Uuid> = t.drafts(alice).await.unwrap().into_iter().map(|d| d.id).collect();
    assert_eq!(all, [other, one]);
    // Whose name another account guesses stays what it was.
    t.keep_draft(t.entity, paul, one, b"mine now").await.unwrap();
    assert!(t.draft(paul, one).await.unwrap().is_none() && t.drafts(paul).await.unwrap().is_empty());
    t.drop_draft(paul, one).await.unwrap();
    assert_eq!(t.draft(alice, one).await.unwrap().unwrap(), kept);
    // In the table it cannot be read.
    for row in t.db().fetch_all("SELECT content FROM drafts", vec![]).await.unwrap() {
        assert!(!row.bytes("content").unwrap().windows(6).any(|w| w == b"second"));
    }
    t.clock.advance(SignedDuration::from_hours(24 * 31));
    assert!(t.draft(alice, one).await.unwrap().is_none(), "forgotten after a month");
    t.keep_draft(t.entity, alice, one, b"third").await.unwrap();
    t.drop_draft(alice, one).await.unwrap();
    assert!(t.drafts(alice).await.unwrap().is_empty());
    for _ in 0..101 {
        t.keep_draft(t.entity, alice, Uuid::now_v7(), b"x").await.unwrap();
    }
    assert_eq!(t.drafts(alice).await.unwrap().len(), 100, "the oldest make room");
}

async fn a_form_sent_twice_is_known(t: TestStore) {
    let (alice, paul) = two(&t).await;
    let (id, deposit) = (Uuid::now_v7(), DepositId(Uuid::now_v7()));
    let (form, changed) = (Sha256Digest::of(b"form"), Sha256Digest::of(b"another"));
    t.keep_draft(t.entity, alice, id, b"words").await.unwrap();
    assert_eq!(t.sent_before(alice, id, form).await.unwrap(), None);
    t.sent_draft(t.entity, alice, id, form, deposit).await.unwrap();
    assert_eq!(t.sent_before(alice, id, form).await.unwrap(), Some(deposit));
    assert_eq!(t.sent_before(alice, id, changed).await.unwrap(), None, "changed, it is another message");
    assert_eq!(t.sent_before(paul, id, form).await.unwrap(), None);
    assert!(t.draft(alice, id).await.unwrap().is_none(), "what was written left with it");
    // Written on after all: a draft again.
    t.keep_draft(t.entity, alice, id, b"more").await.unwrap();
    assert_eq!(t.sent_before(alice, id, form).await.unwrap(), None);
    assert_eq!(t.draft(alice, id).await.unwrap().unwrap().content, b"more");
}

fn contact(text: &str, name: &str, groups: &[&str]) -> Contact {
    Contact {
        address: address(text),
        name: (!name.is_empty()).then(|| name.to_owned()),
        phone: None,
        identity: None,
        groups: groups.iter().map(|g| (*g).to_owned()).collect(),
    }
}

async fn contacts_and_groups(t: TestStore) {
    let (alice, paul) = two(&t).await;
    let all = vec![
        contact("bob@example.test", "Bob Petit", &["Cardiologie", "Nuit"]),
        contact("dora@example.test", "", &["cardiologie"]),
        contact("eve_x@example.test", "Eve", &[]),
    ];
    assert!(t.write_contacts(t.entity, alice, all.clone()).await.unwrap());
    assert_eq!(t.contact_groups(alice).await.unwrap(), [("Cardiologie".into(), 2), ("Nuit".into(), 1)]);
    assert_eq!(t.contact_group(alice, "CARDIOLOGIE").await.unwrap().len(), 2);
    assert_eq!(t.contacts(alice, "", None, "", 10).await.unwrap().len(), 3);
    assert_eq!(t.contacts(alice, "", Some("nuit"), "", 10).await.unwrap(), [all[0].clone()]);
    assert_eq!(t.contacts(alice, "petit", None, "", 10).await.unwrap().len(), 1);
    assert_eq!(t.contacts(alice, "e_x", None, "", 10).await.unwrap().len(), 1);
    assert!(
        t.contacts(alice, "%", None, "", 10).await.unwrap().is_empty(),
        "no pattern is taken from people"
    );
    assert_eq!(t.contacts(alice, "", None, "bob@example.test", 10).await.unwrap().len(), 2);
    // Written again: in place of what was.
    t.write_contacts(t.entity, alice, vec![contact("Bob@example.test", "Bob", &["Jour"])]).await.unwrap();
    let bob = t.contact(alice, &address("bob@example.test")).await.unwrap().unwrap();
    assert_eq!((bob.name.as_deref(), bob.groups), (Some("Bob"), vec!["Jour".to_owned()]));
    // Who is known stays as they are when they are written to.
    let sent =
        vec![(address("bob@example.test"), Some("B.".to_owned())), (address("new@example.test"), None)];
    t.remember_contacts(t.entity, alice, sent).await.unwrap();
    assert_eq!(
        t.contact(alice, &address("bob@example.test")).await.unwrap().unwrap().name.as_deref(),
        Some("Bob")
    );
    assert!(t.contact(alice, &address("new@example.test")).await.unwrap().is_some());
    assert!(t.contacts(paul, "", None, "", 10).await.unwrap().is_empty());
    assert!(!t.drop_contact(paul, &address("bob@example.test")).await.unwrap());
    assert!(t.drop_contact(alice, &address("bob@example.test")).await.unwrap());
    assert!(t.contact_group(alice, "jour").await.unwrap().is_empty());
}

async fn completion(t: TestStore) {
    let (alice, paul) = two(&t).await;
    t.write_contacts(t.entity, alice, vec![contact("bob@example.test", "Bob", &["Bobines"])]).await.unwrap();
    let now = t.now();
    t.db()
        .write(async move |tx| {
            for (who, name) in [("bob@example.test", "Bob d’avant"), ("bobby@other.test", "Bobby")] {
                let mut one =
                    sealpost_store::person::Person::new(sealpost_envelope::EntityId(1), address(who), now);
                one.name = Some(name.to_owned());
                one.write(tx).await?;
            }
            Ok(())
        })
        .await
        .unwrap();
    let mine = t.complete(t.entity, alice, "BOB", 10).await.unwrap();
    let bob = Completion::Person(address("bob@example.test"), Some("Bob".into()));
    let bobby = Completion::Person(address("bobby@other.test"), Some("Bobby".into()));
    assert_eq!(mine, [Completion::Group("Bobines".into(), 1), bob, bobby.clone()]);
    let other = sealpost_envelope::EntityId(t.entity.0 + 1);
    assert!(t.complete(other, paul, "bob", 10).await.unwrap().is_empty(), "another organisation’s people");
    assert_eq!(t.complete(t.entity, paul, "bobby", 10).await.unwrap(), [bobby]);
}

fn invitation(t: &TestStore, account: AccountId) -> NewInvitation {
    NewInvitation {
        id: Uuid::now_v7(),
        entity: t.entity,
        account,
        kind: Kind::Guest,
        browser: None,
        address: address("guest@example.test"),
        about: None,
        language: Language::Fr,
        most: 100,
        expires: t.now() + SignedDuration::from_hours(24),
        content_until: None,
        words: Words { subject: "Vos radios".into(), words: "Bonjour".into(), ..Words::default() },
    }
}

async fn invitations(t: TestStore) {
    let (alice, paul) = two(&t).await;
    let new = invitation(&t, alice);
    t.invite(new.clone(), None).await.unwrap();
    let token = invitation_token(t.keys(), new.id).unwrap();
    let found = t.invitation_by_token(token.expose()).await.unwrap().unwrap();
    assert_eq!((found.id, found.words, found.most), (new.id, Some(new.words.clone()), 100));
    assert!(t.invitation_by_token("guessed").await.unwrap().is_none());
    // Only the hash lies in the database, and nothing that was written can be read there.
    let row = t.db().fetch_one("SELECT token_hash, content FROM invitations", vec![]).await.unwrap();
    assert_eq!(row.array::<32>("token_hash").unwrap(), token_hash(token.expose()));
    assert!(!row.bytes("content").unwrap().windows(6).any(|w| w == b"radios"));
    // Used once.
    let (first, second) = (DepositId(Uuid::now_v7()), DepositId(Uuid::now_v7()));
    assert!(t.invitation_used(new.id, first, None).await.unwrap());
    assert!(!t.invitation_used(new.id, second, None).await.unwrap());
    let used = t.invitation(new.id).await.unwrap().unwrap();
    assert!(used.made == Some(first) && !used.is_live(t.now()));
    assert!(!t.withdraw_invitation(alice, new.id).await.unwrap(), "what was used cannot be withdrawn");
    // Withdrawn by its owner only; over by itself.
    let other = invitation(&t, alice);
    t.invite(other.clone(), None).await.unwrap();
    assert!(!t.withdraw_invitation(paul, other.id).await.unwrap());
    assert!(t.invitation(other.id).await.unwrap().unwrap().is_live(t.now()));
    assert!(t.withdraw_invitation(alice, other.id).await.unwrap());
    assert!(!t.invitation(other.id).await.unwrap().unwrap().is_live(t.now()));
    assert!(t.invitations(paul, 10).await.unwrap().is_empty());
    assert_eq!(t.invitations(alice, 10).await.unwrap().len(), 2);
    // An answer belongs to its browser.
    let about = Some((first, 2));
    let reply = NewInvitation {
        kind: Kind::Reply,
        browser: Some([7; 32]),
        about,
        words: Words { passed: vec![GateMethod::OtpMail], ..Words::default() },
        ..invitation(&t, alice)
    };
    t.invite(reply.clone(), None).await.unwrap();
    assert_eq!(t.reply_begun(first, 2, [7; 32]).await.unwrap(), Some(reply.id));
    assert_eq!(t.reply_begun(first, 2, [8; 32]).await.unwrap(), None);
    assert_eq!(t.reply_begun(first, 1, [7; 32]).await.unwrap(), None);
    assert_eq!(t.invitation(reply.id).await.unwrap().unwrap().browser, Some([7; 32]));
    t.clock.advance(SignedDuration::from_hours(25));
    assert_eq!(t.reply_begun(first, 2, [7; 32]).await.unwrap(), None);
    t.clock.advance(SignedDuration::from_hours(24 * 61));
    t.invite(invitation(&t, alice), None).await.unwrap();
    assert!(t.invitation(new.id).await.unwrap().is_none(), "old ones are forgotten");
    for _ in 1..500 {
        t.invite(invitation(&t, alice), None).await.unwrap();
    }
    assert!(matches!(t.invite(invitation(&t, alice), None).await, Err(InvitationError::TooMany)));
}

fn reply(t: &TestStore, account: AccountId, about: (DepositId, u32), browser: u8) -> NewInvitation {
    NewInvitation {
        kind: Kind::Reply,
        browser: Some([browser; 32]),
        about: Some(about),
        ..invitation(t, account)
    }
}

async fn answers_to_one_message_give_way_to_each_other(t: TestStore) {
    let alice = person(&t, "alice@martin.example").await;
    let deposit = DepositId(Uuid::now_v7());
    let oldest = reply(&t, alice, (deposit, 1), 0);
    t.invite(oldest.clone(), None).await.unwrap();
    t.invite(reply(&t, alice, (deposit, 2), 0), None).await.unwrap();
    let owner = Owner { account: alice, guest: Some((oldest.id, 100)) };
    let end = t.now() + SignedDuration::from_hours(24);
    let file = t.create_upload(t.entity, owner, 100, UploadMeta::default(), end).await.unwrap();
    for browser in 1..=5 {
        t.clock.advance(SignedDuration::from_secs(1));
        t.invite(reply(&t, alice, (deposit, 1), browser), None).await.unwrap();
    }
    assert_eq!(t.reply_begun(deposit, 1, [0; 32]).await.unwrap(), None, "the oldest has given way");
    assert!(matches!(t.upload(owner, file.id).await, Err(UploadError::Unknown)));
    for browser in 1..=5 {
        assert!(t.reply_begun(deposit, 1, [browser; 32]).await.unwrap().is_some());
    }
    assert!(t.reply_begun(deposit, 2, [0; 32]).await.unwrap().is_some(), "another recipient’s");
    // However many answers wait, somebody else's is begun.
    for n in 3..110 {
        for browser in 0..5 {
            t.invite(reply(&t, alice, (deposit, n), browser), None).await.unwrap();
        }
    }
}

async fn an_answer_ends_with_the_content_it_answers(t: TestStore) {
    let alice = person(&t, "alice@martin.example").await;
    let deposit = DepositId(Uuid::now_v7());
    for (hours, expires) in [(1, 1), (48, 24)] {
        let until = t.now() + SignedDuration::from_hours(hours);
        let new = NewInvitation { content_until: Some(until), ..reply(&t, alice, (deposit, 1), 0) };
        t.invite(new.clone(), None).await.unwrap();
        let found = t.invitation(new.id).await.unwrap().unwrap();
        assert_eq!(found.expires, t.now() + SignedDuration::from_hours(expires));
        let sql = "SELECT kept FROM invitations WHERE id = $1";
        let row = t.db().fetch_one(sql, vec![new.id.into()]).await.unwrap();
        assert_eq!(row.time("kept").unwrap(), until);
    }
}

async fn a_guests_files_are_their_own_and_bounded(t: TestStore) {
    let alice = person(&t, "alice@martin.example").await;
    let guest = Owner { account: alice, guest: Some((Uuid::now_v7(), 100)) };
    let other = Owner { account: alice, guest: Some((Uuid::now_v7(), 100)) };
    let end = t.now() + SignedDuration::from_hours(24);
    let file = |owner, size| t.create_upload(t.entity, owner, size, UploadMeta::default(), end);
    let first = file(guest, 60).await.unwrap();
    assert!(matches!(file(guest, 41).await, Err(UploadError::TooLarge(100))));
    assert!(file(other, 100).await.is_ok() && file(alice.into(), 1000).await.is_ok());
    for stranger in [other, alice.into()] {
        assert!(matches!(t.upload(stranger, first.id).await, Err(UploadError::Unknown)));
        assert!(!t.end_upload(stranger, first.id).await.unwrap());
        assert!(!t.close_upload(stranger, first.id).await.unwrap());
    }
    assert!(t.arrived_uploads(guest).await.unwrap().is_empty(), "it has not arrived");
    assert!(t.close_upload(guest, first.id).await.unwrap());
    let arrived: Vec<Uuid> = t.arrived_uploads(guest).await.unwrap().iter().map(|u| u.id).collect();
    assert_eq!(arrived, [first.id]);
    assert!(t.arrived_uploads(other).await.unwrap().is_empty());
    assert!(t.end_upload(guest, first.id).await.unwrap());
    assert!(file(guest, 100).await.is_ok(), "what was given up no longer counts");
}
