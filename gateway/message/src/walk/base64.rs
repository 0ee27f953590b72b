//! Base64 leaves: decoded in large pieces, with the recipe of their layout.
//!
//! Three paths, chosen at each point: many whole lines at a time where lines are regular, the rest of a
//! line at a time, and byte by byte where neither works. Only the last one judges: it keeps the raw bytes
//! since the last whole group of four characters, so that it can give up *before* them. Giving up means
//! that everything from there on is stored raw; nothing is lost and nothing is refused.

use crate::recipe::{MAX_BLANK_LINES, Recipe, RecipeBuilder};
use crate::structure::Coding;
use base64_simd::STANDARD;
use memchr::memchr;

/// Characters decoded at a time on the fast path.
const BLOCK: usize = 32 << 10;
/// Bytes for any recipe at all.
const MIN_BUDGET: usize = 64;
/// Raw bytes that may stand between two whole groups.
const MAX_PENDING: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Data,
    /// Padding was seen: what follows is layout, or junk that is no content (RFC 2045 §6.8).
    Ended,
    Raw {
        tail: bool,
    },
}

/// Decoder and recipe writer of one leaf.
#[derive(Debug)]
pub(super) struct Base64Coder {
    recipe: RecipeBuilder,
    budget: usize,
    blank: u64,
    state: State,
    decoded: u64,
    /// Characters of the current line that are committed to no operation yet.
    line: u64,
    cr: bool,
    /// Raw bytes since the last whole group, with its characters so far.
    pending: Vec<u8>,
    group: [u8; 4],
    group_len: usize,
    padding: usize,
    /// So many bytes ahead hold something that the fast paths cannot take.
    distrust: usize,
    buf: Vec<u8>,
}

impl Base64Coder {
    /// A coder whose recipe may take `budget` bytes.
    pub(super) fn new(budget: usize) -> Self {
        Self {
            recipe: RecipeBuilder::default(),
            budget,
            blank: 0,
            // Whether it gives up must not depend on how the input was cut: not at the first byte it judges.
            state: if budget < MIN_BUDGET { State::Raw { tail: true } } else { State::Data },
            decoded: 0,
            line: 0,
            cr: false,
            pending: Vec::new(),
            group: [0; 4],
            group_len: 0,
            padding: 0,
            distrust: 0,
            buf: Vec::new(),
        }
    }

    /// Whether it has given up: all further bytes are to be stored raw.
    pub(super) fn raw(&self) -> Option<Coding> {
        match self.state {
            State::Raw { tail } => Some(Coding::Base64Tail { decoded: self.decoded, tail }),
            _ => None,
        }
    }

