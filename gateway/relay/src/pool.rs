//! Connections kept for the next message, and how many one server gets at once.

use crate::config::{Smarthost, TlsMode};
use crate::connection::Connection;
use crate::dane::Pin;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Idle connections older than this are closed: servers hang up too, and ours is the polite way.
const IDLE: Duration = Duration::from_secs(20);
/// Messages on one connection; servers set such limits, and a fresh one spreads over their addresses.
const MESSAGES: u32 = 200;

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
        }))
    }

    /// Waits for the right to have a connection to `host`.
    pub(crate) async fn permit(&self, host: &Smarthost, urgent: bool) -> Option<OwnedSemaphorePermit> {
        let (ordinary, reserve) = self.with(host, |h| (h.ordinary.clone(), h.urgent.clone()));
        if !urgent {
            return ordinary.acquire_owned().await.ok();
        }
        match ordinary.try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) => reserve.acquire_owned().await.ok(),
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
