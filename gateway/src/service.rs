//! A running gateway: its listeners and background tasks, from start to orderly end.
//!
//! **Job.** [`run`] binds everything the configuration names, starts the stages' tasks, calls back when all
//! is ready, and ends in order: first no new connections and no new attempts, then running sessions, then
//! the last round of sealing. Nothing of it waits for a stranger for ever: [`SESSIONS`] and [`SEALING`].
//!
//! **Failure.** What cannot be bound is named with its setting, before anything is served.

use crate::cards::{self, Cards};
use crate::config;
use crate::gateway::Gateway;
use crate::listeners::limits::{Connections, make_room_for};
use crate::listeners::proxy::Balancers;
use crate::listeners::smtp::{self, Receptionist, SmtpListener, Times};
use crate::listeners::{bind, card, imap, tls};
use crate::pipeline::handover::Handover;
use crate::pipeline::inbound::InboundDesk;
use crate::pipeline::submission::SubmissionDesk;
use crate::pipeline::{
    alerts, anchor, composition, folders, housekeeping, observation, polling, revocation, seal, search,
    tlsreport, webhooks,
};
use crate::{routes, site};
use anyhow::Result;
use axum::Router;
use sealpost_relay::Relay;
use sealpost_relay::tlsrpt::TlsResults;
use sealpost_smtp::server::{Kind, Limits, ServerConfig, TlsState};
use sealpost_web::Front;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Serves until `shutdown`. `ready` is called once every listener accepts.
pub async fn run(
    gateway: Arc<Gateway>,
    shutdown: CancellationToken,
    ready: impl FnOnce() + Send,
) -> Result<()> {
    let listen = &gateway.config.listen;
    // The mail listeners have that many together, each web listener as many of its own.
    let webs = [listen.https, listen.card, listen.admin].iter().flatten().count() as u32;
    make_room_for(gateway.config.limits.connections.saturating_mul(1 + webs));
    let fronts = Fronts::new(gateway.clone(), shutdown.clone())?;
    fronts.open().await?;
    gateway.record_start().await?;
    let stages = start_stages(&gateway, &shutdown)?;
    // Sealing ends after all others, so that what was accepted at the last moment is still sealed.
    let (sealing, stop_sealing) = (TaskTracker::new(), CancellationToken::new());
    sealing.spawn(seal::run(gateway.clone(), gateway.holder(), stop_sealing.clone()));
    ready();
    fronts.serve_until_shutdown().await?;
    stages.close();
    let sessions = async { tokio::join!(fronts.close(), stages.wait()) };
    if timeout(SESSIONS, sessions).await.is_err() {
        tracing::warn!("some sessions are cut by the shutdown; nothing of theirs was acknowledged");
    }
    stop_sealing.cancel();
    sealing.close();
    if timeout(SEALING, sealing.wait()).await.is_err() {
        tracing::warn!("the last round of sealing is left to the next start");
    }
    if let Err(error) = gateway.accounts.flush_uses().await {
        tracing::warn!(%error, "writing the accounts' last use");
    }
    Ok(())
}

/// How long running sessions and attempts may take to end; with [`SEALING`] it stays below the ten seconds
/// within which `serve` ends.
const SESSIONS: Duration = Duration::from_millis(7000);
/// How long the last round of sealing may take.
const SEALING: Duration = Duration::from_millis(1500);

/// Everything that accepts connections.
struct Fronts {
    gateway: Arc<Gateway>,
    shutdown: CancellationToken,
    connections: Arc<Connections>,
    balancers: Balancers,
    identity: Arc<tls::Identity>,
    mail_tls: TlsAcceptor,
    web_tls: TlsAcceptor,
    web: sealpost_web::WebState,
    cards: Option<Arc<Cards>>,
    tasks: TaskTracker,
}

