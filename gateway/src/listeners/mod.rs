//! Sockets: everything that accepts connections, each with its limits, and nothing that decides about mail.
//!
//! **Exposure.** All of it meets strangers. Protocol sense is in the sans-I/O crates (`smtp`, `imap`) and in `web`.
//! **Failure.** A port that is taken is named together with the setting that asks for it.

pub mod card;
pub mod imap;
pub mod limits;
pub mod proxy;
pub mod smtp;
pub mod tls;

use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;

/// Time for a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// Time for a client to take an answer.
const STALL: Duration = Duration::from_secs(120);

/// Binds `address`, naming the configuration key `setting` when that fails.
pub async fn bind(setting: &str, address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}, asked for by `{setting}`: is another program using this port?")
    })
}
