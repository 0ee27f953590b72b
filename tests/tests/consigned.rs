//! What follows an opening, and what keeps one from happening: mail to somebody who has opened before tells of content that
//! is theirs already; stored content that cannot be read is said to reader, sender and evidence, once, and heals.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::{DemoOptions, binary};
use sealpost_tests::mail::{File, Mail};
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{link_in, must, wait_for_deposit, wait_for_mail, wait_until};
use sealpost_tests::{Demo, Door};
use serde_json::Value;
use std::process::Command;

const BOB: &str = "bob@example.test";
const DORA: &str = "dora@example.test";
const ALICE: &str = "alice@sealpost.test";

fn show(demo: &Demo, id: &str) -> Result<Value> {
    Ok(serde_json::from_str(&demo.sealpost(&["--json", "deposit", "show", id])?)?)
}

/// Recipients of the events of that name.
fn events(demo: &Demo, id: &str, name: &str) -> Result<Vec<u64>> {
    let shown = show(demo, id)?;
    let events = shown["events"].as_array().context("events")?;
    Ok(events.iter().filter(|e| e["event"] == name).filter_map(|e| e["recipient"].as_u64()).collect())
}

#[test]
fn what_was_consigned_is_told_again_and_what_cannot_be_read_is_said() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let mail = Mail::new(&[BOB, DORA], "[secure] Bilan").file(File::noise("bilan.bin", 70_000)).bytes();
    let id = Place::new(&demo, "alice")?.send(&[BOB, DORA], &mail)?;
    let bob = Door::new(&demo, &link_in(&wait_for_deposit(&demo, BOB, &id)?)?)?;
    let dora = Door::new(&demo, &link_in(&wait_for_deposit(&demo, DORA, &id)?)?)?;
    bob.open(&demo, BOB)?;

    // Sent again to both: one has opened, one has not.
    demo.sealpost(&["deposit", "resend", &id])?;
    wait_until("both are told again", || {
        Ok(events(&demo, &id, "ConsignmentNotification")? == [1]
            && events(&demo, &id, "NotificationForAcceptance")?.len() == 3)
    })?;

    // The blob is gone: the gate is passed, and there is nothing to show.
    let (blobs, away) = (demo.dir.join("data/blobs"), demo.dir.join("data/away"));
    std::fs::rename(&blobs, &away)?;
    std::fs::create_dir(&blobs)?;
    let refused = dora.open(&demo, DORA).map(drop).unwrap_err().to_string();
    ensure!(refused.contains("500") && refused.contains("ne peut pas être affiché"), "{refused}");
    let ready = dora.get("")?;
    let again = dora.post("/open", &ready, &[])?;
    ensure!(again.status == 500, "{}", again.text());
    assert_eq!(events(&demo, &id, "ContentConsignmentFailure")?, [2], "said once");
    assert_eq!(show(&demo, &id)?["recipients"][1]["state"], "failed");
    // Long lines are broken for the way (RFC 2045 §6.7).
    let told =
        |mail: &str| mail.contains(&id) && mail.replace("=\r\n", "").contains("endommag=C3=A9 ou manquant");
    wait_for_mail(&demo, ALICE, &told)?;

    // Restored, the same link opens it.
    std::fs::remove_dir_all(&blobs)?;
    std::fs::rename(&away, &blobs)?;
    let opened = dora.post("/open", &dora.get("")?, &[])?;
    ensure!(opened.status == 200 && opened.files().len() == 1, "{}", opened.text());
    assert_eq!(events(&demo, &id, "ContentConsignment")?, [1, 2]);
    assert_eq!(show(&demo, &id)?["recipients"][1]["state"], "opened");

    let proof = demo.dir.join("proof.asice").to_string_lossy().into_owned();
    demo.sealpost(&["proof", "export", &id, "-o", &proof, "--wait"])?;
    let ca = &demo.about.ca;
    let judged =
        Command::new(binary()?).args(["proof", "verify", &proof, "--trust"]).arg(ca).output()?.stdout;
    let judged = String::from_utf8_lossy(&judged).into_owned();
    ensure!(judged.lines().last() == Some("VALID"), "{judged}");
    for evidence in ["ContentConsignmentFailure.xml.p7s", "ConsignmentNotification.xml.p7s"] {
        ensure!(judged.contains(evidence), "no {evidence} in {judged}");
    }
    let report = must("sh", &["-c", &format!("unzip -p {proof} report.pdf | pdftotext - -")])?;
    let report = report.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in ["Avis de mise à disposition envoyé", "Contenu non mis à disposition"] {
        ensure!(report.contains(words), "no {words:?} in {report}");
    }
    Ok(())
}
