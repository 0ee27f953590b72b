//! Users and groups as another system provisions them (RFC 7643): what is asked, and what is written at once.
//!
//! Everything is within one organisation. A user who was deleted there stays here, disabled: what they sent and did
//! stands in the journal, and the same name finds them again.

use super::{Account, AccountError, AccountLink, Accounts, COLUMNS, read_account};
use crate::{Row, StoreError, Tx, args};
use sealpost_envelope::{AccountId, EntityId, Timestamp};
use sealpost_evidence::BuiltEvent;
use uuid::Uuid;

/// What rules an account of SCIM …
pub const SCIM: &str = "scim";
/// … and one that was deleted there.
const DELETED: &str = "scim:deleted";
/// Members of one group that are read.
const MEMBERS: i64 = 10_000;

/// An account as SCIM sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScimUser {
    /// The account.
    pub account: Account,
    /// Its identifier at the other system.
    pub external_id: Option<String>,
    /// Whether that system rules it already.
    pub ruled: bool,
}

/// A group of accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScimGroup {
    /// Identifier.
    pub id: Uuid,
    /// Name; unique in its organisation, whatever the case.
    pub name: String,
    /// Its identifier at the other system.
    pub external_id: Option<String>,
    /// Since when.
    pub created: Timestamp,
    /// Last change.
    pub changed: Timestamp,
}

/// What became of writing a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupPut {
    /// It is written.
    Done,
    /// Another group has the name.
    Taken,
    /// Somebody else has changed or removed it meanwhile.
    Changed,
}

/// Which of them; what is `None` does not matter.
#[derive(Debug, Clone, Default)]
pub struct ScimFilter {
    /// Identifier here.
    pub id: Option<String>,
    /// Name, without case: a login or a group's name.
    pub name: Option<String>,
    /// Identifier there.
    pub external_id: Option<String>,
    /// Not disabled; groups always are active.
    pub active: Option<bool>,
}

/// How an account becomes what SCIM wants it to be.
#[derive(Debug, Clone)]
pub struct ScimChange {
    /// Name shown to people.
    pub name: String,
    /// Identifier there.
    pub external_id: Option<String>,
    /// Not disabled.
    pub active: bool,
    /// Gone there: listed no more.
    pub deleted: bool,
}

fn user(row: &Row) -> Result<ScimUser, StoreError> {
    Ok(ScimUser {
        account: read_account(row)?,
        external_id: row.opt_text("external_id")?,
        ruled: row.opt_text("source")?.as_deref() == Some(SCIM),
    })
}

fn group(row: &Row) -> Result<ScimGroup, StoreError> {
    Ok(ScimGroup {
        id: row.uuid("id")?,
        name: row.text("name")?,
        external_id: row.opt_text("external_id")?,
        created: row.time("created")?,
        changed: row.time("changed")?,
    })
}

/// Conditions of both kinds: an empty text or -1 stands for "does not matter".
fn wanted(filter: &ScimFilter) -> (String, String, i64) {
    let text = |t: &Option<String>| t.clone().unwrap_or_default();
    (text(&filter.name).to_lowercase(), text(&filter.external_id), filter.active.map_or(-1, i64::from))
}

impl Accounts {
    /// How many users fit, and those from `skip` on.
    pub async fn scim_users(
        &self,
        entity: EntityId,
        filter: &ScimFilter,
        skip: u32,
        most: u32,
    ) -> Result<(u64, Vec<ScimUser>), AccountError> {
        const FITS: &str = "FROM accounts a WHERE a.entity = $1 AND a.role <> 'demo' \
             AND (a.source IS NULL OR a.source <> $2) AND ($3 = '' OR a.login_key = $3) \
             AND ($4 = '' OR a.external_id = $4) \
             AND ($5 = -1 OR ($5 = 1 AND a.disabled IS NULL) OR ($5 = 0 AND a.disabled IS NOT NULL)) \
             AND ($6 = -1 OR a.id = $6)";
        // A text that is no number names nobody.
        let id = filter.id.as_ref().map_or(-1, |id| id.parse::<i64>().ok().filter(|n| *n > 0).unwrap_or(0));
        let (name, external, active) = wanted(filter);
        let count = crate::db::AssertSqlSafe(format!("SELECT COUNT(*) AS n {FITS}"));
        let total =
            self.db.fetch_one(count, args![entity, DELETED, &name, &external, active, id]).await?.int("n")?;
        let page = crate::db::AssertSqlSafe(format!(
            "SELECT {COLUMNS}, a.source, a.external_id {FITS} ORDER BY a.id LIMIT $7 OFFSET $8"
        ));
        let args = args![entity, DELETED, &name, &external, active, id, i64::from(most), i64::from(skip)];
        let rows = self.db.fetch_all(page, args).await?;
        Ok((u64::try_from(total).unwrap_or(0), rows.iter().map(user).collect::<Result<_, _>>()?))
    }

    /// Makes an account what SCIM says. Whoever is disabled by it is out at once.
    pub async fn scim_change(
        &self,
        account: &Account,
        change: ScimChange,
        events: Vec<BuiltEvent>,
    ) -> Result<(), AccountError> {
        let (id, now) = (account.id, self.clock.now());
        let since = if change.active && !change.deleted { None } else { account.disabled.or(Some(now)) };
        let ends = account.disabled.is_none() && since.is_some();
        let source = if change.deleted { DELETED } else { SCIM };
        let done = self.db.write_as(async move |tx| {
            let sql =
                "UPDATE accounts SET name = $2, external_id = $3, disabled = $4, source = $5 WHERE id = $1";
            let args = args![id, &change.name, change.external_id.clone(), since, source];
            if tx.execute(sql, args).await? == 0 {
                return Err(AccountError::Unknown(id.to_string()));
            }
            if change.deleted {
                tx.execute("DELETE FROM provisioned_members WHERE account = $1", args![id]).await?;
            }
            if ends {
                tx.execute("DELETE FROM staff_sessions WHERE account = $1", args![id]).await?;
                AccountLink::end_all(tx, id, now).await?;
            }
            Ok(tx.append(events).await?)
        });
        done.await?;
        if ends {
            self.revoked();
        }
        Ok(())
    }

