//! The accounts' folders as IMAP sees them: the `imap` crate's traits over the store.
//!
//! **Exposure.** Behind a login. Every folder an operation names is one the account listed or opened in this
//! session: [`Own::check`] refuses numbers of other accounts' folders.
//!
//! **Failure.** What the store reports as the client's mistake keeps its name; everything else is
//! "temporarily unavailable", with the cause in the log.

use crate::gateway::Gateway;
use crate::pipeline::content::{ContentError, OpenDeposit};
use crate::pipeline::folders;
use crate::pipeline::login::{self, Outcome};
use crate::pipeline::standing::Standing;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use sealpost_envelope::Timestamp;
use sealpost_imap::{
    AppendInfo, Appended, Backend, Body, Changes, Copied, FlagChange, Flags, Folder, FolderId, Header,
    LoginError, MailboxError, Mailboxes, Opened, Quota, Row, Special, Status,
};
use sealpost_sasl::{Credentials, ScramSecrets};
use sealpost_store::account::{Account, Role};
use sealpost_store::mailbox::{
    self as kept, FlagOp, Folder as KeptFolder, MailSource, MailWriter, MailboxError as KeptError,
    MessageMeta, NewMail,
};
use std::net::IpAddr;
use std::sync::Arc;

/// Lets people in from one address.
#[derive(Debug)]
pub struct Doorman {
    /// The gateway.
    pub gateway: Arc<Gateway>,
    /// Where the client connects from.
    pub peer: IpAddr,
    /// What let the client in, once it is.
    pub standing: std::sync::OnceLock<Standing>,
}

impl Backend for Doorman {
    type Mailboxes = Own;
    async fn scram(&self, login: &str) -> Result<ScramSecrets, LoginError> {
        match login::scram(&self.gateway, login, self.peer).await {
            Ok(Some(secrets)) => Ok(secrets),
            Ok(None) => Err(LoginError::Throttled),
            Err(error) => {
                tracing::error!(%error, "accounts cannot be asked");
                Err(LoginError::Unavailable)
            }
        }
    }

    async fn login(&self, credentials: &Credentials) -> Result<Own, LoginError> {
        match login::check(&self.gateway, credentials, self.peer, "imap").await {
            Ok(Outcome::Accepted(entry)) => {
                // A session logs in once (RFC 3501 §6.2).
                let _ = self.standing.set(entry.standing);
                let own = Own { gateway: self.gateway.clone(), account: entry.account };
                let prepared = async {
                    folders::prepare(&self.gateway, &own.account).await?;
                    folders::catch_up(&self.gateway, own.account.entity, own.account.id).await
                };
                prepared.await.map_err(|error| {
                    tracing::error!(%error, "an account's folders cannot be made");
                    LoginError::Unavailable
                })?;
                Ok(own)
            }
            Ok(Outcome::Denied) => Err(LoginError::Refused),
            Ok(Outcome::Throttled) => Err(LoginError::Throttled),
            Err(error) => {
                tracing::error!(%error, "accounts cannot be asked");
                Err(LoginError::Unavailable)
            }
        }
    }
}

/// One account's folders.
#[derive(Debug, Clone)]
pub struct Own {
    gateway: Arc<Gateway>,
    account: Account,
}

/// Messages read from the store in one go.
const PAGE: usize = 1000;
/// Header blocks read from the store in one go.
const HEADERS: usize = 128;

fn error(error: KeptError) -> MailboxError {
    match error {
        KeptError::NoFolder => MailboxError::NotFound,
        KeptError::NoMessage => MailboxError::Gone,
        KeptError::FolderExists => MailboxError::Exists,
        KeptError::BadFolder | KeptError::BadFlag(_) => MailboxError::NotAllowed,
        KeptError::Full => MailboxError::OverQuota,
        // The content was destroyed at the end of its retention.
        KeptError::Key(sealpost_store::keys::KeyError::Destroyed(_)) => MailboxError::Gone,
        other => MailboxError::Unavailable(other.to_string()),
    }
}

/// The content of a deposit whose copy is read.
fn unreadable(error: ContentError) -> MailboxError {
    match error {
        ContentError::Destroyed => MailboxError::Gone,
        other => MailboxError::Unavailable(other.to_string()),
    }
}

impl Own {
    fn store(&self) -> &kept::Mailboxes {
        &self.gateway.mailboxes
    }

