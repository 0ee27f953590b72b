//! Holds, corrections and extensions by the command line, as the sender and the recipients see them.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::{File, Mail};
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{link_in, wait_for_deposit, wait_for_mail};
use sealpost_tests::{Demo, Door};
use serde_json::Value;

const WRONG: &str = "dora@example.test";
const RIGHT: &str = "bob@example.test";
const ALICE: &str = "alice@sealpost.test";

#[test]
fn a_wrong_address_a_longer_access_a_legal_hold() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let place = Place::new(&demo, "alice")?;
    let mail = Mail::new(&[WRONG], "Dossier").header("X-Sealpost-Treatment: link");
    let id = place.send(&[WRONG], &mail.text("Bonjour").file(File::noise("a.bin", 20_000)).bytes())?;
    let stray = link_in(&wait_for_deposit(&demo, WRONG, &id)?)?;

    demo.sealpost(&["deposit", "readdress", &id, "--to", RIGHT])?;
    let mine = link_in(&wait_for_deposit(&demo, RIGHT, &id)?)?;
    ensure!(mine != stray);
    let gone = Door::new(&demo, &stray)?.get("")?;
    ensure!(gone.csrf().is_err(), "the link of the wrong address still asks: {}", gone.text());
    wait_for_mail(&demo, ALICE, &|m| m.contains("corrig"))?;
    Door::new(&demo, &mine)?.open(&demo, RIGHT)?;
    let opened = demo.sealpost_raw(&["deposit", "readdress", &id, "--to", WRONG])?;
    ensure!(opened.status.code() == Some(1), "who has read it is its reader");

    demo.sealpost(&["deposit", "extend", &id, "--until", "2027-01-15T00:00:00Z"])?;
    wait_for_mail(&demo, ALICE, &|m| m.contains("rolong"))?;
    let past = demo.sealpost_raw(&["deposit", "extend", &id, "--until", "2020-01-01T00:00:00Z"])?;
    ensure!(past.status.code() == Some(2));

    demo.sealpost(&["deposit", "hold", &id, "--reason", "affaire 12"])?;
    let twice = demo.sealpost_raw(&["deposit", "hold", &id])?;
    ensure!(twice.status.code() == Some(1));
    let shown: Value = serde_json::from_str(&demo.sealpost(&["deposit", "show", &id, "--json"])?)?;
    assert_eq!(shown["legal_hold"]["reason"], "affaire 12");
    // Revoked for the recipient, kept for the case.
    let revoked: Value = serde_json::from_str(&demo.sealpost(&["deposit", "revoke", &id, "--json"])?)?;
    assert_eq!((&revoked["revoked"], &revoked["legal_hold"]), (&Value::from(1), &Value::from(true)));
    let proof = demo.dir.join("proof.asice").display().to_string();
    demo.sealpost(&["proof", "export", &id, "-o", &proof, "--wait"])?;
    demo.sealpost(&["proof", "verify", &proof, "--trust", &demo.about.ca.display().to_string()])?;
    demo.sealpost(&["deposit", "release", &id])?;
    let free = demo.sealpost_raw(&["deposit", "release", &id])?;
    ensure!(free.status.code() == Some(1));

    // What waits for an answer is not sent by sending it again.
    let waiting = place.send(&[RIGHT], &Mail::new(&[RIGHT], "[secured] Bilan").bytes())?;
    let again = demo.sealpost_raw(&["deposit", "resend", &waiting])?;
    ensure!(
        again.status.code() == Some(1) && String::from_utf8_lossy(&again.stderr).contains("let it go first")
    );

    let shown: Value = serde_json::from_str(&demo.sealpost(&["deposit", "show", &id, "--json"])?)?;
    let events = shown["events"].as_array().context("events")?;
    for name in ["RecipientCorrected", "Extended", "HoldPlaced", "Revoked", "HoldReleased"] {
        ensure!(events.iter().any(|e| e["event"] == name), "{name} in {events:?}");
    }
    Ok(())
}
