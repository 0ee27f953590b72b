//! Login of mail programs by app password, with brakes.
//!
//! **Exposure.** Strangers guess here. Right and wrong logins of known and unknown accounts take the same
//! work; a wrong one also waits, and is counted per account and per address through the store, so that all
//! nodes brake together.
//!
//! **Standards.** RFC 4954 §4 (`535`, `454`), contract 4.10.

use crate::gateway::Gateway;
use sealpost_envelope::{EmailAddress, Secret};
use sealpost_evidence::{Actor, Detail, Event, EventName, render};
use sealpost_smtp::server::Credentials;
use sealpost_store::account::{Account, AccountError};
use std::net::IpAddr;
use std::time::Duration;

/// What came of a login.
#[derive(Debug)]
pub enum Outcome {
    /// It is this account.
    Accepted(Box<Account>),
    /// Wrong name or password.
    Denied,
    /// Too many wrong ones.
    Throttled,
}

/// A wrong password costs this long, whatever was wrong.
const PENALTY: Duration = Duration::from_millis(800);
const HOUR: Duration = Duration::from_secs(3600);

/// Checks an SMTP login.
pub async fn by_app_password(
    gateway: &Gateway,
    credentials: &Credentials,
    peer: IpAddr,
) -> Result<Outcome, AccountError> {
    check(gateway, &credentials.authcid, &credentials.password, peer, "smtp").await
}

/// Checks a login by app password, or by the mailbox password of a demonstration's outside recipient.
pub async fn check(
    gateway: &Gateway,
    login: &str,
    password: &Secret<String>,
    peer: IpAddr,
    protocol: &'static str,
) -> Result<Outcome, AccountError> {
    // Counted from here, so that the work that only known accounts cause does not show in the time.
    let answer_at = tokio::time::Instant::now() + PENALTY;
    let address = EmailAddress::parse(login).ok();
    if let Some(address) = &address
        && let Some(account) = gateway.accounts.verify_app_password(address, password).await?
    {
        return Ok(Outcome::Accepted(Box::new(account)));
    }
    let now = gateway.clock.now();
    let limits = &gateway.config.limits;
    let key = gateway.store.keys().purpose("rates")?;
    let of_account = key.hmac(&[b"login", login.to_lowercase().as_bytes()]);
    let of_address = key.hmac(&[b"peer", peer.to_string().as_bytes()]);
    let db = gateway.store.db();
    let allowed = db.rate_allows(of_account, HOUR, limits.logins_per_account, now).await?
        & db.rate_allows(of_address, HOUR, limits.logins_per_address, now).await?;
    // Guesses beyond the brake say nothing new and must not fill the journal.
    if allowed {
        record(gateway, address, peer, protocol).await?;
    }
    tokio::time::sleep_until(answer_at).await;
    Ok(if allowed { Outcome::Denied } else { Outcome::Throttled })
}

/// Writes AccountLoginFailed for logins that name an address of ours; others are only logged, so that
/// strangers cannot fill the journal with invented names.
async fn record(
    gateway: &Gateway,
    address: Option<EmailAddress>,
    peer: IpAddr,
    protocol: &'static str,
) -> Result<(), AccountError> {
    tracing::info!(%peer, protocol, "failed login");
    let Some(address) = address else { return Ok(()) };
    let Some(organisation) = gateway.organisation_of(&address) else { return Ok(()) };
    if gateway.accounts.owner_of(&address).await?.is_none() {
        return Ok(());
    }
    let event = Event::new(EventName::AccountLoginFailed, organisation.id, gateway.clock.now())
        .actor(Actor::Anonymous { network: Some(peer.to_string()), agent: None })
        .detail(Detail::new().text("protocol", protocol).personal("login", address.as_str()));
    match render(&organisation.issuer, event, None) {
        Ok(built) => Ok(gateway.store.record(vec![built]).await?),
        Err(error) => {
            tracing::error!(%error, "a failed login could not be journaled");
            Ok(())
        }
    }
}
