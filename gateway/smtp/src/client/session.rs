//! The session around messages: greeting, EHLO, STARTTLS, AUTH, QUIT.

use super::transaction::Exchange;
use super::{
    Action, Capabilities, ClientConfig, ContentError, Failure, Outcome, Phase, StartTls, Transaction,
    WrongStep,
};
use crate::reply::ReplyParser;
use crate::{Reply, text};
use bytes::BytesMut;

/// One connection to a server.
#[derive(Debug)]
pub struct Session {
    config: ClientConfig,
    stage: Stage,
    parser: ReplyParser,
    out: BytesMut,
    capabilities: Capabilities,
    server_name: String,
    said_helo: bool,
}

#[derive(Debug)]
enum Stage {
    /// A command was sent, or the connection made; a reply is due.
    Await(Phase),
    Handshake,
    Ready,
    /// A message is under way.
    Message(Box<Exchange>),
    Failed(Failure),
    Closed,
}

impl Session {
    /// Starts by waiting for the greeting.
    pub fn new(config: ClientConfig) -> Self {
        Self {
            config,
            stage: Stage::Await(Phase::Greeting),
            parser: ReplyParser::default(),
            out: BytesMut::new(),
            capabilities: Capabilities::default(),
            server_name: String::new(),
            said_helo: false,
        }
    }

    /// What to do next; takes replies from the front of `input`.
    pub fn next(&mut self, input: &mut BytesMut) -> Action {
        loop {
            if !self.out.is_empty() {
                return Action::Send(self.out.split().freeze());
            }
            let phase = match &mut self.stage {
                Stage::Handshake => return Action::StartTls,
                Stage::Ready => return Action::Ready,
                Stage::Closed => return Action::Closed,
                Stage::Failed(failure) => return Action::Failed(failure.clone()),
                Stage::Await(phase) => *phase,
                Stage::Message(exchange) => {
                    if let Some(outcomes) = exchange.outcomes() {
                        self.end_message();
                        return Action::Done(outcomes);
                    }
                    match exchange.phase() {
                        Phase::Content => return Action::Content,
                        phase => phase,
                    }
                }
            };
            match self.parser.next(input) {
                Ok(None) => return Action::NeedInput(phase),
                Ok(Some(reply)) => self.reply(phase, reply, input),
                Err(e) => self.fail(Failure::Protocol { phase, what: e.to_string() }),
            }
        }
    }

    fn reply(&mut self, phase: Phase, reply: Reply, input: &BytesMut) {
        if let Stage::Message(exchange) = &mut self.stage {
            if let Err(failure) = exchange.reply(reply, &mut self.out) {
                self.fail(failure);
            }
            return;
        }
        match phase {
            Phase::Greeting if reply.code == 220 => {
                reply.text.split(' ').next().unwrap_or_default().clone_into(&mut self.server_name);
                self.hello("EHLO");
            }
            Phase::Hello if reply.is_positive() => {
                self.capabilities = Capabilities::read(&reply);
                self.after_hello();
            }
            // RFC 5321 §3.2: a server without EHLO gets HELO, which has no extensions.
            Phase::Hello if reply.is_permanent() && !self.said_helo => self.hello("HELO"),
            Phase::StartTls if reply.code == 220 => {
                if input.is_empty() {
                    self.stage = Stage::Handshake;
                } else {
                    // Whatever came in the clear after 220 would be taken for a reply under TLS.
                    let what = "bytes before the TLS handshake".to_owned();
                    self.fail(Failure::Protocol { phase, what });
                }
            }
            Phase::StartTls if self.config.starttls == StartTls::WhenOffered && reply.code != 421 => {
                self.log_in()
            }
            Phase::Auth if reply.code == 235 => self.stage = Stage::Ready,
            Phase::Reset if reply.is_positive() => self.stage = Stage::Ready,
            Phase::Quit => self.stage = Stage::Closed,
            _ => self.fail(Failure::Refused { phase, reply }),
        }
    }

    fn hello(&mut self, verb: &str) {
        self.command(Phase::Hello, &format!("{verb} {}", self.config.hostname));
        self.said_helo = verb == "HELO";
    }

