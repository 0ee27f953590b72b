//! How stored bytes were laid out in the message: recipes, their builder and the encoder that obeys them.
//!
//! **Job.** A part stored decoded must come back as the very characters that were received. Base64 has
//! one canonical alphabet order, so all that differs between senders is the layout: lengths of lines and
//! stray characters. A recipe is the sequence of these; a regular attachment of any size takes two runs.
//! What no recipe describes well is stored raw after the described beginning.
//!
//! **Exposure.** Strangers decide the layout; the builder's caller bounds its size. A recipe read back is
//! checked as a whole before the first byte is written.
//!
//! **Memory.** [`Reencoder::push`] gives about twice what it takes, plus a bounded number of blank lines.

use crate::error::SkeletonError;
use crate::skeleton::TAG_PART;
use crate::varint;
use base64_simd::STANDARD;
use sealpost_envelope::PartNo;

/// Most blank lines in one recipe: the encoder emits them without input.
pub(crate) const MAX_BLANK_LINES: u64 = 16_384;
const KIND_RAW: u8 = 0;
const KIND_BASE64: u8 = 1;
const OP_LINES: u8 = 1;
const OP_LINES_LF: u8 = 2;
const OP_CHARS: u8 = 3;
const OP_LITERAL: u8 = 4;

/// Collects the operations of one base64 part.
#[derive(Debug, Default)]
pub(crate) struct RecipeBuilder {
    ops: Vec<u8>,
    run: Option<(u64, bool, u64)>,
    literal: Vec<u8>,
}

impl RecipeBuilder {
    /// A line of `chars` characters and its end.
    pub(crate) fn line(&mut self, chars: u64, lf_only: bool) {
        self.lines(chars, lf_only, 1);
    }
    /// `count` such lines.
    pub(crate) fn lines(&mut self, chars: u64, lf_only: bool, count: u64) {
        match &mut self.run {
            Some((c, l, n)) if *c == chars && *l == lf_only && self.literal.is_empty() => *n += count,
            _ => {
                self.flush();
                self.run = Some((chars, lf_only, count));
            }
        }
    }
    /// `n` characters without a line end.
    pub(crate) fn chars(&mut self, n: u64) {
        if n > 0 {
            self.flush();
            self.ops.push(OP_CHARS);
            varint::put(&mut self.ops, n);
        }
    }
    /// A byte that is not base64.
    pub(crate) fn literal(&mut self, byte: u8) {
        if self.run.is_some() {
            self.flush();
        }
        self.literal.push(byte);
    }
    /// Length of the lines in the current run, if they end in CRLF.
    pub(crate) fn current(&self) -> Option<u64> {
        self.run.filter(|(_, lf_only, _)| !lf_only && self.literal.is_empty()).map(|(chars, ..)| chars)
    }
    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.ops.len() + self.literal.len() + 20
    }
    fn flush(&mut self) {
        if let Some((chars, lf_only, count)) = self.run.take() {
            self.ops.push(if lf_only { OP_LINES_LF } else { OP_LINES });
            varint::put(&mut self.ops, chars);
            varint::put(&mut self.ops, count);
        }
        if !self.literal.is_empty() {
            self.ops.push(OP_LITERAL);
            varint::put(&mut self.ops, self.literal.len() as u64);
            self.ops.append(&mut self.literal);
        }
    }
    /// The recipe; the first `decoded` stored bytes are base64, the rest verbatim.
    pub(crate) fn finish(mut self, decoded: u64) -> Recipe {
        self.flush();
        Recipe::Base64 { decoded, ops: self.ops }
    }
}

/// Layout of a stored part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recipe {
    /// Stored as it stood.
    Raw,
    /// The first `decoded` bytes laid out as base64 by `ops`, the rest as it stood.
    Base64 { decoded: u64, ops: Vec<u8> },
}

/// RFC 2045 §6.8: encoded lines of no more than 76 characters.
const LINE: u64 = 76;

