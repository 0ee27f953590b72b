//! Proofs judged by others: a shell script over openssl, and pyHanko. They agree with ours on good proofs, and the
//! script finds damage and names the file.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::{DemoOptions, binary};
use sealpost_tests::mail::{File, Noise};
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{must, script, wait_for_deposit};
use sealpost_tests::{Demo, Mail};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const BOB: &str = "bob@example.test";
const DORA: &str = "dora@example.test";

fn by_shell(proof: &Path, ca: &Path) -> Result<Output> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib/verify-proof");
    // dash: what is not POSIX does not run.
    Command::new("dash").arg(script).arg(proof).arg(ca).output().context("run verify-proof")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// All three say VALID.
fn all_agree(proof: &Path, ca: &Path) -> Result<()> {
    let ours =
        Command::new(binary()?).args(["proof", "verify"]).arg(proof).arg("--trust").arg(ca).output()?;
    ensure!(said(&ours).lines().last() == Some("VALID"), "{}", said(&ours));
    let shell = by_shell(proof, ca)?;
    let text = said(&shell);
    ensure!(shell.status.code() == Some(0) && text.lines().last() == Some("VALID"), "{text}");
    let unpacked = tempfile::tempdir()?;
    must("unzip", &["-qq", &proof.to_string_lossy(), "-d", &unpacked.path().to_string_lossy()])?;
    let python = std::env::var("SEALPOST_TEST_PYTHON").unwrap_or("/opt/sealpost-test/bin/python".into());
    let folder = unpacked.path().to_string_lossy().into_owned();
    let judged = must(&python, &[&script("cades.py"), &folder, &ca.to_string_lossy()])?;
    ensure!(judged.lines().count() >= 4 && !judged.contains("FAIL"), "{judged}");
    Ok(())
}

fn export(demo: &Demo, id: &str, name: &str, more: &[&str]) -> Result<PathBuf> {
    let file = demo.dir.join(name);
    let path = file.to_string_lossy().into_owned();
    demo.sealpost(&[&["proof", "export", id, "-o", &path, "--wait"], more].concat())?;
    Ok(file)
}

#[test]
fn other_verifiers_agree_and_the_script_names_damage() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let mail = Mail::new(&[BOB, DORA], "[secure] Compte rendu").file(File::noise("a.bin", 20_000)).bytes();
    let id = Place::new(&demo, "alice")?.send(&[BOB, DORA], &mail)?;
    wait_for_deposit(&demo, BOB, &id)?;
    wait_for_deposit(&demo, DORA, &id)?;
    let ca = demo.about.ca.clone();
    let whole = export(&demo, &id, "whole.asice", &[])?;
    all_agree(&whole, &ca)?;
    all_agree(&export(&demo, &id, "one.asice", &["--recipient", "2"])?, &ca)?;
    let bare = export(&demo, &id, "bare.asice", &["--without-content", "--language", "en"])?;
    all_agree(&bare, &ca)?;
    let renewed = demo.dir.join("renewed.asice");
    demo.sealpost(&["proof", "renew", &bare.to_string_lossy(), "-o", &renewed.to_string_lossy()])?;
    all_agree(&renewed, &ca)?;
    damage(&demo, &renewed)
}

/// One flipped bit in each member, and bytes added and cut off.
fn damage(demo: &Demo, proof: &Path) -> Result<()> {
    let bytes = std::fs::read(proof)?;
    let listed = must("unzip", &["-Z1", &proof.to_string_lossy()])?;
    let mut noise = Noise::new(11);
    let damaged = demo.dir.join("damaged.asice");
    let mut start = 0;
    let number = |at: usize, octets: usize| -> usize {
        bytes[at..at + octets].iter().rev().fold(0, |n, b| n << 8 | usize::from(*b))
    };
    for (n, name) in listed.lines().enumerate() {
        let (size, head) = (number(start + 18, 4), 30 + number(start + 26, 2) + number(start + 28, 2));
        let at = start + head + (noise.number() as usize) % size;
        start += head + size;
        // One in three: each judgement starts hundreds of processes.
        if n % 3 != 0 {
            continue;
        }
        let mut copy = bytes.clone();
        copy[at] ^= 1 << (at % 8);
        std::fs::write(&damaged, &copy)?;
        let output = by_shell(&damaged, &demo.about.ca)?;
        let text = said(&output);
        ensure!(output.status.code() == Some(1) && text.lines().last() == Some("INVALID"), "{name}: {text}");
        let named = text.lines().any(|l| l.starts_with(&format!("FAIL  {name}: ")));
        ensure!(named, "octet {at} of {name}:\n{text}");
    }
    for copy in [[&bytes[..], b"x"].concat(), bytes[..bytes.len() - 30].to_vec()] {
        std::fs::write(&damaged, &copy)?;
        let status = by_shell(&damaged, &demo.about.ca)?.status;
        ensure!(matches!(status.code(), Some(1 | 2)), "{status}");
    }
    Ok(())
}

#[test]
fn the_script_is_clean() -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib/verify-proof");
    must("shellcheck", &["-s", "sh", &script.to_string_lossy()]).map(drop)
}
