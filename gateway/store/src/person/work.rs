//! Proofs of work that were shown: each counts once.

use crate::{Db, StoreError, args};
use sealpost_envelope::Timestamp;

/// Spends a proof of work, named by the SHA-256 of its challenge. `false` when it was spent before, by whichever
/// browser at whichever node.
pub async fn spend_work(
    db: &Db,
    hash: [u8; 32],
    expires: Timestamp,
    now: Timestamp,
) -> Result<bool, StoreError> {
    db.write(async move |tx| {
        // An expired one is refused before it is looked for here.
        tx.execute("DELETE FROM spent_work WHERE expires < $1", args![now]).await?;
        let rows = tx
            .execute(
                "INSERT INTO spent_work (hash, expires) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                args![hash, expires],
            )
            .await?;
        Ok(rows == 1)
    })
    .await
}
