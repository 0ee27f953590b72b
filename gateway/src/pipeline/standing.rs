//! Whether what opened a connection still stands: an app password that is revoked, or an account that is disabled,
//! ends what it had opened.
//!
//! **Job.** [`Standing::stands`] is asked before work is done for a client, [`Standing::ended`] waits beside one that
//! is silent. Revocations by this process are heard of at once; those of others, such as commands, are found by
//! looking every few seconds, so that a session's messages cost no look each.
//!
//! **Failure.** A database that does not answer ends nothing: the next look will.

use sealpost_store::account::{AccountError, Accounts};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

/// So long a revocation by another process goes unnoticed at most.
const LOOK: Duration = Duration::from_secs(3);

/// What opened a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// An app password.
    AppPassword(Uuid),
    /// A bearer token.
    Token(Uuid),
}

/// A key in use.
#[derive(Clone)]
pub struct Standing {
    accounts: Arc<Accounts>,
    key: Key,
    revocations: watch::Receiver<u64>,
    looked: Instant,
    stands: bool,
}

/// A time at which a look is due.
fn past() -> Instant {
    let now = Instant::now();
    now.checked_sub(LOOK).unwrap_or(now)
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standing")
            .field("key", &self.key)
            .field("stands", &self.stands)
            .finish_non_exhaustive()
    }
}

impl Standing {
    /// Of a key that was good a moment ago.
    pub fn new(accounts: &Arc<Accounts>, key: Key) -> Self {
        Self {
            accounts: accounts.clone(),
            key,
            revocations: accounts.revocations(),
            looked: Instant::now(),
            stands: true,
        }
    }

    /// Whether it still stands.
    pub async fn stands(&mut self) -> bool {
        let heard = self.revocations.has_changed().unwrap_or(false);
        if self.stands && (heard || self.looked.elapsed() >= LOOK) {
            self.revocations.borrow_and_update();
            self.looked = Instant::now();
            match self.look().await {
                Ok(stands) => self.stands = stands,
                Err(error) => tracing::warn!(%error, "whether a login still stands cannot be asked"),
            }
        }
        self.stands
    }

    /// Returns when it stands no more.
    pub async fn ended(&mut self) {
        while self.stands().await {
            tokio::select! {
                // The sender lives as long as the accounts do.
                _ = self.revocations.changed() => self.looked = past(),
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    async fn look(&self) -> Result<bool, AccountError> {
        match self.key {
            Key::AppPassword(id) => self.accounts.still_stands(id).await,
            Key::Token(id) => self.accounts.token_stands(id).await,
        }
    }
}
