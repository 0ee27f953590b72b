//! Invitations: somebody outside may deposit files for one of our people, once.
//!
//! **Job.** Three occasions share one shape: a sender invites ([`Kind::Guest`]), a recipient who has opened a message
//! answers it ([`Kind::Reply`]), and a sender adds files to a message that was written in a mail program
//! ([`Kind::Files`]). An invitation says who may deposit for whom, how much, until when, and what became of it.
//!
//! **Exposure.** Strangers reach it by a link of 160 bits, derived from a key of the key store and looked up by its
//! hash. What people wrote lies under a key of its own.
//!
//! **Failure modes.** [`InvitationError`]. An invitation whose key has been destroyed has no words any more.

use crate::keys::{DepositKey, KeyError, KeyStore, token_hash};
use crate::queue::{self, NewOutbound};
use crate::{Row, Store, StoreError, Tx, args};
use sealpost_envelope::{
    AccountId, DepositId, EmailAddress, EntityId, GateMethod, Language, RecipientNo, Secret, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// What became of an invitation is known so long after its end.
const KEPT: Duration = Duration::from_secs(60 * 86_400);
/// Invitations of an account that wait at the same time.
const MOST: i64 = 500;
/// Answers to one consignment that wait at the same time. Not counted by account: a recipient can begin one in each
/// of any number of browsers, and everybody else's answers are not to fail by that.
const REPLIES: usize = 5;

/// What somebody deposits files for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A sender asked them to.
    Guest,
    /// They answer a message they have opened.
    Reply,
    /// They are the sender, and the files belong to a message that waits.
    Files,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Reply => "reply",
            Self::Files => "files",
        }
    }
}

impl std::str::FromStr for Kind {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Guest, Self::Reply, Self::Files].into_iter().find(|k| k.as_str() == text).ok_or("no such kind")
    }
}

/// What people wrote, and how whoever answers was authenticated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Words {
    /// Name of the one who deposits.
    pub name: Option<String>,
    /// Subject of the deposit.
    pub subject: String,
    /// What the account wrote to its guest.
    pub words: String,
    /// Message-ID that the deposit answers.
    pub answers: Option<String>,
    /// The address that the deposit is for, where it is not the account's login.
    pub host: Option<EmailAddress>,
    /// Gate methods passed before.
    pub passed: Vec<GateMethod>,
    /// When the last of them was.
    pub proved: Option<Timestamp>,
}

/// An invitation to write.
#[derive(Debug, Clone)]
pub struct NewInvitation {
    /// Name.
    pub id: Uuid,
    /// Organisation.
    pub entity: EntityId,
    /// For whom files are deposited.
    pub account: AccountId,
    /// Why.
    pub kind: Kind,
    /// SHA-256 of what the browser carries that alone may use it.
    pub browser: Option<[u8; 32]>,
    /// Who deposits.
    pub address: EmailAddress,
    /// The consignment that is answered, or the deposit that waits.
    pub about: Option<(DepositId, RecipientNo)>,
    /// Language of mails.
    pub language: Language,
    /// Octets in all.
    pub most: u64,
    /// End.
    pub expires: Timestamp,
    /// Nothing of it lasts longer than this: the words of an answer are the message's, and end with its content.
    pub content_until: Option<Timestamp>,
    /// What people wrote.
    pub words: Words,
}

/// An invitation.
#[derive(Debug, Clone)]
pub struct Invitation {
    /// Name.
    pub id: Uuid,
    /// Organisation.
    pub entity: EntityId,
    /// For whom files are deposited.
    pub account: AccountId,
    /// Why.
    pub kind: Kind,
    /// SHA-256 of what the browser carries that alone may use it.
    pub browser: Option<[u8; 32]>,
    /// Who deposits.
    pub address: EmailAddress,
    /// The consignment that is answered, or the deposit that waits.
    pub about: Option<(DepositId, RecipientNo)>,
    /// Language of mails.
    pub language: Language,
    /// Octets in all.
    pub most: u64,
    /// Since when.
    pub created: Timestamp,
    /// End.
    pub expires: Timestamp,
    /// When it was used or withdrawn.
    pub ended: Option<Timestamp>,
    /// The deposit that was made of it.
    pub made: Option<DepositId>,
    /// What people wrote; `None` once that was destroyed.
    pub words: Option<Words>,
}

impl Invitation {
    /// Whether files may still be deposited.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.expires
    }
}

