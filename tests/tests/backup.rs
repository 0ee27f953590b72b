//! Yesterday's backup comes back: the log does not fork, no mail leaves twice, keys come back by their sheet.

use anyhow::{Context, Result, ensure};
use sealpost_tests::Demo;
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::{File, Mail};
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{inbox, wait_for_deposit, wait_until};
use serde_json::Value;
use std::path::Path;

const BOB: &str = "bob@example.test";
const DORA: &str = "dora@example.test";

fn json(demo: &Demo, args: &[&str]) -> Result<Value> {
    let args = [args, &["--json"]].concat();
    Ok(serde_json::from_str(&demo.sealpost(&args)?)?)
}

fn verified(demo: &Demo) -> Result<u64> {
    let report = json(demo, &["journal", "verify"])?;
    ensure!(report["ok"] == true, "{report}");
    report["entries"].as_u64().context("entries")
}

/// The database and the blobs go, the keys stay.
fn lose_data(dir: &Path) -> Result<()> {
    for entry in std::fs::read_dir(dir.join("data"))? {
        let path = entry?.path();
        if path.is_dir() { std::fs::remove_dir_all(&path)? } else { std::fs::remove_file(&path)? }
    }
    Ok(())
}

fn checkpoint(demo: &Demo) -> Result<String> {
    let url = format!("{}/log/checkpoint", demo.url());
    let ca = demo.about.ca.display().to_string();
    let note = sealpost_tests::tools::must("curl", &["-sSf", "--cacert", &ca, &url])?;
    Ok(note.lines().next().context("an origin")?.to_owned())
}

#[test]
fn yesterdays_backup() -> Result<()> {
    let mut demo = Demo::start(DemoOptions::default())?;
    let place = Place::new(&demo, "alice")?;
    let mail = Mail::new(&[BOB], "Compte rendu").header("X-Sealpost-Treatment: link");
    let mail = mail.text("Bonjour").file(File::noise("a.bin", 300_000));
    let first = place.send(&[BOB], &mail.bytes())?;
    wait_for_deposit(&demo, BOB, &first)?;
    wait_until("the first log has a checkpoint", || Ok(checkpoint(&demo).is_ok()))?;
    let old = checkpoint(&demo)?;

    // A mail that waits when the backup is made, and leaves after it.
    let second = place.send(&[DORA], &Mail::new(&[DORA], "Attente").text("Bonjour").bytes())?;
    wait_for_deposit(&demo, DORA, &second)?;
    let away = tempfile::tempdir()?;
    let (backup, keys) = (away.path().join("backup"), away.path().join("keys"));
    let text = |path: &Path| path.display().to_string();
    let made = json(&demo, &["backup", &text(&backup)])?;
    ensure!(made["blobs"]["count"].as_u64() >= Some(1), "{made}");
    let again = demo.sealpost_raw(&["backup", &text(&backup)])?;
    ensure!(again.status.code() == Some(2), "a backup is not overwritten");
    let beside = demo.sealpost_raw(&["backup", "--keys", &text(&backup)])?;
    ensure!(beside.status.code() == Some(2), "keys never lie beside the data");
    let sheet = json(&demo, &["backup", "--keys", &text(&keys)])?;
    let passphrase = away.path().join("passphrase");
    std::fs::write(&passphrase, sheet["passphrase"].as_str().context("a passphrase")?)?;
    no_key_in(&backup, &demo.dir.join("keys"))?;

    // After the backup: another deposit, which the backup does not have.
    let third = place.send(&[BOB], &Mail::new(&[BOB], "Perdu").text("Bonjour").bytes())?;
    wait_for_deposit(&demo, BOB, &third)?;
    verified(&demo)?;
    let bobs = inbox(&demo, BOB)?.len();
    let refused = demo.sealpost_raw(&["restore", &text(&backup)])?;
    ensure!(refused.status.code() == Some(2), "a restore refuses what is not empty");
    demo.terminate()?;

    // Everything is lost, the keys too.
    lose_data(&demo.dir)?;
    std::fs::remove_dir_all(demo.dir.join("keys"))?;
    let early = demo.sealpost_raw(&["restore", &text(&backup)])?;
    ensure!(early.status.code() == Some(2), "the keys come first");
    let phrase = format!("file:{}", passphrase.display());
    demo.sealpost(&["restore", "--keys", &text(&keys), "--passphrase", &phrase])?;
    let done = json(&demo, &["restore", &text(&backup)])?;
    demo.restart()?;

    // A new log, whose first entry commits to the old one; both verify.
    let new = checkpoint(&demo)?;
    ensure!(new != old && Some(new.as_str()) == done["log"].as_str(), "{old} {new} {done}");
    let first_entry = demo.sealpost(&["journal", "search", "--event", "LogRestarted"])?;
    let first_entry: Value = serde_json::from_str(first_entry.trim())?;
    assert_eq!(first_entry["index"], 0);
    assert_eq!(first_entry["entry"]["detail"]["former"]["origin"], old.as_str());
    ensure!(first_entry["entry"]["detail"]["former"]["checkpoint"]["sha256"].is_string(), "{first_entry}");
    verified(&demo)?;
    ensure!(demo.sealpost_raw(&["deposit", "show", &third])?.status.code() == Some(2), "the third is lost");

    // Content is there, and a proof of what was deposited before still verifies.
    let proof = away.path().join("proof.asice");
    demo.sealpost(&["proof", "export", &first, "-o", &text(&proof), "--wait"])?;
    demo.sealpost(&["proof", "verify", &text(&proof), "--trust", &demo.about.ca.display().to_string()])?;

    // Nothing left by itself: Bob has at most what he had, and what is new leaves as always.
    ensure!(inbox(&demo, BOB)?.len() <= bobs, "mail left twice");
    let fourth =
        Place::new(&demo, "alice")?.send(&[BOB], &Mail::new(&[BOB], "Nouveau").text("Bonjour").bytes())?;
    wait_for_deposit(&demo, BOB, &fourth)?;
    verified(&demo)?;
    Ok(())
}

/// No octets of a key file stand in the backup.
fn no_key_in(backup: &Path, keys: &Path) -> Result<()> {
    let mut secrets: Vec<Vec<u8>> = Vec::new();
    for entry in std::fs::read_dir(keys)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "key") {
            let text = std::fs::read_to_string(&path)?;
            let digits = text.lines().find_map(|l| l.strip_prefix("key: ")).context("a key")?;
            let raw: Result<Vec<u8>, _> =
                (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16)).collect();
            secrets.extend([raw?, digits.as_bytes().to_vec()]);
        }
    }
    ensure!(!secrets.is_empty());
    let mut waiting = vec![backup.to_owned()];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(&path)?.flatten().map(|e| e.path()));
            continue;
        }
        let bytes = std::fs::read(&path)?;
        for secret in &secrets {
            ensure!(!bytes.windows(secret.len()).any(|w| w == secret), "a key in {}", path.display());
        }
    }
    Ok(())
}
