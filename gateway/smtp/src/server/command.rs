//! Command lines: reading, order, and what each one does.

use super::auth::MAX_AUTH_LINE;
use super::parse::{self, Command, Offered};
use super::{AbortReason, Action, Framing, Kind, MailFrom, Question, Session, Stage, TlsState};
use crate::Reply;
use bytes::BytesMut;
use memchr::{memchr, memmem};

/// Octets of one line that are read and dropped before the connection is not worth keeping.
const MAX_SKIPPED: usize = 1 << 20;

/// RFC 5321 §4.5.3.1.9; RFC 4954 §4 for a line of an exchange.
pub(super) fn too_long(exchange: bool) -> Reply {
    match exchange {
        true => Reply::new(500, 5, 6, "Authentication exchange line is too long"),
        false => Reply::new(500, 5, 2, "Line too long"),
    }
}

fn bare() -> Reply {
    Reply::new(500, 5, 2, "Lines end with CR LF only (RFC 5321 section 2.3.8)")
}

/// `503 5.5.1`.
pub(super) fn out_of_order(text: &str) -> Reply {
    Reply::new(503, 5, 1, text)
}

/// A line, or why there is none.
pub(super) enum Line {
    Whole(BytesMut),
    NeedInput,
    TooLong,
    /// Holds a CR; its end was found.
    BareCr,
    /// An LF without its CR: the line goes on.
    BareLf,
}

/// Takes one line of at most `limit` octets, CRLF included, without it.
pub(super) fn take_line(input: &mut BytesMut, limit: usize) -> Line {
    let window = input.len().min(limit);
    let Some(at) = memchr(b'\n', &input[..window]) else {
        return if input.len() >= limit { Line::TooLong } else { Line::NeedInput };
    };
    let mut line = input.split_to(at + 1);
    // RFC 5321 §2.3.8: only CRLF ends a line, and CR occurs nowhere else.
    match line.strip_suffix(b"\r\n") {
        Some(text) if memchr(b'\r', text).is_none() => {
            line.truncate(line.len() - 2);
            Line::Whole(line)
        }
        Some(_) => Line::BareCr,
        None => Line::BareLf,
    }
}

impl Session {
    pub(super) fn read_command(&mut self, input: &mut BytesMut) -> Option<Action> {
        let auth = input.get(..5).is_some_and(|v| v.eq_ignore_ascii_case(b"AUTH "));
        let limit = if auth { MAX_AUTH_LINE } else { self.config.limits.command_line };
        match take_line(input, limit) {
            Line::NeedInput => Some(Action::NeedInput),
            Line::TooLong => {
                self.stage = Stage::SkipLine(0, Some(too_long(auth)));
                None
            }
            Line::BareCr => {
                self.refuse(bare());
                None
            }
            Line::BareLf => {
                self.bare_lf();
                None
            }
            Line::Whole(line) => self.command(&line, input),
        }
    }

    /// LF ends no line: who sends it is told at once, and what follows up to CRLF is still the same line, so
    /// that nothing behind an LF that was smuggled into an argument is taken for a command.
    pub(super) fn bare_lf(&mut self) {
        self.refuse(bare());
        if !matches!(self.stage, Stage::Closed) {
            self.stage = Stage::SkipLine(0, None);
        }
    }

    /// Drops the rest of a line; `reply` is still to be given.
    pub(super) fn skip_line(
        &mut self,
        gone: usize,
        reply: Option<Reply>,
        input: &mut BytesMut,
    ) -> Option<Action> {
        let end = memmem::find(input, b"\r\n");
        // A CR at the end may be half of the line's end.
        let rest = input.len() - usize::from(input.ends_with(b"\r"));
        let gone = gone + end.unwrap_or(rest);
        if gone > MAX_SKIPPED {
            self.remark("a line without end");
            self.end(Reply::new(421, 7, 0, "Line far too long, closing"));
            return None;
        }
        match end {
            None => {
                drop(input.split_to(rest));
                self.stage = Stage::SkipLine(gone, reply);
                Some(Action::NeedInput)
            }
            Some(at) => {
                drop(input.split_to(at + 2));
                if let Some(reply) = reply {
                    self.refuse(reply);
                }
                None
            }
        }
    }

