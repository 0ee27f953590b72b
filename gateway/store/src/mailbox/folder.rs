//! Folders: names, UIDVALIDITY, counters.

use super::{MailboxError, Mailboxes};
use crate::{Row, StoreError, Tx, args};
use sealpost_envelope::{AccountId, EntityId};

/// Number of a folder in the installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FolderId(pub i64);

impl From<FolderId> for crate::Value {
    fn from(id: FolderId) -> Self {
        id.0.into()
    }
}

/// A folder as it stood when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Number.
    pub id: FolderId,
    /// Organisation.
    pub entity: EntityId,
    /// Whose.
    pub account: AccountId,
    /// Full name, `/` between levels; `INBOX` in capitals.
    pub name: String,
    /// Special use (RFC 6154), such as `\Sent`.
    pub special: Option<String>,
    /// Whether the client listed it as subscribed.
    pub subscribed: bool,
    /// Changes when the folder is made anew.
    pub uidvalidity: u32,
    /// UID of the next message.
    pub uidnext: u32,
    /// Highest modification sequence.
    pub modseq: u64,
}

/// Counts of a folder (RFC 9051 §6.3.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FolderStatus {
    /// Messages.
    pub messages: u64,
    /// Messages without `\Seen`.
    pub unseen: u64,
    /// Messages with `\Deleted`.
    pub deleted: u64,
    /// Octets of all messages.
    pub size: u64,
    /// Octets that removing the messages with `\Deleted` frees; copies of deposits free none.
    pub deleted_size: u64,
}

const COLUMNS: &str = "id, entity, account, name, special, subscribed, uidvalidity, uidnext, modseq";

fn read_folder(row: &Row) -> Result<Folder, StoreError> {
    Ok(Folder {
        id: FolderId(row.int("id")?),
        entity: row.entity()?,
        account: AccountId(row.int("account")?),
        name: row.text("name")?,
        special: row.opt_text("special")?,
        subscribed: row.flag("subscribed")?,
        uidvalidity: row.small("uidvalidity")?,
        uidnext: row.small("uidnext")?,
        modseq: row.size("modseq")?,
    })
}

/// The name as we keep it: `INBOX` in any case is one name (RFC 9051 §5.1), levels are not empty.
fn normal_name(name: &str) -> Result<String, MailboxError> {
    let shaped = !name.is_empty()
        && name.len() <= 255
        && !name.chars().any(|c| c.is_control() || matches!(c, '*' | '%'))
        && name.split('/').all(|level| !level.trim().is_empty());
    if !shaped {
        return Err(MailboxError::BadFolder);
    }
    Ok(match name.split_once('/') {
        None if name.eq_ignore_ascii_case("INBOX") => "INBOX".to_owned(),
        Some((first, rest)) if first.eq_ignore_ascii_case("INBOX") => format!("INBOX/{rest}"),
        _ => name.to_owned(),
    })
}

/// Takes the folder's row lock without changing it; answers whose it is.
pub(super) async fn lock(tx: &mut Tx, folder: FolderId) -> Result<AccountId, MailboxError> {
    let sql = "UPDATE folders SET modseq = modseq WHERE id = $1 RETURNING account";
    let row = tx.fetch_optional(sql, args![folder]).await?.ok_or(MailboxError::NoFolder)?;
    Ok(AccountId(row.int("account")?))
}

/// Takes the next modification sequence of a folder.
pub(super) async fn bump(tx: &mut Tx, folder: FolderId) -> Result<u64, MailboxError> {
    let sql = "UPDATE folders SET modseq = modseq + 1 WHERE id = $1 RETURNING modseq";
    let row = tx.fetch_optional(sql, args![folder]).await?.ok_or(MailboxError::NoFolder)?;
    Ok(row.size("modseq")?)
}

impl Mailboxes {
    /// The folder of that name, made if it is not there.
    pub async fn ensure_folder(
        &self,
        account: AccountId,
        name: &str,
        special: Option<&str>,
    ) -> Result<Folder, MailboxError> {
        if let Some(found) = self.folder(account, name).await? {
            return Ok(found);
        }
        match self.create_folder(account, name, special).await {
            // Someone else was faster.
            Err(MailboxError::FolderExists) => {
                self.folder(account, name).await?.ok_or(MailboxError::NoFolder)
            }
            other => other,
        }
    }

