//! What a recipient says to the sender from the door, and the sender's answer by a link in the mail.
//!
//! **Job.** A note is kept with what it changes: a refusal closes access, an acknowledgement is noted, a request
//! waits for its one answer. What was written is sealed under the deposit's key and ends with it.
//!
//! **Exposure.** Words and tokens of strangers: words come sealed, tokens are known by their SHA-256 only and
//! serve once.

use super::change::{Change, WAITING, finish, not_revoked};
use crate::db::{AssertSqlSafe, Row};
use crate::keys::{KeyError, KeyStore};
use crate::{Store, StoreError, Tx, args};
use sealpost_envelope::{DepositId, EntityId, RecipientNo, Secret, Timestamp};
use uuid::Uuid;

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteKind {
    /// The message reached somebody it was not for.
    NotForMe,
    /// The recipient does not want it.
    Declined,
    /// The recipient asks for more time.
    Extension,
    /// The recipient says who should get it instead.
    Colleague,
    /// The recipient confirms having read it.
    Acknowledged,
}

impl NoteKind {
    const ALL: [Self; 5] =
        [Self::NotForMe, Self::Declined, Self::Extension, Self::Colleague, Self::Acknowledged];
    /// The word in the table and the journal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotForMe => "not-for-me",
            Self::Declined => "declined",
            Self::Extension => "extension",
            Self::Colleague => "colleague",
            Self::Acknowledged => "acknowledged",
        }
    }
}

/// What a note says, sealed as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NoteText {
    /// The recipient's own words.
    pub words: Option<String>,
    /// Who should get the message instead.
    pub colleague: Option<String>,
    /// Until when access is asked for.
    pub until: Option<Timestamp>,
    /// Whether the gate was passed before.
    pub identified: bool,
}

/// A note to be kept.
#[derive(Debug, Clone)]
pub struct NewNote {
    /// Name; its text is sealed for it ([`crate::content::Place::note`]).
    pub id: Uuid,
    /// Organisation.
    pub entity: EntityId,
    /// Deposit.
    pub deposit: DepositId,
    /// Recipient.
    pub recipient: RecipientNo,
    /// About.
    pub kind: NoteKind,
    /// What was written, sealed.
    pub sealed: Vec<u8>,
    /// Now.
    pub created: Timestamp,
    /// Where the sender may answer: hash of the token, end of its validity.
    pub answer: Option<([u8; 32], Timestamp)>,
}

impl NewNote {
    /// A fresh name.
    pub fn fresh_id() -> Uuid {
        Uuid::now_v7()
    }
}

/// One that is kept.
#[derive(Debug, Clone)]
pub struct Note {
    /// Name.
    pub id: Uuid,
    /// Organisation.
    pub entity: EntityId,
    /// Deposit.
    pub deposit: DepositId,
    /// Recipient.
    pub recipient: RecipientNo,
    /// About.
    pub kind: NoteKind,
    /// What was written, sealed.
    pub sealed: Vec<u8>,
    /// When.
    pub created: Timestamp,
    /// End of the answer's token.
    pub expires: Option<Timestamp>,
    /// When it was answered.
    pub answered: Option<Timestamp>,
    /// How.
    pub answer: Option<String>,
}

/// The token by which the sender answers a note: 160 bits, derived, never stored.
pub fn answer_token(keys: &KeyStore, note: Uuid) -> Result<Secret<String>, KeyError> {
    let tag = Secret::new(keys.purpose("answers")?.hmac(&[b"note", note.as_bytes()]));
    Ok(Secret::new(base64_simd::URL_SAFE_NO_PAD.encode_to_string(&tag.expose()[..20])))
}

const COLUMNS: &str = "SELECT id, entity, deposit, recipient, kind, sealed, created, expires, answered, answer \
     FROM recipient_notes";

fn note(row: &Row) -> Result<Note, StoreError> {
    let kind = row.text("kind")?;
    Ok(Note {
        id: row.uuid("id")?,
        entity: row.entity()?,
        deposit: DepositId(row.uuid("deposit")?),
        recipient: row.small("recipient")?,
        kind: NoteKind::ALL
            .into_iter()
            .find(|k| k.as_str() == kind)
            .ok_or_else(|| StoreError::damaged("recipient_notes.kind", &kind))?,
        sealed: row.bytes("sealed")?,
        created: row.time("created")?,
        expires: row.opt_time("expires")?,
        answered: row.opt_time("answered")?,
        answer: row.opt_text("answer")?,
    })
}

async fn insert(tx: &mut Tx, new: NewNote) -> Result<(), StoreError> {
    let sql = "INSERT INTO recipient_notes (id, entity, deposit, recipient, kind, sealed, created, hash, expires) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let (hash, expires) = new.answer.map_or((None, None), |(hash, end)| (Some(hash.to_vec()), Some(end)));
    let (kind, id) = (new.kind.as_str(), new.id);
    let values =
        args![id, new.entity, new.deposit, new.recipient, kind, new.sealed, new.created, hash, expires];
    tx.execute(sql, values).await.map(|_| ())
}