    /// RFC 2920 §3.1: these end a group of commands, and without EHLO there are no groups. What follows them
    /// at once is read in order, so that nothing can be smuggled by it; the log tells of it.
    fn note_pipelining(&mut self, command: &Command<'_>) {
        use Command as C;
        let ends = matches!(
            command,
            C::Ehlo(_)
                | C::Helo(_)
                | C::Data
                | C::Auth { .. }
                | C::Vrfy
                | C::Expn
                | C::Noop
                | C::Quit
                | C::StartTls
        );
        let bdat = matches!(command, C::Bdat { .. });
        if !bdat && (ends || !self.extended) {
            self.remark("improper pipelining (RFC 2920 section 3.1)");
        }
    }

    fn command(&mut self, line: &[u8], input: &BytesMut) -> Option<Action> {
        self.idle_commands += 1;
        if self.idle_commands > self.config.limits.idle_commands {
            self.remark("too many commands");
            self.end(Reply::new(421, 7, 0, "Too many commands without a message, closing"));
            return None;
        }
        let command = match Command::parse(line) {
            Ok(command) => command,
            Err(reply) => {
                self.refuse(reply);
                // Without a size nobody knows where the chunk ends: its bytes must not become commands.
                if line.get(..4).is_some_and(|v| v.eq_ignore_ascii_case(b"BDAT")) {
                    self.drop_message(AbortReason::Ended);
                    self.stage = Stage::Closed;
                }
                return None;
            }
        };
        if !input.is_empty() {
            self.note_pipelining(&command);
        }
        match self.dispatch(command, input.is_empty()) {
            Ok(action) => action,
            Err(reply) => {
                self.refuse(reply);
                None
            }
        }
    }

    fn dispatch(&mut self, command: Command<'_>, last_in_packet: bool) -> Result<Option<Action>, Reply> {
        // RFC 3030 §2: between chunks a client may send BDAT, or give up.
        let between_chunks = self.message.is_some();
        match command {
            Command::Ehlo(name) => self.hello(name, true),
            Command::Helo(name) => self.hello(name, false),
            Command::Rset => {
                self.reset(AbortReason::Reset);
                self.say(&Reply::new(250, 0, 0, "Reset"));
            }
            Command::Noop => self.say(&Reply::new(250, 0, 0, "Ok")),
            Command::Quit => {
                self.reset(AbortReason::Reset);
                self.say(&Reply::new(221, 0, 0, "Bye"));
                self.stage = Stage::Closed;
            }
            // RFC 5321 §3.5.3: an answer that discloses nothing.
            Command::Vrfy => {
                self.remark("VRFY was asked");
                self.say(&Reply::new(252, 0, 0, "Send some mail and see"));
            }
            Command::Expn => return Err(Reply::new(502, 5, 1, "EXPN is not supported")),
            Command::Help => self.say(&Reply::new(214, 0, 0, "See RFC 5321")),
            Command::Bdat { octets, last } => return Ok(self.bdat(octets, last)),
            _ if between_chunks => return Err(out_of_order("The BDAT message is not finished")),
            // RFC 5321 §4.1.4: what is no mail transaction needs no EHLO. GNU SASL's client counts on it, and all
            // that was learnt before the handshake is forgotten anyway.
            Command::StartTls => self.starttls(last_in_packet)?,
            _ if self.client_name.is_empty() => return Err(out_of_order("Say EHLO first")),
            Command::Auth { mechanism, initial } => return self.auth(mechanism, initial),
            Command::Mail(argument) => return self.mail(argument).map(Some),
            Command::Rcpt(argument) => return self.rcpt(argument),
            Command::Data => return self.data().map(Some),
        }
        Ok(None)
    }

