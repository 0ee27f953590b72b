//! People who receive: where codes may go, who they are, and the tokens they hold.
//!
//! **Job.** Per organisation and address: telephone, identity, language, whether several people read the mailbox;
//! OATH tokens, whose use is compared and set in one statement; codes by SMS on their way; proofs of work spent.
//!
//! **Exposure.** Strangers reach it through the door only, always by the address of a consignment they hold a
//! link to.
//!
//! **Failure modes.** [`StoreError`]. With another key store tokens open nothing: they must be given out anew.

mod sms;
mod token;
mod work;

pub use sms::{NewSms, Sms, SmsOwner, SmsState};
pub use token::{NewToken, Token, TokenError, TokenKind, Tokens};
pub use work::spend_work;

use crate::db::Args;
use crate::{Db, Row, StoreError, Tx, args};
use sealpost_envelope::{EmailAddress, EntityId, Language, Timestamp};

/// Somebody who receives, as one organisation knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Organisation.
    pub entity: EntityId,
    /// Address.
    pub address: EmailAddress,
    /// Name.
    pub name: Option<String>,
    /// Number for codes by SMS, E.164.
    pub phone: Option<String>,
    /// Who gave the number: a sender's address, `administrator`.
    pub phone_source: Option<String>,
    /// When somebody at this address said that the number is not theirs.
    pub phone_refused: Option<Timestamp>,
    /// Identity that a gate must establish, as a rule names it: `rpps:10001234567`.
    pub identity: Option<String>,
    /// Language of pages and mails.
    pub language: Option<Language>,
    /// Several people read this mailbox.
    pub shared: bool,
    /// Last change.
    pub changed: Timestamp,
}

const COLUMNS: &str = "SELECT entity, address, name, phone, phone_source, phone_refused, identity, language, shared, \
    changed FROM people";
/// Numbers learned with a deposit; see [`learned`].
pub(crate) const INSERT_PHONES: &str =
    "INSERT INTO people (entity, address_key, address, phone, phone_source, shared, created, changed) VALUES";
/// A newer number takes the place of an older one. One that its reader refused stays refused until another comes.
pub(crate) const ON_PHONE: &str = "ON CONFLICT (entity, address_key) DO UPDATE SET \
    phone_refused = CASE WHEN people.phone = excluded.phone THEN people.phone_refused ELSE NULL END, \
    phone = excluded.phone, phone_source = excluded.phone_source, changed = excluded.changed";

/// The row by which a number is learned.
pub(crate) fn learned(
    entity: EntityId,
    address: &EmailAddress,
    phone: &str,
    source: &str,
    now: Timestamp,
) -> Args {
    args![entity, address.key(), address.as_str(), phone, source, false, now, now]
}

impl Person {
    /// The number to which codes may be sent now.
    pub fn usable_phone(&self) -> Option<&str> {
        self.phone.as_deref().filter(|_| self.phone_refused.is_none())
    }

