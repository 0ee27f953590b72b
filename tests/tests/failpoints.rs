//! A crash, and an error, at every named step of a message's life: docs/durability.md names them all.

use anyhow::{Context, Result, bail, ensure};
use sealpost_envelope::failpoint::Point;
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::{File, Mail};
use sealpost_tests::sending::Place;
use sealpost_tests::sink::Sink;
use sealpost_tests::storm::Storm;
use sealpost_tests::tools::{link_in, must, wait_for, wait_for_deposit, wait_for_mail, wait_until};
use sealpost_tests::{Demo, Door};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Steps that a submitted message passes, and how often each is let pass before the process ends there.
const LOAD: &[(Point, u32)] = &[
    (Point::BlobCreate, 3),
    (Point::BlobWrite, 7),
    (Point::BlobWritten, 2),
    (Point::BlobRenamed, 3),
    (Point::BlobFlushed, 1),
    (Point::BlobDurable, 2),
    (Point::DepositPlanned, 3),
    (Point::StoreBegin, 40),
    (Point::StoreCommit, 45),
    (Point::StoreCommitted, 50),
    (Point::DepositCommitted, 3),
    (Point::CompositionClaimed, 4),
    (Point::CompositionComposed, 3),
    (Point::CompositionStored, 2),
    (Point::RelayClaimed, 3),
    (Point::RelayHanded, 4),
    (Point::RelaySettled, 2),
    (Point::MailboxWritten, 1),
    (Point::MailboxDelivered, 1),
    (Point::SealSigned, 2),
    (Point::SealStored, 3),
    (Point::LogSequenced, 3),
    (Point::CheckpointSigned, 2),
    (Point::CheckpointStored, 2),
    (Point::CheckpointStamped, 3),
];

/// Steps of a first start.
const START: &[Point] = &[
    Point::MigrationStep,
    Point::MigrationCommit,
    Point::MigrationDone,
    Point::KeyWritten,
    Point::KeyLinked,
];

/// Steps of the end of content, in the order in which restarts come to them.
const END: &[Point] = &[
    Point::DestructionDue,
    Point::DestructionCleared,
    Point::DestructionForget,
    Point::KeyBuried,
    Point::KeyWiped,
    Point::KeyRemoved,
];

const VARIABLE: &str = "SEALPOST_FAILPOINTS";
const BOB: &str = "bob@example.test";

/// Whether the process told that it ended at `point`.
fn ended_at(demo: &Demo, point: Point) -> bool {
    demo.log().contains(&format!("fail point {}: the process ends here", point.name()))
}

/// Starts again so that the process ends at a step, and waits until it has.
fn end_at(demo: &mut Demo, point: Point, nth: u32) -> Result<()> {
    let _ = std::fs::remove_file(demo.dir.join("demo.log"));
    demo.set_env(VARIABLE, Some(&format!("{}:{nth}=abort", point.name())));
    // It may come there before it is ready.
    if demo.restart().is_ok() {
        wait_for(point.name(), Duration::from_secs(60), || demo.has_ended())?;
    }
    ensure!(ended_at(demo, point), "ended elsewhere than at {}:\n{}", point.name(), demo.log());
    demo.set_env(VARIABLE, None);
    Ok(())
}

#[test]
fn a_crash_at_every_step_under_load() -> Result<()> {
    let sink = Sink::forgetful()?;
    let options = DemoOptions { smarthost: Some(sink.address.clone()), ..DemoOptions::default() };
    let mut demo = Demo::start(options)?;
    let place = Place::new(&demo, "alice")?;
    let storm = Storm::default();
    storm.rage(&place, || {
        for (point, nth) in LOAD {
            storm.wait_for_more(2, Duration::from_secs(60)).with_context(|| point.name())?;
            demo.kill()?;
            end_at(&mut demo, *point, *nth)?;
            demo.restart()?;
        }
        storm.wait_for_more(2, Duration::from_secs(60))
    })?;
    let settled = storm.settle(&demo, &sink)?;
    eprintln!("crashes at {} steps under load: {settled:?}", LOAD.len());
    Ok(())
}

