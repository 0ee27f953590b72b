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

/// All connections that one server gets are taken, and it is slow to end with them.
#[derive(Debug)]
pub(crate) struct Busy;

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
        }))
    }

    /// The right to have a connection to `host`. Waits a little for it, and not at all while the server is known to
    /// be slow: who waits here keeps a place that mail to everybody else needs.
    pub(crate) async fn permit(&self, host: &Smarthost, urgent: bool) -> Result<OwnedSemaphorePermit, Busy> {
        let (ordinary, reserve, slow) = self.with(host, |h| (h.ordinary.clone(), h.urgent.clone(), h.slow));
        let places = match ordinary.clone().try_acquire_owned() {
            Ok(permit) => return Ok(permit),
            Err(_) if urgent => reserve,
            Err(_) => ordinary,
        };
        if slow.is_some_and(|until| until > Instant::now()) {
            return places.try_acquire_owned().map_err(|_| Busy);
        }
        match timeout(PATIENCE, places.acquire_owned()).await {
            Ok(permit) => permit.map_err(|_| Busy),
            Err(_) => {
                self.with(host, |h| h.slow = Some(Instant::now() + SLOW));
                Err(Busy)
            }
        }
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
