//! The corpus of difficult messages through the whole relay: sent on unchanged (`trace`) and sealed (`seal`), and judged
//! at the next hop by dkimpy and `openssl cms`; what is only sent on has the author's body, byte for byte. One message
//! in eight, or one in so many as `SEALPOST_TEST_CORPUS` says: 1 takes all.

use anyhow::{Context, Result, ensure};
use sealpost_tests::Demo;
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::sending::Place;
use sealpost_tests::sink::{Attempt, Sink};
use sealpost_tests::storm::number;
use sealpost_tests::tools::{must, run, script, wait_for};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const TRACE: &str = "trace@example.test";
const SEAL: &str = "seal@example.test";
/// Sessions, and judges, at the same time.
const TOGETHER: usize = 4;

/// The corpus, each as Alice would send it: what stands in From has to be hers.
fn corpus() -> Result<Vec<(String, Vec<u8>)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway/message/tests/corpus");
    let (mut found, mut dirs) = (Vec::new(), vec![root]);
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir)? {
            let path: PathBuf = entry?.path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|e| e == "eml") {
                let name = path.file_stem().context("a name")?.to_string_lossy().into_owned();
                found.push((name, by_alice(&std::fs::read(&path)?)));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// From and Sender replaced; every other octet stays.
fn by_alice(message: &[u8]) -> Vec<u8> {
    let mut out = b"From: Alice <alice@sealpost.test>\r\n".to_vec();
    let (mut in_header, mut dropping) = (true, false);
    for line in message.split_inclusive(|b| *b == b'\n') {
        if in_header && line == b"\r\n" {
            in_header = false;
        }
        if in_header {
            let lower = line.to_ascii_lowercase();
            let continued = line.starts_with(b" ") || line.starts_with(b"\t");
            dropping =
                if continued { dropping } else { lower.starts_with(b"from") || lower.starts_with(b"sender") };
            if dropping {
                continue;
            }
        }
        out.extend_from_slice(line);
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// Sends all of them; answers those that were deposited, by id. What no server may take is refused (5xx).
fn send(demo: &Demo, all: &[(String, Vec<u8>)]) -> Result<BTreeMap<String, usize>> {
    let (place, next) = (Place::new(demo, "alice")?, AtomicUsize::new(0));
    let sender = || -> Result<Vec<(String, usize)>> {
        let mut taken = Vec::new();
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let Some((name, message)) = all.get(n) else { return Ok(taken) };
            match place.send(&[TRACE, SEAL], &dotted(message)) {
                Ok(id) => taken.push((id, n)),
                Err(error) if format!("{error:#}").contains("not deposited: 5") => {}
                Err(error) => return Err(error).context(name.clone()),
            }
        }
    };
    let mut taken = BTreeMap::new();
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..TOGETHER).map(|_| scope.spawn(sender)).collect();
        senders.into_iter().try_for_each(|s| {
            taken.extend(s.join().expect("a sender does not panic")?);
            anyhow::Ok(())
        })
    })?;
    Ok(taken)
}

/// With transparency dots.
fn dotted(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 16);
    for line in message.split_inclusive(|b| *b == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    out
}

fn body(message: &[u8]) -> &[u8] {
    let end = message.windows(4).position(|w| w == b"\r\n\r\n");
    end.map_or(&[], |at| &message[at + 4..])
}

/// The messages whose seal `openssl cms` does not accept.
fn unsealed(demo: &Demo, dir: &Path, names: &[String]) -> Vec<String> {
    let ca = demo.about.ca.to_string_lossy().into_owned();
    let next = AtomicUsize::new(0);
    let judge = || {
        let mut wrong = Vec::new();
        loop {
            let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) else { return wrong };
            let file = dir.join(name).to_string_lossy().into_owned();
            let args = [
                "cms",
                "-verify",
                "-in",
                &file,
                "-CAfile",
                &ca,
                "-out",
                "/dev/null",
                "-purpose",
                "smimesign",
            ];
            match run("openssl", &args) {
                Ok(output) if output.status.success() => {}
                Ok(output) => wrong.push(format!("{name}: {}", String::from_utf8_lossy(&output.stderr))),
                Err(error) => wrong.push(format!("{name}: {error:#}")),
            }
        }
    };
    std::thread::scope(|scope| {
        let judges: Vec<_> = (0..TOGETHER).map(|_| scope.spawn(judge)).collect();
        judges.into_iter().flat_map(|j| j.join().expect("a judge does not panic")).collect()
    })
}

