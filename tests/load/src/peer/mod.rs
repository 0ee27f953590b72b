//! The servers that are measured, each started from a private directory on 127.0.0.1.

pub mod dovecot;
pub mod nginx;
pub mod postfix;
pub mod sealpost;

use anyhow::{Result, ensure};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// A port of the loopback.
pub fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Waits until a connection is taken and, for SMTP, greeted.
pub async fn wait_ready(addr: SocketAddr, greets: bool) -> Result<()> {
    let begun = Instant::now();
    loop {
        if let Ok(mut socket) = TcpStream::connect(addr).await {
            let mut first = [0u8; 3];
            if !greets || (socket.read_exact(&mut first).await.is_ok() && &first == b"220") {
                return Ok(());
            }
        }
        ensure!(begun.elapsed() < Duration::from_secs(60), "nothing answers on {addr}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
