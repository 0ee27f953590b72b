//! A file attached on the page survives a broken connection, a killed server and a pause, and arrives as it was.
//!
//! `SEALPOST_TEST_UPLOAD_BYTES` sets its size (default 64 MiB; docs/durability.md tells of 5 GiB), `SEALPOST_BIN` the
//! program.

use anyhow::{Context, Result, ensure};
use sealpost_tests::browser::{run, task};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::{Noise, Sha256};
use sealpost_tests::tools::{link_in, wait_for_deposit};
use sealpost_tests::{Demo, Door};
use serde_json::json;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

const BOB: &str = "bob@example.test";

/// Writes noise; answers its SHA-256.
fn noise(file: &Path, size: u64) -> Result<String> {
    let mut out = std::io::BufWriter::new(std::fs::File::create(file)?);
    let (mut noise, mut digest, mut piece) = (Noise::new(size), Sha256::new(), vec![0; 1 << 20]);
    let mut left = size;
    while left > 0 {
        let take = usize::try_from(left.min(1 << 20))?;
        noise.fill(&mut piece[..take]);
        digest.update(&piece[..take]);
        out.write_all(&piece[..take])?;
        left -= take as u64;
    }
    out.flush()?;
    Ok(digest.hex())
}

#[test]
fn a_file_attached_on_the_page_survives_what_happens_on_the_way() -> Result<()> {
    let size: u64 = match std::env::var("SEALPOST_TEST_UPLOAD_BYTES") {
        Ok(text) => text.parse().context("SEALPOST_TEST_UPLOAD_BYTES")?,
        Err(_) => 64 << 20,
    };
    let mut demo = Demo::start(DemoOptions::default())?;
    let file = demo.dir.join("grand.bin");
    let digest = noise(&file, size)?;
    let (wanted, restarted) = (demo.dir.join("restart.wanted"), demo.dir.join("restarted"));
    let shots = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/screenshots");
    std::fs::create_dir_all(&shots)?;
    let alice = demo.account("alice");
    let task = task(
        &demo,
        json!({
            "login": alice.login, "password": alice.password, "secret": alice.totp_secret, "file": file, "size": size,
            "port": demo.about.ports.https, "wanted": wanted, "restarted": restarted, "to": BOB, "shots": shots,
            "patience": 60 + (size >> 20) / 4,
        }),
    )?;
    let browser = std::thread::spawn(move || run("upload.py", &task));
    while !wanted.exists() && !browser.is_finished() {
        std::thread::sleep(Duration::from_millis(20));
    }
    if wanted.exists() {
        demo.kill()?;
        demo.restart()?;
        std::fs::write(&restarted, "")?;
    }
    let seen = browser.join().map_err(|_| anyhow::anyhow!("the script's thread"))??;
    std::fs::remove_file(&file)?;
    let places: Vec<u64> = serde_json::from_value(seen["seen"].clone())?;
    let [first, second, third, paused] = places[..] else { anyhow::bail!("{seen}") };
    // Each time it went on where it had stopped, and a pause holds.
    ensure!(first < second && second <= third && third == paused && paused < size, "{seen}");
    ensure!(seen["later"].as_str().is_some_and(|t| t.contains("dès que les fichiers")), "{seen}");
    ensure!(seen["here"] == true, "it left before its file was there");
    assert_eq!(seen["banner"], "Le document a bien été envoyé aux personnes sélectionnées.");
    let address = seen["address"].as_str().context("no address")?;
    let id = address.rsplit('/').next().and_then(|t| t.split('?').next()).context("no id")?;
    let door = Door::new(&demo, &link_in(&wait_for_deposit(&demo, BOB, id)?)?)?;
    let files = door.open(&demo, BOB)?.files();
    let [(href, shown)] = &files[..] else { anyhow::bail!("{files:?}") };
    assert_eq!(*shown, digest);
    assert_eq!(door.fetch(href)?, (size, digest));
    Ok(())
}
