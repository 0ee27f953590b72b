//! PROXY protocol, version 2: the balancer in front of us names the client it speaks for.
//!
//! **Job.** [`Balancers::client`] reads the header that must begin every connection from a balancer's network
//! and answers with the client's address; connections from elsewhere are left alone.
//!
//! **Exposure.** Only the networks of `listen.balancers` are believed: anybody else who sends a header is
//! talking nonsense in the listener's own protocol. The header is bounded in length and time, and nothing
//! behind it is touched. Version 1, a text line, is refused.
//!
//! **Standards.** PROXY protocol (HAProxy, 2020-03-05) §2.2; CRC32c as in RFC 3720 appendix B.4.
//!
//! **Failure.** A balancer that sends no header, a wrong one or another version is told nothing: the
//! connection is closed and the log says why.

use crate::config::Network;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Networks whose connections begin with a header.
#[derive(Debug, Clone)]
pub struct Balancers {
    networks: Arc<[Network]>,
}

/// Why a header is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Something else, such as version 1.
    #[error("no header of the PROXY protocol, version 2")]
    Signature,
    /// Neither LOCAL nor PROXY of version 2.
    #[error("unknown version or command {0:#04x}")]
    Command(u8),
    /// Longer than [`MAX_LENGTH`].
    #[error("a header of {0} octets")]
    Length(u16),
    /// Too short for its addresses.
    #[error("addresses that are cut off")]
    Addresses,
    /// A field that reaches beyond the end.
    #[error("a field (TLV) that is cut off")]
    Field,
    /// The CRC32c is that of other bytes.
    #[error("a wrong checksum")]
    Checksum,
}

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const FIXED: usize = 16;
/// Octets behind the fixed part; real headers have a few hundred.
const MAX_LENGTH: u16 = 4096;
/// PP2_TYPE_CRC32C.
const CHECKSUM: u8 = 0x03;
/// A balancer sends its header at once.
const PATIENCE: Duration = Duration::from_secs(5);

impl Balancers {
    /// For these networks.
    pub fn new(networks: &[Network]) -> Self {
        Self { networks: networks.into() }
    }

    /// The same for the web listeners.
    pub fn introduce(&self) -> Option<sealpost_web::Introduce> {
        if self.networks.is_empty() {
            return None;
        }
        let balancers = self.clone();
        Some(Arc::new(move |mut socket: TcpStream, peer: SocketAddr| {
            let balancers = balancers.clone();
            Box::pin(async move {
                match balancers.client(&mut socket, peer).await {
                    Ok(client) => client.map(|client| (socket, client)),
                    Err(error) => {
                        tracing::debug!(%peer, %error, "a balancer's header");
                        None
                    }
                }
            })
        }))
    }

    /// Who is at the other end: behind a balancer the client it names, otherwise `peer`. `None` when a
    /// balancer's header cannot be used.
    pub async fn client<S: AsyncRead + Unpin>(
        &self,
        socket: &mut S,
        peer: SocketAddr,
    ) -> std::io::Result<Option<SocketAddr>> {
        if !self.networks.iter().any(|n| n.contains(peer.ip())) {
            return Ok(Some(peer));
        }
        match timeout(PATIENCE, read(socket)).await? {
            Ok(Ok(named)) => Ok(Some(named.unwrap_or(peer))),
            Ok(Err(error)) => {
                tracing::warn!(%peer, "a balancer sent {error}");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Reads one header, no octet more; the outer error is the connection's.
async fn read<S: AsyncRead + Unpin>(
    socket: &mut S,
) -> std::io::Result<Result<Option<SocketAddr>, HeaderError>> {
    let mut header = vec![0u8; FIXED];
    socket.read_exact(&mut header).await?;
    let length = match length(&header) {
        Ok(length) => usize::from(length),
        Err(error) => return Ok(Err(error)),
    };
    header.resize(FIXED + length, 0);
    socket.read_exact(&mut header[FIXED..]).await?;
    Ok(parse(&header))
}

/// How many octets follow the fixed part.
fn length(fixed: &[u8]) -> Result<u16, HeaderError> {
    if !fixed.starts_with(&SIGNATURE) {
        return Err(HeaderError::Signature);
    }
    let length = u16::from_be_bytes([fixed[14], fixed[15]]);
    if length > MAX_LENGTH { Err(HeaderError::Length(length)) } else { Ok(length) }
}

/// Reads a whole header; `None` where it names nobody (a health check of the balancer, or a family that has
/// no addresses): then the connection speaks for itself.
fn parse(header: &[u8]) -> Result<Option<SocketAddr>, HeaderError> {
    let proxied = match header[12] {
        0x20 => false,
        0x21 => true,
        other => return Err(HeaderError::Command(other)),
    };
    let rest = &header[FIXED..];
    let port = |at: usize| u16::from_be_bytes([rest[at], rest[at + 1]]);
    // Only TCP names somebody who could have sent us this; the rest is to be taken as UNSPEC.
    let (client, addresses) = match header[13] {
        0x11 => {
            let ip: [u8; 4] = first(rest, 12).ok_or(HeaderError::Addresses)?;
            (Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::from(ip)), port(8))), 12)
        }
        0x21 => {
            let ip: [u8; 16] = first(rest, 36).ok_or(HeaderError::Addresses)?;
            (Some(SocketAddr::new(IpAddr::V6(Ipv6Addr::from(ip)), port(32))), 36)
        }
        0x12 => (None, 12),
        0x22 => (None, 36),
        0x31 | 0x32 => (None, 216),
        // UNSPEC: whatever follows is not for us, and has no known shape.
        _ => return Ok(None),
    };
    let fields = rest.get(addresses..).ok_or(HeaderError::Addresses)?;
    check_fields(header, FIXED + addresses, fields)?;
    Ok(client.filter(|_| proxied))
}

/// The first octets of an address block that must have `whole` octets.
fn first<const N: usize>(block: &[u8], whole: usize) -> Option<[u8; N]> {
    block.get(..whole)?.first_chunk().copied()
}

/// `type, length (2), value` each, to the very end; a checksum must be that of the header.
fn check_fields(header: &[u8], start: usize, fields: &[u8]) -> Result<(), HeaderError> {
    let mut rest = fields;
    while !rest.is_empty() {
        let [kind, high, low, ..] = *rest else { return Err(HeaderError::Field) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let value = rest.get(3..3 + length).ok_or(HeaderError::Field)?;
        if kind == CHECKSUM {
            let sent: [u8; 4] = value.try_into().map_err(|_| HeaderError::Field)?;
            let at = start + (fields.len() - rest.len()) + 3;
            let mut zeroed = header.to_vec();
            zeroed[at..at + 4].fill(0);
            if crc32c(&zeroed) != u32::from_be_bytes(sent) {
                return Err(HeaderError::Checksum);
            }
        }
        rest = &rest[3 + length..];
    }
    Ok(())
}

/// CRC-32C (Castagnoli), bit by bit: headers are short.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
    !bytes.iter().fold(!0u32, |crc, b| (0..8).fold(crc ^ u32::from(*b), |c, _| step(c)))
}

#[cfg(test)]
mod tests;
