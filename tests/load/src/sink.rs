//! The next server: takes every message, counts it, keeps the last small one to read a link from.
//!
//! **Standards.** RFC 5321, as much as a receiver of mail needs; no TLS, so that its cost is nobody's.

use anyhow::Result;
use memchr::memmem;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The most that is kept of a message.
const KEEP: usize = 256 * 1024;

/// A running sink.
#[derive(Debug, Clone)]
pub struct Sink {
    /// Where it listens.
    pub addr: SocketAddr,
    count: Arc<AtomicU64>,
    last: Arc<Mutex<(Option<Instant>, Vec<u8>)>>,
}

impl Sink {
    /// Listens on a port of the loopback.
    pub async fn start(port: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let sink = Self { addr: listener.local_addr()?, count: Arc::default(), last: Arc::default() };
        let accepting = sink.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let sink = accepting.clone();
                tokio::spawn(async move { sink.serve(socket).await });
            }
        });
        Ok(sink)
    }

    /// Messages taken so far.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// When the last one was whole, and its beginning.
    pub fn last(&self) -> (Option<Instant>, Vec<u8>) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until `count` messages are here; `false` when none has come for `patience`.
    pub async fn wait_for(&self, count: u64, patience: Duration) -> bool {
        let (mut seen, mut since) = (self.count(), Instant::now());
        while self.count() < count {
            if self.count() > seen {
                (seen, since) = (self.count(), Instant::now());
            }
            if since.elapsed() > patience {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        true
    }

    async fn serve(&self, mut socket: TcpStream) -> Result<()> {
        socket.set_nodelay(true)?;
        socket.write_all(b"220 sink.example.test ESMTP\r\n").await?;
        let mut input = Vec::with_capacity(64 * 1024);
        loop {
            while let Some(end) = memchr::memchr(b'\n', &input) {
                let line: Vec<u8> = input.drain(..=end).collect();
                let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
                let answer: &[u8] = match verb.as_slice() {
                    b"EHLO" => b"250-sink.example.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE\r\n",
                    b"DATA" => b"354 go on\r\n",
                    b"QUIT" => b"221 bye\r\n",
                    _ => b"250 ok\r\n",
                };
                socket.write_all(answer).await?;
                match verb.as_slice() {
                    b"QUIT" => return Ok(()),
                    b"DATA" if !self.data(&mut socket, &mut input).await? => return Ok(()),
                    _ => {}
                }
            }
            if socket.read_buf(&mut input).await? == 0 {
                return Ok(());
            }
        }
    }

    /// Reads to the end of a message; `false` when the connection broke before.
    async fn data(&self, socket: &mut TcpStream, input: &mut Vec<u8>) -> Result<bool> {
        const END: &[u8] = b"\r\n.\r\n";
        let mut kept = Vec::new();
        loop {
            if let Some(at) = memmem::find(input, END) {
                kept.extend_from_slice(&input[..at.min(KEEP.saturating_sub(kept.len()))]);
                input.drain(..at + END.len());
                let now = Instant::now();
                *self.last.lock().unwrap_or_else(PoisonError::into_inner) = (Some(now), kept);
                self.count.fetch_add(1, Ordering::AcqRel);
                socket.write_all(b"250 2.0.0 taken\r\n").await?;
                return Ok(true);
            }
            // The end may lie across two reads: its beginning stays.
            let done = input.len().saturating_sub(END.len() - 1);
            kept.extend_from_slice(&input[..done.min(KEEP.saturating_sub(kept.len()))]);
            input.drain(..done);
            if socket.read_buf(input).await? == 0 {
                return Ok(false);
            }
        }
    }
}
