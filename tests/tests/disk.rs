//! A disk that is full, breaks, or is slow: senders are told to come back, nothing acknowledged is lost, and
//! work goes on by itself as soon as the disk does.

use anyhow::{Context, Result, ensure};
use sealpost_tests::Demo;
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::image::Image;
use sealpost_tests::mail::{File, Mail};
use sealpost_tests::sending::Place;
use sealpost_tests::sink::Sink;
use sealpost_tests::storm::Storm;
use sealpost_tests::tools::{must, wait_for, wait_until};
use std::time::Duration;

const FULL: &str = "452 4.3.1";
const FAULT: &str = "451 4.3.0";

/// A demonstration on a small disk, with so many MiB kept free.
fn start(disk: &Image, sink: &Sink, reserve_mib: u64) -> Result<Demo> {
    let options = DemoOptions {
        smarthost: Some(sink.address.clone()),
        log: Some(disk.log()),
        ..DemoOptions::default()
    };
    let mut demo = Demo::start_in(&disk.root.join("demo"), options)?;
    demo.terminate()?;
    let limits = format!("\n[limits]\ndisk_reserve = {}\n", reserve_mib << 20);
    demo.edit(|config| config.replace("\n[limits]\n", &limits))?;
    ensure!(std::fs::read_to_string(demo.dir.join("sealpost.toml"))?.contains("disk_reserve = "), "limits");
    demo.restart()?;
    Ok(demo)
}

/// Refusals of `code` so far.
fn refused(storm: &Storm, code: &str) -> usize {
    storm.refusals().get(code).copied().unwrap_or(0)
}

fn only(storm: &Storm, allowed: &[&str]) -> Result<()> {
    let refusals = storm.refusals();
    ensure!(refusals.keys().all(|c| allowed.contains(&c.as_str())), "answers: {refusals:?}");
    Ok(())
}

#[test]
fn a_full_disk_five_times() -> Result<()> {
    let Some(disk) = Image::new(500)? else { return Ok(()) };
    let sink = Sink::forgetful()?;
    let mut demo = start(&disk, &sink, 48)?;
    let place = Place::new(&demo, "alice")?;
    let storm = Storm::default();
    storm.rage(&place, || {
        for turn in 0..5 {
            storm.wait_for_more(4, Duration::from_secs(60)).with_context(|| format!("turn {turn}"))?;
            disk.fill()?;
            let before = refused(&storm, FULL);
            wait_for("452", Duration::from_secs(60), || Ok(refused(&storm, FULL) >= before + 8))
                .with_context(|| format!("{:?}", storm.refusals()))?;
            ensure!(!demo.has_ended()?, "it ended");
            disk.clear()?;
        }
        storm.wait_for_more(4, Duration::from_secs(60))
    })?;
    only(&storm, &[FULL, FAULT])?;
    let settled = storm.settle(&demo, &sink)?;
    eprintln!("a full disk five times, refusals {:?}: {settled:?}", storm.refusals());
    Ok(())
}

/// Without a reserve the database itself meets the end of the disk.
#[test]
fn a_disk_full_to_the_last_block() -> Result<()> {
    let Some(disk) = Image::new(500)? else { return Ok(()) };
    let sink = Sink::forgetful()?;
    let mut demo = start(&disk, &sink, 0)?;
    let place = Place::new(&demo, "alice")?;
    let storm = Storm::default();
    storm.rage(&place, || {
        for _ in 0..2 {
            storm.wait_for_more(4, Duration::from_secs(60))?;
            disk.fill()?;
            let before: usize = storm.refusals().values().sum();
            wait_for("refusals", Duration::from_secs(60), || {
                Ok(storm.refusals().values().sum::<usize>() >= before + 8)
            })?;
            ensure!(!demo.has_ended()?, "it ended");
            disk.clear()?;
        }
        storm.wait_for_more(4, Duration::from_secs(60))
    })?;
    only(&storm, &[FULL, FAULT])?;
    let settled = storm.settle(&demo, &sink)?;
    eprintln!("no block left twice, refusals {:?}: {settled:?}", storm.refusals());
    Ok(())
}

