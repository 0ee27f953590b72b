//! Where the parts of a message begin and end, found in one pass and constant memory.
//!
//! Bytes go in by [`Scanner::push`]; [`Scanner::finish`] gives the [`Structure`]: byte ranges, MIME fields
//! and line counts of each part. A delivery can compute it while the message is being written.

use crate::{envelope, header};
use header::Parametrised;
use serde::{Deserialize, Serialize};

/// A stranger can nest parts as deep as bytes allow; nobody reads that.
const MAX_DEPTH: usize = 50;
/// Parts of one message.
const MAX_PARTS: usize = 10_000;
/// Header bytes of one part that are looked at.
const MAX_HEADER: usize = 64 * 1024;
/// Bytes kept of a line to compare with boundaries: `--`, 70 characters (RFC 2046 §5.1.1), `--`, and room.
const MAX_LINE: usize = 256;
/// Changes whenever the stored form does.
const VERSION: u8 = 1;

/// The parts of a message. Part 0 is the message itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Structure {
    version: u8,
    pub(crate) parts: Vec<Part>,
}

/// What a part holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Kind {
    #[default]
    Leaf,
    Multipart,
    /// One child: the message within.
    Message,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub kind: Kind,
    /// First byte, and the byte after the last.
    pub header: (u64, u64),
    pub body: (u64, u64),
    pub lines: u64,
    /// `text/plain`, lower case.
    pub media: String,
    pub params: Vec<(String, String)>,
    pub id: Option<String>,
    pub description: Option<String>,
    pub encoding: String,
    pub md5: Option<String>,
    pub disposition: Option<(String, Vec<(String, String)>)>,
    pub language: Option<String>,
    pub location: Option<String>,
    pub children: Vec<usize>,
    /// ENVELOPE of the message within, ready to send.
    pub envelope: Option<String>,
}

impl Structure {
    /// For the store.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
    /// From the store; `None` for another version: compute it anew.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let read: Self = serde_json::from_slice(bytes).ok()?;
        let sound = read.version == VERSION
            && !read.parts.is_empty()
            && read
                .parts
                .iter()
                .enumerate()
                .all(|(n, p)| p.children.iter().all(|c| *c > n && *c < read.parts.len()));
        sound.then_some(read)
    }
    /// The part of this number path (RFC 3501 §6.4.5).
    pub(crate) fn find(&self, path: &[u32]) -> Option<&Part> {
        let mut part = self.parts.first()?;
        for (depth, number) in path.iter().enumerate() {
            let within = if part.kind == Kind::Message && depth > 0 { self.child(part, 1)? } else { part };
            part = match within.kind {
                Kind::Multipart => self.child(within, *number)?,
                // What is not multipart is its own part 1, but a part has no part 1 of itself.
                _ if *number == 1 && (depth == 0 || !std::ptr::eq(within, part)) => within,
                _ => return None,
            };
        }
        Some(part)
    }
    /// The message within a part of type message/rfc822.
    pub(crate) fn inner(&self, part: &Part) -> Option<&Part> {
        if part.kind == Kind::Message { self.child(part, 1) } else { None }
    }
    fn child(&self, part: &Part, number: u32) -> Option<&Part> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.parts.get(*part.children.get(index)?)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    Header,
    Body,
}

/// A part that has not ended.
#[derive(Debug)]
struct Open {
    part: usize,
    at: Where,
    boundary: Option<Vec<u8>>,
    first_line: u64,
}

/// Finds the structure of a message while its bytes go by.
#[derive(Debug)]
pub struct Scanner {
    parts: Vec<Part>,
    open: Vec<Open>,
    header: Vec<u8>,
    line: Vec<u8>,
    line_start: u64,
    offset: u64,
    lines: u64,
    /// The line before was empty: before a boundary it is the boundary's own line end, and no line.
    blank: bool,
    /// Length of the line end before the current line: it belongs to a boundary that follows.
    last_end: u64,
    last_byte: u8,
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

impl Scanner {
    /// Starts at the first byte of a message.
    pub fn new() -> Self {
        let mut scanner = Self {
            parts: Vec::new(),
            open: Vec::new(),
            header: Vec::new(),
            line: Vec::with_capacity(MAX_LINE),
            line_start: 0,
            offset: 0,
            lines: 0,
            blank: false,
            last_end: 0,
            last_byte: 0,
        };
        scanner.begin(None, 0);
        scanner
    }