    /// By address.
    pub async fn find(db: &Db, entity: EntityId, address: &EmailAddress) -> Result<Option<Self>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE entity = $1 AND address_key = $2"));
        db.fetch_optional(sql, args![entity, address.key()]).await?.map(|r| Self::read(&r)).transpose()
    }

    /// All of an organisation whose address or name holds `part`, after an address, in the order of addresses, at
    /// most so many.
    pub async fn list(
        db: &Db,
        entity: EntityId,
        part: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Self>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!(
            "{COLUMNS} WHERE entity = $1 AND address_key > $2 AND (address_key LIKE $3 ESCAPE '\\' \
             OR lower(coalesce(name, '')) LIKE $3 ESCAPE '\\') ORDER BY address_key LIMIT $4"
        ));
        let part = crate::contact::part(part);
        db.fetch_all(sql, args![entity, after, part, limit]).await?.iter().map(Self::read).collect()
    }

    /// The language on record of one address.
    pub async fn language(
        db: &Db,
        entity: EntityId,
        address: &EmailAddress,
    ) -> Result<Option<Language>, StoreError> {
        let sql = "SELECT language FROM people WHERE entity = $1 AND address_key = $2";
        let row = db.fetch_optional(sql, args![entity, address.key()]).await?;
        let language = row.map(|r| r.opt_text("language")).transpose()?.flatten();
        Ok(language.as_deref().and_then(Language::negotiate))
    }

    /// Forgets what is remembered of an address: its particulars, and apps that its owner enrolled. Tokens with a serial
    /// number are the organisation's, and go back into the drawer. `telephone` is the subject of one that answers QR
    /// codes. `false` where nothing was known.
    pub async fn forget(
        tx: &mut Tx,
        entity: EntityId,
        address: &EmailAddress,
        telephone: &str,
    ) -> Result<bool, StoreError> {
        let key = address.key();
        let mut known = u64::from(crate::access::drop_phone(tx, entity, telephone).await?);
        for sql in [
            "DELETE FROM people WHERE entity = $1 AND address_key = $2",
            "UPDATE otp_tokens SET address_key = NULL, confirmed = NULL \
             WHERE entity = $1 AND address_key = $2 AND serial IS NOT NULL",
            "DELETE FROM otp_tokens WHERE entity = $1 AND address_key = $2",
        ] {
            known += tx.execute(sql, args![entity, key.as_str()]).await?;
        }
        Ok(known > 0)
    }

    /// Writes what is known, in place of what was.
    pub async fn write(&self, tx: &mut Tx) -> Result<(), StoreError> {
        tx.execute(
            "INSERT INTO people (entity, address_key, address, name, phone, phone_source, phone_refused, identity, \
             language, shared, created, changed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11) \
             ON CONFLICT (entity, address_key) DO UPDATE SET name = excluded.name, phone = excluded.phone, \
             phone_source = excluded.phone_source, phone_refused = excluded.phone_refused, \
             identity = excluded.identity, language = excluded.language, shared = excluded.shared, \
             changed = excluded.changed",
            args![
                self.entity,
                self.address.key(),
                self.address.as_str(),
                self.name.clone(),
                self.phone.clone(),
                self.phone_source.clone(),
                self.phone_refused,
                self.identity.clone(),
                self.language.map(Language::tag),
                self.shared,
                self.changed
            ],
        )
        .await
        .map(|_| ())
    }

    /// Somebody of whom only the address is known.
    pub fn new(entity: EntityId, address: EmailAddress, now: Timestamp) -> Self {
        Self {
            entity,
            address,
            name: None,
            phone: None,
            phone_source: None,
            phone_refused: None,
            identity: None,
            language: None,
            shared: false,
            changed: now,
        }
    }

    /// Learns a number.
    pub async fn learn_phone(
        tx: &mut Tx,
        entity: EntityId,
        address: &EmailAddress,
        (phone, source): (&str, &str),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let rows = vec![learned(entity, address, phone, source, now)];
        tx.insert(INSERT_PHONES, rows, ON_PHONE).await.map(|_| ())
    }

    /// Whoever reads this mailbox said that the number is not theirs: no code goes there until another is given.
    pub async fn refuse_phone(
        tx: &mut Tx,
        entity: EntityId,
        address: &EmailAddress,
        phone: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        // The number may have come with the deposit before the memory existed.
        tx.insert(
            "INSERT INTO people (entity, address_key, address, phone, shared, created, changed, phone_refused) VALUES",
            vec![args![entity, address.key(), address.as_str(), phone, false, now, now, now]],
            "ON CONFLICT (entity, address_key) DO UPDATE SET phone_refused = excluded.phone_refused, \
             phone = excluded.phone, changed = excluded.changed",
        )
        .await
        .map(|_| ())
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        let address = row.text("address")?;
        let language = row.opt_text("language")?;
        Ok(Self {
            entity: row.entity()?,
            address: EmailAddress::parse(&address).map_err(|e| StoreError::damaged("people.address", e))?,
            name: row.opt_text("name")?,
            phone: row.opt_text("phone")?,
            phone_source: row.opt_text("phone_source")?,
            phone_refused: row.opt_time("phone_refused")?,
            identity: row.opt_text("identity")?,
            language: language.as_deref().and_then(Language::negotiate),
            shared: row.flag("shared")?,
            changed: row.time("changed")?,
        })
    }
}
