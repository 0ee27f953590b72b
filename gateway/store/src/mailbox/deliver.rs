//! Delivery: a message gets its UID and its rows in one transaction.

use super::body::{self, MailBody, Place};
use super::{Flags, FolderId, MailboxError, Mailboxes, Uid, to_row};
use crate::{Tx, args};
use sealpost_envelope::{AccountId, DepositId, Timestamp};
use sealpost_evidence::BuiltEvent;

/// A message for a folder.
#[derive(Debug)]
pub struct NewMail {
    /// Where to.
    pub folder: FolderId,
    /// Its bytes.
    pub body: MailBody,
    /// IMAP's internal date.
    pub internal_date: Timestamp,
    /// Flags it has from the start.
    pub flags: Flags,
    /// Deposit of which it is the sender's copy.
    pub deposit: Option<DepositId>,
    /// Names the delivery, so that a repeated one answers the first UID.
    pub origin: Option<String>,
    /// Structure for readers to find, as for [`Mailboxes::set_structure`].
    pub structure: Option<Vec<u8>>,
}

impl NewMail {
    /// Without flags, deposit, origin and structure.
    pub fn plain(folder: FolderId, body: MailBody, internal_date: Timestamp) -> Self {
        Self {
            folder,
            body,
            internal_date,
            flags: Flags::default(),
            deposit: None,
            origin: None,
            structure: None,
        }
    }
}

/// What a delivery did.
pub(super) enum Outcome {
    Delivered { uid: Uid, account: AccountId, modseq: u64 },
    Before(Uid),
}

impl Mailboxes {
    /// Puts a message into a folder; durable when it returns.
    pub async fn deliver(&self, mail: NewMail, events: Vec<BuiltEvent>) -> Result<Uid, MailboxError> {
        let folder = mail.folder;
        let key = &mail.body.key;
        let header = key.seal(body::HEADER, b"", &mail.body.header)?;
        let structure = mail.structure.as_deref().filter(|s| s.len() <= super::MAX_HEADER);
        let structure = structure.map(|s| key.seal(body::STRUCTURE, b"", s)).transpose()?;
        let blob = mail.body.blob();
        let outcome = self
            .db
            .write_as(async move |tx| {
                let outcome = insert(tx, mail, header, structure).await?;
                if matches!(outcome, Outcome::Delivered { .. }) {
                    tx.append(events).await?;
                }
                Ok::<_, MailboxError>(outcome)
            })
            .await?;
        match outcome {
            Outcome::Delivered { uid, account, modseq } => {
                self.notify(account, folder, modseq);
                Ok(uid)
            }
            Outcome::Before(uid) => {
                if let Some(id) = blob {
                    self.blobs.delete(id).await?;
                }
                Ok(uid)
            }
        }
    }
}

pub(super) async fn insert(
    tx: &mut Tx,
    mail: NewMail,
    header: Vec<u8>,
    structure: Option<Vec<u8>>,
) -> Result<Outcome, MailboxError> {
    let folder = mail.folder;
    // Takes the row's lock, so that two deliveries of one origin meet here.
    let next = tx
        .fetch_optional(
            "UPDATE folders SET uidnext = uidnext + 1, modseq = modseq + 1, stored = stored + $2 WHERE id = $1 \
             RETURNING uidnext - 1 AS uid, modseq, account, entity",
            args![folder, to_row(mail.body.stored())?],
        )
        .await?
        .ok_or(MailboxError::NoFolder)?;
    if let Some(origin) = &mail.origin {
        let sql = "SELECT uid FROM mails WHERE folder = $1 AND origin = $2";
        if let Some(row) = tx.fetch_optional(sql, args![folder, origin]).await? {
            let sql = "UPDATE folders SET stored = stored - $2 WHERE id = $1";
            tx.execute(sql, args![folder, to_row(mail.body.stored())?]).await?;
            return Ok(Outcome::Before(row.small("uid")?));
        }
    }
    let uid = Uid::try_from(next.int("uid")?).ok().filter(|u| *u < Uid::MAX).ok_or(MailboxError::Full)?;
    let (entity, modseq) = (next.entity()?, next.size("modseq")?);
    let seen = mail.flags.contains("\\Seen");
    tx.execute(
        "INSERT INTO mails (folder, uid, entity, modseq, flags, seen, internal_date, size, deposit, origin, \
         wrapped_key, key_week) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        args![
            folder,
            uid,
            entity,
            to_row(modseq)?,
            mail.flags.to_string(),
            seen,
            mail.internal_date,
            to_row(mail.body.size)?,
            mail.deposit,
            mail.origin,
            mail.body.wrapped.bytes,
            mail.body.week,
        ],
    )
    .await?;
    tx.execute(
        "INSERT INTO mail_headers (folder, uid, entity, header, structure) VALUES ($1, $2, $3, $4, $5)",
        args![folder, uid, entity, header, structure],
    )
    .await?;
    let (inline, blob) = match mail.body.place {
        Place::Row(bytes) => (Some(bytes), None),
        Place::Blob(id) => (None, Some(id)),
        Place::Deposit => (None, None),
    };
    tx.execute(
        "INSERT INTO mail_bodies (folder, uid, entity, body, blob) VALUES ($1, $2, $3, $4, $5)",
        args![folder, uid, entity, inline, blob],
    )
    .await?;
    Ok(Outcome::Delivered { uid, account: AccountId(next.int("account")?), modseq })
}
