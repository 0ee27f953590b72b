//! The worker: claims rows, runs attempts, keeps claims alive, ends in good order.

use crate::attempt::Attempts;
use crate::config::{RelayConfig, Target, TlsMode};
use crate::delivery::{Decision, Delivery, Report};
use crate::mx::Exchangers;
use crate::pool::{Busy, Pool};
use crate::sts::PolicyCache;
use crate::tls::{Tls, TlsError};
use sealpost_envelope::Clock;
use sealpost_store::queue::{Outbound, Queue};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// A claim lasts this long unless renewed; a node that dies for good gives its rows up after it.
const LEASE: Duration = Duration::from_secs(300);
/// How often claims of attempts under way are renewed.
const RENEW: Duration = Duration::from_secs(100);
/// How often the queue is looked at without a call: other nodes' rows, retries that have become due.
const LOOK: Duration = Duration::from_secs(1);
/// How long places that become free are gathered before the next claim, which costs a commit.
const GATHER: Duration = Duration::from_millis(3);
/// How long attempts under way may take to end when the relay stops.
const GRACE: Duration = Duration::from_secs(5);
/// Waits between tries to store an outcome.
const STORE_WAITS: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(10),
    Duration::from_secs(30),
];

/// The relay of one process.
pub struct Relay<D> {
    inner: Arc<Inner<D>>,
}

struct Inner<D> {
    config: RelayConfig,
    queue: Queue,
    delivery: D,
    clock: Arc<dyn Clock>,
    tls: Tls,
    pool: Pool,
    exchangers: Option<Exchangers>,
}

impl<D> std::fmt::Debug for Relay<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

impl<D: Delivery> Relay<D> {
    /// Prepares the relay; refuses a configuration that could never send.
    pub fn new(
        config: RelayConfig,
        queue: Queue,
        delivery: D,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TlsError> {
        let tls = Tls::new(config.roots.clone(), None)?;
        for route in &config.routes {
            if let Target::Smarthost(host) = &route.target
                && matches!(host.tls, TlsMode::Required | TlsMode::Implicit)
            {
                host.own_tls.as_deref().unwrap_or(&tls).verified()?;
            }
        }
        let pool = Pool::new(config.per_host.max(1), config.urgent.max(1));
        let exchangers = config.dns.clone().map(|dns| Exchangers {
            dns,
            policies: PolicyCache::new(tls.verified().ok()),
            port: config.mx_port,
            hostname: config.hostname.to_ascii_lowercase(),
            results: config.tls_results.clone(),
        });
        Ok(Self { inner: Arc::new(Inner { config, queue, delivery, clock, tls, pool, exchangers }) })
    }

    /// Works until `shutdown` resolves; then lets attempts under way end, for some seconds, and gives all
    /// claims back.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let inner = &self.inner;
        inner.release().await;
        let mut lanes = Lanes { ordinary: JoinSet::new(), urgent: JoinSet::new(), closing: JoinSet::new() };
        tokio::pin!(shutdown);
        loop {
            self.claim(&mut lanes).await;
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(_) = lanes.ordinary.join_next() => lanes.gather().await,
                Some(_) = lanes.urgent.join_next() => lanes.gather().await,
                () = inner.queue.wait_ready(LOOK) => {}
            }
            for stale in inner.pool.stale(false) {
                lanes.closing.spawn(stale.quit());
            }
        }
        if timeout(GRACE, lanes.drain()).await.is_err() {
            tracing::info!("attempts under way are broken off; they will be made again");
            lanes.ordinary.shutdown().await;
            lanes.urgent.shutdown().await;
        }
        for idle in inner.pool.stale(true) {
            lanes.closing.spawn(idle.quit());
        }
        // Politeness towards idle connections has its limit.
        let _ = timeout(Duration::from_secs(1), lanes.closing.join_all()).await;
        inner.release().await;
    }

    /// Claims as many rows as there are free places and starts them. When all are taken, codes still overtake.
    async fn claim(&self, lanes: &mut Lanes) {
        let inner = &self.inner;
        let (config, now) = (&inner.config, inner.clock.now());
        let free = config.concurrency.max(1).saturating_sub(lanes.ordinary.len());
        let free_urgent = config.urgent.max(1).saturating_sub(lanes.urgent.len());
        let (claimed, lane) = if free > 0 {
            (inner.queue.claim_ready(&config.holder, now, LEASE, free).await, &mut lanes.ordinary)
        } else {
            (inner.queue.claim_urgent(&config.holder, now, LEASE, free_urgent).await, &mut lanes.urgent)
        };
        match claimed {
            Ok(rows) => {
                for row in rows {
                    lane.spawn(inner.clone().attempt(row));
                }
            }
            Err(e) => {
                tracing::error!(error = %e, "the queue cannot be read");
                sleep(LOOK).await;
            }
        }
    }
}

