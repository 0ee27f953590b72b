//! Every evidence against an XML Schema of the standard's table, judged by xmllint; and the schema against
//! evidence that breaks it.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{event, facts, issuer};
use sealpost_evidence::{AuthBasis, Authentication, EventName, Party, render};
use std::io::Write;
use std::process::{Command, Stdio};

/// What xmllint says against it; `None` when it is valid.
fn complaint(xml: &[u8]) -> Option<String> {
    let schema = format!("{}/tests/schema/evidence.xsd", env!("CARGO_MANIFEST_DIR"));
    let mut lint = Command::new("xmllint")
        .args(["--noout", "--nonet", "--schema", &schema, "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("xmllint (package libxml2-utils)");
    lint.stdin.take().unwrap().write_all(xml).unwrap();
    let output = lint.wait_with_output().unwrap();
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Everything an evidence can say: a delegate, several recipients, a certificate, an asserted sender.
fn full(name: EventName) -> String {
    let mut facts = facts();
    facts.delegate = Some(Party {
        address: "sec@clinique.example".parse().unwrap(),
        name: Some("Secrétariat".into()),
        authentication: Some(Authentication {
            time: common::at("2026-03-01T08:59:00Z"),
            basis: AuthBasis::Asserted("exchange".into()),
        }),
    });
    let mut issuer = issuer();
    issuer.certificate = Some(vec![0x30, 0x03, 0x02, 0x01, 0x05]);
    let built = render(&issuer, event(name), Some(&facts)).unwrap();
    String::from_utf8(built.evidence.unwrap()).unwrap()
}

#[test]
fn every_event_has_the_structure() {
    for name in EventName::ALL.iter().copied().filter(|n| n.is_etsi()) {
        let plain = render(&issuer(), event(name), Some(&facts())).unwrap().evidence.unwrap();
        for xml in [plain.as_slice(), full(name).as_bytes()] {
            assert_eq!(complaint(xml), None, "{name}");
        }
    }
}

#[test]
fn the_schema_sees_what_is_wrong() {
    let good = full(EventName::ContentHandover);
    let moved = {
        let time = "  <EventTime>2026-03-02T10:11:12.000005Z</EventTime>\n";
        good.replacen(time, "", 1).replacen(
            "  <erds:SenderDetails>",
            &format!("{time}  <erds:SenderDetails>"),
            1,
        )
    };
    let without = |element: &str| {
        let (open, close) = (format!("<{element}>"), format!("</{element}>\n"));
        let (start, end) = (good.find(&open).unwrap(), good.find(&close).unwrap() + close.len());
        format!("{}{}", &good[..start], &good[end..])
    };
    for (what, bad) in [
        ("another order", moved),
        ("a qualified local element", good.replace("EventTime>", "erds:EventTime>")),
        ("an unqualified global element", good.replace("erds:MessageIdentifier>", "MessageIdentifier>")),
        ("no policy", without("erds:EvidenceIssuerPolicyID")),
        ("no recipient", without("erds:RecipientDetails")),
        ("no content", without("erds:UserContentInfo")),
        ("no event", without("erds:ERDSEventId")),
        ("local time", good.replace("000005Z</EventTime>", "000005+01:00</EventTime>")),
        ("another digest", good.replace("xmlenc#sha256", "xmlenc#sha1")),
        ("no scheme", good.replace(" IdentifierSchemeName=\"mailto\"", "")),
        ("a version of its own", good.replace("EN319522v1.1.1", "EN319522v9")),
    ] {
        assert_ne!(bad, good, "{what}");
        assert!(complaint(bad.as_bytes()).is_some(), "{what}");
    }
}
