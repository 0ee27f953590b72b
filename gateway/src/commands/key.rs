//! `sealpost key rotate | list`: signing keys of the built-in authority.
//!
//! What an old key signed stays verifiable: seals carry their certificates, and the journal's old
//! certificates are kept in `authority/retired/`. See docs/decisions for what is not rotated, and why.

use super::{Answer, Unusable, clock, load, operated};
use crate::cli::KeyCommand;
use crate::config::Config;
use crate::credentials::{Credentials, retire};
use crate::gateway::{log_origin, open_store};
use anyhow::{Context, Result};
use sealpost_certs::Certificate;
use sealpost_envelope::EntityId;
use sealpost_evidence::Detail;
use sealpost_store::keys::KeyStore;
use std::path::Path;

/// Runs one of the commands.
pub async fn run(path: &Path, command: KeyCommand, json: bool) -> Result<Answer> {
    let config = load(path)?;
    match command {
        KeyCommand::Rotate { which } => rotate(&config, &which, json).await,
        KeyCommand::List => list(&config, json),
    }
}

async fn rotate(config: &Config, which: &[String], json: bool) -> Result<Answer> {
    let dir = config.store.keys.join("authority");
    let now = clock().now();
    let name = config.entity.first().map(|e| e.name.clone()).unwrap_or_default();
    let store = open_store(config, clock()).await?;
    if dir.join("journal.pem").exists() && dir.join("journal.key").exists() {
        // The log keeps its name whatever becomes of the key that it is named after.
        let credentials = Credentials::open(&dir, &name, now)?;
        store.keep_log_origin(&log_origin(&store, &credentials).await?).await?;
    } else if store.log_origin().await?.is_none() {
        return Err(Unusable(format!("{}: journal.key or journal.pem is missing", dir.display())).into());
    }
    let wanted = |stem: &str| {
        which.iter().any(|w| match w.as_str() {
            "seal" => stem.starts_with("evidence-"),
            other => stem == other,
        })
    };
    let replaced = retire(&dir, wanted, now)?;
    let credentials = Credentials::open(&dir, &name, now)?;
    for entity in &config.entity {
        credentials.evidence(entity, now)?;
    }
    let detail = Detail::new().text("change", "keys replaced").list("keys", replaced.clone());
    store.record(operated(EntityId(1), detail)?).await?;
    if json {
        say!("{}", serde_json::json!({ "replaced": replaced }));
    } else {
        for name in &replaced {
            say!("replaced {name}");
        }
        say!("Restart the gateway: until then it signs with the old keys. Make a new copy of the keys.");
    }
    Ok(if replaced.is_empty() { Answer::Negative } else { Answer::Done })
}

fn list(config: &Config, json: bool) -> Result<Answer> {
    let dir = config.store.keys.join("authority");
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(&dir).with_context(|| format!("read {}", dir.display()))?.flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|e| e != "pem") {
            continue;
        }
        let Some(first) = Certificate::load(&path)?.into_iter().next() else { continue };
        let name = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default().to_owned();
        lines.push((name, first.not_after()));
    }
    lines.sort();
    let weeks = KeyStore::open(&config.store.keys)?.weeks()?;
    if json {
        let certificates: Vec<_> =
            lines.iter().map(|(name, end)| serde_json::json!({ "name": name, "ends": end })).collect();
        say!("{}", serde_json::json!({ "certificates": certificates, "weeks": weeks }));
        return Ok(Answer::Done);
    }
    for (name, end) in &lines {
        say!("{name:<48} until {end}");
    }
    for week in &weeks {
        say!("{:<48} content that ends in that week", format!("week-{week}"));
    }
    Ok(Answer::Done)
}