/// Why an invitation could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum InvitationError {
    /// The account has too many that wait.
    #[error("too many invitations wait")]
    TooMany,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key store.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It does not open: damage.
    #[error(transparent)]
    Crypto(#[from] crate::crypto::CryptoError),
}

/// What opens an invitation's page: 160 bits, derived, so that only its hash is stored.
pub fn invitation_token(keys: &KeyStore, id: Uuid) -> Result<Secret<String>, KeyError> {
    let tag = Secret::new(keys.purpose("invitations")?.hmac(&[b"invitation", id.as_bytes()]));
    Ok(Secret::new(base64_simd::URL_SAFE_NO_PAD.encode_to_string(&tag.expose()[..20])))
}

const FIELDS: &str = "SELECT id, entity, account, kind, browser, address, deposit, recipient, language, most, created, \
     expires, ended, made, wrapped_key, key_week, content FROM invitations";

impl Store {
    /// Writes an invitation, with the mail that brings it, if one does. Old ones of the account are forgotten.
    pub async fn invite(&self, new: NewInvitation, mail: Option<NewOutbound>) -> Result<(), InvitationError> {
        let now = self.clock.now();
        let end = |at: Timestamp| new.content_until.map_or(at, |until| at.min(until));
        let expires = end(new.expires);
        let kept = end(expires.saturating_add(KEPT).unwrap_or(expires));
        let (key, wrapped, week) = self.keys().new_deposit_key(kept)?;
        let plain = serde_json::to_vec(&new.words).map_err(|e| StoreError::damaged("JSON", e))?;
        let sealed = key.seal("invitation", new.id.as_bytes(), &plain)?;
        let token = token_hash(invitation_token(self.keys(), new.id)?.expose());
        let most = i64::try_from(new.most).map_err(|_| StoreError::OutOfRange("most"))?;
        self.db
            .write_as(async move |tx| {
                tx.execute("DELETE FROM invitations WHERE kept <= $1", args![now]).await?;
                match new.about {
                    Some(about) if new.kind == Kind::Reply => give_way(tx, about, now).await?,
                    _ => room(tx, new.account, new.kind, now).await?,
                }
                let sql = "INSERT INTO invitations (id, entity, account, kind, token_hash, browser, address, deposit, \
                     recipient, language, most, created, expires, kept, wrapped_key, key_week, content) VALUES ($1, $2, \
                     $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";
                let values = args![
                    new.id,
                    new.entity,
                    new.account,
                    new.kind.as_str(),
                    token,
                    new.browser.map(|b| b.to_vec()),
                    new.address.as_str(),
                    new.about.map(|(deposit, _)| deposit.to_string()),
                    new.about.map(|(_, n)| n),
                    new.language.tag(),
                    most,
                    now,
                    expires,
                    kept,
                    wrapped.bytes,
                    week,
                    sealed
                ];
                tx.execute(sql, values).await?;
                if let Some(mail) = &mail {
                    queue::insert(tx, mail).await?;
                }
                Ok(())
            })
            .await
    }

    fn invitation_of(&self, row: &Row) -> Result<Invitation, InvitationError> {
        let id = row.uuid("id")?;
        let words = match self.keys().unwrap(&row.text("key_week")?, &row.bytes("wrapped_key")?) {
            Ok(key) => Some(words(&key, id, &row.bytes("content")?)?),
            Err(KeyError::Destroyed(_)) => None,
            Err(other) => return Err(other.into()),
        };
        let recipient = row.opt_int("recipient")?.and_then(|n| RecipientNo::try_from(n).ok());
        Ok(Invitation {
            id,
            entity: row.entity()?,
            account: AccountId(row.int("account")?),
            kind: row.parse("kind")?,
            browser: match row.opt_bytes("browser")? {
                Some(_) => Some(row.array("browser")?),
                None => None,
            },
            address: row.parse("address")?,
            about: row.opt_uuid("deposit")?.map(DepositId).zip(recipient),
            language: Language::negotiate(&row.text("language")?).unwrap_or(Language::Fr),
            most: row.size("most")?,
            created: row.time("created")?,
            expires: row.time("expires")?,
            ended: row.opt_time("ended")?,
            made: row.opt_uuid("made")?.map(DepositId),
            words,
        })
    }

    /// The invitation that a link leads to, whatever became of it.
    pub async fn invitation_by_token(&self, token: &str) -> Result<Option<Invitation>, InvitationError> {
        let sql = sqlx::AssertSqlSafe(format!("{FIELDS} WHERE token_hash = $1"));
        let row = self.db.fetch_optional(sql, args![token_hash(token)]).await?;
        row.map(|row| self.invitation_of(&row)).transpose()
    }

