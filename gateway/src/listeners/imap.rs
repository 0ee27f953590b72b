//! Sockets for IMAP: moves bytes between clients and the session, and wakes idle ones.
//!
//! **Exposure.** Strangers before login; memory per connection is one read buffer and the session's bounds.
//!
//! **Standards.** RFC 3501 §5.4 (autologout), RFC 8314 (implicit TLS), RFC 2177 (IDLE).
//!
//! **Failure.** A silent client is told BYE and let go; a broken connection ends itself and nothing else.

use super::limits::Connections;
use super::proxy::Balancers;
use super::tls::{Identity, bindings};
use super::{HANDSHAKE, STALL};
use crate::gateway::Gateway;
use crate::mailboxes::Doorman;
use crate::pipeline::standing::Standing;
use bytes::BytesMut;
use sealpost_imap::{Flow, Limits, Output, Session};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// One listener's configuration.
#[derive(Clone)]
pub struct ImapListener {
    /// The gateway.
    pub gateway: Arc<Gateway>,
    /// TLS from the first byte.
    pub implicit_tls: bool,
    /// TLS.
    pub tls: TlsAcceptor,
    /// Its certificate.
    pub identity: Arc<Identity>,
    /// Balancers that tell whom they speak for.
    pub balancers: Balancers,
    /// Connection limits.
    pub connections: Arc<Connections>,
}

/// Silence before login.
const STRANGER: Duration = Duration::from_secs(60);
/// Time from connecting to login in all: letters sent now and then hold no place for ever.
const LOGIN: Duration = Duration::from_secs(300);
/// Silence after login; RFC 3501 §5.4 asks for thirty minutes at least.
const MEMBER: Duration = Duration::from_secs(31 * 60);
/// Changes by other processes make no call; an idle session looks by itself.
const LOOK: Duration = Duration::from_secs(15);

/// Accepts until `shutdown`, then says goodbye to all.
pub async fn serve(listener: TcpListener, config: ImapListener, shutdown: CancellationToken) {
    let sessions = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => {
                let (config, shutdown) = (config.clone(), shutdown.clone());
                sessions.spawn(async move {
                    if let Err(error) = connection(config, socket, peer, shutdown).await {
                        tracing::debug!(%peer, %error, "IMAP connection ended");
                    }
                });
            }
            Err(error) => {
                // Out of file descriptors, usually: waiting lets sessions end.
                tracing::warn!(%error, "accepting an IMAP connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    sessions.close();
    sessions.wait().await;
}

async fn connection(
    config: ImapListener,
    mut socket: TcpStream,
    peer: SocketAddr,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    socket.set_nodelay(true)?;
    let Some(peer) = config.balancers.client(&mut socket, peer).await? else { return Ok(()) };
    let Some(_place) = config.connections.enter(peer.ip()) else {
        if !config.implicit_tls {
            socket.write_all(b"* BYE Too many connections, try again later\r\n").await?;
        }
        return Ok(());
    };
    let limits = &config.gateway.config.limits;
    let bounds = Limits {
        errors: limits.errors_per_session,
        commands: limits.commands_per_session,
        append: limits.message_size.0,
        ..Limits::default()
    };
    let doorman =
        Arc::new(Doorman { gateway: config.gateway.clone(), peer: peer.ip(), standing: OnceLock::new() });
    let mut talk = Talk {
        session: Session::new(doorman.clone(), config.implicit_tls, bounds),
        doorman,
        standing: None,
        gateway: config.gateway.clone(),
        login_until: Instant::now() + LOGIN,
        shutdown,
    };
    if !config.implicit_tls {
        let mut clear = Stream(socket);
        talk.session.greet(&mut clear).await?;
        if talk.run(&mut clear).await? == Flow::Close {
            return Ok(());
        }
        socket = clear.0;
    }
    let mut secured = tokio::select! {
        () = talk.shutdown.cancelled() => return Ok(()),
        accepted = tokio::time::timeout(HANDSHAKE, config.tls.accept(socket)) => Stream(accepted??),
    };
    talk.session.bind(bindings(secured.0.get_ref().1, &config.identity));
    if config.implicit_tls {
        talk.session.greet(&mut secured).await?;
    } else {
        talk.session.tls_started();
    }
    talk.run(&mut secured).await?;
    Ok(secured.0.shutdown().await?)
}

/// A connection as the session's output.
struct Stream<S>(S);

impl<S: AsyncWrite + Unpin + Send> Output for Stream<S> {
    async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        tokio::time::timeout(STALL, async {
            self.0.write_all(bytes).await?;
            self.0.flush().await
        })
        .await?
    }
}

const REVOKED: &[u8] = b"* BYE This login was revoked\r\n";

/// Returns when what let the client in stands no more; never for a client that is not in.
async fn revoked(standing: &mut Option<Standing>) {
    match standing {
        Some(standing) => standing.ended().await,
        None => std::future::pending().await,
    }
}

struct Talk {
    session: Session<Doorman>,
    doorman: Arc<Doorman>,
    /// What let the client in, once it is.
    standing: Option<Standing>,
    gateway: Arc<Gateway>,
    /// Until when somebody must have logged in.
    login_until: Instant,
    shutdown: CancellationToken,
}

impl Talk {
    /// Serves until the client leaves or asks for TLS.
    async fn run<S>(&mut self, stream: &mut Stream<S>) -> anyhow::Result<Flow>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let mut changes = self.gateway.mailboxes.watch();
        let mut input = BytesMut::with_capacity(16 * 1024);
        loop {
            let patience = match self.session.is_authenticated() {
                true => MEMBER,
                false => STRANGER.min(self.login_until.saturating_duration_since(Instant::now())),
            };
            let idle = self.session.is_idle();
            tokio::select! {
                read = tokio::time::timeout(patience, stream.0.read_buf(&mut input)) => {
                    let Ok(read) = read else {
                        stream.send(b"* BYE Nothing heard for too long\r\n").await?;
                        return Ok(Flow::Close);
                    };
                    if read? == 0 {
                        return Ok(Flow::Close);
                    }
                    if let Some(standing) = &mut self.standing
                        && !standing.stands().await
                    {
                        stream.send(REVOKED).await?;
                        return Ok(Flow::Close);
                    }
                    let flow = self.session.receive(&input, stream).await?;
                    input.clear();
                    self.log();
                    if self.standing.is_none() {
                        self.standing = self.doorman.standing.get().cloned();
                    }
                    if flow != Flow::Continue {
                        return Ok(flow);
                    }
                }
                () = revoked(&mut self.standing) => {
                    stream.send(REVOKED).await?;
                    return Ok(Flow::Close);
                }
                () = self.shutdown.cancelled() => {
                    stream.send(b"* BYE Server is shutting down\r\n").await?;
                    return Ok(Flow::Close);
                }
                changed = changes.recv(), if idle => {
                    // A receiver that lags has missed something: looking finds it.
                    let folder = self.session.selected_folder();
                    if changed.map_or(true, |c| Some(c.folder.0) == folder) {
                        self.session.changed(stream).await?;
                        self.log();
                    }
                }
                () = tokio::time::sleep(LOOK), if idle => {
                    self.session.changed(stream).await?;
                    self.log();
                }
            }
        }
    }

    fn log(&mut self) {
        for fault in self.session.take_faults() {
            tracing::error!(login = self.session.login().unwrap_or_default(), %fault, "IMAP");
        }
    }
}
