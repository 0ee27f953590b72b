//! Passwords of mail programs: generated, 120 bits, shown once.
//!
//! Stored is HMAC-SHA256 (under the pepper of the key store) over login and password. With 120 random
//! bits nothing slower is needed, so a login costs microseconds; the password of an SMTP session can be
//! checked thousands of times a second.

use super::{Account, AccountError, Accounts, COLUMNS, ScramRecord, read_account, scram};
use crate::crypto::random;
use crate::{StoreError, Tx, args};
use sealpost_envelope::{AccountId, EmailAddress, EntityId, Secret, Timestamp};
use sealpost_evidence::BuiltEvent;
use std::sync::PoisonError;
use uuid::Uuid;

/// Crockford base 32 in lower case: no i, l, o, u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const CHARACTERS: usize = 24;
const GROUP: usize = 4;

/// A new app password, to be shown once.
#[derive(Debug)]
pub struct NewAppPassword {
    /// Names it in lists.
    pub id: Uuid,
    /// Six groups of four letters and digits.
    pub password: Secret<String>,
}

/// An app password as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppPassword {
    /// Names it.
    pub id: Uuid,
    /// What its owner called it.
    pub label: String,
    /// Since when.
    pub created: Timestamp,
    /// Last use, some minutes late at most.
    pub last_used: Option<Timestamp>,
}

/// An app password ready to be written.
pub(super) struct PreparedPassword {
    id: Uuid,
    label: String,
    hash: [u8; 32],
    iterations: u32,
    scram: ScramRecord,
    created: Timestamp,
}

pub(super) async fn insert(
    tx: &mut Tx,
    entity: EntityId,
    account: AccountId,
    row: PreparedPassword,
) -> Result<(), StoreError> {
    let (stored, server) = (row.scram.stored_key, row.scram.server_key);
    tx.execute(
        "INSERT INTO app_passwords (id, entity, account, label, hash, scram_iterations, scram_stored, \
         scram_server, created) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        args![row.id, entity, account, row.label, row.hash, row.iterations, stored, server, row.created],
    )
    .await?;
    Ok(())
}

/// 120 random bits as `xxxx-xxxx-xxxx-xxxx-xxxx-xxxx`.
fn generate() -> Secret<String> {
    let mut raw = [0u8; CHARACTERS];
    random(&mut raw);
    let mut text = String::with_capacity(CHARACTERS + CHARACTERS / GROUP);
    for (n, byte) in raw.iter().enumerate() {
        if n > 0 && n % GROUP == 0 {
            text.push('-');
        }
        text.push(char::from(ALPHABET[usize::from(byte & 31)]));
    }
    Secret::new(text)
}

/// What a person may have typed of a generated password: case, spaces, dashes and look-alikes are
/// forgiven. Any other text stays as it is.
fn normal(typed: &str) -> Secret<String> {
    // Bounded before anything is done with it; ours have 29 characters.
    if typed.len() <= 64 {
        let read: Option<String> = typed
            .chars()
            .filter(|c| !matches!(c, '-' | ' '))
            .map(|c| match c.to_ascii_lowercase() {
                'i' | 'l' => Some('1'),
                'o' => Some('0'),
                c if u8::try_from(c).is_ok_and(|b| ALPHABET.contains(&b)) => Some(c),
                _ => None,
            })
            .collect();
        if let Some(read) = read.filter(|r| r.len() == CHARACTERS) {
            return Secret::new(read);
        }
    }
    Secret::new(typed.to_owned())
}

impl Accounts {
    fn app_hash(&self, login: &EmailAddress, typed: &str) -> [u8; 32] {
        let password = normal(typed);
        self.pepper.hmac(&[b"app-password", login.key().as_bytes(), password.expose().as_bytes()])
    }

    /// Generates an app password for an account.
    pub async fn add_app_password(
        &self,
        account: &Account,
        label: &str,
        events: Vec<BuiltEvent>,
    ) -> Result<NewAppPassword, AccountError> {
        let password = generate();
        let id = self.set_app_password(account, label, &password, events).await?;
        Ok(NewAppPassword { id, password })
    }

    /// Stores a given app password, such as one that stands in a file.
    pub async fn set_app_password(
        &self,
        account: &Account,
        label: &str,
        password: &Secret<String>,
        events: Vec<BuiltEvent>,
    ) -> Result<Uuid, AccountError> {
        let row = self.prepare(&account.login, label, password);
        let (id, entity, account) = (row.id, account.entity, account.id);
        self.db
            .write(async move |tx| {
                insert(tx, entity, account, row).await?;
                tx.append(events).await
            })
            .await?;
        Ok(id)
    }

