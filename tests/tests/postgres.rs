//! The whole path over PostgreSQL: deposit, notification, restart of the database, proof, journal; and the database
//! crashing under load, twice or as often as `SEALPOST_TEST_CRASHES` says.

use anyhow::{Result, ensure};
use sealpost_tests::postgres::Postgres;
use sealpost_tests::sending::Place;
use sealpost_tests::sink::Sink;
use sealpost_tests::storm::{Storm, number};
use sealpost_tests::{DemoOptions, tools};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn message(dir: &Path, name: &str) -> Result<PathBuf> {
    let path = dir.join(format!("{name}.eml"));
    let text = format!(
        "From: alice@sealpost.test\r\nTo: bob@example.test\r\nSubject: [secure] {name}\r\n\
         Message-ID: <{name}@sealpost.test>\r\n\r\nBonjour.\r\n"
    );
    std::fs::write(&path, text)?;
    Ok(path)
}

#[test]
fn the_path_runs_over_postgresql() -> Result<()> {
    let mut postgres = Postgres::start()?;
    let dir = tempfile::tempdir()?;
    let demo = postgres.demo(dir.path(), DemoOptions::default())?;

    let first = tools::send_by_curl(&demo, &["bob@example.test"], &message(dir.path(), "avant")?)?;
    tools::link_in(&tools::wait_for_mail(&demo, "bob", &|m| m.contains(&first))?)?;

    // The database goes away and comes back; what was acknowledged is there, and work goes on.
    postgres.stop("fast");
    postgres.back()?;
    let again = message(dir.path(), "apres")?;
    let begun = Instant::now();
    let second = loop {
        match tools::send_by_curl(&demo, &["bob@example.test"], &again) {
            Ok(id) => break id,
            Err(error) => ensure!(begun.elapsed() < Duration::from_secs(30), "{error:#}"),
        }
    };
    tools::wait_for_mail(&demo, "bob", &|m| m.contains(&second))?;

    let trust = demo.about.ca.to_string_lossy().into_owned();
    for id in [&first, &second] {
        let proof = dir.path().join("proof.asice").to_string_lossy().into_owned();
        demo.sealpost(&["proof", "export", id, "--wait", "-o", &proof])?;
        let verdict = demo.sealpost(&["proof", "verify", &proof, "--trust", &trust])?;
        ensure!(verdict.trim_end().ends_with("VALID"), "{verdict}");
    }
    let journal = demo.sealpost(&["journal", "verify"])?;
    ensure!(journal.trim_end().ends_with("VALID"), "{journal}");
    Ok(())
}

#[test]
fn a_database_that_crashes_loses_nothing() -> Result<()> {
    let crashes = number("SEALPOST_TEST_CRASHES", 2)?;
    let mut postgres = Postgres::start()?;
    let dir = tempfile::tempdir()?;
    let sink = Sink::forgetful()?;
    let options = DemoOptions { smarthost: Some(sink.address.clone()), ..DemoOptions::default() };
    let demo = postgres.demo(dir.path(), options)?;
    let place = Place::new(&demo, "alice")?;
    let storm = Storm::default();
    storm.rage(&place, || {
        for _ in 0..crashes {
            storm.wait_for_more(4, Duration::from_secs(60))?;
            postgres.stop("immediate");
            // Long enough for senders to meet a gateway without its database.
            std::thread::sleep(Duration::from_millis(700));
            postgres.back()?;
        }
        storm.wait_for_more(4, Duration::from_secs(60))
    })?;
    let settled = storm.settle(&demo, &sink)?;
    eprintln!("{crashes} crashes of the database: {settled:?}; answers meanwhile: {:?}", storm.refusals());
    Ok(())
}
