//! Room on the disk: asked before a message is taken, so that a full disk refuses early and breaks nothing.

use crate::config::Blobs;
use crate::gateway::Gateway;
use sealpost_smtp::Reply;

/// Kept free for the database and the journal whatever is announced.
const RESERVE: u64 = 256 << 20;

/// `452 4.3.1` when a message of `declared` octets (RFC 1870) might not fit. Base64 shrinks when stored, so
/// the declared size is more than enough.
pub fn enough_for(gateway: &Gateway, declared: u64) -> Result<(), Reply> {
    let Blobs::Files(directory) = &gateway.config.store.blobs else { return Ok(()) };
    let free = match rustix::fs::statvfs(directory) {
        Ok(fs) => fs.f_bavail.saturating_mul(fs.f_frsize),
        Err(error) => {
            tracing::warn!(%error, directory = %directory.display(), "the free space cannot be read");
            return Ok(());
        }
    };
    if free > RESERVE.saturating_add(declared) {
        return Ok(());
    }
    tracing::error!(free, declared, "storage is short");
    Err(Reply::new(452, 3, 1, "Storage is short at the moment, try again later"))
}
