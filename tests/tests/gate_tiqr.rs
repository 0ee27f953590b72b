//! A telephone at the recipient's door: enrolled after a first code by mail, it opens the next message; wrong PINs
//! block it; replays, expired codes and foreign phones open nothing; its code can be typed when it is offline.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::Mail;
use sealpost_tests::phone::{Asked, Phone, address_in};
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{link_in, must, wait_for_deposit};
use sealpost_tests::{Demo, Door};

const BOB: &str = "bob@example.test";
const PIN: &str = "2468";

fn rules(config: String) -> String {
    config
        + "\n[[rule]]\nname = \"by telephone\"\nwhen = 'true'\ntreatment = \"notify\"\n\
           gate = [\"tiqr\", \"otp-mail\"]\n"
}

fn deposited(demo: &Demo, subject: &str) -> Result<(String, Door)> {
    let mail = Mail::new(&[BOB], subject).text("Voici votre bilan.").bytes();
    let id = Place::new(demo, "alice")?.send(&[BOB], &mail)?;
    let door = Door::new(demo, &link_in(&wait_for_deposit(demo, BOB, &id)?)?)?;
    Ok((id, door))
}

/// Opens by a code, and enrols a phone.
fn enrolled(demo: &Demo, version: Option<u32>) -> Result<Phone> {
    let (_, door) = deposited(demo, "Premier")?;
    ensure!(!door.get("")?.text().contains("/gate/tiqr"), "nobody is enrolled yet");
    assert_eq!(door.get("/phone")?.status, 403, "the link alone enrols nothing");
    door.open(demo, BOB)?;
    let offer = door.get("/phone")?;
    assert_eq!(offer.status, 200, "{}", offer.text());
    let shown = door.post("/phone", &offer, &[])?;
    let uri = address_in(&shown.text(), "tiqrenroll")?;
    ensure!(door.get("/phone/status")?.text().contains("pending"));
    let (status, metadata) = Phone::metadata(demo, &uri)?;
    assert_eq!(status, 200);
    assert_ne!(Phone::metadata(demo, &uri)?.0, 200, "the metadata is given once");
    ensure!(door.get("/phone/status")?.text().contains("retrieved"));
    let metadata = metadata.context("metadata")?;
    assert_eq!(metadata["service"]["identifier"], "localhost");
    let (phone, status, body) = Phone::enrol(demo, &metadata, PIN, version)?;
    let expected = if version.is_some() { "{\"responseCode\":1}" } else { "OK" };
    assert_eq!((status, body.as_str()), (200, expected));
    let (_, status, body) = Phone::enrol(demo, &metadata, PIN, version)?;
    let refused = if version.is_some() { "{\"responseCode\":101}" } else { "ERROR" };
    assert_eq!((status, body.as_str()), (403, refused), "the secret is taken once");
    ensure!(door.get("/phone/status")?.text().contains("needs-refresh"));
    ensure!(door.get("/phone")?.text().contains("associé"));
    // Another phone does not take its place behind a code by mail.
    Ok(phone)
}

fn asked(door: &Door) -> Result<(sealpost_tests::door::Page, Asked)> {
    let landing = door.get("")?;
    let page = door.post("/gate/tiqr", &landing, &[])?;
    assert_eq!(page.status, 200, "{}", page.text());
    let asked = Asked::read(&address_in(&page.text(), "tiqrauth")?)?;
    Ok((page, asked))
}

/// The journal's lines of that name about a deposit.
fn journaled(demo: &Demo, id: &str, name: &str) -> Result<String> {
    demo.sealpost(&["journal", "search", "--deposit", id, "--event", name])
}