    fn hello(&mut self, name: &str, extended: bool) {
        // RFC 5321 §4.1.4: EHLO in mid-session resets.
        self.reset(AbortReason::Reset);
        name.clone_into(&mut self.client_name);
        self.extended = extended;
        let mut lines = vec![self.config.hostname.clone()];
        if extended {
            lines.push("PIPELINING".into());
            // RFC 1870 §4: 0 says that no limit is in force.
            lines.push(format!("SIZE {}", self.config.limits.message.unwrap_or(0)));
            if self.config.tls == TlsState::Offered {
                lines.push("STARTTLS".into());
            }
            if self.offers_auth() && !self.authenticated {
                lines.push(format!("AUTH {}", self.mechanisms()));
            }
            lines.extend(["8BITMIME", "CHUNKING", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"].map(Into::into));
        }
        self.say(&Reply::bare(250, lines.join("\n")));
    }

    fn offered(&self) -> Offered {
        Offered { extended: self.extended, auth: self.offers_auth() }
    }

    fn starttls(&mut self, last_in_packet: bool) -> Result<(), Reply> {
        match self.config.tls {
            TlsState::Active => return Err(out_of_order("TLS is already active")),
            TlsState::Unavailable => return Err(Reply::new(502, 5, 1, "STARTTLS is not available")),
            TlsState::Offered if self.transaction.is_some() => {
                return Err(out_of_order("STARTTLS is not allowed within a transaction"));
            }
            TlsState::Offered => {}
        }
        if !last_in_packet {
            // RFC 3207 §4: STARTTLS is the last command of a group. What follows it in the clear was put
            // there by the client against the rules, or by somebody else.
            self.remark("data after STARTTLS");
            self.end(Reply::new(554, 5, 1, "Data after STARTTLS, closing"));
            return Ok(());
        }
        self.say(&Reply::new(220, 0, 0, "Ready to start TLS"));
        self.stage = Stage::Handshake;
        Ok(())
    }

    fn mail(&mut self, argument: &str) -> Result<Action, Reply> {
        let submission = self.config.kind == Kind::Submission;
        if (submission || self.config.require_tls) && !self.is_tls() {
            return Err(Reply::new(530, 7, 0, "Must issue STARTTLS first"));
        }
        if submission && !self.authenticated {
            // RFC 6409 §4.3
            return Err(Reply::new(530, 7, 0, "Authentication required"));
        }
        if self.transaction.is_some() {
            return Err(out_of_order("A transaction is already open"));
        }
        let envelope = parse::mail(argument, self.offered())?;
        let limit = self.config.limits.message.unwrap_or(u64::MAX);
        if envelope.declared_size.is_some_and(|size| size > limit) {
            // RFC 1870 §6.1
            return Err(Reply::new(552, 3, 4, format!("Messages are limited to {limit} octets")));
        }
        let question =
            MailFrom { reverse_path: envelope.reverse_path.clone(), declared_size: envelope.declared_size };
        self.stage = Stage::Asked(Question::Mail(Box::new(envelope)));
        Ok(Action::Mail(question))
    }

    fn rcpt(&mut self, argument: &str) -> Result<Option<Action>, Reply> {
        let Some(envelope) = &self.transaction else { return Err(out_of_order("MAIL comes first")) };
        let recipient = parse::rcpt(argument, self.offered(), envelope.smtputf8, &self.config.hostname)?;
        if envelope.recipients.iter().any(|r| r.address == recipient.address) {
            self.remark("a recipient is named twice");
            self.say(&Reply::new(250, 1, 5, "Recipient ok, named before"));
            return Ok(None);
        }
        if envelope.recipients.len() >= self.config.limits.recipients {
            // RFC 5321 §4.5.3.1.10. Not an error to count: clients send the rest in a second message.
            self.say(&Reply::new(452, 5, 3, "Too many recipients"));
            return Ok(None);
        }
        self.stage = Stage::Asked(Question::Rcpt(Box::new(recipient.clone())));
        Ok(Some(Action::Rcpt(recipient)))
    }

    fn data(&mut self) -> Result<Action, Reply> {
        let envelope = self.ready_envelope()?;
        self.stage = Stage::Asked(Question::Begin(Framing::Dot));
        Ok(Action::BeginData(envelope))
    }
}
