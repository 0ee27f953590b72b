//! Peak memory of the whole process while a large attachment goes in, and while many clients take it out.

use super::Bench;
use super::download::{Opened, deposit};
use crate::process::{forget_peak, peak_mib};
use crate::report::{Budget, Row};
use anyhow::Result;
use std::time::{Duration, Instant};

/// How long the clients read: memory is the same from the first second on.
const READING: Duration = Duration::from_secs(10);

/// In, then out.
pub async fn peaks(bench: &mut Bench<'_>) -> Result<()> {
    bench.fresh().await?;
    let pid = bench.sealpost.pid()?;
    deposit(bench, 10 << 20).await?;
    let small = peak_mib(pid)?;
    forget_peak(pid)?;
    let file = bench.settings.file_mib << 20;
    let opened = deposit(bench, file).await?;
    let large = peak_mib(pid)?;
    let mib = bench.settings.file_mib;
    let what = format!("peak memory, {mib} MiB attachment deposited");
    bench.report.add(Row::new(what, "MiB", Budget::AtMost(64.0), large));
    let what = format!("the same, above that of a 10 MiB one ({small:.1} MiB)");
    bench.report.add(Row::new(what, "MiB", Budget::AtMost(8.0), large - small));

    forget_peak(pid)?;
    let clients = bench.settings.clients;
    let bytes = many(&opened, clients).await?;
    let what = format!("peak memory, {clients} clients download {mib} MiB");
    let note = format!(
        "{:.0} MB/s in all, each client read for {} s",
        bytes as f64 / 1e6 / READING.as_secs_f64(),
        READING.as_secs()
    );
    bench.report.add(Row::new(what, "MiB", Budget::AtMost(64.0), peak_mib(pid)?).note(note));
    bench.sealpost.stop()
}

async fn many(opened: &Opened, clients: usize) -> Result<u64> {
    let until = Instant::now() + READING;
    let mut readers = Vec::new();
    for _ in 0..clients {
        let (browser, path) = (opened.browser.clone(), opened.file.clone());
        readers.push(tokio::spawn(async move {
            let mut bytes = 0;
            while Instant::now() < until {
                bytes += browser.download(&path, None, Some(until)).await?;
            }
            anyhow::Ok(bytes)
        }));
    }
    let mut bytes = 0;
    for reader in readers {
        bytes += reader.await??;
    }
    Ok(bytes)
}
