//! `seal`: the author's message made fit to be signed.
//!
//! Fields about the content move inside the signature, the others stay outside. Leaves that a relay might
//! touch (8-bit, long lines, trailing blanks, `From ` at a line's beginning, odd line ends) are re-encoded;
//! nothing inside the author's own signature is. RFC 8551 §3.1.3 asks for the same.

use super::draft::Draft;
use super::headers::Fields;
use super::plan::{Planner, Recipe};
use super::quoted::{base64_lines, encode_text};
use super::relay::{Stamp, stays_inside};
use crate::content::ContentDecoder;
use crate::error::SkeletonError;
use crate::header::fields;
use crate::reencode::Reencoder;
use crate::skeleton::{Record, SkeletonReader, TextInfo};
use crate::structure::{Coding, Node, Structure, Transfer};
use bytes::Bytes;

/// Prepares the author's message for signing: stream [`Draft::inner`], sign, then [`Draft::sealed`].
pub fn prepare_seal(
    skeleton: &[u8],
    structure: &Structure,
    stamp: &Stamp<'_>,
) -> Result<Draft, SkeletonError> {
    let mut work =
        Work { structure, plan: Planner::new(), outer: stamp.fields(), pending: None, untyped: false };
    let mut reader = SkeletonReader::new();
    reader.push(skeleton);
    while let Some(record) = reader.next_record()? {
        work.take(record)?;
    }
    reader.finish()?;
    work.flush(None);
    Ok(Draft { outer: work.outer, inner: work.plan.finish() })
}

struct Work<'a> {
    structure: &'a Structure,
    plan: Planner,
    outer: Vec<u8>,
    /// A header block that waits to learn how its leaf is encoded.
    pending: Option<Bytes>,
    /// The waiting block is the message's own and names no type.
    untyped: bool,
}

impl Work<'_> {
    fn take(&mut self, record: Record) -> Result<(), SkeletonError> {
        match record {
            Record::Headers { node, bytes } => {
                self.flush(None);
                let inner = if node == 0 { self.split_top(&bytes) } else { bytes };
                self.pending = Some(inner);
            }
            Record::Structure(bytes) => {
                self.flush(None);
                self.plan.literal(&bytes);
            }
            Record::Text { node, info, raw } => {
                self.name_type(&raw);
                let signed = info.author_signed || self.node(node).is_some_and(|n| n.author_signed);
                match if signed { None } else { reencode(&info, &raw) } {
                    Some((coding, text)) => {
                        self.flush(Some(coding));
                        self.plan.literal(&text);
                    }
                    None => {
                        self.flush(None);
                        self.plan.literal(&raw);
                    }
                }
            }
            Record::Part(encoder) => self.part(&encoder)?,
            Record::End { .. } => {}
        }
        Ok(())
    }
    fn node(&self, index: u32) -> Option<&Node> {
        self.structure.nodes.get(index as usize)
    }
    /// Stored parts that would not survive every relay become base64, except under the author's signature. An
    /// attached message may be encoded only as message/global (RFC 2046 §5.2.1, RFC 6532 §3.5).
    fn part(&mut self, encoder: &Reencoder) -> Result<(), SkeletonError> {
        let found = self.structure.part(encoder.part());
        // A filler has no header of its own: it stays.
        let (Some((node, stored)), true) = (found, self.pending.is_some()) else {
            self.flush(None);
            self.plan.part(encoder);
            return Ok(());
        };
        let fragile = match (stored.coding, node.info.transfer) {
            _ if node.author_signed => false,
            (Coding::QpRaw, _) => stored.fragile,
            (Coding::Base64Tail { .. }, _) => true,
            (Coding::Identity, Transfer::Base64) => !encoder.recipe().is_regular_base64(),
            // What an unknown encoding means, only its reader knows.
            (Coding::Identity, Transfer::Other) => false,
            (Coding::Identity, _) => match node.info.media_type.as_str() {
                "message/rfc822" => stored.fragile,
                _ => !matches!(node.info.main_type(), "message" | "multipart"),
            },
        };
        if !fragile {
            self.flush(None);
            self.plan.part(encoder);
            return Ok(());
        }
        if node.info.media_type == "message/rfc822" && node.info.transfer != Transfer::Base64 {
            self.pending = self.pending.take().map(|block| as_global(&block).into());
        }
        self.flush(Some("base64"));
        self.plan.part_base64(stored)
    }
    /// Writes the waiting header block, with another transfer encoding if one is given.
    fn flush(&mut self, coding: Option<&str>) {
        let Some(block) = self.pending.take() else { return };
        match coding {
            None => self.plan.literal(&block),
            Some(coding) => self.plan.literal(&with_coding(&block, coding)),
        }
    }
    /// Parts the message's own header: what stays outside is gathered, what is about the content returned.
    fn split_top(&mut self, block: &Bytes) -> Bytes {
        let (mut inner, mut version, mut typed) = (Vec::new(), false, false);
        for field in fields(block).filter(|f| !stays_inside(f.name)) {
            let about_content = field.name.len() > 8 && field.name[..8].eq_ignore_ascii_case(b"content-");
            typed |= field.is("Content-Type");
            version |= field.is("MIME-Version");
            let place = if about_content { &mut inner } else { &mut self.outer };
            place.extend_from_slice(field.raw);
            // A block that ends without a line end, as one-line messages do.
            if !field.raw.ends_with(b"\n") {
                place.extend_from_slice(b"\r\n");
            }
        }
        if !version {
            self.outer.extend_from_slice(b"MIME-Version: 1.0\r\n");
        }
        self.untyped = !typed;
        inner.extend_from_slice(b"\r\n");
        inner.into()
    }
    /// Gives a message without Content-Type one (RFC 2045 §5.2 says US-ASCII), so that what is not ASCII in
    /// it stays readable.
    fn name_type(&mut self, raw: &[u8]) {
        if !std::mem::take(&mut self.untyped) {
            return;
        }
        let charset = match std::str::from_utf8(raw) {
            Ok(text) if text.is_ascii() => "us-ascii",
            Ok(_) => "utf-8",
            Err(_) => "windows-1252",
        };
        let mut block = Fields::new();
        block.words("Content-Type", &format!("text/plain; charset={charset}"));
        let mut block = block.into_bytes();
        block.extend_from_slice(self.pending.as_deref().unwrap_or_default());
        self.pending = Some(block.into());
    }
}

