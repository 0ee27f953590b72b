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
mod auth;
mod command;
mod config;
mod message;
mod parse;

pub use action::{AbortReason, Action, AuthResult, EndResult, MailFrom, NotAsked, ScramResult};
pub use config::{Kind, Limits, ServerConfig, TlsState};
pub use sealpost_sasl::{ChannelBindings, Credentials, Mechanism, Proof, ScramRecord, ScramSecrets};

use crate::Reply;
use crate::data::Unstuffer;
use bytes::BytesMut;
use sealpost_envelope::{Envelope, EnvelopeRecipient};
use sealpost_sasl::{Asked, Claim, Exchange};

/// One client's session.
#[derive(Debug)]
pub struct Session {
    config: ServerConfig,
    stage: Stage,
    /// Replies not yet handed out.
    out: BytesMut,
    /// Set when the caller must forget the message before anything else.
    abort: Option<AbortReason>,
    client_name: String,
    /// EHLO rather than HELO.
    extended: bool,
    authenticated: bool,
    /// What binds a login to this connection.
    bindings: ChannelBindings,
    transaction: Option<Envelope>,
    /// A message has begun: during DATA, and from the first BDAT to the last.
    message: Option<Unstuffer>,
    /// How the message that is arriving will be refused.
    refusal: Option<Reply>,
    errors: u32,
    idle_commands: u32,
    /// The first refusals and irregularities, for the log.
    remarks: Vec<String>,
}

/// Remarks that are kept: enough to know what a client does wrong, too few to fill a log.
const REMARKS: usize = 4;

/// Octets of replies that are collected before the client has to read some: eight octets of EHLO ask for two hundred, and who
/// sends without reading must not fill the memory with answers.
const COLLECTED: usize = 16 << 10;

/// What the session is doing between two calls.
#[derive(Debug)]
enum Stage {
    /// Reads command lines.
    Command,
    /// Drops the rest of a line that was too long, of which so many octets are gone.
    /// The reply is still to be given, unless it was.
    SkipLine(usize, Option<Reply>),
    /// Reads a SASL response.
    Auth(Exchange),
    /// Waits for the caller's answer.
    Asked(Question),
    /// Waits for the caller's handshake.
    Handshake,
    /// Reads message bytes; for BDAT, whether this is the last chunk and its size.
    Receiving(Framing),
    /// Reads a BDAT chunk that belongs to no message, then answers.
    SkipChunk(u64, Reply),
    /// Over.
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Dot,
    Chunk { octets: u64, last: bool },
}

#[derive(Debug)]
enum Question {
    Scram(Asked),
    Auth(Claim),
    Mail(Box<Envelope>),
    Rcpt(Box<EnvelopeRecipient>),
    Begin(Framing),
    End,
}

impl Session {
    /// Starts a session; the first action is the greeting.
    pub fn new(config: ServerConfig) -> Self {
        let mut session = Self {
            stage: Stage::Command,
            out: BytesMut::new(),
            abort: None,
            client_name: String::new(),
            extended: false,
            authenticated: false,
            bindings: ChannelBindings::default(),
            transaction: None,
            message: None,
            refusal: None,
            errors: 0,
            idle_commands: 0,
            remarks: Vec::new(),
            config,
        };
        session.say(&Reply::bare(220, format!("{} ESMTP Sealpost", session.config.hostname)));
        session
    }

    /// What to do next. `input` holds bytes read and not yet consumed; the session takes from its front.
    pub fn next(&mut self, input: &mut BytesMut) -> Action {
        if let Some(reason) = self.abort.take() {
            return Action::Abort(reason);
        }
        loop {
            if self.out.len() >= COLLECTED {
                return Action::Reply(self.out.split().freeze());
            }
            if let Some(action) = self.step(input) {
                let waits = matches!(action, Action::NeedInput | Action::StartTls | Action::Close);
                // Replies are collected as long as the client's pipeline lasts (RFC 2920 §3.2). The
                // three actions held back here come again at the next call.
                if waits && !self.out.is_empty() {
                    return Action::Reply(self.out.split().freeze());
                }
                return action;
            }
            if let Some(reason) = self.abort.take() {
                return Action::Abort(reason);
            }
        }
    }

