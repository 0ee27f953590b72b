//! Reading: lists by pages, header blocks, bodies by ranges, what changed.

use super::body;
use super::{Flags, FolderId, HEADER_PAGE, MailboxError, Mailboxes, PAGE, Uid, to_row};
use crate::keys::{DepositKey, KeyError, Wrapping};
use crate::{Row, args};
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use sealpost_envelope::{AccountId, BlobId, DepositId, Timestamp};
use std::collections::HashMap;
use std::ops::{Range, RangeInclusive};

/// A message's bytes as they are decrypted.
pub type MailStream = BoxStream<'static, Result<Bytes, MailboxError>>;

/// Where a message's octets are.
pub enum MailSource {
    /// Here.
    Stream(MailStream),
    /// In the deposit of which it is the sender's copy.
    Deposit(DepositId),
}

/// A message in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageMeta {
    /// Its UID.
    pub uid: Uid,
    /// Its flags.
    pub flags: Flags,
    /// IMAP's internal date.
    pub internal_date: Timestamp,
    /// Octets.
    pub size: u64,
    /// Its modification sequence.
    pub modseq: u64,
    /// Deposit of which it is the sender's copy.
    pub deposit: Option<DepositId>,
}

/// Header block and structure of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailHeader {
    /// Its UID.
    pub uid: Uid,
    /// Header block with its empty line, cut at [`super::MAX_HEADER`].
    pub header: Vec<u8>,
    /// What a reader cached, or [`super::NewMail::structure`].
    pub structure: Option<Vec<u8>>,
}

pub(super) const META: &str = "uid, flags, internal_date, size, modseq, deposit";

pub(super) fn read_meta(row: &Row) -> Result<MessageMeta, MailboxError> {
    Ok(MessageMeta {
        uid: row.small("uid")?,
        flags: Flags::read(&row.text("flags")?)?,
        internal_date: row.time("internal_date")?,
        size: row.size("size")?,
        modseq: row.size("modseq")?,
        deposit: row.opt_uuid("deposit")?.map(DepositId),
    })
}

impl Mailboxes {
    /// Messages whose UIDs lie in `uids`, in order; at most [`PAGE`].
    pub async fn messages(
        &self,
        folder: FolderId,
        uids: RangeInclusive<Uid>,
    ) -> Result<Vec<MessageMeta>, MailboxError> {
        let rows = self
            .db
            .fetch_all(
                "SELECT uid, flags, internal_date, size, modseq, deposit FROM mails \
                 WHERE folder = $1 AND uid BETWEEN $2 AND $3 ORDER BY uid LIMIT $4",
                args![folder, *uids.start(), *uids.end(), PAGE as i64],
            )
            .await?;
        rows.iter().map(read_meta).collect()
    }

    /// Header blocks and structures of messages, in the order of UIDs. Those that are gone, or whose key
    /// is, are left out; of more than [`HEADER_PAGE`] UIDs only the first ones are answered.
    pub async fn headers(&self, folder: FolderId, uids: &[Uid]) -> Result<Vec<MailHeader>, MailboxError> {
        let uids = &uids[..uids.len().min(HEADER_PAGE)];
        let (Some(&first), Some(&last)) = (uids.first(), uids.last()) else { return Ok(Vec::new()) };
        // Most readers ask for whole stretches.
        if uids.windows(2).all(|pair| pair[0].checked_add(1) == Some(pair[1])) {
            let sql = "SELECT m.uid, m.wrapped_key, m.key_week, h.header, h.structure FROM mails m \
                 JOIN mail_headers h ON h.folder = m.folder AND h.uid = m.uid \
                 WHERE m.folder = $1 AND m.uid BETWEEN $2 AND $3 ORDER BY m.uid";
            let rows = self.db.fetch_all(sql, args![folder, first, last]).await?;
            return self.read_headers(&rows);
        }
        // A few lengths only, filled up by repeating, so that few texts are prepared.
        let width = [1, 16, HEADER_PAGE].into_iter().find(|w| *w >= uids.len()).unwrap_or(HEADER_PAGE);
        let marks = (2..width + 2).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
        let sql = crate::db::AssertSqlSafe(format!(
            "SELECT m.uid, m.wrapped_key, m.key_week, h.header, h.structure FROM mails m \
             JOIN mail_headers h ON h.folder = m.folder AND h.uid = m.uid \
             WHERE m.folder = $1 AND m.uid IN ({marks}) ORDER BY m.uid"
        ));
        let mut values = args![folder];
        values
            .extend(uids.iter().copied().chain(std::iter::repeat(last)).take(width).map(crate::Value::from));
        let rows = self.db.fetch_all(sql, values).await?;
        self.read_headers(&rows)
    }

