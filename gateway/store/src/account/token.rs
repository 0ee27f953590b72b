//! Bearer tokens: what a program shows instead of logging in (RFC 6750).
//!
//! 256 random bits, shown once; the database knows the SHA-256 alone, which nobody can invert and which
//! the look-up may compare as it likes. A token can do what its scopes name, and never more than its
//! account's role; it dies with the account.

use super::{Account, AccountError, Accounts, COLUMNS, read_account};
use crate::crypto::random;
use crate::{Row, StoreError, Tx, args};
use sealpost_envelope::{AccountId, Secret, Sha256Digest, Timestamp};
use sealpost_evidence::BuiltEvent;
use std::str::FromStr;
use uuid::Uuid;

/// What every token begins with, so that people and scanners of leaked secrets recognise it.
const PREFIX: &str = "sealpost_";
/// Octets drawn.
const RANDOM: usize = 32;
/// Longest text that is looked up.
const LONGEST: usize = 128;
/// A use is written again after this time.
const USED: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);
/// Living tokens of one account.
const MOST: i64 = 100;

/// What a token may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TokenScope {
    /// List and show deposits.
    DepositsRead,
    /// Make deposits, act on them, upload files.
    DepositsWrite,
    /// Download proofs.
    Proofs,
    /// Read the journal.
    Journal,
    /// Read statistics.
    Statistics,
    /// Send and read mail, by OAUTHBEARER or XOAUTH2.
    Mail,
    /// Keep the organisation's accounts and groups, by SCIM.
    Scim,
}

impl TokenScope {
    /// Every scope.
    pub const ALL: [Self; 7] = [
        Self::DepositsRead,
        Self::DepositsWrite,
        Self::Proofs,
        Self::Journal,
        Self::Statistics,
        Self::Mail,
        Self::Scim,
    ];

    /// The word in commands, rows and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DepositsRead => "deposits:read",
            Self::DepositsWrite => "deposits:write",
            Self::Proofs => "proofs",
            Self::Journal => "journal",
            Self::Statistics => "statistics",
            Self::Mail => "mail",
            Self::Scim => "scim",
        }
    }
}

/// A word that names no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown scope {0:?}; one of deposits:read, deposits:write, proofs, journal, statistics, mail, scim")]
pub struct UnknownScope(pub String);

impl FromStr for TokenScope {
    type Err = UnknownScope;
    fn from_str(s: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == s).ok_or_else(|| UnknownScope(s.to_owned()))
    }
}

/// A new token, to be shown once.
#[derive(Debug)]
pub struct NewApiToken {
    /// Names it in lists.
    pub id: Uuid,
    /// What the program shows.
    pub token: Secret<String>,
}

/// A token as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Names it.
    pub id: Uuid,
    /// Whose it is.
    pub account: AccountId,
    /// What its owner called it.
    pub label: String,
    /// What it may be used for.
    pub scopes: Vec<TokenScope>,
    /// Since when.
    pub created: Timestamp,
    /// Until when.
    pub expires: Option<Timestamp>,
    /// Last use, some minutes late at most.
    pub last_used: Option<Timestamp>,
}

fn read(row: &Row) -> Result<ApiToken, StoreError> {
    let words = row.text("scopes")?;
    let scopes = words.split_ascii_whitespace().map(str::parse).collect::<Result<_, UnknownScope>>();
    Ok(ApiToken {
        id: row.uuid("token")?,
        account: AccountId(row.int("holder")?),
        label: row.text("label")?,
        scopes: scopes.map_err(|e| StoreError::damaged("scopes", e))?,
        created: row.time("made")?,
        expires: row.opt_time("token_expires")?,
        last_used: row.opt_time("used")?,
    })
}

const TOKEN: &str = "t.id AS token, t.account AS holder, t.label, t.scopes, t.created AS made, \
     t.expires AS token_expires, t.last_used AS used";

