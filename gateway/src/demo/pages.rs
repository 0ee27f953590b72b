//! The demonstration's mailboxes, as the demo page reads them.

use crate::gateway::Gateway;
use axum::Router;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use sealpost_envelope::{AccountId, EmailAddress};
use sealpost_store::account::{Account, Role};
use sealpost_store::mailbox::{MailSource, MailboxError};
use sealpost_web::{DemoMail, DemoMailbox, DemoMessage, DemoState, WebState, demo_router};
use std::sync::Arc;

/// `/demo` over this gateway's outside mailboxes.
pub fn router(gateway: &Arc<Gateway>, web: &WebState) -> Router {
    let listen = &gateway.config.listen;
    demo_router(DemoState {
        web: web.clone(),
        mail: Arc::new(Mail { gateway: gateway.clone() }),
        imap_host: "localhost".to_owned(),
        imap_port: listen.imap.map_or(0, |a| a.port()),
        imaps_port: listen.imaps.map_or(0, |a| a.port()),
    })
}

struct Mail {
    gateway: Arc<Gateway>,
}

/// Messages shown of one mailbox.
const SHOWN: usize = 50;

impl Mail {
    async fn list(&self) -> anyhow::Result<Vec<DemoMailbox>> {
        let password = match &self.gateway.config.demo.password {
            Some(source) => source.read()?.expose().clone(),
            None => String::new(),
        };
        let mut boxes = Vec::new();
        let accounts = self.gateway.accounts.list(None, AccountId(0)).await?;
        for account in accounts.into_iter().filter(|a| a.role == Role::Demo) {
            let login = account.login.to_string();
            boxes.push(DemoMailbox {
                login,
                password: password.clone(),
                messages: self.messages(&account).await?,
            });
        }
        Ok(boxes)
    }

    async fn messages(&self, account: &Account) -> anyhow::Result<Vec<DemoMessage>> {
        let mailboxes = &self.gateway.mailboxes;
        let Some(inbox) = mailboxes.folder(account.id, "INBOX").await? else { return Ok(Vec::new()) };
        let mut messages = Vec::new();
        let mut uids = mailboxes.uids(inbox.id, 0).await?;
        uids.reverse();
        for uid in uids.into_iter().take(SHOWN) {
            let Some(meta) = mailboxes.messages(inbox.id, uid..=uid).await?.pop() else { continue };
            let head = mailboxes.header(inbox.id, meta.uid).await?;
            messages.push(DemoMessage { uid: meta.uid, received: meta.internal_date, head });
        }
        Ok(messages)
    }

    async fn read(&self, login: &str, uid: u32, at_most: usize) -> anyhow::Result<Option<Vec<u8>>> {
        let Ok(address) = login.parse::<EmailAddress>() else { return Ok(None) };
        let Some(account) = self.gateway.accounts.by_login(&address).await? else { return Ok(None) };
        if account.role != Role::Demo {
            return Ok(None);
        }
        let mailboxes = &self.gateway.mailboxes;
        let Some(inbox) = mailboxes.folder(account.id, "INBOX").await? else { return Ok(None) };
        let mut stream = match mailboxes.open(inbox.id, uid, 0..at_most as u64).await {
            Ok(MailSource::Stream(stream)) => stream,
            // Outside mailboxes send nothing through us.
            Ok(MailSource::Deposit(_)) | Err(MailboxError::NoMessage) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut bytes = Vec::new();
        while let Some(piece) = stream.next().await {
            bytes.extend_from_slice(&piece?);
        }
        Ok(Some(bytes))
    }
}

impl DemoMail for Mail {
    fn mailboxes(&self) -> BoxFuture<'_, Result<Vec<DemoMailbox>, String>> {
        async { self.list().await.map_err(|e| format!("{e:#}")) }.boxed()
    }
    fn message<'a>(
        &'a self,
        login: &'a str,
        uid: u32,
        at_most: usize,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, String>> {
        async move { self.read(login, uid, at_most).await.map_err(|e| format!("{e:#}")) }.boxed()
    }
}
