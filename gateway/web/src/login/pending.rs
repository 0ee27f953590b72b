//! A password given a moment ago, so that it need not be typed again when the code has come by mail.
//!
//! The browser holds it sealed: who, and until when. Unknown accounts and wrong passwords get one of the same
//! length that opens to nobody. It stands for the password alone; the code is asked for in any case.

use crate::ctx::{Ctx, set_cookie};
use crate::fault::Fault;
use crate::state::WebState;
use axum::response::Response;
use sealpost_envelope::{AccountId, Timestamp};

const COOKIE: &str = "__Host-sealpost-p";
/// Longer values are not looked at; ours have about ninety characters.
const LONGEST: usize = 200;

/// Remembers the account, or nobody, until `until`.
pub(super) fn remember(
    state: &WebState,
    response: &mut Response,
    account: Option<AccountId>,
    until: Timestamp,
) -> Result<(), Fault> {
    let sealed = state.accounts.seal_pending(account, until)?;
    set_cookie(response, COOKIE, &base64_simd::URL_SAFE_NO_PAD.encode_to_string(sealed), None);
    Ok(())
}

/// The account remembered in this browser.
pub(super) fn recall(state: &WebState, ctx: &Ctx) -> Result<Option<AccountId>, Fault> {
    let Some(cookie) = ctx.cookie(COOKIE).filter(|c| c.len() <= LONGEST) else { return Ok(None) };
    let Ok(sealed) = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(cookie) else { return Ok(None) };
    Ok(state.accounts.open_pending(&sealed, state.clock.now()))
}

/// Whether this browser was told that its password need not be typed again.
pub(super) fn is_there(ctx: &Ctx) -> bool {
    ctx.cookie(COOKIE).is_some()
}

/// Forgets it.
pub(super) fn forget(response: &mut Response) {
    set_cookie(response, COOKIE, "", None);
}
