//! The skeleton: a message without its stored parts, as a sequence of records.
//!
//! **Format.** `docs/formats/skeleton.md`: five bytes of magic and version, then records of a tag, a
//! length and a payload, the last one an end record. Versioned; a reader refuses what it does not know.
//!
//! **Exposure.** Written by the walker from strangers' bytes, kept encrypted; the reader nevertheless
//! trusts nothing and names the record that is wrong.
//!
//! **Memory.** One record at a time, at most [`MAX_RECORD`] bytes.

use crate::error::SkeletonError;
use crate::recipe::Recipe;
use crate::reencode::Reencoder;
use crate::structure::Transfer;
use crate::varint::{self, Varint};
use bytes::{Buf, Bytes, BytesMut};
use sealpost_envelope::PartNo;

const MAGIC: &[u8; 4] = b"SPSK";
/// Version that [`SkeletonWriter`] writes.
pub const VERSION: u8 = 1;
/// Largest payload.
pub const MAX_RECORD: usize = 16 << 20;
/// Structure bytes gathered into one record.
const STRUCTURE_RECORD: usize = 32 << 10;

const TAG_HEADERS: u8 = 1;
const TAG_STRUCTURE: u8 = 2;
const TAG_TEXT: u8 = 3;
pub(crate) const TAG_PART: u8 = 4;
const TAG_END: u8 = 5;

const FLAG_EIGHT_BIT: u8 = 1;
const FLAG_LONG_LINES: u8 = 2;
const FLAG_TRAILING_BLANKS: u8 = 4;
const FLAG_AUTHOR_SIGNED: u8 = 8;

const TRANSFERS: [Transfer; 6] = [
    Transfer::SevenBit,
    Transfer::EightBit,
    Transfer::Binary,
    Transfer::QuotedPrintable,
    Transfer::Base64,
    Transfer::Other,
];

/// What composition must know of a text before it re-encodes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextInfo {
    /// Transfer encoding in which the raw bytes stand.
    pub transfer: Transfer,
    /// Charset parameter, lower case, if any.
    pub charset: Option<String>,
    /// Holds a byte over 127.
    pub eight_bit: bool,
    /// Holds a line over 998 octets (RFC 5322 §2.1.1).
    pub long_lines: bool,
    /// Holds a line that ends in a space or a tab, which transports may remove.
    pub trailing_blanks: bool,
    /// Stands under the author's own signature: never touch.
    pub author_signed: bool,
}

impl TextInfo {
    /// Looks at `raw`.
    pub fn of(raw: &[u8], transfer: Transfer, charset: Option<String>, author_signed: bool) -> Self {
        let mut info = Self {
            transfer,
            charset,
            eight_bit: !raw.is_ascii(),
            long_lines: false,
            trailing_blanks: false,
            author_signed,
        };
        for line in raw.split(|b| *b == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            info.long_lines |= line.len() > 998;
            info.trailing_blanks |= matches!(line.last(), Some(b' ' | b'\t'));
        }
        info
    }
    fn flags(&self) -> u8 {
        let bit = |on: bool, flag: u8| if on { flag } else { 0 };
        bit(self.eight_bit, FLAG_EIGHT_BIT)
            | bit(self.long_lines, FLAG_LONG_LINES)
            | bit(self.trailing_blanks, FLAG_TRAILING_BLANKS)
            | bit(self.author_signed, FLAG_AUTHOR_SIGNED)
    }
}

/// One record.
#[derive(Debug)]
pub enum Record {
    /// Header block of a node, blank line included when there was one.
    Headers {
        /// Index in [`crate::Structure::nodes`].
        node: u32,
        /// As received.
        bytes: Bytes,
    },
    /// Bytes between parts: preamble, boundary lines, epilogue.
    Structure(Bytes),
    /// A text kept here, raw.
    Text {
        /// Index in [`crate::Structure::nodes`].
        node: u32,
        /// Facts for composition.
        info: TextInfo,
        /// As received, transfer encoding included.
        raw: Bytes,
    },
    /// Place of a stored part.
    Part(Box<Reencoder>),
    /// Nothing follows; the length of the whole message.
    End {
        /// Bytes of the message.
        size: u64,
    },
}

/// Writes records. Take the bytes as often as you like; concatenated they are the skeleton.
#[derive(Debug)]
pub struct SkeletonWriter {
    out: Vec<u8>,
    structure: Vec<u8>,
}

impl Default for SkeletonWriter {
    fn default() -> Self {
        let mut out = MAGIC.to_vec();
        out.push(VERSION);
        Self { out, structure: Vec::new() }
    }
}

