//! Power cuts under load, three or as often as `SEALPOST_TEST_POWER_CUTS` says: the process stops, what is only
//! in memory is lost, the file system repairs itself, and everything acknowledged is there.

use anyhow::{Context, Result};
use sealpost_tests::Demo;
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::image::Image;
use sealpost_tests::mail::Noise;
use sealpost_tests::sending::Place;
use sealpost_tests::sink::Sink;
use sealpost_tests::storm::{Storm, number};
use sealpost_tests::tools::must;
use std::time::Duration;

fn cut(demo: &mut Demo, disk: &mut Image) -> Result<()> {
    // Stopped first, so that nothing is acknowledged that the disk has not heard of in the same moment.
    must("kill", &["-STOP", &demo.pid().to_string()])?;
    disk.cut_power()?;
    demo.kill()?;
    disk.back()?;
    demo.restart()
}

#[test]
fn what_was_acknowledged_survives_power_cuts() -> Result<()> {
    let cuts = number("SEALPOST_TEST_POWER_CUTS", 3)?;
    let size = 1024 + 32 * cuts as u64;
    let Some(mut disk) = Image::new(size)? else { return Ok(()) };
    let sink = Sink::forgetful()?;
    let options = DemoOptions {
        smarthost: Some(sink.address.clone()),
        log: Some(disk.log()),
        ..DemoOptions::default()
    };
    let mut demo = Demo::start_in(&disk.root.join("demo"), options)?;
    let place = Place::new(&demo, "alice")?;
    let (storm, mut noise) = (Storm::default(), Noise::new(3));
    storm.rage(&place, || {
        for turn in 0..cuts {
            storm.wait_for_more(4, Duration::from_secs(60)).with_context(|| format!("cut {turn}"))?;
            std::thread::sleep(Duration::from_millis(noise.number() % 1500));
            cut(&mut demo, &mut disk).with_context(|| format!("cut {turn}"))?;
        }
        storm.wait_for_more(4, Duration::from_secs(60))
    })?;
    let settled = storm.settle(&demo, &sink)?;
    eprintln!("{cuts} power cuts: {settled:?}");
    drop(demo);
    drop(disk);
    Ok(())
}
