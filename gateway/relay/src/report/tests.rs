//! Reports as servers and clients write them, and reports that should not be believed.

use super::*;

const BOB: &str = "bob@example.test";

fn bob() -> EmailAddress {
    EmailAddress::parse(BOB).unwrap()
}

fn half(kind: &str, text: &str) -> Vec<(String, Vec<u8>)> {
    vec![(format!("message/{kind}"), text.replace('\n', "\r\n").into_bytes())]
}

fn status_of(text: &str) -> Report {
    let halves = half("delivery-status", text);
    read(&Incoming { null_path: true, halves: &halves, ..Incoming::default() }, &bob())
}

#[test]
fn standard_reports() {
    let full = "Reporting-MTA: dns; mx.example.test\nArrival-Date: Sun, 22 Nov 2026 00:00:00 +0000\n\n\
                Original-Recipient: rfc822;Bob@Example.test\nFinal-Recipient: rfc822; b2@example.test\n\
                Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 no such\n user\n";
    assert_eq!(
        status_of(full),
        Report::Delivery(DeliveryReport {
            action: Action::Failed,
            status: "5.1.1".into(),
            diagnostic: "550 5.1.1 no such user".into(),
            reporter: Some("mx.example.test".into()),
            standard: true,
        })
    );
    for (action, status, want) in [
        ("delivered", "2.0.0", Some(Action::Delivered)),
        ("Relayed (to foreign mailer)", "2.1.9 (ok)", Some(Action::Relayed)),
        ("expanded", "2.0.0", Some(Action::Expanded)),
        ("delayed", "4.4.1", Some(Action::Delayed)),
        ("failed", "4.4.7", Some(Action::Failed)),
        // Contradictions and unknown words.
        ("failed", "2.0.0", None),
        ("delivered", "5.1.1", None),
        ("delayed", "5.0.0", None),
        ("lost", "5.0.0", None),
        ("failed", "5.1", None),
        ("failed", "550", None),
    ] {
        let text = format!(
            "Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; {BOB}\nAction: {action}\nStatus: {status}\n"
        );
        let got = match status_of(&text) {
            Report::Delivery(report) => Some(report.action),
            _ => None,
        };
        assert_eq!(got, want, "{action} {status}");
    }
}

#[test]
fn reports_about_others_and_broken_ones() {
    let group = |who: &str| format!("Final-Recipient: rfc822; {who}\nAction: failed\nStatus: 5.0.0\n");
    let two = |a: &str, b: &str| format!("Reporting-MTA: dns; x\n\n{}\n{}", group(a), group(b));
    assert!(matches!(status_of(&two("x@y.z", BOB)), Report::Delivery(_)));
    assert_eq!(status_of(&two("x@y.z", "z@y.z")), Report::Other);
    // Forwarded elsewhere: the return address tells whose it was.
    assert!(matches!(
        status_of(&format!("Reporting-MTA: dns; x\n\n{}", group("elsewhere@y.z"))),
        Report::Delivery(_)
    ));
    for broken in [
        "",
        "no fields at all\n",
        " folded first\n",
        "Reporting-MTA: dns; x\n",
        "Reporting-MTA: dns; x\n\nAction: failed\nAction: delivered\nStatus: 5.0.0\n",
        "Reporting-MTA: dns; x\n\nStatus: 5.0.0\n",
    ] {
        assert_eq!(status_of(broken), Report::Other, "{broken:?}");
    }
    let many = "A: b\n\n".repeat(500);
    assert_eq!(status_of(&many), Report::Other);
    let halves = half("delivery-status", &two(BOB, "x@y.z"));
    let unsure = Incoming { null_path: false, halves: &halves, ..Incoming::default() };
    assert_eq!(read(&unsure, &bob()), Report::Other, "a report with a return path is no report");
    let long = half("delivery-status", &format!("{}{}", two(BOB, "x@y.z"), "\n".repeat(MAX_REPORT)));
    assert_eq!(
        read(&Incoming { null_path: true, halves: &long, ..Incoming::default() }, &bob()),
        Report::Other
    );
}

#[test]
fn read_receipts() {
    let receipt = |text: &str| {
        let halves = half("disposition-notification", text);
        read(&Incoming { halves: &halves, ..Incoming::default() }, &bob())
    };
    let text = "Reporting-UA: desk.example; Thunderbird\nFinal-Recipient: rfc822;Bob@Example.test\n\
                Original-Message-ID: <1@sealpost.test>\nDisposition: manual-action/MDN-sent-manually; displayed\n";
    assert_eq!(
        receipt(text),
        Report::Read(ReadReceipt {
            disposition: "displayed".into(),
            by_hand: true,
            recipient: Some(BOB.into()),
            message_id: Some("1@sealpost.test".into()),
            program: Some("desk.example; Thunderbird".into()),
        })
    );
    for (from, to) in [
        ("; displayed", "; applauded"),
        ("Disposition:", "Disposal:"),
        ("Final-Recipient:", "Final:"),
        ("manual-action/", ""),
    ] {
        assert_eq!(receipt(&text.replace(from, to)), Report::Other, "{to}");
    }
}

fn bounce(from: &str, failed: Option<&str>, text: &str) -> Report {
    let message = Incoming {
        null_path: true,
        from: Some(from),
        failed_recipients: failed,
        text,
        ..Incoming::default()
    };
    read(&message, &bob())
}

#[test]
fn bounces_without_a_form() {
    let qmail = "Hi. This is the qmail-send program at example.test.\nI'm afraid I wasn't able to deliver your \
                 message to the following addresses.\n\n<bob@example.test>:\nSorry, no mailbox here by that name. (#5.1.1)\n";
    let exim = "A message that you sent could not be delivered to one or more of its recipients.\n\n  \
                bob@example.test\n    host mx.example.test: 550 no such user\n";
    for (what, from, failed, text) in [
        ("qmail", "MAILER-DAEMON@example.test", None, qmail),
        ("exim", "Mailer-Daemon@example.test", Some(BOB), exim),
        ("a list only", "mailer-daemon@x.test", Some("<Bob@example.test>, y@z.test"), "gone"),
    ] {
        match bounce(from, failed, text) {
            Report::Delivery(r) => assert!(r.action == Action::Failed && !r.standard, "{what}"),
            other => panic!("{what}: {other:?}"),
        }
    }
    for (what, from, failed, text) in [
        ("from a person", "eve@example.test", None, qmail),
        ("about somebody else", "mailer-daemon@x.test", None, "<eve@example.test>:\n550 no\n"),
        ("temporary", "mailer-daemon@x.test", None, "<bob@example.test>:\n451 4.4.1 later\n"),
        ("another's list", "mailer-daemon@x.test", Some("eve@example.test"), "550 no"),
    ] {
        assert_eq!(bounce(from, failed, text), Report::Other, "{what}");
    }
    let away = Incoming {
        null_path: true,
        from: Some("postmaster@x.test"),
        auto_submitted: Some("auto-replied"),
        text: "bob@example.test is away until 5.1.1 550\n",
        ..Incoming::default()
    };
    assert_eq!(read(&away, &bob()), Report::Other);
}
