//! A queue on disk, a gateway that makes up content, and a relay between them and a sink.
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod sink;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sealpost_envelope::{BodyType, Clock, DsnNotify, EmailAddress, EntityId, FixedClock, Sha256Digest};
use sealpost_relay::{
    Content, Decision, Delivery, DeliveryError, LocalOutcome, Relay, RelayConfig, Report, Route, Smarthost,
    Target, TlsMode,
};
use sealpost_store::Db;
use sealpost_store::queue::{Composed, NewOutbound, Outbound, OutboundId, Priority, Queue, State};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub const ROW: &str =
    "From: a@example.org\r\n\r\n.leading dot, and text of an ordinary length for a mail line\r\n";

/// Content of `size` rows, digest included.
pub fn digest(rows: u64) -> Sha256Digest {
    Sha256Digest::of(ROW.repeat(rows as usize).as_bytes())
}

/// The gateway's side: content of as many rows as the spec says.
pub struct Gateway {
    queue: Queue,
    pub reports: Arc<Mutex<Vec<(String, Report)>>>,
    /// Outcomes that fail to be stored before the next one succeeds.
    pub unstored: AtomicU64,
}

impl Delivery for Gateway {
    async fn open(&self, item: &Outbound) -> Result<Content, DeliveryError> {
        if item.spec == "gone" {
            return Err(DeliveryError::Gone("revoked".into()));
        }
        let rows: u64 = item.spec.split(' ').next().unwrap().parse().unwrap();
        let breaks = item.spec.ends_with("breaks");
        let drips = item.spec.ends_with("drips");
        let chunks = (0..rows).map(move |n| match n {
            5 if breaks => Err(DeliveryError::Temporary("the blob store is away".into())),
            _ => Ok(Bytes::from_static(ROW.as_bytes())),
        });
        let stream = stream::iter(chunks).then(move |chunk| async move {
            if drips {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            chunk
        });
        Ok(Content {
            stream: stream.boxed(),
            size: rows * ROW.len() as u64,
            body: BodyType::SevenBit,
            smtputf8: false,
            reverse_path: item.envelope_from.clone(),
            ret_full: None,
            notify: DsnNotify::default(),
            orcpt: None,
            envid: None,
        })
    }
    async fn local(&self, item: &Outbound) -> Result<LocalOutcome, DeliveryError> {
        Ok(match item.rcpt.local() {
            "nobody" => LocalOutcome::Refused("no such mailbox here".into()),
            _ => LocalOutcome::Delivered,
        })
    }
    async fn outcome(&self, item: &Outbound, report: &Report) -> Result<(), DeliveryError> {
        if self.unstored.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
            return Err(DeliveryError::Temporary("the database is away".into()));
        }
        let stored = self.queue.settle(item.id, report.settlement(), Vec::new()).await;
        stored.map_err(|e| DeliveryError::Temporary(e.to_string()))?;
        self.reports.lock().unwrap().push((item.rcpt.to_string(), report.clone()));
        Ok(())
    }
}

pub struct Bench {
    pub queue: Queue,
    pub clock: Arc<FixedClock>,
    pub gateway: Arc<Gateway>,
    pub config: RelayConfig,
    _dir: tempfile::TempDir,
}

pub fn smarthost(port: u16, tls: TlsMode) -> Route {
    let host = Smarthost { tls, ..Smarthost::new("localhost", port) };
    Route { domains: vec!["*".into()], target: Target::Smarthost(host) }
}

impl Bench {
    pub async fn new(routes: Vec<Route>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&format!("sqlite:{}", dir.path().join("queue.db").display())).await.unwrap();
        let queue = Queue::new(db);
        let clock = Arc::new(FixedClock::new("2026-11-22T10:00:00Z".parse().unwrap()));
        let mut config = RelayConfig::new("client.example", "node");
        config.routes = routes;
        config.longest_wait = Duration::from_secs(5);
        let gateway =
            Arc::new(Gateway { queue: queue.clone(), reports: Arc::default(), unstored: AtomicU64::new(0) });
        Self { queue, clock, gateway, config, _dir: dir }
    }

    /// Puts a composed row into the queue.
    pub async fn add(&self, rcpt: &str, spec: &str, priority: Priority) -> OutboundId {
        let now = self.clock.now();
        let row = NewOutbound {
            id: OutboundId::generate(),
            entity: EntityId(1),
            deposit: None,
            recipient: None,
            priority,
            spec: spec.into(),
            envelope_from: Some(EmailAddress::parse("bounce@example.org").unwrap()),
            rcpt: EmailAddress::parse(rcpt).unwrap(),
            next_at: now,
            created: now,
            hold: None,
        };
        let id = row.id;
        self.queue.enqueue(vec![row], vec![]).await.unwrap();
        let composed = Composed { recipe: vec![0], size: 1, sha256: Sha256Digest::of(b"x"), rcpt: None };
        assert!(self.queue.set_recipe(id, composed, vec![]).await.unwrap());
        id
    }
    pub async fn mail(&self, rcpt: &str, spec: &str) -> OutboundId {
        self.add(rcpt, spec, Priority::Mail).await
    }

    pub fn start(&self) -> Running {
        let clock: Arc<dyn Clock> = self.clock.clone();
        let relay = Relay::new(self.config.clone(), self.queue.clone(), self.gateway.clone(), clock).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(relay.run(async move {
            let _ = stopped.await;
        }));
        Running { stop: Some(stop), task }
    }

    /// Waits for `count` reports.
    pub async fn reports(&self, count: usize) -> Vec<(String, Report)> {
        for _ in 0..1000 {
            let reports = self.gateway.reports.lock().unwrap().clone();
            if reports.len() >= count {
                return reports;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("only {:?}", self.gateway.reports.lock().unwrap());
    }
    pub async fn report(&self) -> Report {
        self.reports(1).await.remove(0).1
    }
    pub async fn state(&self, id: OutboundId) -> State {
        self.queue.get(id).await.unwrap().state
    }
}

pub struct Running {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    pub async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(10), &mut self.task)
            .await
            .expect("it stops in time")
            .unwrap();
    }
    /// As a crash would: nothing is given back.
    pub fn kill(self) {
        self.task.abort();
    }
}

pub fn is_retry(report: &Report) -> bool {
    matches!(report.decision, Decision::Retry(_))
}
