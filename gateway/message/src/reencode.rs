//! From stored bytes to the bytes of a message, as a recipe says.
//!
//! **Failure.** A part of another length than its recipe is an error, never a different message.
//!
//! **Memory.** [`Reencoder::push`] gives about twice what it takes, plus a bounded number of blank lines.

use crate::content::ContentDecoder;
use crate::error::SkeletonError;
use crate::recipe::{Op, Recipe, bad, check, next_op};
use base64_simd::STANDARD;
use sealpost_envelope::PartNo;

/// Turns the stored bytes of one part into the bytes that stood in the message.
#[derive(Debug)]
pub struct Reencoder {
    n: PartNo,
    stored_len: u64,
    encoded_len: u64,
    recipe: Recipe,
    taken: u64,
    encoder: Encoder,
    /// For content that is not what is stored: its decoder, and what it gave.
    decoder: Option<ContentDecoder>,
    content: Vec<u8>,
}

/// Base64 in a given layout.
#[derive(Debug, Default)]
struct Encoder {
    taken: u64,
    carry: Vec<u8>,
    chars: Vec<u8>,
    layout: Layout,
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
            Recipe::Recoded { size, ops, .. } => check(ops, *size)?,
        };
        let decoder = match &recipe {
            Recipe::Recoded { coding, .. } => Some(ContentDecoder::new(*coding)),
            _ => None,
        };
        let (encoder, content) = (Encoder::default(), Vec::new());
        Ok(Self { n, stored_len, encoded_len, recipe, taken: 0, encoder, decoder, content })
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
        let before = self.taken;
        self.taken += stored.len() as u64;
        if self.taken > self.stored_len {
            return Err(self.wrong_length(self.stored_len, self.taken));
        }
        match &self.recipe {
            Recipe::Raw => out.extend_from_slice(stored),
            Recipe::Base64 { decoded, ops } => {
                let left = decoded.saturating_sub(before);
                let encoded = usize::try_from(left).unwrap_or(usize::MAX).min(stored.len());
                let (encode, verbatim) = stored.split_at(encoded);
                self.encoder.push(encode, *decoded, ops, out)?;
                out.extend_from_slice(verbatim);
            }
            Recipe::Recoded { .. } => {
                if let Some(decoder) = &mut self.decoder {
                    decoder.push(stored, &mut self.content);
                }
                self.encode_content(out)?;
            }
        }
        Ok(())
    }
    /// Goes on from near `target`, a place in what it gives, without what comes before: answers how many stored
    /// bytes to leave out, and at which place it then stands, never beyond `target`. Only before the first byte.
    pub fn seek(&mut self, target: u64) -> Result<(u64, u64), SkeletonError> {
        match &self.recipe {
            _ if self.taken > 0 => Ok((0, 0)),
            Recipe::Raw => {
                self.taken = target.min(self.stored_len);
                Ok((self.taken, self.taken))
            }
            Recipe::Base64 { decoded, ops } => {
                let (layout, chars, place) =
                    Layout::near(ops, decoded.div_ceil(3).saturating_mul(4), target)?;
                self.encoder.layout = layout;
                self.encoder.taken = chars / 4 * 3;
                self.taken = self.encoder.taken;
                Ok((self.taken, place))
            }
            // Its content would have to be decoded to be counted.
            Recipe::Recoded { .. } => Ok((0, 0)),
        }
    }
    /// Appends the end; fails when the part was too short.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), SkeletonError> {
        if self.taken != self.stored_len {
            return Err(self.wrong_length(self.stored_len, self.taken));
        }
        if let Some(decoder) = self.decoder.take() {
            decoder.finish(&mut self.content);
            self.encode_content(out)?;
        }
        match &self.recipe {
            // A part without a single base64 character may still have line ends.
            Recipe::Base64 { decoded: 0, ops } => self.encoder.layout.lay(ops, &[], out),
            Recipe::Recoded { size, .. } if *size != self.encoder.taken => {
                Err(self.wrong_length(*size, self.encoder.taken))
            }
            _ => Ok(()),
        }
    }
    fn encode_content(&mut self, out: &mut Vec<u8>) -> Result<(), SkeletonError> {
        let Recipe::Recoded { size, ops, .. } = &self.recipe else { return Ok(()) };
        let got = self.encoder.taken + self.content.len() as u64;
        if got > *size {
            return Err(self.wrong_length(*size, got));
        }
        self.encoder.push(&self.content, *size, ops, out)?;
        self.content.clear();
        Ok(())
    }
    fn wrong_length(&self, expected: u64, got: u64) -> SkeletonError {
        SkeletonError::PartLength { n: self.n, expected, got }
    }
}

