//! Small messages: accepted and relayed, side by side, since work put off hides in a backlog.

use super::Bench;
use crate::load::{self, Loaded};
use crate::peer::postfix::Postfix;
use crate::report::{Budget, Row, Samples};
use crate::smtp::Target;
use crate::{process, tls};
use anyhow::Result;

/// Sessions, and the budget for what is accepted.
const SESSIONS: [(usize, f64); 3] = [(1, 2.0), (10, 3.0), (50, 3.0)];

#[derive(Default)]
struct Side {
    accepted: Samples,
    relayed: Samples,
    backlog: u64,
    last: Option<Loaded>,
}

impl Side {
    fn add(&mut self, loaded: Loaded) {
        self.accepted.0.push(loaded.accepted_rate);
        self.relayed.0.push(loaded.relayed_rate);
        self.backlog = self.backlog.max(loaded.backlog);
        self.last = Some(loaded);
    }

    fn text(&self, name: &str) -> String {
        self.last.map_or(String::new(), |l| {
            let (p50, p99, backlog) = (l.p50_ms, l.p99_ms, self.backlog);
            format!("{name} p50 {p50:.1} ms, p99 {p99:.1} ms, largest backlog at the end {backlog}")
        })
    }
}

/// Against Postfix, at 1, 10 and 50 sessions.
pub async fn beside_postfix(bench: &mut Bench<'_>) -> Result<()> {
    if bench.settings.alone {
        return alone(bench).await;
    }
    let mut cpu = 0.0;
    for (sessions, budget) in SESSIONS {
        let (mut ours, mut theirs) = (Side::default(), Side::default());
        for _ in 0..bench.settings.rounds {
            theirs.add(postfix(bench, sessions, false).await?);
            // Postfix by itself signs nothing.
            let (loaded, spent) = sealpost(bench, sessions, false).await?;
            ours.add(loaded);
            cpu = spent;
        }
        let note = format!(
            "{}; {}; Sealpost's CPU {cpu:.0} µs per message, all stages",
            ours.text("Sealpost"),
            theirs.text("Postfix")
        );
        let what = format!("accepted, 4 KiB, {sessions} sessions, STARTTLS, P-256");
        let row = Row::new(what, "/s", Budget::Ratio(budget), ours.accepted);
        bench.report.add(row.against("Postfix", theirs.accepted).note(note));
        let beside = if sessions == 10 { Budget::Ratio(2.5) } else { Budget::Beside };
        let what = format!("accepted, sealed and relayed, {sessions} sessions");
        let row = Row::new(what, "/s", beside, ours.relayed);
        bench.report.add(row.against("Postfix", theirs.relayed));
    }
    Ok(())
}

/// Without a peer.
async fn alone(bench: &mut Bench<'_>) -> Result<()> {
    let (mut side, mut cpu) = (Side::default(), Samples::default());
    for _ in 0..bench.settings.rounds {
        let (loaded, spent) = sealpost(bench, 10, false).await?;
        side.add(loaded);
        cpu.0.push(spent);
    }
    let note = side.text("Sealpost");
    bench.report.add(Row::new("accepted, 10 sessions", "/s", Budget::Beside, side.accepted).note(note));
    bench.report.add(Row::new("relayed, 10 sessions", "/s", Budget::Beside, side.relayed));
    bench.report.add(Row::new("CPU per message, all stages", "µs", Budget::Beside, cpu));
    Ok(())
}

/// Against Postfix that signs DKIM.
pub async fn beside_dkim(bench: &mut Bench<'_>) -> Result<()> {
    let (mut ours, mut theirs) = (Side::default(), Side::default());
    for _ in 0..bench.settings.rounds {
        theirs.add(postfix(bench, 10, true).await?);
        let signed = String::from_utf8_lossy(&bench.sink.last().1).contains("DKIM-Signature:");
        anyhow::ensure!(signed, "Postfix relayed without a DKIM signature");
        ours.add(sealpost(bench, 10, true).await?.0);
    }
    let what = "accepted, 4 KiB, 10 sessions, P-256, against OpenDKIM";
    let row = Row::new(what, "/s", Budget::Ratio(8.0), ours.accepted);
    bench.report.add(row.against("Postfix+OpenDKIM", theirs.accepted));
    Ok(())
}

async fn postfix(bench: &mut Bench<'_>, sessions: usize, dkim: bool) -> Result<Loaded> {
    let (cert, key) = bench.sealpost.identity();
    let server = Postfix::start(&bench.settings.dir, bench.port(0), &bench.sink, &cert, &key, dkim).await?;
    let target = Target {
        addr: server.addr,
        tls: tls::connector(&bench.sealpost.ca())?,
        login: None,
        from: bench.sealpost.target()?.from,
    };
    let loaded = load::run(&target, &bench.sink, sessions, bench.seconds()).await;
    server.stop();
    loaded
}

/// The figures, and the CPU spent per message in microseconds.
async fn sealpost(bench: &mut Bench<'_>, sessions: usize, dkim: bool) -> Result<(Loaded, f64)> {
    bench.sealpost.sign(dkim)?;
    bench.fresh().await?;
    let target = bench.sealpost.target()?;
    let pid = bench.sealpost.pid()?.to_string();
    let before = process::cpu_seconds(&pid, false)?;
    let loaded = load::run(&target, &bench.sink, sessions, bench.seconds()).await?;
    let cpu = process::cpu_seconds(&pid, false)? - before;
    bench.sealpost.stop()?;
    Ok((loaded, cpu * 1e6 / loaded.accepted as f64))
}
