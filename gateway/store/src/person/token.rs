//! OATH tokens of people who receive. What a code is, is the gate's business; here it counts once.

use crate::crypto::CryptoError;
use crate::db::Args;
use crate::keys::{KeyError, PurposeKey};
use crate::{Db, Row, Store, StoreError, Tx, args};
use sealpost_envelope::{EmailAddress, EntityId, GateMethod, Secret, Timestamp};
use sealpost_evidence::BuiltEvent;
use uuid::Uuid;

/// Why a token cannot be used or kept.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// A token with this serial number is known already.
    #[error("a token with the serial number {0} is known already")]
    Known(String),
    /// No such token.
    #[error("there is no token {0}")]
    Unknown(String),
    /// The key store.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A sealed secret does not open: another key store, or damage.
    #[error("the token's secret: {0}")]
    Crypto(#[from] CryptoError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a token counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Time (RFC 6238).
    Totp,
    /// Presses (RFC 4226).
    Hotp,
}

impl TokenKind {
    /// The word in rules and rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Hotp => "hotp",
        }
    }
    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Totp, Self::Hotp].into_iter().find(|k| k.as_str() == text)
    }
}

/// A token to be kept.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Organisation.
    pub entity: EntityId,
    /// What it counts.
    pub kind: TokenKind,
    /// Serial number of hardware.
    pub serial: Option<String>,
    /// What people call it.
    pub label: String,
    /// Hash: `SHA1`, `SHA256`, `SHA512`.
    pub algorithm: String,
    /// Digits shown.
    pub digits: u8,
    /// Seconds that a code stands.
    pub period: u32,
    /// Shared secret.
    pub secret: Secret<Vec<u8>>,
    /// The least counter that is still worth something.
    pub counter: u64,
    /// Whose it is.
    pub owner: Option<EmailAddress>,
}

/// A token that is kept.
#[derive(Debug, Clone)]
pub struct Token {
    /// Identifier.
    pub id: Uuid,
    /// What it counts.
    pub kind: TokenKind,
    /// Serial number of hardware.
    pub serial: Option<String>,
    /// What people call it.
    pub label: String,
    /// Hash.
    pub algorithm: String,
    /// Digits shown.
    pub digits: u8,
    /// Seconds that a code stands.
    pub period: u32,
    /// The least counter, or time step, that is still worth something.
    pub counter: u64,
    /// Steps by which its clock is ahead.
    pub drift: i64,
    /// Whose it is, as the address's key.
    pub owner: Option<String>,
    /// When its first code was typed.
    pub confirmed: Option<Timestamp>,
    /// When a code of it last counted.
    pub last_used: Option<Timestamp>,
    sealed: Vec<u8>,
}

/// The tokens, with the key that opens their secrets.
#[derive(Debug, Clone)]
pub struct Tokens {
    db: Db,
    key: PurposeKey,
}

const COLUMNS: &str = "SELECT id, kind, serial, label, algorithm, digits, period, secret, counter, drift, \
    address_key, confirmed, last_used FROM otp_tokens";

impl Tokens {
    /// Of this store.
    pub fn new(store: &Store) -> Result<Self, KeyError> {
        Ok(Self { db: store.db().clone(), key: store.keys().purpose("totp")? })
    }

    /// Keeps a token.
    pub async fn add(
        &self,
        new: &NewToken,
        events: Vec<BuiltEvent>,
        now: Timestamp,
    ) -> Result<Uuid, TokenError> {
        let id = Uuid::now_v7();
        let sealed = self.key.seal("otp_tokens.secret", id.as_bytes(), new.secret.expose())?;
        let row = args![
            id,
            new.entity,
            new.kind.as_str(),
            new.serial.clone(),
            new.label.as_str(),
            new.algorithm.as_str(),
            new.digits,
            new.period,
            sealed,
            i64::try_from(new.counter).map_err(|e| StoreError::damaged("counter", e))?,
            0i64,
            new.owner.as_ref().map(EmailAddress::key),
            now
        ];
        let done = self
            .db
            .write(async move |tx| {
                tx.execute(
                    "INSERT INTO otp_tokens (id, entity, kind, serial, label, algorithm, digits, period, secret, \
                     counter, drift, address_key, created) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
                    row,
                )
                .await?;
                tx.append(events).await
            })
            .await;
        match done {
            Ok(_) => Ok(id),
            Err(e) if e.is_unique_violation() => {
                Err(TokenError::Known(new.serial.clone().unwrap_or_default()))
            }
            Err(e) => Err(e.into()),
        }
    }

