//! Codes by SMS on their way: written with the challenge, claimed by one worker, settled with what the gateway said.

use crate::{Db, Row, StoreError, Tx, args};
use sealpost_envelope::{AccountId, DepositId, EntityId, Language, RecipientNo, Timestamp};
use uuid::Uuid;

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmsState {
    /// To be handed to the gateway.
    Ready,
    /// The gateway took it.
    Sent,
    /// The gateway says that the telephone has it.
    Delivered,
    /// It will not arrive.
    Failed,
}

impl SmsState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
    fn parse(text: &str) -> Option<Self> {
        [Self::Ready, Self::Sent, Self::Delivered, Self::Failed].into_iter().find(|s| s.as_str() == text)
    }
}

/// Whose code a message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmsOwner {
    /// A recipient's, at the gate of their consignment.
    Consignment(DepositId, RecipientNo),
    /// Of somebody who logs in.
    Account(AccountId),
}

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSms {
    /// Organisation.
    pub entity: EntityId,
    /// Challenge whose code it carries.
    pub challenge: Uuid,
    /// Whose challenge that is.
    pub owner: SmsOwner,
    /// Number, E.164.
    pub phone: String,
    /// Language of its text.
    pub language: Language,
    /// Now.
    pub now: Timestamp,
    /// End of the code's validity: nothing is sent later.
    pub expires: Timestamp,
}

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sms {
    /// Its identifier, which the gateway's callback brings back.
    pub id: Uuid,
    /// What was asked for.
    pub new: NewSms,
    /// State.
    pub state: SmsState,
    /// Attempts so far, this one included.
    pub attempts: u32,
    /// The gateway's own identifier.
    pub provider_id: Option<String>,
}

const COLUMNS: &str = "id, entity, challenge, deposit, recipient, account, phone, language, state, attempts, created, expires, \
    provider_id";

impl Sms {
    /// Puts a message in the queue.
    pub async fn insert(tx: &mut Tx, new: &NewSms) -> Result<Uuid, StoreError> {
        let id = Uuid::new_v4();
        let (consignment, account) = match new.owner {
            SmsOwner::Consignment(deposit, recipient) => (Some((deposit, recipient)), None),
            SmsOwner::Account(account) => (None, Some(account)),
        };
        let (deposit, recipient) = consignment.unzip();
        tx.execute(
            "INSERT INTO sms_messages (id, entity, challenge, deposit, recipient, account, phone, language, state, \
             attempts, next_at, created, expires) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'ready', 0, $9, $9, $10)",
            args![
                id,
                new.entity,
                new.challenge,
                deposit,
                recipient,
                account,
                new.phone.as_str(),
                new.language.tag(),
                new.now,
                new.expires
            ],
        )
        .await?;
        Ok(id)
    }

    /// Takes one that is due; until `until` nobody else does. Counts the attempt before it is made.
    pub async fn claim(db: &Db, now: Timestamp, until: Timestamp) -> Result<Option<Self>, StoreError> {
        db.write(async move |tx| {
            let sql = sqlx::AssertSqlSafe(format!(
                "UPDATE sms_messages SET attempts = attempts + 1, next_at = $2 WHERE state = 'ready' AND id = \
                 (SELECT id FROM sms_messages WHERE state = 'ready' AND next_at <= $1 ORDER BY next_at, id LIMIT 1) \
                 AND next_at <= $1 RETURNING {COLUMNS}"
            ));
            tx.fetch_optional(sql, args![now, until]).await?.map(|r| Self::read(&r)).transpose()
        })
        .await
    }

    /// Writes what came of an attempt; `again` is when the next one is made.
    pub async fn settle(
        tx: &mut Tx,
        id: Uuid,
        state: SmsState,
        (provider_id, detail): (Option<&str>, &str),
        again: Timestamp,
    ) -> Result<(), StoreError> {
        tx.execute(
            "UPDATE sms_messages SET state = $2, provider_id = COALESCE($3, provider_id), detail = $4, next_at = $5 \
             WHERE id = $1 AND state IN ('ready', 'sent')",
            args![id, state.as_str(), provider_id, detail, again],
        )
        .await
        .map(|_| ())
    }

    /// By identifier.
    pub async fn get(db: &Db, id: Uuid) -> Result<Option<Self>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM sms_messages WHERE id = $1"));
        db.fetch_optional(sql, args![id]).await?.map(|r| Self::read(&r)).transpose()
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        let damaged = |what: &'static str| StoreError::damaged(what, "not a word of ours");
        Ok(Self {
            id: row.uuid("id")?,
            new: NewSms {
                entity: row.entity()?,
                challenge: row.uuid("challenge")?,
                owner: match row.opt_int("account")? {
                    Some(account) => SmsOwner::Account(AccountId(account)),
                    None => SmsOwner::Consignment(DepositId(row.uuid("deposit")?), row.small("recipient")?),
                },
                phone: row.text("phone")?,
                language: Language::negotiate(&row.text("language")?)
                    .ok_or_else(|| damaged("sms_messages.language"))?,
                now: row.time("created")?,
                expires: row.time("expires")?,
            },
            state: SmsState::parse(&row.text("state")?).ok_or_else(|| damaged("sms_messages.state"))?,
            attempts: row.small("attempts")?,
            provider_id: row.opt_text("provider_id")?,
        })
    }
}
