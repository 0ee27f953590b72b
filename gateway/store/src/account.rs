//! Accounts: who may log in, with what, and whose addresses they may write as.
//!
//! **Job.** Creating and changing accounts (each change with its journal events in one transaction) and
//! checking the credentials that strangers type at SMTP, IMAP and the web.
//!
//! **Exposure.** Logins and passwords of strangers. Unknown and disabled accounts take the same path and
//! the same time as wrong passwords. App passwords are looked up by a keyed hash, so that what the
//! database does depends on nothing a stranger can foresee.
//!
//! **Standards.** Argon2id (RFC 9106) for people's passwords, SCRAM-SHA-256 (RFC 5802, RFC 7677) records
//! beside app passwords, secrets of second factors sealed by a key of the key store.
//!
//! **Failure modes.** [`AccountError`]. With another key store, every app password and second factor is
//! unknown: passwords must be set anew.

mod address;
mod app_password;
mod brake;
mod challenge;
mod change;
mod leave;
mod link;
pub(crate) mod owner;
mod password;
mod profile;
mod provision;
mod request;
mod scim;
mod scram;
mod token;

pub use address::{AccountAddress, Standing};
pub use app_password::PreparedPassword;
pub use app_password::{AppLogin, AppPassword, AppScope, NewAppPassword};
pub use brake::{Brake, LoginLimits};
pub use challenge::{CodeOutcome, CodePurpose, CodeRule, StaffChallenge};
pub use change::HashedPassword;
pub use link::{AccountLink, LinkPurpose};
pub use profile::Profile;
pub use request::{AccountRequest, NewRequest};
pub use scim::{GroupPut, SCIM, ScimChange, ScimFilter, ScimGroup, ScimUser};
pub use scram::{ScramCredentials, ScramRecord};
pub use token::{ApiToken, NewApiToken, TokenScope, UnknownScope};

use crate::crypto::CryptoError;
use crate::keys::{KeyError, PurposeKey};
use crate::{Db, Row, Store, StoreError, args};
use sealpost_envelope::{AccountId, Clock, EmailAddress, EntityId, Secret, Timestamp};
use sealpost_evidence::BuiltEvent;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Why an account operation failed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// No such account.
    #[error("there is no account {0}")]
    Unknown(String),
    /// Another account has this login or address.
    #[error("{0} belongs to another account")]
    Taken(EmailAddress),
    /// Another account has this access code, or this login.
    #[error("the access code {0:?} belongs to another account")]
    TakenCode(String),
    /// Who is disabled, of another organisation, or the leaver, takes nothing over.
    #[error("{0} cannot take over: it must be another, active account of the same organisation")]
    NoHeir(EmailAddress),
    /// Who is disabled, of another organisation, or no person, answers for nobody.
    #[error(
        "{0} cannot answer for this account: it must be another, active account of a person of the same organisation"
    )]
    NoOwner(EmailAddress),
    /// Not a role's name.
    #[error("unknown role {0:?}; one of sender, auditor, admin, operator, demo")]
    Role(String),
    /// The password is too short or too long.
    #[error("a password has 10 to 1000 characters")]
    PasswordLength,
    /// Argon2 failed, for want of memory.
    #[error("the password could not be hashed")]
    Hashing,
    /// The key store.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A sealed secret does not open: another key store, or damage.
    #[error("the second factor's secret: {0}")]
    Crypto(#[from] CryptoError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an account is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Sends mail and follows it.
    Sender,
    /// Reads the journal and exports proofs.
    Auditor,
    /// Administers its organisation.
    Admin,
    /// Administers its organisation and the installation that several share.
    Operator,
    /// An outside recipient's mailbox in the demo; never sends.
    Demo,
}

impl Role {
    /// The word in commands, rows and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Demo => "demo",
        }
    }
    /// Whether it administers its organisation.
    pub fn administers(self) -> bool {
        matches!(self, Self::Admin | Self::Operator)
    }
}
impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
impl std::str::FromStr for Role {
    type Err = AccountError;
    fn from_str(s: &str) -> Result<Self, AccountError> {
        [Self::Sender, Self::Auditor, Self::Admin, Self::Operator, Self::Demo]
            .into_iter()
            .find(|r| r.as_str() == s)
            .ok_or_else(|| AccountError::Role(s.to_owned()))
    }
}

/// An account, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Number.
    pub id: AccountId,
    /// Organisation.
    pub entity: EntityId,
    /// Login, which is also the account's first own address.
    pub login: EmailAddress,
    /// What it is for.
    pub role: Role,
    /// Name shown to people.
    pub name: String,
    /// Since when it is disabled.
    pub disabled: Option<Timestamp>,
    /// Whether a password is set.
    pub has_password: bool,
    /// Whether a second factor is on.
    pub has_totp: bool,
    /// Since when it exists.
    pub created: Timestamp,
    /// Last use, some minutes late at most.
    pub last_used: Option<Timestamp>,
    /// Who answers for it, where it is nobody's own: an application, a copier, the address of a service.
    pub owner: Option<AccountId>,
}

