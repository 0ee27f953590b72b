//! An attachment of any size goes in and out in the same memory.
//!
//! `SEALPOST_TEST_BIG_BYTES` sets its size (default 256 MiB), `SEALPOST_BIN` the program: 2 GiB wants the
//! release build, for which the absolute budget is checked too.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::{DemoOptions, binary};
use sealpost_tests::mail::{Noise, Sha256, base64_lines};
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{link_in, wait_for_deposit};
use sealpost_tests::{Demo, Door};
use std::time::Instant;

const BOB: &str = "bob@example.test";
const SMALL: u64 = 10 << 20;

/// Lines of 57 octets become 76 characters; pieces of whole lines.
const PIECE: usize = 57 * 8192;

/// Sends an attachment made on the fly; returns the deposit and the file's SHA-256.
fn send(place: &Place, size: u64) -> Result<(String, String)> {
    let mut client = place.connect()?;
    client.begin(&place.login, &[BOB])?;
    client.data(
        format!(
            "From: alice@sealpost.test\r\nTo: {BOB}\r\nSubject: [secure] {size} octets\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nGrand fichier.\r\n\
             --b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\
             Content-Disposition: attachment; filename=grand.bin\r\n\r\n"
        )
        .as_bytes(),
    )?;
    let (mut noise, mut digest) = (Noise::new(size), Sha256::new());
    let mut piece = vec![0; PIECE];
    let mut text = String::with_capacity(PIECE / 57 * 78);
    let mut left = size;
    while left > 0 {
        let take = usize::try_from(left.min(PIECE as u64))?;
        noise.fill(&mut piece[..take]);
        digest.update(&piece[..take]);
        text.clear();
        base64_lines(&piece[..take], &mut text);
        text.push_str("\r\n");
        client.data(text.as_bytes())?;
        left -= take as u64;
    }
    client.data(b"--b--\r\n")?;
    Ok((client.finish()?, digest.hex()))
}

/// Peak resident memory so far, in KiB.
fn peak(demo: &Demo) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", demo.pid()))?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).context("no VmHWM")?;
    Ok(line.split_whitespace().nth(1).context("no number")?.parse()?)
}

fn round(demo: &Demo, size: u64) -> Result<u64> {
    let begun = Instant::now();
    let (id, digest) = send(&Place::new(demo, "alice")?, size)?;
    let sent = begun.elapsed();
    let door = Door::new(demo, &link_in(&wait_for_deposit(demo, BOB, &id)?)?)?;
    let files = door.open(demo, BOB)?.files();
    let (href, shown) = files.first().context("no file")?;
    assert_eq!(*shown, digest);
    let begun = Instant::now();
    assert_eq!(door.fetch(href)?, (size, digest));
    let fetched = begun.elapsed();
    let rate = |time: std::time::Duration| size as f64 / time.as_secs_f64() / f64::from(1 << 20);
    let peak = peak(demo)?;
    eprintln!(
        "{} MiB: in {:.1} s ({:.0} MiB/s), out {:.1} s ({:.0} MiB/s), peak {} KiB",
        size >> 20,
        sent.as_secs_f64(),
        rate(sent),
        fetched.as_secs_f64(),
        rate(fetched),
        peak
    );
    Ok(peak)
}

#[test]
fn memory_does_not_grow_with_the_attachment() -> Result<()> {
    let big = match std::env::var("SEALPOST_TEST_BIG_BYTES") {
        Ok(text) => text.parse().context("SEALPOST_TEST_BIG_BYTES")?,
        Err(_) => 256 << 20,
    };
    let demo = Demo::start(DemoOptions::default())?;
    let small = round(&demo, SMALL)?;
    let large = round(&demo, big)?;
    // The budget is that of the program as it ships; unoptimised code alone takes more.
    if binary()?.components().any(|c| c.as_os_str() == "release") {
        ensure!(large <= 64 << 10, "{large} KiB at the peak");
    }
    ensure!(large <= small + (8 << 10), "{small} KiB after a small file, {large} KiB after a large one");
    Ok(())
}
