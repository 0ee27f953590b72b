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
    /// Address of the last use.
    pub last_network: Option<String>,
    /// What it is good for.
    pub scope: AppScope,
    /// Until when.
    pub expires: Option<Timestamp>,
}

/// What an app password is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AppScope {
    /// Sending only.
    Smtp,
    /// Reading only.
    Imap,
    /// Both.
    Both,
}

impl AppScope {
    /// The words in rows, commands and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Imap => "imap",
            Self::Both => "smtp imap",
        }
    }
    /// Whether it is good for a protocol (`smtp` or `imap`).
    pub fn allows(self, protocol: &str) -> bool {
        self.as_str().split(' ').any(|word| word == protocol)
    }
    fn read(words: &str) -> Result<Self, StoreError> {
        [Self::Smtp, Self::Imap, Self::Both]
            .into_iter()
            .find(|s| s.as_str() == words)
            .ok_or_else(|| StoreError::damaged("scope", words))
    }
}

/// An app password that was shown and is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppLogin {
    /// Whose.
    pub account: Account,
    /// Which.
    pub password: Uuid,
    /// What it is good for.
    pub scope: AppScope,
}

/// An app password ready to be written.
#[derive(Debug)]
pub struct PreparedPassword {
    pub(super) id: Uuid,
    label: String,
    hash: [u8; 32],
    iterations: u32,
    scram: ScramRecord,
    created: Timestamp,
    scope: AppScope,
    expires: Option<Timestamp>,
}

impl PreparedPassword {
    pub(super) fn limited(self, scope: AppScope, expires: Option<Timestamp>) -> Self {
        Self { scope, expires, ..self }
    }
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
         scram_server, created, scope, expires) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        args![
            row.id,
            entity,
            account,
            row.label,
            row.hash,
            row.iterations,
            stored,
            server,
            row.created,
            row.scope.as_str(),
            row.expires
        ],
    )
    .await?;
    Ok(())
}

/// 120 random bits as `xxxx-xxxx-xxxx-xxxx-xxxx-xxxx`.
pub(super) fn generate() -> Secret<String> {
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
            scope: AppScope::Both,
            expires: None,
        }
    }

    /// The app passwords of an account, newest first; at most 200.
    pub async fn app_passwords(&self, account: AccountId) -> Result<Vec<AppPassword>, AccountError> {
        let rows = self
            .db
            .fetch_all(
                "SELECT id, label, created, last_used, last_network, scope, expires FROM app_passwords WHERE account = $1 \
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
                    last_network: row.opt_text("last_network")?,
                    scope: AppScope::read(&row.text("scope")?)?,
                    expires: row.opt_time("expires")?,
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
        self.update(sql, args![id, account], account, events).await?;
        self.revoked();
        Ok(())
    }

    /// The account whose app password this is. Unknown login, disabled account and wrong password do the
    /// same work and give the same answer.
    pub async fn verify_app_password(
        &self,
        login: &EmailAddress,
        password: &Secret<String>,
    ) -> Result<Option<AppLogin>, AccountError> {
        let hash = self.app_hash(login, password.expose());
        self.app_login("p.hash = $1 AND a.login_key = $3", args![hash, self.clock.now(), login.key()]).await
    }

    /// The account of an app password that has proved itself, as by SCRAM; none when it was revoked or its
    /// account disabled meanwhile.
    pub async fn by_app_password(&self, id: Uuid) -> Result<Option<AppLogin>, AccountError> {
        self.app_login("p.id = $1", args![id, self.clock.now()]).await
    }

    async fn app_login(&self, condition: &str, args: crate::Args) -> Result<Option<AppLogin>, AccountError> {
        let sql = crate::db::AssertSqlSafe(format!(
            "SELECT {COLUMNS}, p.id AS password_id, p.scope FROM app_passwords p JOIN accounts a ON a.id = p.account \
             WHERE {condition} AND a.disabled IS NULL AND (p.expires IS NULL OR p.expires > $2)"
        ));
        let Some(row) = self.db.fetch_optional(sql, args).await? else { return Ok(None) };
        let (account, password) = (read_account(&row)?, row.uuid("password_id")?);
        Ok(Some(AppLogin { account, password, scope: AppScope::read(&row.text("scope")?)? }))
    }

    /// Whether an app password that opened a connection still stands: not revoked, not expired, its account active.
    pub async fn still_stands(&self, id: Uuid) -> Result<bool, AccountError> {
        Ok(self.by_app_password(id).await?.is_some())
    }

    /// Remembers a use, to be written by [`Accounts::flush_uses`].
    pub fn note_use(&self, app_password: Uuid, account: AccountId, network: Option<String>) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert(app_password, (account, self.clock.now(), network));
    }

    /// Writes the uses since the last call; call it every minute or so, and at the end.
    pub async fn flush_uses(&self) -> Result<(), AccountError> {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        if used.is_empty() {
            return Ok(());
        }
        self.db
            .write(async move |tx| {
                for (password, (account, at, network)) in used {
                    let sql = "UPDATE app_passwords SET last_used = $2, last_network = $3 WHERE id = $1";
                    tx.execute(sql, args![password, at, network]).await?;
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
