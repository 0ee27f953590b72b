//! The sender's own view of deposits: a copy in Sent, once each, and what has been set on it since.
//!
//! **Job.** Remembers which deposits have their copy, so that one that the sender deleted does not come back;
//! finds deposits that have none yet; reads the log from where the follower stopped.
//!
//! **Failure modes.** As the mailbox. Two nodes that make the same copy make one.

use super::deliver::{self, NewMail, Outcome};
use super::{FlagOp, Flags, FolderId, MailboxError, Mailboxes, Uid, body, change};
use crate::{StoreError, Value, args};
use jiff::SignedDuration;
use sealpost_envelope::{AccountId, DepositId, EntityId, Timestamp};

/// A deposit is committed at most this long after the time it bears; one that is not is found by the follower.
const LATE: SignedDuration = SignedDuration::from_secs(60);
/// Name of the follower of the log that keeps folders up to date.
const FOLLOWER: &str = "folders";

/// An entry of the log whose deposit was made by an account that reads its folders here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followed {
    /// Place in the log.
    pub index: u64,
    /// Deposit and account; nothing when the entry concerns nobody's folders.
    pub concerns: Option<(DepositId, AccountId)>,
}

/// What is known of a deposit's copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentCopy {
    /// Deposit.
    pub deposit: DepositId,
    /// Keywords set so far; the sender may have removed them since.
    pub keywords: Flags,
    /// Origin of the message that shows its evidence.
    pub proof: Option<String>,
}

impl Mailboxes {
    /// Puts the copy of `deposit` into its sender's folder, unless that was done before.
    pub async fn deliver_copy(
        &self,
        mail: NewMail,
        deposit: DepositId,
        message_id: Option<String>,
    ) -> Result<Option<Uid>, MailboxError> {
        let (folder, keywords, created) = (mail.folder, mail.flags.to_string(), mail.internal_date);
        let header = mail.body.key.seal(body::HEADER, b"", &mail.body.header)?;
        let outcome = self
            .db
            .write_as(async move |tx| {
                let sql = "INSERT INTO sent_copies (deposit, entity, account, message_id, created, keywords) \
                     SELECT CAST($1 AS TEXT), entity, account, CAST($3 AS TEXT), CAST($4 AS BIGINT), \
                     CAST($5 AS TEXT) FROM folders WHERE id = $2 ON CONFLICT DO NOTHING";
                if tx.execute(sql, args![deposit, folder, message_id, created, keywords]).await? == 0 {
                    return Ok(None);
                }
                deliver::insert(tx, mail, header, None).await.map(Some)
            })
            .await?;
        let Some(Outcome::Delivered { uid, account, modseq }) = outcome else { return Ok(None) };
        self.notify(account, folder, modseq);
        Ok(Some(uid))
    }

    /// The account's deposits that have content and no copy yet, oldest first, among those made since the
    /// account was last looked through.
    pub async fn uncopied(
        &self,
        entity: EntityId,
        account: AccountId,
        limit: u32,
    ) -> Result<Vec<DepositId>, MailboxError> {
        let sql = "SELECT until FROM sent_looked WHERE account = $1";
        let until = match self.db.fetch_optional(sql, args![account]).await? {
            Some(row) => row.time("until")?.saturating_sub(LATE).unwrap_or(Timestamp::MIN).as_microsecond(),
            None => i64::MIN,
        };
        let sql = "SELECT d.id FROM deposits d WHERE d.entity = $1 AND d.created >= $2 AND d.account = $3 \
             AND d.wrapped_key IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sent_copies c WHERE c.deposit = d.id) \
             ORDER BY d.created, d.id LIMIT $4";
        let rows = self.db.fetch_all(sql, args![entity, until, account, limit]).await?;
        rows.iter().map(|r| Ok(DepositId(r.uuid("id")?))).collect()
    }

    /// All deposits that the account had made at `until` were looked at.
    pub async fn looked(
        &self,
        entity: EntityId,
        account: AccountId,
        until: Timestamp,
    ) -> Result<(), MailboxError> {
        // Writing costs a flush: the overlap makes a newer mark unnecessary for a while.
        let floor = until.saturating_sub(LATE / 2).unwrap_or(until);
        let sql = "SELECT 1 AS one FROM sent_looked WHERE account = $1 AND until >= $2";
        if self.db.fetch_optional(sql, args![account, floor]).await?.is_some() {
            return Ok(());
        }
        let sql = "INSERT INTO sent_looked (account, entity, until) VALUES ($1, $2, $3) \
             ON CONFLICT (account) DO UPDATE SET until = excluded.until";
        self.db.execute(sql, args![account, entity, until]).await?;
        Ok(())
    }

    /// The copy of a deposit, if one was made.
    pub async fn sent_copy(&self, deposit: DepositId) -> Result<Option<SentCopy>, MailboxError> {
        let sql = "SELECT keywords, proof FROM sent_copies WHERE deposit = $1";
        let Some(row) = self.db.fetch_optional(sql, args![deposit]).await? else { return Ok(None) };
        let keywords = Flags::read(&row.text("keywords")?)?;
        Ok(Some(SentCopy { deposit, keywords, proof: row.opt_text("proof")? }))
    }

