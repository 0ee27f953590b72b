//! What `check` sees of the stores: database, content, keys. It opens what is there and makes nothing.
//!
//! **Failure.** Each place is told by its setting. A directory that `serve` would make is a warning while the
//! installation is new; once there is a database, keys that are not there are a fault: nothing opens its content.

use super::{Finding, fault, warning};
use crate::commands::clock;
use crate::config::{Blobs, Config, Database};
use crate::credentials;
use crate::gateway::{open_store, store_config};
use crate::pipeline::housekeeping::clock::glance;
use futures_util::StreamExt;
use rustix::fs::{Access, access};
use sealpost_store::{Store, StoreError};
use std::path::Path;
use std::time::Duration;

/// How long a bucket may take for its first answer.
const PATIENCE: Duration = Duration::from_secs(8);

/// Looks at all of them.
pub(super) async fn look(config: &Config, findings: &mut Vec<Finding>) {
    let missing = places(config, findings);
    if !missing {
        match open_store(config, clock()).await {
            Ok(store) => {
                match glance(&store, &config.timestamp, clock().now()).await {
                    Ok(doubt) => findings.extend(doubt.map(|doubt| warning(doubt.to_string()))),
                    Err(error) => findings.push(fault(format!("`store`: {error:#}"))),
                }
                merged(config, &store, findings).await;
            }
            Err(error) => findings.push(fault(format!("`store`: {error:#}"))),
        }
    }
    if matches!(config.store.blobs, Blobs::S3(_)) {
        findings.extend(bucket(config).await);
    }
    if !config.store.keys.exists() {
        return;
    }
    let authority = config.store.keys.join("authority");
    findings.extend(
        credentials::incomplete(&authority).into_iter().map(|text| fault(format!("`store.keys`: {text}"))),
    );
    if !authority.exists() {
        findings.push(warning(format!(
            "`store.keys`: {} holds no authority yet; `serve` makes one at its first start",
            authority.display()
        )));
    }
}

/// Organisations that were merged and still stand in the file.
async fn merged(config: &Config, store: &Store, findings: &mut Vec<Finding>) {
    for entity in &config.entity {
        match store.successor(&entity.name).await {
            Ok(None) => {}
            Ok(Some(into)) => {
                let gone = StoreError::Merged { name: entity.name.clone(), into };
                findings.push(fault(format!("`entity.name`: {gone}")));
            }
            Err(error) => findings.push(fault(format!("`store`: {error}"))),
        }
    }
}

/// Whether a place on this machine is not there yet; opening the store would make it.
fn places(config: &Config, findings: &mut Vec<Finding>) -> bool {
    let store = &config.store;
    let database = match &store.database {
        Database::Sqlite(path) => Some(path),
        Database::Postgres(_) => None,
    };
    let blobs = match &store.blobs {
        Blobs::Files(path) => Some(path),
        Blobs::S3(_) => None,
    };
    let in_use = database.is_some_and(|path| path.exists());
    let named = [("database", database), ("blobs", blobs), ("keys", Some(&store.keys))];
    let mut missing = false;
    for (setting, path) in named.into_iter().filter_map(|(s, p)| Some((s, p?))).filter(|(_, p)| !p.exists()) {
        missing = true;
        let shown = path.display();
        findings.push(match (setting == "keys" && in_use, can_be_made(path)) {
            (true, _) => fault(format!(
                "`store.keys`: {shown} does not exist; nothing else opens what the database holds"
            )),
            (_, false) => {
                fault(format!("`store.{setting}`: {shown} does not exist and cannot be made there"))
            }
            _ => warning(format!(
                "`store.{setting}`: {shown} does not exist yet; `serve` makes it at its first start"
            )),
        });
    }
    missing
}

/// Whether the nearest thing above that exists is a directory in which something can be made.
fn can_be_made(path: &Path) -> bool {
    let above = path.ancestors().skip(1).find(|a| a.exists());
    above.is_some_and(|a| a.is_dir() && access(a, Access::WRITE_OK | Access::EXEC_OK).is_ok())
}

/// One request to the bucket.
async fn bucket(config: &Config) -> Option<Finding> {
    let opened = match store_config(config) {
        Ok(store) => sealpost_store::blob::Blobs::open(&store.blobs, store.s3.as_ref()),
        Err(error) => return Some(fault(format!("{error:#}"))),
    };
    let blobs = match opened {
        Ok(blobs) => blobs,
        Err(error) => return Some(fault(format!("`store.blobs`: {error}"))),
    };
    match tokio::time::timeout(PATIENCE, blobs.list(clock().now()).next()).await {
        Ok(None | Some(Ok(_))) => None,
        Ok(Some(Err(error))) => Some(fault(format!("`store.blobs`: the bucket cannot be read: {error}"))),
        Err(_) => Some(fault(format!(
            "`store.blobs`: the bucket does not answer within {} seconds; no mail is accepted meanwhile",
            PATIENCE.as_secs()
        ))),
    }
}
