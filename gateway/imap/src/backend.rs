//! What the session needs from whoever keeps the mail.

use crate::Flags;
use bytes::Bytes;
use sealpost_sasl::{Credentials, ScramSecrets};
use std::future::Future;

/// A folder's identity, stable across renames.
pub type FolderId = i64;

/// Lets people in.
pub trait Backend: Send + Sync {
    /// What an account sees.
    type Mailboxes: Mailboxes;
    /// What SCRAM needs for a login, known or not.
    fn scram(&self, login: &str) -> impl Future<Output = Result<ScramSecrets, LoginError>> + Send;
    /// Judges a login. The implementation delays wrong answers and counts them.
    fn login(
        &self,
        credentials: &Credentials,
    ) -> impl Future<Output = Result<Self::Mailboxes, LoginError>> + Send;
}

/// Why nobody was let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// Unknown, wrong or disabled: one answer for all.
    #[error("authentication failed")]
    Refused,
    /// Too many tries.
    #[error("too many failed logins, try again later")]
    Throttled,
    /// Not the client's fault.
    #[error("temporarily unavailable")]
    Unavailable,
}

/// Why a mailbox operation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailboxError {
    /// No such folder (RFC 5530 `NONEXISTENT`).
    #[error("no such folder")]
    NotFound,
    /// The name is taken (`ALREADYEXISTS`).
    #[error("a folder of this name exists")]
    Exists,
    /// This folder is not the account's to change (`NOPERM`).
    #[error("this is not allowed here")]
    NotAllowed,
    /// Over the account's space (`OVERQUOTA`).
    #[error("no space left")]
    OverQuota,
    /// The message is gone, its body destroyed or expunged meanwhile (`EXPUNGEISSUED`).
    #[error("the message is gone")]
    Gone,
    /// Not the client's fault (`UNAVAILABLE`); the text is for the log, never for the client.
    #[error("temporarily unavailable")]
    Unavailable(String),
}

/// RFC 6154 uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    /// `\Sent`.
    Sent,
    /// `\Drafts`.
    Drafts,
    /// `\Trash`.
    Trash,
    /// `\Junk`.
    Junk,
    /// `\Archive`.
    Archive,
}

impl Special {
    /// As an attribute of LIST.
    pub fn attribute(self) -> &'static str {
        match self {
            Self::Sent => "\\Sent",
            Self::Drafts => "\\Drafts",
            Self::Trash => "\\Trash",
            Self::Junk => "\\Junk",
            Self::Archive => "\\Archive",
        }
    }
}

/// A folder in the list. The hierarchy separator is `/`; `INBOX` is spelled so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Identity.
    pub id: FolderId,
    /// Name, UTF-8.
    pub name: String,
    /// Special use.
    pub special: Option<Special>,
    /// Whether the client subscribed.
    pub subscribed: bool,
}

/// Counters of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status {
    /// Messages.
    pub messages: u32,
    /// Without `\Seen`.
    pub unseen: u32,
    /// With `\Deleted`.
    pub deleted: u32,
    /// Bytes of all messages.
    pub size: u64,
    /// Bytes that count against the quota and that EXPUNGE would free.
    pub deleted_size: u64,
    /// UID of the next message.
    pub uid_next: u32,
    /// Changes when UIDs lose their meaning.
    pub uid_validity: u32,
    /// Highest modification sequence.
    pub modseq: u64,
}

/// A message in a folder, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// UID.
    pub uid: u32,
    /// Flags.
    pub flags: Flags,
    /// Modification sequence (RFC 7162).
    pub modseq: u64,
    /// INTERNALDATE, seconds since 1970.
    pub date: i64,
    /// Bytes.
    pub size: u64,
}

/// A folder at SELECT.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Changes when UIDs lose their meaning.
    pub uid_validity: u32,
    /// UID of the next message.
    pub uid_next: u32,
    /// Highest modification sequence.
    pub modseq: u64,
    /// Nothing in it can be changed.
    pub read_only: bool,
    /// All messages by ascending UID.
    pub rows: Vec<Row>,
}

/// What happened in a folder since a modification sequence.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Highest modification sequence now.
    pub modseq: u64,
    /// UID of the next message.
    pub uid_next: u32,
    /// New and changed messages by ascending UID.
    pub rows: Vec<Row>,
    /// UIDs that are gone.
    pub expunged: Vec<u32>,
}

/// A message's header block.
#[derive(Debug, Clone)]
pub struct Header {
    /// UID.
    pub uid: u32,
    /// From the first byte up to and with the empty line.
    pub header: Bytes,
    /// What [`Mailboxes::remember_structure`] was given, or [`crate::Structure::to_bytes`] at delivery.
    pub structure: Option<Bytes>,
}

/// How STORE changes flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlagChange {
    /// `+FLAGS`.
    Add(Flags),
    /// `-FLAGS`.
    Remove(Flags),
    /// `FLAGS`.
    Replace(Flags),
}

/// UIDs given by COPY and MOVE (RFC 4315).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copied {
    /// Of the folder copied to.
    pub uid_validity: u32,
    /// Old and new UID of each message copied.
    pub pairs: Vec<(u32, u32)>,
}