/// The kernel finds an error and makes the file system read-only under the running server. Nothing is
/// acknowledged any more; SQLite shares memory with the file system, so the process may also be ended by the
/// kernel (SIGBUS), which is as good as a kill.
#[test]
fn a_disk_that_breaks() -> Result<()> {
    let Some(mut disk) = Image::new(600)? else { return Ok(()) };
    let sink = Sink::forgetful()?;
    let options = DemoOptions {
        smarthost: Some(sink.address.clone()),
        log: Some(disk.log()),
        ..DemoOptions::default()
    };
    let mut demo = Demo::start_in(&disk.root.join("demo"), options)?;
    let place = Place::new(&demo, "alice")?;
    let storm = Storm::default();
    storm.rage(&place, || {
        storm.wait_for_more(8, Duration::from_secs(60))?;
        // Linux lets a flush that is under way in this very moment succeed for what is lost (seen with four
        // processes that only write and flush): stopped, the process has none under way.
        let pid = demo.pid().to_string();
        must("kill", &["-STOP", &pid])?;
        wait_until("it stands still", || {
            let stat = must("ps", &["-L", "-o", "stat=", "-p", &pid])?;
            Ok(stat.lines().all(|thread| thread.trim_start().starts_with('T')))
        })?;
        disk.find_error()?;
        must("kill", &["-CONT", &pid])?;
        // What was on its way is answered; from then on nothing is.
        std::thread::sleep(Duration::from_millis(500));
        let before = storm.count();
        let refusals = || storm.refusals().values().sum::<usize>();
        wait_for("refusals", Duration::from_secs(60), || Ok(refusals() >= 20))
            .with_context(|| format!("{:?}", storm.refusals()))?;
        ensure!(storm.count() == before, "acknowledged on a disk that takes nothing");
        Ok(())
    })?;
    only(&storm, &[FAULT, "broken"])?;
    eprintln!("it ended: {}, refusals {:?}", demo.has_ended()?, storm.refusals());
    // A person exchanges the disk.
    demo.kill()?;
    disk.back()?;
    demo.restart()?;
    storm.rage(&place, || storm.wait_for_more(4, Duration::from_secs(60)))?;
    let settled = storm.settle(&demo, &sink)?;
    eprintln!("a broken disk: {settled:?}");
    drop(demo);
    Ok(())
}

/// Every flush takes a third of a second: slow, and otherwise as ever.
#[test]
fn a_slow_disk() -> Result<()> {
    let sink = Sink::forgetful()?;
    let options = DemoOptions {
        smarthost: Some(sink.address.clone()),
        env: vec![(
            "SEALPOST_FAILPOINTS".to_owned(),
            "blob.flushed=sleep(300), store.commit=sleep(300)".to_owned(),
        )],
        ..DemoOptions::default()
    };
    let demo = Demo::start(options)?;
    let place = Place::new(&demo, "alice")?;
    let storm = Storm::default();
    storm.rage(&place, || storm.wait_for_more(8, Duration::from_secs(120)))?;
    ensure!(storm.refusals().is_empty(), "refused: {:?}", storm.refusals());
    let settled = storm.settle(&demo, &sink)?;
    eprintln!("a slow disk: {settled:?}");
    Ok(())
}

/// A store that breaks half way through a large blob leaves nothing behind, and the next message is fine.
#[test]
fn a_store_that_fails_half_way() -> Result<()> {
    let mut demo = Demo::start(DemoOptions::default())?;
    demo.terminate()?;
    demo.set_env("SEALPOST_FAILPOINTS", Some("blob.write:30=error, blob.write:60=error(full)"));
    demo.restart()?;
    let place = Place::new(&demo, "alice")?;
    let to = ["bob@example.test"];
    let mail = Mail::new(&to, "Grand").file(File::noise("grand.bin", 12_000_000)).bytes();
    let first = format!("{:#}", place.send(&to, &mail).err().context("accepted")?);
    ensure!(first.contains(FAULT), "{first}");
    let second = format!("{:#}", place.send(&to, &mail).err().context("accepted")?);
    ensure!(second.contains(FULL), "{second}");
    let blobs = demo.dir.join("data/blobs");
    let count = || -> Result<usize> {
        let found = must("find", &[&blobs.to_string_lossy(), "-type", "f"])?;
        Ok(found.lines().count())
    };
    wait_until("nothing is left behind", || Ok(count()? == 0))?;
    place.send(&to, &mail)?;
    Ok(())
}
