//! Tickets of the card listener, and identities on record, on both engines.

use crate::common::{TestStore, on_both_engines};
use jiff::SignedDuration;
use sealpost_envelope::{AccountId, DepositId, EmailAddress, Timestamp};
use sealpost_store::access::{
    CardPurpose, CardReturn, CardTicket, TicketHash, account_of_card, bind_card, bind_identity, cards_of,
    known_identity, sweep, unbind_card,
};

on_both_engines!(
    a_ticket_is_used_once_by_its_browser,
    tickets_end,
    identities_are_bound_once,
    cards_of_accounts,
);

fn hash(text: &str) -> TicketHash {
    TicketHash::of(text)
}
fn later(t: Timestamp, seconds: i64) -> Timestamp {
    t + SignedDuration::from_secs(seconds)
}
async fn begun(t: &TestStore, start: &str, purpose: CardPurpose) -> CardTicket {
    let ticket = CardTicket { entity: t.entity, purpose, browser: hash("browser"), refused: 0 };
    ticket.begin(t.db(), hash(start), t.now(), later(t.now(), 600)).await.unwrap();
    ticket
}

async fn a_ticket_is_used_once_by_its_browser(t: TestStore) {
    let (now, until) = (t.now(), later(t.now(), 120));
    let purpose = CardPurpose::Door(DepositId::generate(), 2, 3);
    let ticket = begun(&t, "start", purpose).await;
    assert_eq!(CardTicket::find(t.db(), hash("start"), now).await.unwrap(), Some(ticket.clone()));
    t.db().write(async move |tx| CardTicket::count_refusal(tx, hash("start")).await).await.unwrap();
    assert_eq!(CardTicket::find(t.db(), hash("start"), now).await.unwrap().unwrap().refused, 1);

    // A second card takes the place of the first.
    for back in ["first", "second"] {
        assert!(CardTicket::prove(t.db(), hash("start"), hash(back), "{}", now, until).await.unwrap());
    }
    assert_eq!(CardReturn::peek(t.db(), hash("first"), now).await.unwrap(), None);
    let seen = CardReturn::peek(t.db(), hash("second"), now).await.unwrap().unwrap();
    assert_eq!((seen.ticket.purpose, seen.facts.as_str()), (purpose, "{}"));
    let take = |browser: &'static str| CardReturn::take(t.db(), hash("second"), hash(browser), now);
    assert_eq!(take("another browser").await.unwrap(), None);
    let (one, two) = tokio::join!(take("browser"), take("browser"));
    let won = [one.unwrap(), two.unwrap()].into_iter().flatten().count();
    assert_eq!(won, 1, "of two that race for a ticket, one wins");
    // Nothing leads there any more.
    assert_eq!(CardTicket::find(t.db(), hash("start"), now).await.unwrap(), None);
    assert!(!CardTicket::prove(t.db(), hash("start"), hash("third"), "{}", now, until).await.unwrap());
}

async fn tickets_end(t: TestStore) {
    let now = t.now();
    begun(&t, "login", CardPurpose::Login).await;
    assert_eq!(CardTicket::find(t.db(), hash("login"), later(now, 600)).await.unwrap(), None);
    assert!(CardTicket::prove(t.db(), hash("login"), hash("b"), "{}", now, later(now, 120)).await.unwrap());
    assert!(CardReturn::peek(t.db(), hash("b"), later(now, 119)).await.unwrap().is_some());
    let late = CardReturn::take(t.db(), hash("b"), hash("browser"), later(now, 120)).await.unwrap();
    assert_eq!(late, None);
    assert_eq!(sweep(t.db(), later(now, 601)).await.unwrap(), 1);
}

async fn identities_are_bound_once(t: TestStore) {
    let (now, entity) = (t.now(), t.entity);
    let bob = EmailAddress::parse("bob@example.test").unwrap();
    assert_eq!(known_identity(t.db(), entity, &bob).await.unwrap(), None);
    for (identity, first) in [("rpps:1", true), ("rpps:2", false)] {
        let address = bob.clone();
        let bound =
            t.db().write(async move |tx| bind_identity(tx, entity, &address, identity, Some("B"), now).await);
        assert_eq!(bound.await.unwrap(), first);
    }
    let shouted = EmailAddress::parse("BOB@Example.test").unwrap();
    assert_eq!(known_identity(t.db(), entity, &shouted).await.unwrap().as_deref(), Some("rpps:1"));
}

async fn cards_of_accounts(t: TestStore) {
    let (now, entity) = (t.now(), t.entity);
    let bind = async |account: i64| {
        let bound = t
            .db()
            .write(async move |tx| bind_card(tx, (entity, AccountId(account)), "rpps:1", "Nurse", now).await);
        bound.await.unwrap()
    };
    assert!(bind(7).await && bind(7).await);
    assert!(!bind(8).await, "a card logs in to one account");
    assert_eq!(account_of_card(t.db(), "rpps:1").await.unwrap(), Some(AccountId(7)));
    assert_eq!(cards_of(t.db(), AccountId(7)).await.unwrap().len(), 1);
    let unbind = t.db().write(async move |tx| unbind_card(tx, AccountId(7), "rpps:1").await);
    assert!(unbind.await.unwrap());
    assert_eq!(account_of_card(t.db(), "rpps:1").await.unwrap(), None);
    assert!(bind(8).await);
}