    fn after_hello(&mut self) {
        if self.config.tls_active {
            return self.log_in();
        }
        match self.config.starttls {
            StartTls::Never => self.log_in(),
            StartTls::WhenOffered if !self.capabilities.starttls => self.log_in(),
            StartTls::Required if !self.capabilities.starttls => self.fail(Failure::NoTls),
            StartTls::WhenOffered | StartTls::Required => self.command(Phase::StartTls, "STARTTLS"),
        }
    }

    fn log_in(&mut self) {
        let Some((name, password)) = &self.config.credentials else {
            self.stage = Stage::Ready;
            return;
        };
        if !self.config.tls_active || !self.capabilities.auth_plain {
            return self.fail(Failure::NoAuth);
        }
        // RFC 4616 §2; RFC 4954 §4: with the initial response.
        let message = zeroize::Zeroizing::new(format!("\0{name}\0{}", password.expose()));
        let encoded = zeroize::Zeroizing::new(base64_simd::STANDARD.encode_to_string(message.as_bytes()));
        let line = zeroize::Zeroizing::new(format!("AUTH PLAIN {}", *encoded));
        self.command(Phase::Auth, &line);
    }

    fn command(&mut self, phase: Phase, line: &str) {
        // Configuration and addresses are checked where they are read; a line end here would be ours.
        self.out.extend_from_slice(text::printable(line, true).as_bytes());
        self.out.extend_from_slice(b"\r\n");
        self.stage = Stage::Await(phase);
    }

    fn fail(&mut self, failure: Failure) {
        self.out.clear();
        self.stage = Stage::Failed(failure);
    }

    /// The TLS handshake succeeded.
    pub fn tls_started(&mut self) -> Result<(), WrongStep> {
        if !matches!(self.stage, Stage::Handshake) {
            return Err(WrongStep);
        }
        self.config.tls_active = true;
        // RFC 3207 §4.2: what the server said in the clear is forgotten.
        self.capabilities = Capabilities::default();
        self.hello("EHLO");
        Ok(())
    }

    /// Begins a message; only after [`Action::Ready`].
    pub fn send(&mut self, transaction: Transaction) -> Result<(), WrongStep> {
        if !matches!(self.stage, Stage::Ready) {
            return Err(WrongStep);
        }
        let exchange = Exchange::begin(transaction, &self.capabilities, &mut self.out);
        self.stage = Stage::Message(Box::new(exchange));
        Ok(())
    }

    fn exchange(&mut self) -> Result<&mut Exchange, WrongStep> {
        match &mut self.stage {
            Stage::Message(exchange) => Ok(exchange),
            _ => Err(WrongStep),
        }
    }
    /// Encodes a chunk of content onto `out`; only after [`Action::Content`].
    pub fn content(&mut self, chunk: &[u8], out: &mut BytesMut) -> Result<(), ContentError> {
        self.exchange()?.content(chunk, out)
    }
    /// Ends the content.
    pub fn content_end(&mut self, out: &mut BytesMut) -> Result<(), ContentError> {
        self.exchange()?.content_end(out)
    }
    /// The connection broke while content was written: what the server said before, if it did (RFC 5321
    /// §4.2.4.2 lets it end with 421 at any time). Drop the connection afterwards.
    pub fn content_broken(&mut self, input: &mut BytesMut) -> Option<Vec<Outcome>> {
        let reply =
            self.parser.next(input).ok().flatten().filter(|r| r.is_temporary() || r.is_permanent())?;
        let exchange = self.exchange().ok()?;
        exchange.early(reply);
        let outcomes = exchange.outcomes();
        self.stage = Stage::Closed;
        outcomes
    }

    /// After `Done`: on to the next message, by way of RSET where the server still holds an envelope.
    fn end_message(&mut self) {
        let Stage::Message(exchange) = std::mem::replace(&mut self.stage, Stage::Ready) else { return };
        if exchange.closing() {
            self.stage = Stage::Closed;
        } else if exchange.needs_reset() {
            self.command(Phase::Reset, "RSET");
        }
    }

    /// Ends the session politely; only after [`Action::Ready`].
    pub fn quit(&mut self) -> Result<(), WrongStep> {
        if !matches!(self.stage, Stage::Ready) {
            return Err(WrongStep);
        }
        self.command(Phase::Quit, "QUIT");
        Ok(())
    }
    /// What the server offers, as of its last EHLO reply.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }
    /// The name in the server's greeting.
    pub fn server_name(&self) -> &str {
        &self.server_name
    }
}
