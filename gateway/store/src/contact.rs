//! Address books: whom each account writes to, in groups where they like.
//!
//! **Job.** Contacts of an account, kept by itself or remembered when it sends; groups, which are their members;
//! completion over both and over the people that the organisation knows ([`crate::person`]).
//!
//! **Exposure.** Names and addresses that accounts typed, parsed before. An account sees its own contacts, and of
//! its organisation's people the address and the name only.
//!
//! **Failure modes.** [`StoreError`].

use crate::{Row, Store, StoreError, args};
use sealpost_envelope::{AccountId, EmailAddress, EntityId};

/// Contacts of an account.
const MOST: i64 = 20_000;

/// Somebody in an address book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Address.
    pub address: EmailAddress,
    /// Name.
    pub name: Option<String>,
    /// Mobile number for codes by SMS, E.164.
    pub phone: Option<String>,
    /// Identity, as a gate names it: `rpps:10001234567`.
    pub identity: Option<String>,
    /// Names of the groups.
    pub groups: Vec<String>,
}

/// What fits what somebody began to type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completion {
    /// A person.
    Person(EmailAddress, Option<String>),
    /// A group: its name and how many are in it.
    Group(String, u64),
}

fn contact(row: &Row) -> Result<Contact, StoreError> {
    Ok(Contact {
        address: row.parse("address")?,
        name: row.opt_text("name")?,
        phone: row.opt_text("phone")?,
        identity: row.opt_text("identity")?,
        groups: Vec::new(),
    })
}

/// A group's name as it is compared.
fn key(name: &str) -> String {
    name.trim().to_lowercase()
}

/// `text` anywhere, for LIKE with `\` as escape.
pub(crate) fn part(text: &str) -> String {
    let escaped = text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}

