//! Replies: three digits, an enhanced code and text for a person (RFC 5321 §4.2, RFC 2034).
//!
//! **Exposure.** [`ReplyParser`] reads a remote server's lines, bounded in length and number. Text that
//! goes out is stripped of control characters, so that nothing quoted from outside can forge a line.

use bytes::BytesMut;
use std::fmt;

/// Longest reply line read from a remote. RFC 5321 §4.5.3.1.5 asks for 512; long policy texts exist.
const MAX_LINE: usize = 4096;
/// Most lines of one reply.
const MAX_LINES: usize = 256;

/// An enhanced status code, `class.subject.detail` (RFC 3463).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enhanced(pub u8, pub u16, pub u16);

impl fmt::Display for Enhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// A whole reply, ours or a remote's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The three digits.
    pub code: u16,
    /// The enhanced code, where there is one.
    pub enhanced: Option<Enhanced>,
    /// Text, lines joined by LF, without codes.
    pub text: String,
}

impl Reply {
    /// A reply with an enhanced code, whose class is the code's first digit.
    pub fn new(code: u16, subject: u16, detail: u16, text: impl Into<String>) -> Self {
        let class = (code / 100) as u8;
        Self { code, enhanced: Some(Enhanced(class, subject, detail)), text: text.into() }
    }
    /// A reply without an enhanced code: greetings, EHLO, 334 and 354 (RFC 2034 §4).
    pub fn bare(code: u16, text: impl Into<String>) -> Self {
        Self { code, enhanced: None, text: text.into() }
    }
    /// 2yz.
    pub fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }
    /// 4yz.
    pub fn is_temporary(&self) -> bool {
        self.code / 100 == 4
    }
    /// 5yz.
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }
    /// Writes the reply's lines. `utf8` says whether the client has announced SMTPUTF8 (RFC 6531
    /// §3.7.4.2); without it letters lose their accents.
    pub fn write(&self, out: &mut BytesMut, utf8: bool) {
        use std::fmt::Write;
        let count = self.text.split('\n').count();
        for (n, line) in self.text.split('\n').enumerate() {
            let separator = if n + 1 == count { ' ' } else { '-' };
            // Writing to memory cannot fail.
            let _ = write!(out, "{}{separator}", self.code);
            if let Some(enhanced) = self.enhanced {
                let _ = write!(out, "{enhanced} ");
            }
            out.extend_from_slice(crate::text::printable(line, utf8).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

impl fmt::Display for Reply {
    /// One line, for logs and evidence: `550 5.1.1 no such user`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(enhanced) = self.enhanced {
            write!(f, " {enhanced}")?;
        }
        for line in self.text.split('\n') {
            write!(f, " {}", crate::text::printable(line, true))?;
        }
        Ok(())
    }
}

/// Why a remote's bytes are no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// A line longer than we read.
    #[error("the server sent a reply line that is too long")]
    LineTooLong,
    /// More lines than we read.
    #[error("the server sent a reply with too many lines")]
    TooManyLines,
    /// Not `ddd text`, or lines that disagree about the code.
    #[error("the server sent something that is no SMTP reply")]
    Malformed,
}

/// Collects the lines of one reply (RFC 5321 §4.2.1).
#[derive(Debug, Default)]
pub struct ReplyParser {
    code: Option<u16>,
    enhanced: Option<Enhanced>,
    lines: Vec<String>,
}

