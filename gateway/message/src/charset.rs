//! Character sets of strangers' texts, read as UTF-8.
//!
//! Labels are those of the WHATWG Encoding standard, which is what browsers and mail clients follow
//! (`iso-8859-1` means windows-1252). A missing, unknown or lying label is no error: text that is valid
//! UTF-8 is taken as such, else as windows-1252, in which every byte is a character.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use mail_parser::decoders::charsets::map::charset_decoder;

/// Decodes `bytes` that claim to be in `label`.
pub fn decode(label: Option<&str>, bytes: &[u8]) -> String {
    let label = label.map(str::trim).unwrap_or("");
    match Encoding::for_label(label.as_bytes()) {
        // Decoders of the standard sniff the byte order mark, as mail clients do.
        Some(encoding) if encoding != WINDOWS_1252 && encoding != UTF_8 => {
            encoding.decode(bytes).0.into_owned()
        }
        Some(encoding) if encoding == WINDOWS_1252 && !label.eq_ignore_ascii_case("us-ascii") => {
            encoding.decode(bytes).0.into_owned()
        }
        None if label.eq_ignore_ascii_case("utf-7") || label.eq_ignore_ascii_case("unicode-1-1-utf-7") => {
            utf7(bytes)
        }
        // A few more that browsers gave up and old mail still uses.
        None if !label.is_empty() => match charset_decoder(label.as_bytes()) {
            Some(decoder) => decoder(bytes),
            None => guess(bytes),
        },
        _ => guess(bytes),
    }
}

/// RFC 2152: between `+` and whatever is no letter of base64 stands UTF-16; `+-` is a plus sign.
fn utf7(bytes: &[u8]) -> String {
    let (mut units, mut rest) = (Vec::new(), bytes);
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'+' {
            units.push(u16::from(byte));
            continue;
        }
        let end = rest.iter().position(|b| !crate::walk::is_base64(*b)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        if run.is_empty() {
            units.push(u16::from(b'+'));
        }
        let (mut bits, mut held) = (0u32, 0u32);
        for letter in run {
            (bits, held) = (bits + 6, held << 6 | sextet(*letter));
            if bits >= 16 {
                bits -= 16;
                units.push((held >> bits) as u16);
            }
            // At most fifteen bits wait for more.
            held &= (1 << bits) - 1;
        }
        rest = after.strip_prefix(b"-").unwrap_or(after);
    }
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

fn sextet(letter: u8) -> u32 {
    u32::from(match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        _ => 63,
    })
}

fn guess(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.trim_start_matches('\u{feff}').to_owned(),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_true_false_and_missing() {
        for (label, bytes, text) in [
            (Some("iso-8859-1"), &b"caf\xe9 \x80"[..], "café €"),
            (Some("UTF-8"), "é".as_bytes(), "é"),
            (Some("utf-8"), b"\xe9", "é"),
            (None, b"\xe9", "é"),
            (Some("us-ascii"), "é".as_bytes(), "é"),
            (Some("unknown-8bit"), "é".as_bytes(), "é"),
            (Some("iso-2022-jp"), b"\x1b$B%O\x1b(B", "ハ"),
            (Some("koi8-r"), b"\xf0", "П"),
            (Some("utf-7"), b"+AOk-", "é"),
            (Some("UTF-7"), b"1+-1 +IKw, Hi Mom -+Jjo--!", "1+1 €, Hi Mom -☺-!"),
            (Some("utf-7"), b"+2D3cKg- +", "🐪 +"),
            (Some("utf-16le"), b"\xe9\0", "é"),
            (None, b"\xef\xbb\xbfx", "x"),
        ] {
            assert_eq!(decode(label, bytes), text, "{label:?}");
        }
    }
}
