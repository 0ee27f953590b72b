//! Address lists as ENVELOPE gives them: `((name route mailbox host) …)` (RFC 3501 §7.4.2).
//!
//! The parser takes RFC 5322 lists with groups, comments and quoted names, and makes something of what
//! is neither. Names stay encoded.

use crate::text;
use std::borrow::Cow;

/// Addresses of one field that are given.
const MAX_ADDRESSES: usize = 1000;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token<'v> {
    Word(Cow<'v, [u8]>),
    Special(u8),
    /// Old programs put the name there (RFC 5322 §3.4).
    Comment(&'v [u8]),
}

/// Writes the list of an unfolded field value, or NIL.
pub(crate) fn list(out: &mut Vec<u8>, value: Option<&[u8]>) {
    let start = out.len();
    out.push(b'(');
    let mut count = 0;
    let tokens = value.map(tokens).unwrap_or_default();
    let mut rest = tokens.as_slice();
    let mut in_group = false;
    while !rest.is_empty() && count < MAX_ADDRESSES {
        let end = item_end(rest);
        let (item, after) = rest.split_at(end);
        let stop = after.first();
        rest = after.get(1..).unwrap_or_default();
        match stop {
            Some(Token::Special(b':')) if !in_group => {
                in_group = true;
                entry(out, None, None, Some(&join(item, b" ")), None);
                count += 1;
            }
            Some(Token::Special(b';')) => {
                count += usize::from(mailbox(out, item));
                if in_group {
                    entry(out, None, None, None, None);
                }
                in_group = false;
            }
            _ => count += usize::from(mailbox(out, item)),
        }
    }
    if in_group {
        entry(out, None, None, None, None);
    }
    if count == 0 {
        out.truncate(start);
        out.extend_from_slice(b"NIL");
    } else {
        out.push(b')');
    }
}

/// Up to the next `,`, `;` or `:` outside angle brackets.
fn item_end(tokens: &[Token<'_>]) -> usize {
    let mut angle = false;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Special(b'<') => angle = true,
            Token::Special(b'>') => angle = false,
            Token::Special(b',' | b';' | b':') if !angle => return at,
            _ => {}
        }
    }
    tokens.len()
}

/// Writes one mailbox; false when there is none.
fn mailbox(out: &mut Vec<u8>, item: &[Token<'_>]) -> bool {
    let is = |b: u8| move |t: &Token<'_>| *t == Token::Special(b);
    let (name, route, spec) = match item.iter().position(is(b'<')) {
        Some(open) => {
            let inner = &item[open + 1..];
            let close = inner.iter().position(is(b'>')).unwrap_or(inner.len());
            // An obsolete route ends with a colon (RFC 5322 §4.4).
            let routed = inner.first() == Some(&Token::Special(b'@'));
            let end = inner[..close].iter().position(is(b':')).filter(|_| routed);
            let route = end.map(|n| join(&inner[..n], b""));
            let name = Some(join(&item[..open], b" ")).filter(|n| !n.is_empty());
            (name, route, &inner[end.map_or(0, |n| n + 1)..close])
        }
        None => (comment(item), None, item),
    };
    let (name, route) = (name.as_deref(), route.as_deref());
    match spec.iter().rposition(is(b'@')) {
        Some(at) => entry(out, name, route, Some(&join(&spec[..at], b"")), Some(&join(&spec[at + 1..], b""))),
        None if join(spec, b"").is_empty() && name.is_none() => return false,
        None => entry(out, name, route, Some(&join(spec, b" ")), Some(b"")),
    }
    true
}

/// The comment behind an address without angle brackets, which stands for a name.
fn comment<'v>(item: &[Token<'v>]) -> Option<Cow<'v, [u8]>> {
    match item.last()? {
        Token::Comment(text) if item.contains(&Token::Special(b'@')) => {
            Some(text.trim_ascii()).filter(|t| !t.is_empty()).map(Cow::Borrowed)
        }
        _ => None,
    }
}

fn entry(
    out: &mut Vec<u8>,
    name: Option<&[u8]>,
    route: Option<&[u8]>,
    mailbox: Option<&[u8]>,
    host: Option<&[u8]>,
) {
    out.push(b'(');
    text::nstring(out, name);
    out.push(b' ');
    text::nstring(out, route);
    out.push(b' ');
    text::nstring(out, mailbox);
    out.push(b' ');
    text::nstring(out, host);
    out.push(b')');
}

