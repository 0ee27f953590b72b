//! A real clamd looks at content before anything leaves: what it finds is not sent, what nobody can look into waits,
//! and while it does not answer so does everything.

use anyhow::{Context, Result, ensure};
use sealpost_tests::clamd::{Clamd, SIGNATURE, eicar};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::{File, Mail};
use sealpost_tests::outside::outside;
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{inbox, must, wait_for_deposit, wait_for_mail, wait_for_words, wait_until};
use sealpost_tests::{Demo, Parsed};
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

/// The question about a deposit whose text says these words: where its answer goes.
fn asked(demo: &Demo, id: &str, words: &str) -> Result<String> {
    let fits = |mail: &str| {
        let text = Parsed::new(mail.as_bytes()).and_then(|p| p.body("text/plain")).unwrap_or_default();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        mail.contains(id) && mail.contains("answer-") && text.contains(words)
    };
    let mail = wait_for_mail(demo, ALICE, &fits)?;
    let parsed = Parsed::new(mail.as_bytes())?;
    Ok(parsed.header("Reply-To")?.trim_matches(['<', '>']).to_owned())
}

/// Alice answers a question, from outside.
fn answered(demo: &Demo, to: &str, word: &str) -> Result<()> {
    let mail = format!(
        "From: {ALICE}\nTo: {to}\nSubject: Re: x\nMIME-Version: 1.0\nContent-Type: text/plain\n\n{word}\n"
    );
    let reply = outside(demo, ALICE, to, &mail)?;
    ensure!(reply.starts_with("250"), "{reply}");
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

    // Nearly tagged, let go by an answer, and only then looked at: another question, at another address.
    let mail = Mail::new(&[BOB], "[secur] Plan").header("X-Sealpost-Treatment: link");
    let file = File::new("plan.bin", "application/octet-stream", vec![7; 1_000_001]);
    let twice = place.send(&[BOB], &mail.text("Bonjour").file(file).bytes())?;
    let first = asked(&demo, &twice, "ressemble à une demande de protection")?;
    answered(&demo, &first, "ENVOYER")?;
    let second = asked(&demo, &twice, "ne peut pas l'examiner")?;
    ensure!(first != second, "one address for two questions");
    // The first question is settled: its address lets nothing go that the second one is about.
    answered(&demo, &first, "ENVOYER")?;
    wait_for_words(&demo, ALICE, &twice, "trop tard")?;
    nothing_came(&demo, &twice)?;
    answered(&demo, &second, "ENVOYER")?;
    wait_for_deposit(&demo, BOB, &twice)?;

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
    wait_for_words(&demo, ALICE, &waiting, "l’antivirus ne répond pas")?;
    nothing_came(&demo, &waiting)?;
    clamd.start()?;
    wait_for_deposit(&demo, BOB, &waiting)?;
    ensure!(event(&demo, &waiting, "HoldReleased")?.is_some());
    Ok(())
}