/// What APPEND says of the message to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendInfo {
    /// Flags.
    pub flags: Flags,
    /// INTERNALDATE; now when absent.
    pub date: Option<i64>,
    /// Bytes to come.
    pub size: u64,
}

/// UID given by APPEND (RFC 4315).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Of the folder.
    pub uid_validity: u32,
    /// Of the message.
    pub uid: u32,
}

/// A message being appended. Dropping it before `finish` leaves nothing.
pub trait Append: Send {
    /// Takes the next bytes.
    fn write(&mut self, bytes: &[u8]) -> impl Future<Output = Result<(), MailboxError>> + Send;
    /// Makes the message durable.
    fn finish(self) -> impl Future<Output = Result<Appended, MailboxError>> + Send;
}

/// The bytes of a message, in order.
pub trait Body: Send {
    /// The next chunk; `None` at the end of the range.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, MailboxError>> + Send;
}

/// What an account's own messages take (RFC 9208).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Bytes.
    pub used: u64,
    /// Bytes at most; `None` without a limit.
    pub limit: Option<u64>,
}

/// What an account sees.
pub trait Mailboxes: Send + Sync {
    /// A message being appended.
    type Append: Append;
    /// A body being read.
    type Body: Body;

    /// All folders.
    fn folders(&self) -> impl Future<Output = Result<Vec<Folder>, MailboxError>> + Send;
    /// The folder of this name (`INBOX` in any case).
    fn folder(&self, name: &str) -> impl Future<Output = Result<Folder, MailboxError>> + Send;
    /// Counters.
    fn status(&self, folder: FolderId) -> impl Future<Output = Result<Status, MailboxError>> + Send;
    /// What the account's messages take, in all folders.
    fn quota(&self) -> impl Future<Output = Result<Quota, MailboxError>> + Send;
    /// Everything at SELECT.
    fn open(&self, folder: FolderId) -> impl Future<Output = Result<Opened, MailboxError>> + Send;
    /// What happened since.
    fn changes(
        &self,
        folder: FolderId,
        since: u64,
    ) -> impl Future<Output = Result<Changes, MailboxError>> + Send;

    /// UIDs that left since a modification sequence, ascending.
    fn expunged(
        &self,
        folder: FolderId,
        since: u64,
    ) -> impl Future<Output = Result<Vec<u32>, MailboxError>> + Send;

    /// Creates a folder.
    fn create(&self, name: &str) -> impl Future<Output = Result<(), MailboxError>> + Send;
    /// Deletes a folder with its messages.
    fn delete(&self, folder: FolderId) -> impl Future<Output = Result<(), MailboxError>> + Send;
    /// Renames a folder and those below it.
    fn rename(&self, folder: FolderId, name: &str) -> impl Future<Output = Result<(), MailboxError>> + Send;
    /// Subscribes or unsubscribes.
    fn subscribe(
        &self,
        folder: FolderId,
        subscribed: bool,
    ) -> impl Future<Output = Result<(), MailboxError>> + Send;

    /// Header blocks of some messages, in any order; those that are gone are left out.
    fn headers(
        &self,
        folder: FolderId,
        uids: &[u32],
    ) -> impl Future<Output = Result<Vec<Header>, MailboxError>> + Send;
    /// Keeps a structure that was computed, for [`Header::structure`].
    fn remember_structure(
        &self,
        folder: FolderId,
        uid: u32,
        structure: Vec<u8>,
    ) -> impl Future<Output = Result<(), MailboxError>> + Send;
    /// Bytes `from..from + len` of a message.
    fn body(
        &self,
        folder: FolderId,
        uid: u32,
        from: u64,
        len: u64,
    ) -> impl Future<Output = Result<Self::Body, MailboxError>> + Send;

    /// Changes flags; messages changed after `unchanged_since` are left alone (RFC 7162 §3.1.3). Answers
    /// the messages that now have the flags asked for, as they are.
    fn set_flags(
        &self,
        folder: FolderId,
        uids: &[u32],
        change: FlagChange,
        unchanged_since: Option<u64>,
    ) -> impl Future<Output = Result<Vec<Row>, MailboxError>> + Send;
    /// Removes messages with `\Deleted`, all or those among `uids`; answers the UIDs removed.
    fn expunge(
        &self,
        folder: FolderId,
        uids: Option<&[u32]>,
    ) -> impl Future<Output = Result<Vec<u32>, MailboxError>> + Send;
    /// Copies messages.
    fn copy(
        &self,
        folder: FolderId,
        uids: &[u32],
        to: FolderId,
    ) -> impl Future<Output = Result<Copied, MailboxError>> + Send;
    /// Moves messages.
    fn move_to(
        &self,
        folder: FolderId,
        uids: &[u32],
        to: FolderId,
    ) -> impl Future<Output = Result<Copied, MailboxError>> + Send;
    /// Begins to append a message.
    fn append(
        &self,
        folder: FolderId,
        info: AppendInfo,
    ) -> impl Future<Output = Result<Self::Append, MailboxError>> + Send;
}
