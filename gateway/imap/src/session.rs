//! The session: who the client is, what it may say now, and the way from a command to its answer.

use crate::append::Appending;
use crate::backend::{Backend, MailboxError};
use crate::framing::{Frame, Framer};
use crate::normal::{Normal, Saved};
use crate::output::{Output, Reply};
use crate::selected::Selected;
use crate::set::compact;
use imap_codec::CommandCodec;
use imap_codec::decode::Decoder;
use imap_types::command::CommandBody;
use sealpost_envelope::Secret;
use sealpost_sasl::{ChannelBindings, Exchange};
use std::borrow::Cow;
use std::sync::Arc;

/// What a stranger meets.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of one command before login.
    pub command_before_login: usize,
    /// Bytes of one command after login.
    pub command: usize,
    /// Commands of a session that has not logged in; afterwards a hundred times as many.
    pub commands: u32,
    /// Errors before it is closed.
    pub errors: u32,
    /// Bytes of a message in APPEND; 0 means no limit.
    pub append: u64,
    /// Bytes of a message that SEARCH reads for its text.
    pub search_body: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            command_before_login: 8 * 1024,
            command: 256 * 1024,
            commands: 1000,
            errors: 20,
            append: 0,
            search_body: 1024 * 1024,
        }
    }
}

/// What the caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Read on.
    Continue,
    /// Start TLS, then call [`Session::tls_started`].
    StartTls,
    /// Close the connection.
    Close,
}

/// Why the connection must be cut.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The client is gone.
    #[error("the connection failed: {0}")]
    Io(#[from] std::io::Error),
    /// A body ended before its announced length: our fault.
    #[error("message {uid} ended {missing} bytes early")]
    ShortBody {
        /// UID.
        uid: u32,
        /// Bytes that were announced and did not come.
        missing: u64,
    },
}

/// Why a command did not end in OK.
#[derive(Debug)]
pub(crate) enum Stop {
    /// `NO`, with a response code where one fits.
    No(String),
    /// `BAD`.
    Bad(String),
    /// Our fault: `NO [UNAVAILABLE]`, the text goes to the log.
    Fault(String),
    /// The connection must be cut.
    End(SessionError),
}

impl From<std::io::Error> for Stop {
    fn from(e: std::io::Error) -> Self {
        Self::End(e.into())
    }
}
impl From<SessionError> for Stop {
    fn from(e: SessionError) -> Self {
        Self::End(e)
    }
}
impl From<MailboxError> for Stop {
    fn from(e: MailboxError) -> Self {
        // RFC 5530 §3.
        let code = match &e {
            MailboxError::NotFound => "NONEXISTENT",
            MailboxError::Exists => "ALREADYEXISTS",
            MailboxError::NotAllowed => "NOPERM",
            MailboxError::OverQuota => "OVERQUOTA",
            MailboxError::Gone => "EXPUNGEISSUED",
            MailboxError::Unavailable(detail) => return Self::Fault(detail.clone()),
        };
        Self::No(format!("[{code}] {e}"))
    }
}

/// Text of an OK, or why there is none.
pub(crate) type Answer = Result<String, Stop>;

/// What a raw line answers.
#[derive(Debug)]
pub(crate) enum Awaiting {
    Nothing,
    /// The next message of an exchange.
    Sasl(String, Exchange),
    /// DONE after IDLE.
    Done(String),
}

/// One client's session.
#[derive(Debug)]
pub struct Session<B: Backend> {
    pub(crate) backend: Arc<B>,
    pub(crate) limits: Limits,
    pub(crate) tls: bool,
    pub(crate) framer: Framer,
    awaiting: Awaiting,
    pub(crate) mailboxes: Option<B::Mailboxes>,
    /// Who was found good in an exchange that is not over.
    pub(crate) judged: Option<(B::Mailboxes, String)>,
    pub(crate) bindings: ChannelBindings,
    pub(crate) selected: Option<Selected>,
    pub(crate) appending: Option<Appending<B::Mailboxes>>,
    /// CONDSTORE was enabled: changes carry MODSEQ (RFC 7162 §3.1).
    pub(crate) condstore: bool,
    /// IMAP4rev2 was enabled (RFC 9051 §6.3.1).
    pub(crate) rev2: bool,
    /// UTF8=ACCEPT was enabled (RFC 6855 §3).
    pub(crate) utf8: bool,
    /// QRESYNC was enabled: what is gone is told by UID (RFC 7162 §3.2.3).
    pub(crate) qresync: bool,
    /// UIDs of the last saved search result (RFC 5182).
    pub(crate) saved: Vec<u32>,
    commands: u32,
    pub(crate) errors: u32,
    closed: bool,
    pub(crate) login: Option<String>,
    faults: Vec<String>,
}

