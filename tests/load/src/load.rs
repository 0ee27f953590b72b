//! A number of sessions that submit small messages, one after the other, for a time.

use crate::message;
use crate::sink::Sink;
use crate::smtp::{Client, Target};
use anyhow::{Context, Result, ensure};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Size of a small message.
pub const SMALL: usize = 4096;
/// Without a message for this long, what is missing at the sink is lost.
const PATIENCE: Duration = Duration::from_secs(30);
/// Recipient of the load; policy seals for it and relays.
pub const RECIPIENT: &str = "bob@load.test";

/// What one run of load came to.
#[derive(Debug, Clone, Copy)]
pub struct Loaded {
    /// Messages acknowledged.
    pub accepted: u64,
    /// Acknowledged per second.
    pub accepted_rate: f64,
    /// Handed to the sink per second, from the first submission to the last arrival.
    pub relayed_rate: f64,
    /// Acknowledged and not yet at the sink when submission ended.
    pub backlog: u64,
    /// Median time from end of data to the acknowledgement's arrival, envelope included, in milliseconds.
    pub p50_ms: f64,
    /// Its 99th percentile.
    pub p99_ms: f64,
}

/// Submits over `sessions` connections for `time`, then waits until the sink has everything.
pub async fn run(target: &Target, sink: &Sink, sessions: usize, time: Duration) -> Result<Loaded> {
    let mut clients = Vec::new();
    for _ in 0..sessions {
        clients.push(Client::connect(target).await?);
    }
    // One each to warm caches and connections.
    for client in &mut clients {
        let message = message::small(&target.from, RECIPIENT, SMALL);
        client.send(&target.from, RECIPIENT, &message).await?;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = settled(sink).await;

    let stop = Arc::new(AtomicBool::new(false));
    let begun = Instant::now();
    let workers: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            let (from, stop) = (target.from.clone(), stop.clone());
            tokio::spawn(async move {
                let mut times = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let message = message::small(&from, RECIPIENT, SMALL);
                    let sent = Instant::now();
                    client.send(&from, RECIPIENT, &message).await?;
                    times.push(sent.elapsed());
                }
                anyhow::Ok((client, times))
            })
        })
        .collect();
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let mut times = Vec::new();
    let mut clients = Vec::new();
    for worker in workers {
        let (client, mut taken) = worker.await??;
        times.append(&mut taken);
        clients.push(client);
    }
    let elapsed = begun.elapsed().as_secs_f64();
    let accepted = times.len() as u64;
    let backlog = (before + accepted).saturating_sub(sink.count());
    let complete = sink.wait_for(before + accepted, PATIENCE).await;
    ensure!(complete, "{} of {accepted} messages never reached the sink", before + accepted - sink.count());
    let last = sink.last().0.context("the sink saw nothing")?;
    for client in clients {
        client.quit().await?;
    }
    times.sort_unstable();
    let at = |part: usize| times.get(times.len() * part / 100).map_or(0.0, |t| t.as_secs_f64() * 1e3);
    Ok(Loaded {
        accepted,
        accepted_rate: accepted as f64 / elapsed,
        relayed_rate: accepted as f64 / (last - begun).as_secs_f64(),
        backlog,
        p50_ms: at(50),
        p99_ms: at(99),
    })
}

/// Waits until nothing more arrives, and counts.
pub async fn settled(sink: &Sink) -> u64 {
    let mut count = sink.count();
    loop {
        tokio::time::sleep(Duration::from_millis(700)).await;
        if sink.count() == count {
            return count;
        }
        count = sink.count();
    }
}

/// Submits `count` messages over ten sessions, to fill a store.
pub async fn fill(target: &Target, sink: &Sink, count: u64) -> Result<()> {
    let (left, before) = (Arc::new(std::sync::atomic::AtomicU64::new(count)), sink.count());
    let mut workers = Vec::new();
    for _ in 0..10 {
        let (target, left) = (target.clone(), left.clone());
        workers.push(tokio::spawn(async move {
            let mut client = Client::connect(&target).await?;
            while left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| n.checked_sub(1)).is_ok() {
                let message = message::small(&target.from, RECIPIENT, SMALL);
                client.send(&target.from, RECIPIENT, &message).await?;
            }
            client.quit().await
        }));
    }
    for worker in workers {
        worker.await??;
    }
    ensure!(sink.wait_for(before + count, PATIENCE).await, "not all messages reached the sink");
    Ok(())
}
