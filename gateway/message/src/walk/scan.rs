//! Finding delimiter lines in a body that arrives in any pieces (RFC 2046 §5.1.1).
//!
//! The line end before a delimiter belongs to the delimiter, so a line end is held until what follows it
//! is known not to be one. Regular data is crossed by one substring search, not line by line.

use crate::header::MAX_BOUNDARY;
use memchr::{memchr, memmem};

/// Longest line that can be a delimiter: dashes, boundary, dashes, some padding blanks, line end.
const MAX_LINE: usize = MAX_BOUNDARY + 256;

/// Held bytes: a line end, and the beginning of a line that may be a delimiter.
#[derive(Debug)]
pub(super) struct Scan {
    finder: memmem::Finder<'static>,
    eol: Vec<u8>,
    line: Vec<u8>,
    /// `line` begins at the start of a line.
    at_start: bool,
}

/// What the next bytes are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// `held` came before; then so many bytes of the input. All of it is body.
    Body { held: Vec<u8>, len: usize },
    /// A whole line that begins with two dashes was gathered: ask for a verdict with [`Scan::candidate`].
    Candidate,
    /// The input is used up.
    More,
}

impl Default for Scan {
    fn default() -> Self {
        Self { finder: memmem::Finder::new(b"\n--"), eol: Vec::new(), line: Vec::new(), at_start: true }
    }
}

impl Scan {
    /// A body begins, at the start of a line.
    pub(super) fn restart(&mut self) {
        self.eol.clear();
        self.line.clear();
        self.at_start = true;
    }

    /// Looks at the input; takes off what it held or gave.
    pub(super) fn next(&mut self, input: &mut &[u8]) -> Found {
        loop {
            let Some(&byte) = input.first() else { return Found::More };
            if self.at_start {
                if self.line.len() < 2 {
                    if byte != b'-' {
                        return self.release();
                    }
                    self.line.push(byte);
                    *input = &input[1..];
                    continue;
                }
                return self.gather(input);
            }
            if self.eol == b"\r" {
                if byte != b'\n' {
                    return self.release();
                }
                self.eol.push(byte);
                self.at_start = true;
                *input = &input[1..];
                continue;
            }
            return self.search(input);
        }
    }

    /// The rest of a line that begins with two dashes.
    fn gather(&mut self, input: &mut &[u8]) -> Found {
        let window = &input[..input.len().min(MAX_LINE - self.line.len())];
        if let Some(i) = memchr(b'\n', window) {
            self.line.extend_from_slice(&window[..=i]);
            *input = &input[i + 1..];
            return Found::Candidate;
        }
        self.line.extend_from_slice(window);
        *input = &input[window.len()..];
        if self.line.len() < MAX_LINE { Found::More } else { self.release() }
    }

    /// Crosses data to the next line that begins with two dashes, or to a line end that may precede one.
    fn search(&mut self, input: &mut &[u8]) -> Found {
        let data = *input;
        let newline = self.finder.find(data).or(match data {
            [.., b'\n'] => Some(data.len() - 1),
            [.., b'\n', b'-'] => Some(data.len() - 2),
            _ => None,
        });
        let (body, after) = match newline {
            Some(at) if at > 0 && data[at - 1] == b'\r' => (at - 1, at + 1),
            Some(at) => (at, at + 1),
            None if data.last() == Some(&b'\r') => (data.len() - 1, data.len()),
            None => (data.len(), data.len()),
        };
        self.eol.extend_from_slice(&data[body..after]);
        self.at_start = newline.is_some();
        *input = &data[after..];
        Found::Body { held: Vec::new(), len: body }
    }

    /// What was held is body; a carriage return at its end may still belong to a line end.
    fn release(&mut self) -> Found {
        let mut held = std::mem::take(&mut self.eol);
        held.append(&mut self.line);
        if self.at_start && held.last() == Some(&b'\r') {
            held.pop();
            self.eol.push(b'\r');
        }
        self.at_start = false;
        Found::Body { held, len: 0 }
    }

    /// The gathered line, line end included when it has one.
    pub(super) fn candidate(&self) -> &[u8] {
        &self.line
    }

    /// The line is a delimiter: gives the line end before it, and the line.
    pub(super) fn accept(&mut self) -> (Vec<u8>, Vec<u8>) {
        (std::mem::take(&mut self.eol), std::mem::take(&mut self.line))
    }

    /// The line is none: gives body bytes; its line end is held in turn.
    pub(super) fn refuse(&mut self) -> Vec<u8> {
        let mut body = std::mem::take(&mut self.eol);
        let mut line = std::mem::take(&mut self.line);
        self.eol = line.split_off(without_eol(&line).len());
        body.append(&mut line);
        self.at_start = true;
        body
    }

    /// The body ends: all that is held.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        let mut held = std::mem::take(&mut self.eol);
        held.append(&mut self.line);
        held
    }
}

/// The line without CRLF or LF.
pub(super) fn without_eol(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Whether the line delimits parts of `boundary`; `Some(true)` when it closes them.
pub(super) fn delimits(line: &[u8], boundary: &[u8]) -> Option<bool> {
    // RFC 2046 §5.1.1: blanks may follow (transport-padding).
    match line.strip_prefix(b"--")?.strip_prefix(boundary)?.trim_ascii_end() {
        b"" => Some(false),
        b"--" => Some(true),
        _ => None,
    }
}
