//! `sealpost user handover|reenrol|logout`, and invitations.

use super::{Desk, changed, tell};
use crate::commands::{Unusable, clock};
use crate::pipeline::notices;
use crate::pipeline::spec::Spec;
use anyhow::{Context, Result};
use sealpost_envelope::EmailAddress;
use sealpost_evidence::Detail;
use sealpost_store::access::{account_subject, drop_phone};
use sealpost_store::account::{Account, AccountError, Accounts, LinkPurpose};
use sealpost_store::queue::{self, Priority};
use sealpost_store::session::StaffSession;
use std::time::Duration;

/// An invitation holds for a day.
const INVITATION: Duration = Duration::from_secs(86_400);

impl Desk<'_> {
    pub(super) async fn hand_over(&self, from: &str, to: &str, json: bool) -> Result<()> {
        let (from, to) = (self.find(from).await?, self.find(to).await?);
        let detail = Detail::new()
            .text("change", "handover")
            .personal("login", from.login.as_str())
            .personal("successor", to.login.as_str());
        let events = self.journaled(from.entity, detail)?;
        let moved = match self.accounts.hand_over(&from, &to, events).await {
            Err(error @ AccountError::NoHeir(_)) => return Err(Unusable(error.to_string()).into()),
            other => other?,
        };
        if json {
            say!("{}", serde_json::json!({ "from": from.login, "to": to.login, "deposits": moved }));
            return Ok(());
        }
        let deposits = moved.to_string();
        tell(
            false,
            &[("from", from.login.as_str()), ("to", to.login.as_str()), ("deposits", deposits.as_str())],
        );
        Ok(())
    }

    pub(super) async fn reenrol(&self, login: &str, json: bool) -> Result<()> {
        let account = self.find(login).await?;
        let events = self.changed(account.entity, &account.login, "totp-off").await?;
        let phone = self.changed(account.entity, &account.login, "phone-off").await?;
        self.accounts.set_totp(account.id, None, events).await?;
        let (now, id, owner) = (clock().now(), account.id, account.clone());
        self.store
            .db()
            .write(async move |tx| {
                Accounts::write_backup_codes(tx, &owner, Vec::new(), now).await?;
                if drop_phone(tx, owner.entity, &account_subject(id)).await? {
                    tx.append(phone).await?;
                }
                StaffSession::end_all(tx, id, None).await
            })
            .await?;
        changed(json, &account, "second_factor", "none");
        Ok(())
    }

    pub(super) async fn log_out(&self, login: &str, json: bool) -> Result<()> {
        let account = self.find(login).await?;
        let events = self.changed(account.entity, &account.login, "logged out").await?;
        let id = account.id;
        self.store
            .db()
            .write(async move |tx| {
                StaffSession::end_all(tx, id, None).await?;
                Accounts::delete_app_passwords(tx, id, None).await?;
                Accounts::delete_api_tokens(tx, id).await?;
                tx.append(events).await
            })
            .await?;
        changed(json, &account, "sessions", "ended");
        Ok(())
    }

    /// Queues the invitation of an account; the running gateway sends it. Answers where it goes.
    pub(super) async fn send_invitation(&self, account: &Account) -> Result<EmailAddress> {
        let contact = self.accounts.profile(account).await?.contact;
        let contact =
            contact.with_context(|| Unusable(format!("no address is on file for {}", account.login)))?;
        let (to, now) = (contact.clone(), clock().now());
        let link = self.accounts.make_link(account, LinkPurpose::Invite, &to, (now, INVITATION)).await?;
        let spec = Spec::AccountLink { link: link.id };
        let row = notices::row(account.entity, to, &spec, Priority::Mail, now);
        self.store.db().write(async move |tx| queue::insert(tx, &row).await).await?;
        Ok(contact)
    }
}
