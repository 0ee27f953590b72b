//! What became of the mail that carries a code, for the person who waits for it.

use crate::{Db, StoreError, Tx, args};
use sealpost_envelope::Timestamp;
use uuid::Uuid;

/// The last attempt's outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeDelivery {
    /// Taken over by the host, or refused.
    pub accepted: bool,
    /// Which host.
    pub host: String,
    /// When.
    pub at: Timestamp,
}

impl CodeDelivery {
    /// Notes it, in place of an earlier sending's.
    pub async fn note(&self, tx: &mut Tx, challenge: Uuid) -> Result<(), StoreError> {
        let sql = "INSERT INTO code_deliveries (challenge, accepted, host, at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (challenge) DO UPDATE SET accepted = excluded.accepted, host = excluded.host, \
             at = excluded.at";
        tx.execute(sql, args![challenge, i64::from(self.accepted), &self.host, self.at]).await.map(drop)
    }

    /// Of a challenge; `None` while nothing is known.
    pub async fn of(db: &Db, challenge: Uuid) -> Result<Option<Self>, StoreError> {
        let sql = "SELECT accepted, host, at FROM code_deliveries WHERE challenge = $1";
        let row = db.fetch_optional(sql, args![challenge]).await?;
        row.map(|r| Ok(Self { accepted: r.int("accepted")? != 0, host: r.text("host")?, at: r.time("at")? }))
            .transpose()
    }
}
