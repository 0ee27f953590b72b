//! Flags, copies, moves, expunging.

use super::folder::{bump, lock};
use super::read::{META, read_meta};
use super::{FlagOp, Flags, FolderId, MailboxError, Mailboxes, MessageMeta, Uid, to_row};
use crate::{Tx, args};
use sealpost_envelope::{AccountId, BlobId, DepositId};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Messages changed in one transaction: other writers wait no longer than this takes.
const UNIT: usize = 250;

/// What a change of flags did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlagChange {
    /// Messages as they are now; also those that had the flags already.
    pub now: Vec<MessageMeta>,
    /// Messages left alone because they had changed since (RFC 7162 §3.1.3).
    pub modified: Vec<Uid>,
}

impl Mailboxes {
    /// Changes flags of messages; unknown UIDs are passed over. With `unchanged_since`, only of those
    /// whose modification sequence is not higher.
    pub async fn set_flags(
        &self,
        folder: FolderId,
        uids: &[Uid],
        op: FlagOp,
        flags: &Flags,
        unchanged_since: Option<u64>,
    ) -> Result<FlagChange, MailboxError> {
        let flags = Arc::new(flags.clone());
        let mut all = FlagChange::default();
        for unit in sorted(uids).chunks(UNIT) {
            let (unit, flags) = (unit.to_vec(), Arc::clone(&flags));
            let (account, part) = self
                .db
                .write_as(async move |tx| {
                    let account = lock(tx, folder).await?;
                    let part = flag_unit(tx, folder, &unit, op, &flags, unchanged_since).await?;
                    Ok::<_, MailboxError>((account, part))
                })
                .await?;
            if let Some(modseq) = part.now.iter().map(|m| m.modseq).max() {
                self.notify(account, folder, modseq);
            }
            all.now.extend(part.now);
            all.modified.extend(part.modified);
        }
        Ok(all)
    }

    /// Adds a keyword to the sender's copies of a deposit; says on how many.
    pub async fn mark_copies(
        &self,
        account: AccountId,
        deposit: DepositId,
        keyword: &str,
    ) -> Result<usize, MailboxError> {
        let flags = Flags::new([keyword])?;
        let copies = self.copies_of(account, deposit).await?;
        for (folder, uid) in &copies {
            self.set_flags(*folder, &[*uid], FlagOp::Add, &flags, None).await?;
        }
        Ok(copies.len())
    }

    /// Removes the messages flagged `\Deleted`, all or only among `uids`; answers their UIDs.
    pub async fn expunge(&self, folder: FolderId, uids: Option<&[Uid]>) -> Result<Vec<Uid>, MailboxError> {
        let wanted: Option<BTreeSet<Uid>> = uids.map(|u| u.iter().copied().collect());
        let (mut after, mut gone) = (0, Vec::new());
        loop {
            let rows = self
                .db
                .fetch_all(
                    "SELECT uid FROM mails WHERE folder = $1 AND uid > $2 AND flags LIKE '%\\Deleted%' ESCAPE '!' \
                     ORDER BY uid LIMIT 1000",
                    args![folder, after],
                )
                .await?;
            let found: Vec<Uid> = rows.iter().map(|r| r.small("uid")).collect::<Result<_, _>>()?;
            let Some(last) = found.last() else { return Ok(gone) };
            after = *last;
            let chosen: Vec<Uid> =
                found.into_iter().filter(|u| wanted.as_ref().is_none_or(|w| w.contains(u))).collect();
            gone.extend(self.remove(folder, &chosen).await?);
        }
    }

    /// Removes messages whatever their flags; answers the UIDs that were there.
    pub async fn remove(&self, folder: FolderId, uids: &[Uid]) -> Result<Vec<Uid>, MailboxError> {
        let mut gone = Vec::new();
        for unit in sorted(uids).chunks(UNIT) {
            let unit = unit.to_vec();
            let done = self
                .db
                .write_as(async move |tx| {
                    let account = lock(tx, folder).await?;
                    Ok::<_, MailboxError>((account, remove_unit(tx, folder, &unit).await?))
                })
                .await?;
            let (account, removed) = done;
            if let Some(modseq) = removed.modseq {
                self.notify(account, folder, modseq);
            }
            for blob in removed.blobs {
                self.blobs.delete(blob).await?;
            }
            gone.extend(removed.uids);
        }
        Ok(gone)
    }

