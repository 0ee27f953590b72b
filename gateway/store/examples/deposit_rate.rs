//! How many deposits a second this machine makes durable, and what one is made of.
//!
//! `deposit_rate [--database URL] [--producers N] [--seconds S] [--body BYTES] [--recipients N] [--acks FILE]`
//!
//! Each deposit has N recipients (3), an inline body (4 KiB), two events, one evidence, and one token and
//! one outbound row for each recipient. Without `--database`, an SQLite file in the working directory's
//! `target/deposit-rate` is used. `--acks` appends the id of each acknowledged deposit to a file.
#![allow(clippy::print_stdout, reason = "a command for people")]

#[path = "../tests/common/fixtures.rs"]
mod fixtures;

use sealpost_envelope::SystemClock;
use sealpost_store::{Deposited, Store, StoreConfig, StoredBody};
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Options {
    database: Option<String>,
    producers: usize,
    seconds: u64,
    body: usize,
    recipients: usize,
    acks: Option<PathBuf>,
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut o = Options { database: None, producers: 16, seconds: 5, body: 4096, recipients: 3, acks: None };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next().ok_or_else(|| format!("{name} wants a value"))?;
        match name.as_str() {
            "--database" => o.database = Some(value),
            "--producers" => o.producers = value.parse()?,
            "--seconds" => o.seconds = value.parse()?,
            "--body" => o.body = value.parse()?,
            "--recipients" => o.recipients = value.parse()?,
            "--acks" => o.acks = Some(value.into()),
            _ => return Err(format!("unknown option {name}").into()),
        }
    }
    Ok(o)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Arc::new(options()?);
    let dir = PathBuf::from("target/deposit-rate");
    let database = match &options.database {
        Some(url) => url.clone(),
        None => {
            std::fs::create_dir_all(&dir)?;
            for name in ["store.db", "store.db-wal", "store.db-shm"] {
                match std::fs::remove_file(dir.join(name)) {
                    Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e.into()),
                    _ => {}
                }
            }
            format!("sqlite:{}", dir.join("store.db").display())
        }
    };
    let place = tempfile::tempdir()?;
    let config = StoreConfig {
        database,
        blobs: format!("file:{}", place.path().join("blobs").display()),
        s3: None,
        keys: place.path().join("keys"),
    };
    let store = Store::open(&config, Arc::new(SystemClock)).await?;
    let entity = store.ensure_entity("Bench", None).await?;
    let acks = match &options.acks {
        Some(path) => Some(Arc::new(std::fs::File::options().create(true).append(true).open(path)?)),
        None => None,
    };
    let start = Instant::now();
    let end = start + Duration::from_secs(options.seconds);
    let mut producers = Vec::new();
    for _ in 0..options.producers {
        let (store, options, acks) = (store.clone(), options.clone(), acks.clone());
        producers.push(tokio::spawn(async move {
            let recipients: Vec<String> =
                (0..options.recipients).map(|n| format!("r{n}@dupont.example")).collect();
            let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
            let mut took = Vec::new();
            while Instant::now() < end {
                let mut new = fixtures::new_deposit(entity, store.clock().now(), &recipients);
                new.skeleton = StoredBody::Inline(vec![7; options.body]);
                new.parts.clear();
                let (id, before) = (new.id, Instant::now());
                match store.deposit(new).await {
                    Ok(Deposited::New) => {}
                    other => panic!("{other:?}"),
                }
                took.push(before.elapsed());
                if let Some(mut acks) = acks.as_deref() {
                    // One write of one line: whole or not there.
                    acks.write_all(format!("{id}\n").as_bytes()).expect("the file of acknowledgements");
                }
            }
            took
        }));
    }
    let mut took = Vec::new();
    for producer in producers {
        took.extend(producer.await?);
    }
    let seconds = start.elapsed().as_secs_f64();
    took.sort_unstable();
    let at = |share: f64| took.get((took.len() as f64 * share) as usize).copied().unwrap_or_default();
    println!(
        "{} producers: {:.0} deposits/s, p50 {:.1?}, p99 {:.1?}",
        options.producers,
        took.len() as f64 / seconds,
        at(0.5),
        at(0.99)
    );
    Ok(())
}