    /// Takes the next bytes.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let end = memchr::memchr(b'\n', bytes);
            let take = end.map_or(bytes.len(), |n| n + 1);
            let (now, rest) = bytes.split_at(take);
            bytes = rest;
            let limit = if self.in_header() { MAX_HEADER } else { MAX_LINE };
            let room = limit.saturating_sub(self.line.len());
            self.line.extend_from_slice(&now[..now.len().min(room)]);
            self.offset += now.len() as u64;
            if end.is_some() {
                let before = now.len().checked_sub(2).map_or(self.last_byte, |n| now[n]);
                self.end_line();
                self.last_end = if before == b'\r' { 2 } else { 1 };
            }
            self.last_byte = now[now.len() - 1];
        }
    }

    /// The message is complete.
    pub fn finish(mut self) -> Structure {
        if self.offset > self.line_start {
            self.end_line();
        }
        let end = self.offset;
        self.close_down_to(0, end);
        Structure { version: VERSION, parts: self.parts }
    }

    fn in_header(&self) -> bool {
        self.open.last().is_some_and(|o| o.at == Where::Header)
    }

    fn begin(&mut self, parent: Option<usize>, at: u64) {
        let part = self.parts.len();
        self.parts.push(Part { header: (at, at), body: (at, at), ..Part::default() });
        if let Some(parent) = parent {
            self.parts[parent].children.push(part);
        }
        self.header.clear();
        self.open.push(Open { part, at: Where::Header, boundary: None, first_line: 0 });
    }

    fn end_line(&mut self) {
        let start = std::mem::replace(&mut self.line_start, self.offset);
        let mut line = std::mem::take(&mut self.line);
        match self.boundary(&line) {
            Some((depth, last)) => {
                self.lines -= u64::from(self.blank);
                self.close_down_to(depth + 1, start.saturating_sub(self.last_end));
                self.lines += 1 + u64::from(self.blank);
                self.blank = false;
                let parent = self.open[depth].part;
                if last || self.parts.len() >= MAX_PARTS {
                    // An epilogue follows; nothing in it is a part.
                    self.open[depth].boundary = None;
                } else {
                    self.begin(Some(parent), self.offset);
                }
            }
            None => {
                self.lines += 1;
                self.blank = matches!(line.as_slice(), b"\r\n" | b"\n");
                if self.in_header() {
                    if matches!(line.as_slice(), b"\r\n" | b"\n") {
                        self.end_header();
                    } else if self.header.len() + line.len() <= MAX_HEADER {
                        self.header.extend_from_slice(&line);
                    }
                }
            }
        }
        line.clear();
        self.line = line;
    }

    /// The open multipart whose boundary this line is, and whether it is its last.
    fn boundary(&self, line: &[u8]) -> Option<(usize, bool)> {
        let text = line.strip_prefix(b"--")?.trim_ascii_end();
        self.open.iter().enumerate().rev().find_map(|(depth, open)| {
            let rest = text.strip_prefix(open.boundary.as_deref()?)?;
            match rest {
                b"" => Some((depth, false)),
                b"--" => Some((depth, true)),
                _ => None,
            }
        })
    }

    fn end_header(&mut self) {
        let at = self.offset;
        let (part, boundary) = self.read_header(at);
        let depth = self.open.len();
        let lines = self.lines;
        let Some(open) = self.open.last_mut() else { return };
        open.at = Where::Body;
        open.first_line = lines;
        if depth > MAX_DEPTH || self.parts.len() >= MAX_PARTS {
            return;
        }
        let encoded = matches!(self.parts[part].encoding.as_str(), "base64" | "quoted-printable");
        if boundary.is_some() {
            self.parts[part].kind = Kind::Multipart;
            open.boundary = boundary;
        } else if matches!(self.parts[part].media.as_str(), "message/rfc822" | "message/global") && !encoded {
            self.parts[part].kind = Kind::Message;
            self.begin(Some(part), at);
        }
    }

    /// Reads the collected header of the innermost part, which ends at `at`.
    fn read_header(&mut self, at: u64) -> (usize, Option<Vec<u8>>) {
        let number = self.open.last().map_or(0, |o| o.part);
        let block = std::mem::take(&mut self.header);
        let text = |name| header::first(&block, name).map(|v| String::from_utf8_lossy(&v).into_owned());
        let within = self.open.len().checked_sub(2).map(|n| &self.parts[self.open[n].part]);
        let in_digest = within.is_some_and(|p| p.media == "multipart/digest");
        let in_message = within.is_some_and(|p| p.kind == Kind::Message);
        let content =
            header::first(&block, "content-type").map(|v| header::parametrised(&v)).unwrap_or_default();
        let boundary = content.param("boundary").filter(|b| !b.is_empty()).map(str::to_owned);
        let Parametrised { value, params } = content;
        let media = match value.split_once('/') {
            Some((a, b)) if !a.is_empty() && !b.is_empty() => value,
            // RFC 2046 §5.1.5.
            _ if in_digest => "message/rfc822".to_owned(),
            _ => "text/plain".to_owned(),
        };
        let boundary = boundary.filter(|_| media.starts_with("multipart/")).map(String::into_bytes);
        let part = &mut self.parts[number];
        part.header.1 = at;
        part.body = (at, at);
        part.encoding = text("content-transfer-encoding").unwrap_or_default().to_ascii_lowercase();
        part.id = text("content-id");
        part.description = text("content-description");
        part.md5 = text("content-md5");
        part.language = text("content-language");
        part.location = text("content-location");
        part.disposition = header::first(&block, "content-disposition").map(|v| {
            let p = header::parametrised(&v);
            (p.value, p.params)
        });
        part.media = media;
        part.params = params;
        if in_message {
            let clean = String::from_utf8_lossy(&block);
            let mut out = Vec::new();
            envelope::write(&mut out, clean.as_bytes());
            self.parts[number].envelope = String::from_utf8(out).ok();
        }
        (number, boundary)
    }

    /// Ends all parts but the `keep` outermost at byte `end`.
    fn close_down_to(&mut self, keep: usize, end: u64) {
        while self.open.len() > keep {
            if self.in_header() {
                let at = end.max(self.parts[self.open[self.open.len() - 1].part].header.0);
                self.read_header(at);
            }
            let Some(open) = self.open.pop() else { return };
            let part = &mut self.parts[open.part];
            part.body.1 = end.max(part.body.0);
            part.lines =
                if part.body.1 > part.body.0 { self.lines.saturating_sub(open.first_line) } else { 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(message: &[u8], chunk: usize) -> Structure {
        let mut scanner = Scanner::new();
        message.chunks(chunk).for_each(|c| scanner.push(c));
        scanner.finish()
    }

    const NESTED: &[u8] = b"Content-Type: multipart/mixed; boundary=o\r\n\r\npreamble\r\n--o\r\n\r\nplain\r\n--o\r\n\
        Content-Type: message/rfc822\r\n\r\nSubject: in\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n\
        --i\r\nContent-Type: text/html\r\n\r\n<p>\r\n--i--\r\nepilogue\r\n--o\r\nContent-Type: image/png\r\n\
        Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--o--\r\n";

    #[test]
    fn parts_and_numbers() {
        for chunk in [1, 2, 7, 1000] {
            let s = scan(NESTED, chunk);
            let text = |path: &[u32]| {
                let (from, to) = s.find(path).unwrap().body;
                std::str::from_utf8(&NESTED[from as usize..to as usize]).unwrap()
            };
            assert_eq!(text(&[1]), "plain");
            assert!(text(&[2]).starts_with("Subject: in") && text(&[2]).ends_with("epilogue"));
            assert_eq!(text(&[2, 1]), "<p>");
            assert_eq!(text(&[3]), "AAAA");
            for none in [&[4][..], &[1, 1], &[2, 2], &[2, 1, 1], &[0]] {
                assert!(s.find(none).is_none(), "{none:?}");
            }
            assert_eq!(Structure::from_bytes(&s.to_bytes()), Some(s));
        }
    }

    #[test]
    fn one_part() {
        let s = scan(b"Subject: x\r\n\r\na\r\nb\r\n", 3);
        let part = s.find(&[1]).unwrap();
        assert_eq!((part.body, part.lines, part.media.as_str()), ((14, 20), 2, "text/plain"));
        assert!(s.find(&[2]).is_none() && s.find(&[1, 1]).is_none());
        // The line end before a boundary is the boundary's.
        for (body, lines) in [("a", 1), ("a\r\n", 1), ("a\r\n\r\n", 2), ("", 0)] {
            let text =
                format!("Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\r\n{body}\r\n--o--\r\n");
            assert_eq!(scan(text.as_bytes(), 5).find(&[1]).unwrap().lines, lines, "{body:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn anything_has_a_structure(
            lines in proptest::collection::vec(proptest::sample::select(vec![
                "--o", "--o--", "--i", "", "x", "Content-Type: multipart/mixed; boundary=o",
                "Content-Type: multipart/digest; boundary=i", "Content-Type: message/rfc822",
            ]), 0..60),
            chunk in 1usize..50,
        ) {
            let message = lines.join("\r\n").into_bytes();
            let s = scan(&message, chunk);
            proptest::prop_assert_eq!(&s, &scan(&message, 7));
            for part in &s.parts {
                proptest::prop_assert!(part.header.0 <= part.header.1 && part.header.1 <= part.body.0);
                proptest::prop_assert!(part.body.0 <= part.body.1 && part.body.1 <= message.len() as u64);
            }
        }
    }
}