    /// Makes a folder.
    pub async fn create_folder(
        &self,
        account: AccountId,
        name: &str,
        special: Option<&str>,
    ) -> Result<Folder, MailboxError> {
        // RFC 9051 §2.3.1.1 proposes the time of creation, in 32 bits. With the folder's number, which is never used
        // again, one that is made anew in the same second differs too.
        let validity = u32::try_from(self.clock.now().as_second().max(1)).unwrap_or(u32::MAX);
        let row = args![account, normal_name(name)?, special, true, validity];
        self.db
            .write_as(async move |tx| {
                let made = tx
                    .fetch_optional(
                        "INSERT INTO folders (entity, account, name, special, subscribed, uidvalidity, uidnext, modseq) \
                         SELECT entity, id, $2, $3, $4, $5, 1, 1 FROM accounts WHERE id = $1 ON CONFLICT DO NOTHING \
                         RETURNING id",
                        row,
                    )
                    .await?;
                let id = made.ok_or(MailboxError::FolderExists)?.int("id")?;
                let sql = crate::db::AssertSqlSafe(format!(
                    "UPDATE folders SET uidvalidity = uidvalidity + id % 1000000 WHERE id = $1 RETURNING {COLUMNS}"
                ));
                Ok(read_folder(&tx.fetch_one(sql, args![id]).await?)?)
            })
            .await
    }