    /// One step; `None` when it produced replies at most.
    fn step(&mut self, input: &mut BytesMut) -> Option<Action> {
        match std::mem::replace(&mut self.stage, Stage::Command) {
            Stage::Command => self.read_command(input),
            Stage::SkipLine(gone, reply) => self.skip_line(gone, reply, input),
            Stage::Auth(exchange) => self.read_auth(exchange, input),
            Stage::Receiving(framing) => self.receive(framing, input),
            Stage::SkipChunk(left, reply) => self.skip_chunk(left, reply, input),
            Stage::Handshake => {
                self.stage = Stage::Handshake;
                Some(Action::StartTls)
            }
            Stage::Closed => {
                self.stage = Stage::Closed;
                Some(Action::Close)
            }
            asked @ Stage::Asked(_) => {
                // The caller forgot to answer: going on could accept what nobody judged.
                self.stage = asked;
                self.end(Reply::new(421, 3, 0, "Internal error, closing"));
                None
            }
        }
    }

    /// Whether the open question is of that kind; takes it.
    fn answer(&mut self, is: impl Fn(&Question) -> bool) -> Result<Question, NotAsked> {
        match std::mem::replace(&mut self.stage, Stage::Command) {
            Stage::Asked(question) if is(&question) => Ok(question),
            other => {
                self.stage = other;
                Err(NotAsked)
            }
        }
    }

    /// The TLS handshake succeeded.
    pub fn tls_started(&mut self) -> Result<(), NotAsked> {
        if !matches!(self.stage, Stage::Handshake) {
            return Err(NotAsked);
        }
        // RFC 3207 §4.2: what was learnt in the clear is forgotten.
        self.stage = Stage::Command;
        self.config.tls = TlsState::Active;
        self.client_name.clear();
        self.extended = false;
        Ok(())
    }

    /// Answers [`Action::Mail`].
    pub fn mail_result(&mut self, result: Result<(), Reply>) -> Result<(), NotAsked> {
        let Question::Mail(envelope) = self.answer(|q| matches!(q, Question::Mail(_)))? else {
            return Err(NotAsked);
        };
        match result {
            Ok(()) => {
                self.transaction = Some(*envelope);
                self.say(&Reply::new(250, 1, 0, "Sender ok"));
            }
            Err(reply) => self.refuse(reply),
        }
        Ok(())
    }

    /// Answers [`Action::Rcpt`].
    pub fn rcpt_result(&mut self, result: Result<(), Reply>) -> Result<(), NotAsked> {
        let Question::Rcpt(recipient) = self.answer(|q| matches!(q, Question::Rcpt(_)))? else {
            return Err(NotAsked);
        };
        match result {
            Ok(()) => {
                if let Some(envelope) = &mut self.transaction {
                    envelope.recipients.push(*recipient);
                }
                self.say(&Reply::new(250, 1, 5, "Recipient ok"));
            }
            // A person who has logged in may well have a list with many stale addresses.
            Err(reply) if self.authenticated => {
                self.remark(reply.to_string());
                self.say(&reply);
            }
            Err(reply) => self.refuse(reply),
        }
        Ok(())
    }

    /// Answers [`Action::BeginData`].
    pub fn begin_result(&mut self, result: Result<(), Reply>) -> Result<(), NotAsked> {
        let Question::Begin(framing) = self.answer(|q| matches!(q, Question::Begin(_)))? else {
            return Err(NotAsked);
        };
        self.begin_message(framing, result);
        Ok(())
    }

