//! Connections to servers: where they are, and how they are protected.

use crate::Trouble;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How a connection is protected. Passwords go over nothing weaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first octet.
    Tls,
    /// Begun by the protocol's own command, before anything else.
    StartTls,
    /// None: to this machine only.
    Loopback,
}

/// Where a server is, and whom it must be certified by.
#[derive(Clone)]
pub struct Place {
    host: String,
    port: u16,
    security: Security,
    tls: Arc<ClientConfig>,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{} {:?}", self.host, self.port, self.security)
    }
}

impl Place {
    /// A server's name or address, without brackets, its port, and the authorities that its certificate must chain to.
    pub fn new(host: &str, port: u16, security: Security, roots: RootCertStore) -> Result<Self, Trouble> {
        if security == Security::Loopback && !is_loopback(host) {
            return Err(Trouble::Tls(format!(
                "{host} is not this machine: passwords need TLS on the way there"
            )));
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| Trouble::Tls(e.to_string()))?;
        let tls = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
        Ok(Self { host: host.to_owned(), port, security, tls })
    }
    pub(crate) fn security(&self) -> Security {
        self.security
    }
    /// Connects; TLS has begun where it begins with the first octet.
    pub(crate) async fn connect(&self) -> Result<Wire, Trouble> {
        let host = if self.security == Security::Loopback && self.host == "localhost" {
            "127.0.0.1"
        } else {
            &self.host
        };
        let stream = TcpStream::connect((host, self.port)).await.map_err(|e| unreachable(&e))?;
        let wire = Wire::Clear(stream);
        if self.security == Security::Tls { self.secured(wire).await } else { Ok(wire) }
    }
    /// The same connection, from here on under TLS.
    pub(crate) async fn secured(&self, wire: Wire) -> Result<Wire, Trouble> {
        let Wire::Clear(stream) = wire else { return Err(Trouble::Protocol("TLS within TLS")) };
        let name = ServerName::try_from(self.host.clone()).map_err(|e| Trouble::Tls(e.to_string()))?;
        let tls = TlsConnector::from(self.tls.clone()).connect(name, stream).await;
        Ok(Wire::Tls(Box::new(tls.map_err(|e| Trouble::Tls(e.to_string()))?)))
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn unreachable(error: &io::Error) -> Trouble {
    Trouble::Unreachable(error.to_string())
}

/// A connection.
pub(crate) enum Wire {
    Clear(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

trait Both: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}

impl Wire {
    fn both(&mut self) -> &mut dyn Both {
        match self {
            Self::Clear(stream) => stream,
            Self::Tls(stream) => stream.as_mut(),
        }
    }
    /// Whom it leads to.
    pub(crate) fn peer(&self) -> Option<std::net::IpAddr> {
        let stream = match self {
            Self::Clear(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        };
        stream.peer_addr().ok().map(|peer| peer.ip())
    }
    /// Sends all of it.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        let both = self.both();
        both.write_all(bytes).await.map_err(|e| unreachable(&e))?;
        both.flush().await.map_err(|e| unreachable(&e))
    }
    /// Fills the buffer. Nothing beyond it is read: what follows stays where TLS would find it.
    pub(crate) async fn exactly(&mut self, buffer: &mut [u8]) -> Result<(), Trouble> {
        self.both().read_exact(buffer).await.map(drop).map_err(|e| unreachable(&e))
    }
    /// One line, without its end, octet by octet: what follows a line stays unread, so that nothing sent in clear
    /// counts after STARTTLS. Lines are few and short here.
    pub(crate) async fn line(&mut self, longest: usize) -> Result<String, Trouble> {
        let mut line = Vec::new();
        loop {
            let mut byte = [0];
            self.exactly(&mut byte).await?;
            match byte[0] {
                b'\n' => break,
                _ if line.len() >= longest => return Err(Trouble::Protocol("a line is too long")),
                byte => line.push(byte),
            }
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        String::from_utf8(line).map_err(|_| Trouble::Protocol("a line is no UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_leave_this_machine_under_tls_only() {
        let place = |host| Place::new(host, 389, Security::Loopback, RootCertStore::empty());
        for host in ["localhost", "127.0.0.1", "::1"] {
            assert!(place(host).is_ok(), "{host}");
        }
        for host in ["directory.example", "192.0.2.1", "localhost.example"] {
            assert!(matches!(place(host), Err(Trouble::Tls(_))), "{host}");
        }
    }
}
