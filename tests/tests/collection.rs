//! Proofs of a selection in one file, and an interruption in between.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::{DemoOptions, binary};
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{must, wait_for, wait_for_deposit};
use sealpost_tests::{Demo, Mail};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

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

/// An export under way.
fn exporting(demo: &Demo, more: &[&str]) -> Result<Child> {
    let mut command = Command::new(binary()?);
    command.arg("--config").arg(demo.dir.join("sealpost.toml")).args(["proof", "export"]).args(more);
    Ok(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
}

/// Follows a process until `enough` says so or it ends; its peak of resident memory in KiB.
fn peak(child: &mut Child, enough: impl Fn() -> bool) -> Result<u64> {
    let mut peak = 0;
    while !enough() && child.try_wait()?.is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        let now = line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(now.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(peak)
}

fn lines(file: &Path) -> usize {
    std::fs::read_to_string(file).unwrap_or_default().lines().count()
}

/// `SEALPOST_TEST_EXPORT` deposits (40 without) in one file, the export killed half-way.
#[test]
fn a_large_selection_needs_hardly_more_memory_and_survives_a_kill() -> Result<()> {
    const FEW: usize = 4;
    let many: usize = std::env::var("SEALPOST_TEST_EXPORT").map_or(Ok(40), |n| n.parse())?;
    let demo = Demo::start(DemoOptions::default())?;
    let place = Place::new(&demo, "alice")?;
    let fill = |to: &str, sender: usize, count: usize| -> Result<()> {
        let mut client = place.connect()?;
        for n in 0..count {
            client.begin(&place.login, &[to])?;
            client.data(
                &Mail::new(&[to], &format!("Lettre {sender}-{n}")).text(&"Bonjour. ".repeat(400)).bytes(),
            )?;
            client.finish()?;
        }
        Ok(())
    };
    fill("dora@example.test", 0, FEW)?;
    std::thread::scope(|scope| {
        let threads =
            [0, 1, 2, 3].map(|n| scope.spawn(move || fill(BOB, n, many / 4 + usize::from(n < many % 4))));
        threads.into_iter().try_for_each(|t| t.join().expect("no panic"))
    })?;
    let database = demo.dir.join("data/sealpost.db").display().to_string();
    let under_way = "SELECT COUNT(*) FROM outbound WHERE state IN ('compose', 'ready')";
    wait_for("all mail has left", Duration::from_secs(60 + many as u64 / 10), || {
        Ok(must("sqlite3", &["-readonly", "-cmd", ".timeout 20000", &database, under_way])?.trim() == "0")
    })?;

    let (few, all) = (demo.dir.join("few.zip"), demo.dir.join("all.zip"));
    let (few_path, path) = (few.to_string_lossy(), all.to_string_lossy());
    let mut child = exporting(&demo, &["--recipient", "dora@example.test", "-o", &few_path])?;
    let small = peak(&mut child, || false)?;
    ensure!(child.wait()?.success(), "the small export");

    let selection = ["--recipient", BOB, "-o", &path];
    let begun = Instant::now();
    let mut child = exporting(&demo, &selection)?;
    let index = demo.dir.join(".all.zip.index");
    let first = peak(&mut child, || lines(&index) >= many / 2)?;
    let ended = child.try_wait()?;
    ensure!(ended.is_none(), "it ended before it could be killed: {ended:?}, {} lines", lines(&index));
    child.kill()?;
    child.wait()?;
    let done = lines(&index);
    let mut child = exporting(&demo, &selection)?;
    let second = peak(&mut child, || false)?;
    ensure!(child.wait()?.success(), "the continued export");
    eprintln!(
        "{many} proofs, killed after {done}, in {:.1} s, {} MiB: peak {first} and {second} KiB, {FEW} proofs {small} KiB",
        begun.elapsed().as_secs_f64(),
        std::fs::metadata(&all)?.len() >> 20
    );
    ensure!(first.max(second) < small + (16 << 10), "{first} and {second} KiB instead of {small}");

    must("unzip", &["-tq", &path])?;
    let index = must("unzip", &["-p", &path, "index.jsonl"])?;
    let read = |line: &str| -> Result<(String, String)> {
        let entry: serde_json::Value = serde_json::from_str(line)?;
        let text =
            |key: &str| entry[key].as_str().map(str::to_owned).with_context(|| format!("{key} in {line}"));
        Ok((text("deposit")?, text("file")?))
    };
    let entries: Vec<(String, String)> = index.lines().map(read).collect::<Result<_>>()?;
    let deposits: BTreeSet<&String> = entries.iter().map(|(deposit, _)| deposit).collect();
    ensure!(
        (entries.len(), deposits.len()) == (many, many),
        "{} lines, {} deposits",
        entries.len(),
        deposits.len()
    );
    for (_, file) in entries.iter().step_by((many / 8).max(1)) {
        let proof = demo.dir.join("single.asice");
        std::fs::write(&proof, Command::new("unzip").args(["-p", &path, file]).output()?.stdout)?;
        let mut verify = Command::new(binary()?);
        verify.args(["proof", "verify"]).arg(&proof).arg("--trust").arg(&demo.about.ca);
        let judged = verify.stdout(Stdio::null()).status()?;
        ensure!(judged.success(), "{file}");
    }
    Ok(())
}
