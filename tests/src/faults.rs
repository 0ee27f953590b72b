//! A way to a server on this machine that fails as told: refuses, cuts in the middle, answers errors, crawls.

use crate::mail::Noise;
use anyhow::Result;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What the way does with what passes.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Nothing: all passes.
    None,
    /// Connections end before anything passes.
    Refuse,
    /// Each piece that passes may be the last: so many of a thousand are, cut at a random octet.
    Cut(u64),
    /// Every piece waits this long.
    Slow(Duration),
    /// Whatever is said, this is the answer, and the connection ends.
    Answer(String),
}

#[derive(Debug)]
struct Shared {
    upstream: u16,
    fault: Mutex<Fault>,
    noise: Mutex<Noise>,
    hurt: AtomicUsize,
}

/// The way; ends with the process.
#[derive(Debug, Clone)]
pub struct Faulty {
    /// Where it begins, on 127.0.0.1.
    pub port: u16,
    shared: Arc<Shared>,
}

impl Faulty {
    /// A way to that port of 127.0.0.1, at first without a fault.
    pub fn towards(upstream: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            upstream,
            fault: Mutex::new(Fault::None),
            noise: Mutex::new(Noise::new(u64::from(upstream))),
            hurt: AtomicUsize::new(0),
        });
        let way = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().filter_map(Result::ok) {
                let way = way.clone();
                std::thread::spawn(move || {
                    // Connections that break are what this is for.
                    let _ = way.carry(client);
                });
            }
        });
        Ok(Self { port, shared })
    }

    /// From now on, for connections under way too.
    pub fn set(&self, fault: Fault) {
        *self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// Connections that were hurt so far.
    pub fn hurt(&self) -> usize {
        self.shared.hurt.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn fault(&self) -> Fault {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A number below `end`.
    fn below(&self, end: u64) -> u64 {
        self.noise.lock().unwrap_or_else(PoisonError::into_inner).number() % end
    }

    fn hurts(&self) {
        self.hurt.fetch_add(1, Ordering::Relaxed);
    }

    fn carry(self: &Arc<Self>, client: TcpStream) -> Result<()> {
        if let Fault::Refuse = self.fault() {
            self.hurts();
            return Ok(());
        }
        let server = TcpStream::connect(("127.0.0.1", self.upstream))?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (back, from, to) = (self.clone(), server.try_clone()?, client.try_clone()?);
        std::thread::spawn(move || {
            let _ = back.pump(from, to, false);
        });
        self.pump(client, server, true)
    }

    /// Moves octets one way until either side ends, or the fault of the moment ends both.
    fn pump(&self, mut from: TcpStream, mut to: TcpStream, forth: bool) -> Result<()> {
        let mut piece = vec![0; 16 << 10];
        loop {
            let read = from.read(&mut piece).unwrap_or(0);
            let mut keep = read;
            let mut over = read == 0;
            match self.fault() {
                _ if over => {}
                Fault::None => {}
                Fault::Slow(pause) => std::thread::sleep(pause),
                Fault::Cut(chance) if self.below(1000) < chance => {
                    keep = usize::try_from(self.below(read as u64))?;
                    over = true;
                    self.hurts();
                }
                Fault::Cut(_) => {}
                Fault::Refuse => (keep, over) = (0, true),
                Fault::Answer(answer) => {
                    self.hurts();
                    if forth {
                        let _ = from.write_all(answer.as_bytes());
                        // Lets the answer arrive before the end of the connection does.
                        let _ = from.shutdown(Shutdown::Write);
                        from.set_read_timeout(Some(Duration::from_millis(200)))?;
                        while from.read(&mut piece).is_ok_and(|n| n > 0) {}
                    }
                    (keep, over) = (0, true);
                }
            }
            let written = to.write_all(&piece[..keep]);
            if over || written.is_err() {
                let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
                return Ok(());
            }
        }
    }
}
