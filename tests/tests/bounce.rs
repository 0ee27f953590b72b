//! What comes back: bounces, receipts and answers at the return address of one recipient, true and forged.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::Mail;
use sealpost_tests::outside::outside;
use sealpost_tests::sending::Place;
use sealpost_tests::sink::Sink;
use sealpost_tests::tools::{inbox, run, wait_for_mail, wait_until};
use sealpost_tests::{Demo, Parsed};

const BOB: &str = "bob@example.test";
const DORA: &str = "dora@example.test";

fn start(sink: &Sink) -> Result<(Demo, Place)> {
    let demo = Demo::start(DemoOptions { smarthost: Some(sink.address.clone()), ..DemoOptions::default() })?;
    let place = Place::new(&demo, "alice")?;
    Ok((demo, place))
}

/// Sends to Bob and Dora; answers the deposit and both envelope senders.
fn send(sink: &Sink, place: &Place, mail: &Mail) -> Result<(String, String, String)> {
    let before = sink.accepted().len();
    let id = place.send(&[BOB, DORA], &mail.bytes())?;
    wait_until("both copies", || Ok(sink.accepted().len() == before + 2))?;
    let from = |who: &str| -> Result<String> {
        let all = sink.accepted();
        let found = all[before..].iter().find(|a| a.to == [who]).context("a copy")?;
        Ok(found.from.clone())
    };
    Ok((id, from(BOB)?, from(DORA)?))
}

fn report(recipient: &str, action: &str, status: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mx.example.test\nTo: x@sealpost.test\nSubject: report\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
         --b\nContent-Type: text/plain\n\nSee below.\n\n--b\nContent-Type: message/delivery-status\n\n\
         Reporting-MTA: dns; mx.example.test\n\nFinal-Recipient: rfc822; {recipient}\nAction: {action}\n\
         Status: {status}\nDiagnostic-Code: smtp; 550 {status} said the far server\n\n--b--\n"
    )
}

fn events(demo: &Demo, id: &str, name: &str) -> Result<usize> {
    let found = demo.sealpost(&["journal", "search", "--deposit", id, "--event", name])?;
    Ok(found.lines().filter(|l| l.contains(name)).count())
}

#[test]
fn every_recipient_has_a_return_address_that_cannot_be_made_up() -> Result<()> {
    let sink = Sink::start(None)?;
    let (demo, place) = start(&sink)?;
    let (id, bob, dora) = send(&sink, &place, &Mail::new(&[BOB, DORA], "Retours"))?;
    ensure!(bob != dora && bob.ends_with("@sealpost.test"), "{bob} {dora}");
    ensure!(bob.split('@').next().is_some_and(|l| l.len() <= 64 && l.starts_with("return-")), "{bob}");
    // Another recipient's number, another reference, another MAC: addresses that were never made.
    let (local, domain) = bob.split_once('@').context("an address")?;
    let mac = local.rsplit('-').next().context("a MAC")?;
    let other = if mac.starts_with('0') { "1" } else { "0" };
    for forged in [
        bob.replacen("-1-", "-2-", 1),
        format!("{}{other}{}@{domain}", &local[..local.len() - mac.len()], &mac[1..]),
        format!("return-00000000-1-{mac}@{domain}"),
        format!("return-x@{domain}"),
    ] {
        let reply = outside(&demo, "", &forged, &report(BOB, "failed", "5.1.1"))?;
        ensure!(forged == bob || reply.starts_with("550 5.1.1"), "{forged}: {reply}");
    }
    assert_eq!(events(&demo, &id, "RelayToNonERDSFailure")?, 0);
    Ok(())
}

