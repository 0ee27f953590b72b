//! Proofs and decades: with the clock eleven years ahead a renewed proof holds, and one that was not renewed says
//! what has aged. The clock is moved by libfaketime, for the real program.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::{DemoOptions, binary};
use sealpost_tests::sending::Place;
use sealpost_tests::tools::wait_for_deposit;
use sealpost_tests::{Demo, Mail};
use std::path::Path;
use std::process::{Command, Output};

const BOB: &str = "bob@example.test";

/// Runs `sealpost` with the clock moved.
fn years_ahead(years: u32, args: &[&str]) -> Result<Output> {
    let mut command = Command::new("faketime");
    command.args(["-f", &format!("+{}d", years * 365 + years / 4)]).arg(binary()?).args(args);
    command.output().context("run faketime")
}

fn verdict(years: u32, proof: &Path, ca: &Path) -> Result<(Option<i32>, String)> {
    let (proof, ca) = (proof.to_string_lossy(), ca.to_string_lossy());
    let output = years_ahead(years, &["proof", "verify", &proof, "--trust", &ca])?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok((output.status.code(), text + &String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn renewed_in_time_a_proof_outlasts_its_authority() -> Result<()> {
    let mut demo = Demo::start(DemoOptions::default())?;
    let mail = Mail::new(&[BOB], "Bonjour").bytes();
    let id = Place::new(&demo, "alice")?.send(&[BOB], &mail)?;
    wait_for_deposit(&demo, BOB, &id)?;
    let (proof, renewed) = (demo.dir.join("proof.asice"), demo.dir.join("renewed.asice"));
    demo.sealpost(&["proof", "export", &id, "-o", &proof.to_string_lossy(), "--wait"])?;
    let ca = demo.about.ca.clone();
    demo.terminate()?;

    // Nine years later the authority has another certificate, and the proof gets another timestamp.
    let config = demo.dir.join("sealpost.toml").to_string_lossy().into_owned();
    let (from, to) = (proof.to_string_lossy().into_owned(), renewed.to_string_lossy().into_owned());
    let output = years_ahead(9, &["--config", &config, "proof", "renew", &from, "-o", &to])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let (code, text) = verdict(11, &renewed, &ca)?;
    ensure!(code == Some(0) && text.lines().last() == Some("VALID"), "{text}");
    let (code, text) = verdict(11, &proof, &ca)?;
    ensure!(code == Some(1) && text.lines().last() == Some("INVALID"), "{text}");
    let aged = text.lines().find(|l| l.starts_with("FAIL")).context("nothing failed")?;
    ensure!(
        aged.starts_with("FAIL  META-INF/signature001.p7s: aged") && aged.contains("time authority"),
        "{text}"
    );

    // Too late is too late.
    let output = years_ahead(11, &["--config", &config, "proof", "renew", &from])?;
    ensure!(output.status.code() == Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
