//! Starts: with an empty store, after `kill -9` with a full one; and memory at rest.

use super::Bench;
use crate::load;
use crate::peer::sealpost::Sealpost;
use crate::process::resident_mib;
use crate::report::{Budget, Row, Samples};
use anyhow::Result;
use serde_json::Value;
use std::time::Duration;

/// Rest before memory at rest is read.
const REST: Duration = Duration::from_secs(3);

/// All of it.
pub async fn starts(bench: &mut Bench<'_>) -> Result<()> {
    let offset = bench.port(40) - 2143 + 10;
    let mut empty = Sealpost::prepare(bench.settings, "empty", offset, &bench.sink).await?;
    let (mut cold, mut idle) = (Samples::default(), Samples::default());
    for _ in 0..bench.settings.rounds {
        cold.0.push(empty.serve().await?.as_secs_f64() * 1e3);
        tokio::time::sleep(REST).await;
        idle.0.push(resident_mib(empty.pid()?)?);
        empty.stop()?;
    }
    bench.report.add(Row::new("cold start to ready", "ms", Budget::AtMost(300.0), cold));
    bench.report.add(Row::new("idle memory", "MiB", Budget::AtMost(40.0), idle));

    let deposits = fill(bench).await?;
    let mut again = Samples::default();
    for _ in 0..bench.settings.rounds {
        bench.sealpost.kill()?;
        again.0.push(bench.sealpost.serve().await?.as_secs_f64() * 1e3);
    }
    let what = format!("ready again after kill -9, {deposits} deposits");
    let row = Row::new(what, "ms", Budget::AtMost(300.0), again);
    bench.report.add(row.note("the budget is set for 200,000 deposits: BENCH_DEPOSITS=200000"));
    bench.sealpost.stop()
}

/// Brings the store to the number of deposits asked for, leaves the gateway under load, and counts.
async fn fill(bench: &mut Bench<'_>) -> Result<u64> {
    bench.fresh().await?;
    let target = bench.sealpost.target()?;
    let present = entries(bench)? / 2;
    let missing = bench.settings.deposits.saturating_sub(present);
    load::fill(&target, &bench.sink, missing).await?;
    Ok(present + missing)
}

/// Entries of the journal: two for each deposit, its acceptance and its relay.
pub fn entries(bench: &Bench<'_>) -> Result<u64> {
    let (text, _) = bench.sealpost.command(&["journal", "verify", "--json"])?;
    let answer: Value = serde_json::from_str(&text)?;
    Ok(answer["entries"].as_u64().unwrap_or(0))
}
