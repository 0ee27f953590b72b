//! Header blocks: fields, the facts of a part, the facts of a message.
//!
//! **Job.** Splits a bounded header block into fields and has mail-parser read the structured ones.
//! **Exposure.** Strangers' text. Where a field stands several times the first one counts, as in the
//! clients we know. Bytes that are no UTF-8 are read as windows-1252, never dropped.
//! **Standards.** RFC 5322 §2.2 and §3.6, RFC 2045 §5, RFC 2047, RFC 2183, RFC 2231, RFC 6532.

mod filename;
mod params;
mod part;
mod taker;
mod top;

pub use filename::safe_filename;
pub(crate) use part::{MAX_BOUNDARY, Parsed, parse_part};
pub use taker::FieldTaker;
pub(crate) use top::parse_top;

use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;
use std::borrow::Cow;

/// One field as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Name as written, without blanks before the colon.
    pub name: &'a [u8],
    /// Everything after the colon, folds and the last line end included.
    pub value: &'a [u8],
    /// The whole field.
    pub raw: &'a [u8],
}

impl<'a> Field<'a> {
    /// Whether it has this name, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
    /// Name as text.
    pub fn name_text(&self) -> String {
        to_text(self.name).into_owned()
    }
    /// Value unfolded, encoded words decoded, without control or direction-changing characters.
    pub fn text(&self) -> String {
        clean_text(self.parsed(|s| s.parse_unstructured(), |v| v.as_text().unwrap_or_default().to_owned()))
    }
    /// Value unfolded and nothing more (RFC 5322 §2.2.3).
    pub fn unfolded(&self) -> String {
        let text = to_text(self.value);
        text.split(['\r', '\n']).filter(|l| !l.is_empty()).collect::<String>().trim().to_owned()
    }
    /// Lets mail-parser read the value. It wants UTF-8 and a line end.
    fn parsed<T>(
        &self,
        parse: impl for<'x> FnOnce(&mut MessageStream<'x>) -> HeaderValue<'x>,
        take: impl FnOnce(HeaderValue<'_>) -> T,
    ) -> T {
        let text = format!("{}\r\n", to_text(self.value).trim_end_matches(['\r', '\n']));
        take(parse(&mut MessageStream::new(text.as_bytes())))
    }
}

/// The fields of a block, in order. Lines that are no field are skipped.
pub fn fields(block: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at;
            if start >= block.len() {
                return None;
            }
            at = end_of_line(block, at);
            while matches!(block.get(at), Some(b' ' | b'\t')) {
                at = end_of_line(block, at);
            }
            if let Some(field) = split_field(&block[start..at]) {
                return Some(field);
            }
        }
    })
}

fn end_of_line(block: &[u8], from: usize) -> usize {
    memchr::memchr(b'\n', &block[from..]).map_or(block.len(), |i| from + i + 1)
}

fn split_field(raw: &[u8]) -> Option<Field<'_>> {
    let colon = memchr::memchr(b':', raw)?;
    let name = raw[..colon].trim_ascii_end();
    (!name.is_empty() && is_field_name(name)).then_some(Field { name, value: &raw[colon + 1..], raw })
}

fn is_field_name(name: &[u8]) -> bool {
    name.iter().all(|b| (33..=126).contains(b))
}

/// Whether a line may stand in a header block: a field, a continuation, or an envelope line of mbox files.
/// The first line that may not begins the body, as in the clients we know.
pub(crate) fn is_header_line(line: &[u8], first: bool) -> bool {
    match line.first() {
        Some(b' ' | b'\t') => !first,
        _ if first && (line.starts_with(b"From ") || line.starts_with(b">From ")) => true,
        _ => memchr::memchr(b':', line).is_some_and(|colon| is_field_name(line[..colon].trim_ascii_end())),
    }
}

/// Bytes as text: UTF-8 (RFC 6532), else windows-1252, in which no byte is lost.
pub(crate) fn to_text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0,
    }
}

/// Control characters become spaces; those that turn the direction of the text around vanish.
pub(crate) fn clean_text(text: String) -> String {
    if !text.chars().any(|c| c.is_control() || turns_text(c)) {
        return text;
    }
    text.chars().filter(|c| !turns_text(*c)).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Embeddings, overrides and isolates of the bidirectional algorithm, which can hide what a name ends in.
pub(crate) fn turns_text(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_and_unfolds() {
        let block = b"Subject: a\r\n  b\r\nnonsense\r\nX : \xe9\nFrom x@y Mon 10:00\r\nTo:c\r\n\r\n";
        let all: Vec<_> = fields(block).collect();
        assert_eq!(all.len(), 3);
        assert_eq!((all[0].name, all[0].unfolded().as_str()), (&b"Subject"[..], "a  b"));
        assert_eq!((all[1].name, all[1].text().as_str()), (&b"X"[..], "é"));
        assert!(all[2].is("TO"));
    }

    #[test]
    fn header_lines() {
        for (line, first, yes) in [
            ("A: b", true, true),
            (" folded", false, true),
            (" folded", true, false),
            ("Hello world", false, false),
            ("Hello world: x", false, false),
            ("From a@b Mon Jan  1 00:00:00 2024", true, true),
            ("From a@b Mon Jan  1 00:00:00 2024", false, false),
        ] {
            assert_eq!(is_header_line(line.as_bytes(), first), yes, "{line}");
        }
    }
}