/// A new account.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Organisation.
    pub entity: EntityId,
    /// Login and first own address.
    pub login: EmailAddress,
    /// What it is for.
    pub role: Role,
    /// Name shown to people.
    pub name: String,
    /// Password, if people log in with one.
    pub password: Option<Secret<String>>,
}

pub(crate) const COLUMNS: &str = "a.id, a.entity, a.login, a.role, a.name, a.disabled, a.created, a.last_used, a.owner, \
     (a.password IS NOT NULL) AS has_password, (a.totp IS NOT NULL) AS has_totp";

pub(crate) fn read_account(row: &Row) -> Result<Account, StoreError> {
    Ok(Account {
        id: AccountId(row.int("id")?),
        entity: row.entity()?,
        login: row.parse("login")?,
        role: row.parse("role")?,
        name: row.text("name")?,
        disabled: row.opt_time("disabled")?,
        has_password: row.flag("has_password")?,
        has_totp: row.flag("has_totp")?,
        created: row.time("created")?,
        last_used: row.opt_time("last_used")?,
        owner: row.opt_int("owner")?.map(AccountId),
    })
}

/// A use of an app password: by which account, when, from where.
type Use = (AccountId, Timestamp, Option<String>);

/// The accounts of an installation.
#[derive(Debug)]
pub struct Accounts {
    db: Db,
    clock: Arc<dyn Clock>,
    pepper: PurposeKey,
    totp: PurposeKey,
    pending: PurposeKey,
    links: PurposeKey,
    /// Hashing takes 19 MiB and a core: few at a time, whoever asks.
    hashing: Arc<Semaphore>,
    /// Uses not yet written: by app password.
    used: Mutex<HashMap<Uuid, Use>>,
    /// Counts revocations of this process, for whoever keeps connections open.
    revocations: tokio::sync::watch::Sender<u64>,
}

impl Accounts {
    /// Over an open store; make one per process and share it.
    pub fn new(store: &Store) -> Result<Self, AccountError> {
        Ok(Self {
            db: store.db().clone(),
            clock: Arc::clone(store.clock()),
            pepper: store.keys().purpose("peppers")?,
            totp: store.keys().purpose("totp")?,
            pending: store.keys().purpose("pending-logins")?,
            links: store.keys().purpose("account-links")?,
            hashing: Arc::new(Semaphore::new(1)),
            used: Mutex::default(),
            revocations: tokio::sync::watch::Sender::default(),
        })
    }

    /// Says that app passwords were revoked or accounts disabled: open connections look again whether they still
    /// stand. Call it after the commit.
    pub fn revoked(&self) {
        self.revocations.send_modify(|count| *count += 1);
    }

    /// Hears of revocations in this process. Other processes' are found by looking now and then.
    pub fn revocations(&self) -> tokio::sync::watch::Receiver<u64> {
        self.revocations.subscribe()
    }

    /// Creates an account; its login becomes its first own address.
    pub async fn create(&self, new: NewAccount, events: Vec<BuiltEvent>) -> Result<Account, AccountError> {
        self.create_with(new, None, None, None, events).await
    }

    /// Creates an account that is nobody's own, for which `owner` answers.
    pub async fn create_owned(
        &self,
        new: NewAccount,
        owner: &Account,
        events: Vec<BuiltEvent>,
    ) -> Result<Account, AccountError> {
        self.create_with(new, None, None, Some(owner), events).await
    }

    async fn create_with(
        &self,
        new: NewAccount,
        app_password: Option<PreparedPassword>,
        source: Option<&str>,
        owner: Option<&Account>,
        events: Vec<BuiltEvent>,
    ) -> Result<Account, AccountError> {
        let password = match &new.password {
            Some(password) => Some(self.hash_password(password).await?),
            None => None,
        };
        let now = self.clock.now();
        let (login, source, owner) = (new.login.clone(), source.map(str::to_owned), owner.cloned());
        self.db
            .write_as(async move |tx| {
                let taken = || AccountError::Taken(new.login.clone());
                if let Some(owner) = &owner {
                    owner::may_own(tx, None, owner, new.entity).await?;
                }
                let created = tx
                    .fetch_optional(
                        "INSERT INTO accounts (entity, login, login_key, role, name, password, created, source, owner) \
                         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING RETURNING id",
                        args![
                            new.entity,
                            new.login.as_str(),
                            new.login.key(),
                            new.role.as_str(),
                            &new.name,
                            password,
                            now,
                            source,
                            owner.map(|o| o.id)
                        ],
                    )
                    .await?
                    .ok_or_else(taken)?;
                let id = AccountId(created.int("id")?);
                if !address::insert(tx, id, new.entity, &new.login, Standing::Own).await? {
                    return Err(taken());
                }
                if let Some(row) = app_password {
                    app_password::insert(tx, new.entity, id, row).await?;
                }
                tx.append(events).await?;
                Ok(())
            })
            .await?;
        self.by_login(&login).await?.ok_or_else(|| AccountError::Unknown(login.to_string()))
    }

