//! Search: what the journal speaks of is entered into its index of words.
//!
//! **Job.** One background task follows the log, a block of entries at a time, and tells the store what each deposit's
//! content says: its subject, the names of the people it names, and those of its files. Nobody who submits or reads
//! waits for it.
//!
//! **Failure.** The log is followed again from where the last step was noted. Content that cannot be read is logged; the
//! entries are found by everything else that is known of them.

use super::meta::Meta;
use crate::gateway::Gateway;
use sealpost_store::keys::KeyError;
use sealpost_store::{DepositRow, EndError, Entered, Store, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Name of the job.
const JOB: &str = "words";
/// A node that does not come back in this time is taken for dead.
const LEASE: Duration = Duration::from_secs(60);
/// How often the log is looked at: what comes in meanwhile is entered together, which is cheaper.
const LOOK: Duration = Duration::from_secs(1);
/// Between two blocks of a long way, others get their turn.
const TURN: Duration = Duration::from_millis(2);
/// Names of files of one deposit that are entered.
const FILES: usize = 200;
/// People of one deposit whose names are entered.
const PEOPLE: usize = 100;

/// Runs until `shutdown`.
pub async fn run(gateway: Arc<Gateway>, holder: String, shutdown: CancellationToken) {
    let holder = format!("{holder}/{JOB}");
    let rounds = async {
        loop {
            match round(&gateway.store, &holder).await {
                Ok(()) | Err(EndError::Store(StoreError::Conflict(_))) => {}
                Err(error) => tracing::error!(%error, "the journal's words could not be entered"),
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    // Dropped anywhere, a step is done or not.
    let _: Option<()> = shutdown.run_until_cancelled(rounds).await;
}

async fn round(store: &Store, holder: &str) -> Result<(), EndError> {
    // Reads first: where nothing happens, nothing is written.
    let waits = store.words_entered().await? < store.log_head().await?.size || store.words_untidy().await?;
    if !waits || store.claim(JOB, holder, LEASE).await?.is_none() {
        return Ok(());
    }
    while store.tidy_words(|row| said(store, row)).await? {
        tokio::time::sleep(TURN).await;
    }
    while store.enter_words(|row| said(store, row)).await?.entries > 0 {
        tokio::time::sleep(TURN).await;
        if store.claim(JOB, holder, LEASE).await?.is_none() {
            break;
        }
    }
    Ok(())
}

/// Enters everything that is not yet, one step after the other; `told` hears how far it is.
pub async fn all(store: &Store, mut told: impl FnMut(Entered)) -> Result<u64, EndError> {
    while store.tidy_words(|row| said(store, row)).await? {}
    loop {
        let entered = store.enter_words(|row| said(store, row)).await?;
        if entered.entries == 0 {
            return Ok(entered.position);
        }
        told(entered);
    }
}

/// What the content of a deposit says that people look for.
fn said(store: &Store, row: &DepositRow) -> Vec<String> {
    let meta = match store.deposit_key(row) {
        Ok(key) => Meta::open(row, &key),
        Err(KeyError::Destroyed(_)) => return Vec::new(),
        Err(error) => {
            tracing::warn!(%error, deposit = %row.id, "its words are not entered");
            return Vec::new();
        }
    };
    let meta = match meta {
        Ok(meta) => meta,
        Err(error) => {
            tracing::warn!(%error, deposit = %row.id, "its words are not entered");
            return Vec::new();
        }
    };
    let top = &meta.structure.top;
    let people = top.from.iter().chain(&top.sender).chain(&top.to).chain(&top.cc);
    let names = people.take(PEOPLE).filter_map(|mailbox| mailbox.name.clone());
    let inside = meta.structure.inside().map(|(_, _, file)| file.filename.clone());
    let files = meta.structure.attachments().map(|(node, _)| node.info.filename.clone());
    let files = files.chain(inside).flatten().take(FILES);
    std::iter::once(top.subject.clone()).chain(names).chain(files).collect()
}