/// Attempts under way.
struct Lanes {
    ordinary: JoinSet<()>,
    /// For codes that come while the ordinary places are taken.
    urgent: JoinSet<()>,
    /// Connections saying good-bye.
    closing: JoinSet<()>,
}

impl Lanes {
    /// One attempt has ended: others end in the same moment, and one claim serves them all.
    async fn gather(&mut self) {
        sleep(GATHER).await;
        while self.ordinary.try_join_next().is_some() {}
        while self.urgent.try_join_next().is_some() {}
        while self.closing.try_join_next().is_some() {}
    }
    async fn drain(&mut self) {
        while self.ordinary.join_next().await.is_some() {}
        while self.urgent.join_next().await.is_some() {}
    }
}

impl<D: Delivery> Inner<D> {
    async fn release(&self) {
        match self.queue.release(&self.config.holder).await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "claims given back to the queue"),
            Err(e) => tracing::error!(error = %e, "claims could not be given back; they lapse by themselves"),
        }
    }

    async fn attempt(self: Arc<Self>, item: Outbound) {
        let attempts = Attempts {
            config: &self.config,
            tls: &self.tls,
            pool: &self.pool,
            delivery: &self.delivery,
            exchangers: self.exchangers.as_ref(),
        };
        let made = tokio::select! {
            made = attempts.make(&item, || self.clock.now()) => made,
            // Never resolves: renews the claim as long as the attempt lasts.
            never = self.keep_claim(&item) => match never {},
        };
        let report = match made {
            Ok(report) => report,
            Err(Busy(wait)) => return self.put_back(&item, wait).await,
        };
        // The gateway tells it with the deposit's reference, once it is recorded.
        tracing::debug!(
            outbound = %item.id, deposit = item.deposit.map(|d| d.to_string()), recipient = item.recipient,
            attempt = report.attempt, decision = ?report.decision, reply = report.text, "relay attempt"
        );
        self.store(&item, &report).await;
    }

    /// Others' mail gets the place; that was no attempt.
    async fn put_back(&self, item: &Outbound, wait: Duration) {
        let next_at = self.clock.now() + wait;
        if let Err(error) = self.queue.put_back(item.id, &self.config.holder, next_at).await {
            tracing::error!(outbound = %item.id, %error, "a row could not be put back; its claim lapses by itself");
        }
    }

    async fn keep_claim(&self, item: &Outbound) -> std::convert::Infallible {
        loop {
            sleep(RENEW).await;
            match self.queue.renew(item.id, &self.config.holder, self.clock.now(), LEASE).await {
                Ok(true) => {}
                Ok(false) => tracing::warn!(outbound = %item.id, "the claim was lost; the attempt goes on"),
                Err(e) => tracing::error!(outbound = %item.id, error = %e, "the claim could not be renewed"),
            }
        }
    }

    /// Keeps the outcome. A hand-over that is not recorded would be repeated, so this tries for a while.
    async fn store(&self, item: &Outbound, report: &Report) {
        for wait in STORE_WAITS.map(Some).into_iter().chain([None]) {
            match (self.delivery.outcome(item, report).await, wait) {
                (Ok(()), _) => return,
                (Err(e), Some(wait)) => {
                    tracing::warn!(outbound = %item.id, error = %e, "an outcome could not be stored; trying again");
                    sleep(wait).await;
                }
                (Err(e), None) => {
                    let sent = report.decision == Decision::Sent;
                    tracing::error!(outbound = %item.id, error = %e, sent, "an outcome is lost; the row will be claimed again");
                }
            }
        }
    }
}