    /// How many groups fit, and those from `skip` on.
    pub async fn scim_groups(
        &self,
        entity: EntityId,
        filter: &ScimFilter,
        skip: u32,
        most: u32,
    ) -> Result<(u64, Vec<ScimGroup>), AccountError> {
        const FITS: &str = "FROM provisioned_groups WHERE entity = $1 AND ($2 = '' OR name_key = $2) \
             AND ($3 = '' OR external_id = $3) AND ($4 = '' OR id = $4)";
        let (name, external, _) = wanted(filter);
        let id = filter.id.clone().unwrap_or_default();
        let count = crate::db::AssertSqlSafe(format!("SELECT COUNT(*) AS n {FITS}"));
        let total = self.db.fetch_one(count, args![entity, &name, &external, &id]).await?.int("n")?;
        let page =
            crate::db::AssertSqlSafe(format!("SELECT * {FITS} ORDER BY created, id LIMIT $5 OFFSET $6"));
        let args = args![entity, &name, &external, &id, i64::from(most), i64::from(skip)];
        let rows = self.db.fetch_all(page, args).await?;
        Ok((u64::try_from(total).unwrap_or(0), rows.iter().map(group).collect::<Result<_, _>>()?))
    }

    /// Writes a group with its members, new or not: accounts of the organisation only. What was made of a group that was
    /// read is written if it is still the one that was `seen` (its [`ScimGroup::changed`]).
    pub async fn scim_put_group(
        &self,
        entity: EntityId,
        put: ScimGroup,
        members: Vec<AccountId>,
        seen: Option<Timestamp>,
        events: Vec<BuiltEvent>,
    ) -> Result<GroupPut, AccountError> {
        let done = self.db.write(async move |tx| {
            let key = put.name.to_lowercase();
            if let Some(seen) = seen {
                let sql = "SELECT changed FROM provisioned_groups WHERE id = $1 AND entity = $2";
                let row = tx.fetch_optional(sql, args![put.id, entity]).await?;
                if row.map(|r| r.time("changed")).transpose()? != Some(seen) {
                    return Ok(GroupPut::Changed);
                }
            }
            let sql = "SELECT 1 AS one FROM provisioned_groups WHERE entity = $1 AND name_key = $2 AND id <> $3";
            if tx.fetch_optional(sql, args![entity, &key, put.id]).await?.is_some() {
                return Ok(GroupPut::Taken);
            }
            let sql = "INSERT INTO provisioned_groups (id, entity, name, name_key, external_id, created, changed) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET \
                 name = $3, name_key = $4, external_id = $5, changed = $7";
            let args = args![put.id, entity, &put.name, key, put.external_id.clone(), put.created, put.changed];
            tx.execute(sql, args).await?;
            tx.execute("DELETE FROM provisioned_members WHERE team = $1", args![put.id]).await?;
            for member in members {
                add(tx, put.id, entity, member).await?;
            }
            tx.append(events).await?;
            Ok(GroupPut::Done)
        });
        Ok(done.await?)
    }

    /// Removes a group; `false` when there is none.
    pub async fn scim_delete_group(
        &self,
        entity: EntityId,
        id: Uuid,
        events: Vec<BuiltEvent>,
    ) -> Result<bool, AccountError> {
        let done = self.db.write(async move |tx| {
            let sql = "DELETE FROM provisioned_members WHERE team = $1 AND entity = $2";
            tx.execute(sql, args![id, entity]).await?;
            let sql = "DELETE FROM provisioned_groups WHERE id = $1 AND entity = $2";
            if tx.execute(sql, args![id, entity]).await? == 0 {
                return Ok(false);
            }
            tx.append(events).await?;
            Ok(true)
        });
        Ok(done.await?)
    }

    /// A group's members, with their names.
    pub async fn scim_members(&self, group: Uuid) -> Result<Vec<(AccountId, String)>, AccountError> {
        let sql = "SELECT a.id, a.name FROM provisioned_members m JOIN accounts a ON a.id = m.account \
                   WHERE m.team = $1 ORDER BY a.id LIMIT $2";
        let rows = self.db.fetch_all(sql, args![group, MEMBERS]).await?;
        let read = |row: &Row| Ok((AccountId(row.int("id")?), row.text("name")?));
        Ok(rows.iter().map(read).collect::<Result<_, StoreError>>()?)
    }

    /// The groups of an account.
    pub async fn scim_groups_of(&self, account: AccountId) -> Result<Vec<ScimGroup>, AccountError> {
        let sql = "SELECT g.* FROM provisioned_groups g JOIN provisioned_members m ON m.team = g.id \
                   WHERE m.account = $1 ORDER BY g.name_key LIMIT 1000";
        let rows = self.db.fetch_all(sql, args![account]).await?;
        Ok(rows.iter().map(group).collect::<Result<_, _>>()?)
    }
}

async fn add(tx: &mut Tx, group: Uuid, entity: EntityId, member: AccountId) -> Result<(), StoreError> {
    let sql = "INSERT INTO provisioned_members (team, account, entity) \
         SELECT $1, a.id, a.entity FROM accounts a WHERE a.id = $2 AND a.entity = $3 ON CONFLICT DO NOTHING";
    tx.execute(sql, args![group, member, entity]).await.map(drop)
}
