//! What recipients may say instead of opening: refusing, asking for more time; and reminders, once each. The clock
//! is moved by libfaketime.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::Mail;
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{link_in, wait_for_deposit, wait_for_mail, wait_until};
use sealpost_tests::{Demo, Door};
use serde_json::Value;

const BOB: &str = "bob@example.test";
const DORA: &str = "dora@example.test";
const ALICE: &str = "alice@sealpost.test";

fn show(demo: &Demo, id: &str) -> Result<Value> {
    Ok(serde_json::from_str(&demo.sealpost(&["deposit", "show", id, "--json"])?)?)
}

fn events(demo: &Demo, id: &str, name: &str) -> Result<Vec<Value>> {
    let shown = show(demo, id)?;
    let events = shown["events"].as_array().context("events")?;
    Ok(events.iter().filter(|e| e["event"] == name).cloned().collect())
}

/// The text of a mail with its transfer encoding undone as far as these mails need it.
fn plain(mail: &str) -> String {
    mail.replace("=\r\n", "").replace("=3D", "=").replace("=20", " ").replace("=C3=A9", "é")
}

fn sender_reads(demo: &Demo, id: &str, word: &str) -> Result<String> {
    let found = wait_for_mail(demo, ALICE, &|mail| mail.contains(id) && plain(mail).contains(word))?;
    Ok(plain(&found))
}

fn travel(demo: &mut Demo, by: &str) -> Result<()> {
    demo.move_clock(by)?;
    demo.confirm_clock()?;
    demo.restart()
}

#[test]
fn refusals_and_confirmations_reach_the_sender() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let mail = Mail::new(&[BOB, DORA], "[secure] Votre bilan").text("Voici votre bilan.").bytes();
    let id = Place::new(&demo, "alice")?.send(&[BOB, DORA], &mail)?;
    let door = Door::new(&demo, &link_in(&wait_for_deposit(&demo, BOB, &id)?)?)?;
    let other = Door::new(&demo, &link_in(&wait_for_deposit(&demo, DORA, &id)?)?)?;

    // A form that was only looked at changes nothing, and one from elsewhere is refused.
    let form = door.get("/decline")?;
    ensure!(form.status == 200 && form.text().contains("not-for-me"), "{}", form.text());
    let forged = door.request(&format!("{}/decline", door.path), &["-d", "why=declined"])?;
    assert_eq!(forged.status, 403);
    assert_eq!(door.get("")?.status, 200);

    let said = door.post("/decline", &form, &[("why", "not-for-me"), ("words", "Je ne suis pas Bob")])?;
    assert_eq!(said.status, 200, "{}", said.text());
    let after = door.get("")?;
    assert_eq!(after.status, 410);
    ensure!(after.text().contains("refus"), "{}", after.text());
    let told = sender_reads(&demo, &id, "Je ne suis pas Bob")?;
    ensure!(told.contains(BOB) && told.contains("quiconque"), "{told}");
    let rejected = events(&demo, &id, "ConsignmentRejection")?;
    assert_eq!(rejected.len(), 1, "{rejected:?}");
    assert_eq!(show(&demo, &id)?["recipients"][0]["state"], "declined");

    // The other recipient reads, and says so.
    let content = other.open(&demo, DORA)?;
    // The page of the code knew who took the mail, and when.
    let delivery = other.get("/gate/otp-mail/delivery")?.text();
    ensure!(delivery.contains("example.test") && delivery.contains("accept"), "{delivery}");
    let confirmed = other.post("/acknowledge", &content, &[])?;
    assert_eq!(confirmed.status, 200, "{}", confirmed.text());
    ensure!(!confirmed.text().contains("/acknowledge\""), "confirmed once");
    sender_reads(&demo, &id, "Lecture")?;
    assert_eq!(events(&demo, &id, "ReadReceiptReceived")?.len(), 1);
    ensure!(show(&demo, &id)?["recipients"][1]["acknowledged"].is_string());

    // Somebody else is proposed; an address must be one.
    let page = other.get("/colleague")?;
    assert_eq!(other.post("/colleague", &page, &[("colleague", "nobody")])?.status, 422);
    assert_eq!(other.post("/colleague", &page, &[("colleague", "eve@example.test")])?.status, 200);
    sender_reads(&demo, &id, "eve@example.test")?;
    // Sent again, the refused message opens again.
    demo.sealpost(&["deposit", "resend", &id, "--recipient", "1"])?;
    wait_until("the link opens again", || Ok(door.get("")?.status == 200))?;
    let report: Value = serde_json::from_str(&demo.sealpost(&["journal", "verify", "--json"])?)?;
    assert_eq!(report["ok"], true, "{report}");
    Ok(())
}

