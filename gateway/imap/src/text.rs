//! Strings on the wire: quoted, literal, NIL, and folder names in modified UTF-7.

/// Writes a string as quoted where that is allowed, else as a literal (RFC 3501 §4.3).
pub(crate) fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    let plain = |b: &u8| (b' '..=b'~').contains(b);
    if bytes.len() > 1000 || !bytes.iter().all(plain) {
        // A NUL cannot stand in a literal either (CHAR8).
        let clean: Vec<u8> = bytes.iter().copied().filter(|b| *b != 0).collect();
        out.extend_from_slice(format!("{{{}}}\r\n", clean.len()).as_bytes());
        out.extend_from_slice(&clean);
        return;
    }
    out.push(b'"');
    let mut rest = bytes;
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(&[b'\\', rest[at]]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Writes a string or NIL.
pub(crate) fn nstring(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => string(out, bytes),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// Human text of a response: one line, ASCII.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if (' '..='~').contains(&c) { c } else { '?' }).take(900).collect()
}

/// A folder name as the client gave it, as UTF-8. After ENABLE of UTF-8 names come as they are.
pub(crate) fn folder_name(raw: &[u8], utf8: bool) -> Option<String> {
    let text = std::str::from_utf8(raw).ok()?;
    let name = if utf8 { text.to_owned() } else { from_utf7(text)? };
    let clean = !name.is_empty() && name.len() <= 500 && !name.chars().any(char::is_control);
    clean.then_some(name)
}

/// A folder name for the client, quoted.
pub(crate) fn folder(out: &mut Vec<u8>, name: &str, utf8: bool) {
    if !utf8 {
        return string(out, to_utf7(name).as_bytes());
    }
    out.push(b'"');
    for c in name.chars() {
        if matches!(c, '"' | '\\') {
            out.push(b'\\');
        }
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
    out.push(b'"');
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/// RFC 3501 §5.1.3.
fn to_utf7(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut shifted: Vec<u16> = Vec::new();
    for c in name.chars() {
        if (' '..='~').contains(&c) {
            unshift(&mut out, &mut shifted);
            out.push(c);
            if c == '&' {
                out.push('-');
            }
        } else {
            shifted.extend_from_slice(c.encode_utf16(&mut [0; 2]));
        }
    }
    unshift(&mut out, &mut shifted);
    out
}

/// Writes the characters held back in modified base64.
fn unshift(out: &mut String, units: &mut Vec<u16>) {
    if units.is_empty() {
        return;
    }
    out.push('&');
    let (mut bits, mut count) = (0u32, 0u32);
    for unit in units.drain(..) {
        bits = (bits << 16) | u32::from(unit);
        count += 16;
        while count >= 6 {
            count -= 6;
            out.push(char::from(ALPHABET[(bits >> count) as usize & 63]));
        }
        bits &= (1 << count) - 1;
    }
    if count > 0 {
        out.push(char::from(ALPHABET[(bits << (6 - count)) as usize & 63]));
    }
    out.push('-');
}

/// RFC 3501 §5.1.3; `None` for what is not valid.
fn from_utf7(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let (shifted, after) = rest[at + 1..].split_once('-')?;
        if shifted.is_empty() {
            out.push('&')
        } else {
            out.push_str(&from_base64(shifted)?)
        }
        rest = after;
    }
    out.push_str(rest);
    text.is_ascii().then_some(out)
}

fn from_base64(text: &str) -> Option<String> {
    let (mut bits, mut count) = (0u32, 0u32);
    let mut units = Vec::new();
    for b in text.bytes() {
        bits = (bits << 6) | u32::try_from(ALPHABET.iter().position(|a| *a == b)?).ok()?;
        count += 6;
        if count >= 16 {
            count -= 16;
            units.push((bits >> count) as u16);
            bits &= (1 << count) - 1;
        }
    }
    // Left-over bits must be padding.
    if count >= 6 || bits != 0 {
        return None;
    }
    String::from_utf16(&units).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modified_utf7() {
        for (name, wire) in [
            ("INBOX", "INBOX"),
            ("Envoyés", "Envoy&AOk-s"),
            ("A&B", "A&-B"),
            // RFC 3501 §5.1.3's own example.
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("😀", "&2D3eAA-"),
        ] {
            assert_eq!(to_utf7(name), wire);
            assert_eq!(from_utf7(wire).as_deref(), Some(name));
        }
        for wire in ["&", "&AOk", "&A-", "&AO!-", "é", "&2D0-"] {
            assert_eq!(from_utf7(wire), None, "{wire}");
        }
    }

    #[test]
    fn strings() {
        for (bytes, wire) in [
            (&b"a\"b\\"[..], &b"\"a\\\"b\\\\\""[..]),
            (b"", b"\"\""),
            (b"a\r\nb", b"{4}\r\na\r\nb"),
            ("é".as_bytes(), b"{2}\r\n\xc3\xa9"),
        ] {
            let mut out = Vec::new();
            string(&mut out, bytes);
            assert_eq!(out, wire);
        }
    }

    proptest::proptest! {
        #[test]
        fn names_come_back(name in "[^\\x00-\\x1f\\x7f]{1,20}") {
            proptest::prop_assert_eq!(from_utf7(&to_utf7(&name)), Some(name));
        }
    }
}