    /// A week's key is made ready once for all rows; messages whose key was destroyed are left out.
    fn read_headers(&self, rows: &[Row]) -> Result<Vec<MailHeader>, MailboxError> {
        let mut weeks: HashMap<String, Option<Wrapping>> = HashMap::new();
        let mut headers = Vec::with_capacity(rows.len());
        for row in rows {
            let week = row.text("key_week")?;
            if !weeks.contains_key(&week) {
                let wrapping = match self.keys.wrapping(&week) {
                    Err(KeyError::Destroyed(_)) => None,
                    other => Some(other?),
                };
                weeks.insert(week.clone(), wrapping);
            }
            let Some(Some(wrapping)) = weeks.get(&week) else { continue };
            let key = wrapping.unwrap(&row.bytes("wrapped_key")?)?;
            let structure = row.opt_octets("structure")?;
            let header = row.opt_octets("header")?.unwrap_or_default();
            headers.push(MailHeader {
                uid: row.small("uid")?,
                header: key.open(body::HEADER, b"", &header)?,
                structure: structure.map(|s| key.open(body::STRUCTURE, b"", &s)).transpose()?,
            });
        }
        Ok(headers)
    }

    /// UIDs after `after`, in order; at most 10 × [`PAGE`].
    pub async fn uids(&self, folder: FolderId, after: Uid) -> Result<Vec<Uid>, MailboxError> {
        let rows = self
            .db
            .fetch_all(
                "SELECT uid FROM mails WHERE folder = $1 AND uid > $2 ORDER BY uid LIMIT $3",
                args![folder, after, 10 * PAGE as i64],
            )
            .await?;
        rows.iter().map(|r| Ok(r.small("uid")?)).collect()
    }

    /// Messages new or changed since a modification sequence, after a UID, in the order of UIDs; at most
    /// [`PAGE`]. Read the folder's own sequence ([`Mailboxes::refresh`]) first, for the next time.
    pub async fn changed(
        &self,
        folder: FolderId,
        since: u64,
        after: Uid,
    ) -> Result<Vec<MessageMeta>, MailboxError> {
        let rows = self
            .db
            .fetch_all(
                "SELECT uid, flags, internal_date, size, modseq, deposit FROM mails \
                 WHERE folder = $1 AND modseq > $2 AND uid > $3 ORDER BY uid LIMIT $4",
                args![folder, to_row(since)?, after, PAGE as i64],
            )
            .await?;
        rows.iter().map(read_meta).collect()
    }

    /// UIDs expunged since a modification sequence, after a UID, in order; at most 10 × [`PAGE`].
    pub async fn expunged(&self, folder: FolderId, since: u64, after: Uid) -> Result<Vec<Uid>, MailboxError> {
        let rows = self
            .db
            .fetch_all(
                "SELECT uid FROM mail_expunged WHERE folder = $1 AND modseq > $2 AND uid > $3 ORDER BY uid LIMIT $4",
                args![folder, to_row(since)?, after, 10 * PAGE as i64],
            )
            .await?;
        rows.iter().map(|r| Ok(r.small("uid")?)).collect()
    }

    /// The header block of one message, with its empty line, cut at [`super::MAX_HEADER`].
    pub async fn header(&self, folder: FolderId, uid: Uid) -> Result<Vec<u8>, MailboxError> {
        match self.headers(folder, &[uid]).await?.pop() {
            Some(found) => Ok(found.header),
            // Says which week was destroyed, if that is why.
            None => self.key(folder, uid).await.and(Err(MailboxError::NoMessage)),
        }
    }