impl Encoder {
    /// Takes some of the `due` bytes.
    fn push(&mut self, bytes: &[u8], due: u64, ops: &[u8], out: &mut Vec<u8>) -> Result<(), SkeletonError> {
        if due == 0 {
            // No character will come to set the blank lines and literals off.
            return self.layout.lay(ops, &[], out);
        }
        for block in bytes.chunks(BLOCK) {
            self.taken += block.len() as u64;
            self.chars.clear();
            encode_quanta(&mut self.carry, block, self.taken == due, &mut self.chars);
            self.layout.lay(ops, &self.chars, out)?;
        }
        Ok(())
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
    /// The last beginning of a line, at or before `target`, at which a group of four of the `total` characters
    /// begins; with how many characters and how many bytes of the message come before it.
    fn near(ops: &[u8], total: u64, target: u64) -> Result<(Self, u64, u64), SkeletonError> {
        let (mut chars, mut place, mut rest) = (0u64, 0u64, ops);
        let mut best = (Self::default(), 0, 0);
        while place <= target && chars < total {
            if chars.is_multiple_of(4) {
                best = (Self { at: ops.len() - rest.len(), ..Self::default() }, chars, place);
            }
            let Some(op) = next_op(&mut rest)? else { break };
            match op {
                Op::Lines { chars: line, count, end } => {
                    let wide = line.saturating_add(end.len() as u64);
                    let fit = (target - place) / wide.max(1);
                    let short = (total - chars - 1).checked_div(line).unwrap_or(u64::MAX);
                    // Of four beginnings in a row, one or more stand at a group's.
                    let most = fit.min(short).min(count);
                    let group = |skipped: &u64| (chars + line * skipped).is_multiple_of(4);
                    if let Some(skipped) = (most.saturating_sub(3)..=most).rev().find(group) {
                        let at = ops.len() - rest.len();
                        let layout = Self { at, line, line_left: line, lines_left: count - skipped, end };
                        best = (layout, chars + line * skipped, place + wide * skipped);
                    }
                    chars = chars.saturating_add(line.saturating_mul(count));
                    place = place.saturating_add(wide.saturating_mul(count));
                }
                Op::Chars(n) => (chars, place) = (chars.saturating_add(n), place.saturating_add(n)),
                Op::Literal(bytes) => place = place.saturating_add(bytes.len() as u64),
            }
        }
        Ok(best)
    }
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
    use crate::recipe::{MAX_BLANK_LINES, RecipeBuilder};
    use crate::structure::{Coding, Stored};

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
    fn goes_on_from_anywhere() {
        let mut b = RecipeBuilder::default();
        b.line(0, false);
        for _ in 0..5 {
            b.line(8, false);
        }
        b.chars(2);
        b.literal(b' ');
        b.line(2, true);
        b.line(7, false);
        b.line(9, false);
        b.line(0, false);
        let stored = b"abcdefghijklmnopqrstuvwxyz0123456789abcdefghi--tail";
        for recipe in [b.finish(45), Recipe::Raw, Recipe::plain_base64(stored.len() as u64)] {
            let whole = encode(recipe.clone(), stored, 7).unwrap();
            for target in 0..whole.len() as u64 + 3 {
                let mut encoder = Reencoder::new(1, stored.len() as u64, recipe.clone()).unwrap();
                let (skip, place) = encoder.seek(target).unwrap();
                assert!(place <= target, "{place} {target}");
                let mut out = Vec::new();
                for piece in stored[skip as usize..].chunks(5) {
                    encoder.push(piece, &mut out).unwrap();
                }
                encoder.finish(&mut out).unwrap();
                assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&whole[place as usize..]));
            }
        }
        let mut long = Reencoder::new(1, 57 << 20, Recipe::plain_base64(57 << 20)).unwrap();
        let (skip, place) = long.seek(40 << 20).unwrap();
        assert!((40u64 << 20) - place < 78 && skip > 20 << 20, "{skip} {place}");
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
    fn content_is_recoded() {
        let stored = |coding, stored: &[u8], content: &[u8]| Stored {
            n: 1,
            stored_len: stored.len() as u64,
            coding,
            size: content.len() as u64,
            digests: sealpost_envelope::Digests::of(content),
            fragile: true,
        };
        let tail = Coding::Base64Tail { decoded: 3, tail: true };
        for (coding, raw, content) in [
            (Coding::QpRaw, &b"caf=C3=A9  \r\nx=\r\ny"[..], "café\r\nxy".as_bytes()),
            (tail, b"abcZ-G-VmZ2g", b"abcdefgh"),
            (Coding::Base64Tail { decoded: 3, tail: false }, b"abc--junk", b"abc"),
            (Coding::QpRaw, b"=\r\n", b""),
            (Coding::Identity, b"plain", b"plain"),
        ] {
            let recipe = Recipe::content_base64(&stored(coding, raw, content));
            let mut wire = Vec::new();
            recipe.write(&mut wire);
            assert_eq!(Recipe::read(&wire).unwrap(), recipe);
            for step in 1..9 {
                let out = encode(recipe.clone(), raw, step).unwrap();
                let text: Vec<u8> = out.into_iter().filter(|b| !b.is_ascii_whitespace()).collect();
                assert_eq!(STANDARD.decode_to_vec(text).unwrap(), content);
            }
        }
        let wrong = Stored { size: 4, ..stored(Coding::QpRaw, b"abc", b"abc") };
        assert!(encode(Recipe::content_base64(&wrong), b"abc", 2).is_err());
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
