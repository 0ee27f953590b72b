//! The streaming MIME walk: message bytes in, skeleton and stored parts out.
//!
//! **Job.** A push parser over the nesting of multiparts. Header blocks and short texts go into the
//! skeleton, decoded attachments become parts, boundary lines and all else between parts stay as they are;
//! what it gives suffices to rebuild the message byte for byte ([`crate::rebuild`]).
//!
//! **Exposure.** Any bytes. A missing, repeated or nested boundary, a lying encoding, a header without
//! end: all have a reading that loses nothing. Only [`Limits`] refuse.
//!
//! **Memory.** One header block, one short text, one delimiter line, one stage of decoded data, and the
//! tree; all bounded by the limits. Attached messages are kept whole and not walked.
//!
//! **Standards.** RFC 2046 §5.1 (delimiters; an outer one ends inner multiparts), RFC 5322 §2.1.

mod base64;
mod cid;
mod leaf;
mod roles;
mod scan;
mod sink;
mod tree;

pub(crate) use base64::is_base64;
pub(crate) use cid::{CidScan, normal_id};
pub(crate) use leaf::decode_text;

use crate::error::MessageError;
use crate::header::is_header_line;
use crate::structure::{PartInfo, Stored, Structure, TopHeaders};
use bytes::Bytes;
use memchr::memchr;
use scan::{Found, Scan, delimits, without_eol};
use sealpost_envelope::PartNo;
use tree::Tree;

/// Bounds of what is accepted and of what is kept in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all header blocks together.
    pub header_bytes: usize,
    /// Multiparts within multiparts.
    pub depth: usize,
    /// Nodes of the tree.
    pub parts: usize,
    /// A text stays in the skeleton up to this many raw bytes.
    pub text_inline: usize,
    /// All texts, fillers and recipes kept in the skeleton together; beyond, they are stored as parts.
    pub skeleton_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 256 << 10,
            depth: 50,
            parts: 10_000,
            text_inline: 64 << 10,
            skeleton_bytes: 2 << 20,
        }
    }
}

/// What the walk yields. For each stored part: start, data, end; pieces of the skeleton come between.
#[derive(Debug, Clone, PartialEq)]
pub enum WalkEvent {
    /// The next bytes of the skeleton; concatenate them all.
    Skeleton(Bytes),
    /// A stored part begins. Its role may still change (an image turns out to be shown by the HTML body);
    /// the [`Structure`] has the last word.
    PartStart {
        /// Number from 1.
        n: PartNo,
        /// Header facts.
        info: PartInfo,
    },
    /// The next bytes to store of the part that last started.
    PartData(Bytes),
    /// The stored part ends.
    PartEnd(Stored),
}

/// Largest record that a limit may lead to, well below what a skeleton's reader takes.
const MAX_KEPT: usize = 8 << 20;
/// A first word this long without a colon is no header.
const MAX_UNDECIDED: usize = 4096;
/// Skeleton bytes gathered before they are given out.
const SKELETON_PIECE: usize = 32 << 10;

#[derive(Debug, PartialEq, Eq)]
enum State {
    Header,
    Body,
}

/// Push parser for one message.
#[derive(Debug)]
pub struct Walker {
    limits: Limits,
    size: u64,
    state: State,
    /// The header block so far, and where its current line begins.
    block: Vec<u8>,
    line: usize,
    headers: usize,
    scan: Scan,
    tree: Tree,
}

impl Walker {
    /// Ready for the first byte.
    pub fn new(limits: Limits) -> Self {
        let limits = Limits {
            header_bytes: limits.header_bytes.min(MAX_KEPT),
            text_inline: limits.text_inline.min(MAX_KEPT),
            ..limits
        };
        let tree = Tree::new(&limits);
        let (block, scan) = (Vec::new(), Scan::default());
        Self { limits, size: 0, state: State::Header, block, line: 0, headers: 0, scan, tree }
    }