    /// Copies messages to another folder of the same account; answers old and new UIDs. With `moving`,
    /// they leave the first folder in the same transaction (RFC 6851).
    pub async fn copy(
        &self,
        from: FolderId,
        uids: &[Uid],
        to: FolderId,
        moving: bool,
    ) -> Result<Vec<(Uid, Uid)>, MailboxError> {
        let mut pairs = Vec::new();
        for unit in sorted(uids).chunks(UNIT) {
            let unit = unit.to_vec();
            let (account, made, removed) = self
                .db
                .write_as(async move |tx| {
                    // In the order of numbers, so that two opposite moves cannot wait for one another.
                    let first = lock(tx, from.min(to)).await?;
                    if lock(tx, from.max(to)).await? != first {
                        return Err(MailboxError::NoFolder);
                    }
                    let made = copy_unit(tx, from, &unit, to).await?;
                    let removed = match moving {
                        true => remove_unit(tx, from, &unit).await?.modseq,
                        false => None,
                    };
                    Ok((first, made, removed))
                })
                .await?;
            if let Some(modseq) = removed {
                self.notify(account, from, modseq);
            }
            if let Some((_, _, modseq)) = made.last() {
                self.notify(account, to, *modseq);
            }
            pairs.extend(made.into_iter().map(|(old, new, _)| (old, new)));
        }
        Ok(pairs)
    }
}

fn sorted(uids: &[Uid]) -> Vec<Uid> {
    uids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect()
}

async fn flag_unit(
    tx: &mut Tx,
    folder: FolderId,
    uids: &[Uid],
    op: FlagOp,
    flags: &Flags,
    unchanged_since: Option<u64>,
) -> Result<FlagChange, MailboxError> {
    let mut change = FlagChange::default();
    let mut next = None;
    for &uid in uids {
        let sql =
            crate::db::AssertSqlSafe(format!("SELECT {META} FROM mails WHERE folder = $1 AND uid = $2"));
        let Some(row) = tx.fetch_optional(sql, args![folder, uid]).await? else { continue };
        let mut mail = read_meta(&row)?;
        if unchanged_since.is_some_and(|limit| mail.modseq > limit) {
            change.modified.push(uid);
            continue;
        }
        let after = mail.flags.after(op, flags)?;
        if after != mail.flags {
            mail.modseq = match next {
                Some(modseq) => modseq,
                None => *next.insert(bump(tx, folder).await?),
            };
            mail.flags = after;
            tx.execute(
                "UPDATE mails SET flags = $3, seen = $4, modseq = $5 WHERE folder = $1 AND uid = $2",
                args![
                    folder,
                    uid,
                    mail.flags.to_string(),
                    mail.flags.contains("\\Seen"),
                    to_row(mail.modseq)?
                ],
            )
            .await?;
        }
        change.now.push(mail);
    }
    Ok(change)
}

/// What left a folder.
pub(super) struct Removed {
    pub(super) uids: Vec<Uid>,
    pub(super) modseq: Option<u64>,
    /// Blobs that no message names any more, to be deleted after the commit.
    pub(super) blobs: Vec<BlobId>,
}