impl<B: Backend> Session<B> {
    /// Starts; `tls` says whether the connection is already protected.
    pub fn new(backend: Arc<B>, tls: bool, limits: Limits) -> Self {
        Self {
            framer: Framer::new(limits.command_before_login),
            backend,
            limits,
            tls,
            awaiting: Awaiting::Nothing,
            mailboxes: None,
            judged: None,
            bindings: ChannelBindings::default(),
            selected: None,
            appending: None,
            condstore: false,
            rev2: false,
            utf8: false,
            qresync: false,
            saved: Vec::new(),
            commands: 0,
            errors: 0,
            closed: false,
            login: None,
            faults: Vec::new(),
        }
    }

    /// Sends the greeting (not again after STARTTLS).
    pub async fn greet<O: Output>(&mut self, output: &mut O) -> Result<(), SessionError> {
        let mut reply = Reply::new(output);
        reply.line(&format!("* OK [CAPABILITY {}] Sealpost ready", self.capabilities())).await?;
        Ok(reply.flush().await?)
    }

    /// TLS is up after [`Flow::StartTls`].
    pub fn tls_started(&mut self) {
        self.tls = true;
        self.framer = Framer::new(self.limits.command_before_login);
    }

    /// Whether the client is in IDLE: call [`Session::changed`] when its folder changes.
    pub fn is_idle(&self) -> bool {
        matches!(self.awaiting, Awaiting::Done(_))
    }
    /// Whether someone is logged in: they may be silent for longer (RFC 3501 §5.4).
    pub fn is_authenticated(&self) -> bool {
        self.mailboxes.is_some()
    }
    /// Who is logged in.
    pub fn login(&self) -> Option<&str> {
        self.login.as_deref()
    }
    /// The selected folder.
    pub fn selected_folder(&self) -> Option<crate::FolderId> {
        self.selected.as_ref().map(|s| s.folder)
    }
    /// What went wrong on our side since the last call, for the log.
    pub fn take_faults(&mut self) -> Vec<String> {
        std::mem::take(&mut self.faults)
    }

    /// Takes bytes from the client and answers them.
    pub async fn receive<O: Output>(&mut self, bytes: &[u8], output: &mut O) -> Result<Flow, SessionError> {
        if self.closed {
            return Ok(Flow::Close);
        }
        self.framer.push(bytes);
        let mut reply = Reply::new(output);
        let flow = self.frames(&mut reply).await?;
        reply.flush().await?;
        self.closed = flow == Flow::Close;
        Ok(flow)
    }

    /// Tells an idle client what changed.
    pub async fn changed<O: Output>(&mut self, output: &mut O) -> Result<(), SessionError> {
        let mut reply = Reply::new(output);
        match self.update(&mut reply).await {
            Ok(()) => {}
            Err(Stop::End(e)) => return Err(e),
            Err(Stop::Fault(detail)) => self.faults.push(detail),
            Err(Stop::No(_) | Stop::Bad(_)) => {}
        }
        Ok(reply.flush().await?)
    }

    /// Says goodbye for a reason of the caller's: time is up, the server stops.
    pub async fn goodbye<O: Output>(&mut self, reason: &str, output: &mut O) -> Result<(), SessionError> {
        self.closed = true;
        let mut reply = Reply::new(output);
        reply.status("*", "BYE", reason).await?;
        Ok(reply.flush().await?)
    }

