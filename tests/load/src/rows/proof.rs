//! Proofs and the journal: CPU time of the commands, process start included.

use super::Bench;
use super::start::entries;
use crate::load::{RECIPIENT, SMALL};
use crate::message;
use crate::report::{Budget, Row, Samples};
use crate::smtp::Client;
use anyhow::{Context, Result};

/// Runs per figure: the kernel counts CPU in hundredths of a second.
const RUNS: usize = 20;

/// Export, verification, journal.
pub async fn proofs(bench: &mut Bench<'_>) -> Result<()> {
    bench.fresh().await?;
    let target = bench.sealpost.target()?;
    let mut client = Client::connect(&target).await?;
    let message = message::small(&target.from, RECIPIENT, SMALL);
    let reply = client.send(&target.from, RECIPIENT, &message).await?;
    client.quit().await?;
    let id = reply.rsplit(' ').next().context("no deposit in the answer")?.to_owned();
    crate::load::settled(&bench.sink).await;

    let file = bench.sealpost.path("proof.asice").to_string_lossy().into_owned();
    let ca = bench.sealpost.ca().to_string_lossy().into_owned();
    bench.sealpost.command(&["proof", "export", &id, "--wait", "-o", &file])?;
    let (mut export, mut verify) = (Samples::default(), Samples::default());
    for _ in 0..bench.settings.rounds {
        export.0.push(milliseconds(|| {
            let _ = std::fs::remove_file(&file);
            bench.sealpost.command(&["proof", "export", &id, "-o", &file])
        })?);
        verify.0.push(milliseconds(|| bench.sealpost.command(&["proof", "verify", &file, "--trust", &ca]))?);
    }
    bench.report.add(Row::new("proof export, CPU", "ms", Budget::AtMost(50.0), export));
    bench.report.add(Row::new("proof verification, CPU", "ms", Budget::AtMost(20.0), verify));
    bench.sealpost.stop()?;

    let (count, mut rate) = (entries(bench)?, Samples::default());
    for _ in 0..bench.settings.rounds {
        let (_, cpu) = bench.sealpost.command(&["journal", "verify"])?;
        rate.0.push(count as f64 / cpu.max(0.01));
    }
    let row = Row::new("journal verification, one core", "entries/s", Budget::AtLeast(500_000.0), rate);
    bench.report.add(row.note(format!("{count} entries, checkpoints with their stamps and seals included")));
    Ok(())
}

fn milliseconds(run: impl Fn() -> Result<(String, f64)>) -> Result<f64> {
    let mut cpu = 0.0;
    for _ in 0..RUNS {
        cpu += run()?.1;
    }
    Ok(cpu * 1e3 / RUNS as f64)
}
