//! A backup into an empty installation.

use super::manifest::digest;
use super::restart::{Begin, Restarted, restart};
use super::{BackupError, DATABASE, LIST, Manifest, blobs, copy, settle};
use crate::StoreConfig;
use crate::blob::Blobs;
use crate::db::conn::Conn;
use crate::db::{Target, migrate, private_file};
use sealpost_envelope::Timestamp;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Brings the backup in `dir` to where `config` says. `begin` names the new log and renders its first entry.
pub async fn restore(
    dir: &Path,
    config: &StoreConfig,
    now: Timestamp,
    begin: Begin<'_>,
) -> Result<(Manifest, Restarted), BackupError> {
    let manifest = Manifest::load(dir)?;
    intact(dir, &manifest)?;
    let target = Target::parse(&config.database).map_err(BackupError::from)?;
    if let Target::Sqlite(path) = &target
        && path.exists()
    {
        return Err(BackupError::NotEmpty(path.display().to_string()));
    }
    let blobs = Blobs::open(&config.blobs, config.s3.as_ref()).map_err(BackupError::from)?;
    if !blobs.is_empty().await.map_err(BackupError::from)? {
        return Err(BackupError::NotEmpty(config.blobs.clone()));
    }
    let file = dir.join(DATABASE);
    let restarted = match &target {
        Target::Sqlite(path) => {
            blobs::import(dir, &blobs).await?;
            into_file(&file, path, now, &manifest.log, begin).await?
        }
        Target::Postgres(_) => {
            let mut conn = copy::open_empty(&config.database).await?;
            blobs::import(dir, &blobs).await?;
            into_server(&file, &mut conn, now, &manifest.log, begin).await?
        }
    };
    Ok((manifest, restarted))
}

fn intact(dir: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    for (name, said) in [(DATABASE, &manifest.database), (LIST, &manifest.blobs)] {
        let path = dir.join(name);
        if digest(&path)?.sha256 != said.sha256 {
            return Err(BackupError::damaged(&path, "it is not the file that the manifest describes"));
        }
    }
    Ok(())
}

/// Under another name until all is done, so that nothing half restored is ever served.
async fn into_file(
    from: &Path,
    path: &Path,
    now: Timestamp,
    origin: &str,
    begin: Begin<'_>,
) -> Result<Restarted, BackupError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".restoring");
    let partial = PathBuf::from(name);
    remove(&partial)?;
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(BackupError::io(parent))?;
    }
    private_file(&partial)?;
    let restored = fill(from, &partial, now, origin, begin).await;
    if restored.is_err() {
        remove(&partial)?;
        return restored;
    }
    let renamed = File::open(&partial)
        .and_then(|f| f.sync_all())
        .and_then(|()| fs::rename(&partial, path))
        .and_then(|()| crate::keys::file::sync_dir(path.parent().unwrap_or(Path::new("."))));
    renamed.map_err(BackupError::io(path))?;
    restored
}

async fn fill(
    from: &Path,
    partial: &Path,
    now: Timestamp,
    origin: &str,
    begin: Begin<'_>,
) -> Result<Restarted, BackupError> {
    fs::copy(from, partial).map_err(BackupError::io(partial))?;
    let target = Target::Sqlite(partial.to_owned());
    // A backup of an earlier release becomes one of this release first.
    migrate::run(&target).await?;
    let mut conn = Conn::open(&target).await?;
    conn.batch("BEGIN IMMEDIATE").await?;
    let restarted = restart(&mut conn, now, origin, begin).await?;
    conn.batch("COMMIT").await?;
    settle(conn).await?;
    Ok(restarted)
}

async fn into_server(
    from: &Path,
    conn: &mut Conn,
    now: Timestamp,
    origin: &str,
    begin: Begin<'_>,
) -> Result<Restarted, BackupError> {
    // Reading SQLite writes to the file's surroundings: the backup itself stays as it is.
    let dir = tempdir(from)?;
    let work = dir.join("work.db");
    let copied = async {
        fs::copy(from, &work).map_err(BackupError::io(&work))?;
        conn.batch("BEGIN").await?;
        copy::tables(&format!("sqlite:{}", work.display()), conn).await?;
        let restarted = restart(conn, now, origin, begin).await?;
        conn.batch("COMMIT").await?;
        Ok(restarted)
    }
    .await;
    fs::remove_dir_all(&dir).map_err(BackupError::io(&dir))?;
    copied
}

fn tempdir(beside: &Path) -> Result<PathBuf, BackupError> {
    use std::os::unix::fs::DirBuilderExt;
    let dir = std::env::temp_dir().join(format!("sealpost-restore-{}", uuid::Uuid::now_v7()));
    fs::DirBuilder::new().mode(0o700).create(&dir).map_err(BackupError::io(beside))?;
    Ok(dir)
}

fn remove(partial: &Path) -> Result<(), BackupError> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = partial.as_os_str().to_owned();
        name.push(suffix);
        match fs::remove_file(&name) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(BackupError::io(Path::new(&name))(e));
            }
            _ => {}
        }
    }
    Ok(())
}
