//! How stored bytes were laid out in the message: recipes and their builder. [`crate::Reencoder`] obeys them.
//!
//! **Job.** A part stored decoded must come back as the very characters that were received. Base64 has
//! one canonical alphabet order, so all that differs between senders is the layout: lengths of lines and
//! stray characters. A recipe is the sequence of these; a regular attachment of any size takes two runs.
//! What no recipe describes well is stored raw after the described beginning.
//!
//! **Exposure.** Strangers decide the layout; the builder's caller bounds its size. A recipe read back is
//! checked as a whole before the first byte is written.

use crate::error::SkeletonError;
use crate::skeleton::TAG_PART;
use crate::structure::{Coding, Stored};
use crate::varint;

/// Most blank lines in one recipe: the encoder emits them without input.
pub(crate) const MAX_BLANK_LINES: u64 = 16_384;
/// Bytes of content beyond any message: sums of lengths cannot overflow below.
const MAX_CONTENT: u64 = 1 << 60;
const KIND_RAW: u8 = 0;
const KIND_BASE64: u8 = 1;
const KIND_RECODED: u8 = 2;
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
    /// The content that `coding` gives, `size` bytes of it, as canonical base64: only in mail of ours, where
    /// the layout that came in would not survive.
    Recoded { coding: Coding, size: u64, ops: Vec<u8> },
}

/// RFC 2045 §6.8: encoded lines of no more than 76 characters.
const LINE: u64 = 76;

/// Canonical layout of `len` bytes: lines of 76 characters, each ended by CRLF.
fn plain_base64(len: u64) -> Vec<u8> {
    let chars = len.div_ceil(3).saturating_mul(4);
    let mut builder = RecipeBuilder::default();
    if chars / LINE > 0 {
        builder.lines(LINE, false, chars / LINE);
    }
    if !chars.is_multiple_of(LINE) {
        builder.line(chars % LINE, false);
    }
    builder.flush();
    builder.ops
}

impl Recipe {
    /// Content of a stored part as canonical base64.
    pub(crate) fn content_base64(stored: &Stored) -> Self {
        match stored.coding {
            Coding::Identity => Self::Base64 { decoded: stored.size, ops: plain_base64(stored.size) },
            coding => Self::Recoded { coding, size: stored.size, ops: plain_base64(stored.size) },
        }
    }
    /// Whether it gives nothing but characters in lines of usual length, each ended by CRLF.
    pub(crate) fn is_regular_base64(&self) -> bool {
        let Self::Base64 { ops, .. } = self else { return false };
        let mut rest = ops.as_slice();
        loop {
            match next_op(&mut rest) {
                Ok(Some(Op::Lines { chars: 0..=998, end: b"\r\n", .. } | Op::Chars(0..=998))) => {}
                Ok(None) => return true,
                _ => return false,
            }
        }
    }
    #[cfg(test)]
    pub(crate) fn plain_base64(len: u64) -> Self {
        Self::Base64 { decoded: len, ops: plain_base64(len) }
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
            Self::Recoded { coding, size, .. } => {
                out.push(KIND_RECODED);
                let (kind, decoded) = match coding {
                    Coding::Identity => (0, 0),
                    Coding::QpRaw => (1, 0),
                    Coding::Base64Tail { decoded, tail: false } => (2, *decoded),
                    Coding::Base64Tail { decoded, tail: true } => (3, *decoded),
                };
                out.push(kind);
                varint::put(out, decoded);
                varint::put(out, *size);
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
            KIND_RECODED => {
                let (&kind, mut rest) = bytes.split_first().ok_or_else(|| bad("no coding"))?;
                let mut number = || varint::take(&mut rest).ok_or_else(|| bad("coding cut short"));
                let (decoded, size) = (number()?, number()?);
                let coding = match kind {
                    0 => Coding::Identity,
                    1 => Coding::QpRaw,
                    2 | 3 => Coding::Base64Tail { decoded, tail: kind == 3 },
                    _ => return Err(bad("unknown coding")),
                };
                match rest.is_empty() && size <= MAX_CONTENT {
                    true => Ok(Self::Recoded { coding, size, ops: plain_base64(size) }),
                    false => Err(bad("coding with a wrong length")),
                }
            }
            _ => Err(bad("unknown recipe")),
        }
    }
}

pub(crate) fn bad(what: &'static str) -> SkeletonError {
    SkeletonError::Record { tag: TAG_PART, what }
}

/// One operation of a layout.
pub(crate) enum Op<'a> {
    Lines { chars: u64, count: u64, end: &'static [u8] },
    Chars(u64),
    Literal(&'a [u8]),
}

/// Takes the next operation off `ops`.
pub(crate) fn next_op<'a>(ops: &mut &'a [u8]) -> Result<Option<Op<'a>>, SkeletonError> {
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
pub(crate) fn check(ops: &[u8], decoded: u64) -> Result<u64, SkeletonError> {
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