    /// The demo's mailbox of an outside recipient, created on first use with this password.
    pub async fn ensure_demo(
        &self,
        entity: EntityId,
        address: &EmailAddress,
        password: &Secret<String>,
    ) -> Result<Account, AccountError> {
        if let Some(found) = self.by_login(address).await? {
            return Ok(found);
        }
        let new = NewAccount {
            entity,
            login: address.clone(),
            role: Role::Demo,
            name: address.local().to_owned(),
            password: None,
        };
        let app_password = self.prepare(address, "demo", password);
        match self.create_with(new, Some(app_password), None, None, Vec::new()).await {
            // Another delivery was faster.
            Err(AccountError::Taken(_)) => {
                self.by_login(address).await?.ok_or_else(|| AccountError::Unknown(address.to_string()))
            }
            other => other,
        }
    }

    /// The account with this login, disabled or not.
    pub async fn by_login(&self, login: &EmailAddress) -> Result<Option<Account>, AccountError> {
        self.one("a.login_key = $1", args![login.key()]).await
    }

    /// The account with this number, disabled or not.
    pub async fn by_id(&self, id: AccountId) -> Result<Option<Account>, AccountError> {
        self.one("a.id = $1", args![id]).await
    }

    /// Who reads an organisation's mail for Postmaster: its first administrator.
    pub async fn postmaster(&self, entity: EntityId) -> Result<Option<Account>, AccountError> {
        let condition = "a.entity = $1 AND a.role IN ($2, $3) AND a.disabled IS NULL ORDER BY a.id LIMIT 1";
        self.one(condition, args![entity, Role::Admin.as_str(), Role::Operator.as_str()]).await
    }

    async fn one(&self, condition: &str, args: crate::Args) -> Result<Option<Account>, AccountError> {
        let sql = crate::db::AssertSqlSafe(format!("SELECT {COLUMNS} FROM accounts a WHERE {condition}"));
        let row = self.db.fetch_optional(sql, args).await?;
        Ok(row.as_ref().map(read_account).transpose()?)
    }

    /// Accounts in the order of their numbers, at most 500 after `after`; of one entity or of all.
    pub async fn list(
        &self,
        entity: Option<EntityId>,
        after: AccountId,
    ) -> Result<Vec<Account>, AccountError> {
        let sql = crate::db::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM accounts a WHERE a.id > $1 AND (a.entity = $2 OR $3) ORDER BY a.id LIMIT 500"
        ));
        let rows =
            self.db.fetch_all(sql, args![after, entity.unwrap_or(EntityId(0)), entity.is_none()]).await?;
        Ok(rows.iter().map(read_account).collect::<Result<_, _>>()?)
    }

    /// Disables an account, or enables it again. What it sent stays; its sessions end at once.
    pub async fn set_disabled(
        &self,
        id: AccountId,
        disabled: bool,
        events: Vec<BuiltEvent>,
    ) -> Result<(), AccountError> {
        let since = disabled.then(|| self.clock.now());
        let done = self.db.write_as(async move |tx| {
            if tx.execute("UPDATE accounts SET disabled = $2 WHERE id = $1", args![id, since]).await? == 0 {
                return Err(AccountError::Unknown(id.to_string()));
            }
            // Sessions and links do not come back with the account.
            tx.execute("DELETE FROM staff_sessions WHERE account = $1", args![id]).await?;
            AccountLink::end_all(tx, id, since.unwrap_or(Timestamp::MIN)).await?;
            Ok(tx.append(events).await?)
        });
        done.await?;
        self.revoked();
        Ok(())
    }

    /// Gives another role.
    pub async fn set_role(
        &self,
        id: AccountId,
        role: Role,
        events: Vec<BuiltEvent>,
    ) -> Result<(), AccountError> {
        self.update("UPDATE accounts SET role = $2 WHERE id = $1", args![id, role.as_str()], id, events).await
    }

    /// Gives another display name.
    pub async fn set_name(
        &self,
        id: AccountId,
        name: &str,
        events: Vec<BuiltEvent>,
    ) -> Result<(), AccountError> {
        self.update("UPDATE accounts SET name = $2 WHERE id = $1", args![id, name], id, events).await
    }

    /// One changing statement with its events.
    async fn update(
        &self,
        sql: &'static str,
        args: crate::Args,
        id: AccountId,
        events: Vec<BuiltEvent>,
    ) -> Result<(), AccountError> {
        self.db
            .write_as(async move |tx| {
                if tx.execute(sql, args).await? == 0 {
                    return Err(AccountError::Unknown(id.to_string()));
                }
                Ok(tx.append(events).await?)
            })
            .await
    }
}
