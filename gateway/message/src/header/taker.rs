//! Takes one field out of a message's own header while the message streams by.
//!
//! For what a sender tells us and nobody else, ever: the field is gone before anything is digested, walked or
//! stored. Messages without it pass unchanged, byte for byte.
//!
//! **Exposure.** Reads strangers' bytes: one line at most is held back, and of the field's value no more than
//! [`LONGEST`] octets are kept.

use sealpost_envelope::Secret;
use std::borrow::Cow;
use zeroize::Zeroize;

/// Octets of the field's lines that are kept.
const LONGEST: usize = 4096;
/// A line longer than this is not held back to its end.
const LINE: usize = 1024;

/// See the module.
pub struct FieldTaker {
    /// Name with its colon, lower case.
    name: String,
    line: Vec<u8>,
    at: At,
    taken: Vec<u8>,
    found: bool,
    /// The field being read is the first of its name.
    believed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Within a line that is held back.
    Line,
    /// Within a line too long to be held back; its beginning is through.
    Long,
    /// Within a line of the field, or a continuation of it (RFC 5322 §2.2.3).
    Field,
    /// Behind the header.
    Body,
}

impl FieldTaker {
    /// For the field of this name.
    pub fn new(name: &str) -> Self {
        Self {
            name: format!("{}:", name.to_ascii_lowercase()),
            line: Vec::new(),
            at: At::Line,
            // Room for all that is kept: growing would leave copies behind.
            taken: Vec::with_capacity(LONGEST),
            found: false,
            believed: false,
        }
    }

    /// The next bytes of the message, without the field.
    pub fn push<'b>(&mut self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        if self.at == At::Body {
            return Cow::Borrowed(bytes);
        }
        let mut out = Vec::with_capacity(bytes.len());
        for (i, byte) in bytes.iter().enumerate() {
            self.byte(*byte, &mut out);
            if self.at == At::Body {
                out.extend_from_slice(&bytes[i + 1..]);
                break;
            }
        }
        Cow::Owned(out)
    }

    /// What was held back when the message ended within its header.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.at != At::Body && !self.line.is_empty() {
            self.end_of_line(&mut out);
        }
        self.at = At::Body;
        out
    }

    /// The field's value, unfolded and trimmed; the first where it stands there twice. An empty one is none.
    pub fn value(&self) -> Option<Secret<String>> {
        if !self.found {
            return None;
        }
        let mut text = String::from_utf8_lossy(&self.taken).replace(['\r', '\n'], "");
        let value = text.trim().to_owned();
        text.zeroize();
        (!value.is_empty()).then(|| Secret::new(value))
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.at == At::Long {
            out.push(byte);
            if byte == b'\n' {
                self.at = At::Line;
            }
            return;
        }
        self.line.push(byte);
        if byte == b'\n' {
            self.end_of_line(out);
        } else if self.line.len() > LINE && !self.is_ours() {
            out.append(&mut self.line);
            self.at = At::Long;
        }
    }

    /// Whether the held line belongs to the field.
    fn is_ours(&self) -> bool {
        if matches!(self.line.first(), Some(b' ' | b'\t')) {
            return self.at == At::Field;
        }
        let name = self.name.as_bytes();
        self.line.get(..name.len()).is_some_and(|l| l.eq_ignore_ascii_case(name))
    }

    fn end_of_line(&mut self, out: &mut Vec<u8>) {
        if self.is_ours() {
            let folded = matches!(self.line.first(), Some(b' ' | b'\t'));
            // A second field of the name is taken out too, and not believed.
            if !folded {
                self.believed = !self.found;
            }
            let skip = if folded { 0 } else { self.name.len() };
            if self.believed {
                let room = LONGEST.saturating_sub(self.taken.len());
                self.taken.extend(self.line.iter().skip(skip).take(room));
            }
            self.found = true;
            self.at = At::Field;
            self.line.zeroize();
            return;
        }
        let blank = matches!(self.line.as_slice(), b"\r\n" | b"\n");
        out.append(&mut self.line);
        self.at = if blank { At::Body } else { At::Line };
    }
}

impl Drop for FieldTaker {
    fn drop(&mut self) {
        self.taken.zeroize();
        self.line.zeroize();
    }
}

impl std::fmt::Debug for FieldTaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FieldTaker").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn through(message: &str, piece: usize) -> (String, Option<String>) {
        let mut taker = FieldTaker::new("X-Sealpost-Password");
        let mut out = Vec::new();
        for bytes in message.as_bytes().chunks(piece) {
            out.extend_from_slice(&taker.push(bytes));
        }
        out.extend(taker.rest());
        let value = taker.value().map(|v| v.expose().clone());
        (String::from_utf8(out).unwrap(), value)
    }

    #[test]
    fn the_field_is_gone_and_nothing_else() {
        for (message, left, value) in [
            (
                "A: 1\r\nX-Sealpost-Password: s3cret\r\nB: 2\r\n\r\nbody",
                "A: 1\r\nB: 2\r\n\r\nbody",
                Some("s3cret"),
            ),
            (
                "x-sealPOST-password:\r\n  two words \r\nB: 2\r\n c\r\n\r\n",
                "B: 2\r\n c\r\n\r\n",
                Some("two words"),
            ),
            ("A: 1\r\n\r\nX-Sealpost-Password: body\r\n", "A: 1\r\n\r\nX-Sealpost-Password: body\r\n", None),
            ("X-Sealpost-Passwords: a\r\n\r\n", "X-Sealpost-Passwords: a\r\n\r\n", None),
            ("X-Sealpost-Password: a\r\nX-Sealpost-Password: b\r\n\r\n", "\r\n", Some("a")),
            ("X-Sealpost-Password: \r\n\r\n", "\r\n", None),
            ("X-Sealpost-Password: a", "", Some("a")),
            ("A: 1", "A: 1", None),
            ("", "", None),
        ] {
            for piece in 1..8 {
                let (out, found) = through(message, piece);
                assert_eq!((out.as_str(), found.as_deref()), (left, value), "{message:?} by {piece}");
            }
        }
    }

    #[test]
    fn long_lines_are_not_held_back() {
        let line = format!("A: {}\r\nX-Sealpost-Password: p\r\n\r\n", "x".repeat(5000));
        let (out, value) = through(&line, 100);
        assert_eq!((out.len(), value.as_deref()), (5003 + 2 + 2, Some("p")));
    }

    proptest! {
        #[test]
        fn messages_without_it_pass_unchanged(
            message in "([A-Za-z-]{1,8}: [ -~]{0,20}\r\n( [a-z]{1,5}\r\n)?){0,5}(\r\n[ -~\r\n]{0,50})?",
            piece in 1usize..40,
        ) {
            let (out, value) = through(&message, piece);
            prop_assert_eq!(out, message);
            prop_assert!(value.is_none());
        }
    }
}
