//! Cuts the client's bytes into commands, literals included, without looking at their meaning.
//!
//! Lines end in CR LF; anything else is refused (RFC 3501 §2.2). A literal is only let in when its
//! announced length fits the bound of the whole command; the message of APPEND is handed on in pieces.

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A whole command, final CR LF included.
    Command(Vec<u8>),
    /// A literal was announced within a command: say `+` and go on.
    Continue,
    /// The message of APPEND was announced; the session calls [`Framer::take_literal`] or
    /// [`Framer::skip_literal`], or forgets the command.
    Message {
        /// The command up to the announcement, which has been replaced by `{0+}`, and a final CR LF.
        head: Vec<u8>,
        /// Bytes announced.
        size: u64,
        /// The client waits for `+`.
        waits: bool,
    },
    /// Bytes of the message.
    Data(Vec<u8>),
    /// The message is complete and so is its command.
    MessageEnd,
    /// A line without meaning of its own: an answer to AUTHENTICATE, DONE.
    Line(Vec<u8>),
    /// The command cannot be read; the line was dropped.
    Bad(&'static str),
    /// The command cannot be read and its end cannot be found either.
    Fatal(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Within a line that began at this offset of the command.
    Line(usize),
    /// So many bytes of a literal are to come.
    Literal(usize),
    /// So many bytes of a message are to come.
    Message { left: u64, skip: bool },
    /// What ends the command after a message.
    AfterMessage { skip: bool },
}

/// The cutter.
#[derive(Debug)]
pub(crate) struct Framer {
    input: Vec<u8>,
    at: usize,
    command: Vec<u8>,
    state: State,
    limit: usize,
    raw_lines: bool,
    /// The message stands within `UTF8 (~{…}…)` (RFC 6855 §4).
    closes: bool,
}

/// LITERAL- (RFC 7888 §4): longer literals need the server's consent.
const MAX_NON_SYNC: u64 = 4096;
/// What stands before the message where its header may hold UTF-8 (RFC 6855 §4).
const UTF8: &[u8] = b"UTF8 (~";
/// Message bytes handed on at once.
const PIECE: usize = 64 * 1024;

impl Framer {
    pub fn new(limit: usize) -> Self {
        Self {
            input: Vec::new(),
            at: 0,
            command: Vec::new(),
            state: State::Line(0),
            limit,
            raw_lines: false,
            closes: false,
        }
    }
    /// Bytes that one command may have.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }
    /// Whether lines are to be handed on as they are.
    pub fn set_raw_lines(&mut self, raw: bool) {
        self.raw_lines = raw;
    }
    /// Takes bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.input.drain(..self.at);
        self.at = 0;
        self.input.extend_from_slice(bytes);
    }
    /// Whether bytes are left that belong to no complete frame.
    pub fn has_rest(&self) -> bool {
        self.at < self.input.len() || !self.command.is_empty()
    }
    /// Lets the message in.
    pub fn take_literal(&mut self, size: u64) {
        self.state = State::Message { left: size, skip: false };
    }
    /// Reads over the message: the client sends it without having asked.
    pub fn skip_literal(&mut self, size: u64) {
        self.state = State::Message { left: size, skip: true };
    }

    /// The next frame; `None` when more bytes are needed.
    pub fn next(&mut self, is_append: impl Fn(&[u8]) -> bool) -> Option<Frame> {
        loop {
            match self.state {
                State::Line(start) => match self.line(start, &is_append) {
                    Ok(frame) => return frame,
                    Err(()) => continue,
                },
                State::Literal(left) => {
                    let take = left.min(self.input.len() - self.at);
                    self.command.extend_from_slice(&self.input[self.at..self.at + take]);
                    self.at += take;
                    if take < left {
                        self.state = State::Literal(left - take);
                        return None;
                    }
                    self.state = State::Line(self.command.len());
                }
                State::Message { left, skip } => {
                    if left == 0 {
                        self.state = State::AfterMessage { skip };
                        continue;
                    }
                    let here = self.input.len() - self.at;
                    let take = here.min(PIECE).min(usize::try_from(left).unwrap_or(usize::MAX));
                    if take == 0 {
                        return None;
                    }
                    let piece = self.input[self.at..self.at + take].to_vec();
                    self.at += take;
                    self.state = State::Message { left: left - take as u64, skip };
                    if !skip {
                        return Some(Frame::Data(piece));
                    }
                }
                State::AfterMessage { skip } => {
                    let expected: &[u8] = if self.closes { b")\r\n" } else { b"\r\n" };
                    let end = self.input.get(self.at..self.at + expected.len())?;
                    if end != expected {
                        return Some(Frame::Fatal("a line end belongs after the message"));
                    }
                    self.at += expected.len();
                    self.state = State::Line(0);
                    if !skip {
                        return Some(Frame::MessageEnd);
                    }
                }
            }
        }
    }

    /// Reads to the end of a line. `Err` means that the state changed and reading goes on.
    fn line(&mut self, start: usize, is_append: &impl Fn(&[u8]) -> bool) -> Result<Option<Frame>, ()> {
        let rest = &self.input[self.at..];
        let found = memchr::memchr(b'\n', rest);
        let take = found.map_or(rest.len(), |n| n + 1);
        if self.command.len() + take > self.limit {
            return Ok(Some(Frame::Fatal("the command is too long")));
        }
        self.command.extend_from_slice(&rest[..take]);
        self.at += take;
        if found.is_none() {
            return Ok(None);
        }
        let line = &self.command[start..];
        let well = line.len() >= 2
            && line.ends_with(b"\r\n")
            && memchr::memchr2(b'\r', 0, &line[..line.len() - 2]).is_none();
        if !well {
            self.forget();
            return Ok(Some(Frame::Bad("lines end in CR LF and hold neither CR nor NUL")));
        }
        if self.raw_lines {
            let mut line = std::mem::take(&mut self.command);
            line.truncate(line.len() - 2);
            self.state = State::Line(0);
            return Ok(Some(Frame::Line(line)));
        }
        match announced(line) {
            None => {
                self.state = State::Line(0);
                Ok(Some(Frame::Command(std::mem::take(&mut self.command))))
            }
            Some(literal) => self.literal(start, literal, is_append),
        }
    }

    fn literal(
        &mut self,
        start: usize,
        literal: Literal,
        is_append: &impl Fn(&[u8]) -> bool,
    ) -> Result<Option<Frame>, ()> {
        let before = &self.command[..start + literal.at];
        let plain = before.len().checked_sub(UTF8.len()).map(|at| before.split_at(at));
        let plain = plain.filter(|(_, end)| end.eq_ignore_ascii_case(UTF8)).map(|(plain, _)| plain);
        self.closes = plain.is_some();
        let mut head = plain.unwrap_or(before).to_vec();
        head.extend_from_slice(b"{0+}\r\n\r\n");
        if is_append(&head) {
            self.command.clear();
            self.state = State::Line(0);
            if !literal.waits && literal.size > MAX_NON_SYNC {
                return Ok(Some(Frame::Fatal("a literal over 4096 bytes needs the server's consent")));
            }
            return Ok(Some(Frame::Message { head, size: literal.size, waits: literal.waits }));
        }
        let size = usize::try_from(literal.size).unwrap_or(usize::MAX);
        if self.command.len().saturating_add(size) > self.limit {
            // Who waits for consent can be refused; who does not has already sent it.
            self.forget();
            let text = "the literal is too long";
            return Ok(Some(if literal.waits { Frame::Bad(text) } else { Frame::Fatal(text) }));
        }
        self.state = State::Literal(size);
        if literal.waits { Ok(Some(Frame::Continue)) } else { Err(()) }
    }

    fn forget(&mut self) {
        self.command.clear();
        self.state = State::Line(0);
    }
}

