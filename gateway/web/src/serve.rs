//! Connections: TLS, HTTP/1.1 and HTTP/2 by ALPN, limits of time and number.
//!
//! **Exposure.** Faces strangers before anything is known of them. A handshake, the time to the first request, a request's
//! head, connections without requests and requests left hanging ([`crate::idle`]) are bounded in time, whatever else
//! arrives; an open connection costs one task and small buffers.
//!
//! **Failure.** A failing connection ends itself and nothing else; one too many of an address is closed
//! unheard. On shutdown running responses end first; those that take too long are cut, and what they sent
//! is still recorded.

use crate::idle::{Idle, Overstay};
use crate::stall::StallGuard;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use futures_util::future::BoxFuture;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::error::Elapsed;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// Bounds of a listener.
#[derive(Debug, Clone, Copy)]
pub struct ServeLimits {
    /// Connections at the same time.
    pub connections: usize,
    /// Connections of one address (of one /64 of IPv6) at the same time.
    pub per_address: usize,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For a request's head, and for connections without requests.
    pub head: Duration,
    /// For a client that stopped reading what it is being sent, or sending what it announced.
    pub stall: Duration,
    /// For running responses once shutdown began.
    pub drain: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            connections: 1000,
            per_address: 50,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(30),
            stall: Duration::from_secs(120),
            drain: Duration::from_secs(6),
        }
    }
}

/// Finds out whose a connection is that came from this address, before anything else of it is read: the address itself,
/// or whom a balancer speaks for. `None` ends the connection.
pub type Introduce =
    Arc<dyn Fn(TcpStream, SocketAddr) -> BoxFuture<'static, Option<(TcpStream, SocketAddr)>> + Send + Sync>;

/// Where connections come from.
pub struct Front {
    /// The socket.
    pub listener: TcpListener,
    /// Who is believed about whose connection it is.
    pub introduce: Option<Introduce>,
    /// Should offer ALPN `h2` and `http/1.1`.
    pub tls: Option<TlsAcceptor>,
}

/// Serves `router` on a listener until `shutdown`. Requests carry `ConnectInfo<SocketAddr>`.
pub async fn serve(
    Front { listener, introduce, tls }: Front,
    router: Router,
    limits: ServeLimits,
    shutdown: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let guests = Guests::default();
    let (running, cut) = (TaskTracker::new(), CancellationToken::new());
    loop {
        let place = tokio::select! {
            () = shutdown.cancelled() => break,
            // Full: the kernel's backlog waits for us.
            place = places.clone().acquire_owned() => match place {
                Ok(place) => place,
                Err(_) => break,
            },
        };
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (socket, peer) = match accepted {
            Ok(pair) => pair,
            Err(error) => {
                // Out of file descriptors, usually: waiting lets connections end.
                tracing::warn!(%error, "accepting a web connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // Without it small answers wait for the peer's delayed acknowledgement.
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY");
        }
        let (tls, router, ending) = (tls.clone(), router.clone(), shutdown.clone());
        let (introduce, guests) = (introduce.clone(), guests.clone());
        let conversation = async move {
            let introduced = match introduce {
                Some(introduce) => ending.run_until_cancelled(introduce(socket, peer)).await.flatten(),
                None => Some((socket, peer)),
            };
            let Some((socket, peer)) = introduced else { return };
            let Some(guest) = guests.enter(peer.ip(), limits.per_address) else {
                tracing::debug!(%peer, "too many connections of one address");
                return;
            };
            match tls {
                None => speak(socket, (peer, None), router, limits, &ending).await,
                Some(tls) => match ending.run_until_cancelled(shake(&tls, socket, limits)).await {
                    Some(Ok(Ok(stream))) => {
                        let handshake = Handshake::of(stream.get_ref().1);
                        speak(stream, (peer, Some(handshake)), router, limits, &ending).await
                    }
                    Some(Ok(Err(error))) => tracing::debug!(%error, "TLS handshake"),
                    Some(Err(_)) => tracing::debug!("TLS handshake took too long"),
                    None => {}
                },
            }
            drop((place, guest));
        };
        let cut = cut.clone();
        running.spawn(async move { cut.run_until_cancelled(conversation).await });
    }
    drop(listener);
    running.close();
    if tokio::time::timeout(limits.drain, running.wait()).await.is_err() {
        tracing::warn!("some downloads were cut by the shutdown");
    }
    // Dropping a response records what it sent: see `WebState::finish`.
    cut.cancel();
    running.wait().await;
}

/// What TLS told about a client, for those who serve where certificates are asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Handshake {
    /// Name the client asked for (RFC 6066 §3).
    pub(crate) sni: Option<Arc<str>>,
    /// What it presented, its own certificate first; it holds that one's key. Believed by nobody yet.
    pub(crate) certificates: Arc<[Vec<u8>]>,
}

impl Handshake {
    fn of(connection: &tokio_rustls::rustls::ServerConnection) -> Self {
        let certificates = connection.peer_certificates().unwrap_or_default();
        Self {
            sni: connection.server_name().map(Arc::from),
            certificates: certificates.iter().map(|c| c.to_vec()).collect(),
        }
    }
}

/// Connections by address.
#[derive(Debug, Clone, Default)]
struct Guests(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A counted connection; gives its place back when dropped.
struct Guest {
    of: Guests,
    address: IpAddr,
}

impl Guests {
    fn enter(&self, address: IpAddr, at_most: usize) -> Option<Guest> {
        let address = network(address);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = counts.get(&address).copied().unwrap_or(0);
        if mine >= at_most {
            return None;
        }
        counts.insert(address, mine + 1);
        Some(Guest { of: self.clone(), address })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut counts = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.get_mut(&self.address) {
            Some(mine) if *mine > 1 => *mine -= 1,
            _ => drop(counts.remove(&self.address)),
        }
    }
}

/// One host owns a /64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let mut octets = v6.octets();
            octets[8..].fill(0);
            IpAddr::from(octets)
        }
        v4 => v4,
    }
}