    /// Computes what is stored of a password; takes some milliseconds, outside of any transaction.
    pub(super) fn prepare(
        &self,
        login: &EmailAddress,
        label: &str,
        password: &Secret<String>,
    ) -> PreparedPassword {
        let (salt, iterations) = self.scram_salt(login);
        PreparedPassword {
            id: Uuid::now_v7(),
            label: label.to_owned(),
            hash: self.app_hash(login, password.expose()),
            iterations,
            scram: scram::derive(password.expose(), &salt, iterations),
            created: self.clock.now(),
        }
    }

    /// The app passwords of an account, newest first; at most 200.
    pub async fn app_passwords(&self, account: AccountId) -> Result<Vec<AppPassword>, AccountError> {
        let rows = self
            .db
            .fetch_all(
                "SELECT id, label, created, last_used FROM app_passwords WHERE account = $1 \
                 ORDER BY created DESC, id LIMIT 200",
                args![account],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(AppPassword {
                    id: row.uuid("id")?,
                    label: row.text("label")?,
                    created: row.time("created")?,
                    last_used: row.opt_time("last_used")?,
                })
            })
            .collect::<Result<_, StoreError>>()
            .map_err(AccountError::from)
    }

    /// Revokes an app password.
    pub async fn remove_app_password(
        &self,
        account: AccountId,
        id: Uuid,
        events: Vec<BuiltEvent>,
    ) -> Result<(), AccountError> {
        let sql = "DELETE FROM app_passwords WHERE id = $1 AND account = $2";
        self.update(sql, args![id, account], account, events).await
    }

    /// The account whose app password this is. Unknown login, disabled account and wrong password do the
    /// same work and give the same answer.
    pub async fn verify_app_password(
        &self,
        login: &EmailAddress,
        password: &Secret<String>,
    ) -> Result<Option<Account>, AccountError> {
        let sql = crate::db::AssertSqlSafe(format!(
            "SELECT {COLUMNS}, p.id AS password_id FROM app_passwords p JOIN accounts a ON a.id = p.account \
             WHERE p.hash = $1 AND a.login_key = $2 AND a.disabled IS NULL"
        ));
        let hash = self.app_hash(login, password.expose());
        let Some(row) = self.db.fetch_optional(sql, args![hash, login.key()]).await? else { return Ok(None) };
        let account = read_account(&row)?;
        self.note_use(row.uuid("password_id")?, account.id);
        Ok(Some(account))
    }

    /// The account of an app password that has proved itself, as by SCRAM; none when it was revoked or its
    /// account disabled meanwhile.
    pub async fn by_app_password(&self, id: Uuid) -> Result<Option<Account>, AccountError> {
        let sql = crate::db::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM app_passwords p JOIN accounts a ON a.id = p.account \
             WHERE p.id = $1 AND a.disabled IS NULL"
        ));
        let Some(row) = self.db.fetch_optional(sql, args![id]).await? else { return Ok(None) };
        let account = read_account(&row)?;
        self.note_use(id, account.id);
        Ok(Some(account))
    }

    /// Remembers a use, to be written by [`Accounts::flush_uses`].
    pub fn note_use(&self, app_password: Uuid, account: AccountId) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert(app_password, (account, self.clock.now()));
    }

    /// Writes the uses since the last call; call it every minute or so, and at the end.
    pub async fn flush_uses(&self) -> Result<(), AccountError> {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        if used.is_empty() {
            return Ok(());
        }
        self.db
            .write(async move |tx| {
                for (password, (account, at)) in used {
                    tx.execute("UPDATE app_passwords SET last_used = $2 WHERE id = $1", args![password, at])
                        .await?;
                    tx.execute("UPDATE accounts SET last_used = $2 WHERE id = $1", args![account, at])
                        .await?;
                }
                Ok(())
            })
            .await
            .map_err(AccountError::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readable_and_forgiving() {
        let made = generate();
        let text = made.expose();
        assert_eq!(text.len(), 29);
        assert_eq!(text.split('-').map(str::len).collect::<Vec<_>>(), [4; 6]);
        let shouted = text.to_uppercase().replace('-', " ");
        assert_eq!(normal(text).expose(), normal(&shouted).expose());
        assert_eq!(normal(&text.replace('-', "")).expose(), normal(text).expose());
        assert_ne!(generate().expose(), text);
    }

    #[test]
    fn other_texts_stay() {
        for text in ["demo-password", "", "é-à", "abcd efgh", &"a".repeat(5000)] {
            assert_eq!(normal(text).expose(), text);
        }
        assert_eq!(normal("oooo-iiii-LLLL-0000-1111-2222").expose(), "000011111111000011112222");
    }
}
