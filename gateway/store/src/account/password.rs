//! People's passwords (argon2id) and second factors.

use super::{Account, AccountError, Accounts, COLUMNS, read_account};
use crate::args;
use sealpost_envelope::{AccountId, EmailAddress, Secret, password};
use sealpost_evidence::BuiltEvent;
use std::sync::Arc;

const LENGTHS: std::ops::RangeInclusive<usize> = 10..=1000;
/// Longer texts are refused before any work; nobody's password.
const MAX_TYPED: usize = 4000;

impl Accounts {
    /// Runs argon2 away from the asynchronous workers, few at a time.
    async fn hashing<T: Send + 'static>(
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
        if typed.expose().len() > MAX_TYPED {
            return Ok(None);
        }
        let sql = crate::db::AssertSqlSafe(format!(
            "SELECT {COLUMNS}, a.password FROM accounts a WHERE a.login_key = $1 AND a.disabled IS NULL"
        ));
        let row = self.db.fetch_optional(sql, args![login.key()]).await?;
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
        self.update("UPDATE accounts SET totp = $2 WHERE id = $1", args![id, sealed], id, events).await
    }

    /// The second factor's secret, when it is on.
    pub async fn totp_secret(&self, id: AccountId) -> Result<Option<Secret<Vec<u8>>>, AccountError> {
        let row = self.db.fetch_optional("SELECT totp FROM accounts WHERE id = $1", args![id]).await?;
        let Some(sealed) = row.map(|r| r.opt_bytes("totp")).transpose()?.flatten() else { return Ok(None) };
        Ok(Some(Secret::new(self.totp.open("totp", &id.0.to_be_bytes(), &sealed)?)))
    }
}
