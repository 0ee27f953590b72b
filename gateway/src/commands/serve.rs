//! `sealpost serve`: runs until SIGTERM or SIGINT.

use super::{Answer, Unusable, clock, load};
use crate::config::unsupported;
use crate::gateway::Gateway;
use crate::service;
use anyhow::{Context, Result};
use std::path::Path;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Serves the configured installation.
pub async fn run(path: &Path) -> Result<Answer> {
    let config = load(path)?;
    let asked = unsupported(&config);
    if !asked.is_empty() {
        return Err(Unusable(asked.join("\n")).into());
    }
    if config.timestamp.url.is_none() {
        tracing::warn!("time-stamps come from the built-in authority alone, which is no independent witness");
    }
    let gateway = Gateway::open(config, clock()).await?;
    let shutdown = ended_by_signal()?;
    service::run(gateway, shutdown, || tracing::info!("ready")).await?;
    Ok(Answer::Done)
}

/// Cancelled by the first SIGTERM or SIGINT.
pub fn ended_by_signal() -> Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
    let cancelled = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        cancelled.cancel();
    });
    Ok(token)
}
