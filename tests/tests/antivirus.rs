//! A real clamd looks at content before anything leaves: what it finds is not sent, what nobody can look into waits,
//! and while it does not answer so does everything.

use anyhow::{Context, Result, ensure};
use sealpost_tests::Demo;
use sealpost_tests::clamd::{Clamd, SIGNATURE, eicar};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::{File, Mail};
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{inbox, must, wait_for_deposit, wait_for_words, wait_until};
use serde_json::Value;

const BOB: &str = "bob@example.test";
const ALICE: &str = "alice@sealpost.test";

fn shown(demo: &Demo, id: &str) -> Result<Value> {
    Ok(serde_json::from_str(&demo.sealpost(&["deposit", "show", id, "--json"])?)?)
}

/// The entry of an event in a deposit's history.
fn event(demo: &Demo, id: &str, name: &str) -> Result<Option<String>> {
    let found = demo.sealpost(&["--json", "journal", "search", "--deposit", id, "--event", name])?;
    Ok(found.lines().next().map(str::to_owned))
}

fn nothing_came(demo: &Demo, id: &str) -> Result<()> {
    let mark = format!("X-Sealpost-Deposit: {id}");
    let all = inbox(demo, BOB)?;
    ensure!(!all.iter().any(|m| String::from_utf8_lossy(m).contains(&mark)), "it has left");
    Ok(())
}

fn file_of(bytes: Vec<u8>, name: &str) -> Vec<u8> {
    let mail = Mail::new(&[BOB], &format!("Dossier {name}")).header("X-Sealpost-Treatment: link");
    mail.text("Bonjour").file(File::new(name, "application/octet-stream", bytes)).bytes()
}

#[test]
fn nothing_leaves_before_it_was_looked_at() -> Result<()> {
    let mut clamd = Clamd::new()?;
    clamd.start()?;
    let more = "blocked_types = [\"exe\"]\nencrypted = \"refuse\"\nlargest = 1000000";
    let demo = Demo::start_edited(DemoOptions::default(), |config| clamd.settings(&config, more))?;
    let place = Place::new(&demo, "alice")?;

    let clean = place.send(&[BOB], &file_of(b"rien".to_vec(), "propre.bin"))?;
    wait_for_deposit(&demo, BOB, &clean)?;

    // Infected: in a file, and in a text that a strange header keeps clamd from taking for mail.
    let infected = place.send(&[BOB, "dora@example.test"], &file_of(eicar(), "facture.bin"))?;
    wait_for_words(&demo, ALICE, &infected, &format!("{SIGNATURE} in facture.bin"))?;
    wait_until("both are given up", || {
        let rows = shown(&demo, &infected)?;
        Ok(rows.to_string().matches("NotificationForAcceptanceFailure").count() >= 2)
    })?;
    let failed = event(&demo, &infected, "NotificationForAcceptanceFailure")?.context("no event")?;
    ensure!(failed.contains(SIGNATURE), "{failed}");
    nothing_came(&demo, &infected)?;
    let words = String::from_utf8(eicar())?;
    let text = place.send(&[BOB], &Mail::new(&[BOB], "Texte").header("X-Strange: 1").text(&words).bytes())?;
    wait_for_words(&demo, ALICE, &text, SIGNATURE)?;
    nothing_came(&demo, &text)?;

    // Too large to be looked at: waits for a person.
    let large = place.send(&[BOB], &file_of(vec![7; 1_000_001], "grand.bin"))?;
    wait_for_words(&demo, ALICE, &large, "ne peut pas l'examiner : too large in grand.bin")?;
    nothing_came(&demo, &large)?;
    ensure!(event(&demo, &large, "HoldPlaced")?.is_some());
    let queue = demo.sealpost(&["queue", "list", "--state", "held", "--json"])?;
    let row: Value = serde_json::from_str(queue.lines().find(|l| l.contains(&large)).context("not held")?)?;
    demo.sealpost(&["queue", "retry", row["id"].as_str().context("id")?])?;
    wait_for_deposit(&demo, BOB, &large)?;
    ensure!(event(&demo, &large, "HoldReleased")?.is_some());

    // A type that never leaves is refused at once.
    let refused = place.send(&[BOB], &file_of(b"MZ".to_vec(), "Setup.EXE"));
    let answer = format!("{:#}", refused.err().context("it was taken")?);
    ensure!(answer.contains("550") && answer.contains("Setup.EXE"), "{answer}");
    let zip = demo.dir.join("outils.zip").display().to_string();
    let made =
        "import sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], 'w') as z: z.writestr('a/Run.exe', b'MZ')";
    must("python3", &["-c", made, &zip])?;
    let refused = place.send(&[BOB], &file_of(std::fs::read(&zip)?, "outils.zip"));
    let answer = format!("{:#}", refused.err().context("it was taken")?);
    ensure!(answer.contains("550") && answer.contains("a/Run.exe"), "{answer}");
    demo.sealpost(&["check"])?;

    // Nobody answers: it waits, its sender is told, and it leaves once somebody does.
    clamd.stop()?;
    ensure!(demo.sealpost_raw(&["check"])?.status.code() == Some(1));
    let waiting = place.send(&[BOB], &file_of(b"rien".to_vec(), "attente.bin"))?;
    wait_for_words(&demo, ALICE, &waiting, "the antivirus does not answer")?;
    nothing_came(&demo, &waiting)?;
    clamd.start()?;
    wait_for_deposit(&demo, BOB, &waiting)?;
    ensure!(event(&demo, &waiting, "HoldReleased")?.is_some());
    Ok(())
}
