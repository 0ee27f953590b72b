//! `kill -9` twenty times under load: what was acknowledged is there, whole; what was not left no half.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::{File, Mail, Noise, sha256};
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{link_in, run, wait_for, wait_for_deposit};
use sealpost_tests::{Demo, Door};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const BOB: &str = "bob@example.test";
const KILLS: usize = 20;
const SENDERS: u64 = 4;

/// What was acknowledged: deposit id, and the SHA-256 of what was sent.
type Acknowledged = Mutex<BTreeMap<String, String>>;

/// Sends one message after the other, small and large in turn, until told to stop. What fails is sent
/// again, as mail programs do: the 250 may have been lost on the way.
fn sender(place: &Place, number: u64, stop: &AtomicBool, done: &Acknowledged, count: &AtomicUsize) {
    let mut noise = Noise::new(number);
    for turn in 0u64.. {
        let size = [900, 20_000, 90_000, 700_000][(turn % 4) as usize] + noise.number() as usize % 500;
        let tag = if turn % 3 == 0 { "[secure] " } else { "" };
        let mail =
            Mail::new(&[BOB], &format!("{tag}Charge {number}.{turn}")).file(File::noise("charge.bin", size));
        let bytes = mail.bytes();
        loop {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            if let Ok(id) = place.send(&[BOB], &bytes) {
                count.fetch_add(1, Ordering::Relaxed);
                done.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sha256(&bytes));
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Kills at moments that have nothing to do with what happens inside.
fn storm(demo: &mut Demo, count: &AtomicUsize) -> Result<()> {
    let mut noise = Noise::new(20);
    for _ in 0..KILLS {
        let before = count.load(Ordering::Relaxed);
        let begun = Instant::now();
        // At least one deposit between two kills, else the load would prove nothing.
        while count.load(Ordering::Relaxed) == before && begun.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(noise.number() % 300));
        demo.kill()?;
        demo.restart()?;
    }
    Ok(())
}

#[test]
fn what_was_acknowledged_survives_twenty_kills() -> Result<()> {
    let mut demo = Demo::start(DemoOptions::default())?;
    let place = Place::new(&demo, "alice")?;
    let (stop, done, count) = (AtomicBool::new(false), Acknowledged::default(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for number in 0..SENDERS {
            let (place, stop, done, count) = (&place, &stop, &done, &count);
            scope.spawn(move || sender(place, number, stop, done, count));
        }
        let outcome = storm(&mut demo, &count);
        stop.store(true, Ordering::Relaxed);
        outcome
    })?;
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    ensure!(done.len() >= KILLS, "only {} deposits under load", done.len());

    let listed = demo.sealpost(&["--json", "deposit", "list", "--limit", "1000000"])?;
    let listed: BTreeMap<String, Value> = listed
        .lines()
        .map(|line| {
            let row: Value = serde_json::from_str(line)?;
            Ok((row["id"].as_str().context("id")?.to_owned(), row))
        })
        .collect::<Result<_>>()?;
    for (id, digest) in &done {
        let row = listed.get(id).with_context(|| format!("the acknowledged deposit {id} is gone"))?;
        assert_eq!(row["sha256"], digest.as_str(), "{id}");
    }
    // A message sent again is the deposit it was: at most the last of each sender stands there unacknowledged.
    let more = listed.len() - done.len();
    ensure!(more <= SENDERS as usize, "{more} deposits nobody was told of");
    // Kills leave much to be composed and sent.
    let (mut waiting, begun) = (String::new(), Instant::now());
    wait_for("everything is on its way", Duration::from_secs(150), || {
        waiting = demo.sealpost(&["--json", "queue", "list"])?;
        Ok(!waiting.contains("\"compose\"") && !waiting.contains("\"ready\""))
    })
    .with_context(|| format!("{waiting}\n{}", demo.log()))?;
    eprintln!("queue empty after {:.1} s", begun.elapsed().as_secs_f64());
    opened(&demo, &listed)?;
    let (id, _) = done.iter().next_back().context("none")?;
    let verdict = demo.sealpost(&["journal", "verify"])?;
    ensure!(verdict.trim_end().ends_with("VALID") && !verdict.contains("INVALID"), "{verdict}");
    readable(&demo, id)?;
    eprintln!("{} acknowledged, {} listed, {KILLS} kills", done.len(), listed.len());
    Ok(())
}

/// The bytes of deposits come out as they went in: a spread of all of them, among them the newest, which
/// were made closest to a kill.
fn opened(demo: &Demo, listed: &BTreeMap<String, Value>) -> Result<()> {
    let step = (listed.len() / 24).max(1);
    let newest = listed.iter().rev().take(4);
    for (id, row) in listed.iter().step_by(step).chain(newest) {
        let proof = demo.dir.join("proof.asice");
        let path = proof.to_string_lossy();
        demo.sealpost(&["proof", "export", id, "-o", &path, "--wait"])?;
        let original = run("unzip", &["-p", &path, "message/original.eml"])?.stdout;
        assert_eq!(row["sha256"], sha256(&original), "{id}");
    }
    Ok(())
}

/// And through the door, as a recipient sees it.
fn readable(demo: &Demo, id: &str) -> Result<()> {
    let id = {
        let shown: Value = serde_json::from_str(&demo.sealpost(&["--json", "deposit", "show", id])?)?;
        match shown["recipients"][0]["treatment"] == "notify" {
            true => id.to_owned(),
            // The last one was an ordinary mail: a secure one sent now tells that the system works on.
            false => Place::new(demo, "alice")?.send(
                &[BOB],
                &Mail::new(&[BOB], "[secure] apres la tempete").file(File::noise("a.bin", 100)).bytes(),
            )?,
        }
    };
    let door = Door::new(demo, &link_in(&wait_for_deposit(demo, BOB, &id)?)?)?;
    let files = door.open(demo, BOB)?.files();
    let (href, digest) = files.first().context("no file")?;
    assert_eq!(sha256(&door.request(href, &[])?.body), *digest);
    Ok(())
}
