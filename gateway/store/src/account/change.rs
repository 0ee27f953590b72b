//! Changes of an account that go into a transaction with more: events, mails, the end of sessions.

use super::{Account, AccountError, Accounts, app_password};
use crate::{StoreError, Tx, args};
use sealpost_envelope::{AccountId, Secret, Timestamp};
use uuid::Uuid;

/// Letters and digits of a backup code, without look-alikes; ten of them hold 50 bits.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const BACKUP_LENGTH: usize = 10;
/// Backup codes made at a time.
const BACKUP_COUNT: usize = 10;

/// A password as it is stored.
#[derive(Debug)]
pub struct HashedPassword(pub(super) String);

impl Accounts {
    /// Stretches a password, outside of any transaction.
    pub async fn stretch(&self, typed: &Secret<String>) -> Result<HashedPassword, AccountError> {
        Ok(HashedPassword(self.hash_password(typed).await?))
    }

    /// Sets the password.
    pub async fn write_password(
        tx: &mut Tx,
        id: AccountId,
        hashed: &HashedPassword,
    ) -> Result<(), StoreError> {
        tx.execute("UPDATE accounts SET password = $2 WHERE id = $1", args![id, hashed.0.as_str()])
            .await
            .map(drop)
    }

    /// Turns the authenticator app on with this secret and the step of the code that confirmed it, or off.
    pub async fn write_totp(
        &self,
        tx: &mut Tx,
        id: AccountId,
        secret: Option<(&Secret<Vec<u8>>, i64)>,
    ) -> Result<(), AccountError> {
        let step = secret.map(|(_, step)| step);
        let sealed =
            secret.map(|(s, _)| self.totp.seal("totp", &id.0.to_be_bytes(), s.expose())).transpose()?;
        let sql = "UPDATE accounts SET totp = $2, totp_step = $3 WHERE id = $1";
        tx.execute(sql, args![id, sealed, step]).await?;
        Ok(())
    }

    /// Ten fresh backup codes, to be shown once, and what is stored of them.
    pub fn new_backup_codes(&self, id: AccountId) -> Vec<(Secret<String>, [u8; 32])> {
        let one = |_| {
            let mut raw = [0u8; BACKUP_LENGTH];
            crate::crypto::random(&mut raw);
            let mut text = String::with_capacity(BACKUP_LENGTH + 1);
            for (n, byte) in raw.iter().enumerate() {
                if n == BACKUP_LENGTH / 2 {
                    text.push('-');
                }
                text.push(char::from(ALPHABET[usize::from(byte & 31)]));
            }
            let hash = self.backup_hash(id, &text).unwrap_or_default();
            (Secret::new(text), hash)
        };
        (0..BACKUP_COUNT).map(one).collect()
    }

    /// What is stored of a backup code as typed; `None` when it can be none.
    fn backup_hash(&self, id: AccountId, typed: &str) -> Option<[u8; 32]> {
        if typed.len() > 40 {
            return None;
        }
        let code: String = typed
            .chars()
            .filter(|c| !(c.is_whitespace() || *c == '-'))
            .map(|c| match c.to_ascii_lowercase() {
                'i' | 'l' => '1',
                'o' => '0',
                c => c,
            })
            .collect();
        let valid = code.len() == BACKUP_LENGTH && code.bytes().all(|b| ALPHABET.contains(&b));
        valid.then(|| self.pepper.hmac(&[b"backup-code", &id.0.to_be_bytes(), code.as_bytes()]))
    }

    /// Replaces an account's backup codes; an empty list removes them.
    pub async fn write_backup_codes(
        tx: &mut Tx,
        account: &Account,
        hashes: Vec<[u8; 32]>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        tx.execute("DELETE FROM account_backup_codes WHERE account = $1", args![account.id]).await?;
        let rows = hashes.into_iter().map(|h| args![account.id, h, account.entity, now]).collect();
        let head = "INSERT INTO account_backup_codes (account, hash, entity, created) VALUES";
        tx.insert(head, rows, "").await.map(drop)
    }

    /// Uses a backup code up; `false` when it is none of the account's living ones.
    pub async fn use_backup_code(
        &self,
        id: AccountId,
        typed: &str,
        now: Timestamp,
    ) -> Result<bool, AccountError> {
        let Some(hash) = self.backup_hash(id, typed) else { return Ok(false) };
        let sql =
            "UPDATE account_backup_codes SET used = $3 WHERE account = $1 AND hash = $2 AND used IS NULL";
        Ok(self.db.execute(sql, args![id, hash, now]).await? == 1)
    }

    /// Backup codes not yet used.
    pub async fn backup_codes_left(&self, id: AccountId) -> Result<u32, AccountError> {
        let sql = "SELECT COUNT(*) AS n FROM account_backup_codes WHERE account = $1 AND used IS NULL";
        Ok(self.db.fetch_one(sql, args![id]).await?.small("n")?)
    }

    /// Prepares an app password with its scope and end: what to show once, and what to write.
    pub fn new_app_password(
        &self,
        account: &Account,
        label: &str,
        scope: app_password::AppScope,
        expires: Option<Timestamp>,
    ) -> (Secret<String>, app_password::PreparedPassword) {
        let password = app_password::generate();
        let prepared = self.prepare(&account.login, label, &password).limited(scope, expires);
        (password, prepared)
    }

    /// Writes a prepared app password; answers its name.
    pub async fn write_app_password(
        tx: &mut Tx,
        account: &Account,
        prepared: app_password::PreparedPassword,
    ) -> Result<Uuid, StoreError> {
        let id = prepared.id;
        app_password::insert(tx, account.entity, account.id, prepared).await?;
        Ok(id)
    }

    /// Revokes app passwords: one, or all of an account. Answers how many.
    pub async fn delete_app_passwords(
        tx: &mut Tx,
        account: AccountId,
        one: Option<Uuid>,
    ) -> Result<u64, StoreError> {
        let sql = "DELETE FROM app_passwords WHERE account = $1 AND (id = $2 OR $3)";
        tx.execute(sql, args![account, one.map_or_else(String::new, |id| id.to_string()), one.is_none()])
            .await
    }
}