    /// A range of a message's octets, or the deposit that has them; a range beyond its end is cut.
    pub async fn open(
        &self,
        folder: FolderId,
        uid: Uid,
        range: Range<u64>,
    ) -> Result<MailSource, MailboxError> {
        let row = self
            .db
            .fetch_optional(
                "SELECT m.size, m.wrapped_key, m.key_week, m.deposit, b.body, b.blob FROM mails m \
                 JOIN mail_bodies b ON b.folder = m.folder AND b.uid = m.uid WHERE m.folder = $1 AND m.uid = $2",
                args![folder, uid],
            )
            .await?
            .ok_or(MailboxError::NoMessage)?;
        let key = self.key_of(&row)?;
        if let Some(blob) = row.opt_uuid("blob")? {
            let stream = self.blobs.read_range(&key, BlobId(blob), row.size("size")?, range);
            return Ok(MailSource::Stream(stream.map_err(MailboxError::from).boxed()));
        }
        let Some(sealed) = row.opt_bytes("body")? else {
            return Ok(MailSource::Deposit(DepositId(row.uuid("deposit")?)));
        };
        let whole = Bytes::from(key.open(body::BODY, b"", &sealed)?);
        let cut = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(whole.len());
        let (start, end) = (cut(range.start), cut(range.end));
        let part = whole.slice(start..end.max(start));
        Ok(MailSource::Stream(stream::iter((!part.is_empty()).then_some(Ok(part))).boxed()))
    }

    /// Caches a structure in the reader's own form; one over 64 KiB is not kept, and computed each time.
    pub async fn set_structure(&self, folder: FolderId, uid: Uid, text: &[u8]) -> Result<(), MailboxError> {
        if text.len() > super::MAX_HEADER {
            return Ok(());
        }
        let sealed = self.key(folder, uid).await?.seal(body::STRUCTURE, b"", text)?;
        let sql = "UPDATE mail_headers SET structure = $3 WHERE folder = $1 AND uid = $2";
        self.db.execute(sql, args![folder, uid, sealed]).await?;
        Ok(())
    }

    /// The sender's copies of a deposit in an account's folders; at most 100.
    pub async fn copies_of(
        &self,
        account: AccountId,
        deposit: DepositId,
    ) -> Result<Vec<(FolderId, Uid)>, MailboxError> {
        let sql = "SELECT m.folder, m.uid FROM mails m JOIN folders f ON f.id = m.folder \
                   WHERE m.deposit = $1 AND f.account = $2 ORDER BY m.folder, m.uid LIMIT 100";
        let rows = self.db.fetch_all(sql, args![deposit, account]).await?;
        rows.iter().map(|r| Ok((FolderId(r.int("folder")?), r.small("uid")?))).collect()
    }

    /// Messages whose key lies in a week, for those who replace destroyed ones; at most [`PAGE`].
    pub async fn messages_of_week(&self, week: &str) -> Result<Vec<(FolderId, Uid)>, MailboxError> {
        let sql = "SELECT folder, uid FROM mails WHERE key_week = $1 ORDER BY folder, uid LIMIT $2";
        let rows = self.db.fetch_all(sql, args![week, PAGE as i64]).await?;
        rows.iter().map(|r| Ok((FolderId(r.int("folder")?), r.small("uid")?))).collect()
    }

    async fn key(&self, folder: FolderId, uid: Uid) -> Result<DepositKey, MailboxError> {
        let sql = "SELECT wrapped_key, key_week FROM mails WHERE folder = $1 AND uid = $2";
        let row = self.db.fetch_optional(sql, args![folder, uid]).await?.ok_or(MailboxError::NoMessage)?;
        self.key_of(&row)
    }

    fn key_of(&self, row: &Row) -> Result<DepositKey, MailboxError> {
        Ok(self.keys.unwrap(&row.text("key_week")?, &row.bytes("wrapped_key")?)?)
    }
}
