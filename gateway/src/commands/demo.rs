//! `sealpost demo`: a whole installation in one directory, on 127.0.0.1, for both sides of the story.
//!
//! **Failure.** A port that is taken is named with its setting; nothing is half started.

use super::serve::ended_by_signal;
use super::{Answer, clock, load};
use crate::cli::DemoArgs;
use crate::demo::{self, Demo};
use crate::gateway::Gateway;
use crate::service;
use anyhow::{Context, Result};
use tokio::sync::oneshot;

/// Prepares on first use, serves, deposits the sample, and tells how to play.
pub async fn run(args: DemoArgs) -> Result<Answer> {
    std::fs::create_dir_all(&args.dir).with_context(|| format!("create {}", args.dir.display()))?;
    let dir = std::path::absolute(&args.dir)?;
    let demo = Demo::prepare(&dir, args.offset, args.smarthost.as_deref(), clock().now())?;
    demo.withdraw()?;
    let gateway = Gateway::open(load(&demo.config_file())?, clock()).await?;
    let secrets = demo.ensure_accounts(&gateway).await?;
    let shutdown = ended_by_signal()?;
    let (ready, is_ready) = oneshot::channel();
    let serving = tokio::spawn(service::run(gateway.clone(), shutdown.clone(), move || {
        // The other end is gone only when this function has returned.
        let _ = ready.send(());
    }));
    if is_ready.await.is_ok() {
        let sample = match args.no_sample {
            true => None,
            false => {
                Some(demo::sample::ensure(&demo, &gateway, &secrets).await.context("the sample message")?)
            }
        };
        demo.announce(&secrets, sample.as_ref())?;
    }
    serving.await??;
    Ok(Answer::Done)
}