impl Store {
    /// Contacts of an account in the order of their addresses, after one of them; `part` narrows by name or address.
    pub async fn contacts(
        &self,
        account: AccountId,
        text: &str,
        group: Option<&str>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Contact>, StoreError> {
        let sql = "SELECT address, address_key, name, phone, identity FROM contacts WHERE account = $1 \
             AND (address_key LIKE $2 ESCAPE '\\' OR lower(coalesce(name, '')) LIKE $2 ESCAPE '\\') \
             AND address_key > $3 AND ($4 = '' OR address_key IN \
             (SELECT address_key FROM contact_groups WHERE account = $1 AND name_key = $4)) \
             ORDER BY address_key LIMIT $5";
        let group = group.map(key).unwrap_or_default();
        let rows = self.db.fetch_all(sql, args![account, part(text), after, group, limit]).await?;
        let mut found: Vec<Contact> = rows.iter().map(contact).collect::<Result<_, _>>()?;
        let sql = "SELECT name FROM contact_groups WHERE account = $1 AND address_key = $2 ORDER BY name_key";
        for one in &mut found {
            for row in self.db.fetch_all(sql, args![account, one.address.key()]).await? {
                one.groups.push(row.text("name")?);
            }
        }
        Ok(found)
    }

    /// One contact.
    pub async fn contact(
        &self,
        account: AccountId,
        address: &EmailAddress,
    ) -> Result<Option<Contact>, StoreError> {
        let sql =
            "SELECT address, name, phone, identity FROM contacts WHERE account = $1 AND address_key = $2";
        let Some(row) = self.db.fetch_optional(sql, args![account, address.key()]).await? else {
            return Ok(None);
        };
        let mut found = contact(&row)?;
        let sql = "SELECT name FROM contact_groups WHERE account = $1 AND address_key = $2 ORDER BY name_key";
        for row in self.db.fetch_all(sql, args![account, address.key()]).await? {
            found.groups.push(row.text("name")?);
        }
        Ok(Some(found))
    }

    /// Writes contacts in place of what was known of these addresses, all or none. `false` when there would be too
    /// many.
    pub async fn write_contacts(
        &self,
        entity: EntityId,
        account: AccountId,
        all: Vec<Contact>,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let count = "SELECT COUNT(*) AS n FROM contacts WHERE account = $1";
        let before = self.db.fetch_one(count, args![account]).await?.int("n")?;
        // Those known already are counted twice here: the bound is a guard, not a quota.
        if before + i64::try_from(all.len()).unwrap_or(MOST) > MOST {
            return Ok(false);
        }
        self.db
            .write(async move |tx| {
                let (mut rows, mut members) = (Vec::new(), Vec::new());
                for one in all {
                    let key_of = one.address.key();
                    let sql = "DELETE FROM contact_groups WHERE account = $1 AND address_key = $2";
                    tx.execute(sql, args![account, key_of.clone()]).await?;
                    for group in one.groups {
                        members.push(args![account, key(&group), key_of.clone(), entity, group.trim()]);
                    }
                    let address = one.address.as_str().to_owned();
                    rows.push(args![account, key_of, entity, address, one.name, one.phone, one.identity, now, now]);
                }
                tx.insert(
                    "INSERT INTO contacts (account, address_key, entity, address, name, phone, identity, created, changed) VALUES",
                    rows,
                    "ON CONFLICT (account, address_key) DO UPDATE SET address = excluded.address, name = excluded.name, \
                     phone = excluded.phone, identity = excluded.identity, changed = excluded.changed",
                )
                .await?;
                tx.insert(
                    "INSERT INTO contact_groups (account, name_key, address_key, entity, name) VALUES",
                    members,
                    "ON CONFLICT (account, name_key, address_key) DO NOTHING",
                )
                .await?;
                Ok(true)
            })
            .await
    }

    /// Remembers whom an account wrote to; who is known already stays as they are.
    pub async fn remember_contacts(
        &self,
        entity: EntityId,
        account: AccountId,
        all: Vec<(EmailAddress, Option<String>)>,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let rows = all
            .into_iter()
            .map(|(address, name)| args![account, address.key(), entity, address.as_str(), name, now, now]);
        let rows: Vec<_> = rows.collect();
        self.db
            .write(async move |tx| {
                tx.insert(
                    "INSERT INTO contacts (account, address_key, entity, address, name, created, changed) VALUES",
                    rows,
                    "ON CONFLICT (account, address_key) DO NOTHING",
                )
                .await
            })
            .await?;
        Ok(())
    }

    /// Forgets a contact. `false` when there was none.
    pub async fn drop_contact(&self, account: AccountId, address: &EmailAddress) -> Result<bool, StoreError> {
        let address = address.key();
        self.db
            .write(async move |tx| {
                let groups = "DELETE FROM contact_groups WHERE account = $1 AND address_key = $2";
                tx.execute(groups, args![account, address.clone()]).await?;
                let sql = "DELETE FROM contacts WHERE account = $1 AND address_key = $2";
                Ok(tx.execute(sql, args![account, address]).await? == 1)
            })
            .await
    }

    /// The groups of an account, with how many are in each.
    pub async fn contact_groups(&self, account: AccountId) -> Result<Vec<(String, u64)>, StoreError> {
        let sql = "SELECT MIN(name) AS name, COUNT(*) AS n FROM contact_groups WHERE account = $1 \
             GROUP BY name_key ORDER BY name_key";
        let rows = self.db.fetch_all(sql, args![account]).await?;
        rows.iter().map(|row| Ok((row.text("name")?, row.size("n")?))).collect()
    }

    /// Everybody in a group.
    pub async fn contact_group(
        &self,
        account: AccountId,
        name: &str,
    ) -> Result<Vec<EmailAddress>, StoreError> {
        let sql = "SELECT c.address FROM contact_groups g JOIN contacts c ON c.account = g.account \
             AND c.address_key = g.address_key WHERE g.account = $1 AND g.name_key = $2 ORDER BY g.address_key";
        let rows = self.db.fetch_all(sql, args![account, key(name)]).await?;
        rows.iter().map(|row| row.parse("address")).collect()
    }

    /// Who fits what an account began to type: its groups, its contacts, then whom its organisation knows.
    pub async fn complete(
        &self,
        entity: EntityId,
        account: AccountId,
        text: &str,
        limit: u32,
    ) -> Result<Vec<Completion>, StoreError> {
        let wanted = key(text);
        let groups =
            self.contact_groups(account).await?.into_iter().filter(|(name, _)| key(name).contains(&wanted));
        let mut found: Vec<Completion> = groups.map(|(name, n)| Completion::Group(name, n)).collect();
        for one in self.contacts(account, text, None, "", limit).await? {
            found.push(Completion::Person(one.address, one.name));
        }
        let sql = "SELECT address, name FROM people WHERE entity = $1 \
             AND (address_key LIKE $2 ESCAPE '\\' OR lower(coalesce(name, '')) LIKE $2 ESCAPE '\\') \
             AND address_key NOT IN (SELECT address_key FROM contacts WHERE account = $3) \
             ORDER BY address_key LIMIT $4";
        for row in self.db.fetch_all(sql, args![entity, part(text), account, limit]).await? {
            found.push(Completion::Person(row.parse("address")?, row.opt_text("name")?));
        }
        found.truncate(limit as usize);
        Ok(found)
    }
}
