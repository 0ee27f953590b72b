//! How far the clock is believed: what ends for good does not end because a clock jumped.
//!
//! **Job.** One row that follows the clock in small steps ([`Store::believe`]) and makes a large one only when somebody
//! vouches for it ([`Store::believe_at_once`]). What is irreversible asks here first.
//!
//! **Failure modes.** A clock that goes back changes nothing: nothing ends earlier for it. A restored backup brings the
//! time of its making, so that the step from there is judged like any other.

use crate::{Store, StoreError, args};
use jiff::SignedDuration;
use sealpost_envelope::Timestamp;
use sealpost_evidence::BuiltEvent;

impl Store {
    /// The latest time that is believed; `None` in an installation that has not looked at its clock yet.
    pub async fn believed_time(&self) -> Result<Option<Timestamp>, StoreError> {
        let row = self.db.fetch_optional("SELECT time FROM believed_time WHERE one = 1", args![]).await?;
        row.map(|r| r.time("time")).transpose()
    }

    /// Follows the clock to `now`, unless that is more than `step` ahead of what is believed, or of `witnessed`, a time
    /// that somebody outside has stated. Answers the latest time that is believed then.
    pub async fn believe(
        &self,
        now: Timestamp,
        step: SignedDuration,
        witnessed: Option<Timestamp>,
    ) -> Result<Timestamp, StoreError> {
        let known = self.believed_time().await?;
        let Some(base) = known.max(witnessed) else {
            self.advance(now).await?;
            return Ok(now);
        };
        let believed = if now.duration_since(base) <= step { now.max(base) } else { base };
        if known.is_none_or(|known| known < believed) {
            self.advance(believed).await?;
        }
        Ok(believed)
    }

    /// Believes `now` because somebody vouches for it; the entry says who.
    pub async fn believe_at_once(&self, now: Timestamp, events: Vec<BuiltEvent>) -> Result<(), StoreError> {
        self.db
            .write(async move |tx| {
                tx.execute(ADVANCE, args![now]).await?;
                tx.append(events).await
            })
            .await
    }

    async fn advance(&self, to: Timestamp) -> Result<(), StoreError> {
        self.db.write(async move |tx| tx.execute(ADVANCE, args![to]).await.map(drop)).await
    }
}

/// Never back: another node may have been further.
const ADVANCE: &str = "INSERT INTO believed_time (one, time) VALUES (1, $1) ON CONFLICT (one) DO UPDATE \
     SET time = excluded.time WHERE believed_time.time < excluded.time";