    /// Where the copy of the account's latest deposit with this Message-ID (without angle brackets) is in a
    /// folder.
    pub async fn copy_by_message_id(
        &self,
        account: AccountId,
        folder: FolderId,
        message_id: &str,
    ) -> Result<Option<Uid>, MailboxError> {
        let sql = "SELECT m.uid FROM sent_copies c JOIN mails m ON m.deposit = c.deposit AND m.folder = $3 \
             WHERE c.account = $1 AND c.message_id = $2 ORDER BY c.created DESC, m.uid DESC LIMIT 1";
        let row = self.db.fetch_optional(sql, args![account, message_id, folder]).await?;
        row.map(|r| Ok(r.small("uid")?)).transpose()
    }

    /// Sets keywords on a deposit's copies, those only that were not set on them before; says whether any.
    pub async fn announce(
        &self,
        account: AccountId,
        deposit: DepositId,
        keywords: &Flags,
    ) -> Result<bool, MailboxError> {
        let Some(copy) = self.sent_copy(deposit).await? else { return Ok(false) };
        let fresh = Flags::new(keywords.iter().filter(|k| !copy.keywords.contains(k)))?;
        if fresh.is_empty() {
            return Ok(false);
        }
        for (folder, uid) in self.copies_of(account, deposit).await? {
            self.set_flags(folder, &[uid], FlagOp::Add, &fresh, None).await?;
        }
        // After the flags: what is set twice changes nothing, what is noted and not set would be lost.
        let all = copy.keywords.after(FlagOp::Add, &fresh)?.to_string();
        self.db
            .execute("UPDATE sent_copies SET keywords = $2 WHERE deposit = $1", args![deposit, all])
            .await?;
        Ok(true)
    }

    /// Messages of any account that are copies of a deposit; at most 100.
    pub async fn every_copy(&self, deposit: DepositId) -> Result<Vec<(FolderId, Uid)>, MailboxError> {
        let sql = "SELECT folder, uid FROM mails WHERE deposit = $1 ORDER BY folder, uid LIMIT 100";
        let rows = self.db.fetch_all(sql, args![deposit]).await?;
        rows.iter().map(|r| Ok((FolderId(r.int("folder")?), r.small("uid")?))).collect()
    }

    /// Puts the message that shows a deposit's evidence, named by its origin, in the place of the one before,
    /// under a new UID; nothing changes when it is the same.
    pub async fn replace_proof(
        &self,
        mail: NewMail,
        deposit: DepositId,
    ) -> Result<Option<Uid>, MailboxError> {
        let folder = mail.folder;
        let header = mail.body.key.seal(body::HEADER, b"", &mail.body.header)?;
        let (unused, origin) = (mail.body.blob(), mail.origin.clone());
        let done = self
            .db
            .write_as(async move |tx| {
                let sql = "SELECT proof FROM sent_copies WHERE deposit = $1";
                let Some(row) = tx.fetch_optional(sql, args![deposit]).await? else { return Ok(None) };
                let before = row.opt_text("proof")?;
                if before == origin {
                    return Ok(None);
                }
                let sql = "UPDATE sent_copies SET proof = $2 WHERE deposit = $1";
                tx.execute(sql, args![deposit, origin]).await?;
                let outcome = deliver::insert(tx, mail, header, None).await?;
                let sql = "SELECT uid FROM mails WHERE folder = $1 AND origin = $2";
                let old = tx.fetch_optional(sql, args![folder, before]).await?;
                let old: Vec<Uid> = old.iter().map(|r| r.small("uid")).collect::<Result<_, _>>()?;
                Ok::<_, MailboxError>(Some((outcome, change::remove_unit(tx, folder, &old).await?)))
            })
            .await?;
        let Some((Outcome::Delivered { uid, account, modseq }, removed)) = done else {
            if let Some(blob) = unused {
                self.blobs.delete(blob).await?;
            }
            return Ok(None);
        };
        self.notify(account, folder, removed.modseq.unwrap_or(modseq));
        for blob in removed.blobs {
            self.blobs.delete(blob).await?;
        }
        Ok(Some(uid))
    }

    /// Where the follower of the log stands; `None` before its first step.
    pub async fn followed_to(&self) -> Result<Option<u64>, StoreError> {
        crate::log::followed_to(&self.db, FOLLOWER).await
    }

    /// The follower has dealt with all entries before `position`.
    pub async fn follow_from(&self, position: u64) -> Result<(), StoreError> {
        crate::log::follow_from(&self.db, FOLLOWER, position).await
    }

    /// Entries of the log from `position` on, in its order, with whose folders they concern.
    pub async fn follow(&self, position: u64, limit: u32) -> Result<Vec<Followed>, StoreError> {
        let sql = "SELECT j.idx, j.deposit, f.account FROM journal j LEFT JOIN deposits d ON d.id = j.deposit \
             LEFT JOIN folders f ON f.account = d.account AND f.name = 'Sent' \
             WHERE j.idx >= $1 ORDER BY j.idx LIMIT $2";
        let rows = self.db.fetch_all(sql, vec![Value::size(position)?, limit.into()]).await?;
        rows.iter()
            .map(|r| {
                let concerns =
                    r.opt_uuid("deposit")?.map(DepositId).zip(r.opt_int("account")?.map(AccountId));
                Ok(Followed { index: r.size("idx")?, concerns })
            })
            .collect()
    }
}