async fn speak<S>(
    stream: S,
    (peer, handshake): (SocketAddr, Option<Handshake>),
    router: Router,
    limits: ServeLimits,
    shutdown: &CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let idle = Idle::new();
    let requests = idle.clone();
    let service = hyper::service::service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        if let Some(handshake) = &handshake {
            request.extensions_mut().insert(handshake.clone());
        }
        let (router, exchange) = (router.clone(), requests.begin());
        let request = request.map(|body| Body::new(exchange.taking(body)));
        async move {
            let turn = exchange.handling();
            let response = router.oneshot(request).await?;
            drop(turn);
            Ok::<_, Infallible>(response.map(|body| exchange.giving(body)))
        }
    });
    let builder = versions(limits);
    let guarded = TokioIo::new(StallGuard::new(stream, limits.stall));
    let mut connection = pin!(builder.serve_connection(guarded, service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        left = idle.overstayed(limits.head, limits.stall) => {
            tracing::debug!(?left, "web connection");
            if left == Overstay::Hanging {
                return;
            }
            connection.as_mut().graceful_shutdown();
            // What was asked meanwhile, or answered, may still be on its way.
            tokio::select! {
                ended = connection.as_mut() => ended,
                _ = idle.overstayed(limits.stall, limits.stall) => return,
            }
        }
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // Never with the request: its path may hold a link token.
        tracing::debug!(error = %root(&*error), "web connection");
    }
}

/// HTTP/1.1 and HTTP/2, within bounds.
fn versions(limits: ServeLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(64 * 1024)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(64)
        .max_header_list_size(16 * 1024)
        // Downloads: the default 64 KiB window would bound them by latency.
        .adaptive_window(true)
        .keep_alive_interval(limits.head)
        .keep_alive_timeout(limits.head);
    builder
}

async fn shake(
    tls: &TlsAcceptor,
    socket: TcpStream,
    limits: ServeLimits,
) -> Result<std::io::Result<TlsStream<TcpStream>>, Elapsed> {
    tokio::time::timeout(limits.handshake, tls.accept(socket)).await
}

fn root<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_an_address_come_back() {
        let guests = Guests::default();
        let (a, b): (IpAddr, IpAddr) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        let first = guests.enter(a, 2).unwrap();
        let _second = guests.enter(b, 2).unwrap();
        assert!(guests.enter(a, 2).is_none(), "one /64");
        assert!(guests.enter("192.0.2.1".parse().unwrap(), 2).is_some());
        drop(first);
        assert!(guests.enter(b, 2).is_some());
    }
}