#[test]
fn a_bounce_reaches_journal_sender_and_proof_once() -> Result<()> {
    let sink = Sink::start(None)?;
    let (demo, place) = start(&sink)?;
    let mail = Mail::new(&[BOB, DORA], "Rebond").header("Message-ID: <rebond-1@sealpost.test>");
    let (id, bob, dora) = send(&sink, &place, &mail)?;
    let bounce = report(BOB, "failed", "5.1.1");
    // Relays may change the case; servers may repeat themselves.
    for to in [bob.to_ascii_uppercase().replace("SEALPOST.TEST", "sealpost.test"), bob.clone()] {
        let reply = outside(&demo, "", &to, &bounce)?;
        ensure!(reply.starts_with("250"), "{reply}");
    }
    let notice = wait_for_mail(&demo, "alice", &|m| m.contains("rebond-1@sealpost.test"))?;
    let parsed = Parsed::new(notice.as_bytes())?;
    ensure!(parsed.header("Subject")?.starts_with("Non remis"), "{}", parsed.header("Subject")?);
    ensure!(parsed.body("text/plain")?.contains("said the far server"), "{}", parsed.body("text/plain")?);
    assert_eq!(events(&demo, &id, "RelayToNonERDSFailure")?, 1);
    // Success for Dora is an event and no mail.
    let reply = outside(&demo, "", &dora, &report(DORA, "delivered", "2.0.0"))?;
    ensure!(reply.starts_with("250"), "{reply}");
    wait_until("the delivery", || Ok(events(&demo, &id, "NotificationDelivered")? == 1))?;
    let notices =
        inbox(&demo, "alice")?.iter().filter(|m| String::from_utf8_lossy(m).contains("rebond-1")).count();
    assert_eq!(notices, 1);
    // Both stand in the proof as they came.
    let file = demo.dir.join("rebond.asice");
    demo.sealpost(&["proof", "export", &id, "-o", &file.to_string_lossy(), "--wait"])?;
    let listing =
        String::from_utf8_lossy(&run("unzip", &["-l", &file.to_string_lossy()])?.stdout).into_owned();
    for name in ["message/receipts-1/1.eml", "message/receipts-2/1.eml"] {
        ensure!(listing.contains(name), "{name} is not in\n{listing}");
    }
    let kept = run("unzip", &["-p", &file.to_string_lossy(), "message/receipts-1/1.eml"])?.stdout;
    assert_eq!(String::from_utf8(kept)?, format!("{}\r\n", bounce.replace('\n', "\r\n")));
    demo.sealpost(&[
        "proof",
        "verify",
        &file.to_string_lossy(),
        "--trust",
        &demo.about.ca.to_string_lossy(),
    ])?;
    Ok(())
}

#[test]
fn answers_are_forwarded_and_claims_prove_nothing_more() -> Result<()> {
    let sink = Sink::start(None)?;
    let (demo, place) = start(&sink)?;
    let (id, bob, _) = send(&sink, &place, &Mail::new(&[BOB, DORA], "Absence"))?;
    let away = "From: Bob <bob@example.test>\nTo: alice@sealpost.test\nSubject: Absent\nAuto-Submitted: auto-replied\n\n\
                De retour lundi. 550 5.1.1 bob@example.test\n";
    ensure!(outside(&demo, "", &bob, away)?.starts_with("250"), "out of office");
    let forwarded = wait_for_mail(&demo, "alice", &|m| m.contains("Subject: Absent"))?;
    ensure!(forwarded.contains(&id) && forwarded.contains("De retour lundi."), "{forwarded}");
    // What we have forwarded once is not forwarded again: no loop.
    let reply = outside(&demo, "", &bob, &forwarded.replace("\r\n", "\n").replace("lundi", "mardi"))?;
    ensure!(reply.starts_with("250"), "{reply}");
    // A report with a return path, and one about somebody else, are mail for a person at most.
    for (from, message) in [
        (BOB, report(BOB, "failed", "5.1.1").replace("Subject: report", "Subject: faux rapport")),
        ("", report(BOB, "failed", "2.0.0").replace("Subject: report", "Subject: rapport contradictoire")),
    ] {
        ensure!(outside(&demo, from, &bob, &message)?.starts_with("250"), "{message}");
    }
    wait_for_mail(&demo, "alice", &|m| m.contains("Subject: faux rapport"))?;
    wait_for_mail(&demo, "alice", &|m| m.contains("Subject: rapport contradictoire"))?;
    assert_eq!(events(&demo, &id, "RelayToNonERDSFailure")?, 0);
    let texts: Vec<String> =
        inbox(&demo, "alice")?.iter().map(|m| String::from_utf8_lossy(m).into_owned()).collect();
    ensure!(!texts.iter().any(|m| m.contains("mardi")), "a loop was begun");
    Ok(())
}