impl SkeletonWriter {
    /// An empty skeleton.
    pub fn new() -> Self {
        Self::default()
    }
    /// Header block of a node.
    pub fn headers(&mut self, node: u32, bytes: &[u8]) {
        let mut head = Vec::with_capacity(5);
        varint::put(&mut head, u64::from(node));
        self.record(TAG_HEADERS, &head, bytes);
    }
    /// Bytes between parts.
    pub fn structure(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(STRUCTURE_RECORD) {
            if self.structure.len() + piece.len() > STRUCTURE_RECORD {
                self.flush_structure();
            }
            self.structure.extend_from_slice(piece);
        }
    }
    /// A text kept whole.
    pub fn text(&mut self, node: u32, info: &TextInfo, raw: &[u8]) {
        let mut head = Vec::with_capacity(24);
        varint::put(&mut head, u64::from(node));
        head.push(info.flags());
        head.push(TRANSFERS.iter().position(|t| *t == info.transfer).unwrap_or(TRANSFERS.len() - 1) as u8);
        let charset = info.charset.as_deref().unwrap_or("");
        varint::put(&mut head, charset.len() as u64);
        head.extend_from_slice(charset.as_bytes());
        self.record(TAG_TEXT, &head, raw);
    }
    /// A stored part as it stands in another skeleton: composition moves parts, it never re-describes them.
    pub fn part(&mut self, encoder: &Reencoder) {
        self.part_recipe(encoder.part(), encoder.stored_len(), encoder.recipe());
    }
    pub(crate) fn part_recipe(&mut self, n: PartNo, stored_len: u64, recipe: &Recipe) {
        let mut payload = Vec::new();
        varint::put(&mut payload, u64::from(n));
        varint::put(&mut payload, stored_len);
        recipe.write(&mut payload);
        self.record(TAG_PART, &payload, &[]);
    }
    /// The end; `size` is the length of the message.
    pub fn end(&mut self, size: u64) {
        let mut payload = Vec::with_capacity(10);
        varint::put(&mut payload, size);
        self.record(TAG_END, &payload, &[]);
    }
    /// Bytes ready to be taken.
    pub fn len(&self) -> usize {
        self.out.len()
    }
    /// Whether nothing is ready.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }
    /// Takes what is ready.
    pub fn take(&mut self) -> Bytes {
        Bytes::from(std::mem::take(&mut self.out))
    }

    fn record(&mut self, tag: u8, head: &[u8], body: &[u8]) {
        self.flush_structure();
        self.raw_record(tag, head, body);
    }
    fn flush_structure(&mut self) {
        if !self.structure.is_empty() {
            let bytes = std::mem::take(&mut self.structure);
            self.raw_record(TAG_STRUCTURE, &[], &bytes);
        }
    }
    fn raw_record(&mut self, tag: u8, head: &[u8], body: &[u8]) {
        self.out.push(tag);
        varint::put(&mut self.out, (head.len() + body.len()) as u64);
        self.out.extend_from_slice(head);
        self.out.extend_from_slice(body);
    }
}

/// Reads records from bytes that arrive in any pieces.
#[derive(Debug, Default)]
pub struct SkeletonReader {
    buf: BytesMut,
    started: bool,
    ended: bool,
}

impl SkeletonReader {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self::default()
    }
    /// Adds bytes of the stored skeleton.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }
    /// The next whole record; `None` when more bytes are needed, or after [`Record::End`].
    pub fn next_record(&mut self) -> Result<Option<Record>, SkeletonError> {
        if !self.started && !self.magic()? {
            return Ok(None);
        }
        if self.ended {
            return match self.buf.first() {
                Some(&tag) => Err(SkeletonError::Record { tag, what: "stands after the end" }),
                None => Ok(None),
            };
        }
        let Some(&tag) = self.buf.first() else { return Ok(None) };
        let (len, used) = match varint::get(&self.buf[1..]) {
            Varint::Value(len, used) => (len, used),
            Varint::Short => return Ok(None),
            Varint::Bad => return Err(SkeletonError::Record { tag, what: "bad length" }),
        };
        let len = usize::try_from(len)
            .ok()
            .filter(|len| *len <= MAX_RECORD)
            .ok_or(SkeletonError::Record { tag, what: "too long" })?;
        if self.buf.len() < 1 + used + len {
            return Ok(None);
        }
        self.buf.advance(1 + used);
        let payload = self.buf.split_to(len).freeze();
        let record = read(tag, payload).map_err(|what| SkeletonError::Record { tag, what: what.0 })?;
        self.ended = matches!(record, Record::End { .. });
        Ok(Some(record))
    }
    /// Checks that the end record was read.
    pub fn finish(self) -> Result<(), SkeletonError> {
        if self.ended && self.buf.is_empty() { Ok(()) } else { Err(SkeletonError::Truncated) }
    }

    fn magic(&mut self) -> Result<bool, SkeletonError> {
        let seen = self.buf.len().min(MAGIC.len());
        if self.buf[..seen] != MAGIC[..seen] {
            return Err(SkeletonError::Magic);
        }
        match self.buf.get(MAGIC.len()) {
            None => return Ok(false),
            Some(&VERSION) => {}
            Some(&other) => return Err(SkeletonError::Version(other)),
        }
        self.buf.advance(MAGIC.len() + 1);
        self.started = true;
        Ok(true)
    }
}

