//! Connections kept for the next message, and how many one server gets at once.

use crate::config::{Smarthost, TlsMode};
use crate::connection::Connection;
use crate::dane::Pin;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Idle connections older than this are closed: servers hang up too, and ours is the polite way.
const IDLE: Duration = Duration::from_secs(20);
/// Messages on one connection; servers set such limits, and a fresh one spreads over their addresses.
const MESSAGES: u32 = 200;

/// How long mail waits for one of a server's connections before others' mail gets its place.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long nobody waits for a server whose connections did not become free in time.
const SLOW: Duration = Duration::from_secs(30);

/// All connections that one server gets are taken, and it is slow to end with them; when to come again.
#[derive(Debug)]
pub(crate) struct Busy(pub Duration);

/// How long a code waits that found even the reserve taken.
const CODE: Duration = Duration::from_secs(1);

/// What makes connections interchangeable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    host: String,
    port: u16,
    tls: TlsMode,
    login: Option<String>,
    pins: Option<Arc<[Pin]>>,
    /// Which of the routes' own settings, by their place in memory.
    own_tls: Option<usize>,
}

impl Key {
    fn of(host: &Smarthost) -> Self {
        Self {
            host: host.host.clone(),
            port: host.port,
            tls: host.tls,
            login: host.credentials.as_ref().map(|c| c.0.clone()),
            pins: host.pins.clone(),
            own_tls: host.own_tls.as_ref().map(|tls| Arc::as_ptr(tls).addr()),
        }
    }
}

struct Host {
    /// Connections for ordinary mail.
    ordinary: Arc<Semaphore>,
    /// Kept free for codes, so that large mail never delays them.
    urgent: Arc<Semaphore>,
    idle: Vec<Connection>,
    /// Until when it counts as slow.
    slow: Option<Instant>,
    /// When the next row that found no connection comes again: one after the other, so that there is always one for a
    /// connection that becomes free.
    next: Instant,
}

/// All servers' connections.
pub(crate) struct Pool {
    per_host: usize,
    per_host_urgent: usize,
    hosts: Mutex<HashMap<Key, Host>>,
}

impl Pool {
    pub(crate) fn new(per_host: usize, per_host_urgent: usize) -> Self {
        Self { per_host, per_host_urgent, hosts: Mutex::default() }
    }

    fn with<T>(&self, host: &Smarthost, act: impl FnOnce(&mut Host) -> T) -> T {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        act(hosts.entry(Key::of(host)).or_insert_with(|| Host {
            ordinary: Arc::new(Semaphore::new(self.per_host)),
            urgent: Arc::new(Semaphore::new(self.per_host_urgent)),
            idle: Vec::new(),
            slow: None,
            next: Instant::now(),
        }))
    }

    /// The right to have a connection to `host`. Waits a little for it, and not at all while the server is known to
    /// be slow: who waits here keeps a place that mail to everybody else needs.
    pub(crate) async fn permit(&self, host: &Smarthost, urgent: bool) -> Result<OwnedSemaphorePermit, Busy> {
        let (ordinary, reserve, slow) = self.with(host, |h| (h.ordinary.clone(), h.urgent.clone(), h.slow));
        if let Ok(permit) = ordinary.clone().try_acquire_owned() {
            return Ok(permit);
        }
        if urgent {
            let got = timeout(PATIENCE, reserve.acquire_owned()).await;
            return got.ok().and_then(Result::ok).ok_or(Busy(CODE));
        }
        if slow.is_none_or(|until| until <= Instant::now()) {
            if let Ok(Ok(permit)) = timeout(PATIENCE, ordinary.acquire_owned()).await {
                return Ok(permit);
            }
            self.with(host, |h| h.slow = Some(Instant::now() + SLOW));
        }
        Err(self.later(host))
    }

    fn later(&self, host: &Smarthost) -> Busy {
        let apart = PATIENCE / u32::try_from(self.per_host).unwrap_or(u32::MAX).max(1);
        self.with(host, |h| {
            let now = Instant::now();
            h.next = h.next.max(now + CODE) + apart;
            Busy(h.next - now)
        })
    }

    /// An idle connection, the latest used first.
    pub(crate) fn take(&self, host: &Smarthost) -> Option<Connection> {
        self.with(host, |h| h.idle.pop()).filter(|c| c.used.elapsed() < IDLE)
    }

    /// Keeps a connection for the next message, or hands back what should be closed.
    pub(crate) fn put(&self, host: &Smarthost, connection: Connection) -> Option<Connection> {
        if connection.messages >= MESSAGES {
            return Some(connection);
        }
        self.with(host, |h| h.idle.push(connection));
        None
    }

    /// Takes out what has been idle for too long; everything when `all`.
    pub(crate) fn stale(&self, all: bool) -> Vec<Connection> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stale = Vec::new();
        for host in hosts.values_mut() {
            stale.extend(host.idle.extract_if(.., |c| all || c.used.elapsed() >= IDLE));
        }
        stale
    }
}
