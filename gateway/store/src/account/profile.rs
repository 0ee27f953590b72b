//! What is known of an account's person beside login and name: access code, form of address, where mail about the
//! account goes, telephone.
//!
//! Without a profile, mail about an account goes to its login; about one that a person answers for, to that person. A profile without a contact means that no address is
//! on file: then nothing is sent by mail, and the person has to be recognised in another way.

use super::{Account, AccountError, Accounts, COLUMNS, read_account};
use crate::{Tx, args};
use sealpost_envelope::{AccountId, EmailAddress};
use sealpost_evidence::BuiltEvent;

/// The account that an identifier names, by its [`key`]: login or access code.
pub(super) const IDENTIFIED: &str =
    "(a.login_key = $1 OR a.id = (SELECT x.account FROM account_profiles x WHERE x.access_key = $1))";

/// Longest identifier looked at.
const MAX_IDENTIFIER: usize = 320;

/// How an identifier is compared: an address by its own rules, an access code without case and blanks.
pub(super) fn key(identifier: &str) -> String {
    let typed = identifier.trim();
    if typed.len() > MAX_IDENTIFIER {
        return String::new();
    }
    match EmailAddress::parse(typed) {
        Ok(address) => address.key(),
        Err(_) => typed.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect(),
    }
}

/// A person's particulars.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// Code by which the organisation knows the person; identifies like the login.
    pub access_code: Option<String>,
    /// "Madame", "Monsieur", "Docteur"…
    pub civility: Option<String>,
    /// Where mail about the account goes; `None`: no address is on file.
    pub contact: Option<EmailAddress>,
    /// Telephone for codes, in the form `+33612345678`.
    pub phone: Option<String>,
}

/// A code that reads as somebody's login would make both ambiguous, and is refused.
async fn write(tx: &mut Tx, account: &Account, profile: &Profile) -> Result<(), AccountError> {
    let access_key = profile.access_code.as_deref().map(key);
    if let Some(access_key) = &access_key {
        let sql = "SELECT 1 AS one FROM accounts WHERE login_key = $1 UNION ALL \
                   SELECT 1 AS one FROM account_profiles WHERE access_key = $1 AND account <> $2";
        if tx.fetch_optional(sql, args![access_key, account.id]).await?.is_some() {
            return Err(AccountError::TakenCode(access_key.clone()));
        }
    }
    tx.execute(
        "INSERT INTO account_profiles (account, entity, access_code, access_key, civility, contact, phone) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (account) DO UPDATE SET \
         access_code = $3, access_key = $4, civility = $5, contact = $6, phone = $7",
        args![
            account.id,
            account.entity,
            profile.access_code.clone(),
            access_key,
            profile.civility.clone(),
            profile.contact.as_ref().map(|c| c.as_str().to_owned()),
            profile.phone.clone()
        ],
    )
    .await?;
    Ok(())
}

impl Accounts {
    /// The account, not disabled, that an identifier names.
    pub async fn identify(&self, identifier: &str) -> Result<Option<Account>, AccountError> {
        let sql = crate::db::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM accounts a WHERE {IDENTIFIED} AND a.disabled IS NULL"
        ));
        let row = self.db.fetch_optional(sql, args![key(identifier)]).await?;
        Ok(row.as_ref().map(read_account).transpose()?)
    }

    /// An account's particulars. Where somebody answers for it, mail goes to them, and to nobody once they are disabled:
    /// a link to the account would let them in again.
    pub async fn profile(&self, account: &Account) -> Result<Profile, AccountError> {
        let own = self.own_profile(account).await?;
        let Some(owner) = account.owner else { return Ok(own) };
        let contact = match self.by_id(owner).await?.filter(|o| o.disabled.is_none()) {
            Some(owner) => self.own_profile(&owner).await?.contact,
            None => None,
        };
        Ok(Profile { contact, ..own })
    }

    /// What is kept of the account itself, to be changed and written again.
    pub async fn own_profile(&self, account: &Account) -> Result<Profile, AccountError> {
        let sql = "SELECT access_code, civility, contact, phone FROM account_profiles WHERE account = $1";
        let Some(row) = self.db.fetch_optional(sql, args![account.id]).await? else {
            return Ok(Profile { contact: Some(account.login.clone()), ..Profile::default() });
        };
        let contact = row.opt_text("contact")?;
        let contact = contact.map(|c| c.parse().map_err(|e| crate::StoreError::damaged("contact", e)));
        Ok(Profile {
            access_code: row.opt_text("access_code")?,
            civility: row.opt_text("civility")?,
            contact: contact.transpose()?,
            phone: row.opt_text("phone")?,
        })
    }

    /// Writes an account's particulars.
    pub async fn set_profile(
        &self,
        account: &Account,
        profile: &Profile,
        events: Vec<BuiltEvent>,
    ) -> Result<(), AccountError> {
        let (account, profile) = (account.clone(), profile.clone());
        self.db
            .write_as(async move |tx| {
                write(tx, &account, &profile).await?;
                Ok(tx.append(events).await?)
            })
            .await
    }

    /// [`Accounts::set_profile`] inside the caller's transaction.
    pub async fn write_profile(
        &self,
        tx: &mut Tx,
        account: &Account,
        profile: &Profile,
    ) -> Result<(), AccountError> {
        write(tx, account, profile).await
    }

    /// Where mail about an account goes.
    pub async fn contact(&self, id: AccountId) -> Result<Option<EmailAddress>, AccountError> {
        let Some(account) = self.by_id(id).await? else { return Ok(None) };
        Ok(self.profile(&account).await?.contact)
    }
}