#[test]
fn difficult_messages_stay_what_they_are() -> Result<()> {
    let sink = Sink::start(None)?;
    let options = DemoOptions { smarthost: Some(sink.address.clone()), ..DemoOptions::default() };
    let demo = Demo::start_edited(options, |config| {
        ["trace", "seal"].iter().fold(config, |config, t| {
            format!("{config}\n[[rule]]\nname = \"{t}\"\nwhen = 'recipient.address == \"{t}@example.test\"'\ntreatment = \"{t}\"\n")
        })
    })?;
    let one_in = number("SEALPOST_TEST_CORPUS", 8)?.max(1);
    let all: Vec<_> = corpus()?.into_iter().step_by(one_in).collect();
    let taken = send(&demo, &all)?;
    let refused = all.len() - taken.len();
    let mut accepted: Vec<Attempt> = Vec::new();
    wait_for("all of it at the next hop", Duration::from_secs(120), || {
        accepted = sink.accepted();
        // A hint that its sender has to be asked about keeps a message back.
        let held = demo.sealpost(&["--json", "queue", "list", "--state", "held"])?.lines().count();
        Ok(accepted.len() + held >= 2 * taken.len())
    })?;

    let dir = tempfile::tempdir()?;
    let (signed, sealed) = (dir.path().join("signed"), dir.path().join("sealed"));
    std::fs::create_dir(&signed)?;
    std::fs::create_dir(&sealed)?;
    let (mut passed, mut traced, mut seals) = (0, 0, Vec::new());
    for attempt in &accepted {
        let head = String::from_utf8_lossy(&attempt.message[..attempt.message.len().min(16384)]).into_owned();
        let Some(id) = head.lines().find_map(|l| l.strip_prefix("X-Sealpost-Deposit: ")) else {
            // Reports and invitations pass as they came.
            ensure!(all.iter().any(|(_, m)| *m == attempt.message), "something else was sent:\n{head}");
            passed += 1;
            continue;
        };
        let n = *taken.get(id.trim()).context("a deposit that nobody sent")?;
        let (name, original) = &all[n];
        let name = format!("{name}.{}", attempt.to[0].split('@').next().unwrap_or_default());
        std::fs::write(signed.join(&name), &attempt.message)?;
        if attempt.to == [TRACE] {
            ensure!(body(&attempt.message) == body(original), "{name}: another body");
            traced += 1;
        } else if head.contains("protocol=\"application/pkcs7-signature\"") && head.contains("=_seal_") {
            std::fs::write(sealed.join(&name), &attempt.message)?;
            seals.push(name);
        }
    }
    // Receivers of DKIM: two valid signatures on each.
    let records = dir.path().join("records.json");
    std::fs::write(&records, demo.sealpost_raw(&["--json", "check"])?.stdout)?;
    let judged = must(
        "/usr/bin/python3",
        &[&script("dkim_bulk.py"), &records.to_string_lossy(), &signed.to_string_lossy()],
    )?;
    let judged: BTreeMap<String, serde_json::Value> = serde_json::from_str(&judged)?;
    let wrong: Vec<_> =
        judged.iter().filter(|(_, v)| **v != serde_json::json!(["rsa-sha256", "ed25519-sha256"])).collect();
    ensure!(wrong.is_empty(), "{} of {} DKIM: {wrong:#?}", wrong.len(), judged.len());
    let wrong = unsealed(&demo, &sealed, &seals);
    ensure!(wrong.is_empty(), "{} of {} seals:\n{}", wrong.len(), seals.len(), wrong.join("\n"));
    ensure!(traced > all.len() / 2 && seals.len() > all.len() / 2, "{traced} traced, {} sealed", seals.len());
    eprintln!(
        "{} messages: {refused} refused, {} relayed; {passed} as they came, {traced} with their body unchanged, {} sealed; \
         {} judged by dkimpy",
        all.len(),
        taken.len(),
        seals.len(),
        judged.len()
    );
    Ok(())
}
