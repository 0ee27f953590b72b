//! Content in an S3 bucket whose server fails half way: errors, cut connections, no room, no answer, a crawl. What
//! was acknowledged opens bit for bit; what was not leaves no half; work goes on as soon as the server does.

use anyhow::{Context, Result, ensure};
use sealpost_tests::DemoOptions;
use sealpost_tests::faults::Fault;
use sealpost_tests::mail::{File, Mail, sha256};
use sealpost_tests::s3::S3;
use sealpost_tests::sending::Place;
use sealpost_tests::sink::Sink;
use sealpost_tests::storm::{Storm, number};
use std::time::Duration;

fn error(status: &str, code: &str) -> Fault {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>no</Message></Error>");
    let length = body.len();
    Fault::Answer(format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    ))
}

/// What goes wrong, one after the other.
fn faults() -> [(&'static str, Fault); 5] {
    [
        ("cut connections", Fault::Cut(500)),
        ("errors", error("500 Internal Server Error", "InternalError")),
        ("a crawl", Fault::Slow(Duration::from_millis(60))),
        ("no room", error("507 Insufficient Storage", "XMinioStorageFull")),
        ("no server", Fault::Refuse),
    ]
}

#[test]
fn a_bucket_that_fails_half_way_loses_nothing() -> Result<()> {
    let rounds = number("SEALPOST_TEST_S3_ROUNDS", 1)?;
    let s3 = S3::start()?;
    let dir = tempfile::tempdir()?;
    let sink = Sink::forgetful()?;
    let options = DemoOptions { smarthost: Some(sink.address.clone()), ..DemoOptions::default() };
    let demo = s3.demo(dir.path(), options)?;
    let place = Place::new(&demo, "alice")?;
    // More than two parts of an upload, of which a fault takes one.
    let large = Mail::new(&["bob@example.test"], "Grand").file(File::noise("grand.bin", 12_000_000)).bytes();
    let storm = Storm::default();
    storm.rage(&place, || {
        for _ in 0..rounds {
            for (name, fault) in faults() {
                storm.wait_for_more(4, Duration::from_secs(60)).with_context(|| format!("before {name}"))?;
                s3.way.set(fault);
                // Refused or not: only what is acknowledged counts.
                let sent = place.connect().and_then(|mut client| {
                    client.begin("alice@sealpost.test", &["bob@example.test"])?;
                    client.data(&large[..4_000_000])
                });
                eprintln!("{name}: {} connections hurt, half a large message {sent:?}", s3.way.hurt());
                std::thread::sleep(Duration::from_millis(1500));
                s3.way.set(Fault::None);
            }
        }
        storm.wait_for_more(4, Duration::from_secs(60))
    })?;
    ensure!(s3.way.hurt() > 0, "nothing was hurt");
    let refusals = storm.refusals();
    // Temporary: a client comes again.
    ensure!(refusals.keys().all(|c| c.starts_with('4')), "answers: {refusals:?}");
    let before = s3.stored()?;
    let id = place.send(&["bob@example.test"], &large)?;
    ensure!(s3.stored()? > before + 10_000_000, "the content is not in the bucket");
    let settled = storm.settle_besides(&demo, &sink, &[(id, sha256(&large))])?;
    eprintln!("{settled:?}; answers meanwhile: {refusals:?}");
    Ok(())
}
