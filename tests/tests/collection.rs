//! Proofs of a selection in one file, and an interruption in between.

use anyhow::{Result, ensure};
use sealpost_tests::demo::{DemoOptions, binary};
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{must, wait_for_deposit};
use sealpost_tests::{Demo, Mail};
use std::process::Command;

const BOB: &str = "bob@example.test";

#[test]
fn a_selection_is_exported_and_goes_on_after_an_interruption() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let place = Place::new(&demo, "alice")?;
    let mut ids = Vec::new();
    for n in 0..6 {
        let to = if n == 5 { "dora@example.test" } else { BOB };
        ids.push(place.send(&[to], &Mail::new(&[to], &format!("Lettre {n}")).bytes())?);
        wait_for_deposit(&demo, to, &ids[n])?;
    }
    let file = demo.dir.join("all.zip");
    let path = file.to_string_lossy().into_owned();
    let export = ["proof", "export", "--from", "2020-01-01T00:00:00Z", "-o", &path, "--without-content"];
    demo.sealpost(&export)?;
    let whole = must("unzip", &["-Z1", &path])?;
    ensure!(whole.lines().count() == 7 && whole.lines().last() == Some("index.jsonl"), "{whole}");
    ensure!(ids.iter().all(|id| whole.contains(id.as_str())), "{whole}");

    // As if the machine had stopped in the fourth proof.
    let bytes = std::fs::read(&file)?;
    let part = demo.dir.join(".all.zip.part");
    std::fs::write(&part, &bytes[..bytes.len() * 55 / 100])?;
    let index = must("unzip", &["-p", &path, "index.jsonl"])?;
    std::fs::write(demo.dir.join(".all.zip.index"), &index)?;
    std::fs::remove_file(&file)?;
    demo.sealpost(&export)?;
    must("unzip", &["-tq", &path])?;
    ensure!(must("unzip", &["-Z1", &path])? == whole, "another content");
    ensure!(!part.exists(), "the part is left");
    let index = must("unzip", &["-p", &path, "index.jsonl"])?;
    ensure!(index.lines().count() == 6, "{index}");
    for line in index.lines() {
        let entry: serde_json::Value = serde_json::from_str(line)?;
        let name = entry["file"].as_str().unwrap_or_default().to_owned();
        let proof = demo.dir.join("single.asice");
        std::fs::write(&proof, Command::new("unzip").args(["-p", &path, &name]).output()?.stdout)?;
        let ca = &demo.about.ca;
        let said =
            Command::new(binary()?).args(["proof", "verify"]).arg(&proof).arg("--trust").arg(ca).output()?;
        ensure!(said.status.success(), "{name}");
    }

    let some = demo.dir.join("some.zip").to_string_lossy().into_owned();
    demo.sealpost(&["proof", "export", "--recipient", "dora@example.test", "-o", &some])?;
    let listed = must("unzip", &["-Z1", &some])?;
    ensure!(listed.lines().count() == 2 && listed.contains(&ids[5]), "{listed}");
    Ok(())
}
