//! What goes into a client session and what comes out.

use crate::Reply;
use crate::data::BareLineEnd;
use bytes::Bytes;
use sealpost_envelope::{BodyType, DsnNotify, EmailAddress, Secret};
use std::time::Duration;

/// What to do about TLS on a connection that starts in the clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartTls {
    /// Never ask, or already under TLS.
    Never,
    /// Use it when offered.
    WhenOffered,
    /// Fail without it.
    Required,
}

/// What a client session is told when it starts.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Our name in EHLO.
    pub hostname: String,
    /// STARTTLS.
    pub starttls: StartTls,
    /// Whether the connection is under TLS from its start.
    pub tls_active: bool,
    /// Log in with AUTH PLAIN; refused without TLS.
    pub credentials: Option<(String, Secret<String>)>,
}

/// One message to hand over.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// Reverse path; `None` is `<>`.
    pub reverse_path: Option<EmailAddress>,
    /// Recipients; at least one.
    pub recipients: Vec<Recipient>,
    /// Exact octets of the content, when known; needed for BDAT and the SIZE parameter.
    pub size: Option<u64>,
    /// Whether the content holds octets over 127.
    pub body: BodyType,
    /// Whether the header holds UTF-8; an address that needs it sets it too.
    pub smtputf8: bool,
    /// `ENVID` (RFC 3461 §4.4), sent when DSN is offered.
    pub envid: Option<String>,
    /// `RET=FULL` or `RET=HDRS`.
    pub ret_full: Option<bool>,
}

/// One recipient of a [`Transaction`].
#[derive(Debug, Clone)]
pub struct Recipient {
    /// Forward path.
    pub address: EmailAddress,
    /// `NOTIFY`, sent when DSN is offered.
    pub notify: DsnNotify,
    /// `ORCPT` before xtext, `rfc822;…`.
    pub orcpt: Option<String>,
}

/// What became of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server has taken responsibility.
    Delivered {
        /// Its reply to the end of the content.
        reply: Reply,
    },
    /// Try again later.
    Temporary {
        /// The reply that refused.
        reply: Reply,
    },
    /// Do not try again.
    Permanent {
        /// The reply that refused; ours, where the server lacks an extension the message needs.
        reply: Reply,
    },
}

/// Steps of a session, with the patience RFC 5321 §4.5.3.2 asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for 220.
    Greeting,
    /// EHLO or HELO.
    Hello,
    /// STARTTLS.
    StartTls,
    /// AUTH.
    Auth,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA, before the content.
    Data,
    /// While content is written.
    Content,
    /// After the content.
    Final,
    /// RSET.
    Reset,
    /// QUIT.
    Quit,
}

impl Phase {
    /// How long to wait for the server at this step.
    pub fn timeout(self) -> Duration {
        let minutes = match self {
            Self::Greeting | Self::Hello | Self::StartTls | Self::Auth | Self::Mail | Self::Rcpt => 5,
            Self::Data | Self::Reset => 2,
            Self::Content => 3,
            Self::Final => 10,
            // Nothing depends on the answer.
            Self::Quit => return Duration::from_secs(5),
        };
        Duration::from_secs(minutes * 60)
    }
}

/// Why a session ended before the message was decided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The server refused a step that concerns the session, not a recipient.
    #[error("the server refused at {phase:?}: {reply}")]
    Refused {
        /// Where.
        phase: Phase,
        /// Its words.
        reply: Reply,
    },
    /// The server broke the protocol.
    #[error("the server broke the protocol at {phase:?}: {what}")]
    Protocol {
        /// Where.
        phase: Phase,
        /// How.
        what: String,
    },
    /// TLS is required and not offered, or refused.
    #[error("the server does not offer STARTTLS, which this route requires")]
    NoTls,
    /// Log-in is configured and impossible: no TLS, or no AUTH PLAIN.
    #[error("the server offers no way to log in safely")]
    NoAuth,
}

/// What the caller has to do next.
#[derive(Debug)]
pub enum Action {
    /// Read more.
    NeedInput(Phase),
    /// Write these bytes.
    Send(Bytes),
    /// Perform the handshake, then [`Session::tls_started`].
    StartTls,
    /// Idle: [`Session::send`] a message or [`Session::quit`].
    Ready,
    /// Write the content through [`Session::content`] and [`Session::content_end`].
    Content,
    /// The message is decided, for each recipient in order.
    Done(Vec<Outcome>),
    /// The session failed; close the connection.
    Failed(Failure),
    /// The session has ended; close the connection.
    Closed,
}

/// A call that does not fit the session's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the SMTP client session is not at that step")]
pub struct WrongStep;

/// Content that cannot be sent. The connection must be dropped: the server is in the middle of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// See [`WrongStep`].
    #[error(transparent)]
    WrongStep(#[from] WrongStep),
    /// See [`BareLineEnd`].
    #[error(transparent)]
    BareLineEnd(#[from] BareLineEnd),
    /// The content is longer or shorter than the transaction said.
    #[error("the message does not have the size that was announced")]
    Size,
}