struct What(&'static str);

impl From<SkeletonError> for What {
    fn from(error: SkeletonError) -> Self {
        match error {
            SkeletonError::Record { what, .. } => Self(what),
            _ => Self("unreadable"),
        }
    }
}

/// Takes a number off the front of a payload.
fn number(payload: &mut Bytes) -> Result<u64, What> {
    match varint::get(payload) {
        Varint::Value(value, used) => {
            payload.advance(used);
            Ok(value)
        }
        _ => Err(What("a number is cut short")),
    }
}

fn small(payload: &mut Bytes) -> Result<u32, What> {
    u32::try_from(number(payload)?).map_err(|_| What("a number is too large"))
}

fn read(tag: u8, mut payload: Bytes) -> Result<Record, What> {
    Ok(match tag {
        TAG_HEADERS => Record::Headers { node: small(&mut payload)?, bytes: payload },
        TAG_STRUCTURE => Record::Structure(payload),
        TAG_TEXT => {
            let node = small(&mut payload)?;
            Record::Text { node, info: read_text_info(&mut payload)?, raw: payload }
        }
        TAG_PART => {
            let n = small(&mut payload)?;
            let stored_len = number(&mut payload)?;
            Record::Part(Box::new(Reencoder::new(n, stored_len, Recipe::read(&payload)?)?))
        }
        TAG_END => {
            let size = number(&mut payload)?;
            if !payload.is_empty() {
                return Err(What("bytes after the size"));
            }
            Record::End { size }
        }
        _ => return Err(What("unknown tag")),
    })
}

fn read_text_info(payload: &mut Bytes) -> Result<TextInfo, What> {
    if payload.len() < 2 {
        return Err(What("no flags"));
    }
    let (flags, transfer) = (payload.get_u8(), payload.get_u8());
    let transfer = *TRANSFERS.get(usize::from(transfer)).ok_or(What("unknown transfer encoding"))?;
    let len = usize::try_from(number(payload)?).map_err(|_| What("charset too long"))?;
    if len > payload.len() {
        return Err(What("charset cut short"));
    }
    let charset =
        String::from_utf8(payload.split_to(len).to_vec()).map_err(|_| What("charset is not text"))?;
    Ok(TextInfo {
        transfer,
        charset: Some(charset).filter(|c| !c.is_empty()),
        eight_bit: flags & FLAG_EIGHT_BIT != 0,
        long_lines: flags & FLAG_LONG_LINES != 0,
        trailing_blanks: flags & FLAG_TRAILING_BLANKS != 0,
        author_signed: flags & FLAG_AUTHOR_SIGNED != 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_read_back_in_any_pieces() {
        let mut w = SkeletonWriter::new();
        w.headers(0, b"Subject: x\r\n\r\n");
        w.structure(b"--b");
        w.structure(b"\r\n");
        let info = TextInfo::of(b"caf\xe9 \r\n", Transfer::EightBit, Some("iso-8859-1".into()), true);
        assert!(info.eight_bit && info.trailing_blanks && !info.long_lines);
        w.text(3, &info, b"caf\xe9 \r\n");
        w.part_recipe(7, 12, &Recipe::Raw);
        w.end(99);
        let bytes = w.take();
        for step in [1, 2, 3, 7, 1000] {
            let (mut r, mut seen) = (SkeletonReader::new(), Vec::new());
            for piece in bytes.chunks(step) {
                r.push(piece);
                while let Some(record) = r.next_record().unwrap() {
                    seen.push(record);
                }
            }
            r.finish().unwrap();
            assert!(matches!(&seen[0], Record::Headers { node: 0, bytes } if bytes.ends_with(b"x\r\n\r\n")));
            assert!(matches!(&seen[1], Record::Structure(b) if &b[..] == b"--b\r\n"));
            assert!(
                matches!(&seen[2], Record::Text { node: 3, info: i, raw } if *i == info && raw.len() == 7)
            );
            assert!(matches!(&seen[3], Record::Part(e) if e.part() == 7 && e.encoded_len() == 12));
            assert!(matches!(seen[4], Record::End { size: 99 }));
        }
    }

    #[test]
    fn damage_is_named() {
        let read_all = |bytes: &[u8]| {
            let mut r = SkeletonReader::new();
            r.push(bytes);
            while r.next_record()?.is_some() {}
            r.finish()
        };
        assert_eq!(read_all(b"SPXK\x01"), Err(SkeletonError::Magic));
        assert_eq!(read_all(b"SPSK\x02"), Err(SkeletonError::Version(2)));
        assert_eq!(read_all(b"SPSK\x01"), Err(SkeletonError::Truncated));
        assert!(matches!(read_all(b"SPSK\x01\x09\x00"), Err(SkeletonError::Record { tag: 9, .. })));
        assert!(matches!(read_all(b"SPSK\x01\x05\x01\x00\x05"), Err(SkeletonError::Record { .. })));
        assert!(matches!(
            read_all(b"SPSK\x01\x04\x03\x01\x01\x07"),
            Err(SkeletonError::Record { tag: 4, .. })
        ));
        assert_eq!(read_all(b"SPSK\x01\x05\x01\x00"), Ok(()));
    }
}