#[test]
fn read_receipts_become_events() -> Result<()> {
    let sink = Sink::start(None)?;
    let (demo, place) = start(&sink)?;
    let mail = Mail::new(&[BOB, DORA], "Lu").header("Message-ID: <lu-1@sealpost.test>");
    let (id, bob, _) = send(&sink, &place, &mail)?;
    let receipt = |who: &str, original: &str| {
        format!(
            "From: {who}\nTo: alice@sealpost.test\nSubject: Lu\nMIME-Version: 1.0\n\
             Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\n\
             Content-Type: text/plain\n\nRead.\n\n--b\nContent-Type: message/disposition-notification\n\n\
             Final-Recipient: rfc822; {original}\nOriginal-Message-ID: <lu-1@sealpost.test>\n\
             Disposition: manual-action/MDN-sent-manually; displayed\n\n--b--\n"
        )
    };
    // To the author, as mail programs send it; in another's name it counts for nothing.
    ensure!(
        outside(&demo, "", "alice@sealpost.test", &receipt("eve@example.test", DORA))?.starts_with("250"),
        "Eve"
    );
    ensure!(outside(&demo, "", "alice@sealpost.test", &receipt(DORA, DORA))?.starts_with("250"), "Dora");
    wait_until("Dora's receipt", || Ok(events(&demo, &id, "ReadReceiptReceived")? == 1))?;
    ensure!(outside(&demo, "", &bob, &receipt(BOB, BOB))?.starts_with("250"), "Bob");
    wait_until("Bob's receipt", || Ok(events(&demo, &id, "ReadReceiptReceived")? == 2))
}

/// Where port 25 cannot be opened: what came to a mailbox elsewhere, here Alice's own, counts as if it had come to that port.
#[test]
fn bounces_are_fetched_from_a_mailbox_elsewhere() -> Result<()> {
    let sink = Sink::start(None)?;
    let (mut demo, place) = start(&sink)?;
    let (id, bob, _) = send(&sink, &place, &Mail::new(&[BOB, DORA], "Relevé"))?;
    let mailbox = format!(
        "\n[[returns_mailbox]]\nserver = \"localhost:{}\"\nca = {:?}\nuser = {:?}\npassword = {:?}\n\
         settled = \"delete\"\nevery = \"1 second\"\n",
        demo.about.ports.imaps,
        demo.about.ca,
        demo.account("alice").login,
        demo.account("alice").app_password,
    );
    demo.terminate()?;
    demo.edit(|text| text + &mailbox)?;
    demo.restart()?;
    let alice = demo.account("alice").login.clone();
    let elsewhere = |to: &str, subject: &str| {
        let report = report(BOB, "failed", "5.1.1").replace("x@sealpost.test", to);
        outside(&demo, "", &alice, &report.replace("Subject: report", &format!("Subject: {subject}")))
    };
    // An address that was never made, the right one, and mail that is nobody's business.
    let forged = bob.replacen("-1-", "-2-", 1);
    for (to, subject) in [(forged.as_str(), "falsifié"), (&bob, "vrai rebond"), (&alice, "tout autre")] {
        let reply = elsewhere(to, subject)?;
        ensure!(reply.starts_with("250"), "{reply}");
    }
    wait_until("the bounce", || Ok(events(&demo, &id, "RelayToNonERDSFailure")? == 1))?;
    let left = || -> Result<String> {
        let all = inbox(&demo, "alice")?;
        Ok(all.iter().map(|m| String::from_utf8_lossy(m).into_owned()).collect())
    };
    wait_until("what was taken is deleted there", || Ok(!left()?.contains("Subject: vrai rebond")))?;
    let kept = left()?;
    ensure!(kept.contains("Subject: falsifié") && kept.contains("Subject: tout autre"), "{kept}");
    ensure!(demo.sealpost(&["check"])?.contains("ready"), "check");
    // After a restart it goes on where it was: nothing counts twice.
    demo.terminate()?;
    demo.restart()?;
    let reply = outside(&demo, "", &alice, &report(BOB, "failed", "5.1.2").replace("x@sealpost.test", &bob))?;
    ensure!(reply.starts_with("250"), "{reply}");
    wait_until("the second bounce", || Ok(events(&demo, &id, "RelayToNonERDSFailure")? == 2))?;
    Ok(())
}