    /// The folder as it stands, Sent with what was deposited up to now.
    async fn current(&self, folder: FolderId) -> Result<KeptFolder, MailboxError> {
        let found = self.check(folder).await?;
        if found.name != folders::SENT || self.account.role == Role::Demo {
            return Ok(found);
        }
        let caught_up = folders::catch_up(&self.gateway, self.account.entity, self.account.id).await;
        caught_up.map_err(|error| MailboxError::Unavailable(error.to_string()))?;
        self.check(folder).await
    }

    /// The folder, if it is this account's.
    async fn check(&self, folder: FolderId) -> Result<KeptFolder, MailboxError> {
        let found = self.store().refresh(kept::FolderId(folder)).await.map_err(error)?;
        if found.account == self.account.id { Ok(found) } else { Err(MailboxError::NotFound) }
    }

    fn limited(&self) -> bool {
        self.gateway.config.limits.mailbox_size.0 > 0
    }

    /// Refuses what would not fit any more. Sessions that write at the same time may together go a little beyond.
    async fn room_for(&self, more: u64) -> Result<(), MailboxError> {
        if !self.limited() {
            return Ok(());
        }
        let quota = self.quota().await?;
        match quota.limit.is_some_and(|most| quota.used.saturating_add(more) > most) {
            true => Err(MailboxError::OverQuota),
            false => Ok(()),
        }
    }

    async fn copy_or_move(
        &self,
        folder: FolderId,
        uids: &[u32],
        to: FolderId,
        moving: bool,
    ) -> Result<Copied, MailboxError> {
        self.check(folder).await?;
        let target = self.check(to).await?;
        let pairs =
            self.store().copy(kept::FolderId(folder), uids, target.id, moving).await.map_err(error)?;
        Ok(Copied { uid_validity: target.uidvalidity, pairs })
    }
}

fn row(meta: MessageMeta) -> Row {
    Row {
        uid: meta.uid,
        // What the store keeps was a flag when it was set; a word that no longer is one is left out.
        flags: meta.flags.iter().fold(Flags::default(), |mut flags, word| {
            let _ = flags.insert(word);
            flags
        }),
        modseq: meta.modseq,
        date: meta.internal_date.as_second(),
        size: meta.size,
    }
}

fn words(flags: &Flags) -> Result<kept::Flags, MailboxError> {
    let text = flags.to_string();
    kept::Flags::new(text.split(' ').filter(|w| !w.is_empty())).map_err(error)
}

fn listed(folder: KeptFolder) -> Folder {
    let special = folder.special.as_deref().and_then(|word| {
        [Special::Sent, Special::Drafts, Special::Trash, Special::Junk, Special::Archive]
            .into_iter()
            .find(|s| s.attribute().eq_ignore_ascii_case(word))
    });
    Folder { id: folder.id.0, name: folder.name, special, subscribed: folder.subscribed }
}

impl Mailboxes for Own {
    type Append = Incoming;
    type Body = Outgoing;

    async fn folders(&self) -> Result<Vec<Folder>, MailboxError> {
        let folders = self.store().list_folders(self.account.id).await.map_err(error)?;
        Ok(folders.into_iter().map(listed).collect())
    }

    async fn folder(&self, name: &str) -> Result<Folder, MailboxError> {
        let found = self.store().folder(self.account.id, name).await.map_err(error)?;
        found.map(listed).ok_or(MailboxError::NotFound)
    }

    async fn status(&self, folder: FolderId) -> Result<Status, MailboxError> {
        let state = self.current(folder).await?;
        let counts = self.store().status(state.id).await.map_err(error)?;
        let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Ok(Status {
            messages: number(counts.messages),
            unseen: number(counts.unseen),
            deleted: number(counts.deleted),
            size: counts.size,
            deleted_size: counts.deleted_size,
            uid_next: state.uidnext,
            uid_validity: state.uidvalidity,
            modseq: state.modseq,
        })
    }

    async fn quota(&self) -> Result<Quota, MailboxError> {
        let limit = self.gateway.config.limits.mailbox_size.0;
        let used = self.store().usage(self.account.id).await.map_err(error)?;
        Ok(Quota { used, limit: (limit > 0).then_some(limit) })
    }

