//! A mailbox on another server, read by IMAP: what is new in a folder, message by message.
//!
//! **Job.** [`Mailbox::open`] logs in and opens the folder; [`Session::newer`] names messages above a UID,
//! [`Session::header`] and [`Session::body`] fetch one, [`Session::settle`] marks, deletes or moves it, and
//! [`Session::wait`] hears of more (IDLE where the server has it).
//!
//! **Exposure.** The server may be slow, wrong or hostile, and what it holds are strangers' messages: lines, literals and
//! the number of lines are bounded, every step has its time, an answer to another command is none, what was sent before
//! TLS counts for nothing, and a message is never held whole.
//!
//! **Standards.** RFC 9051 and RFC 3501; RFC 2177 (IDLE), RFC 4315 (UID EXPUNGE), RFC 6851 (MOVE), RFC 4616 (PLAIN), and
//! XOAUTH2 as the large providers describe it.
//!
//! **Failure.** [`Trouble`]; the session is of no use afterwards.

mod response;
mod session;

pub use response::{Attributes, Line, Piece, literal, read as read_line};
pub use session::{Body, Session, Waiting};

use crate::Trouble;
use crate::connection::{Place, Security};
use sealpost_envelope::Secret;
use std::time::Duration;

/// Who we are there.
#[derive(Debug, Clone)]
pub enum Login {
    /// By a password (AUTHENTICATE PLAIN, or LOGIN where the server has no other).
    Password(Secret<String>),
    /// By an access token (AUTHENTICATE XOAUTH2).
    Token(Secret<String>),
}

/// What becomes of a message that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settle {
    /// It is marked as read.
    Seen,
    /// It is deleted.
    Delete,
    /// It goes to this folder.
    Move(String),
}

/// A folder of a mailbox elsewhere.
#[derive(Debug, Clone)]
pub struct Mailbox {
    /// Where the server is.
    pub place: Place,
    /// Name that we log in by.
    pub user: String,
    /// How we log in.
    pub login: Login,
    /// The folder, as the server writes its name.
    pub folder: String,
    /// A step that takes longer has failed.
    pub patience: Duration,
}

impl Mailbox {
    /// Logs in and opens the folder.
    pub async fn open(&self) -> Result<Session, Trouble> {
        let wire = tokio::time::timeout(self.patience, self.place.connect()).await;
        let wire = wire.unwrap_or(Err(Trouble::Slow(self.patience)))?;
        let mut session = Session::greeted(wire, self.patience).await?;
        if self.place.security() == Security::StartTls {
            session = session.secured(&self.place).await?;
        }
        session.log_in(&self.user, &self.login).await?;
        session.select(&self.folder).await?;
        Ok(session)
    }
}
