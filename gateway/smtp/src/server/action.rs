//! What a server session asks of its caller, and the answers.

use crate::Reply;
use bytes::Bytes;
use sealpost_envelope::{DepositId, EmailAddress, Envelope, EnvelopeRecipient};
use sealpost_sasl::{Credentials, ScramSecrets};

/// What the caller has to do next. Actions marked *question* suspend the session until answered.
#[derive(Debug)]
pub enum Action {
    /// Write these bytes to the client. Replies to pipelined commands come in one piece.
    Reply(Bytes),
    /// Read more bytes, append them to the input, call again.
    NeedInput,
    /// Perform the TLS handshake, then call [`super::Session::tls_started`]. The input is empty: bytes
    /// sent ahead of the handshake have already been refused.
    StartTls,
    /// *Question*: what does SCRAM need for this login, known or not? Answer with
    /// [`super::Session::scram_result`].
    Scram(String),
    /// *Question*: are these credentials good? Answer with [`super::Session::auth_result`].
    Authenticate(Credentials),
    /// *Question*: may this sender send? Answer with [`super::Session::mail_result`].
    Mail(MailFrom),
    /// *Question*: may this recipient be written to? Answer with [`super::Session::rcpt_result`].
    Rcpt(EnvelopeRecipient),
    /// *Question*: a message begins; answer with [`super::Session::begin_result`].
    BeginData(Box<Envelope>),
    /// Message bytes, dot-stuffing undone, in big slices of the input buffer.
    Data(Bytes),
    /// *Question*: the message is whole; answer with [`super::Session::end_result`]. Nothing may be
    /// answered before the message is durable.
    EndData,
    /// The message begun by `BeginData` will not be completed: forget it.
    Abort(AbortReason),
    /// Close the connection; every reply has been handed out.
    Close,
}

/// The facts of a MAIL command that policy can judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailFrom {
    /// Reverse path; `None` is `<>`.
    pub reverse_path: Option<EmailAddress>,
    /// `SIZE=`; already compared with the limit, not with the storage left.
    pub declared_size: Option<u64>,
}

/// Answer to [`Action::Scram`].
#[derive(Debug, Clone)]
pub enum ScramResult {
    /// Go on with these.
    Secrets(ScramSecrets),
    /// `454 4.7.0`: too many attempts.
    Throttled,
    /// `454 4.7.0`: the accounts cannot be asked now.
    Unavailable,
}

/// Answer to [`Action::Authenticate`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthResult {
    /// `235 2.7.0`.
    Accepted,
    /// `535 5.7.8`.
    Denied,
    /// `454 4.7.0`: too many attempts.
    Throttled,
    /// `454 4.7.0`: the accounts cannot be asked now.
    Unavailable,
}

/// Answer to [`Action::EndData`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndResult {
    /// `250 2.0.0 Deposited <uuid>`.
    Deposited(DepositId),
    /// `250 2.0.0 Accepted`, for mail that makes no deposit.
    Accepted,
    /// Anything else.
    Refused(Reply),
}

/// Why a message in progress is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AbortReason {
    /// The bytes break a rule; the reply that the client will read.
    Malformed(Reply),
    /// RSET, QUIT, or EHLO between BDAT chunks.
    Reset,
    /// The session ended: too many errors, or it was told to, see [`super::Session::end`].
    Ended,
}

/// An answer to a question that was not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the SMTP session has not asked this question")]
pub struct NotAsked;
