//! Search filters: their text (RFC 4515) with places for what was typed, and their form on the wire (RFC 4511 §4.5.1.7).
//!
//! **Exposure.** What strangers typed is escaped before it is put into the text: it can name a value and nothing else.

use super::ber;
use sealpost_envelope::EmailAddress;
use std::fmt::Write;

/// Filters nested deeper than this are a mistake.
const DEEPEST: u8 = 16;

/// A filter's text is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no LDAP filter (RFC 4515)")]
pub struct FilterError(pub String);

/// A value inside a filter's text (RFC 4515 §3: `*`, `(`, `)`, `\` and NUL are escaped; everything but letters and
/// digits may be, and is).
pub(super) fn escaped(value: &str) -> String {
    escape(value, |out, byte| _ = write!(out, "\\{byte:02x}"))
}

/// A value inside a distinguished name's text (RFC 4514 §2.4: any octet may be written as `\` and two digits).
pub(super) fn escaped_name(value: &str) -> String {
    escaped(value)
}

fn escape(value: &str, strange: impl Fn(&mut String, u8)) -> String {
    let mut out = String::with_capacity(value.len() * 2);
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(char::from(byte)),
            other => strange(&mut out, other),
        }
    }
    out
}

/// A text with `{login}`, `{local}` and `{domain}` filled in.
pub(super) fn filled(template: &str, login: &EmailAddress, escape: fn(&str) -> String) -> String {
    template
        .replace("{login}", &escape(login.as_str()))
        .replace("{local}", &escape(login.local()))
        .replace("{domain}", &escape(login.domain()))
}

/// The wire form of a filter's text.
pub(super) fn parse(text: &str) -> Result<Vec<u8>, FilterError> {
    let wrong = || FilterError(text.to_owned());
    let (bytes, rest) = filter(text.trim(), 0).ok_or_else(wrong)?;
    if rest.is_empty() { Ok(bytes) } else { Err(wrong()) }
}

/// One filter in its brackets, and what follows.
fn filter(text: &str, depth: u8) -> Option<(Vec<u8>, &str)> {
    let inner = text.strip_prefix('(')?;
    if depth > DEEPEST {
        return None;
    }
    let (tag, list) = match inner.chars().next()? {
        '&' => (0xa0, true),
        '|' => (0xa1, true),
        '!' => (0xa2, false),
        _ => {
            let (item_text, rest) = inner.split_once(')')?;
            return Some((item(item_text)?, rest));
        }
    };
    let (mut parts, mut rest) = (Vec::new(), &inner[1..]);
    while let Some((part, after)) = rest.starts_with('(').then(|| filter(rest, depth + 1)).flatten() {
        parts.push(part);
        rest = after;
    }
    let complete = if list { !parts.is_empty() } else { parts.len() == 1 };
    let rest = rest.strip_prefix(')')?;
    complete.then(|| (ber::all(tag, &parts), rest))
}

/// A comparison: equal, at least, at most, similar, present, or substrings.
fn item(text: &str) -> Option<Vec<u8>> {
    let (left, value) = text.split_once('=')?;
    let (attribute, tag) = match left.chars().next_back()? {
        '>' => (&left[..left.len() - 1], 0xa5),
        '<' => (&left[..left.len() - 1], 0xa6),
        '~' => (&left[..left.len() - 1], 0xa8),
        _ => (left, 0xa3),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ';' | '.');
    if attribute.is_empty() || !attribute.chars().all(plain) || value.contains('(') {
        return None;
    }
    if tag == 0xa3 && value == "*" {
        return Some(ber::tlv(0x87, attribute.as_bytes()));
    }
    let name = ber::tlv(ber::OCTETS, attribute.as_bytes());
    if tag == 0xa3 && value.contains('*') {
        return Some(ber::all(0xa4, &[name, substrings(value)?]));
    }
    Some(ber::all(tag, &[name, ber::tlv(ber::OCTETS, &unescaped(value)?)]))
}

fn substrings(value: &str) -> Option<Vec<u8>> {
    let pieces: Vec<&str> = value.split('*').collect();
    let last = pieces.len() - 1;
    let mut parts = Vec::new();
    for (n, piece) in pieces.iter().enumerate() {
        let tag = match n {
            0 => 0x80,
            n if n == last => 0x82,
            _ => 0x81,
        };
        match piece.is_empty() {
            true if n == 0 || n == last => {}
            true => return None,
            false => parts.push(ber::tlv(tag, &unescaped(piece)?)),
        }
    }
    Some(ber::all(ber::SEQUENCE, &parts))
}

/// The octets of a value: `\` and two hexadecimal digits stand for one.
fn unescaped(value: &str) -> Option<Vec<u8>> {
    let (mut out, mut rest) = (Vec::with_capacity(value.len()), value.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let digits = std::str::from_utf8(after.get(..2)?).ok().filter(|d| !d.starts_with('+'))?;
        out.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &after[2..];
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn filters_on_the_wire() {
        let cases: [(&str, &[u8]); 6] = [
            ("(cn=a)", b"\xa3\x07\x04\x02cn\x04\x01a"),
            ("(cn=*)", b"\x87\x02cn"),
            ("(!(cn=*))", b"\xa2\x04\x87\x02cn"),
            ("(&(a=*)(b=*))", b"\xa0\x06\x87\x01a\x87\x01b"),
            ("(cn=a*b*c)", b"\xa4\x0f\x04\x02cn\x30\x09\x80\x01a\x81\x01b\x82\x01c"),
            ("(cn=\\2a\\e9)", b"\xa3\x08\x04\x02cn\x04\x02*\xe9"),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse(text).as_deref(), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_filter() {
        let deep = format!("{}(a=b){}", "(!".repeat(30), ")".repeat(30));
        for text in [
            "",
            "cn=a",
            "(cn=a",
            "(cn=a))",
            "()",
            "(&)",
            "(=a)",
            "(a b=c)",
            "(cn=a**b)",
            "(cn=\\4)",
            "(cn=\\zz)",
            &deep,
        ] {
            assert_eq!(parse(text), Err(FilterError(text.to_owned())), "{text}");
        }
    }

    proptest! {
        /// RFC 4515 §4: whatever was typed is one value.
        #[test]
        fn nobody_breaks_out_of_a_value(typed in "\\PC{0,40}") {
            let inside = parse(&format!("(&(objectClass=person)(mail={}))", escaped(&typed))).unwrap();
            let whole = ber::all(0xa0, &[
                parse("(objectClass=person)").unwrap(),
                ber::all(0xa3, &[ber::tlv(ber::OCTETS, b"mail"), ber::tlv(ber::OCTETS, typed.as_bytes())]),
            ]);
            prop_assert_eq!(inside, whole);
        }
    }

    #[test]
    fn places_are_filled() {
        let login =
            EmailAddress::parse("o*(cn=x)@b.test").or_else(|_| EmailAddress::parse("o*x@b.test")).unwrap();
        let text = filled("(|(mail={login})(uid={local}))", &login, escaped);
        assert!(!text.contains("o*") && text.contains("\\2a") && text.contains("\\40b\\2etest"), "{text}");
    }
}
