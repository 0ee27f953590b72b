//! Base32 as apps, people and dealers write secrets (RFC 4648 §6).

use sealpost_envelope::Secret;

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// RFC 4648 §6 without padding, as apps show and take a secret.
pub fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut held, mut bits) = (0u32, 0u32);
    for byte in bytes {
        held = (held & 0xff) << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(ALPHABET[(held >> bits & 31) as usize]));
        }
    }
    if bits > 0 {
        text.push(char::from(ALPHABET[(held << (5 - bits) & 31) as usize]));
    }
    text
}

/// Reads a secret; blanks, dashes, padding and small letters are forgiven.
pub fn from_base32(text: &str) -> Option<Secret<Vec<u8>>> {
    let (mut out, mut held, mut bits) = (Vec::with_capacity(text.len()), 0u32, 0);
    for c in text.bytes().filter(|c| !c.is_ascii_whitespace() && !matches!(c, b'-' | b'=')) {
        let value = ALPHABET.iter().position(|a| *a == c.to_ascii_uppercase())?;
        held = (held << 5) | u32::try_from(value).ok()?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            out.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    Some(Secret::new(out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc_4648_section_10() {
        for (plain, coded) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(plain.as_bytes()), coded);
            assert_eq!(from_base32(coded).unwrap().expose(), plain.as_bytes());
        }
        assert_eq!(from_base32("mzxw 6ytb-oi======").unwrap().expose(), b"foobar");
        assert!(from_base32("M1").is_none());
    }

    proptest! {
        #[test]
        fn base32_reads_back(secret in prop::collection::vec(any::<u8>(), 0..70)) {
            let read = from_base32(&base32(&secret)).unwrap();
            prop_assert_eq!(read.expose(), &secret);
        }
        #[test]
        fn reading_never_panics(text in ".*") {
            let _ = from_base32(&text);
        }
    }
}