fn join<'t>(tokens: &'t [Token<'_>], between: &[u8]) -> Cow<'t, [u8]> {
    if let [Token::Word(word)] = tokens {
        return Cow::Borrowed(word);
    }
    let mut out: Vec<u8> = Vec::new();
    let mut glue = true;
    for token in tokens {
        match token {
            Token::Word(word) => {
                if !glue {
                    out.extend_from_slice(between);
                }
                out.extend_from_slice(word);
                glue = false;
            }
            Token::Special(b) => {
                out.push(*b);
                glue = true;
            }
            Token::Comment(_) => {}
        }
    }
    Cow::Owned(out)
}

/// Words, quoted strings without quotes, and specials; comments are dropped.
fn tokens(value: &[u8]) -> Vec<Token<'_>> {
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(&b) = value.get(at) {
        match b {
            b' ' | b'\t' | b'\r' | b'\n' => at += 1,
            b'"' => {
                let (word, next) = quoted(value, at + 1);
                all.push(Token::Word(Cow::Owned(word)));
                at = next;
            }
            b'(' => {
                let end = after_comment(value, at);
                let inner = &value[at + 1..end];
                all.push(Token::Comment(inner.strip_suffix(b")").unwrap_or(inner)));
                at = end;
            }
            // An address literal holds colons.
            b'[' => {
                let end = memchr::memchr(b']', &value[at..]).map_or(value.len(), |n| at + n + 1);
                all.push(Token::Word(Cow::Borrowed(&value[at..end])));
                at = end;
            }
            b'<' | b'>' | b',' | b';' | b':' | b'@' => {
                all.push(Token::Special(b));
                at += 1;
            }
            _ => {
                let stop = |b: &u8| b" \t\r\n\"(<>,;:@[".contains(b);
                let end = value[at..].iter().position(stop).map_or(value.len(), |n| at + n);
                all.push(Token::Word(Cow::Borrowed(&value[at..end])));
                at = end;
            }
        }
    }
    all
}

fn quoted(value: &[u8], from: usize) -> (Vec<u8>, usize) {
    let mut word = Vec::new();
    let mut at = from;
    while let Some(&b) = value.get(at) {
        at += 1;
        match b {
            b'"' => break,
            b'\\' => {
                word.extend(value.get(at));
                at += 1;
            }
            _ => word.push(b),
        }
    }
    (word, at.min(value.len()))
}

fn after_comment(value: &[u8], from: usize) -> usize {
    let mut depth = 0usize;
    let mut at = from;
    while let Some(&b) = value.get(at) {
        at += 1;
        match b {
            b'\\' => at += 1,
            b'(' => depth += 1,
            b')' if depth == 1 => return at,
            b')' => depth -= 1,
            _ => {}
        }
    }
    value.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        for (value, expected) in [
            ("a@b.c", r#"((NIL NIL "a" "b.c"))"#),
            ("Ann B <a@b.c>, d@e.f", r#"(("Ann B" NIL "a" "b.c")(NIL NIL "d" "e.f"))"#),
            (r#""B, \"Ann\"" <a@b.c>"#, r#"(("B, \"Ann\"" NIL "a" "b.c"))"#),
            ("=?utf-8?q?J=C3=A9?= <j@b.c>", r#"(("=?utf-8?q?J=C3=A9?=" NIL "j" "b.c"))"#),
            (
                "Team: a@b.c, d@e.f;",
                r#"((NIL NIL "Team" NIL)(NIL NIL "a" "b.c")(NIL NIL "d" "e.f")(NIL NIL NIL NIL))"#,
            ),
            ("undisclosed-recipients:;", r#"((NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL))"#),
            ("<@x,@y:a@b.c>", r#"((NIL "@x,@y" "a" "b.c"))"#),
            ("a (comment (nested)) @ b.c", r#"((NIL NIL "a" "b.c"))"#),
            ("a@b.c (Ann B), (x) d@e.f ()", r#"(("Ann B" NIL "a" "b.c")(NIL NIL "d" "e.f"))"#),
            ("(nobody)", "NIL"),
            ("John Smith", r#"((NIL NIL "John Smith" ""))"#),
            ("<a@[IPv6:1::2]>, b@[1.2.3.4]", r#"((NIL NIL "a" "[IPv6:1::2]")(NIL NIL "b" "[1.2.3.4]"))"#),
            ("", "NIL"),
            (", ,", "NIL"),
            ("<>", "NIL"),
            (r#""a b"@c.d"#, r#"((NIL NIL "a b" "c.d"))"#),
            (r#""unclosed <a@b.c>"#, r#"((NIL NIL "unclosed <a@b.c>" ""))"#),
        ] {
            let mut out = Vec::new();
            list(&mut out, Some(value.as_bytes()));
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{value}");
        }
    }

    proptest::proptest! {
        #[test]
        fn anything_is_balanced(value in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let mut out = Vec::new();
            list(&mut out, Some(&value));
            proptest::prop_assert!(out == b"NIL" || (out.starts_with(b"((") && out.ends_with(b"))")));
        }
    }
}
