//! Moving mail by hand: what a person decides is journaled, and the sender hears of it.

use anyhow::{Context, Result, ensure};
use sealpost_tests::Demo;
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::Mail;
use sealpost_tests::sending::Place;
use sealpost_tests::sink::Sink;
use sealpost_tests::tools::{wait_for_mail, wait_until};

const BOB: &str = "bob@example.test";

/// The queue id of a deposit's mail, once the server outside has refused it for now.
fn deferred(demo: &Demo, deposit: &str) -> Result<String> {
    let mut found = None;
    wait_until("a deferred message", || {
        for line in demo.sealpost(&["--json", "queue", "list", "--state", "ready"])?.lines() {
            let row: serde_json::Value = serde_json::from_str(line)?;
            if row["deposit"] == deposit && row["rcpt"] == BOB && row["attempts"] == 1 {
                found = row["id"].as_str().map(str::to_owned);
            }
        }
        Ok(found.is_some())
    })?;
    found.context("a row")
}

fn has(demo: &Demo, deposit: &str, event: &str) -> Result<bool> {
    Ok(demo.sealpost(&["journal", "search", "--deposit", deposit, "--event", event])?.contains(event))
}

#[test]
fn hold_retry_and_drop_leave_traces() -> Result<()> {
    let sink = Sink::start(None)?;
    let demo = Demo::start(DemoOptions { smarthost: Some(sink.address.clone()), ..DemoOptions::default() })?;
    let place = Place::new(&demo, "alice")?;
    sink.answer(&["451 4.3.0 later", "451 4.3.0 later"]);
    let send = |subject: &str, id: &str| {
        let mail = Mail::new(&[BOB], subject).header(&format!("Message-ID: <{id}@sealpost.test>"));
        place.send(&[BOB], &mail.bytes())
    };
    let held = send("Garder", "garder-1")?;
    let row = deferred(&demo, &held)?;
    let answer = demo.sealpost(&["--json", "queue", "hold", &row])?;
    let answer: serde_json::Value = serde_json::from_str(&answer)?;
    ensure!(answer["id"] == row.as_str() && answer["changed"] == true, "{answer}");
    ensure!(has(&demo, &held, "HoldPlaced")?, "the hold is not journaled");
    let notice = wait_for_mail(&demo, "alice", &|m| m.contains("garder-1"))?;
    ensure!(notice.contains("En attente"), "{notice}");
    ensure!(!demo.sealpost_raw(&["queue", "hold", &row])?.status.success(), "it was held twice");
    let dropped = send("Reprendre", "reprendre-1")?;
    let other = deferred(&demo, &dropped)?;
    demo.sealpost(&["queue", "retry", &row])?;
    wait_until("the held message", || Ok(sink.accepted().len() == 1))?;
    ensure!(has(&demo, &held, "HoldReleased")?, "the release is not journaled");
    demo.sealpost(&["queue", "drop", &other])?;
    ensure!(has(&demo, &dropped, "RelayToNonERDSFailure")?, "the drop is not journaled");
    let notice = wait_for_mail(&demo, "alice", &|m| m.contains("reprendre-1"))?;
    ensure!(notice.contains("Non remis"), "{notice}");
    ensure!(!demo.sealpost_raw(&["queue", "drop", &other])?.status.success(), "it was dropped twice");
    assert_eq!(sink.accepted().len(), 1);
    demo.sealpost(&["journal", "verify"])?;
    Ok(())
}