    /// Answers [`Action::EndData`].
    pub fn end_result(&mut self, result: EndResult) -> Result<(), NotAsked> {
        self.answer(|q| matches!(q, Question::End))?;
        self.idle_commands = 0;
        self.finish_message(match result {
            EndResult::Deposited(id) => Reply::new(250, 0, 0, format!("Deposited {id}")),
            EndResult::Accepted => Reply::new(250, 0, 0, "Accepted"),
            EndResult::Refused(reply) => reply,
        });
        Ok(())
    }

    /// Refuses the message that is arriving, at any time between `BeginData` and `EndData`: the rest of it
    /// is read and dropped, then `reply` is sent. No `Abort` follows.
    pub fn refuse_data(&mut self, reply: Reply) -> Result<(), NotAsked> {
        if matches!(self.stage, Stage::Asked(_) | Stage::Closed) {
            return Err(NotAsked);
        }
        self.message.as_mut().ok_or(NotAsked)?.drain();
        self.refusal.get_or_insert(reply);
        Ok(())
    }

    /// Ends the session with `reply` (a time-out, a shutdown): an `Abort` if needed, the reply, `Close`.
    pub fn end(&mut self, reply: Reply) {
        if matches!(self.stage, Stage::Closed) {
            return;
        }
        self.drop_message(AbortReason::Ended);
        self.say(&reply);
        self.stage = Stage::Closed;
    }

    /// What this client did wrong, for the log: the first few refusals and irregularities.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }
    /// How often it was refused something.
    pub fn errors(&self) -> u32 {
        self.errors
    }
    /// The name the client gave in EHLO or HELO; empty before.
    pub fn client_name(&self) -> &str {
        &self.client_name
    }
    /// Whether the connection is under TLS.
    pub fn is_tls(&self) -> bool {
        self.config.tls == TlsState::Active
    }
    /// Whether a message is arriving: the caller's patience per byte applies, not that per command.
    pub fn is_receiving(&self) -> bool {
        matches!(self.stage, Stage::Receiving(_) | Stage::SkipChunk(..))
    }
    /// The `with` value of a Received field (RFC 3848; RFC 6531 §4.3).
    pub fn protocol(&self) -> &'static str {
        let utf8 = self.transaction.as_ref().is_some_and(|e| e.smtputf8);
        match (utf8, self.extended, self.is_tls(), self.authenticated) {
            (true, _, true, true) => "UTF8SMTPSA",
            (true, _, true, false) => "UTF8SMTPS",
            (true, _, false, true) => "UTF8SMTPA",
            (true, _, false, false) => "UTF8SMTP",
            (false, true, true, true) => "ESMTPSA",
            (false, true, true, false) => "ESMTPS",
            (false, true, false, true) => "ESMTPA",
            (false, true, false, false) => "ESMTP",
            (false, false, _, _) => "SMTP",
        }
    }

    /// Writes a reply.
    fn say(&mut self, reply: &Reply) {
        let utf8 = self.transaction.as_ref().is_some_and(|e| e.smtputf8);
        reply.write(&mut self.out, utf8);
    }
    fn remark(&mut self, text: impl Into<String>) {
        if self.remarks.len() < REMARKS {
            self.remarks.push(text.into());
        }
    }
    /// Writes a reply and counts it; one too many ends the session.
    fn refuse(&mut self, reply: Reply) {
        self.errors += 1;
        self.remark(reply.to_string());
        if self.errors > self.config.limits.errors {
            self.end(Reply::new(421, 7, 0, "Too many errors, closing"));
        } else {
            self.say(&reply);
        }
    }
    /// Forgets the transaction (RSET, EHLO, the end of a message).
    fn reset(&mut self, reason: AbortReason) {
        self.drop_message(reason);
        self.transaction = None;
    }
    /// Forgets a message; the caller hears of it unless it knows already.
    fn drop_message(&mut self, reason: AbortReason) {
        let told = self.refusal.take().is_some();
        let known = self.message.take().is_some() || matches!(self.stage, Stage::Asked(Question::End));
        if known && !told {
            self.abort = Some(reason);
        }
    }
}