impl Store {
    /// Closes access because the recipient refuses. `false` when that had happened before; a withdrawn
    /// consignment is a conflict.
    pub async fn decline(&self, new: NewNote, change: Change) -> Result<bool, StoreError> {
        self.db
            .write(async move |tx| {
                let (deposit, n, now) = (new.deposit, new.recipient, new.created);
                let set = "UPDATE consignments SET declined = $3 \
                     WHERE deposit = $1 AND recipient = $2 AND declined IS NULL AND revoked IS NULL";
                if tx.execute(set, args![deposit, n, now]).await? == 0 {
                    not_revoked(tx, deposit, n).await?;
                    return Ok(false);
                }
                let sessions = "UPDATE access_grant SET closed = $3 \
                     WHERE deposit = $1 AND recipient = $2 AND closed IS NULL";
                tx.execute(sessions, args![deposit, n, now]).await?;
                // What is on its way to them; receipts for the sender stay.
                let mails = format!(
                    "UPDATE outbound SET state = 'dropped', last_reply = 'the recipient refused' \
                     WHERE deposit = $1 AND recipient = $2 AND {WAITING} AND rcpt = \
                     (SELECT address FROM consignments WHERE deposit = $1 AND recipient = $2)"
                );
                tx.execute(AssertSqlSafe(mails), args![deposit, n]).await?;
                insert(tx, new).await?;
                finish(tx, change).await?;
                Ok(true)
            })
            .await
    }

    /// Notes that the recipient confirms having read. `false` when that had happened before.
    pub async fn acknowledge(&self, new: NewNote, change: Change) -> Result<bool, StoreError> {
        self.db
            .write(async move |tx| {
                let set = "UPDATE consignments SET acknowledged = $3 WHERE deposit = $1 AND recipient = $2 \
                     AND acknowledged IS NULL AND opened IS NOT NULL AND revoked IS NULL";
                if tx.execute(set, args![new.deposit, new.recipient, new.created]).await? == 0 {
                    return Ok(false);
                }
                insert(tx, new).await?;
                finish(tx, change).await?;
                Ok(true)
            })
            .await
    }

    /// Keeps a request, unless one of its kind was made at `since` or later and waits: then `false`, and nothing
    /// is written.
    pub async fn request(&self, new: NewNote, since: Timestamp, change: Change) -> Result<bool, StoreError> {
        self.db
            .write(async move |tx| {
                let open = "SELECT 1 AS one FROM recipient_notes WHERE deposit = $1 AND recipient = $2 \
                     AND kind = $3 AND created >= $4 AND answered IS NULL LIMIT 1";
                let values = args![new.deposit, new.recipient, new.kind.as_str(), since];
                if tx.fetch_optional(open, values).await?.is_some() {
                    return Ok(false);
                }
                insert(tx, new).await?;
                finish(tx, change).await?;
                Ok(true)
            })
            .await
    }

    /// A note by its name.
    pub async fn read_note(&self, id: Uuid) -> Result<Note, StoreError> {
        let sql = AssertSqlSafe(format!("{COLUMNS} WHERE id = $1"));
        note(&self.db.fetch_optional(sql, args![id]).await?.ok_or(StoreError::NotFound("note"))?)
    }

    /// The note that a token answers.
    pub async fn note_of_token(&self, hash: [u8; 32]) -> Result<Option<Note>, StoreError> {
        let sql = AssertSqlSafe(format!("{COLUMNS} WHERE hash = $1"));
        self.db.fetch_optional(sql, args![hash.to_vec()]).await?.as_ref().map(note).transpose()
    }

    /// Answers a note that waits, and moves the end of access where `until` says so. `false` when it was
    /// answered before, or its time is over: one of two answers wins.
    pub async fn answer_note(
        &self,
        read: &Note,
        answer: &'static str,
        until: Option<Timestamp>,
        change: Change,
    ) -> Result<bool, StoreError> {
        let (now, id, deposit, n) = (self.clock.now(), read.id, read.deposit, read.recipient);
        self.db
            .write(async move |tx| {
                let set = "UPDATE recipient_notes SET answered = $2, answer = $3 \
                     WHERE id = $1 AND answered IS NULL AND expires > $2";
                if tx.execute(set, args![id, now, answer]).await? == 0 {
                    return Ok(false);
                }
                match until {
                    Some(until) => tx.extend(deposit, Some(n), until, now, change).await.map(|_| true),
                    None => finish(tx, change).await.map(|()| true),
                }
            })
            .await
    }
}
