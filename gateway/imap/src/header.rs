//! A header block: its fields, raw and unfolded, and the parameters of MIME fields.
//!
//! Values stay encoded (RFC 2047, RFC 2231): that is how ENVELOPE and BODYSTRUCTURE give them.

use std::borrow::Cow;

/// The fields of a block, in order.
pub(crate) fn fields(block: &[u8]) -> Fields<'_> {
    Fields { rest: block }
}

/// Iterator over fields.
pub(crate) struct Fields<'h> {
    rest: &'h [u8],
}

/// One field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'h> {
    /// Everything, line end included.
    pub raw: &'h [u8],
    /// Name as written.
    pub name: &'h [u8],
    /// What follows the colon, still folded.
    pub value: &'h [u8],
}

impl<'h> Iterator for Fields<'h> {
    type Item = Field<'h>;
    fn next(&mut self) -> Option<Field<'h>> {
        while !self.rest.is_empty() {
            let mut end = line_end(self.rest, 0);
            if matches!(&self.rest[..end], b"\r\n" | b"\n") {
                self.rest = &[];
                return None;
            }
            while matches!(self.rest.get(end), Some(b' ' | b'\t')) {
                end = line_end(self.rest, end);
            }
            let (raw, rest) = self.rest.split_at(end);
            self.rest = rest;
            if let Some(colon) = memchr::memchr(b':', raw) {
                let name = raw[..colon].trim_ascii_end();
                return Some(Field { raw, name, value: &raw[colon + 1..] });
            }
            // A line without a colon is skipped, as every mail program does.
        }
        None
    }
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    memchr::memchr(b'\n', &bytes[from..]).map_or(bytes.len(), |n| from + n + 1)
}

/// A folded value on one line, without blanks around (RFC 5322 §2.2.3).
pub(crate) fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    let trimmed = value.trim_ascii();
    // Few values are folded.
    if memchr::memchr3(b'\r', b'\n', 0, trimmed).is_none() {
        return Cow::Borrowed(trimmed);
    }
    let flat: Vec<u8> = value.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n' | 0)).collect();
    Cow::Owned(flat.trim_ascii().to_vec())
}

/// The value of the first field of this name, unfolded.
pub(crate) fn first(block: &[u8], name: &str) -> Option<Vec<u8>> {
    fields(block).find(|f| f.name.eq_ignore_ascii_case(name.as_bytes())).map(|f| unfold(f.value).into_owned())
}

/// The Message-ID of a header block, without angle brackets (RFC 5322 §3.6.4).
pub fn message_id(block: &[u8]) -> Option<String> {
    let value = String::from_utf8(first(block, "message-id")?).ok()?;
    let id = value.strip_prefix('<')?.strip_suffix('>')?;
    (!id.is_empty()).then(|| id.to_owned())
}

/// A MIME value with its parameters: `text/plain; charset=utf-8`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Parametrised {
    /// Before the first `;`, lower case.
    pub value: String,
    /// Names (lower case) and values, in order.
    pub params: Vec<(String, String)>,
}

/// Parameters of one field that are looked at.
const MAX_PARAMS: usize = 64;

/// Parses an unfolded MIME value (RFC 2045 §5.1), forgiving what mail programs write.
pub(crate) fn parametrised(value: &[u8]) -> Parametrised {
    let text = String::from_utf8_lossy(value);
    let mut pieces = Pieces { rest: &text };
    let value = pieces.next().map(|p| strip_comments(p).trim().to_ascii_lowercase()).unwrap_or_default();
    let params = pieces
        .take(MAX_PARAMS)
        .filter_map(|piece| {
            let (name, value) = piece.split_once('=')?;
            let name = strip_comments(name).trim().to_ascii_lowercase();
            (!name.is_empty()).then(|| (name, unquote(value.trim())))
        })
        .collect();
    Parametrised { value, params }
}

impl Parametrised {
    /// A parameter's value.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// Cuts at semicolons that are not within quotes.
struct Pieces<'t> {
    rest: &'t str,
}

impl<'t> Iterator for Pieces<'t> {
    type Item = &'t str;
    fn next(&mut self) -> Option<&'t str> {
        if self.rest.is_empty() {
            return None;
        }
        let (mut quoted, mut escaped) = (false, false);
        for (at, b) in self.rest.bytes().enumerate() {
            match b {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b';' if !quoted => {
                    let piece = &self.rest[..at];
                    self.rest = &self.rest[at + 1..];
                    return Some(piece);
                }
                _ => {}
            }
        }
        Some(std::mem::take(&mut self.rest))
    }
}

/// Without `(…)`.
fn strip_comments(text: &str) -> String {
    let mut depth = 0u32;
    text.chars()
        .filter(|c| match c {
            '(' => {
                depth += 1;
                false
            }
            ')' if depth > 0 => {
                depth -= 1;
                false
            }
            _ => depth == 0,
        })
        .collect()
}

/// A quoted string without its quotes, or a token without what follows it.
fn unquote(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"') else {
        let end = text.find(|c: char| c.is_whitespace() || c == '(').unwrap_or(text.len());
        return text[..end].to_owned();
    };
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => out.extend(chars.next()),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found() {
        let block = b"A: 1\r\nnonsense\r\nB : 2\r\n\tmore\r\nC:\r\n\r\nbody: x\r\n";
        let names: Vec<_> = fields(block).map(|f| (f.name, unfold(f.value).into_owned())).collect();
        assert_eq!(names, [(&b"A"[..], b"1".to_vec()), (b"B", b"2\tmore".to_vec()), (b"C", b"".to_vec())]);
    }

    #[test]
    fn parameters() {
        let p = parametrised(b"Multipart/Mixed (x); boundary=\"a;\\\"b\" ; charset = utf-8 (c);; x");
        assert_eq!(p.value, "multipart/mixed");
        assert_eq!(p.param("boundary"), Some("a;\"b"));
        assert_eq!(p.param("charset"), Some("utf-8"));
        assert_eq!(p.params.len(), 2);
    }
}