impl Accounts {
    /// Makes a token for an account; at most a hundred live at a time.
    pub async fn add_api_token(
        &self,
        account: &Account,
        label: &str,
        scopes: &[TokenScope],
        expires: Option<Timestamp>,
        events: Vec<BuiltEvent>,
    ) -> Result<NewApiToken, AccountError> {
        let mut raw = [0u8; RANDOM];
        random(&mut raw);
        let token = Secret::new(format!("{PREFIX}{}", base64_simd::URL_SAFE_NO_PAD.encode_to_string(raw)));
        let id = Uuid::now_v7();
        let mut scopes = scopes.to_vec();
        scopes.sort_unstable();
        scopes.dedup();
        let words: Vec<&str> = scopes.iter().map(|s| s.as_str()).collect();
        let row = args![
            id,
            account.entity,
            account.id,
            label,
            Sha256Digest::of(token.expose().as_bytes()).0,
            words.join(" "),
            self.clock.now(),
            expires
        ];
        let owner = account.id;
        self.db
            .write(async move |tx| {
                let count = "SELECT COUNT(*) AS n FROM api_tokens WHERE account = $1";
                if tx.fetch_one(count, args![owner]).await?.int("n")? >= MOST {
                    return Err(StoreError::Conflict("an account has a hundred tokens at most"));
                }
                tx.execute(
                    "INSERT INTO api_tokens (id, entity, account, label, hash, scopes, created, expires) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                    row,
                )
                .await?;
                tx.append(events).await
            })
            .await?;
        Ok(NewApiToken { id, token })
    }

    /// Tokens of an account, oldest first.
    pub async fn api_tokens(&self, account: AccountId) -> Result<Vec<ApiToken>, AccountError> {
        let sql = format!("SELECT {TOKEN} FROM api_tokens t WHERE t.account = $1 ORDER BY t.created, t.id");
        let rows = self.db.fetch_all(crate::db::AssertSqlSafe(sql), args![account]).await?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// Whether a token that opened a connection still stands: not revoked, not over, its account active.
    pub async fn token_stands(&self, id: Uuid) -> Result<bool, AccountError> {
        let sql = "SELECT 1 AS one FROM api_tokens t JOIN accounts a ON a.id = t.account \
                   WHERE t.id = $1 AND a.disabled IS NULL AND (t.expires IS NULL OR t.expires > $2)";
        Ok(self.db.fetch_optional(sql, args![id, self.clock.now()]).await?.is_some())
    }

    /// Ends a token at once; `false` when the account has none of that id.
    pub async fn revoke_api_token(
        &self,
        account: AccountId,
        id: Uuid,
        events: Vec<BuiltEvent>,
    ) -> Result<bool, AccountError> {
        let done = self.db.write(async move |tx| {
            let sql = "DELETE FROM api_tokens WHERE account = $1 AND id = $2";
            if tx.execute(sql, args![account, id]).await? == 0 {
                return Ok(false);
            }
            tx.append(events).await?;
            Ok(true)
        });
        Ok(done.await?)
    }

    /// Ends every token of an account.
    pub async fn delete_api_tokens(tx: &mut Tx, account: AccountId) -> Result<u64, StoreError> {
        tx.execute("DELETE FROM api_tokens WHERE account = $1", args![account]).await
    }

    /// The account and token behind what a program shows; `None` for every reason why it does not count:
    /// unknown, expired, its account disabled or none that works here.
    pub async fn by_api_token(&self, shown: &str) -> Result<Option<(Account, ApiToken)>, AccountError> {
        if shown.len() > LONGEST || !shown.starts_with(PREFIX) {
            return Ok(None);
        }
        let sql = format!(
            "SELECT {COLUMNS}, {TOKEN} FROM api_tokens t JOIN accounts a ON a.id = t.account \
             WHERE t.hash = $1 AND a.disabled IS NULL AND a.role <> 'demo'"
        );
        let hash = Sha256Digest::of(shown.as_bytes()).0;
        let Some(row) = self.db.fetch_optional(crate::db::AssertSqlSafe(sql), args![hash]).await? else {
            return Ok(None);
        };
        let (account, token) = (read_account(&row)?, read(&row)?);
        let now = self.clock.now();
        if token.expires.is_some_and(|end| end <= now) {
            return Ok(None);
        }
        if token.last_used.is_none_or(|at| now.duration_since(at) > USED) {
            let sql = "UPDATE api_tokens SET last_used = $2 WHERE id = $1";
            self.db.execute(sql, args![token.id, now]).await?;
        }
        Ok(Some((account, token)))
    }
}
