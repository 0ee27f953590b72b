//! What pages that strangers may ask share: a bound per address, and one time for every answer.

use super::attempt::ASKING;
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::state::WebState;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Counts a question of this client; `false` beyond the bound of the hour.
pub(crate) async fn allowed(state: &WebState, ctx: &Ctx) -> Result<bool, Fault> {
    let Some(key) = ctx.host_key(state, "recover") else { return Ok(true) };
    let (hour, limit) = (Duration::from_secs(3600), state.limits.asks_per_hour);
    Ok(state.store.db().rate_allows(key, hour, limit, state.clock.now()).await?)
}

/// Waits until every answer is due, so that time tells nothing.
pub(crate) async fn until_asked(started: Instant) {
    sleep_until(started + ASKING).await;
}