#[test]
fn reminded_once_then_prolonged_in_one_click() -> Result<()> {
    let mut demo = Demo::start_edited(DemoOptions::default(), |config| {
        config
            + "\n[[rule]]\nname = \"reminded\"\nwhen = 'true'\ntreatment = \"notify\"\nexpires = \"30 days\"\n\
               retention = \"90 days\"\nremind = [\"3 days\", \"-3 days\"]\n"
    })?;
    let mail = Mail::new(&[BOB, DORA], "Votre bilan").text("Voici votre bilan.").bytes();
    let id = Place::new(&demo, "alice")?.send(&[BOB, DORA], &mail)?;
    let link = link_in(&wait_for_deposit(&demo, BOB, &id)?)?;
    let opened = Door::new(&demo, &link_in(&wait_for_deposit(&demo, DORA, &id)?)?)?;
    opened.open(&demo, DORA)?;
    let reminders = |demo: &Demo, n: usize| -> Result<u64> {
        show(demo, &id)?["recipients"][n]["reminders"].as_u64().context("reminders")
    };

    travel(&mut demo, "+4d")?;
    wait_until("the first reminder", || Ok(reminders(&demo, 0)? == 1))?;
    let reminder = wait_for_mail(&demo, BOB, &|mail| mail.contains(&id) && mail.contains("Rappel"))?;
    assert_eq!(link_in(&reminder)?, link, "the same link");
    wait_until("it is journaled", || Ok(events(&demo, &id, "NotificationForAcceptance")?.len() == 3))?;
    // Another start looks again and finds only what has come due since; whoever has read is left alone.
    travel(&mut demo, "+28d")?;
    wait_until("the second reminder", || Ok(reminders(&demo, 0)? > 1))?;
    assert_eq!((reminders(&demo, 0)?, reminders(&demo, 1)?), (2, 0));

    // After the end: no reminder, but a request for more time.
    travel(&mut demo, "+31d")?;
    let door = Door::new(&demo, &link)?;
    let ended = door.get("")?;
    assert_eq!(ended.status, 410);
    ensure!(ended.text().contains("/extension"), "{}", ended.text());
    let form = door.get("/extension")?;
    assert_eq!(form.status, 200, "{}", form.text());
    let asked = door.post("/extension", &form, &[("words", "J'étais en congé")])?;
    assert_eq!(asked.status, 200, "{}", asked.text());
    let again = door.post("/extension", &form, &[])?;
    ensure!(again.text().contains("déjà") || again.text().contains("already"), "one request at a time");

    let told = sender_reads(&demo, &id, "Prolongation")?;
    let at = told.find(&format!("{}/a/", demo.url())).context("the sender's link")?;
    let answer: String =
        told[at..].chars().take_while(|c| !c.is_whitespace() && !"<\"&".contains(*c)).collect();
    let sender = Door::new(&demo, &answer)?;
    let page = sender.get("")?;
    ensure!(page.status == 200 && page.text().contains(BOB), "{}", page.text());
    assert_eq!(door.get("")?.status, 410, "looking at the question answers nothing");
    let granted = sender.post("", &page, &[("answer", "grant")])?;
    assert_eq!(granted.status, 200, "{}", granted.text());
    assert_eq!(sender.post("", &page, &[("answer", "grant")])?.status, 410, "once");
    assert_eq!(door.get("")?.status, 200, "the link opens again");
    assert_eq!(events(&demo, &id, "Extended")?.len(), 1);
    wait_for_mail(&demo, BOB, &|mail| mail.contains(&id) && plain(mail).contains("prolong"))?;
    assert_eq!(reminders(&demo, 0)?, 2, "nobody was reminded after the end");
    door.open(&demo, BOB)?;
    Ok(())
}
