//! Delivery status notifications: passed on to servers that know them, made here for clients that ask.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::Mail;
use sealpost_tests::sending::Place;
use sealpost_tests::sink::Sink;
use sealpost_tests::tools::{inbox, wait_for_mail};
use sealpost_tests::{Demo, Parsed};

const BOB: &str = "bob@example.test";

/// Sends with these parameters of MAIL and RCPT; answers the deposit.
fn send(place: &Place, mail: &Mail, of_mail: &str, of_rcpt: &str) -> Result<String> {
    let mut client = place.connect()?;
    client.command(&format!("MAIL FROM:<{}>{of_mail}", place.login), "250")?;
    client.command(&format!("RCPT TO:<{BOB}>{of_rcpt}"), "250")?;
    client.command("DATA", "354")?;
    client.data(&mail.bytes())?;
    client.finish()
}

fn part<'a>(report: &'a str, kind: &str) -> Result<&'a str> {
    let at =
        report.find(&format!("Content-Type: {kind}")).with_context(|| format!("no {kind} in {report}"))?;
    Ok(report[at..].split("\r\n--").next().unwrap_or_default())
}

#[test]
fn a_refusal_is_reported_as_asked() -> Result<()> {
    let sink = Sink::start(None)?;
    let demo = Demo::start(DemoOptions { smarthost: Some(sink.address.clone()), ..DemoOptions::default() })?;
    let place = Place::new(&demo, "alice")?;
    sink.answer(&["550 5.1.1 no such user", "550 5.1.1 no such user", "250 2.0.0 ok"]);
    let mail = Mail::new(&[BOB], "Avis").header("Message-ID: <avis-1@sealpost.test>");
    send(&place, &mail, " RET=HDRS ENVID=suivi+2B1", " NOTIFY=FAILURE ORCPT=rfc822;Robert@example.test")?;
    let report = wait_for_mail(&demo, "alice", &|m| m.contains("multipart/report"))?;
    let parsed = Parsed::new(report.as_bytes())?;
    ensure!(parsed.header("Subject")?.starts_with("Non remis"), "{}", parsed.header("Subject")?);
    ensure!(parsed.header("Content-Type")?.contains("delivery-status"), "{}", parsed.header("Content-Type")?);
    let status = part(&report, "message/delivery-status")?;
    for line in [
        "Original-Envelope-Id: suivi+1",
        "Original-Recipient: rfc822;Robert@example.test",
        "Final-Recipient: rfc822; bob@example.test",
        "Action: failed",
        "Status: 5.1.1",
        "Diagnostic-Code: smtp; 550 5.1.1 no such user",
    ] {
        ensure!(status.contains(line), "{line} is not in {status}");
    }
    ensure!(part(&report, "text/rfc822-headers")?.contains("Message-ID: <avis-1@sealpost.test>"), "{report}");
    // NEVER means never, also when it fails; and success is told to who asked for it.
    let quiet = Mail::new(&[BOB], "Silence").header("Message-ID: <silence-1@sealpost.test>");
    send(&place, &quiet, "", " NOTIFY=NEVER")?;
    let happy = Mail::new(&[BOB], "Succes").header("Message-ID: <succes-1@sealpost.test>");
    send(&place, &happy, "", " NOTIFY=SUCCESS,FAILURE")?;
    // The sink offers no DSN: the notification says that nobody reports beyond it.
    let relayed =
        wait_for_mail(&demo, "alice", &|m| m.contains("succes-1") && m.contains("multipart/report"))?;
    ensure!(part(&relayed, "message/delivery-status")?.contains("Action: relayed"), "{relayed}");
    let told = inbox(&demo, "alice")?.iter().any(|m| String::from_utf8_lossy(m).contains("silence-1"));
    ensure!(!told, "NOTIFY=NEVER was not obeyed");
    Ok(())
}

#[test]
fn delivery_into_a_mailbox_here_is_reported() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let place = Place::new(&demo, "alice")?;
    let mail = Mail::new(&[BOB], "Remis").header("Message-ID: <remis-1@sealpost.test>");
    send(&place, &mail, "", " NOTIFY=SUCCESS")?;
    let report = wait_for_mail(&demo, "alice", &|m| m.contains("remis-1") && m.contains("multipart/report"))?;
    ensure!(part(&report, "message/delivery-status")?.contains("Action: delivered"), "{report}");
    Ok(())
}