/// The block with this Content-Transfer-Encoding in place of its own.
fn with_coding(block: &[u8], coding: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(block.len() + 48);
    for field in fields(block).filter(|f| !f.is("Content-Transfer-Encoding")) {
        out.extend_from_slice(field.raw);
    }
    out.extend_from_slice(format!("Content-Transfer-Encoding: {coding}\r\n\r\n").as_bytes());
    out
}

/// The block of an attached message with the type message/global; its parameters stay, the file's name among
/// them.
fn as_global(block: &[u8]) -> Vec<u8> {
    const OLD: &[u8] = b"message/rfc822";
    let (mut out, mut typed) = (Vec::with_capacity(block.len() + 32), false);
    for field in fields(block) {
        if !field.is("Content-Type") {
            out.extend_from_slice(field.raw);
        } else if let Some(at) = field.raw.windows(OLD.len()).position(|w| w.eq_ignore_ascii_case(OLD)) {
            typed = true;
            out.extend_from_slice(&field.raw[..at]);
            out.extend_from_slice(b"message/global");
            out.extend_from_slice(&field.raw[at + OLD.len()..]);
        }
    }
    // In a digest the type goes without saying.
    if !typed {
        out.extend_from_slice(b"Content-Type: message/global\r\n");
    }
    out
}

/// The text in a form that survives every relay, when it is not in one already.
fn reencode(info: &TextInfo, raw: &[u8]) -> Option<(&'static str, Vec<u8>)> {
    if info.transfer == Transfer::Other || !is_fragile(info, raw) {
        return None;
    }
    let content = match info.transfer {
        Transfer::QuotedPrintable => decode(Coding::QpRaw, raw),
        Transfer::Base64 => decode(Coding::Base64Tail { decoded: 0, tail: true }, raw),
        _ => raw.to_vec(),
    };
    let wide = info.charset.as_deref().is_some_and(|c| c.starts_with("utf-16") || c.starts_with("utf-32"));
    // Quoted-printable is for bytes whose line ends are line ends; what had been base64 may be anything.
    if wide || info.transfer == Transfer::Base64 || content.contains(&0) {
        return Some(("base64", base64_lines(&content)));
    }
    Some(("quoted-printable", encode_text(&content)))
}

fn is_fragile(info: &TextInfo, raw: &[u8]) -> bool {
    info.eight_bit
        || info.long_lines
        || info.trailing_blanks
        || matches!(info.transfer, Transfer::EightBit | Transfer::Binary)
        || raw.starts_with(b"From ")
        || memchr::memmem::find(raw, b"\nFrom ").is_some()
        || memchr::memchr(0, raw).is_some()
        || has_odd_line_end(raw)
}

/// A CR or LF that is not half of a CRLF.
fn has_odd_line_end(raw: &[u8]) -> bool {
    memchr::memchr2_iter(b'\r', b'\n', raw).any(|at| match raw[at] {
        b'\r' => raw.get(at + 1) != Some(&b'\n'),
        _ => at == 0 || raw[at - 1] != b'\r',
    })
}

fn decode(coding: Coding, raw: &[u8]) -> Vec<u8> {
    let (mut decoder, mut out) = (ContentDecoder::new(coding), Vec::with_capacity(raw.len()));
    decoder.push(raw, &mut out);
    decoder.finish(&mut out);
    out
}

/// For composition of our own mail: content that is already in memory.
pub(super) fn literal_recipe(bytes: &[u8]) -> Recipe {
    let mut plan = Planner::new();
    plan.literal(bytes);
    plan.finish()
}
