//! `kill -9` under load, twenty times or as often as `SEALPOST_TEST_KILLS` says: what was acknowledged is
//! there, whole, all of it; what was not left no half.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::{File, Mail, Noise, sha256};
use sealpost_tests::sending::Place;
use sealpost_tests::sink::Sink;
use sealpost_tests::storm::{RECIPIENT, Storm, number};
use sealpost_tests::tools::link_in;
use sealpost_tests::{Demo, Door};
use std::time::Duration;

/// Kills at moments that have nothing to do with what happens inside.
fn kill_under_load(demo: &mut Demo, storm: &Storm, kills: usize) -> Result<()> {
    let mut noise = Noise::new(20);
    for kill in 0..kills {
        // At least one deposit between two kills, else the load would prove nothing.
        storm.wait_for_more(1, Duration::from_secs(60)).with_context(|| format!("kill {kill}"))?;
        std::thread::sleep(Duration::from_millis(noise.number() % 300));
        demo.kill()?;
        demo.restart()?;
    }
    Ok(())
}

#[test]
fn what_was_acknowledged_survives_kills() -> Result<()> {
    let kills = number("SEALPOST_TEST_KILLS", 20)?;
    let sink = Sink::forgetful()?;
    let options = DemoOptions { smarthost: Some(sink.address.clone()), ..DemoOptions::default() };
    let mut demo = Demo::start(options)?;
    let place = Place::new(&demo, "alice")?;
    let storm = Storm::default();
    storm.rage(&place, || kill_under_load(&mut demo, &storm, kills))?;
    ensure!(storm.count() >= kills, "only {} deposits under load", storm.count());
    let settled = storm.settle(&demo, &sink)?;
    eprintln!("{kills} kills: {settled:?}");
    works_on(&demo, &place, &sink)
}

/// And through the door, as a recipient sees it.
fn works_on(demo: &Demo, place: &Place, sink: &Sink) -> Result<()> {
    let mail = Mail::new(&[RECIPIENT], "[secure] apres la tempete").file(File::noise("a.bin", 100));
    let id = place.send(&[RECIPIENT], &mail.bytes())?;
    let notification = sink.wait_for(&|text| text.contains(&id))?;
    let door = Door::new(demo, &link_in(&notification)?)?;
    let files = door.open_by(|fits| sink.wait_for(fits))?.files();
    let (href, digest) = files.first().context("no file")?;
    assert_eq!(sha256(&door.request(href, &[])?.body), *digest);
    Ok(())
}
