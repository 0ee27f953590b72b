//! The rows, group by group, in the order of the budgets.

mod accepted;
mod download;
mod imap;
mod large;
mod memory;
mod proof;
mod start;

use crate::machine;
use crate::peer::sealpost::Sealpost;
use crate::report::{Report, Row};
use crate::settings::Settings;
use crate::sink::Sink;
use anyhow::{Context, Result};
use std::time::Duration;

/// What every group works with.
pub struct Bench<'a> {
    settings: &'a Settings,
    sink: Sink,
    sealpost: Sealpost,
    report: Report,
}

/// Measures what is wanted; answers whether something failed.
#[allow(clippy::print_stdout)] // the table is this program's result
pub async fn run(settings: &Settings) -> Result<bool> {
    if settings.dir.exists() {
        std::fs::remove_dir_all(&settings.dir)?;
    }
    std::fs::create_dir_all(&settings.dir).with_context(|| format!("make {}", settings.dir.display()))?;
    let facts = machine::facts(settings);
    let sink = Sink::start(settings.port).await?;
    let offset = settings.port - 2143 + 10;
    let sealpost = Sealpost::prepare(settings, "sealpost", offset, &sink).await?;
    let mut bench = Bench { settings, sink, sealpost, report: Report::default() };
    let mut failed = false;
    for group in ["accepted", "dkim", "large", "memory", "download", "imap", "start", "proof"] {
        if !settings.wants(group) {
            continue;
        }
        eprintln!("{group}");
        if let Err(error) = bench.group(group).await {
            failed = true;
            eprintln!("  failed: {error:#}");
            bench.report.add(Row::not_measured(group, format!("{error:#}")));
        }
        bench.sealpost.kill()?;
    }
    bench.not_measured();
    println!("{}", bench.report.text(&facts));
    bench.report.save(&settings.json, &facts)?;
    eprintln!("JSON: {}", settings.json.display());
    if !settings.keep {
        std::fs::remove_dir_all(&settings.dir)?;
    }
    Ok(failed)
}

impl Bench<'_> {
    async fn group(&mut self, group: &str) -> Result<()> {
        match group {
            "accepted" => accepted::beside_postfix(self).await,
            "dkim" => accepted::beside_dkim(self).await,
            "large" => large::one_message(self).await,
            "memory" => memory::peaks(self).await,
            "download" => download::beside_nginx(self).await,
            "imap" => imap::beside_dovecot(self).await,
            "start" => start::starts(self).await,
            _ => proof::proofs(self).await,
        }
    }

    fn not_measured(&mut self) {
        let rsa = "accepted, RSA-3072 S/MIME on each message";
        self.report
            .add(Row::not_measured(rsa, "the built-in authority issues P-256 certificates only so far"));
    }

    fn seconds(&self) -> Duration {
        Duration::from_secs(self.settings.seconds)
    }

    /// A port for a peer, away from ours.
    fn port(&self, number: u16) -> u16 {
        self.settings.port + 1 + number
    }

    /// The gateway, running, whatever was before.
    async fn fresh(&mut self) -> Result<()> {
        self.sealpost.stop()?;
        self.sealpost.start().await
    }
}