impl Fronts {
    fn new(gateway: Arc<Gateway>, shutdown: CancellationToken) -> Result<Self> {
        let config = &gateway.config;
        let identity = tls::Identity::load(&config.tls.cert, &config.tls.key)?;
        Ok(Self {
            connections: Connections::new(config.limits.connections, config.limits.connections_per_address),
            balancers: Balancers::new(&config.listen.balancers),
            mail_tls: tls::server_config(&identity, &[])?.into(),
            web_tls: tls::server_config(&identity, &["h2", "http/1.1"])?.into(),
            web: site::state(&gateway)?,
            cards: match config.listen.card {
                Some(_) => Some(Cards::open(&config.gate.card, gateway.clock.clone())?),
                None => None,
            },
            tasks: TaskTracker::new(),
            identity,
            gateway,
            shutdown,
        })
    }

    /// Binds all, then serves all: a taken port is found before the first client is let in.
    async fn open(&self) -> Result<()> {
        let listen = &self.gateway.config.listen;
        let submission = optional("listen.submission", listen.submission).await?;
        let submissions = optional("listen.submissions", listen.submissions).await?;
        let inbound = optional("listen.inbound", listen.inbound).await?;
        let relay = optional("listen.relay", listen.relay).await?;
        let imap = optional("listen.imap", listen.imap).await?;
        let imaps = optional("listen.imaps", listen.imaps).await?;
        let https = optional("listen.https", listen.https).await?;
        let card = optional("listen.card", listen.card).await?;
        let admin = optional("listen.admin", listen.admin).await?;

        let desk = SubmissionDesk { gateway: self.gateway.clone(), servers: false };
        let servers = SubmissionDesk { gateway: self.gateway.clone(), servers: true };
        self.smtp(submission, Kind::Submission, false, desk.clone());
        self.smtp(submissions, Kind::Submission, true, desk);
        self.smtp(inbound, Kind::Inbound, false, InboundDesk { gateway: self.gateway.clone() });
        self.smtp(relay, Kind::TrustedRelay, false, servers);
        self.imap(imap, false);
        self.imap(imaps, true);
        if let Some(listener) = https {
            let router = site::router(&self.gateway, &self.web)?;
            self.web(listener, Some(self.web_tls.clone()), router);
        }
        if let (Some(listener), Some(cards)) = (card, &self.cards) {
            self.card(listener, cards)?;
        }
        if let Some(listener) = admin {
            let router = site::admin_router(&self.gateway);
            self.web(listener, None, router);
        }
        Ok(())
    }

    /// Reloads on SIGHUP; a file that is wrong leaves the old one in force and says so.
    async fn serve_until_shutdown(&self) -> Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => return Ok(()),
                _ = hangup.recv() => match self.reload().await {
                    Ok(()) => tracing::info!("rules, certificates and trust were reloaded"),
                    Err(error) => tracing::error!("not reloaded, the old configuration stays in force: {error:#}"),
                }
            }
        }
    }

    async fn reload(&self) -> Result<()> {
        let fresh = config::load(&self.gateway.config.file)?;
        if let Some(first) = config::unsupported(&fresh).first() {
            anyhow::bail!("{first}");
        }
        self.gateway.reload(&fresh).await?;
        if let Some(cards) = &self.cards {
            cards.reload(&fresh.gate.card).await?;
        }
        self.identity.reload(&fresh.tls.cert, &fresh.tls.key)
    }

    fn smtp<R: Receptionist>(&self, listener: Option<TcpListener>, kind: Kind, implicit_tls: bool, desk: R) {
        let Some(listener) = listener else { return };
        let limits = &self.gateway.config.limits;
        let hostname = self.gateway.hostname().to_owned();
        let session = ServerConfig {
            limits: Limits {
                recipients: limits.recipients as usize,
                message: (limits.message_size.0 > 0).then_some(limits.message_size.0),
                header: limits.header_bytes.0,
                errors: limits.errors_per_session,
                idle_commands: limits.commands_per_session,
                ..Limits::default()
            },
            ..ServerConfig::new(kind, hostname, TlsState::Offered)
        };
        let times = Times {
            command: limits.command_timeout.duration(),
            data: limits.data_timeout.duration(),
            per_minute: limits.data_per_minute.0,
        };
        let config = SmtpListener {
            session,
            implicit_tls,
            tls: self.mail_tls.clone(),
            identity: self.identity.clone(),
            balancers: self.balancers.clone(),
            times,
            connections: self.connections.clone(),
            desk,
        };
        self.tasks.spawn(smtp::serve(listener, config, self.shutdown.clone()));
    }

    /// Pages. Clients come through balancers over TLS only: what is served without it is for this host.
    fn web(&self, listener: TcpListener, tls: Option<TlsAcceptor>, router: Router) {
        let introduce = tls.as_ref().and_then(|_| self.balancers.introduce());
        let (front, limits) = (Front { listener, introduce, tls }, site::serve_limits(&self.gateway.config));
        self.tasks.spawn(sealpost_web::serve(front, router, limits, self.shutdown.clone()));
    }

    /// The pages that read cards, with TLS of their own.
    fn card(&self, listener: TcpListener, cards: &Arc<Cards>) -> Result<()> {
        let config = &self.gateway.config;
        let tls = card::server_config(&self.identity, cards, config.gate.card.tls)?;
        let router = sealpost_web::card_router(self.web.clone(), cards.clone());
        self.web(listener, Some(tls.into()), router);
        self.tasks.spawn(cards::run(cards.clone(), self.shutdown.clone()));
        Ok(())
    }

    fn imap(&self, listener: Option<TcpListener>, implicit_tls: bool) {
        let Some(listener) = listener else { return };
        let config = imap::ImapListener {
            gateway: self.gateway.clone(),
            implicit_tls,
            tls: self.mail_tls.clone(),
            identity: self.identity.clone(),
            balancers: self.balancers.clone(),
            connections: self.connections.clone(),
        };
        self.tasks.spawn(imap::serve(listener, config, self.shutdown.clone()));
    }

    async fn close(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.web.finish().await;
    }
}