impl Recipe {
    /// Canonical base64 of `len` bytes: lines of 76 characters, each ended by CRLF.
    pub(crate) fn plain_base64(len: u64) -> Self {
        let chars = len.div_ceil(3).saturating_mul(4);
        let mut builder = RecipeBuilder::default();
        if chars / LINE > 0 {
            builder.lines(LINE, false, chars / LINE);
        }
        if !chars.is_multiple_of(LINE) {
            builder.line(chars % LINE, false);
        }
        builder.finish(len)
    }
    /// Appends its serialisation.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Raw => out.push(KIND_RAW),
            Self::Base64 { decoded, ops } => {
                out.push(KIND_BASE64);
                varint::put(out, *decoded);
                out.extend_from_slice(ops);
            }
        }
    }
    /// Reads what [`Recipe::write`] wrote.
    pub(crate) fn read(mut bytes: &[u8]) -> Result<Self, SkeletonError> {
        let (&kind, rest) = bytes.split_first().ok_or_else(|| bad("no recipe"))?;
        bytes = rest;
        match kind {
            KIND_RAW if bytes.is_empty() => Ok(Self::Raw),
            KIND_BASE64 => {
                let decoded = varint::take(&mut bytes).ok_or_else(|| bad("recipe without length"))?;
                Ok(Self::Base64 { decoded, ops: bytes.to_vec() })
            }
            _ => Err(bad("unknown recipe")),
        }
    }
}

fn bad(what: &'static str) -> SkeletonError {
    SkeletonError::Record { tag: TAG_PART, what }
}

enum Op<'a> {
    Lines { chars: u64, count: u64, end: &'static [u8] },
    Chars(u64),
    Literal(&'a [u8]),
}

/// Takes the next operation off `ops`.
fn next_op<'a>(ops: &mut &'a [u8]) -> Result<Option<Op<'a>>, SkeletonError> {
    let Some((&tag, rest)) = ops.split_first() else { return Ok(None) };
    *ops = rest;
    let mut number = || varint::take(ops).ok_or_else(|| bad("operation cut short"));
    Ok(Some(match tag {
        OP_LINES => Op::Lines { chars: number()?, count: number()?, end: b"\r\n" },
        OP_LINES_LF => Op::Lines { chars: number()?, count: number()?, end: b"\n" },
        OP_CHARS => Op::Chars(number()?),
        OP_LITERAL => {
            let len = usize::try_from(number()?).map_err(|_| bad("literal too long"))?;
            let (literal, rest) = ops.split_at_checked(len).ok_or_else(|| bad("literal cut short"))?;
            *ops = rest;
            Op::Literal(literal)
        }
        _ => return Err(bad("unknown operation")),
    }))
}

/// Walks all operations once: they must use exactly the characters there are. Gives the laid-out length.
fn check(ops: &[u8], decoded: u64) -> Result<u64, SkeletonError> {
    let due = decoded.div_ceil(3).checked_mul(4).ok_or_else(|| bad("length overflow"))?;
    let (mut rest, mut chars, mut other, mut blank) = (ops, 0u64, 0u64, 0u64);
    let sum = |a: u64, b: u64| a.checked_add(b).ok_or_else(|| bad("length overflow"));
    while let Some(op) = next_op(&mut rest)? {
        match op {
            Op::Lines { chars: c, count, end } => {
                chars = sum(chars, c.checked_mul(count).ok_or_else(|| bad("length overflow"))?)?;
                other =
                    sum(other, count.checked_mul(end.len() as u64).ok_or_else(|| bad("length overflow"))?)?;
                if c == 0 {
                    blank = sum(blank, count)?;
                }
            }
            Op::Chars(n) => chars = sum(chars, n)?,
            Op::Literal(bytes) => other = sum(other, bytes.len() as u64)?,
        }
    }
    match chars == due && blank <= MAX_BLANK_LINES {
        true => sum(chars, other),
        false => Err(bad("recipe does not fit its part")),
    }
}

