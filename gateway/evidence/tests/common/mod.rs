//! A deposit that the tests talk about.
#![allow(clippy::unwrap_used, missing_docs, dead_code)]

use sealpost_envelope::{DepositId, Digests, EntityId, EntryId, GateMethod, Reference, Timestamp};
use sealpost_evidence::{
    Actor, AuthBasis, Authentication, DepositFacts, Event, EventName, Issuer, PartFacts, Party,
};

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn issuer() -> Issuer {
    Issuer {
        entity: EntityId(1),
        name: "Clinique <du> Parc & fils".to_owned(),
        identifier: Some("123456789".to_owned()),
        hostname: "mail.clinique.example".to_owned(),
        policies: vec!["https://mail.clinique.example/policy/1".to_owned()],
        certificate: None,
    }
}

pub fn deposit() -> DepositId {
    "0191a5b0-0000-7000-8000-000000000001".parse().unwrap()
}

pub fn facts() -> DepositFacts {
    let party = |address: &str, name: Option<&str>| Party {
        address: address.parse().unwrap(),
        name: name.map(str::to_owned),
        authentication: None,
    };
    let mut sender = party("alice@clinique.example", Some("Dr Alice \"A\" Martin"));
    sender.authentication = Some(Authentication {
        time: at("2026-03-01T08:59:00Z"),
        basis: AuthBasis::Login("plain".to_owned()),
    });
    DepositFacts {
        id: deposit(),
        reference: Reference::parse("7K3M9QXZ").unwrap(),
        message_id: Some("abc@poste.clinique.example".to_owned()),
        sender,
        delegate: None,
        recipients: vec![party("bob@example.test", Some("Bob")), party("dora@example.test", None)],
        submitted: at("2026-03-01T09:00:00.123456Z"),
        size: 1_234_567,
        digests: Digests::of(b"message"),
        parts: vec![PartFacts {
            number: 1,
            name: Some("compte rendu d'opération.pdf".to_owned()),
            media_type: "application/pdf".to_owned(),
            size: 1_200_000,
            digests: Digests::of(b"part"),
        }],
    }
}

/// An event with everything that its name asks for.
pub fn event(name: EventName) -> Event {
    let mut event = Event::new(name, EntityId(1), at("2026-03-02T10:11:12.000005Z")).deposit(deposit());
    event.id = "0191a5b0-0000-7000-8000-0000000000ee".parse::<EntryId>().unwrap();
    if name.refers_to_recipient() || name.is_relay() {
        event = event.recipient(2);
    }
    if name.is_relay() {
        event = event.external_system("mx.example.test");
    }
    if name.is_negative() {
        event = event.reason(sealpost_evidence::Reason::Other, Some("554 <no>\r\nsecond\u{1} line"));
    }
    if name == EventName::ContentHandover {
        event = event.actor(Actor::Recipient {
            methods: vec![GateMethod::Password, GateMethod::OtpMail],
            passed: Some(at("2026-03-02T10:10:00Z")),
            identity: Some("dora@example.test".to_owned()),
            network: Some("192.0.2.7".to_owned()),
            level: Some("low".to_owned()),
            known: vec![("serial <1>".to_owned(), "42".to_owned())],
        });
    }
    event
}