async fn optional(setting: &str, address: Option<SocketAddr>) -> Result<Option<TcpListener>> {
    match address {
        Some(address) => Ok(Some(bind(setting, address).await?)),
        None => Ok(None),
    }
}

/// Time between two writings of the accounts' last use.
const USES: Duration = Duration::from_secs(60);

/// Composition, relay and housekeeping.
fn start_stages(gateway: &Arc<Gateway>, stop: &CancellationToken) -> Result<TaskTracker> {
    let stages = TaskTracker::new();
    let holder = gateway.holder();
    stages.spawn(composition::run(gateway.clone(), holder.clone(), stop.clone()));
    stages.spawn(crate::sms::run(gateway.clone(), stop.clone()));
    stages.spawn(anchor::run(gateway.clone(), format!("{holder}/anchor"), stop.clone()));
    stages.spawn(revocation::run(gateway.clone(), format!("{holder}/revocation"), stop.clone()));
    stages.spawn(housekeeping::run(gateway.clone(), holder.clone(), stop.clone()));
    stages.spawn(folders::run(gateway.clone(), holder.clone(), stop.clone()));
    stages.spawn(search::run(gateway.clone(), holder.clone(), stop.clone()));
    webhooks::start(gateway, stop)?.into_iter().for_each(|task| drop(stages.spawn(task)));
    polling::start(gateway, stop)?.into_iter().for_each(|task| drop(stages.spawn(task)));
    stages.spawn(alerts::run(gateway.clone(), holder.clone(), stop.clone()));
    stages.spawn(observation::run(gateway.clone(), stop.clone()));
    let mut config = routes::relay_config(gateway, holder.clone())?;
    if let Some(dns) = config.dns.clone().filter(|_| gateway.config.relay.tls_reports) {
        let results = Arc::new(TlsResults::new(gateway.clock.clone()));
        config.tls_results = Some(results.clone());
        stages.spawn(tlsreport::run(gateway.clone(), results, dns, holder, stop.clone()));
    }
    let relay = Relay::new(
        config,
        gateway.queue.clone(),
        Handover { gateway: gateway.clone() },
        gateway.clock.clone(),
    )?;
    let stopped = stop.clone();
    stages.spawn(async move { relay.run(stopped.cancelled_owned()).await });
    let (gateway, stopped) = (gateway.clone(), stop.clone());
    stages.spawn(async move {
        while stopped.run_until_cancelled(tokio::time::sleep(USES)).await.is_some() {
            if let Err(error) = gateway.accounts.flush_uses().await {
                tracing::warn!(%error, "writing the accounts' last use");
            }
        }
    });
    Ok(stages)
}