#[test]
fn a_phone_opens_and_replays_do_not() -> Result<()> {
    let demo = Demo::start_edited(DemoOptions::default(), rules)?;
    let phone = enrolled(&demo, Some(2))?;
    let (id, door) = deposited(&demo, "Second")?;
    let (page, question) = asked(&door)?;
    assert_eq!(question.user.as_deref(), Some(phone.user.as_str()));
    ensure!(door.get("/tiqr/status")?.text().contains("pending"));
    // Nobody answered: the browser stays where it is.
    ensure!(door.post("/tiqr/done", &page, &[])?.text().contains("tiqrauth://"));
    for (user, response, body) in [
        ("nobody", "123456", "{\"responseCode\":205}"),
        (phone.user.as_str(), "000", "{\"responseCode\":201,\"attemptsLeft\":4}"),
    ] {
        assert_eq!(phone.send(&question.session, user, response)?.1, body);
    }
    let unknown = "0".repeat(32);
    assert_eq!(phone.send(&unknown, &phone.user, "123456")?.1, "{\"responseCode\":203}");
    assert_eq!(phone.answer(&question, "1111")?.1, "{\"responseCode\":201,\"attemptsLeft\":3}");
    assert_eq!(phone.answer(&question, PIN)?, (200, "{\"responseCode\":1}".to_owned()));
    assert_eq!(phone.answer(&question, PIN)?.1, "{\"responseCode\":203}", "a replay");
    ensure!(door.get("/tiqr/status")?.text().contains("needs-refresh"));
    // Another browser with the same link was not the one that asked.
    let stranger = Door::new(&demo, &door.url(&door.path))?;
    let theirs = stranger.get("")?;
    ensure!(!stranger.post("/tiqr/done", &theirs, &[])?.text().contains("/open\""));
    let ready = door.post("/tiqr/done", &page, &[])?;
    ensure!(ready.status == 200 && ready.text().contains("/open\""), "{}", ready.text());
    let content = door.post("/open", &ready, &[])?;
    ensure!(content.text().contains("Voici votre bilan"), "{}", content.text());
    let passed = journaled(&demo, &id, "GatePassed")?;
    ensure!(passed.contains("tiqr") && passed.contains("substantial"), "{passed}");
    let failed = journaled(&demo, &id, "GateFailed")?;
    ensure!(failed.contains("wrong-response"), "{failed}");

    // Offline: the phone's ID and code, typed.
    let (_, door) = deposited(&demo, "Hors ligne")?;
    let (page, question) = asked(&door)?;
    let code = phone.response(&question, PIN)?;
    let wrong = phone.response(&question, "0000")?;
    let fields = |code| [("identifier", phone.user.as_str()), ("code", code)];
    assert_eq!(door.post("/tiqr/code", &page, &fields(wrong.as_str()))?.status, 403);
    assert_eq!(door.post("/tiqr/code", &page, &[("identifier", "x"), ("code", &code)])?.status, 403);
    let ready = door.post("/tiqr/code", &page, &fields(code.as_str()))?;
    ensure!(ready.status == 200 && ready.text().contains("/open\""), "{}", ready.text());
    Ok(())
}

#[test]
fn wrong_pins_block_and_codes_expire() -> Result<()> {
    let mut demo = Demo::start_edited(DemoOptions::default(), rules)?;
    let phone = enrolled(&demo, None)?;
    let (_, door) = deposited(&demo, "Second")?;
    let (_, question) = asked(&door)?;
    for left in [4, 3, 2, 1] {
        let answer = phone.answer(&question, "1111")?;
        assert_eq!(answer, (403, format!("INVALID_RESPONSE:{left}")));
    }
    assert_eq!(phone.answer(&question, "1111")?.1, "ACCOUNT_BLOCKED");
    assert_eq!(phone.answer(&question, PIN)?.1, "ACCOUNT_BLOCKED", "the right PIN too");
    // A code by mail still opens: the phone is blocked, not the person; but it replaces no phone.
    door.open(&demo, BOB)?;
    let offer = door.get("/phone")?;
    ensure!(offer.text().contains("déjà associé"), "{}", offer.text());

    // Half an hour later the block is over, and so is the challenge.
    demo.terminate()?;
    let preload = must("faketime", &["-m", "-f", "+0d", "printenv", "LD_PRELOAD"])?;
    for (name, value) in
        [("LD_PRELOAD", preload.trim()), ("FAKETIME", "+40m"), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")]
    {
        demo.set_env(name, Some(value));
    }
    demo.restart()?;
    assert_eq!(phone.answer(&question, PIN)?.1, "INVALID_CHALLENGE");
    let (_, door) = deposited(&demo, "Troisième")?;
    let (_, question) = asked(&door)?;
    assert_eq!(phone.answer(&question, PIN)?, (200, "OK".to_owned()));
    Ok(())
}