    /// Takes the next bytes of the message (after SMTP un-stuffing), in any pieces; appends events.
    ///
    /// After an error the walker is of no further use.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<WalkEvent>) -> Result<(), MessageError> {
        self.size += input.len() as u64;
        let mut rest = input;
        self.take(&mut rest, out)?;
        if self.tree.skeleton.len() >= SKELETON_PIECE {
            out.push(WalkEvent::Skeleton(self.tree.skeleton.take()));
        }
        Ok(())
    }

    /// Facts of the header, once the whole header has been read.
    pub fn top(&self) -> Option<&TopHeaders> {
        self.tree.top.as_ref()
    }

    /// Ends the message; appends the last events.
    pub fn finish(mut self, out: &mut Vec<WalkEvent>) -> Result<Structure, MessageError> {
        if self.state == State::Header && (self.line < self.block.len() || self.tree.is_empty()) {
            self.header_line(out)?;
        }
        // An empty block after the last delimiter line is no part.
        if self.state == State::Header && (!self.block.is_empty() || self.tree.is_empty()) {
            self.end_headers(out)?;
        }
        if self.state == State::Body {
            self.end_body(out)?;
        }
        self.tree.skeleton.end(self.size);
        out.push(WalkEvent::Skeleton(self.tree.skeleton.take()));
        Ok(self.tree.into_structure(self.size))
    }

    fn take(&mut self, input: &mut &[u8], out: &mut Vec<WalkEvent>) -> Result<(), MessageError> {
        while !input.is_empty() {
            match self.state {
                State::Header => self.header(input, out)?,
                State::Body => self.body(input, out)?,
            }
        }
        Ok(())
    }

    fn header(&mut self, input: &mut &[u8], out: &mut Vec<WalkEvent>) -> Result<(), MessageError> {
        let newline = memchr(b'\n', input);
        let used = newline.map_or(input.len(), |i| i + 1);
        self.block.extend_from_slice(&input[..used]);
        *input = &input[used..];
        if newline.is_some() {
            self.header_line(out)?;
        } else if self.block.len() - self.line > MAX_UNDECIDED && !self.may_be_header() {
            self.body_without_blank_line(out)?;
        }
        self.check_headers()
    }

    fn check_headers(&self) -> Result<(), MessageError> {
        let limit = self.limits.header_bytes;
        if self.headers + self.block.len() > limit {
            return Err(MessageError::HeadersTooLarge { limit });
        }
        Ok(())
    }

    fn may_be_header(&self) -> bool {
        is_header_line(without_eol(&self.block[self.line..]), self.line == 0)
    }

    /// A line of the header block is whole.
    fn header_line(&mut self, out: &mut Vec<WalkEvent>) -> Result<(), MessageError> {
        let line = &self.block[self.line..];
        if let Some((level, close)) = self.delimiter(line) {
            // A part whose header has no end has no body.
            let line = self.block.split_off(self.line);
            self.end_headers(out)?;
            self.cross(level, close, &[], &line, out);
        } else if without_eol(line).is_empty() && line.ends_with(b"\n") {
            self.end_headers(out)?;
        } else if !line.is_empty() && !self.may_be_header() {
            self.body_without_blank_line(out)?;
        } else {
            self.check_headers()?;
            self.line = self.block.len();
        }
        Ok(())
    }

    /// The current line is no header: the body begins with it.
    fn body_without_blank_line(&mut self, out: &mut Vec<WalkEvent>) -> Result<(), MessageError> {
        let line = self.block.split_off(self.line);
        self.end_headers(out)?;
        self.take(&mut &line[..], out)
    }

    fn end_headers(&mut self, out: &mut Vec<WalkEvent>) -> Result<(), MessageError> {
        self.check_headers()?;
        let block = std::mem::take(&mut self.block);
        self.headers += block.len();
        self.line = 0;
        self.state = State::Body;
        self.scan.restart();
        self.tree.open(&block, out)
    }

    fn body(&mut self, input: &mut &[u8], out: &mut Vec<WalkEvent>) -> Result<(), MessageError> {
        if self.tree.stack.is_empty() {
            return self.tree.deliver(std::mem::take(input), out);
        }
        let data = *input;
        match self.scan.next(input) {
            Found::More => {}
            Found::Body { held, len } => {
                self.tree.deliver(&held, out)?;
                self.tree.deliver(&data[..len], out)?;
            }
            Found::Candidate => self.candidate(out)?,
        }
        Ok(())
    }

    fn candidate(&mut self, out: &mut Vec<WalkEvent>) -> Result<(), MessageError> {
        match self.delimiter(self.scan.candidate()) {
            Some((level, close)) => {
                let (eol, line) = self.scan.accept();
                self.cross(level, close, &eol, &line, out);
                Ok(())
            }
            None => {
                let body = self.scan.refuse();
                self.tree.deliver(&body, out)
            }
        }
    }

    /// The open multipart that this line delimits, innermost first, and whether it closes it.
    fn delimiter(&self, line: &[u8]) -> Option<(usize, bool)> {
        if !line.starts_with(b"--") {
            return None;
        }
        let line = without_eol(line);
        let open = self.tree.stack.iter().enumerate().rev();
        open.filter_map(|(level, multipart)| Some((level, delimits(line, &multipart.boundary)?))).next()
    }

    /// Crosses a delimiter line into the next part, or out of the multipart.
    fn cross(&mut self, level: usize, close: bool, eol: &[u8], line: &[u8], out: &mut Vec<WalkEvent>) {
        self.tree.close(level, close, out);
        self.tree.skeleton.structure(eol);
        self.tree.skeleton.structure(line);
        self.scan.restart();
        self.state = if close { State::Body } else { State::Header };
    }

    fn end_body(&mut self, out: &mut Vec<WalkEvent>) -> Result<(), MessageError> {
        // The last delimiter may lack its line end.
        match self.delimiter(self.scan.candidate()) {
            Some((level, close)) => {
                let (eol, line) = self.scan.accept();
                self.cross(level, close, &eol, &line, out);
            }
            None => {
                let rest = self.scan.rest();
                self.tree.deliver(&rest, out)?;
            }
        }
        self.tree.end(out);
        Ok(())
    }
}