    /// An invitation by its name.
    pub async fn invitation(&self, id: Uuid) -> Result<Option<Invitation>, InvitationError> {
        let sql = sqlx::AssertSqlSafe(format!("{FIELDS} WHERE id = $1"));
        let row = self.db.fetch_optional(sql, args![id]).await?;
        row.map(|row| self.invitation_of(&row)).transpose()
    }

    /// Invitations that an account has sent, newest first, at most so many.
    pub async fn invitations(
        &self,
        account: AccountId,
        limit: u32,
    ) -> Result<Vec<Invitation>, InvitationError> {
        let sql = sqlx::AssertSqlSafe(format!(
            "{FIELDS} WHERE account = $1 AND kind = 'guest' ORDER BY created DESC, id DESC LIMIT $2"
        ));
        let rows = self.db.fetch_all(sql, args![account, limit]).await?;
        rows.iter().map(|row| self.invitation_of(row)).collect()
    }

    /// A living answer that a browser has begun to a consignment.
    pub async fn reply_begun(
        &self,
        deposit: DepositId,
        recipient: RecipientNo,
        browser: [u8; 32],
    ) -> Result<Option<Uuid>, StoreError> {
        let sql = "SELECT id FROM invitations WHERE deposit = $1 AND recipient = $2 AND kind = 'reply' AND browser = $3 \
             AND ended IS NULL AND expires > $4 ORDER BY created DESC LIMIT 1";
        let values = args![deposit, recipient, browser, self.clock.now()];
        self.db.fetch_optional(sql, values).await?.map(|row| row.uuid("id")).transpose()
    }

    /// Notes what an invitation has become, with the mail that says so. `false` when it had ended before.
    pub async fn invitation_used(
        &self,
        id: Uuid,
        deposit: DepositId,
        mail: Option<NewOutbound>,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now();
        self.db
            .write(async move |tx| {
                let sql = "UPDATE invitations SET ended = $2, made = $3 WHERE id = $1 AND made IS NULL";
                let used = tx.execute(sql, args![id, now, deposit]).await? == 1;
                if let Some(mail) = mail.as_ref().filter(|_| used) {
                    queue::insert(tx, mail).await?;
                }
                Ok(used)
            })
            .await
    }

    /// Withdraws an invitation of an account. `false` when there is none that waits.
    pub async fn withdraw_invitation(&self, account: AccountId, id: Uuid) -> Result<bool, StoreError> {
        let sql = "UPDATE invitations SET ended = $3 WHERE id = $1 AND account = $2 AND ended IS NULL";
        Ok(self.db.execute(sql, args![id, account, self.clock.now()]).await? == 1)
    }
}

/// Whether an account may have another invitation of a kind.
async fn room(tx: &mut Tx, account: AccountId, kind: Kind, now: Timestamp) -> Result<(), InvitationError> {
    let sql = "SELECT COUNT(*) AS n FROM invitations \
         WHERE account = $1 AND ended IS NULL AND expires > $2 AND kind = $3";
    let waiting = tx.fetch_one(sql, args![account, now, kind.as_str()]).await?.int("n")?;
    if waiting >= MOST { Err(InvitationError::TooMany) } else { Ok(()) }
}

/// Ends the oldest answers to a consignment that wait, so that there is room for another: whoever has lost a
/// browser can begin again. Their files go with the next sweep.
async fn give_way(
    tx: &mut Tx,
    (deposit, recipient): (DepositId, RecipientNo),
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "SELECT id FROM invitations WHERE deposit = $1 AND recipient = $2 AND kind = 'reply' \
         AND ended IS NULL AND expires > $3 ORDER BY created DESC, id DESC";
    let waiting = tx.fetch_all(sql, args![deposit, recipient, now]).await?;
    for row in waiting.iter().skip(REPLIES - 1) {
        let id = row.uuid("id")?;
        tx.execute("UPDATE invitations SET ended = $2 WHERE id = $1", args![id, now]).await?;
        tx.execute("UPDATE uploads SET expires = $2 WHERE invitation = $1", args![id, now]).await?;
    }
    Ok(())
}

fn words(key: &DepositKey, id: Uuid, sealed: &[u8]) -> Result<Words, InvitationError> {
    let plain = key.open("invitation", id.as_bytes(), sealed)?;
    Ok(serde_json::from_slice(&plain).map_err(|e| StoreError::damaged("invitation", e))?)
}