    /// A person's tokens of one kind.
    pub async fn of(
        &self,
        entity: EntityId,
        owner: &EmailAddress,
        kind: TokenKind,
    ) -> Result<Vec<Token>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!(
            "{COLUMNS} WHERE entity = $1 AND address_key = $2 AND kind = $3 ORDER BY created, id LIMIT 20"
        ));
        let rows = self.db.fetch_all(sql, args![entity, owner.key(), kind.as_str()]).await?;
        rows.iter().map(Token::read).collect()
    }

    /// Methods that a person holds a token or telephone for. The word in the row is the method's.
    pub async fn enrolled(
        &self,
        entity: EntityId,
        owner: &EmailAddress,
    ) -> Result<Vec<GateMethod>, StoreError> {
        let sql = "SELECT DISTINCT kind FROM otp_tokens WHERE entity = $1 AND address_key = $2";
        let rows = self.db.fetch_all(sql, args![entity, owner.key()]).await?;
        let kind = |row: &Row| match TokenKind::parse(&row.text("kind")?) {
            Some(TokenKind::Totp) => Ok(GateMethod::Totp),
            Some(TokenKind::Hotp) => Ok(GateMethod::Hotp),
            None => Err(StoreError::damaged("otp_tokens.kind", "not a word of ours")),
        };
        rows.iter().map(kind).collect()
    }

    /// All tokens of an organisation, at most so many.
    pub async fn list(&self, entity: EntityId, limit: u32) -> Result<Vec<Token>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE entity = $1 ORDER BY created, id LIMIT $2"));
        self.db.fetch_all(sql, args![entity, limit]).await?.iter().map(Token::read).collect()
    }

    /// By serial number or identifier.
    pub async fn find(&self, entity: EntityId, name: &str) -> Result<Token, TokenError> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE entity = $1 AND (serial = $2 OR id = $2)"));
        let row = self.db.fetch_optional(sql, args![entity, name]).await?;
        row.map(|r| Token::read(&r)).transpose()?.ok_or_else(|| TokenError::Unknown(name.to_owned()))
    }

    /// The shared secret, for the one computation that needs it.
    pub fn secret(&self, token: &Token) -> Result<Secret<Vec<u8>>, TokenError> {
        Ok(Secret::new(self.key.open("otp_tokens.secret", token.id.as_bytes(), &token.sealed)?))
    }

    /// Gives a token to somebody, or takes it back.
    pub async fn assign(
        &self,
        id: Uuid,
        owner: Option<&EmailAddress>,
        events: Vec<BuiltEvent>,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE otp_tokens SET address_key = $2, confirmed = NULL WHERE id = $1";
        self.change(sql, args![id, owner.map(EmailAddress::key)], events).await.map(|_| ())
    }

    /// Sets where a token stands, after two codes in a row were found far from there.
    pub async fn resynchronise(
        &self,
        id: Uuid,
        counter: u64,
        drift: i64,
        events: Vec<BuiltEvent>,
    ) -> Result<bool, StoreError> {
        let counter = i64::try_from(counter).map_err(|e| StoreError::damaged("counter", e))?;
        let sql = "UPDATE otp_tokens SET counter = $2, drift = $3 WHERE id = $1 AND counter <= $2";
        Ok(self.change(sql, args![id, counter, drift], events).await? == 1)
    }

    /// Removes a token.
    pub async fn remove(&self, id: Uuid, events: Vec<BuiltEvent>) -> Result<(), StoreError> {
        self.change("DELETE FROM otp_tokens WHERE id = $1", args![id], events).await.map(|_| ())
    }

    async fn change(
        &self,
        sql: &'static str,
        values: Args,
        events: Vec<BuiltEvent>,
    ) -> Result<u64, StoreError> {
        self.db
            .write(async move |tx| {
                let rows = tx.execute(sql, values).await?;
                if rows > 0 {
                    tx.append(events).await?;
                }
                Ok(rows)
            })
            .await
    }
}

impl Token {
    /// Uses up every counter or step to `counter`: a code counts once (RFC 6238 §5.2), and of two browsers with the
    /// same code one wins. `false` when it was used meanwhile.
    pub async fn spend(
        tx: &mut Tx,
        id: Uuid,
        counter: u64,
        drift: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let counter = i64::try_from(counter).map_err(|e| StoreError::damaged("counter", e))?;
        let rows = tx
            .execute(
                "UPDATE otp_tokens SET counter = $2 + 1, drift = $3, last_used = $4, \
                 confirmed = COALESCE(confirmed, $4) WHERE id = $1 AND counter <= $2",
                args![id, counter, drift, now],
            )
            .await?;
        Ok(rows == 1)
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        let kind = row.text("kind")?;
        let small = |n: u32| u8::try_from(n).map_err(|e| StoreError::damaged("otp_tokens.digits", e));
        Ok(Self {
            id: row.uuid("id")?,
            kind: TokenKind::parse(&kind)
                .ok_or_else(|| StoreError::damaged("otp_tokens.kind", "not a word of ours"))?,
            serial: row.opt_text("serial")?,
            label: row.text("label")?,
            algorithm: row.text("algorithm")?,
            digits: small(row.small("digits")?)?,
            period: row.small("period")?,
            counter: row.size("counter")?,
            drift: row.int("drift")?,
            owner: row.opt_text("address_key")?,
            confirmed: row.opt_time("confirmed")?,
            last_used: row.opt_time("last_used")?,
            sealed: row.bytes("secret")?,
        })
    }
}
