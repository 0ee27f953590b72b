//! The public log as a stranger reads it; a hand in the database; a replaced key.

use anyhow::{Context, Result, ensure};
use sealpost_tests::Demo;
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::Mail;
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{must, script, wait_until};
use std::path::Path;

const BOB: &str = "bob@example.test";

fn send(demo: &Demo, count: usize) -> Result<()> {
    let place = Place::new(demo, "alice")?;
    for n in 0..count {
        place.send(&[BOB], &Mail::new(&[BOB], &format!("Message {n}")).text("Bonjour").bytes())?;
    }
    Ok(())
}

/// Runs the independent client; answers the note it verified.
fn look(demo: &Demo, old: Option<&Path>) -> Result<String> {
    let base = format!("{}/log", demo.url());
    let ca = demo.about.ca.display().to_string();
    let key = demo.dir.join("keys/authority/journal.pem").display().to_string();
    let old = old.map(|p| p.display().to_string());
    let script = script("tlog.py");
    let mut args = vec![script.as_str(), &base, &ca, &key];
    args.extend(old.as_deref());
    must("python3", &args)
}

fn size(note: &str) -> Result<u64> {
    Ok(note.lines().nth(1).context("a size")?.parse()?)
}

fn status(demo: &Demo, path: &str) -> Result<String> {
    let (url, ca) = (format!("{}/log/{path}", demo.url()), demo.about.ca.display().to_string());
    must("curl", &["-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", &ca, &url])
}

#[test]
fn strangers_hands_and_keys() -> Result<()> {
    let mut demo = Demo::start(DemoOptions::default())?;
    send(&demo, 3)?;
    wait_until("a checkpoint is public", || Ok(status(&demo, "checkpoint")? == "200"))?;
    let first = look(&demo, None)?;
    let kept = demo.dir.join("checkpoint.old");
    std::fs::write(&kept, &first)?;
    send(&demo, 140)?;
    wait_until("the log has grown over one tile", || Ok(size(&look(&demo, Some(&kept))?)? > 256))?;
    for (path, answer) in [
        ("tile/0/000", "200"),
        ("tile/0/999", "404"),
        ("tile/0/000.p/0", "404"),
        ("tile/0/000.p/256", "404"),
        ("tile/0/0", "404"),
        ("tile/9/000", "404"),
        ("tile/entries/000", "404"),
    ] {
        assert_eq!(status(&demo, path)?, answer, "{path}");
    }

    // Another key for the journal: the log keeps its name, and what the old key signed stays good.
    demo.terminate()?;
    demo.sealpost(&["key", "rotate", "journal", "seal", "time"])?;
    demo.restart()?;
    send(&demo, 1)?;
    wait_until("the new key has signed", || Ok(look(&demo, Some(&kept)).is_ok()))?;
    ensure!(look(&demo, Some(&kept))?.lines().next() == first.lines().next(), "the log kept its name");
    demo.sealpost(&["journal", "verify"])?;

    // A hand in the database, beside the running gateway and at rest.
    demo.terminate()?;
    let database = demo.dir.join("data/sealpost.db").display().to_string();
    ensure!(Path::new(&database).exists(), "{database}");
    for (hand, named) in [
        ("UPDATE journal SET event = 'GatePassed' WHERE idx = 7", "entry 7: its column event"),
        ("UPDATE journal SET openings = NULL WHERE idx = 8", "entry 8: its clear values"),
        ("UPDATE journal SET bytes = x'7b7d' WHERE idx = 9", "entry 9"),
        ("DELETE FROM journal WHERE idx = 20 AND id NOT IN (SELECT id FROM evidence)", "entry 20: missing"),
    ] {
        if hand.starts_with("DELETE") {
            must(
                "sqlite3",
                &[
                    &database,
                    "DELETE FROM seals WHERE id = (SELECT id FROM journal WHERE idx = 20); \
                DELETE FROM evidence WHERE id = (SELECT id FROM journal WHERE idx = 20)",
                ],
            )?;
        }
        must("sqlite3", &[&database, hand])?;
        let output = demo.sealpost_raw(&["journal", "verify"])?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.code() == Some(1) && said.contains(named), "{hand}: {said}");
    }
    Ok(())
}