impl ReplyParser {
    /// Takes lines from `input` until a reply is whole; `None` when more input is needed.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Reply>, ReplyError> {
        loop {
            let Some(end) = memchr::memchr(b'\n', input) else {
                return if input.len() > MAX_LINE { Err(ReplyError::LineTooLong) } else { Ok(None) };
            };
            if end > MAX_LINE {
                return Err(ReplyError::LineTooLong);
            }
            let line = input.split_to(end + 1);
            let line = line.strip_suffix(b"\r\n").ok_or(ReplyError::Malformed)?;
            if let Some(reply) = self.line(line)? {
                return Ok(Some(reply));
            }
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<Option<Reply>, ReplyError> {
        let (digits, rest) = line.split_at_checked(3).ok_or(ReplyError::Malformed)?;
        let valid = matches!(digits, [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9']);
        if !valid {
            return Err(ReplyError::Malformed);
        }
        let code = digits.iter().fold(0u16, |n, d| n * 10 + u16::from(d - b'0'));
        if self.code.is_some_and(|c| c != code) {
            return Err(ReplyError::Malformed);
        }
        let (last, text) = match rest {
            [] => (true, &[][..]),
            [b' ', text @ ..] => (true, text),
            [b'-', text @ ..] => (false, text),
            _ => return Err(ReplyError::Malformed),
        };
        if self.lines.len() == MAX_LINES {
            return Err(ReplyError::TooManyLines);
        }
        let text = String::from_utf8_lossy(text);
        let (enhanced, text) = split_enhanced(code, &text);
        self.code = Some(code);
        self.enhanced = self.enhanced.or(enhanced);
        self.lines.push(text.to_owned());
        if !last {
            return Ok(None);
        }
        let done = std::mem::take(self);
        Ok(Some(Reply { code, enhanced: done.enhanced, text: done.lines.join("\n") }))
    }
}

/// Takes a leading `x.y.z` off when its class agrees with the code (RFC 2034 §4).
fn split_enhanced(code: u16, text: &str) -> (Option<Enhanced>, &str) {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let mut numbers = word.split('.').map(|n| {
        let plain = (1..=3).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit());
        if plain { n.parse::<u16>().ok() } else { None }
    });
    match (numbers.next().flatten(), numbers.next().flatten(), numbers.next().flatten(), numbers.next()) {
        (Some(class), Some(subject), Some(detail), None) if class == code / 100 => {
            (Some(Enhanced(class as u8, subject, detail)), rest)
        }
        _ => (None, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &[u8]) -> Result<Option<Reply>, ReplyError> {
        ReplyParser::default().next(&mut BytesMut::from(text))
    }

    #[test]
    fn replies_are_read() {
        for (wire, want) in [
            (&b"250 2.1.0 Ok\r\n"[..], "250 2.1.0 Ok"),
            (b"250\r\n", "250 "),
            (b"550-5.1.1 no\r\n550 5.1.1 such user\r\n", "550 5.1.1 no such user"),
            (b"250-mx.example\r\n250-SIZE 10\r\n250 DSN\r\n", "250 mx.example SIZE 10 DSN"),
            (b"450 5.1.1 the class disagrees\r\n", "450 5.1.1 the class disagrees"),
            (b"221 \xff\r\n", "221 \u{fffd}"),
        ] {
            assert_eq!(parse(wire).unwrap().unwrap().to_string(), want);
        }
        assert_eq!(parse(b"450 5.1.1 x\r\n").unwrap().unwrap().enhanced, None);
        assert_eq!(parse(b"250-a\r\n250").unwrap(), None);
    }

    #[test]
    fn non_replies_are_refused() {
        for wire in [
            &b"hello\r\n"[..],
            b"25 x\r\n",
            b"199 x\r\n",
            b"600 x\r\n",
            b"250_x\r\n",
            b"250-a\r\n251 b\r\n",
            b"250 x\n",
        ] {
            assert_eq!(parse(wire), Err(ReplyError::Malformed), "{wire:?}");
        }
        assert_eq!(parse(&[b'2'; 5000]), Err(ReplyError::LineTooLong));
        assert_eq!(parse(&b"250-x\r\n".repeat(300)), Err(ReplyError::TooManyLines));
    }

    #[test]
    fn text_cannot_forge_lines() {
        let mut out = BytesMut::new();
        Reply::new(550, 7, 1, "règle « é »\r\u{7} ok\nsecond").write(&mut out, false);
        assert_eq!(&out[..], b"550-5.7.1 regle ? e ?   ok\r\n550 5.7.1 second\r\n");
    }
}