/// A literal announced at the end of a line.
struct Literal {
    /// Where `{` stands in the line.
    at: usize,
    size: u64,
    waits: bool,
}

/// `{123}` or `{123+}` before the CR LF.
fn announced(line: &[u8]) -> Option<Literal> {
    let line = &line[..line.len() - 2];
    let inner = line.strip_suffix(b"}")?;
    let at = memchr::memrchr(b'{', inner)?;
    let (digits, waits) = match inner[at + 1..].strip_suffix(b"+") {
        Some(digits) => (digits, false),
        None => (&inner[at + 1..], true),
    };
    let digits = std::str::from_utf8(digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
    // RFC 9051 §9: number64.
    Some(Literal { at, size: digits.parse().ok().filter(|n: &u64| *n <= i64::MAX as u64)?, waits })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(head: &[u8]) -> bool {
        head.starts_with(b"a APPEND x ")
    }

    fn frames(chunks: &[&[u8]]) -> Vec<Frame> {
        let mut framer = Framer::new(64);
        let mut all = Vec::new();
        for chunk in chunks {
            framer.push(chunk);
            while let Some(frame) = framer.next(append) {
                if let Frame::Message { size, .. } = frame {
                    framer.take_literal(size);
                }
                let stop = matches!(frame, Frame::Fatal(_));
                all.push(frame);
                if stop {
                    return all;
                }
            }
        }
        all
    }

    #[test]
    fn commands_and_literals() {
        use Frame::*;
        assert_eq!(
            frames(&[b"a NOOP\r", b"\nb NOOP\r\n"]),
            [Command(b"a NOOP\r\n".into()), Command(b"b NOOP\r\n".into())]
        );
        assert_eq!(
            frames(&[b"a LOGIN {1}\r\n", b"u {2+}\r\npw\r\n"]),
            [Continue, Command(b"a LOGIN {1}\r\nu {2+}\r\npw\r\n".into())]
        );
        assert!(matches!(frames(&[b"a NOOP\nb NOOP\r\n"])[..], [Bad(_), Command(_)]));
        assert!(matches!(frames(&[b"a \0\r\n"])[..], [Bad(_)]));
        assert!(matches!(frames(&[&[b'x'; 65]])[..], [Fatal(_)]));
        assert!(matches!(frames(&[b"a LOGIN {99}\r\n"])[..], [Bad(_)]));
        assert!(matches!(frames(&[b"a LOGIN {99+}\r\n"])[..], [Fatal(_)]));
        assert!(matches!(frames(&[b"a X {99999999999999999999}\r\n"])[..], [Command(_)]));
    }

    #[test]
    fn messages_come_in_pieces() {
        use Frame::*;
        let got = frames(&[b"a APPEND x {5}\r\n", b"he", b"llo\r\n", b"b NOOP\r\n"]);
        let head = b"a APPEND x {0+}\r\n\r\n".to_vec();
        assert_eq!(
            got,
            [
                Message { head, size: 5, waits: true },
                Data(b"he".into()),
                Data(b"llo".into()),
                MessageEnd,
                Command(b"b NOOP\r\n".into())
            ]
        );
        assert!(matches!(frames(&[b"a APPEND x {1}\r\nxyz"])[..], [Message { .. }, Data(_), Fatal(_)]));
        assert!(matches!(frames(&[b"a APPEND x {9999+}\r\n"])[..], [Fatal(_)]));
        // RFC 6855 §4: the parenthesis belongs to the command, not to the message.
        let got = frames(&[b"a APPEND x utf8 (~{2+}\r\nhe", b")\r", b"\nb NOOP\r\n"]);
        assert!(matches!(got[..], [Message { size: 2, .. }, Data(_), MessageEnd, Command(_)]), "{got:?}");
        assert!(matches!(
            frames(&[b"a APPEND x UTF8 (~{1}\r\nx\r\n "])[..],
            [Message { .. }, Data(_), Fatal(_)]
        ));
    }
}