pub(super) async fn remove_unit(
    tx: &mut Tx,
    folder: FolderId,
    uids: &[Uid],
) -> Result<Removed, MailboxError> {
    let mut removed = Removed { uids: Vec::new(), modseq: None, blobs: Vec::new() };
    let mut freed = 0u64;
    for &uid in uids {
        let sql = "DELETE FROM mail_bodies WHERE folder = $1 AND uid = $2 \
             RETURNING blob, (body IS NOT NULL OR blob IS NOT NULL) AS own";
        let Some(body) = tx.fetch_optional(sql, args![folder, uid]).await? else { continue };
        let modseq = match removed.modseq {
            Some(modseq) => modseq,
            None => *removed.modseq.insert(bump(tx, folder).await?),
        };
        tx.execute("DELETE FROM mail_headers WHERE folder = $1 AND uid = $2", args![folder, uid]).await?;
        let sql = "DELETE FROM mails WHERE folder = $1 AND uid = $2 RETURNING size";
        if let Some(mail) = tx.fetch_optional(sql, args![folder, uid]).await?
            && body.flag("own")?
        {
            freed += mail.size("size")?;
        }
        tx.execute(
            "INSERT INTO mail_expunged (folder, uid, entity, modseq) SELECT id, $2, entity, $3 FROM folders WHERE id = $1",
            args![folder, uid, to_row(modseq)?],
        )
        .await?;
        if let Some(blob) = body.opt_uuid("blob")? {
            let sql = "SELECT 1 AS one FROM mail_bodies WHERE blob = $1 LIMIT 1";
            if tx.fetch_optional(sql, args![blob]).await?.is_none() {
                removed.blobs.push(BlobId(blob));
            }
        }
        removed.uids.push(uid);
    }
    if freed > 0 {
        let sql = "UPDATE folders SET stored = stored - $2 WHERE id = $1";
        tx.execute(sql, args![folder, to_row(freed)?]).await?;
    }
    Ok(removed)
}

/// Copies rows; key, header and body are the same octets, since the key is the message's own.
async fn copy_unit(
    tx: &mut Tx,
    from: FolderId,
    uids: &[Uid],
    to: FolderId,
) -> Result<Vec<(Uid, Uid, u64)>, MailboxError> {
    let mut made = Vec::new();
    for &uid in uids {
        let known = "SELECT m.size, (b.body IS NOT NULL OR b.blob IS NOT NULL) AS own FROM mails m \
             JOIN mail_bodies b ON b.folder = m.folder AND b.uid = m.uid WHERE m.folder = $1 AND m.uid = $2";
        let Some(mail) = tx.fetch_optional(known, args![from, uid]).await? else { continue };
        let stored = if mail.flag("own")? { mail.size("size")? } else { 0 };
        let next = tx
            .fetch_one(
                "UPDATE folders SET uidnext = uidnext + 1, modseq = modseq + 1, stored = stored + $2 WHERE id = $1 \
                 RETURNING uidnext - 1 AS uid, modseq",
                args![to, to_row(stored)?],
            )
            .await?;
        let new = Uid::try_from(next.int("uid")?).ok().filter(|u| *u < Uid::MAX).ok_or(MailboxError::Full)?;
        let modseq = next.size("modseq")?;
        tx.execute(
            "INSERT INTO mails (folder, uid, entity, modseq, flags, seen, internal_date, size, deposit, \
             wrapped_key, key_week) SELECT CAST($3 AS BIGINT), CAST($4 AS BIGINT), entity, CAST($5 AS BIGINT), flags, \
             seen, internal_date, size, deposit, wrapped_key, key_week FROM mails WHERE folder = $1 AND uid = $2",
            args![from, uid, to, new, to_row(modseq)?],
        )
        .await?;
        tx.execute(
            "INSERT INTO mail_headers (folder, uid, entity, header, structure) \
             SELECT CAST($3 AS BIGINT), CAST($4 AS BIGINT), entity, header, structure FROM mail_headers \
             WHERE folder = $1 AND uid = $2",
            args![from, uid, to, new],
        )
        .await?;
        tx.execute(
            "INSERT INTO mail_bodies (folder, uid, entity, body, blob) \
             SELECT CAST($3 AS BIGINT), CAST($4 AS BIGINT), entity, body, blob FROM mail_bodies \
             WHERE folder = $1 AND uid = $2",
            args![from, uid, to, new],
        )
        .await?;
        made.push((uid, new, modseq));
    }
    Ok(made)
}
