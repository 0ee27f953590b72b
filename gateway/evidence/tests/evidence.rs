//! Evidence XML: golden files, and every ETSI-named event written and read back.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{event, facts, issuer};
use sealpost_evidence::xml::{XmlError, parse};
use sealpost_evidence::{AuthBasis, Authentication, EventError, EventName, Party, render};

fn evidence(name: EventName) -> Vec<u8> {
    render(&issuer(), event(name), Some(&facts())).unwrap().evidence.unwrap()
}

/// Compares with the file; `SEALPOST_BLESS=1` writes it instead.
fn golden(file: &str, actual: &[u8]) {
    let path = format!("{}/tests/golden/{file}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("SEALPOST_BLESS").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read(&path).unwrap();
    assert_eq!(String::from_utf8_lossy(actual), String::from_utf8_lossy(&expected), "{file}");
}

#[test]
fn golden_files() {
    for name in [
        EventName::SubmissionAcceptance,
        EventName::RelayToNonERDSFailure,
        EventName::ConsignmentNotification,
        EventName::ContentHandover,
    ] {
        golden(&format!("{name}.xml"), &evidence(name));
    }
}

#[test]
fn every_etsi_event_is_read_back() {
    for name in EventName::ALL.iter().copied().filter(|n| n.is_etsi()) {
        let read = parse(&evidence(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let facts = facts();
        let sent = event(name);
        assert_eq!((read.id, read.event, read.time), (sent.id, name, sent.time));
        assert_eq!(read.deposit, facts.id);
        assert_eq!(read.reference.as_ref(), Some(&facts.reference));
        assert_eq!(read.message_id, facts.message_id);
        assert_eq!(read.message_sha256, facts.digests.sha256);
        assert_eq!(read.submitted, facts.submitted);
        assert_eq!(read.issuer.as_deref(), Some("Clinique <du> Parc & fils"));
        assert_eq!(read.sender, "alice@clinique.example");
        assert_eq!(read.parts.len(), 1);
        assert_eq!(read.parts[0].number, facts.parts[0].number);
        let file = facts.parts[0].name.as_deref().unwrap();
        assert!(!String::from_utf8(evidence(read.event)).unwrap().contains(file), "a name is content");
        assert_eq!(read.parts[0].sha256, facts.parts[0].digests.sha256);
        assert_eq!(read.recipient, sent.recipient);
        let all = sent.recipient.is_none();
        let expected: &[&str] =
            if all { &["bob@example.test", "dora@example.test"] } else { &["dora@example.test"] };
        assert_eq!(read.recipients, expected, "{name}");
        assert_eq!(read.external_system.is_some(), name.is_relay());
        assert!(!name.is_negative() || read.reasons.len() == 2);
        assert_eq!(read.authentication.is_some(), name == EventName::ContentHandover);
    }
}

#[test]
fn other_recipients_are_not_named() {
    let xml = String::from_utf8(evidence(EventName::ContentHandover)).unwrap();
    assert!(!xml.contains("bob"));
}

#[test]
fn a_delegate_and_an_asserting_server_are_named() {
    let mut facts = facts();
    facts.sender.authentication = Some(Authentication {
        time: common::at("2026-03-01T08:59:00Z"),
        basis: AuthBasis::Asserted("exchange <1>".to_owned()),
    });
    facts.delegate = Some(Party::new("sec@clinique.example".parse().unwrap()));
    let built = render(&issuer(), event(EventName::SubmissionAcceptance), Some(&facts)).unwrap();
    let xml = built.evidence.unwrap();
    assert_eq!(parse(&xml).unwrap().delegate.as_deref(), Some("sec@clinique.example"));
    assert!(String::from_utf8(xml).unwrap().contains("urn:sealpost:auth:asserted:exchange__1_"));
}

#[test]
fn what_etsi_asks_for_is_asked_for() {
    let refuse = |name, change: &dyn Fn(&mut sealpost_evidence::Event)| {
        let mut event = event(name);
        change(&mut event);
        render(&issuer(), event, Some(&facts())).unwrap_err()
    };
    let no_host = refuse(EventName::RelayToNonERDS, &|e| e.external_system = None);
    assert_eq!(no_host, EventError::ExternalSystem(EventName::RelayToNonERDS));
    let no_reason = refuse(EventName::SubmissionRejection, &|e| e.reasons.clear());
    assert_eq!(no_reason, EventError::Reason(EventName::SubmissionRejection));
    for number in [None, Some(0), Some(3)] {
        let error = refuse(EventName::ContentConsignment, &|e| e.recipient = number);
        assert!(matches!(error, EventError::Recipient { count: 2, .. }));
    }
    let other =
        refuse(EventName::ContentHandover, &|e| e.deposit = Some(sealpost_envelope::DepositId::generate()));
    assert_eq!(other, EventError::OtherDeposit);
}

#[test]
fn foreign_xml_is_refused() {
    let good = String::from_utf8(evidence(EventName::ContentHandover)).unwrap();
    let id = "<erds:EvidenceIdentifier>";
    for (why, bad) in [
        ("no root", String::new()),
        ("other namespace", good.replace("http://uri.etsi.org/19522/v1#", "http://uri.etsi.org/19522/v2#")),
        ("doctype", good.replacen("<erds:Evidence ", "<!DOCTYPE x [<!ENTITY e \"x\">]><erds:Evidence ", 1)),
        ("entity", good.replacen(id, &format!("{id}&e;"), 1)),
        ("comment", good.replacen(id, &format!("<!-- -->{id}"), 1)),
        ("two roots", format!("{good}<x/>")),
        ("two roots", format!("{good}{}", good.lines().skip(1).collect::<String>())),
        ("cut", good[..good.len() / 2].to_owned()),
        ("other digest method", good.replace("xmlenc#sha256", "xmlenc#sha1")),
        ("unknown event", good.replace("Event/ContentHandover", "Event/Content")),
        ("event of ours", good.replace("Event/ContentHandover", "Event/GatePassed")),
        ("undeclared prefix", good.replacen("<EventTime>", "<u:E></u:E><EventTime>", 1)),
        ("time zone", good.replacen("000005Z</EventTime>", "000005+01:00</EventTime>", 1)),
        (
            "two times",
            good.replacen("<EventTime>", "<EventTime>2026-03-02T10:11:12.000005Z</EventTime><EventTime>", 1),
        ),
        ("deep", format!("{}{}", "<a>".repeat(30), "</a>".repeat(30))),
    ] {
        assert!(parse(bad.as_bytes()).is_err(), "{why}");
    }
    assert!(matches!(parse(b"\xff"), Err(XmlError::Malformed(_))));
}
