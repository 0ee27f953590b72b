//! The brake on guessed logins: counted through the store, so that all nodes and all ways in brake together.
//!
//! **Job.** [`Brake::holds`] is asked before a password is looked at; beyond the limits nothing is tested
//! any more, so that further guesses learn nothing and cost nothing. Failures count for the login and for
//! the address they come from.
//!
//! **Exposure.** Strangers choose what is counted; keys are keyed hashes, and the store forgets them after
//! a day. Guesses of others must not lock the owner out: who has logged in from an address within the
//! last day is held there by failures of their own only.

use super::AccountError;
use crate::Store;
use jiff::SignedDuration;
use sealpost_envelope::{EmailAddress, Timestamp};
use std::net::IpAddr;
use std::time::Duration;

/// Failures are counted within this time.
const HOUR: Duration = Duration::from_secs(3600);
/// For so long a login keeps an address known; no longer than the store keeps counters.
const KNOWN: SignedDuration = SignedDuration::from_hours(23);

/// Failures allowed in an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginLimits {
    /// Of one login.
    pub per_account: u32,
    /// From one address.
    pub per_address: u32,
}

/// One login from one address.
#[derive(Debug, Clone)]
pub struct Brake {
    store: Store,
    limits: LoginLimits,
    of_account: [u8; 32],
    of_address: [u8; 32],
    /// Failures of this login from this address.
    of_both: [u8; 32],
    /// Successes of this login from this address.
    known: [u8; 32],
}

impl Brake {
    /// For a login as typed and the address it comes from.
    pub fn of(store: &Store, limits: LoginLimits, login: &str, peer: IpAddr) -> Result<Self, AccountError> {
        let key = store.keys().purpose("rates")?;
        let login = EmailAddress::parse(login).map_or_else(|_| login.to_lowercase(), |a| a.key());
        let (login, peer) = (login.as_bytes(), peer.to_canonical().to_string());
        let peer = peer.as_bytes();
        Ok(Self {
            store: store.clone(),
            limits,
            of_account: key.hmac(&[b"login", login]),
            of_address: key.hmac(&[b"peer", peer]),
            of_both: key.hmac(&[b"login-peer", login, peer]),
            known: key.hmac(&[b"login-known", login, peer]),
        })
    }

    /// Whether the password must not even be looked at.
    pub async fn holds(&self, now: Timestamp) -> Result<bool, AccountError> {
        let (limits, db) = (self.limits, self.store.db());
        let account = db.rate_count(self.of_account, HOUR, now).await?;
        let address = db.rate_count(self.of_address, HOUR, now).await?;
        if account < limits.per_account && address < limits.per_address {
            return Ok(false);
        }
        let mine = db.rate_count(self.of_both, HOUR, now).await?;
        Ok(mine >= limits.per_account || !db.rate_counted_since(self.known, now - KNOWN).await?)
    }

    /// Failures of this login from this address within the hour: whoever errs often waits longer.
    pub async fn failures(&self, now: Timestamp) -> Result<u32, AccountError> {
        Ok(self.store.db().rate_count(self.of_both, HOUR, now).await?)
    }

    /// Counts a failure.
    pub async fn failed(&self, now: Timestamp) -> Result<(), AccountError> {
        for key in [self.of_account, self.of_address, self.of_both] {
            self.store.db().rate_allows(key, HOUR, u32::MAX, now).await?;
        }
        Ok(())
    }

    /// Remembers a success, written once in an hour.
    pub async fn succeeded(&self, now: Timestamp) -> Result<(), AccountError> {
        let db = self.store.db();
        if db.rate_count(self.known, HOUR, now).await? == 0 {
            db.rate_allows(self.known, HOUR, u32::MAX, now).await?;
        }
        Ok(())
    }
}
