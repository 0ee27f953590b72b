//! The sender's own folders over IMAP: the copy in Sent, its keywords, the evidence in Proofs.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::{File, Mail};
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{link_in, must, script, wait_for_deposit, wait_for_mail};
use sealpost_tests::{Demo, Door};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

const BOB: &str = "bob@example.test";

fn arguments(demo: &Demo, step: &str, more: &[&str]) -> Vec<String> {
    let alice = demo.account("alice");
    let ports = &demo.about.ports;
    let ca = demo.about.ca.to_string_lossy().into_owned();
    let first = [script("sent.py"), step.to_owned(), ports.imaps.to_string(), ca];
    let login = [alice.login.clone(), alice.app_password.clone()];
    first.into_iter().chain(login).chain(more.iter().map(|m| (*m).to_owned())).collect()
}

fn look(demo: &Demo, step: &str, more: &[&str]) -> Result<Value> {
    let all = arguments(demo, step, more);
    let said = must("python3", &all.iter().map(String::as_str).collect::<Vec<_>>())?;
    Ok(serde_json::from_str(&said)?)
}

#[test]
fn a_copy_with_what_becomes_of_it() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let mail = Mail::new(&[BOB], "[secure] Votre bilan")
        .header("Message-ID: <bilan-1@sealpost.test>")
        .header("Disposition-Notification-To: Alice <alice@sealpost.test>")
        .file(File::noise("radio.bin", 300_000));
    let file = demo.dir.join("message.eml");
    std::fs::write(&file, mail.bytes())?;
    let id = Place::new(&demo, "alice")?.send(&[BOB], &mail.bytes())?;
    // No waiting: what was acknowledged is there.
    look(&demo, "copy", &[&file.to_string_lossy()])?;
    let before = look(&demo, "flags", &["$Sealed", "$Notified", "\\Flagged"])?;
    let first = look(&demo, "proofs", &["NotificationForAcceptance"])?;

    let all = arguments(&demo, "idle", &["$Read", "$Downloaded"]);
    let mut idle = Command::new("python3").args(&all).stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(idle.stdout.take().context("no output")?).lines();
    ensure!(lines.next().context("no line")?? == "idle");
    let door = Door::new(&demo, &link_in(&wait_for_deposit(&demo, BOB, &id)?)?)?;
    let content = door.open(&demo, BOB)?;
    let (href, _) = content.files().into_iter().next().context("no file")?;
    ensure!(door.request(&href, &[])?.status == 200);
    let told: Value = serde_json::from_str(&lines.next().context("nothing told")??)?;
    ensure!(idle.wait()?.success());
    let told: Vec<&str> =
        told["told"].as_array().context("no list")?.iter().filter_map(Value::as_str).collect();
    ensure!(told.iter().all(|l| l.starts_with("* 1 FETCH (")), "{told:?}");
    let after = look(&demo, "flags", &["$Sealed", "$Notified", "$Read", "$Downloaded"])?;
    ensure!(after["modseq"].as_u64() > before["modseq"].as_u64(), "{before} {after}");

    let kept = demo.dir.join("kept");
    std::fs::create_dir(&kept)?;
    let second = look(&demo, "proofs", &["ContentHandover", &kept.to_string_lossy()])?;
    ensure!(second["uid"].as_u64() > first["uid"].as_u64(), "{} {}", first["uid"], second["uid"]);
    ensure!(second["subject"] == "Preuves : Votre bilan", "{}", second["subject"]);
    let text = second["text"].as_str().context("no text")?;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    ensure!(text.contains("Contenu remis au destinataire (bob@example.test)"), "{text}");
    ensure!(text.contains(&format!("/deposits/{id}")), "{text}");
    verify(&kept)?;

    // What the sender's program asked for, when the recipient opened it.
    let receipt = wait_for_mail(&demo, "alice", &|m| m.contains("disposition-notification"))?;
    for line in [
        "Final-Recipient: rfc822; bob@example.test",
        "Original-Message-ID: <bilan-1@sealpost.test>",
        "Disposition: manual-action/MDN-sent-automatically; displayed",
        "In-Reply-To: <bilan-1@sealpost.test>",
    ] {
        ensure!(receipt.contains(&format!("{line}\r\n")), "{line} is not in {receipt}");
    }
    Ok(())
}

/// Each evidence under its seal, by openssl.
fn verify(dir: &std::path::Path) -> Result<()> {
    let mut verified = 0;
    for entry in std::fs::read_dir(dir)? {
        let p7s = entry?.path();
        let name = p7s.to_string_lossy().into_owned();
        let Some(xml) = name.strip_suffix(".p7s") else { continue };
        must(
            "openssl",
            &[
                "cms",
                "-verify",
                "-binary",
                "-inform",
                "DER",
                "-in",
                &name,
                "-content",
                xml,
                "-noverify",
                "-out",
                "/dev/null",
            ],
        )?;
        verified += 1;
    }
    ensure!(verified >= 3, "{verified} seals in {}", dir.display());
    Ok(())
}
