//! Nobody slows anybody: slow senders, greedy ones, those that never read; and a machine short of memory.

use anyhow::{Result, ensure};
use sealpost_tests::Demo;
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::{File, Mail};
use sealpost_tests::sending::{Client, Place};
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const TO: [&str; 1] = ["bob@example.test"];

/// A demonstration with these lines under `[limits]`.
fn start(limits: &str) -> Result<Demo> {
    let section = format!("\n[limits]\n{limits}\n");
    Demo::start_edited(DemoOptions::default(), |config| config.replace("\n[limits]\n", &section))
}

fn message(name: &str, size: usize) -> Vec<u8> {
    Mail::new(&TO, name).file(File::noise("a.bin", size)).bytes()
}

/// Highest memory of the process so far, in MiB.
fn peak(demo: &Demo) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", demo.pid()))?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or_default();
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<u64>()? / 1024)
}

/// Half of a message is on its way, large enough to have its blob open.
fn half_sent(place: &Place, bytes: &[u8]) -> Result<Client> {
    let mut client = place.connect()?;
    client.begin(&place.login, &TO)?;
    client.data(&bytes[..bytes.len() / 2])?;
    client.raw(b"")?;
    Ok(client)
}

#[test]
fn slow_senders_slow_nobody() -> Result<()> {
    const SLOW: usize = 100;
    let demo = start("connections_per_address = 300")?;
    let place = Place::new(&demo, "alice")?;
    place.send(&TO, &message("Avant", 1000))?;
    let before = peak(&demo)?;
    let bytes: Vec<_> = (0..SLOW).map(|n| message(&format!("Lent {n}"), 400_000)).collect();
    let mut slow = bytes.iter().map(|b| half_sent(&place, b)).collect::<Result<Vec<_>>>()?;
    // While all of them hold what they have begun, others come and go.
    for n in 0..20 {
        place.send(&TO, &message(&format!("Vif {n}"), 200_000))?;
    }
    let each = (peak(&demo)? - before) * 1024 / SLOW as u64;
    eprintln!("{SLOW} slow senders, {each} KiB of memory each, 20 deposits beside them");
    ensure!(each < 2048, "a sender under way costs {each} KiB");
    // And the slow ones arrive, when they do.
    for (client, bytes) in slow.iter_mut().zip(&bytes) {
        client.data(&bytes[bytes.len() / 2..])?;
        client.finish()?;
    }
    Ok(())
}

/// Thirty sessions that never pause, and one that sends now and then: by its turn, not by their number.
#[test]
fn sessions_take_turns() -> Result<()> {
    const GREEDY: usize = 30;
    const POLITE: usize = 8;
    let demo = start("connections_per_address = 300")?;
    let place = Place::new(&demo, "alice")?;
    let (stop, greedy) = (AtomicBool::new(false), AtomicUsize::new(0));
    let during = std::thread::scope(|scope| {
        for number in 0..GREEDY {
            let (place, stop, greedy) = (&place, &stop, &greedy);
            scope.spawn(move || -> Result<()> {
                let mut client = place.connect()?;
                for turn in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    client.begin(&place.login, &TO)?;
                    client.data(&message(&format!("Avide {number}.{turn}"), 30_000))?;
                    client.finish()?;
                    greedy.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            });
        }
        let polite = || -> Result<usize> {
            let mut client = place.connect()?;
            let before = greedy.load(Ordering::Relaxed);
            for turn in 0..POLITE {
                client.begin(&place.login, &TO)?;
                client.data(&message(&format!("Sobre {turn}"), 30_000))?;
                client.finish()?;
            }
            Ok(greedy.load(Ordering::Relaxed) - before)
        };
        let during = polite();
        stop.store(true, Ordering::Relaxed);
        during
    })?;
    let turns = during as f64 / GREEDY as f64;
    eprintln!("{POLITE} messages of one session while each of {GREEDY} others sent {turns:.1}");
    ensure!(turns < 3.0 * POLITE as f64, "the others had {turns} turns for {POLITE}");
    Ok(())
}

/// Commands without end from clients that read no answer: they are held back by TCP, and given up in time.
#[test]
fn who_never_reads_holds_up_only_itself() -> Result<()> {
    let demo = start("connections_per_address = 300")?;
    let place = Place::new(&demo, "alice")?;
    let mut deaf = Vec::new();
    for _ in 0..20 {
        let mut client = place.connect()?;
        // More answers than the buffers of both sides hold would stop us, not the server: some are enough.
        client.raw("NOOP\r\n".repeat(2000).as_bytes())?;
        deaf.push(client);
    }
    for n in 0..5 {
        place.send(&TO, &message(&format!("Vif {n}"), 100_000))?;
    }
    drop(deaf);
    Ok(())
}

#[test]
fn a_machine_short_of_memory_says_so() -> Result<()> {
    let mut demo = start(&format!("memory_reserve = {}", 1u64 << 45))?;
    let greeting = |demo: &Demo| -> Result<String> {
        let socket = TcpStream::connect(("127.0.0.1", demo.about.ports.submission))?;
        socket.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut line = String::new();
        BufReader::new(socket).read_line(&mut line)?;
        Ok(line)
    };
    let line = greeting(&demo)?;
    ensure!(line.starts_with("421 4.3.2 Memory is short"), "{line}");
    ensure!(Place::new(&demo, "alice")?.send(&TO, &message("Trop", 10)).is_err(), "accepted");
    demo.terminate()?;
    demo.edit(|config| config.replace(&(1u64 << 45).to_string(), "1048576"))?;
    demo.restart()?;
    ensure!(greeting(&demo)?.starts_with("220 "), "still short");
    Place::new(&demo, "alice")?.send(&TO, &message("Assez", 10))?;
    Ok(())
}
