//! People's passwords (argon2id) and second factors.

use super::profile::{self, IDENTIFIED};
use super::{Account, AccountError, Accounts, COLUMNS, read_account};
use crate::args;
use sealpost_envelope::{AccountId, EmailAddress, Secret, Timestamp, password};
use sealpost_evidence::BuiltEvent;
use std::sync::Arc;

const LENGTHS: std::ops::RangeInclusive<usize> = 10..=1000;
/// Longer texts are refused before any work; nobody's password.
const MAX_TYPED: usize = 4000;

impl Accounts {
    /// Runs argon2 away from the asynchronous workers, few at a time: the only way to stretch or verify a password in
    /// this process, whoever's it is, so that strangers who guess cannot take the machine's memory and cores.
    pub async fn hashing<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, AccountError> + Send + 'static,
    ) -> Result<T, AccountError> {
        let permit = Arc::clone(&self.hashing).acquire_owned().await.map_err(|_| AccountError::Hashing)?;
        let done = tokio::task::spawn_blocking(move || {
            // Held by the work itself, for the caller may stop waiting.
            let _permit = permit;
            work()
        });
        done.await.unwrap_or(Err(AccountError::Hashing))
    }

    pub(super) async fn hash_password(&self, typed: &Secret<String>) -> Result<String, AccountError> {
        if !LENGTHS.contains(&typed.expose().chars().count()) {
            return Err(AccountError::PasswordLength);
        }
        let typed = typed.clone();
        self.hashing(move || password::stretch(typed.expose()).map_err(|_| AccountError::Hashing)).await
    }

    /// Sets or removes the password.
    pub async fn set_password(
        &self,
        id: AccountId,
        password: Option<&Secret<String>>,
        events: Vec<BuiltEvent>,
    ) -> Result<(), AccountError> {
        let hash = match password {
            Some(password) => Some(self.hash_password(password).await?),
            None => None,
        };
        self.update("UPDATE accounts SET password = $2 WHERE id = $1", args![id, hash], id, events).await
    }

    /// The account whose password this is. It says nothing about a second factor: see
    /// [`Account::has_totp`]. Unknown logins cost the same as wrong passwords.
    pub async fn verify_password(
        &self,
        login: &EmailAddress,
        typed: &Secret<String>,
    ) -> Result<Option<Account>, AccountError> {
        self.verify_identified(login.as_str(), typed).await
    }

    /// [`Accounts::verify_password`] for a login or an access code, as typed.
    pub async fn verify_identified(
        &self,
        identifier: &str,
        typed: &Secret<String>,
    ) -> Result<Option<Account>, AccountError> {
        if typed.expose().len() > MAX_TYPED {
            return Ok(None);
        }
        let sql = crate::db::AssertSqlSafe(format!(
            "SELECT {COLUMNS}, a.password FROM accounts a WHERE {IDENTIFIED} AND a.disabled IS NULL"
        ));
        let row = self.db.fetch_optional(sql, args![profile::key(identifier)]).await?;
        let stored = row.as_ref().map(|r| r.opt_text("password")).transpose()?.flatten();
        let typed = typed.clone();
        let matches = self
            .hashing(move || {
                let verifier = stored.as_deref().unwrap_or(password::DECOY);
                let verified = password::matches(typed.expose(), verifier);
                Ok(verified && stored.is_some())
            })
            .await?;
        let account = row.filter(|_| matches).as_ref().map(read_account).transpose()?;
        Ok(account)
    }

    /// Turns the second factor (RFC 6238) on with this secret, or off.
    pub async fn set_totp(
        &self,
        id: AccountId,
        secret: Option<&Secret<Vec<u8>>>,
        events: Vec<BuiltEvent>,
    ) -> Result<(), AccountError> {
        let sealed = secret.map(|s| self.totp.seal("totp", &id.0.to_be_bytes(), s.expose())).transpose()?;
        let sql = "UPDATE accounts SET totp = $2, totp_step = NULL WHERE id = $1";
        self.update(sql, args![id, sealed], id, events).await
    }

    /// The latest time step whose code was used; codes up to it are worth nothing any more.
    pub async fn totp_step(&self, id: AccountId) -> Result<Option<i64>, AccountError> {
        let row = self.db.fetch_optional("SELECT totp_step FROM accounts WHERE id = $1", args![id]).await?;
        Ok(row.map(|r| r.opt_int("totp_step")).transpose()?.flatten())
    }

    /// Uses a time step up (RFC 6238 §5.2: a code is good once). `false` when it, or a later one, was used already:
    /// the statement's condition decides between two browsers.
    pub async fn use_totp_step(&self, id: AccountId, step: i64) -> Result<bool, AccountError> {
        let sql =
            "UPDATE accounts SET totp_step = $2 WHERE id = $1 AND (totp_step IS NULL OR totp_step < $2)";
        Ok(self.db.execute(sql, args![id, step]).await? == 1)
    }

    /// The second factor's secret, when it is on.
    pub async fn totp_secret(&self, id: AccountId) -> Result<Option<Secret<Vec<u8>>>, AccountError> {
        let row = self.db.fetch_optional("SELECT totp FROM accounts WHERE id = $1", args![id]).await?;
        let Some(sealed) = row.map(|r| r.opt_bytes("totp")).transpose()?.flatten() else { return Ok(None) };
        Ok(Some(Secret::new(self.totp.open("totp", &id.0.to_be_bytes(), &sealed)?)))
    }

    /// What a browser may keep while the second factor is on its way: whose password it gave, and until when. Nobody
    /// gives a value of the same length.
    pub fn seal_pending(
        &self,
        account: Option<AccountId>,
        until: Timestamp,
    ) -> Result<Vec<u8>, AccountError> {
        let mut plain = [0u8; 16];
        plain[..8].copy_from_slice(&account.map_or(0, |a| a.0).to_be_bytes());
        plain[8..].copy_from_slice(&until.as_microsecond().to_be_bytes());
        Ok(self.pending.seal("pending", &[], &plain)?)
    }

    /// Whose it is, unless it is over, nobody's, or not ours.
    pub fn open_pending(&self, sealed: &[u8], now: Timestamp) -> Option<AccountId> {
        let plain = self.pending.open("pending", &[], sealed).ok()?;
        let (id, until) = plain.split_at_checked(8)?;
        let id = i64::from_be_bytes(id.try_into().ok()?);
        let until = i64::from_be_bytes(until.try_into().ok()?);
        (id > 0 && now.as_microsecond() < until).then_some(AccountId(id))
    }

    /// An authenticator app's secret on its way to be confirmed, kept by the browser.
    pub fn seal_enrolment(
        &self,
        id: AccountId,
        secret: &Secret<Vec<u8>>,
        until: Timestamp,
    ) -> Result<Vec<u8>, AccountError> {
        let mut plain = until.as_microsecond().to_be_bytes().to_vec();
        plain.extend_from_slice(secret.expose());
        let plain = Secret::new(plain);
        Ok(self.pending.seal("enrolment", &id.0.to_be_bytes(), plain.expose())?)
    }

    /// The secret again, for the same account and in time.
    pub fn open_enrolment(&self, id: AccountId, sealed: &[u8], now: Timestamp) -> Option<Secret<Vec<u8>>> {
        let plain = Secret::new(self.pending.open("enrolment", &id.0.to_be_bytes(), sealed).ok()?);
        let (until, secret) = plain.expose().split_at_checked(8)?;
        let until = i64::from_be_bytes(until.try_into().ok()?);
        (now.as_microsecond() < until).then(|| Secret::new(secret.to_vec()))
    }
}