    async fn open(&self, folder: FolderId) -> Result<Opened, MailboxError> {
        let state = self.current(folder).await?;
        let mut rows: Vec<Row> = Vec::new();
        loop {
            let from = rows.last().map_or(1, |r| r.uid.saturating_add(1));
            let page = self.store().messages(state.id, from..=u32::MAX).await.map_err(error)?;
            let full = page.len() == PAGE;
            rows.extend(page.into_iter().map(row));
            if !full {
                break;
            }
        }
        Ok(Opened {
            uid_validity: state.uidvalidity,
            uid_next: state.uidnext,
            modseq: state.modseq,
            read_only: false,
            rows,
        })
    }

    async fn changes(&self, folder: FolderId, since: u64) -> Result<Changes, MailboxError> {
        let state = self.current(folder).await?;
        let mut changes = Changes { modseq: state.modseq, uid_next: state.uidnext, ..Changes::default() };
        if state.modseq <= since {
            return Ok(changes);
        }
        loop {
            let after = changes.rows.last().map_or(0, |r| r.uid);
            let page = self.store().changed(state.id, since, after).await.map_err(error)?;
            if page.is_empty() {
                break;
            }
            changes.rows.extend(page.into_iter().map(row));
        }
        changes.expunged = self.expunged(folder, since).await?;
        Ok(changes)
    }

    async fn expunged(&self, folder: FolderId, since: u64) -> Result<Vec<u32>, MailboxError> {
        let mut gone: Vec<u32> = Vec::new();
        loop {
            let after = gone.last().copied().unwrap_or(0);
            let page = self.store().expunged(kept::FolderId(folder), since, after).await.map_err(error)?;
            if page.is_empty() {
                return Ok(gone);
            }
            gone.extend(page);
        }
    }

    async fn create(&self, name: &str) -> Result<(), MailboxError> {
        self.store().create_folder(self.account.id, name, None).await.map(drop).map_err(error)
    }

    async fn delete(&self, folder: FolderId) -> Result<(), MailboxError> {
        let found = self.check(folder).await?;
        self.store().delete_folder(self.account.id, &found.name).await.map_err(error)
    }

    async fn rename(&self, folder: FolderId, name: &str) -> Result<(), MailboxError> {
        let found = self.check(folder).await?;
        self.store().rename_folder(self.account.id, &found.name, name).await.map_err(error)
    }

    async fn subscribe(&self, folder: FolderId, subscribed: bool) -> Result<(), MailboxError> {
        let found = self.check(folder).await?;
        self.store().set_subscribed(found.id, subscribed).await.map_err(error)
    }

    async fn headers(&self, folder: FolderId, uids: &[u32]) -> Result<Vec<Header>, MailboxError> {
        let mut headers = Vec::with_capacity(uids.len());
        for page in uids.chunks(HEADERS) {
            let found = self.store().headers(kept::FolderId(folder), page).await.map_err(error)?;
            headers.extend(found.into_iter().map(|h| Header {
                uid: h.uid,
                header: h.header.into(),
                structure: h.structure.map(Bytes::from),
            }));
        }
        Ok(headers)
    }

    async fn remember_structure(
        &self,
        folder: FolderId,
        uid: u32,
        structure: Vec<u8>,
    ) -> Result<(), MailboxError> {
        self.store().set_structure(kept::FolderId(folder), uid, &structure).await.map_err(error)
    }

    async fn body(&self, folder: FolderId, uid: u32, from: u64, len: u64) -> Result<Outgoing, MailboxError> {
        let range = from..from.saturating_add(len);
        let found = self.store().open(kept::FolderId(folder), uid, range.clone()).await.map_err(error)?;
        let stream = match found {
            MailSource::Stream(stream) => stream.map_err(error).boxed(),
            MailSource::Deposit(id) => {
                let open = OpenDeposit::open(&self.gateway.store, id).await.map_err(unreadable)?;
                open.original_range(range).map_err(unreadable).boxed()
            }
        };
        Ok(Outgoing { stream })
    }

    async fn set_flags(
        &self,
        folder: FolderId,
        uids: &[u32],
        change: FlagChange,
        unchanged_since: Option<u64>,
    ) -> Result<Vec<Row>, MailboxError> {
        self.check(folder).await?;
        let (op, flags) = match &change {
            FlagChange::Add(flags) => (FlagOp::Add, flags),
            FlagChange::Remove(flags) => (FlagOp::Remove, flags),
            FlagChange::Replace(flags) => (FlagOp::Replace, flags),
        };
        let folder = kept::FolderId(folder);
        let done = self.store().set_flags(folder, uids, op, &words(flags)?, unchanged_since).await;
        Ok(done.map_err(error)?.now.into_iter().map(row).collect())
    }

