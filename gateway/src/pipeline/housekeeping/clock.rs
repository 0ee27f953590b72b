//! Whether the clock can be trusted with what ends for good.
//!
//! **Job.** [`look`] compares the clock with the latest time that was believed (docs/decisions/0028-believed-time.md): it
//! may be `timestamp.jump` ahead of that, or of the last word of an external authority. A larger step may be a battery
//! that died, a typing mistake or an attack, and would destroy content years too early; nobody can undo that, so somebody
//! is asked first (`sealpost clock`).
//!
//! **Failure.** While in doubt nothing is destroyed, pruned, given up, reminded or recorded as expired; mail, evidence and
//! the door go on. Log, health page and `check` say so.

use crate::config::TimestampSettings;
use jiff::SignedDuration;
use sealpost_envelope::Timestamp;
use sealpost_store::{Store, StoreError};

/// A clock that is too far ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubt {
    /// What the clock says.
    pub now: Timestamp,
    /// The latest time that is believed.
    pub believed: Timestamp,
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (now, believed) = (self.now.strftime("%F"), self.believed.strftime("%F"));
        write!(
            f,
            "the clock says {now}, {} days after the last day this installation has seen ({believed}): nothing is destroyed or \
             ended until the clock is set right, or `sealpost clock --confirm {now}` says that it is",
            self.days()
        )
    }
}

impl Doubt {
    /// Days between the two.
    pub fn days(&self) -> i64 {
        self.now.duration_since(self.believed).as_hours() / 24
    }
}

/// Follows the clock to `now`, or says why not.
pub async fn look(
    store: &Store,
    settings: &TimestampSettings,
    now: Timestamp,
) -> Result<Option<Doubt>, StoreError> {
    let step = settings.jump.signed();
    let witnessed = store.latest_anchor().await?.map(|anchor| anchor.time);
    let believed = store.believe(now, step, witnessed).await?;
    Ok(doubt(now, believed, step))
}

/// The same without changing anything, for pages and commands.
pub async fn glance(
    store: &Store,
    settings: &TimestampSettings,
    now: Timestamp,
) -> Result<Option<Doubt>, StoreError> {
    let witnessed = store.latest_anchor().await?.map(|anchor| anchor.time);
    let believed = store.believed_time().await?.max(witnessed);
    Ok(believed.and_then(|believed| doubt(now, believed, settings.jump.signed())))
}

fn doubt(now: Timestamp, believed: Timestamp, step: SignedDuration) -> Option<Doubt> {
    (now.duration_since(believed) > step).then_some(Doubt { now, believed })
}
