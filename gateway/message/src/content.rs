//! From stored bytes to the content that a person downloads.
//!
//! **Exposure.** Reads strangers' encodings and forgives them: what is no quoted-printable stays as it
//! is, what is no base64 is left out (RFC 2045 §6.7 note 5 and §6.8 let decoders choose).
//! **Memory.** Holds back at most [`MAX_BLANKS`] bytes.

use crate::structure::Coding;
use base64_simd::STANDARD;
use memchr::memchr3;

/// Spaces before a line end that may still turn out to be padding; a longer run is content.
const MAX_BLANKS: usize = 998;

/// Streaming decoder for one stored part.
#[derive(Debug)]
pub struct ContentDecoder(Kind);

#[derive(Debug)]
enum Kind {
    Identity,
    Quoted(QuotedDecoder),
    /// So many bytes of content, then text.
    Base64 {
        plain: u64,
        tail: Option<LenientBase64>,
    },
}

impl ContentDecoder {
    /// For a part stored with `coding`.
    pub fn new(coding: Coding) -> Self {
        Self(match coding {
            Coding::Identity => Kind::Identity,
            Coding::QpRaw => Kind::Quoted(QuotedDecoder::default()),
            Coding::Base64Tail { decoded, tail } => {
                Kind::Base64 { plain: decoded, tail: tail.then(LenientBase64::default) }
            }
        })
    }
    /// Takes the next stored bytes, appends content to `out`.
    pub fn push(&mut self, stored: &[u8], out: &mut Vec<u8>) {
        match &mut self.0 {
            Kind::Identity => out.extend_from_slice(stored),
            Kind::Quoted(quoted) => quoted.push(stored, out),
            Kind::Base64 { plain, tail } => {
                let n = usize::try_from(*plain).unwrap_or(usize::MAX).min(stored.len());
                *plain -= n as u64;
                out.extend_from_slice(&stored[..n]);
                if let Some(tail) = tail {
                    tail.push(&stored[n..], out);
                }
            }
        }
    }
    /// Appends what was held back.
    pub fn finish(self, out: &mut Vec<u8>) {
        match self.0 {
            Kind::Quoted(quoted) => quoted.finish(out),
            Kind::Base64 { tail: Some(tail), .. } => tail.finish(out),
            _ => {}
        }
    }
}

/// Quoted-printable (RFC 2045 §6.7), bytes in any pieces.
#[derive(Debug, Default)]
pub(crate) struct QuotedDecoder {
    /// What may be an escape, a soft line break or trailing blanks.
    held: Vec<u8>,
}

impl QuotedDecoder {
    pub(crate) fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) {
        while !input.is_empty() {
            if self.held.is_empty() {
                let plain = memchr3(b'=', b' ', b'\t', input).unwrap_or(input.len());
                out.extend_from_slice(&input[..plain]);
                input = &input[plain..];
            }
            let Some((&byte, rest)) = input.split_first() else { return };
            input = rest;
            self.step(byte, out);
        }
    }

    fn step(&mut self, byte: u8, out: &mut Vec<u8>) {
        match (self.held.as_slice(), byte) {
            ([], b'=' | b' ' | b'\t') => self.held.push(byte),
            ([], _) => out.push(byte),
            ([b'='], b) if b.is_ascii_hexdigit() => self.held.push(b),
            ([b'=', high], b) if high.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                out.push(hex(*high) << 4 | hex(b));
                self.held.clear();
            }
            // A soft line break; blanks may stand before its end (rule 3).
            ([b'=', blanks @ ..], b) if blanks.iter().all(|b| is_blank(*b)) && is_space(b) => {
                self.soft(b, out)
            }
            ([b'=', .., b'\r'], b'\n') => self.held.clear(),
            ([b'=', ..], b) => self.give_back(b, out),
            // Blanks at the end of a line were added on the way and are no content (rule 3).
            ([.., b'\r'], b'\n') => {
                out.extend_from_slice(b"\r\n");
                self.held.clear();
            }
            ([.., b'\r'], b) => self.give_back(b, out),
            (_, b' ' | b'\t') if self.held.len() < MAX_BLANKS => self.held.push(byte),
            (_, b'\r') => self.held.push(byte),
            (_, b'\n') => {
                out.push(b'\n');
                self.held.clear();
            }
            (_, b) => self.give_back(b, out),
        }
    }

    fn soft(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            b'\n' => self.held.clear(),
            _ if self.held.len() < MAX_BLANKS => self.held.push(byte),
            _ => self.give_back(byte, out),
        }
    }

    /// What was held is content after all; `byte` is looked at afresh.
    fn give_back(&mut self, byte: u8, out: &mut Vec<u8>) {
        out.append(&mut self.held);
        self.step(byte, out);
    }

    pub(crate) fn finish(self, out: &mut Vec<u8>) {
        match self.held.as_slice() {
            // A soft break or blanks at the very end.
            [b'='] | [b'=', b'\r'] => {}
            held if held.iter().all(|b| is_blank(*b)) => {}
            held => out.extend_from_slice(held),
        }
    }
}

