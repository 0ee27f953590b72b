//! Small text rules shared by both sides.

use std::borrow::Cow;

/// One line fit for a reply: no control characters; ASCII only unless `utf8`.
pub(crate) fn printable(line: &str, utf8: bool) -> Cow<'_, str> {
    if line.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return Cow::Borrowed(line);
    }
    let keep = |c: char| match c {
        c if c.is_control() => ' ',
        c if c.is_ascii() || utf8 => c,
        c => unaccented(c),
    };
    Cow::Owned(line.chars().map(keep).collect())
}

/// The base letter of the accented letters French and its neighbours use.
fn unaccented(c: char) -> char {
    match c {
        'à'..='å' => 'a',
        'À'..='Å' => 'A',
        'ç' => 'c',
        'Ç' => 'C',
        'è'..='ë' => 'e',
        'È'..='Ë' => 'E',
        'ì'..='ï' => 'i',
        'Ì'..='Ï' => 'I',
        'ñ' => 'n',
        'ò'..='ö' => 'o',
        'Ò'..='Ö' => 'O',
        'ù'..='ü' => 'u',
        'Ù'..='Ü' => 'U',
        '’' | '‘' => '\'',
        '\u{a0}' | '\u{202f}' => ' ',
        _ => '?',
    }
}

/// Undoes xtext (RFC 3461 §4); `None` when it is none, or hides a control character.
pub(crate) fn from_xtext(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        match b {
            b'+' => out.push(upper_hex(bytes.next()?)? * 16 + upper_hex(bytes.next()?)?),
            b'=' => return None,
            b'!'..=b'~' => out.push(b),
            // RFC 6533 §3 lets UTF-8 stand for itself once SMTPUTF8 is in use.
            0x80.. => out.push(b),
            _ => return None,
        }
    }
    String::from_utf8(out).ok().filter(|s| !s.chars().any(char::is_control))
}

/// Writes xtext (RFC 3461 §4).
pub(crate) fn to_xtext(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::with_capacity(text.len()), |mut out, b| {
        match b {
            b'+' | b'=' | ..=b' ' | 0x7f.. => {
                let _ = write!(out, "+{b:02X}");
            }
            b => out.push(b as char),
        }
        out
    })
}

/// `hexchar = "+" 2(%x30-39 / %x41-46)`: upper case only.
fn upper_hex(b: u8) -> Option<u8> {
    match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'A'..=b'F' => Some(b - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn xtext_is_strict() {
        assert_eq!(from_xtext("a+2Bb+3Dc").as_deref(), Some("a+b=c"));
        for bad in ["a+2", "a+2b", "a=b", "a b", "a+0D+0A", "+FF"] {
            assert_eq!(from_xtext(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn xtext_round_trip(s in "[ -~é]{0,40}") {
            prop_assert_eq!(from_xtext(&to_xtext(&s)), Some(s));
        }
    }
}
