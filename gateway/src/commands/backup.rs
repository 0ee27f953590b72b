//! `sealpost backup DIR`: a copy of database and blobs while the gateway runs, without keys; or, with
//! `--keys`, the sealed copy of the keys alone. The two never share a directory: whoever holds both holds
//! the content.

use super::{Answer, Unusable, clock, load};
use crate::cli::BackupArgs;
use crate::config::Config;
use crate::credentials::Credentials;
use crate::gateway::{log_origin, open_store, store_config};
use crate::pipeline::alerts::BACKUP_CHORE;
use anyhow::{Context, Result};
use sealpost_envelope::Secret;
use sealpost_store::backup::{self, BackupError};
use sealpost_store::keys::sealed;
use std::path::Path;

/// Name of the sealed copy in its directory.
pub(super) const SEALED: &str = "keys.sealed";

/// Runs the command.
pub async fn run(path: &Path, args: BackupArgs, json: bool) -> Result<Answer> {
    let config = load(path)?;
    if args.keys {
        return keys(&config, &args, json);
    }
    let store = open_store(&config, clock()).await?;
    let now = clock().now();
    let name = config.entity.first().map(|e| e.name.clone()).unwrap_or_default();
    let credentials = Credentials::open(&config.store.keys.join("authority"), &name, now)?;
    let origin = log_origin(&store, &credentials).await?;
    let settings = store_config(&config)?;
    let made = match backup::write(&store, &settings, &args.dir, &origin, now).await {
        Err(error @ BackupError::NotEmpty(_)) => return Err(Unusable(error.to_string()).into()),
        other => other?,
    };
    store.chore_done(BACKUP_CHORE, now).await?;
    if json {
        say!("{}", serde_json::to_string(&made)?);
        return Ok(Answer::Done);
    }
    say!("backup of {} in {}", made.made, args.dir.display());
    say!(
        "database {} octets, {} blobs with {} octets",
        made.database.octets,
        made.blobs.count,
        made.blobs.octets
    );
    say!("It holds no keys: see `sealpost backup --keys`, and keep that copy elsewhere.");
    Ok(Answer::Done)
}

fn keys(config: &Config, args: &BackupArgs, json: bool) -> Result<Answer> {
    let dir = &args.dir;
    if dir.join("manifest.json").exists() {
        let why = format!("{} holds a backup of the data: keys never lie beside it", dir.display());
        return Err(Unusable(why).into());
    }
    std::fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    let file = dir.join(SEALED);
    if file.exists() {
        return Err(Unusable(format!("{} exists already: nothing was changed", file.display())).into());
    }
    let given = args.passphrase.as_deref().map(secret).transpose()?;
    let made = given.is_none();
    let passphrase = given.unwrap_or_else(sealed::passphrase);
    let count = sealed::seal(&config.store.keys, &file, &passphrase)?;
    if json {
        let shown = made.then(|| passphrase.expose().as_str());
        say!("{}", serde_json::json!({ "file": file, "files": count, "passphrase": shown }));
        return Ok(Answer::Done);
    }
    say!("{count} key files, sealed, in {}", file.display());
    if made {
        let line = "─".repeat(76);
        say!("RECOVERY SHEET — print it, keep it apart from the file");
        say!("{line}\nFile        {}\nPassphrase  {}\n{line}", file.display(), passphrase.expose());
        say!("Without it the copy opens for nobody. To use it: sealpost restore --keys DIR");
    }
    say!("Replace older copies of the keys by this one: they still hold keys that were destroyed since.");
    Ok(Answer::Done)
}

/// `file:PATH` or `env:NAME`; a passphrase never stands on a command line.
pub(super) fn secret(source: &str) -> Result<Secret<String>> {
    let text = match source.split_once(':') {
        Some(("file", path)) => std::fs::read_to_string(path).with_context(|| format!("read {path}"))?,
        Some(("env", name)) => std::env::var(name)
            .map_err(|_| Unusable(format!("--passphrase: the environment has no {name}")))?,
        _ => return Err(Unusable("--passphrase: give file:PATH or env:NAME".into()).into()),
    };
    let text = text.trim().to_owned();
    if text.len() < 12 {
        return Err(Unusable("--passphrase: at least twelve characters".into()).into());
    }
    Ok(Secret::new(text))
}
