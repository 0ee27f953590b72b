//! The current password, asked for again within a session, under the same brake as the login.

use super::attempt::{PENALTY, brake};
use crate::ctx::Ctx;
use crate::fault::Fault;
use crate::state::WebState;
use sealpost_envelope::Secret;
use sealpost_store::account::Account;
use tokio::time::sleep;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guess {
    /// It is the account's.
    Right,
    /// It is not.
    Wrong,
    /// Too many were wrong: this one was not looked at.
    Held,
}

/// Whether the account has a password: here, or at a server that knows those of its domain.
pub(crate) fn has_password(state: &WebState, account: &Account) -> bool {
    account.has_password || state.elsewhere.backends.iter().any(|o| o.backend.knows(&account.login))
}

/// Whether this is the account's password.
pub(crate) async fn password(
    state: &WebState,
    ctx: &Ctx,
    account: &Account,
    typed: &Secret<String>,
) -> Result<Guess, Fault> {
    let (now, brake) = (state.clock.now(), brake(state, ctx, account.login.as_str())?);
    if brake.holds(now).await? {
        sleep(PENALTY).await;
        return Ok(Guess::Held);
    }
    let found = super::outside::verify(state, ctx, account.login.as_str(), typed).await?;
    if found.is_some_and(|a| a.id == account.id) {
        return Ok(Guess::Right);
    }
    brake.failed(now).await?;
    sleep(PENALTY).await;
    Ok(Guess::Wrong)
}