    /// Takes message bytes, appends decoded bytes to `out`. Returns how many it took: all of them, unless
    /// it gave up; then [`Base64Coder::take_pending`] stands before the rest.
    pub(super) fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let mut at = 0;
        while at < input.len() && self.raw().is_none() {
            let rest = &input[at..];
            let mut used = self.fast_lines(rest, out);
            if used == 0 {
                used = self.fast_line(rest, out);
            }
            if used == 0 {
                used = self.slow(rest, out);
            }
            at += used;
        }
        at
    }

    /// Raw bytes taken by [`Base64Coder::push`] that no operation describes.
    pub(super) fn take_pending(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.pending)
    }

    /// Ends the input. An unfinished group is given up: the caller asks [`Base64Coder::raw`] and
    /// [`Base64Coder::take_pending`] once more, then takes the recipe.
    pub(super) fn end(&mut self) {
        if self.raw().is_none() && !self.pending.is_empty() {
            self.give_up();
        }
        self.close_line();
    }

    /// The recipe, after [`Base64Coder::end`].
    pub(super) fn into_recipe(self) -> Recipe {
        self.recipe.finish(self.decoded)
    }

    /// At the start of a line, with nothing pending: takes as many lines of the current run's length as
    /// there are, decodes them at once, and takes none of them if one is not plain base64.
    fn fast_lines(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let Some(chars) = self.recipe.current() else { return 0 };
        let Ok(len) = usize::try_from(chars) else { return 0 };
        if !self.at_line_start() || self.distrust > 0 || len == 0 || len % 4 != 0 || len > BLOCK {
            return 0;
        }
        self.buf.clear();
        let (stride, most) = (len + 2, BLOCK / len);
        let mut count = 0;
        for line in input.chunks_exact(stride).take(most) {
            let (text, end) = line.split_at(len);
            if end != b"\r\n" {
                break;
            }
            self.buf.extend_from_slice(text);
            count += 1;
        }
        if count == 0 {
            return 0;
        }
        if !self.decode_buf(out) {
            self.distrust = count * stride;
            return 0;
        }
        self.recipe.lines(chars, false, count as u64);
        count * stride
    }

    /// With no group open: decodes the whole groups up to the end of the line.
    fn fast_line(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        if self.state != State::Data || self.distrust > 0 || !self.pending.is_empty() || self.cr {
            return 0;
        }
        let end = memchr(b'\n', &input[..input.len().min(BLOCK)]).unwrap_or(input.len().min(BLOCK));
        let end = if end > 0 && input[end - 1] == b'\r' { end - 1 } else { end };
        let len = end - end % 4;
        if len < 16 {
            return 0;
        }
        self.buf.clear();
        self.buf.extend_from_slice(&input[..len]);
        if !self.decode_buf(out) {
            self.distrust = len;
            return 0;
        }
        self.line += len as u64;
        len
    }

    /// Decodes the gathered groups unless one holds padding or a foreign character.
    fn decode_buf(&mut self, out: &mut Vec<u8>) -> bool {
        let before = out.len();
        let plain = self.buf.last() != Some(&b'=') && STANDARD.decode_append(&self.buf[..], out).is_ok();
        if plain {
            self.decoded += (out.len() - before) as u64;
        } else {
            out.truncate(before);
        }
        plain
    }

    fn at_line_start(&self) -> bool {
        self.state == State::Data && self.line == 0 && !self.cr && self.pending.is_empty()
    }

    /// Byte by byte until the fast paths may try again.
    fn slow(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        for (i, &byte) in input.iter().enumerate() {
            match self.state {
                State::Data => self.data(byte, out),
                _ => self.commit(byte),
            }
            self.distrust = self.distrust.saturating_sub(1);
            let between_groups = self.pending.is_empty();
            if self.raw().is_none() && between_groups && self.over_budget() {
                self.give_up();
            }
            // Giving up took this byte along: it was committed, or stands in `pending`.
            if self.raw().is_some() || (between_groups && self.distrust == 0 && self.state == State::Data) {
                return i + 1;
            }
        }
        input.len()
    }

    fn over_budget(&self) -> bool {
        self.recipe.len() > self.budget || self.blank >= MAX_BLANK_LINES
    }

    /// One byte before the end of the data.
    fn data(&mut self, byte: u8, out: &mut Vec<u8>) {
        let (in_alphabet, pad) = (is_base64(byte), byte == b'=');
        if !in_alphabet && !pad {
            // RFC 2045 §6.8: characters outside the alphabet are to be ignored.
            if self.group_len == 0 {
                self.commit(byte);
            } else {
                self.pending.push(byte);
                if self.pending.len() > MAX_PENDING {
                    self.give_up();
                }
            }
            return;
        }
        self.pending.push(byte);
        if (pad && self.group_len < 2) || (in_alphabet && self.padding > 0) {
            return self.give_up();
        }
        self.group[self.group_len] = byte;
        self.group_len += 1;
        self.padding += usize::from(pad);
        if self.group_len == 4 {
            self.whole_group(out);
        }
    }

    /// Decodes the group when it is canonical: only then does the encoder give the same characters.
    fn whole_group(&mut self, out: &mut Vec<u8>) {
        let mut plain = [0u8; 3];
        let decoded = match STANDARD.decode(&self.group, base64_simd::Out::from_slice(&mut plain)) {
            Ok(decoded) => decoded.len(),
            Err(_) => return self.give_up(),
        };
        let mut again = [0u8; 4];
        let _ = STANDARD.encode(&plain[..decoded], base64_simd::Out::from_slice(&mut again));
        if again != self.group {
            return self.give_up();
        }
        out.extend_from_slice(&plain[..decoded]);
        self.decoded += decoded as u64;
        (self.group_len, self.padding) = (0, 0);
        if decoded < 3 {
            self.state = State::Ended;
        }
        for byte in std::mem::take(&mut self.pending) {
            self.commit_as(byte, is_base64(byte) || byte == b'=');
        }
    }

    /// Writes a byte that is no character of the data into the recipe.
    fn commit(&mut self, byte: u8) {
        self.commit_as(byte, false);
    }

    fn commit_as(&mut self, byte: u8, is_char: bool) {
        if self.cr {
            self.cr = false;
            if byte == b'\n' {
                self.end_line(false);
                return;
            }
            self.literal(b'\r');
        }
        match byte {
            _ if is_char => self.line += 1,
            b'\r' => self.cr = true,
            b'\n' => self.end_line(true),
            other => self.literal(other),
        }
    }

    fn end_line(&mut self, lf_only: bool) {
        self.blank += u64::from(self.line == 0);
        self.recipe.line(self.line, lf_only);
        self.line = 0;
    }

    fn literal(&mut self, byte: u8) {
        self.recipe.chars(self.line);
        self.line = 0;
        self.recipe.literal(byte);
    }

    fn close_line(&mut self) {
        self.recipe.chars(self.line);
        self.line = 0;
        if std::mem::take(&mut self.cr) {
            self.recipe.literal(b'\r');
        }
    }

    /// Stores raw from the last whole group on.
    fn give_up(&mut self) {
        self.close_line();
        self.state = State::Raw { tail: self.state == State::Data };
    }
}

/// Whether it is one of the 64 characters.
pub(crate) fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/'
}