    async fn expunge(&self, folder: FolderId, uids: Option<&[u32]>) -> Result<Vec<u32>, MailboxError> {
        self.check(folder).await?;
        self.store().expunge(kept::FolderId(folder), uids).await.map_err(error)
    }

    async fn copy(&self, folder: FolderId, uids: &[u32], to: FolderId) -> Result<Copied, MailboxError> {
        if self.limited() {
            let more = self.store().own_octets(kept::FolderId(folder), uids).await.map_err(error)?;
            self.room_for(more).await?;
        }
        self.copy_or_move(folder, uids, to, false).await
    }

    async fn move_to(&self, folder: FolderId, uids: &[u32], to: FolderId) -> Result<Copied, MailboxError> {
        self.copy_or_move(folder, uids, to, true).await
    }

    async fn append(&self, folder: FolderId, info: AppendInfo) -> Result<Incoming, MailboxError> {
        let state = self.check(folder).await?;
        // The client's own copy of a deposit takes no room; until its header is read it could be one.
        if state.name != folders::SENT {
            self.room_for(info.size).await?;
        }
        let now = self.gateway.clock.now();
        let organisation = self.gateway.organisation(self.account.entity);
        let keep =
            organisation.map(|o| o.settings.retention.evidence.after(now)).ok_or(MailboxError::NotAllowed)?;
        let writer = Some(self.store().writer(keep).map_err(error)?);
        let date = info.date.and_then(|s| Timestamp::from_second(s).ok()).unwrap_or(now);
        let flags = words(&info.flags)?;
        Ok(Incoming { own: self.clone(), folder: state, flags, date, size: info.size, writer, known: None })
    }
}

/// A message being appended.
pub struct Incoming {
    own: Own,
    folder: KeptFolder,
    flags: kept::Flags,
    date: Timestamp,
    size: u64,
    /// Nothing once it is known to be there.
    writer: Option<MailWriter>,
    /// The copy of a deposit that the message is.
    known: Option<u32>,
}

impl Incoming {
    /// Whether the client brings its own copy of what it has deposited: the copy is there already, with the
    /// bytes as they were deposited.
    async fn copy(&self, header: &[u8]) -> Result<Option<u32>, MailboxError> {
        if self.folder.name != folders::SENT {
            return Ok(None);
        }
        let Some(id) = sealpost_imap::message_id(header) else { return Ok(None) };
        self.own.current(self.folder.id.0).await?;
        let (account, folder) = (self.own.account.id, self.folder.id);
        self.own.store().copy_by_message_id(account, folder, &id).await.map_err(error)
    }

    async fn stored(self, writer: MailWriter) -> Result<u32, MailboxError> {
        if self.folder.name == folders::SENT {
            self.own.room_for(self.size).await?;
        }
        let body = writer.finish().await.map_err(error)?;
        let mail = NewMail { flags: self.flags, ..NewMail::plain(self.folder.id, body, self.date) };
        self.own.store().deliver(mail, Vec::new()).await.map_err(error)
    }
}

impl sealpost_imap::Append for Incoming {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), MailboxError> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let known_before = writer.header().is_some();
        writer.write(bytes).await.map_err(error)?;
        if !known_before && let Some(header) = writer.header() {
            let header = header.to_vec();
            if let Some(uid) = self.copy(&header).await? {
                // The rest is only read over.
                (self.known, self.writer) = (Some(uid), None);
            }
        }
        Ok(())
    }
    async fn finish(mut self) -> Result<Appended, MailboxError> {
        let uid_validity = self.folder.uidvalidity;
        let uid = match (self.known, self.writer.take()) {
            (Some(uid), _) => {
                let (store, folder) = (self.own.store(), self.folder.id);
                store.set_flags(folder, &[uid], FlagOp::Add, &self.flags, None).await.map_err(error)?;
                uid
            }
            (None, Some(writer)) => self.stored(writer).await?,
            (None, None) => return Err(MailboxError::Unavailable("a message without a place".to_owned())),
        };
        Ok(Appended { uid_validity, uid })
    }
}

/// A body being read.
pub struct Outgoing {
    stream: BoxStream<'static, Result<Bytes, MailboxError>>,
}

impl Body for Outgoing {
    async fn next(&mut self) -> Result<Option<Bytes>, MailboxError> {
        self.stream.next().await.transpose()
    }
}
