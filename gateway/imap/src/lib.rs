//! IMAP: a server session over bytes and a mailbox trait.
//!
//! **Job.** [`Session`] takes what the client sent and writes what it answers to an [`Output`]; mailboxes
//! are reached through [`Backend`] and [`Mailboxes`]. It owns no socket, no clock and no store. The caller
//! reads, upgrades to TLS when told to, bounds time, and calls [`Session::changed`] while
//! [`Session::is_idle`].
//!
//! **Exposure.** Strangers reach it before login. Before login a command has at most
//! [`Limits::command_before_login`] bytes; there is no LOGIN and no AUTH without TLS; commands and errors
//! per session are counted. Messages are a stranger's bytes too: their structure is found in constant
//! memory, with bounds on depth and parts.
//!
//! **Standards.** RFC 3501 (IMAP4rev1) and 9051 (IMAP4rev2), 2177 IDLE, 2342 NAMESPACE, 2971 ID, 3516 BINARY (FETCH),
//! 3691 UNSELECT, 4315 UIDPLUS, 4731 ESEARCH, 4959 SASL-IR, 5161 ENABLE, 5182 SEARCHRES, 5258 LIST-EXTENDED, 5819
//! LIST-STATUS, 6154 SPECIAL-USE, 6851 MOVE, 6855 UTF8=ACCEPT, 7162 CONDSTORE and QRESYNC, 7888 LITERAL-, 7889
//! APPENDLIMIT, 8438 STATUS=SIZE, 9208 QUOTA=RES-STORAGE.
//!
//! **Failure.** `NO` when the mailbox says no, `BAD` when the client is wrong; [`Flow::Close`] after too many
//! errors, after what cannot be answered any more, and after LOGOUT. [`SessionError`] when the connection
//! must be cut: a body that ends early cannot be repaired once its length was announced.

mod address;
mod append;
mod backend;
mod binary;
mod command;
mod envelope;
mod extras;
mod fetch;
mod flags;
mod folders;
mod framing;
mod header;
mod login;
mod normal;
mod output;
mod quota;
mod resync;
mod search;
mod section;
mod selected;
mod session;
mod set;
mod store;
mod structure;
mod structure_text;
mod text;

pub use backend::{
    Append, AppendInfo, Appended, Backend, Body, Changes, Copied, FlagChange, Folder, FolderId, Header,
    LoginError, MailboxError, Mailboxes, Opened, Quota, Row, Special, Status,
};
pub use flags::{Flags, ParseFlagError};
pub use header::message_id;
pub use output::Output;
pub use session::{Flow, Limits, Session, SessionError};
pub use structure::{Scanner, Structure};
