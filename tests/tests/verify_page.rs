//! The public page `/verify`: good and damaged proofs, files that are none, limits, both languages, programs.

use anyhow::{Result, ensure};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{run, wait_for_deposit};
use sealpost_tests::{Demo, Mail};
use std::path::Path;

const BOB: &str = "bob@example.test";

/// Status and body of an upload, as a browser sends it.
fn give(demo: &Demo, file: &Path, more: &[&str]) -> Result<(u16, String)> {
    let (ca, form) = (demo.about.ca.to_string_lossy(), format!("proof=@{}", file.display()));
    let url = format!("{}/verify", demo.url());
    let mut args = vec!["-s", "--noproxy", "*", "--cacert", &ca, "-F", &form, "-w", "\n%{http_code}"];
    if !more.iter().any(|m| m.starts_with("Accept-Language")) {
        args.extend(["-H", "Accept-Language: en"]);
    }
    args.extend(more);
    args.push(&url);
    let output = run("curl", &args)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').unwrap_or(("", &text));
    Ok((status.trim().parse().unwrap_or(0), body.to_owned()))
}

#[test]
fn anybody_verifies_a_proof_in_a_browser() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let mail = Mail::new(&[BOB], "[secure] Bilan").bytes();
    let id = Place::new(&demo, "alice")?.send(&[BOB], &mail)?;
    wait_for_deposit(&demo, BOB, &id)?;
    let proof = demo.dir.join("proof.asice");
    demo.sealpost(&["proof", "export", &id, "-o", &proof.to_string_lossy(), "--wait"])?;

    let (status, page) = give(&demo, &proof, &[])?;
    ensure!(status == 200 && page.contains("This proof is intact and authentic"), "{status} {page}");
    ensure!(page.contains("Message deposited and accepted") && !page.contains("class=\"no\""), "{page}");
    let (_, page) = give(&demo, &proof, &["-H", "Accept-Language: fr"])?;
    ensure!(page.contains("intacte et authentique"), "{page}");
    let (status, json) = give(&demo, &proof, &["-H", "Accept: application/json"])?;
    let report: serde_json::Value = serde_json::from_str(&json)?;
    ensure!(status == 200 && report["verdict"] == "VALID", "{json}");

    // A changed octet: the file is named, in words.
    let mut bytes = std::fs::read(&proof)?;
    // Its name in the local header, behind zeros; README.txt names it too.
    let needle = b"\0message/original.eml";
    let at = bytes.windows(needle.len()).position(|w| w == needle).expect("the member") + 60;
    bytes[at] ^= 4;
    let damaged = demo.dir.join("damaged.asice");
    std::fs::write(&damaged, bytes)?;
    let (status, page) = give(&demo, &damaged, &[])?;
    ensure!(
        status == 200 && page.contains("cannot be relied on") && page.contains("What is wrong"),
        "{page}"
    );
    ensure!(page.contains("<code>message/original.eml</code><p>Changed"), "{page}");

    let nonsense = demo.dir.join("nonsense.asice");
    std::fs::write(&nonsense, "no archive at all")?;
    let (status, page) = give(&demo, &nonsense, &[])?;
    ensure!(status == 422 && page.contains("This file is no proof"), "{status} {page}");
    std::fs::write(&nonsense, "")?;
    let (status, page) = give(&demo, &nonsense, &[])?;
    ensure!(status == 422 && page.contains("No file was chosen"), "{status} {page}");
    Ok(())
}

#[test]
fn limits_are_said() -> Result<()> {
    let demo = Demo::start_edited(DemoOptions::default(), |text| {
        format!("{text}\n").replacen("[limits]", "[limits]\nproof_size = \"100 kB\"\nproofs_per_hour = 3", 1)
    })?;
    let text = std::fs::read_to_string(demo.dir.join("sealpost.toml"))?;
    ensure!(text.contains("proofs_per_hour"), "the configuration has no [limits]: {text}");
    let large = demo.dir.join("large.asice");
    std::fs::write(&large, vec![b'x'; 300_000])?;
    let (status, page) = give(&demo, &large, &[])?;
    ensure!(status == 413 && page.contains("too large"), "{status} {page}");
    let small = demo.dir.join("small.asice");
    std::fs::write(&small, "x")?;
    for _ in 0..2 {
        ensure!(give(&demo, &small, &[])?.0 == 422);
    }
    let (status, page) = give(&demo, &small, &[])?;
    ensure!(status == 429 && page.contains("Too many"), "{status} {page}");
    Ok(())
}
