//! Connections: TLS, HTTP/1.1 and HTTP/2 by ALPN, limits of time and number.
//!
//! **Exposure.** Faces strangers before anything is known of them. A handshake, a request's head and idle
//! keep-alive connections are bounded in time; an open connection costs one task and small buffers.
//!
//! **Failure.** A failing connection ends itself and nothing else. On shutdown running responses end first.

use crate::stall::StallGuard;
use axum::Router;
use axum::extract::ConnectInfo;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Bounds of a listener.
#[derive(Debug, Clone, Copy)]
pub struct ServeLimits {
    /// Connections at the same time.
    pub connections: usize,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For a request's head, and for idle connections.
    pub head: Duration,
    /// For a client that stopped reading what it is being sent.
    pub stall: Duration,
    /// For running responses once shutdown began.
    pub drain: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            connections: 1000,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(30),
            stall: Duration::from_secs(120),
            drain: Duration::from_secs(7),
        }
    }
}

/// Serves `router` on `listener` until `shutdown`, over TLS where an acceptor is given. The acceptor's
/// configuration should offer ALPN `h2` and `http/1.1`. Requests carry `ConnectInfo<SocketAddr>`.
pub async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: ServeLimits,
    shutdown: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
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
        let (tls, router, watcher) = (tls.clone(), router.clone(), graceful.watcher());
        tokio::spawn(async move {
            match tls {
                None => speak(socket, peer, router, limits, watcher).await,
                Some(tls) => match tokio::time::timeout(limits.handshake, tls.accept(socket)).await {
                    Ok(Ok(stream)) => speak(stream, peer, router, limits, watcher).await,
                    Ok(Err(error)) => tracing::debug!(%error, "TLS handshake"),
                    Err(_) => tracing::debug!("TLS handshake took too long"),
                },
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("some downloads were cut by the shutdown");
    }
}

async fn speak<S>(
    stream: S,
    peer: SocketAddr,
    router: Router,
    limits: ServeLimits,
    watcher: hyper_util::server::graceful::Watcher,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
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
    let service = router.map_request(move |mut request: http::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.map(axum::body::Body::new)
    });
    let connection = builder
        .serve_connection(
            TokioIo::new(StallGuard::new(stream, limits.stall)),
            TowerToHyperService::new(service),
        )
        .into_owned();
    if let Err(error) = watcher.watch(connection).await {
        // Never with the request: its path may hold a link token.
        tracing::debug!(error = %root(&*error), "web connection");
    }
}

fn root<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error
}