    async fn frames<O: Output>(&mut self, reply: &mut Reply<'_, O>) -> Result<Flow, SessionError> {
        loop {
            let (inside, utf8) = (self.mailboxes.is_some(), self.utf8_names());
            let Some(frame) = self.framer.next(|head| inside && is_append(head, utf8)) else {
                return Ok(Flow::Continue);
            };
            let flow = match frame {
                Frame::Command(line) => self.command(Secret::new(line), reply).await?,
                Frame::Line(line) => self.raw_line(Secret::new(line), reply).await?,
                Frame::Continue => {
                    reply.line("+ Ready").await?;
                    Flow::Continue
                }
                Frame::Message { head, size, waits } => self.message(&head, size, waits, reply).await?,
                Frame::Data(bytes) => {
                    self.append_data(&bytes).await;
                    Flow::Continue
                }
                Frame::MessageEnd => {
                    let (tag, answer) = self.append_end(reply).await;
                    self.answer(&tag, answer, reply).await?
                }
                Frame::Bad(text) => self.answer("*", Err(Stop::Bad(text.to_owned())), reply).await?,
                Frame::Fatal(text) => {
                    reply.line(&format!("* BYE {text}")).await?;
                    Flow::Close
                }
            };
            if flow != Flow::Continue {
                return Ok(flow);
            }
        }
    }

    async fn command<O: Output>(
        &mut self,
        line: Secret<Vec<u8>>,
        reply: &mut Reply<'_, O>,
    ) -> Result<Flow, SessionError> {
        self.commands += 1;
        // A program that fills a mailbox needs one command for each message.
        let most = if self.mailboxes.is_some() {
            self.limits.commands.saturating_mul(100)
        } else {
            self.limits.commands
        };
        if self.commands > most {
            reply.line("* BYE too many commands in one session").await?;
            return Ok(Flow::Close);
        }
        let tag = tag_of(line.expose());
        let (plain, extras) = crate::extras::split(line.expose());
        let plain = match self.normal(plain.into_owned()) {
            Normal::Command(plain) => plain,
            Normal::Nothing(command) => {
                return self.answer(&tag, Ok(format!("{command} done")), reply).await;
            }
        };
        let command = match CommandCodec::default().decode(&plain) {
            Ok((b"", command)) => command,
            _ => {
                return self
                    .answer(&tag, Err(Stop::Bad("this command is not understood".into())), reply)
                    .await;
            }
        };
        match command.body {
            CommandBody::StartTLS if self.tls || self.mailboxes.is_some() => {
                self.answer(&tag, Err(Stop::Bad("TLS is already active".into())), reply).await
            }
            CommandBody::StartTLS if self.framer.has_rest() => {
                // What was sent in clear must never count as sent under TLS (RFC 3501 §6.2.1).
                reply.line("* BYE data after STARTTLS").await?;
                Ok(Flow::Close)
            }
            CommandBody::StartTLS => {
                reply.status(&tag, "OK", "begin TLS now").await?;
                Ok(Flow::StartTls)
            }
            CommandBody::Logout => {
                reply.line("* BYE goodbye").await?;
                reply.status(&tag, "OK", "LOGOUT done").await?;
                Ok(Flow::Close)
            }
            CommandBody::Idle if self.mailboxes.is_some() => {
                self.begin_raw(Awaiting::Done(tag));
                reply.line("+ idling").await?;
                Ok(Flow::Continue)
            }
            CommandBody::Authenticate { mechanism, initial_response } => {
                self.authenticate(
                    tag,
                    mechanism.as_ref(),
                    initial_response.map(|r| r.declassify().to_vec()),
                    reply,
                )
                .await
            }
            body => {
                let answer = self.dispatch(body, extras, &tag, reply).await;
                self.answer(&tag, answer, reply).await
            }
        }
    }

    /// The command in the words of IMAP4rev1.
    fn normal(&self, line: Vec<u8>) -> Normal {
        let line = if self.utf8_names() { crate::normal::unquote_utf8(line) } else { line };
        let Some(selected) = &self.selected else { return Normal::Command(line) };
        if !line.contains(&b'$') {
            return Normal::Command(line);
        }
        let numbers = self.saved.iter().filter_map(|uid| Some(selected.position(*uid)? as u32 + 1));
        let saved = Saved { uids: compact(self.saved.iter().copied()), numbers: compact(numbers) };
        crate::normal::insert_saved(line, &saved)
    }

