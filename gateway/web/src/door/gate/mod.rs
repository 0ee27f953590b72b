//! The gate's steps: asking for a challenge, answering it, and what comes back proven from elsewhere.
//!
//! **Job.** [`turn::Turn`] says who stands at the gate and what they may do now; [`ask`] puts the question,
//! [`answer`] judges what was typed; [`elsewhere`] takes what a card, a provider or a telephone proved,
//! [`effort`] slows down who guesses, [`identity`] compares the person with what is known. All of them
//! end in one place, [`passed`], which writes the session and its event together.
//!
//! **Exposure.** Everything here is posted by strangers who hold a link.

pub(crate) mod answer;
pub(crate) mod ask;
mod effort;
pub(crate) mod elsewhere;
pub(crate) mod identity;
pub(crate) mod offer;
pub(crate) mod passed;
pub(crate) mod sms;
mod token;
pub(crate) mod turn;

pub(crate) use passed::{advance, link_alone_opens};
pub(crate) use turn::Turn;

use sealpost_envelope::Timestamp;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

fn later(t: Timestamp, by: Duration) -> Timestamp {
    t.checked_add(by).unwrap_or(Timestamp::MAX)
}
fn earlier(t: Timestamp, by: Duration) -> Timestamp {
    t.checked_sub(by).unwrap_or(Timestamp::MIN)
}
