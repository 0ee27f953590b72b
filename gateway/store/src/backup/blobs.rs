//! Blobs of a backup: sealed bytes as they lie in the store, each with its digest.

use super::manifest::Count;
use super::{BackupError, LIST};
use crate::blob::{BlobError, Blobs};
use crate::{Store, args};
use futures_util::StreamExt;
use sealpost_envelope::{BlobId, Sha256Digest, hex};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Every blob that a row names.
const NAMED: &str = "SELECT skeleton_blob AS blob FROM deposits WHERE skeleton_blob IS NOT NULL \
     UNION ALL SELECT blob FROM parts WHERE blob IS NOT NULL \
     UNION ALL SELECT blob FROM mail_bodies WHERE blob IS NOT NULL \
     UNION ALL SELECT blob FROM returned WHERE blob IS NOT NULL \
     UNION ALL SELECT blob FROM upload_segments";
/// A line of the list has under 140 octets.
const MAX_LINE: usize = 256;

fn place(dir: &Path, id: BlobId) -> PathBuf {
    dir.join("blobs").join(crate::blob::name_of(id))
}

/// Copies every blob that a row names, and writes their list.
pub(super) async fn export(store: &Store, dir: &Path) -> Result<Count, BackupError> {
    let path = dir.join(LIST);
    let file = File::create_new(&path).map_err(BackupError::io(&path))?;
    let mut list = BufWriter::new(file);
    let (mut count, mut octets) = (0, 0);
    let mut rows = store.db().stream(NAMED, args![]);
    while let Some(row) = rows.next().await {
        let id = BlobId(row?.uuid("blob")?);
        let (size, digest) = match store.blobs().copy_out(id, &place(dir, id)).await {
            Ok(copied) => copied,
            // Destroyed since the row was read.
            Err(BlobError::NotFound(_)) => continue,
            Err(error) => return Err(error.into()),
        };
        writeln!(list, "{digest} {size} {id}").map_err(BackupError::io(&path))?;
        count += 1;
        octets += size;
    }
    let file = list.into_inner().map_err(|e| BackupError::io(&path)(e.into_error()))?;
    file.sync_all().map_err(BackupError::io(&path))?;
    let listed = super::manifest::digest(&path)?;
    Ok(Count { count, octets, sha256: listed.sha256 })
}

/// Brings every listed blob into the store; one that is not as it was listed is refused.
pub(super) async fn import(dir: &Path, blobs: &Blobs) -> Result<u64, BackupError> {
    let list = dir.join(LIST);
    let mut reader = BufReader::new(File::open(&list).map_err(BackupError::io(&list))?);
    let (mut line, mut count) = (String::new(), 0);
    loop {
        line.clear();
        if reader.read_line(&mut line).map_err(BackupError::io(&list))? == 0 {
            return Ok(count);
        }
        let (digest, id) =
            parse(&line).ok_or_else(|| BackupError::damaged(&list, format!("line {}", count + 1)))?;
        let path = place(dir, id);
        let copied = blobs.copy_in(id, &path).await?;
        if copied != digest {
            blobs.delete(id).await?;
            return Err(BackupError::damaged(&path, "its digest is not the listed one"));
        }
        count += 1;
    }
}

fn parse(line: &str) -> Option<(Sha256Digest, BlobId)> {
    let line = line.strip_suffix('\n').filter(|l| l.len() < MAX_LINE)?;
    let mut words = line.split(' ');
    let digest = hex::decode(words.next()?)?.try_into().ok().map(Sha256Digest)?;
    words.next()?.parse::<u64>().ok()?;
    let id = words.next()?.parse().ok()?;
    words.next().is_none().then_some((digest, id))
}
