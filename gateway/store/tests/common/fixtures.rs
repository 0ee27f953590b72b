//! Deposits and events to fill a store with: valid, if dull.
#![allow(dead_code, clippy::unwrap_used, missing_docs, reason = "each test file uses its own part")]

use sealpost_envelope::{
    DepositId, Digests, EmailAddress, EntityId, Gate, Language, RecipientNo, Reference, Sha256Digest,
    Submitter, Timestamp, Treatment, Verdict,
};
use sealpost_evidence::{BuiltEvent, DepositFacts, Event, EventName, Issuer, Party, render};
use sealpost_store::queue::{NewOutbound, OutboundId, Priority};
use sealpost_store::{NewConsignment, NewDeposit, NewPart, StoredBody};

pub fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

pub fn issuer(entity: EntityId) -> Issuer {
    Issuer {
        entity,
        name: "Cabinet Martin".into(),
        identifier: None,
        hostname: "mail.example.org".into(),
        policies: vec!["https://mail.example.org/policy".into()],
        certificate: None,
    }
}

/// An event without evidence.
pub fn event(entity: EntityId, time: Timestamp, deposit: Option<DepositId>) -> BuiltEvent {
    let mut event = Event::new(EventName::PolicyLoaded, entity, time);
    event.deposit = deposit;
    render(&issuer(entity), event, None).unwrap()
}

/// A deposit for `recipients`, with its events and outbound mail; valid, if dull.
pub fn new_deposit(entity: EntityId, now: Timestamp, recipients: &[&str]) -> NewDeposit {
    let id = DepositId::generate();
    let reference = Reference::generate();
    let digests = Digests::of(id.0.as_bytes());
    let facts = DepositFacts {
        id,
        reference: reference.clone(),
        message_id: None,
        sender: Party::new(address("alice@martin.example")),
        delegate: None,
        recipients: recipients.iter().map(|r| Party::new(address(r))).collect(),
        submitted: now,
        size: 4096,
        digests,
        parts: Vec::new(),
    };
    let accepted = Event::new(EventName::SubmissionAcceptance, entity, now).deposit(id);
    let outbound = |(n, rcpt): (RecipientNo, &&str)| NewOutbound {
        id: OutboundId::generate(),
        entity,
        deposit: Some(id),
        recipient: Some(n),
        priority: Priority::Mail,
        spec: r#"{"kind":"consignment"}"#.into(),
        envelope_from: Some(address("bounce@mail.example.org")),
        rcpt: address(rcpt),
        next_at: now,
        created: now,
        hold: None,
    };
    NewDeposit {
        id,
        entity,
        account: None,
        submitter: Submitter::Asserted { server: "exchange".into() },
        sender: address("alice@martin.example"),
        reference,
        idempotency: Sha256Digest::of(id.0.as_bytes()),
        message_id: Some(format!("{id}@martin.example")),
        created: now,
        size: 4096,
        digests,
        wrapped_key: vec![1; 60],
        key_week: "2026-W50".into(),
        meta: vec![2; 200],
        skeleton: StoredBody::Inline(vec![3; 4096]),
        parts: vec![part(1, StoredBody::Inline(vec![5; 100]))],
        consignments: (1..).zip(recipients).map(|(n, r)| consignment(id, n, r, now)).collect(),
        events: vec![render(&issuer(entity), accepted, Some(&facts)).unwrap(), event(entity, now, Some(id))],
        password: None,
        outbound: (1..).zip(recipients).map(outbound).collect(),
    }
}

pub fn part(n: u32, body: StoredBody) -> NewPart {
    let digests = Digests::of(&n.to_be_bytes());
    NewPart { n, role: "attachment".into(), size: 1 << 40, digests, body, meta: vec![4; 80] }
}

pub fn consignment(id: DepositId, n: RecipientNo, to: &str, now: Timestamp) -> NewConsignment {
    let days = |n: i64| now + jiff::SignedDuration::from_hours(24 * n);
    let token = Sha256Digest::of(format!("{id}/{n}").as_bytes());
    NewConsignment {
        n,
        address: address(to),
        verdict: Verdict {
            treatment: Treatment::Link,
            gate: Gate::otp_mail(),
            expires: days(30),
            retention: days(90),
            rule: "default".into(),
            phone: None,
            identity: None,
            hold: None,
        },
        language: Language::Fr,
        token_hash: Some(token.0),
        remind: Vec::new(),
        observed: None,
    }
}
