//! Parameters of Content-Type and Content-Disposition (RFC 2045 §5.1), continued and encoded ones
//! (RFC 2231), and encoded words in them (RFC 2047), which no standard allows and every client writes.
//!
//! Ours and not mail-parser's, since the walker's boundaries hang on it and since characters may be split
//! over continuations.

use super::{clean_text, to_text};
use crate::charset;

/// A value with parameters, read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters {
    /// What stands before the first semicolon, in lower case, without blanks.
    pub(crate) main: String,
    list: Vec<Raw>,
}

#[derive(Debug, PartialEq, Eq)]
struct Raw {
    /// Lower case, without the marks of RFC 2231.
    name: String,
    /// Number of the continuation.
    section: Option<u32>,
    /// Marked as percent-encoded.
    encoded: bool,
    quoted: bool,
    value: Vec<u8>,
}

/// Parameters and comments of one field that are read; the rest is ignored.
const MAX_PARAMETERS: usize = 100;

/// Comments looked for before the first semicolon: each search may cross the whole value.
const MAX_COMMENTS: usize = 20;

impl Parameters {
    /// Reads an unfolded or folded value.
    pub(crate) fn parse(value: &[u8]) -> Self {
        let value: Vec<u8> = value.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
        let (main, mut rest) = main_value(&value);
        let mut list = Vec::new();
        for _ in 0..MAX_PARAMETERS {
            let (parameter, after) = next(rest);
            list.extend(parameter);
            rest = after;
        }
        Self { main, list }
    }

    /// The first parameter of that name, decoded; extended forms win over the plain one.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.extended(name).or_else(|| {
            let plain = self.plain(name)?;
            let text = to_text(&plain.value);
            let text = if text.contains("=?") { decode_words(&text) } else { text.into_owned() };
            Some(clean_text(text))
        })
    }

    /// The same without any decoding: for boundaries, which are compared as bytes.
    pub(crate) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        match self.plain(name) {
            Some(plain) => Some(plain.value.clone()),
            None => self.extended(name).map(String::into_bytes),
        }
    }

    /// A value that is one word: cut at the first blank or comment unless it was quoted.
    pub(crate) fn word(&self, name: &str) -> Option<String> {
        let quoted = self.plain(name).is_some_and(|p| p.quoted);
        let text = self.get(name)?;
        let cut = if quoted { text.len() } else { text.find([' ', '\t', '(']).unwrap_or(text.len()) };
        Some(text[..cut].trim().to_owned()).filter(|t| !t.is_empty())
    }

    fn plain(&self, name: &str) -> Option<&Raw> {
        self.list.iter().find(|p| p.name == name && p.section.is_none() && !p.encoded)
    }

    /// RFC 2231 §3 and §4: joins continuations as bytes before it decodes characters.
    fn extended(&self, name: &str) -> Option<String> {
        let whole = self.list.iter().find(|p| p.name == name && p.section.is_none() && p.encoded);
        let mut sections: Vec<&Raw> = match whole {
            Some(whole) => vec![whole],
            None => self.list.iter().filter(|p| p.name == name && p.section.is_some()).collect(),
        };
        sections.sort_by_key(|p| p.section);
        let first = sections.first()?;
        let (charset, mut joined) = match first.encoded {
            true => split_charset(&first.value),
            false => (None, first.value.clone()),
        };
        for section in &sections[1..] {
            if section.encoded {
                joined.extend(percent(&section.value))
            } else {
                joined.extend(&section.value)
            }
        }
        let text = charset::decode(charset.as_deref(), &joined);
        Some(clean_text(if first.encoded || !text.contains("=?") { text } else { decode_words(&text) }))
    }
}

/// `charset'language'percent-encoded`; a writer that forgot the quotes gets a guess.
fn split_charset(value: &[u8]) -> (Option<String>, Vec<u8>) {
    let mut pieces = value.splitn(3, |b| *b == b'\'');
    match (pieces.next(), pieces.next(), pieces.next()) {
        (Some(charset), Some(_), Some(text)) => (Some(to_text(charset).into_owned()), percent(text)),
        _ => (None, percent(value)),
    }
}

fn percent(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, after)) = rest.split_first() {
        let digit = |i: usize| after.get(i).and_then(|d| char::from(*d).to_digit(16));
        rest = match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                &after[2..]
            }
            _ => {
                out.push(byte);
                after
            }
        };
    }
    out
}

/// Encoded words in a text.
fn decode_words(text: &str) -> String {
    let line = format!("{text}\r\n");
    let value = mail_parser::parsers::MessageStream::new(line.as_bytes()).parse_unstructured();
    value.as_text().map_or_else(|| text.to_owned(), str::to_owned)
}