/// Turns the stored bytes of one part into the bytes that stood in the message.
#[derive(Debug)]
pub struct Reencoder {
    n: PartNo,
    stored_len: u64,
    encoded_len: u64,
    recipe: Recipe,
    taken: u64,
    carry: Vec<u8>,
    layout: Layout,
    chars: Vec<u8>,
}

/// Place within the operations.
#[derive(Debug, Default)]
struct Layout {
    at: usize,
    line: u64,
    line_left: u64,
    lines_left: u64,
    end: &'static [u8],
}

/// Stored bytes encoded at a time.
const BLOCK: usize = 24 << 10;

impl Reencoder {
    pub(crate) fn new(n: PartNo, stored_len: u64, recipe: Recipe) -> Result<Self, SkeletonError> {
        let encoded_len = match &recipe {
            Recipe::Raw => stored_len,
            Recipe::Base64 { decoded, ops } => {
                let rest =
                    stored_len.checked_sub(*decoded).ok_or_else(|| bad("recipe longer than its part"))?;
                check(ops, *decoded)?.checked_add(rest).ok_or_else(|| bad("length overflow"))?
            }
        };
        let (carry, chars) = (Vec::with_capacity(3), Vec::new());
        Ok(Self { n, stored_len, encoded_len, recipe, taken: 0, carry, layout: Layout::default(), chars })
    }
    /// The part it is for.
    pub fn part(&self) -> PartNo {
        self.n
    }
    /// Bytes it takes in all.
    pub fn stored_len(&self) -> u64 {
        self.stored_len
    }
    /// Bytes it gives in all.
    pub fn encoded_len(&self) -> u64 {
        self.encoded_len
    }
    pub(crate) fn recipe(&self) -> &Recipe {
        &self.recipe
    }
    /// Takes the next stored bytes, appends message bytes to `out`.
    pub fn push(&mut self, stored: &[u8], out: &mut Vec<u8>) -> Result<(), SkeletonError> {
        let got = self.taken + stored.len() as u64;
        if got > self.stored_len {
            return Err(SkeletonError::PartLength { n: self.n, expected: self.stored_len, got });
        }
        let Recipe::Base64 { decoded, ops } = &self.recipe else {
            self.taken = got;
            out.extend_from_slice(stored);
            return Ok(());
        };
        if *decoded == 0 {
            // No character will come to set the blank lines and literals off.
            self.layout.lay(ops, &[], out)?;
        }
        let encoded =
            usize::try_from(decoded.saturating_sub(self.taken)).unwrap_or(usize::MAX).min(stored.len());
        let (encode, verbatim) = stored.split_at(encoded);
        for block in encode.chunks(BLOCK) {
            self.taken += block.len() as u64;
            self.chars.clear();
            encode_quanta(&mut self.carry, block, self.taken == *decoded, &mut self.chars);
            self.layout.lay(ops, &self.chars, out)?;
        }
        self.taken += verbatim.len() as u64;
        out.extend_from_slice(verbatim);
        Ok(())
    }
    /// Appends the end; fails when the part was too short.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), SkeletonError> {
        if self.taken != self.stored_len {
            return Err(SkeletonError::PartLength { n: self.n, expected: self.stored_len, got: self.taken });
        }
        match &self.recipe {
            // A part without a single base64 character may still have line ends.
            Recipe::Base64 { decoded: 0, ops } => self.layout.lay(ops, &[], out),
            _ => Ok(()),
        }
    }
}

/// Encodes whole groups of three; at the `end` of the data the last one too, padded.
fn encode_quanta(carry: &mut Vec<u8>, mut block: &[u8], end: bool, chars: &mut Vec<u8>) {
    if !carry.is_empty() {
        let fill = (3 - carry.len()).min(block.len());
        carry.extend_from_slice(&block[..fill]);
        block = &block[fill..];
        if carry.len() == 3 || end {
            STANDARD.encode_append(&carry[..], chars);
            carry.clear();
        }
    }
    let whole = if end { block.len() } else { block.len() - block.len() % 3 };
    STANDARD.encode_append(&block[..whole], chars);
    carry.extend_from_slice(&block[whole..]);
}