/// The step fails once, with an error of the disk; nothing is started again.
#[test]
fn an_error_at_every_step_heals_by_itself() -> Result<()> {
    let sink = Sink::forgetful()?;
    let options = DemoOptions { smarthost: Some(sink.address.clone()), ..DemoOptions::default() };
    let mut demo =
        Demo::start_edited(options, |c| c.replace("\n[relay]\n", "\n[relay]\nretry = [\"1 second\"]\n"))?;
    demo.terminate()?;
    let acts = ["error", "error(full)", "error(read-only)"].iter().cycle();
    let switches = LOAD.iter().zip(acts).map(|((p, nth), act)| format!("{}:{}={act}", p.name(), nth + 3));
    demo.set_env(VARIABLE, Some(&switches.collect::<Vec<_>>().join(",")));
    demo.restart()?;
    let place = Place::new(&demo, "alice")?;
    let storm = Storm::default();
    storm.rage(&place, || storm.wait_for_more(60, Duration::from_secs(120)))?;
    // The commands that look at the result are to fail nowhere.
    demo.set_env(VARIABLE, None);
    let refusals = storm.refusals();
    ensure!(!refusals.is_empty(), "no error was noticed");
    ensure!(
        refusals.keys().all(|code| code == "451 4.3.0" || code == "452 4.3.1"),
        "a fault of ours was answered otherwise: {refusals:?}"
    );
    let settled = storm.settle(&demo, &sink)?;
    ensure!(!demo.has_ended()?, "it ended");
    eprintln!("an error at {} steps, refusals {refusals:?}: {settled:?}", LOAD.len());
    Ok(())
}

#[test]
fn a_crash_at_every_step_of_the_first_start() -> Result<()> {
    for point in START {
        let dir = tempfile::tempdir()?;
        let text = format!("{}=abort", point.name());
        let options = DemoOptions { env: vec![(VARIABLE.to_owned(), text)], ..DemoOptions::default() };
        match Demo::start_in(dir.path(), options) {
            Ok(_) => bail!("{} was not reached", point.name()),
            Err(error) => ensure!(format!("{error:#}").contains(point.name()), "{}: {error:#}", point.name()),
        }
        let demo = Demo::start_in(dir.path(), DemoOptions::default())?;
        let mail = Mail::new(&[BOB], "[secure] Premier").file(File::noise("a.bin", 40_000));
        let id = Place::new(&demo, "alice")?.send(&[BOB], &mail.bytes())?;
        wait_for_deposit(&demo, BOB, &id).with_context(|| point.name())?;
        let proof = dir.path().join("proof.asice").to_string_lossy().into_owned();
        demo.sealpost(&["proof", "export", &id, "-o", &proof, "--wait"])?;
    }
    Ok(())
}

/// Every file below a directory.
fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    Ok(found)
}

/// The clock runs ahead of the machine's by so many days.
fn days_ahead(demo: &Demo, days: i64) -> Result<()> {
    let file = demo.dir.join("clock");
    std::fs::write(file.with_extension("new"), (days * 86_400).to_string())?;
    Ok(std::fs::rename(file.with_extension("new"), file)?)
}

