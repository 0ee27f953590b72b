//! The server side of a session.
//!
//! ```text
//! loop {
//!     match session.next(&mut input) {
//!         NeedInput   => read more into input
//!         Reply(b)    => write b
//!         StartTls    => handshake; session.tls_started()
//!         Mail(m)     => session.mail_result(policy(m))      … and so on for each question
//!         Data(b)     => hand b to the intake
//!         EndData     => session.end_result(deposit())
//!         Abort(_)    => drop the intake
//!         Close       => break
//!     }
//! }
//! ```
//! Reading nothing further when the connection ends is enough: a message without its `EndData` never
//! happened.

mod action;
mod config;

pub use action::{AbortReason, Action, AuthResult, Credentials, EndResult, MailFrom, NotAsked};
pub use config::{Kind, Limits, Mechanism, ServerConfig, TlsState};

use crate::Reply;
use bytes::BytesMut;

/// One client's session.
#[derive(Debug)]
pub struct Session {
    config: ServerConfig,
}

impl Session {
    /// Starts a session; the first action is the greeting.
    pub fn new(config: ServerConfig) -> Self {
        Self { config }
    }
    /// What to do next. `input` holds bytes read and not yet consumed; the session takes from its front.
    pub fn next(&mut self, _input: &mut BytesMut) -> Action {
        unimplemented!()
    }
    /// The TLS handshake succeeded.
    pub fn tls_started(&mut self) -> Result<(), NotAsked> {
        unimplemented!()
    }
    /// Answers [`Action::Authenticate`].
    pub fn auth_result(&mut self, _result: AuthResult) -> Result<(), NotAsked> {
        unimplemented!()
    }
    /// Answers [`Action::Mail`].
    pub fn mail_result(&mut self, _result: Result<(), Reply>) -> Result<(), NotAsked> {
        unimplemented!()
    }
    /// Answers [`Action::Rcpt`].
    pub fn rcpt_result(&mut self, _result: Result<(), Reply>) -> Result<(), NotAsked> {
        unimplemented!()
    }
    /// Answers [`Action::BeginData`].
    pub fn begin_result(&mut self, _result: Result<(), Reply>) -> Result<(), NotAsked> {
        unimplemented!()
    }
    /// Answers [`Action::EndData`].
    pub fn end_result(&mut self, _result: EndResult) -> Result<(), NotAsked> {
        unimplemented!()
    }
    /// Refuses the message that is arriving: the rest of it is read and dropped, then `reply` is sent.
    pub fn refuse_data(&mut self, _reply: Reply) -> Result<(), NotAsked> {
        unimplemented!()
    }
    /// Ends the session with `reply` (a time-out, a shutdown): an `Abort` if needed, the reply, `Close`.
    pub fn end(&mut self, _reply: Reply) {
        unimplemented!()
    }
    /// The name the client gave in EHLO or HELO; empty before.
    pub fn client_name(&self) -> &str {
        unimplemented!()
    }
    /// Whether the connection is under TLS.
    pub fn is_tls(&self) -> bool {
        self.config.tls == TlsState::Active
    }
    /// The `with` value of a Received field: `ESMTPSA`, `UTF8SMTPS`… (RFC 3848, RFC 6531 §4.3).
    pub fn protocol(&self) -> &'static str {
        unimplemented!()
    }
}
