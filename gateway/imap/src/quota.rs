//! QUOTA: what the account's own messages take, under one root for all folders (RFC 9208).
//!
//! Copies of deposits in Sent take no room of their own and do not count. A limit refuses APPEND and COPY;
//! it never refuses mail that arrives.

use crate::backend::{Backend, Mailboxes};
use crate::command::done;
use crate::output::{Output, Reply};
use crate::session::{Answer, Session, Stop};
use crate::text;
use imap_types::mailbox::Mailbox;

/// Bytes in the units of STORAGE: 1024, rounded up (RFC 9208 §5.1).
pub(crate) fn units(bytes: u64) -> u64 {
    bytes.div_ceil(1024)
}

impl<B: Backend> Session<B> {
    /// GETQUOTAROOT (RFC 9208 §4.1.2).
    pub(crate) async fn quota_root<O: Output>(
        &mut self,
        mailbox: &Mailbox<'_>,
        reply: &mut Reply<'_, O>,
    ) -> Answer {
        let folder = self.folder(mailbox).await?;
        let out = reply.buffer();
        out.extend_from_slice(b"* QUOTAROOT ");
        text::folder(out, &folder.name, self.utf8_names());
        reply.line(" \"\"").await?;
        self.quota_line(reply).await?;
        done("GETQUOTAROOT")
    }

    /// GETQUOTA (RFC 9208 §4.1.1): the one root has an empty name.
    pub(crate) async fn quota<O: Output>(&mut self, root: &[u8], reply: &mut Reply<'_, O>) -> Answer {
        self.mailboxes()?;
        if !root.is_empty() {
            return Err(Stop::No("[NONEXISTENT] no such quota root".into()));
        }
        self.quota_line(reply).await?;
        done("GETQUOTA")
    }

    async fn quota_line<O: Output>(&self, reply: &mut Reply<'_, O>) -> Result<(), Stop> {
        let quota = self.mailboxes()?.quota().await?;
        let limits = quota
            .limit
            .map_or(String::new(), |most| format!("STORAGE {} {}", units(quota.used), most / 1024));
        Ok(reply.line(&format!("* QUOTA \"\" ({limits})")).await?)
    }

    /// Bytes that APPEND takes, in the words of RFC 7889 §3.
    pub(crate) fn append_limit(&self) -> String {
        match self.limits.append {
            0 => "NIL".to_owned(),
            most => most.to_string(),
        }
    }
}