    /// Folders of an account by name, at most 1000.
    pub async fn list_folders(&self, account: AccountId) -> Result<Vec<Folder>, MailboxError> {
        let sql = crate::db::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM folders WHERE account = $1 ORDER BY name LIMIT 1000"
        ));
        let rows = self.db.fetch_all(sql, args![account]).await?;
        Ok(rows.iter().map(read_folder).collect::<Result<_, _>>()?)
    }

    /// The folder of that name.
    pub async fn folder(&self, account: AccountId, name: &str) -> Result<Option<Folder>, MailboxError> {
        let sql = crate::db::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM folders WHERE account = $1 AND name = $2"
        ));
        let row = self.db.fetch_optional(sql, args![account, normal_name(name)?]).await?;
        Ok(row.as_ref().map(read_folder).transpose()?)
    }

    /// The folder as it stands now: its modification sequence tells whether something changed.
    pub async fn refresh(&self, folder: FolderId) -> Result<Folder, MailboxError> {
        let sql = crate::db::AssertSqlSafe(format!("SELECT {COLUMNS} FROM folders WHERE id = $1"));
        let row = self.db.fetch_optional(sql, args![folder]).await?.ok_or(MailboxError::NoFolder)?;
        Ok(read_folder(&row)?)
    }

    /// Counts what a folder holds.
    pub async fn status(&self, folder: FolderId) -> Result<FolderStatus, MailboxError> {
        let sql = "SELECT COUNT(*) AS messages, \
                   COALESCE(CAST(SUM(CASE WHEN seen THEN 0 ELSE 1 END) AS BIGINT), 0) AS unseen, \
                   COALESCE(CAST(SUM(CASE WHEN flags LIKE '%\\Deleted%' ESCAPE '!' THEN 1 ELSE 0 END) AS BIGINT), 0) \
                   AS deleted, COALESCE(CAST(SUM(size) AS BIGINT), 0) AS size, \
                   COALESCE(CAST(SUM(CASE WHEN flags LIKE '%\\Deleted%' ESCAPE '!' AND deposit IS NULL THEN size \
                   ELSE 0 END) AS BIGINT), 0) AS deleted_size FROM mails WHERE folder = $1";
        let row = self.db.fetch_one(sql, args![folder]).await?;
        Ok(FolderStatus {
            messages: row.size("messages")?,
            unseen: row.size("unseen")?,
            deleted: row.size("deleted")?,
            size: row.size("size")?,
            deleted_size: row.size("deleted_size")?,
        })
    }

    /// Octets of an account's own messages in all its folders.
    pub async fn usage(&self, account: AccountId) -> Result<u64, MailboxError> {
        let sql = "SELECT COALESCE(CAST(SUM(stored) AS BIGINT), 0) AS stored FROM folders WHERE account = $1";
        Ok(self.db.fetch_one(sql, args![account]).await?.size("stored")?)
    }

    /// Octets of those messages that have some of their own: what a copy of them adds.
    pub async fn own_octets(&self, folder: FolderId, uids: &[super::Uid]) -> Result<u64, MailboxError> {
        let mut all = 0;
        for uid in uids {
            let sql = "SELECT size FROM mails WHERE folder = $1 AND uid = $2 AND deposit IS NULL";
            let row = self.db.fetch_optional(sql, args![folder, *uid]).await?;
            all += row.map_or(Ok(0), |r| r.size("size"))?;
        }
        Ok(all)
    }

    /// Gives a folder, and those below it, another name. `INBOX` and special folders keep theirs.
    pub async fn rename_folder(&self, account: AccountId, from: &str, to: &str) -> Result<(), MailboxError> {
        let (from, to) = (normal_name(from)?, normal_name(to)?);
        if from == "INBOX" || to == "INBOX" || to.starts_with(&format!("{from}/")) {
            return Err(MailboxError::BadFolder);
        }
        let below =
            self.list_folders(account).await?.into_iter().filter(|f| f.name.starts_with(&format!("{from}/")));
        let below: Vec<_> = below.map(|f| (f.id, format!("{to}{}", &f.name[from.len()..]))).collect();
        let folder = self.folder(account, &from).await?.ok_or(MailboxError::NoFolder)?;
        // What we fill ourselves is found by its name.
        if folder.special.is_some() {
            return Err(MailboxError::BadFolder);
        }
        self.db
            .write_as(async move |tx| {
                for (id, name) in std::iter::once((folder.id, to)).chain(below) {
                    let taken = tx
                        .fetch_optional(
                            "SELECT id FROM folders WHERE account = $1 AND name = $2",
                            args![account, name.as_str()],
                        )
                        .await?;
                    if taken.is_some() {
                        return Err(MailboxError::FolderExists);
                    }
                    tx.execute("UPDATE folders SET name = $2 WHERE id = $1", args![id, name]).await?;
                }
                Ok(())
            })
            .await
    }

    /// Subscribes or unsubscribes.
    pub async fn set_subscribed(&self, folder: FolderId, subscribed: bool) -> Result<(), MailboxError> {
        let sql = "UPDATE folders SET subscribed = $2 WHERE id = $1";
        self.db.execute(sql, args![folder, subscribed]).await?;
        Ok(())
    }

    /// Deletes a folder and all it holds; `INBOX` and special folders stay.
    pub async fn delete_folder(&self, account: AccountId, name: &str) -> Result<(), MailboxError> {
        let folder = self.folder(account, name).await?.ok_or(MailboxError::NoFolder)?;
        if folder.name == "INBOX" || folder.special.is_some() {
            return Err(MailboxError::BadFolder);
        }
        loop {
            let uids = self.uids(folder.id, 0).await?;
            if uids.is_empty() {
                break;
            }
            self.remove(folder.id, &uids).await?;
        }
        self.db
            .write_as(async move |tx| {
                // A message delivered meanwhile keeps the folder alive: its foreign key refuses.
                tx.execute("DELETE FROM mail_expunged WHERE folder = $1", args![folder.id]).await?;
                tx.execute("DELETE FROM folders WHERE id = $1", args![folder.id]).await?;
                Ok(())
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::normal_name;

    #[test]
    fn names() {
        for (given, kept) in
            [("inbox", "INBOX"), ("Inbox/a", "INBOX/a"), ("Envoyés", "Envoyés"), ("a/b", "a/b")]
        {
            assert_eq!(normal_name(given).unwrap(), kept);
        }
        for bad in ["", "a//b", "/a", "a/", "a\nb", "a*", "%", " ", &"x".repeat(256)] {
            assert!(normal_name(bad).is_err(), "{bad:?}");
        }
    }
}
