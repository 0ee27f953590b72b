//! Mailboxes: folders of accounts and the messages in them, as IMAP shows them.
//!
//! **Job.** Delivery (one transaction with the UID), listing, reading by ranges, flags, expunging, and
//! what changed since a modification sequence. Every message has a key of its own, wrapped by the week in
//! which it is to be destroyed; header block and body are under it.
//!
//! **Exposure.** Message bytes, folder names and keywords come from strangers; names and keywords are
//! checked here, bytes are opaque.
//!
//! **Standards.** UIDs and UIDVALIDITY as RFC 9051 §2.3.1.1, modification sequences as RFC 7162.
//!
//! **Failure modes.** [`MailboxError`]. A message whose week was destroyed answers
//! [`KeyError::Destroyed`](crate::keys::KeyError::Destroyed) for header and body; its row tells the
//! rest. A crash between a blob and its row leaves an orphan blob, between an expunge and its blob as well.

mod body;
mod change;
mod deliver;
mod flags;
mod folder;
mod read;
mod sent;

pub use body::{HeaderCollector, MailBody, MailWriter};
pub use change::FlagChange;
pub use deliver::NewMail;
pub use flags::{FlagOp, Flags};
pub use folder::{Folder, FolderId, FolderStatus};
pub use read::{MailHeader, MailSource, MailStream, MessageMeta};
pub use sent::{Followed, SentCopy};

use crate::blob::{BlobError, Blobs};
use crate::crypto::CryptoError;
use crate::keys::{KeyError, KeyStore};
use crate::{Db, Store, StoreError};
use sealpost_envelope::{AccountId, Clock};
use std::sync::Arc;
use tokio::sync::broadcast;

/// Unique identifier of a message in its folder (RFC 9051 §2.3.1.1).
pub type Uid = u32;

/// Rows that one call answers at most; ask again from the last one on.
pub const PAGE: usize = 1000;
/// Header blocks that one call answers at most.
pub const HEADER_PAGE: usize = 128;
/// Octets of a header block kept for listings; the rest is in the body.
pub const MAX_HEADER: usize = 64 * 1024;

/// Why a mailbox operation failed.
#[derive(Debug, thiserror::Error)]
pub enum MailboxError {
    /// No such folder.
    #[error("no such folder")]
    NoFolder,
    /// No such message: perhaps expunged meanwhile.
    #[error("no such message")]
    NoMessage,
    /// The folder is there already.
    #[error("the folder exists")]
    FolderExists,
    /// A name that no folder can have, or an operation that this folder does not allow.
    #[error("this cannot be a folder's name")]
    BadFolder,
    /// Not a flag or keyword.
    #[error("{0:?} cannot be a keyword")]
    BadFlag(String),
    /// More than 2^32 messages came to this folder.
    #[error("the folder takes no more messages")]
    Full,
    /// The message's key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The message's bytes.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The message's bytes in the row.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Something changed in a folder: its readers should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailboxEvent {
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub folder: FolderId,
    /// Its highest modification sequence after the change.
    pub modseq: u64,
}

/// The mailboxes of an installation; clones share the notifications.
#[derive(Debug, Clone)]
pub struct Mailboxes {
    db: Db,
    blobs: Blobs,
    keys: KeyStore,
    clock: Arc<dyn Clock>,
    events: broadcast::Sender<MailboxEvent>,
}

impl Mailboxes {
    /// Over an open store; make one per process and clone it.
    pub fn new(store: &Store) -> Self {
        Self {
            db: store.db().clone(),
            blobs: store.blobs().clone(),
            keys: store.keys().clone(),
            clock: Arc::clone(store.clock()),
            events: broadcast::Sender::new(256),
        }
    }

    /// Changes made by this process from now on. One that lags, and changes by other processes, are found
    /// by asking for the folder's modification sequence from time to time.
    pub fn watch(&self) -> broadcast::Receiver<MailboxEvent> {
        self.events.subscribe()
    }

    fn notify(&self, account: AccountId, folder: FolderId, modseq: u64) {
        // Nobody listening is fine.
        let _ = self.events.send(MailboxEvent { account, folder, modseq });
    }
}

/// A modification sequence or count as the database keeps it.
fn to_row(value: u64) -> Result<crate::Value, StoreError> {
    crate::Value::size(value)
}
