//! Two thousand connections that do nothing, sixty that talk and never read: they cost little, and mail passes.

use anyhow::{Context, Result, ensure};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use sealpost_tests::mail::Mail;
use sealpost_tests::sending::{Place, trusting};
use sealpost_tests::tools::wait_for;
use sealpost_tests::{Demo, DemoOptions};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const CLEAR: usize = 1600;
const SECURED: usize = 400;
const DEAF: usize = 60;
/// What one connection may cost, buffers of TLS included.
const EACH: u64 = 64 * 1024;

/// Resident memory in bytes.
fn resident(demo: &Demo) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", demo.pid()))?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).context("VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

/// Processor time used so far, in clock ticks.
fn ticks(demo: &Demo) -> Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", demo.pid()))?;
    let after = stat.rsplit_once(") ").context("stat")?.1;
    let field = |n: usize| -> Result<u64> { Ok(after.split(' ').nth(n).context("a field")?.parse()?) };
    Ok(field(11)? + field(12)?)
}

fn connect(port: u16) -> Result<TcpStream> {
    let socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(Duration::from_secs(60)))?;
    Ok(socket)
}

fn greeted(socket: &mut impl Read) -> Result<()> {
    let mut first = [0u8; 4];
    socket.read_exact(&mut first)?;
    ensure!(&first == b"220 ", "{first:?}");
    Ok(())
}

/// Sends commands without reading an answer until nothing more goes out.
fn deaf(port: u16) -> Result<TcpStream> {
    let mut socket = connect(port)?;
    socket.set_nonblocking(true)?;
    let commands = b"EHLO client.example\r\n".repeat(200);
    let mut quiet = 0;
    while quiet < 20 {
        match socket.write(&commands) {
            Ok(_) => quiet = 0,
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                quiet += 1;
                std::thread::sleep(Duration::from_millis(1));
            }
            // Too many commands: the server has closed.
            Err(_) => break,
        }
    }
    Ok(socket)
}

#[test]
fn idle_and_deaf_clients_cost_little() -> Result<()> {
    let limits =
        "\n[limits]\nconnections = 4000\nconnections_per_address = 4000\ncommands_per_session = 1000000\n";
    let mut demo =
        Demo::start_edited(DemoOptions::default(), |config| config.replacen("\n[limits]\n", limits, 1))?;
    let ports = demo.about.ports.clone();
    let alice = Place::new(&demo, "alice")?;
    let mail = Mail::new(&["bob@example.test"], "Beside two thousand others");
    alice.send(&["bob@example.test"], &mail.bytes())?;
    let before = resident(&demo)?;

    let mut clear = Vec::new();
    for n in 0..CLEAR {
        let mut socket = connect(if n % 2 == 0 { ports.inbound } else { ports.submission })?;
        greeted(&mut socket)?;
        clear.push(socket);
    }
    let tls = trusting(&demo.about.ca)?;
    let mut secured = Vec::new();
    for _ in 0..SECURED {
        let session = ClientConnection::new(tls.clone(), ServerName::try_from("localhost")?)?;
        let mut stream = StreamOwned::new(session, connect(ports.submissions)?);
        greeted(&mut stream)?;
        secured.push(stream);
    }
    let idle = resident(&demo)?.saturating_sub(before);
    let mut silent = Vec::new();
    for _ in 0..DEAF {
        silent.push(deaf(ports.inbound)?);
    }
    let all = resident(&demo)?.saturating_sub(before);
    let (count, deaf_cost) = ((CLEAR + SECURED) as u64, all.saturating_sub(idle) / DEAF as u64);
    println!("{count} idle: {} KiB each; {DEAF} deaf: {} KiB each", idle / count / 1024, deaf_cost / 1024);
    ensure!(idle / count <= EACH, "an idle connection costs {} bytes", idle / count);
    ensure!(all / (count + DEAF as u64) <= 2 * EACH, "all together cost {all} bytes");

    // Once the deaf have filled their buffers nothing runs for anybody: an eighth of a processor at most.
    let begun = Instant::now();
    wait_for("idle clients leave the processor alone", Duration::from_secs(120), || {
        let spent = ticks(&demo)?;
        std::thread::sleep(Duration::from_secs(1));
        Ok(ticks(&demo)? - spent <= 12)
    })?;
    println!("quiet after {} ms", begun.elapsed().as_millis());

    let begun = Instant::now();
    alice.send(&["bob@example.test"], &mail.bytes())?;
    println!("a message beside them: {} ms", begun.elapsed().as_millis());

    // The end: who waits is told, who does not read holds nothing up.
    demo.terminate()?;
    let mut last = String::new();
    clear[0].read_to_string(&mut last)?;
    ensure!(last.ends_with("421 4.3.2 Server is shutting down, try again in a moment\r\n"), "{last}");
    drop((clear, secured, silent));
    demo.restart()?;
    Place::new(&demo, "alice")?.send(&["bob@example.test"], &mail.bytes())?;
    Ok(())
}