/// One parameter off the front; what cannot be read is skipped to the next semicolon.
fn next(rest: &[u8]) -> (Option<Raw>, &[u8]) {
    let start = rest.iter().position(|b| !matches!(b, b';' | b' ' | b'\t')).unwrap_or(rest.len());
    let rest = &rest[start..];
    if rest.first() == Some(&b'(') {
        return (None, &rest[comment_end(rest).unwrap_or(1)..]);
    }
    let name_end = rest.iter().position(|b| matches!(b, b'=' | b';')).unwrap_or(rest.len());
    if rest.get(name_end) != Some(&b'=') {
        return (None, &rest[name_end..]);
    }
    let name = to_text(rest[..name_end].trim_ascii()).to_lowercase();
    let after = rest[name_end + 1..].trim_ascii_start();
    let (value, quoted, after) = match after.first() {
        Some(b'"') => {
            let (value, after) = quoted_string(&after[1..]);
            (value, true, after)
        }
        _ => {
            let end = memchr::memchr(b';', after).unwrap_or(after.len());
            (after[..end].trim_ascii().to_vec(), false, &after[end..])
        }
    };
    (Some(named(&name, value, quoted)), after)
}

/// Takes the marks of RFC 2231 off a name: `name*`, `name*2`, `name*2*`.
fn named(name: &str, value: Vec<u8>, quoted: bool) -> Raw {
    let (base, encoded) = match name.strip_suffix('*') {
        Some(base) => (base, true),
        None => (name, false),
    };
    match base.rsplit_once('*').and_then(|(base, n)| n.parse().ok().map(|n| (base, n))) {
        Some((base, n)) => Raw { name: base.to_owned(), section: Some(n), encoded, quoted, value },
        None => Raw { name: base.to_owned(), section: None, encoded, quoted, value },
    }
}

/// After the opening quote. A backslash escapes a quote or itself; before anything else it is the path
/// separator of a careless writer.
fn quoted_string(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let (mut value, mut i) = (Vec::new(), 0);
    while let Some(&byte) = text.get(i) {
        match (byte, text.get(i + 1)) {
            (b'"', _) => return (value, &text[i + 1..]),
            (b'\\', Some(&escaped @ (b'"' | b'\\'))) => {
                value.push(escaped);
                i += 1;
            }
            _ => value.push(byte),
        }
        i += 1;
    }
    (value, &[])
}

/// Length of the comment at the beginning of `text` (RFC 5322 §3.2.2); `None` when it has no end, so that
/// a stray parenthesis does not swallow the parameters.
fn comment_end(text: &[u8]) -> Option<usize> {
    let mut depth = 0usize;
    for (i, b) in text.iter().enumerate() {
        match b {
            b'(' => depth += 1,
            b')' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(i + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// What stands before the first semicolon, without comments and blanks, and what follows.
fn main_value(value: &[u8]) -> (String, &[u8]) {
    let (mut main, mut rest, mut tries) = (Vec::new(), value, MAX_COMMENTS);
    while let Some((&byte, after)) = rest.split_first() {
        let comment = if byte == b'(' && tries > 0 { comment_end(rest) } else { None };
        tries -= usize::from(byte == b'(' && tries > 0);
        rest = match (byte, comment) {
            (b';', _) => break,
            (_, Some(end)) => &rest[end..],
            _ => {
                main.push(byte);
                after
            }
        };
    }
    let text = to_text(&main);
    (text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase(), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filenames_in_every_form() {
        for (value, name) in [
            ("attachment; filename=plain.txt", "plain.txt"),
            ("attachment; filename=\"with space.txt\"", "with space.txt"),
            ("attachment; filename=bare space.txt ; x=y", "bare space.txt"),
            ("attachment; filename*=UTF-8''r%C3%A9sum%C3%A9.pdf", "résumé.pdf"),
            ("attachment; filename=\"fallback.pdf\"; filename*=iso-8859-1'fr'%e9t%e9.pdf", "été.pdf"),
            ("attachment; filename*0*=UTF-8''caf%C3; filename*1*=%A9; filename*2=.txt", "café.txt"),
            ("attachment; filename*1=\"b.txt\"; filename*0=\"a\"", "ab.txt"),
            ("attachment; filename=\"=?UTF-8?B?w6l0w6kucGRm?=\"", "été.pdf"),
            ("attachment; filename==?iso-8859-1?Q?=E9t=E9.pdf?=", "été.pdf"),
            ("attachment; filename=\"=?UTF-8?Q?long_?=\r\n =?UTF-8?Q?name.pdf?=\"", "long name.pdf"),
            ("attachment; filename=\"a\\\"b.txt\"", "a\"b.txt"),
            ("attachment; filename=\"C:\\dir\\a.txt\"", "C:\\dir\\a.txt"),
            ("attachment; FileName = \"Case.txt\"", "Case.txt"),
            ("attachment (comment; filename=no); filename=yes", "yes"),
            ("attachment; filename=\"unterminated.txt", "unterminated.txt"),
            ("attachment; filename*='bad", "'bad"),
        ] {
            assert_eq!(Parameters::parse(value.as_bytes()).get("filename").as_deref(), Some(name), "{value}");
        }
    }

    #[test]
    fn types_and_words() {
        let p =
            Parameters::parse(b" Text / Plain (really); charset=us-ascii (Plain text); boundary=\"a;b\"; x");
        assert_eq!(p.main, "text/plain");
        assert_eq!(p.word("charset").as_deref(), Some("us-ascii"));
        assert_eq!(p.bytes("boundary").unwrap(), b"a;b");
        assert_eq!(p.get("x"), None);
        assert_eq!(Parameters::parse(b"").main, "");
    }
}