#[test]
fn a_crash_at_every_step_of_the_end_and_a_clock_that_jumps() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let clock = dir.path().join("clock");
    std::fs::write(&clock, "0")?;
    let env = vec![("SEALPOST_CLOCK".to_owned(), clock.to_string_lossy().into_owned())];
    let mut demo = Demo::start_in(dir.path(), DemoOptions { env, ..DemoOptions::default() })?;
    let blobs = demo.dir.join("data/blobs");
    let place = Place::new(&demo, "alice")?;
    let mut ids = Vec::new();
    for n in 0..3 {
        let mail = Mail::new(&[BOB], &format!("[secure] Fin {n}")).file(File::noise("a.bin", 200_000 + n));
        ids.push(place.send(&[BOB], &mail.bytes())?);
        wait_for_deposit(&demo, BOB, &ids[n])?;
    }
    ensure!(!files(&blobs)?.is_empty(), "no blob in {}", blobs.display());
    demo.kill()?;
    // Nothing ends by a clock that has jumped so far, unless a person says that it is right.
    days_ahead(&demo, 110)?;
    let today = must("date", &["-u", "-d", "110 days", "+%F"])?;
    demo.sealpost(&["clock", "--confirm", today.trim()])?;
    for (turn, point) in (0..).zip(END) {
        days_ahead(&demo, 110 + turn)?;
        end_at(&mut demo, *point, 1)?;
    }
    days_ahead(&demo, 117)?;
    demo.restart()?;
    for id in &ids {
        wait_until("the content is destroyed", || {
            Ok(demo.sealpost(&["--json", "deposit", "show", id])?.contains("ContentDestroyed"))
        })?;
        let shown = demo.sealpost(&["--json", "deposit", "show", id])?;
        ensure!(shown.matches("ContentDestroyed").count() == 1, "destroyed more than once: {shown}");
    }
    // What a crash left of the blobs is collected, not before a day has passed.
    demo.kill()?;
    days_ahead(&demo, 119)?;
    demo.restart()?;
    wait_until("orphans are collected", || Ok(files(&blobs)?.is_empty()))?;

    // The clock jumps back while it runs: work goes on, and the log stays whole. (Not to before the weeks that
    // were destroyed: nothing is deposited under a key that is gone.)
    days_ahead(&demo, 116)?;
    let mail = Mail::new(&[BOB], "[secure] Retour").file(File::noise("a.bin", 1000));
    let id = Place::new(&demo, "alice")?.send(&[BOB], &mail.bytes())?;
    wait_for_deposit(&demo, BOB, &id)?;
    let proof = demo.dir.join("proof.asice").to_string_lossy().into_owned();
    demo.sealpost(&["proof", "export", &id, "-o", &proof, "--wait"])?;
    let verdict = demo.sealpost(&["journal", "verify"])?;
    ensure!(verdict.trim_end().ends_with("VALID") && !verdict.contains("INVALID"), "{verdict}");
    Ok(())
}

#[test]
fn a_crash_after_the_opening_repeats_nothing() -> Result<()> {
    let mut demo = Demo::start(DemoOptions::default())?;
    let mail = Mail::new(&[BOB], "[secure] Ouvert").file(File::noise("a.bin", 1000));
    let id = Place::new(&demo, "alice")?.send(&[BOB], &mail.bytes())?;
    let link = link_in(&wait_for_deposit(&demo, BOB, &id)?)?;
    demo.kill()?;
    demo.set_env(VARIABLE, Some("access.opened:1=abort"));
    demo.restart()?;
    let door = Door::new(&demo, &link)?;
    ensure!(door.open(&demo, BOB).is_err(), "the opening was answered");
    wait_until("the end", || demo.has_ended())?;
    demo.set_env(VARIABLE, None);
    demo.restart()?;
    // The session is open; asking for the page again opens nothing a second time.
    let page = door.get("")?;
    ensure!(page.files().len() == 1, "{}", page.text());
    wait_for_mail(&demo, "alice", &|m| m.contains("Re") && m.contains(&id))?;
    let shown = demo.sealpost(&["--json", "deposit", "show", &id])?;
    for event in ["\"ConsignmentAcceptance\"", "\"ContentConsignment\""] {
        ensure!(shown.matches(event).count() <= 1, "{event} more than once: {shown}");
    }
    ensure!(shown.contains("\"ConsignmentAcceptance\""), "{shown}");
    Ok(())
}

fn sources(dir: &Path, text: &mut String) -> Result<()> {
    for path in files(dir)? {
        let own = path.ends_with("failpoint.rs");
        if !own && path.extension().is_some_and(|e| e == "rs") {
            text.push_str(&std::fs::read_to_string(path)?);
        }
    }
    Ok(())
}

#[test]
fn every_point_is_placed_told_and_tried() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut code = String::new();
    sources(&root.join("gateway"), &mut code)?;
    let told = std::fs::read_to_string(root.join("docs/durability.md"))?;
    for point in Point::ALL {
        ensure!(code.contains(&format!("failpoint!({point:?})")), "{point:?} stands nowhere");
        let line = format!("| `{}` | {} |", point.name(), point.text());
        ensure!(told.contains(&line), "docs/durability.md lacks the line\n{line}");
        let tried = LOAD.iter().any(|(p, _)| p == point)
            || START.contains(point)
            || END.contains(point)
            || *point == Point::AccessOpened;
        ensure!(tried, "no scenario ends at {point:?}");
    }
    Ok(())
}
