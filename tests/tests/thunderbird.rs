//! Thunderbird on a screen that nobody sees: Alice writes, asks for receipts and sees what becomes of her message;
//! Bob sees a good signature.
//!
//! Not part of `make test`, since the program is a package of 80 MB and the scenario takes a minute:
//! `cargo nextest run --run-ignored only -p sealpost-tests -E 'test(/^thunderbird::/)'`, with the Debian packages
//! thunderbird, xvfb, imagemagick and libnss3-tools. `SEALPOST_TEST_PICTURES` names a directory for what it saw.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::tools::{link_in, must, script, wait_for, wait_for_mail};
use sealpost_tests::{Demo, Door};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const BOB: &str = "bob@example.test";
const ALICE: &str = "alice@sealpost.test";

/// A process that ends with the scenario.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Thunderbird {
    display: String,
    home: PathBuf,
    // Thunderbird goes before its screen.
    _program: Running,
    _screen: Running,
}

impl Thunderbird {
    fn start(demo: &Demo) -> Result<Self> {
        let mut screen = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1280x900x24"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("run Xvfb")?;
        let output = screen.stdout.take().context("no output")?;
        let screen = Running(screen);
        let mut number = String::new();
        BufReader::new(output).read_line(&mut number)?;
        let display = format!(":{}", number.trim());
        let home = demo.dir.join("thunderbird");
        std::fs::create_dir(&home)?;
        let program = Command::new("python3")
            .args([&script("thunderbird.py"), "start"])
            .args([&home, &demo.dir.join("demo.json")])
            .env("DISPLAY", &display)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let this = Self { display, home, _program: Running(program), _screen: screen };
        this.step("passwords", &[&demo.dir.join("demo.json").to_string_lossy()])?;
        Ok(this)
    }

    fn step(&self, name: &str, more: &[&str]) -> Result<Value> {
        let (display, home) = (format!("DISPLAY={}", self.display), self.home.to_string_lossy());
        let tool = script("thunderbird.py");
        let said =
            must("env", &[&[display.as_str(), "python3", tool.as_str(), name, &home][..], more].concat())?;
        Ok(serde_json::from_str(&said)?)
    }

    /// Messages of a folder: subject and keywords.
    fn folder(&self, login: &str, path: &str) -> Result<Vec<(String, String)>> {
        let listed = self.step("folder", &[login, path])?;
        let text = |m: &Value, name: &str| m[name].as_str().unwrap_or_default().to_owned();
        Ok(listed
            .as_array()
            .context("no list")?
            .iter()
            .map(|m| (text(m, "subject"), text(m, "keywords")))
            .collect())
    }

    fn wait(&self, what: &str, path: &str, fits: impl Fn(&[(String, String)]) -> bool) -> Result<()> {
        wait_for(what, Duration::from_secs(90), || Ok(fits(&self.folder(ALICE, path)?)))
    }
}

#[test]
#[ignore = "needs Thunderbird and a minute; has not passed as a whole yet"]
fn alice_writes_and_bob_sees_a_good_signature() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let thunderbird = Thunderbird::start(&demo)?;
    let pictures = std::env::var_os("SEALPOST_TEST_PICTURES").map_or_else(|| demo.dir.clone(), PathBuf::from);
    let picture = |name: &str| pictures.join(name).to_string_lossy().into_owned();
    let file = demo.dir.join("bilan.bin");
    std::fs::write(&file, vec![7; 40_000])?;
    let file = file.to_string_lossy();

    thunderbird.step("send", &[ALICE, BOB, "[secure] Votre bilan", &file, "yes"])?;
    let mail = wait_for_mail(&demo, BOB, &|m| m.contains("X-Sealpost-Deposit: ") && m.contains("/m/"))?;
    let door = Door::new(&demo, &link_in(&mail)?)?;
    let content = door.open(&demo, BOB)?;
    let (href, _) = content.files().into_iter().next().context("no file")?;
    ensure!(door.request(&href, &[])?.status == 200);

    // One copy in Sent, although the program brought its own, with what became of it.
    thunderbird.wait("the copy's keywords", "Sent", |sent| {
        let [(_, keywords)] = sent else { return false };
        ["$sealed", "$notified", "$read", "$downloaded"].iter().all(|k| keywords.contains(k))
    })?;
    thunderbird.step("show", &[ALICE, "Sent", "Votre bilan", &picture("sent.png")])?;
    thunderbird
        .wait("the proof", "Proofs", |proofs| proofs.iter().any(|(s, _)| s == "Preuves : Votre bilan"))?;
    thunderbird.step("show", &[ALICE, "Proofs", "Votre bilan", &picture("proof.png")])?;
    // The read receipt (RFC 8098), in the place of a notice of ours, and the delivery receipt (RFC 3464).
    for kind in ["report-type=disposition-notification", "report-type=delivery-status"] {
        wait_for_mail(&demo, "alice", &|m| m.contains(kind))?;
    }
    thunderbird.wait("the receipts", "INBOX", |inbox| inbox.len() >= 2)?;
    thunderbird.step("show", &[ALICE, "INBOX", "Votre bilan", &picture("receipts.png")])?;

    thunderbird.step("send", &[ALICE, BOB, "Compte rendu", "", "no"])?;
    wait_for_mail(&demo, BOB, &|m| m.contains("Subject: Compte rendu"))?;
    let seen = thunderbird.step("show", &[BOB, "INBOX", "Compte rendu", &picture("signature.png")])?;
    let text = |name: &str| seen[name].as_str().unwrap_or_default().to_owned();
    ensure!(text("signed").ends_with("message-signed-ok.svg"), "{seen}");
    ensure!(text("panel").contains("valid digital signature") && text("panel").contains(ALICE), "{seen}");
    Ok(())
}
