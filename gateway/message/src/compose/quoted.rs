//! Quoted-printable for texts (RFC 2045 §6.7), in the careful form that survives every relay.

use base64_simd::STANDARD;

/// Longest encoded line, its `=` included.
const LINE: usize = 76;

/// Encodes text: CRLF, CR-less LF become CRLF; every line is short, 7-bit, without trailing blanks, and none
/// begins with `From ` (mbox) or a dot (SMTP).
pub(super) fn encode_text(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 8 + 16);
    let mut lines = text.split(|b| *b == b'\n').peekable();
    while let Some(line) = lines.next() {
        let ended = lines.peek().is_some();
        // Only the CR of a line end belongs to it.
        let line = if ended { line.strip_suffix(b"\r").unwrap_or(line) } else { line };
        encode_line(line, &mut out);
        if ended {
            out.extend_from_slice(b"\r\n");
        }
    }
    out
}

fn encode_line(line: &[u8], out: &mut Vec<u8>) {
    let mut width = 0;
    for (at, &b) in line.iter().enumerate() {
        let last = at + 1 == line.len();
        let first = width == 0;
        let plain = match b {
            b'=' => false,
            b' ' | b'\t' => !last,
            b'.' => !first,
            b'F' => !(first && line[at..].starts_with(b"From ")),
            33..=126 => true,
            _ => false,
        };
        let cost = if plain { 1 } else { 3 };
        // Room must be left for the soft break, except at the very end of the line.
        if width + cost > if last { LINE } else { LINE - 1 } {
            out.extend_from_slice(b"=\r\n");
            width = 0;
        }
        // A dot or `F` that a soft break has just moved to the front is a first character too.
        let moved_first = width == 0 && (b == b'.' || line[at..].starts_with(b"From "));
        if plain && !moved_first {
            out.push(b);
            width += 1;
        } else {
            out.extend_from_slice(format!("={b:02X}").as_bytes());
            width += 3;
        }
    }
}

/// Base64 in lines of 76, each ended by CRLF.
pub(super) fn base64_lines(bytes: &[u8]) -> Vec<u8> {
    let text = STANDARD.encode_to_string(bytes);
    let mut out = Vec::with_capacity(text.len() + text.len() / 38 + 2);
    for line in text.as_bytes().chunks(LINE) {
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::ContentDecoder;
    use crate::structure::Coding;
    use proptest::prelude::*;

    fn decode(encoded: &[u8]) -> Vec<u8> {
        let (mut decoder, mut out) = (ContentDecoder::new(Coding::QpRaw), Vec::new());
        decoder.push(encoded, &mut out);
        decoder.finish(&mut out);
        out
    }

    fn safe(encoded: &[u8]) -> bool {
        encoded.is_ascii()
            && encoded.split(|b| *b == b'\n').all(|line| {
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                line.len() <= LINE
                    && !line.starts_with(b"From ")
                    && !line.starts_with(b".")
                    && !matches!(line.last(), Some(b' ' | b'\t'))
                    && !line.contains(&b'\r')
            })
    }

    #[test]
    fn known_answers() {
        for (text, encoded) in [
            ("", ""),
            ("abc", "abc"),
            ("a \r\nb\t\n", "a=20\r\nb=09\r\n"),
            ("From me\r\nFromage", "=46rom me\r\nFromage"),
            (".\r\n", "=2E\r\n"),
            ("é=\r", "=C3=A9=3D=0D"),
        ] {
            assert_eq!(String::from_utf8(encode_text(text.as_bytes())).unwrap(), encoded);
        }
        assert!(safe(&encode_text("x".repeat(500).as_bytes())));
        assert_eq!(encode_text("x".repeat(76).as_bytes()).len(), 76);
    }

    proptest! {
        #[test]
        fn safe_and_reversible(text in "([ -~é\t\r.F]|From |\r\n|\u{20ac}){0,300}") {
            let encoded = encode_text(text.as_bytes());
            prop_assert!(safe(&encoded), "{:?}", String::from_utf8_lossy(&encoded));
            prop_assert_eq!(decode(&encoded), text.into_bytes());
        }
    }
}