fn is_blank(b: u8) -> bool {
    b == b' ' || b == b'\t'
}
fn is_space(b: u8) -> bool {
    is_blank(b) || b == b'\r' || b == b'\n'
}
fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

/// Base64 as mail clients read it: foreign characters are skipped, padding ends the data.
#[derive(Debug, Default)]
pub(crate) struct LenientBase64 {
    group: Vec<u8>,
    ended: bool,
}

impl LenientBase64 {
    pub(crate) fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        for &byte in input {
            if self.ended {
                return;
            }
            if byte == b'=' && !self.group.is_empty() {
                self.ended = true;
            } else if crate::walk::is_base64(byte) {
                self.group.push(byte);
                if self.group.len() == 1024 {
                    self.flush(out);
                }
            }
        }
    }
    fn flush(&mut self, out: &mut Vec<u8>) {
        // Letters of the alphabet in whole groups always decode.
        let _ = STANDARD.decode_append(&self.group[..], out);
        self.group.clear();
    }
    pub(crate) fn finish(mut self, out: &mut Vec<u8>) {
        let rest = self.group.split_off(self.group.len() - self.group.len() % 4);
        self.flush(out);
        let value = |b: u8| match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        // Two characters give one byte, three give two; bits left over are dropped.
        if let [a, b, ..] = rest[..] {
            out.push(value(a) << 2 | value(b) >> 4);
        }
        if let [_, b, c] = rest[..] {
            out.push(value(b) << 4 | value(c) >> 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(coding: Coding, stored: &[u8], step: usize) -> Vec<u8> {
        let (mut decoder, mut out) = (ContentDecoder::new(coding), Vec::new());
        stored.chunks(step).for_each(|piece| decoder.push(piece, &mut out));
        decoder.finish(&mut out);
        out
    }

    #[test]
    fn quoted_printable() {
        for (raw, content) in [
            ("caf=C3=A9=20\r\n", "café \r\n"),
            ("soft=\r\nline=  \r\nend =\nx", "softlineend x"),
            ("blanks   \r\nkept inside\r\n", "blanks\r\nkept inside\r\n"),
            ("bad =ZZ =4 =", "bad =ZZ =4 "),
            ("=e9=E9", "\u{fffd}"),
            ("a \r b", "a \r b"),
            ("x=\r", "x"),
            ("= y", "= y"),
            ("==41", "=A"),
            ("tab\t\n", "tab\n"),
        ] {
            for step in 1..8 {
                let got = decode(Coding::QpRaw, raw.as_bytes(), step);
                if raw == "=e9=E9" {
                    assert_eq!(got, [0xe9, 0xe9]);
                } else {
                    assert_eq!(String::from_utf8(got).unwrap(), content, "{raw:?} by {step}");
                }
            }
        }
    }

    #[test]
    fn base64_tails() {
        let coding = Coding::Base64Tail { decoded: 3, tail: true };
        for (stored, content) in
            [("abcZGVm", "abcdef"), ("abcZ-G!V\r\nm", "abcdef"), ("abcZA", "abcd"), ("abcZGU=ZGVm", "abcde")]
        {
            for step in 1..5 {
                assert_eq!(decode(coding, stored.as_bytes(), step), content.as_bytes());
            }
        }
        let junk = Coding::Base64Tail { decoded: 3, tail: false };
        assert_eq!(decode(junk, b"abc-- \r\nlist footer", 2), b"abc");
        assert_eq!(decode(Coding::Identity, b"=41", 1), b"=41");
    }
}