impl Layout {
    /// Lays `chars` out; stops where the operations need a character that is not there yet.
    fn lay(&mut self, ops: &[u8], mut chars: &[u8], out: &mut Vec<u8>) -> Result<(), SkeletonError> {
        loop {
            while self.lines_left > 0 {
                if (chars.len() as u64) < self.line_left {
                    self.line_left -= chars.len() as u64;
                    out.extend_from_slice(chars);
                    return Ok(());
                }
                let (now, later) = chars.split_at(self.line_left as usize);
                out.extend_from_slice(now);
                out.extend_from_slice(self.end);
                chars = later;
                self.lines_left -= 1;
                self.line_left = self.line;
            }
            let mut rest = &ops[self.at..];
            let Some(op) = next_op(&mut rest)? else { return Ok(()) };
            self.at = ops.len() - rest.len();
            match op {
                Op::Lines { chars: c, count, end } => {
                    (self.line, self.line_left, self.lines_left, self.end) = (c, c, count, end);
                }
                // A line that happens to have no end.
                Op::Chars(n) => (self.line, self.line_left, self.lines_left, self.end) = (n, n, 1, b""),
                Op::Literal(bytes) => out.extend_from_slice(bytes),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(recipe: Recipe, stored: &[u8], step: usize) -> Result<Vec<u8>, SkeletonError> {
        let mut encoder = Reencoder::new(1, stored.len() as u64, recipe)?;
        let due = encoder.encoded_len();
        let mut out = Vec::new();
        for piece in stored.chunks(step) {
            encoder.push(piece, &mut out)?;
        }
        encoder.finish(&mut out)?;
        assert_eq!(out.len() as u64, due);
        Ok(out)
    }

    #[test]
    fn lays_out_lines_literals_and_rest() {
        let mut b = RecipeBuilder::default();
        b.line(0, false);
        b.line(8, false);
        b.line(8, false);
        b.chars(2);
        b.literal(b' ');
        b.line(2, true);
        let recipe = b.finish(14);
        for step in 1..20 {
            let out = encode(recipe.clone(), b"abcdefghijklmn=junk", step).unwrap();
            assert_eq!(out, b"\r\nYWJjZGVm\r\nZ2hpamts\r\nbW 4=\n=junk");
        }
        let mut wire = Vec::new();
        recipe.write(&mut wire);
        assert_eq!(Recipe::read(&wire).unwrap(), recipe);
    }

    #[test]
    fn canonical_layout() {
        for len in [0, 1, 56, 57, 58, 114, 1000] {
            let stored = vec![b'x'; len];
            let out =
                String::from_utf8(encode(Recipe::plain_base64(len as u64), &stored, 10).unwrap()).unwrap();
            assert!(
                out.lines().all(|line| (1..=76).contains(&line.len())) && (len == 0 || out.ends_with("\r\n"))
            );
            assert_eq!(STANDARD.decode_to_vec(out.replace("\r\n", "")).unwrap(), stored);
        }
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let mut b = RecipeBuilder::default();
        b.line(8, false);
        assert!(encode(b.finish(9), b"abcdefghi", 9).is_err());
        let mut b = RecipeBuilder::default();
        b.lines(0, false, MAX_BLANK_LINES + 1);
        assert!(encode(b.finish(0), b"", 1).is_err());
        let mut short = Reencoder::new(1, 3, Recipe::Raw).unwrap();
        short.push(b"ab", &mut Vec::new()).unwrap();
        assert!(short.push(b"cd", &mut Vec::new()).is_err());
        assert!(short.finish(&mut Vec::new()).is_err());
        assert!(Recipe::read(&[9]).is_err());
    }
}
