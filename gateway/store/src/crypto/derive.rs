//! One secret, many keys: HKDF-SHA256 with empty salt (RFC 5869), the purpose in `info`.
//!
//! `info` is always a fixed word, then fields of fixed width, with at most one field of variable length
//! at the end or ended by a zero octet, so that two purposes can never meet.

use aws_lc_rs::hkdf;
use sealpost_envelope::Secret;

/// Output length that aws-lc asks to know before.
struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-Extract and -Expand of `secret` for the concatenation of `info`.
pub fn derive<const N: usize>(secret: &[u8; 32], info: &[&[u8]]) -> Secret<[u8; N]> {
    const { assert!(N <= 255 * 32, "RFC 5869 §2.3 limits the output") };
    let mut out = [0u8; N];
    hkdf::Salt::none(hkdf::HKDF_SHA256)
        .extract(secret)
        .expand(info, Length(N))
        .and_then(|okm| okm.fill(&mut out))
        .expect("N is within RFC 5869's limit, asserted above");
    Secret::new(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealpost_envelope::hex;

    /// Made with `openssl kdf -keylen 42 -kdfopt digest:SHA256 -kdfopt hexkey:0b…0b (32 octets)
    /// -kdfopt hexinfo:f0f1f2f3f4f5f6f7f8f9 HKDF`.
    #[test]
    fn agrees_with_openssl() {
        let okm =
            derive::<42>(&[0x0b; 32], &[&[0xf0, 0xf1, 0xf2, 0xf3], &[0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9]]);
        assert_eq!(
            hex::encode(okm.expose()),
            "918aef1aaf82751a742b17cff8007f88039316c0df8a45435e5fb9790000b971b3160ebccb80f21ebe83"
        );
    }

    #[test]
    fn purposes_differ() {
        let (a, b) = (derive::<32>(&[1; 32], &[b"blob"]), derive::<32>(&[1; 32], &[b"link"]));
        assert_ne!(a.expose(), b.expose());
    }
}
