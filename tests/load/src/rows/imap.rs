//! A mailbox of 10,000 messages beside Dovecot: filled by APPEND, then read by its envelopes.
//!
//! Both servers stand idle while the other one is measured; rounds alternate, so that a busy machine harms both
//! alike, and the CPU of all their processes is counted beside the clock.

use super::Bench;
use crate::imap::{Client, Target};
use crate::load::SMALL;
use crate::message;
use crate::peer::dovecot::Dovecot;
use crate::process;
use crate::report::{Budget, Row, Samples};
use anyhow::{Result, ensure};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

/// The folder that is read.
const READ: &str = "Bench";
/// Sessions that append at the same time.
const SESSIONS: [(usize, Budget); 2] = [(10, Budget::Ratio(2.0)), (1, Budget::Beside)];

#[derive(Default)]
struct Side {
    rate: Samples,
    /// Microseconds of CPU for each message.
    append_cpu: Samples,
    /// Milliseconds.
    fetch: Samples,
    /// Milliseconds of CPU.
    fetch_cpu: Samples,
}

/// FETCH of all envelopes, and APPEND.
pub async fn beside_dovecot(bench: &mut Bench<'_>) -> Result<()> {
    bench.fresh().await?;
    let (cert, key) = bench.sealpost.identity();
    let ca = bench.sealpost.ca();
    let peer = Dovecot::start(&bench.settings.dir, bench.port(4), &cert, &key, &ca).await?;
    let (ours, theirs) = (bench.sealpost.mailbox()?, peer.target.clone());
    let (our_pid, their_pid) = (bench.sealpost.pid()?, peer.pid());
    let (mut us, mut them) = (Side::default(), Side::default());
    for (sessions, budget) in SESSIONS {
        // What is read later is filled by the first sessions; further rounds go elsewhere, and are shorter.
        for round in 0..bench.settings.rounds {
            let folder = if sessions > 1 && round == 0 { READ } else { "More" };
            let count = if folder == READ { bench.settings.mails } else { bench.settings.mails / 10 };
            fill(&theirs, their_pid, folder, sessions, count, &mut them).await?;
            fill(&ours, our_pid, folder, sessions, count, &mut us).await?;
        }
        let note = format!(
            "CPU per message: Sealpost {:.0} µs, Dovecot {:.0} µs",
            us.append_cpu.median(),
            them.append_cpu.median()
        );
        let what = format!("IMAP APPEND, 4 KiB, {sessions} sessions");
        let row = Row::new(what, "/s", budget, std::mem::take(&mut us.rate));
        bench.report.add(row.against("Dovecot", std::mem::take(&mut them.rate)).note(note));
        (us.append_cpu, them.append_cpu) = (Samples::default(), Samples::default());
    }
    // The first time warms caches on both sides.
    for round in 0..=bench.settings.rounds.max(5) {
        for (target, pid, side) in [(&theirs, their_pid, &mut them), (&ours, our_pid, &mut us)] {
            let (ms, cpu) = envelopes(target, pid, bench.settings.mails).await?;
            if round > 0 {
                side.fetch.0.push(ms);
                side.fetch_cpu.0.push(cpu);
            }
        }
    }
    let note =
        format!("CPU: Sealpost {:.0} ms, Dovecot {:.0} ms", us.fetch_cpu.median(), them.fetch_cpu.median());
    let what = format!("IMAP login, SELECT, FETCH 1:* (FLAGS ENVELOPE) of {} messages", bench.settings.mails);
    let row = Row::new(what, "ms", Budget::RatioAtMost(1.0), us.fetch);
    bench.report.add(row.against("Dovecot", them.fetch).note(note));
    peer.stop()?;
    bench.sealpost.stop()
}

/// Appends `count` messages over some sessions.
async fn fill(
    target: &Target,
    pid: u32,
    folder: &str,
    sessions: usize,
    count: u32,
    side: &mut Side,
) -> Result<()> {
    let mut clients = Vec::new();
    for n in 0..sessions {
        let mut client = Client::connect(target).await?;
        if n == 0 {
            // It may be there already.
            let _ = client.command(&format!("CREATE {folder}")).await;
        }
        clients.push(client);
    }
    let left = Arc::new(AtomicU32::new(count));
    let (begun, before) = (Instant::now(), process::tree_cpu_seconds(pid)?);
    let mut workers = Vec::new();
    for mut client in clients {
        let (folder, left) = (folder.to_owned(), left.clone());
        workers.push(tokio::spawn(async move {
            while left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| n.checked_sub(1)).is_ok() {
                let message = message::small("alice@load.test", "bob@load.test", SMALL);
                client.append(&folder, &message).await?;
            }
            anyhow::Ok(client)
        }));
    }
    let mut clients = Vec::new();
    for worker in workers {
        clients.push(worker.await??);
    }
    side.rate.0.push(f64::from(count) / begun.elapsed().as_secs_f64());
    side.append_cpu.0.push((process::tree_cpu_seconds(pid)? - before) * 1e6 / f64::from(count));
    for client in clients {
        client.logout().await?;
    }
    Ok(())
}

/// Milliseconds from connecting to the last envelope, and of CPU.
async fn envelopes(target: &Target, pid: u32, expected: u32) -> Result<(f64, f64)> {
    let (begun, before) = (Instant::now(), process::tree_cpu_seconds(pid)?);
    let mut client = Client::connect(target).await?;
    client.command(&format!("SELECT {READ}")).await?;
    let answer = client.command("FETCH 1:* (FLAGS ENVELOPE)").await?;
    let taken = begun.elapsed().as_secs_f64() * 1e3;
    ensure!(answer.fetched == u64::from(expected), "{} of {expected} envelopes came", answer.fetched);
    client.logout().await?;
    Ok((taken, (process::tree_cpu_seconds(pid)? - before) * 1e3))
}
