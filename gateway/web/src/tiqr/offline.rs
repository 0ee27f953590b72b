//! Codes read from a phone's screen and typed into a browser (F15).
//!
//! **Exposure.** Strangers type any identifier. What they type is bounded by their network and by challenge before it
//! is looked at, apart from what phones send: a browser uses up no phone's allowance.

use super::keys::Keys;
use super::phone::{answered, within};
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::state::WebState;
use sealpost_gate::tiqr::Answer;
use std::time::Duration;

/// Codes for one challenge.
const TRIES: u32 = 5;
/// Far longer than a challenge lives: hardly one straddles two windows.
const WINDOW: Duration = Duration::from_secs(86_400);

/// Judges a code typed for the challenge of this key, which ends when too many were.
pub(super) async fn judged(
    state: &WebState,
    ctx: &Ctx,
    session: [u8; 32],
    (user, digits): (String, String),
) -> Result<Answer, Fault> {
    if !within(state, ctx, "tiqr code").await? {
        return Err(Fault::TooMany);
    }
    let (key, now) = (state.rate_key("tiqr tries", &session), state.clock.now());
    if !state.store.db().rate_allows(key, WINDOW, TRIES, now).await? {
        state.store.end_tiqr(session, now).await?;
        return Ok(Answer::BadChallenge);
    }
    answered(state, ctx, Keys::of(state)?, session, user, digits).await
}
