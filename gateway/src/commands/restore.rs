//! `sealpost restore DIR`: a backup into an empty installation whose keys are there; or, with `--keys`, the
//! keys themselves from their sealed copy, first.
//!
//! Afterwards: outgoing mail is held until somebody looks at it, what the keys' tombstones say was destroyed
//! since is destroyed again, folders have a new UIDVALIDITY, and a new log has begun with LogRestarted.

use super::backup::{SEALED, secret};
use super::{Answer, Unusable, clock, load};
use crate::cli::RestoreArgs;
use crate::config::Config;
use crate::credentials::Credentials;
use crate::gateway::{Gateway, first_log, store_config};
use crate::pipeline::housekeeping::Housekeeping;
use crate::pipeline::seal;
use anyhow::{Context, Result};
use sealpost_envelope::{EntityId, Secret, Timestamp, hex};
use sealpost_evidence::{Actor, BuiltEvent, Detail, Event, EventName, Issuer, render};
use sealpost_store::StoreError;
use sealpost_store::backup::{self, BackupError, Manifest, OldLog};
use sealpost_store::keys::{KeyStore, sealed};
use std::path::Path;

/// Runs the command.
pub async fn run(path: &Path, args: RestoreArgs, json: bool) -> Result<Answer> {
    let config = load(path)?;
    match args.keys {
        true => keys(&config, &args, json),
        false => data(config, &args.dir, json).await,
    }
}

fn keys(config: &Config, args: &RestoreArgs, json: bool) -> Result<Answer> {
    let passphrase = match &args.passphrase {
        Some(source) => secret(source)?,
        None => {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).context("read the passphrase")?;
            Secret::new(line.trim().to_owned())
        }
    };
    let file = if args.dir.is_dir() { args.dir.join(SEALED) } else { args.dir.clone() };
    let count = match sealed::unseal(&file, &config.store.keys, &passphrase) {
        Err(sealed::SealedError::Refused(_)) => {
            eprintln!("{}: the passphrase is wrong, or the file was changed", file.display());
            return Ok(Answer::Negative);
        }
        Err(error @ sealed::SealedError::NotEmpty(_)) => return Err(Unusable(error.to_string()).into()),
        other => other?,
    };
    match json {
        true => say!("{}", serde_json::json!({ "files": count })),
        false => say!("{count} key files restored to {}", config.store.keys.display()),
    }
    Ok(Answer::Done)
}

async fn data(config: Config, dir: &Path, json: bool) -> Result<Answer> {
    let authority = config.store.keys.join("authority");
    if !authority.join("journal.key").exists() {
        let keys = config.store.keys.display();
        let why = format!("{keys} holds no keys: restore them first, with `sealpost restore --keys`");
        return Err(Unusable(why).into());
    }
    // A damaged key store is found before anything is written.
    KeyStore::open(&config.store.keys)?;
    let now = clock().now();
    let name = config.entity.first().map(|e| e.name.clone()).unwrap_or_default();
    let first = first_log(&Credentials::open(&authority, &name, now)?);
    let manifest = Manifest::load(dir).map_err(|error| {
        Unusable(match &error {
            BackupError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                format!(
                    "{}: this is no backup, or an unfinished one: it holds no manifest.json",
                    dir.display()
                )
            }
            _ => format!("{}: {error}", dir.display()),
        })
    })?;
    let begin = |old: &OldLog| {
        let (origin, event) = restarted(old, &manifest, &first, now)?;
        Ok((origin, event))
    };
    let done = backup::restore(dir, &store_config(&config)?, now, &begin).await;
    let (manifest, restarted) = match done {
        Err(error @ BackupError::NotEmpty(_)) => return Err(Unusable(error.to_string()).into()),
        other => other?,
    };
    // What was destroyed since the backup is destroyed again, and the new log gets its first checkpoint.
    let gateway = Gateway::open(config, clock()).await?;
    let destroyed = Housekeeping::new(gateway.clone(), gateway.holder()).destroy_again().await?;
    seal::round(&gateway, &gateway.holder()).await?;
    if json {
        say!(
            "{}",
            serde_json::json!({
                "made": manifest.made, "blobs": manifest.blobs.count, "held": restarted.held,
                "destroyed_again": destroyed, "entries": restarted.entries, "log": restarted.origin,
            })
        );
        return Ok(Answer::Done);
    }
    say!(
        "the backup of {} is restored: {} blobs, {} entries",
        manifest.made,
        manifest.blobs.count,
        restarted.entries
    );
    say!(
        "{} mails are held: look with `sealpost queue list --state held`, then `queue retry` or `queue drop`",
        restarted.held
    );
    say!("{destroyed} deposits whose content was destroyed after the backup are destroyed again");
    say!("a new log has begun: {}", restarted.origin);
    Ok(Answer::Done)
}

/// The new log's name, never used before, and its first entry, which commits to the old one.
fn restarted(
    old: &OldLog,
    manifest: &Manifest,
    first: &str,
    now: Timestamp,
) -> Result<(String, BuiltEvent), StoreError> {
    // LogRestarted concerns the installation; the first organisation stands for it.
    let entity = EntityId(1);
    let event = Event::new(EventName::LogRestarted, entity, now);
    let unique = event.id.0.simple().to_string();
    let origin = format!("{first}/{}", &unique[16..]);
    let former = old.origin.as_deref().unwrap_or(&manifest.log);
    let mut log = Detail::new()
        .text("origin", former)
        .int("size", old.head.size)
        .text("root", hex::encode(&old.head.root));
    if let Some((size, note)) = &old.checkpoint {
        log = log.nest("checkpoint", Detail::new().int("size", *size).sha256("sha256", *note));
    }
    let event = event
        .actor(Actor::Operator { user: std::env::var("SUDO_USER").or(std::env::var("USER")).ok() })
        .detail(
            Detail::new()
                .text("cause", "restore")
                .text("origin", origin.as_str())
                .time("backup", manifest.made)
                .nest("former", log),
        );
    let issuer = Issuer {
        entity,
        name: String::new(),
        identifier: None,
        hostname: String::new(),
        policies: Vec::new(),
        certificate: None,
    };
    let built = render(&issuer, event, None).map_err(|e| StoreError::damaged("LogRestarted", e))?;
    Ok((origin, built))
}