    /// Ends a command with its tagged answer and counts errors.
    pub(crate) async fn answer<O: Output>(
        &mut self,
        tag: &str,
        answer: Answer,
        reply: &mut Reply<'_, O>,
    ) -> Result<Flow, SessionError> {
        match answer {
            Ok(text) => reply.status(tag, "OK", &text).await?,
            Err(Stop::No(text)) => reply.status(tag, "NO", &text).await?,
            Err(Stop::Fault(detail)) => {
                self.faults.push(detail);
                reply.status(tag, "NO", "[UNAVAILABLE] temporarily unavailable").await?;
            }
            Err(Stop::Bad(text)) => {
                self.errors += 1;
                reply.status(tag, "BAD", &text).await?;
            }
            Err(Stop::End(e)) => return Err(e),
        }
        if self.errors >= self.limits.errors {
            reply.line("* BYE too many errors").await?;
            return Ok(Flow::Close);
        }
        Ok(Flow::Continue)
    }

    pub(crate) fn begin_raw(&mut self, awaiting: Awaiting) {
        self.framer.set_raw_lines(true);
        self.awaiting = awaiting;
    }

    async fn raw_line<O: Output>(
        &mut self,
        line: Secret<Vec<u8>>,
        reply: &mut Reply<'_, O>,
    ) -> Result<Flow, SessionError> {
        self.framer.set_raw_lines(false);
        match std::mem::replace(&mut self.awaiting, Awaiting::Nothing) {
            Awaiting::Done(tag) => {
                let answer = if line.expose().eq_ignore_ascii_case(b"DONE") {
                    self.update(reply).await.map(|()| "IDLE done".to_owned())
                } else {
                    Err(Stop::Bad("DONE ends IDLE".into()))
                };
                self.answer(&tag, answer, reply).await
            }
            Awaiting::Sasl(tag, exchange) => self.respond(tag, exchange, line.expose(), reply).await,
            Awaiting::Nothing => Ok(Flow::Continue),
        }
    }

    async fn message<O: Output>(
        &mut self,
        head: &[u8],
        size: u64,
        waits: bool,
        reply: &mut Reply<'_, O>,
    ) -> Result<Flow, SessionError> {
        let tag = tag_of(head);
        let head = if self.utf8_names() { crate::normal::unquote_utf8(head.to_vec()) } else { head.to_vec() };
        match self.append_begin(&tag, &head, size).await {
            Ok(()) => {
                self.framer.take_literal(size);
                if waits {
                    reply.line("+ Ready").await?;
                }
                Ok(Flow::Continue)
            }
            Err(stop) => {
                if !waits {
                    self.framer.skip_literal(size);
                }
                self.answer(&tag, Err(stop), reply).await
            }
        }
    }
}

/// The tag of a command, or `*` when there is none.
fn tag_of(line: &[u8]) -> String {
    let end = line.iter().position(|b| *b == b' ' || *b == b'\r').unwrap_or(0);
    let tag = |b: &u8| b.is_ascii_graphic() && !b"(){%*\"\\+".contains(b);
    match std::str::from_utf8(&line[..end]) {
        Ok(text) if !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| tag(&b)) => text.to_owned(),
        _ => "*".to_owned(),
    }
}

/// Whether the literal that a command announces is the message of APPEND.
fn is_append(head: &[u8], utf8: bool) -> bool {
    let mut words = head.splitn(3, |b| *b == b' ');
    if !words.nth(1).is_some_and(|w| w.eq_ignore_ascii_case(b"APPEND")) {
        return false;
    }
    let plain =
        if utf8 { Cow::Owned(crate::normal::unquote_utf8(head.to_vec())) } else { Cow::Borrowed(head) };
    matches!(CommandCodec::default().decode(&plain), Ok((b"", c)) if matches!(c.body, CommandBody::Append { .. }))
}
