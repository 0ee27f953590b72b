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
        // UTF-7 and a few more that browsers gave up and old mail still uses.
        None if !label.is_empty() => match charset_decoder(label.as_bytes()) {
            Some(decoder) => decoder(bytes),
            None => guess(bytes),
        },
        _ => guess(bytes),
    }
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
            (Some("utf-16le"), b"\xe9\0", "é"),
            (None, b"\xef\xbb\xbfx", "x"),
        ] {
            assert_eq!(decode(label, bytes), text, "{label:?}");
        }
    }
}
