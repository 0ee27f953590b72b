//! Content that lives in a database row, sealed whole.
//!
//! Form: version (1 octet, 1) ‖ nonce (12, random) ‖ ciphertext ‖ tag (16). The key is derived for the
//! purpose and the id, so a row moved to another place does not open; the version is the AAD.

use super::{CryptoError, derive::derive, random};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

const VERSION: u8 = 1;
const TAG: usize = 16;
/// Octets that sealing adds.
pub const OVERHEAD: usize = 1 + NONCE_LEN + TAG;

/// Seals `plain` for one place: `purpose` names the column or use (no zero octet), `id` the row.
pub fn seal_small(key: &[u8; 32], purpose: &str, id: &[u8], plain: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let cipher = place_key(key, purpose, id);
    let mut nonce = [0u8; NONCE_LEN];
    random(&mut nonce);
    let mut out = Vec::with_capacity(plain.len() + OVERHEAD);
    out.push(VERSION);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(plain);
    let tag = cipher
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from([VERSION]),
            &mut out[1 + NONCE_LEN..],
        )
        .map_err(|_| CryptoError::Library)?;
    out.extend_from_slice(tag.as_ref());
    Ok(out)
}

/// Opens what [`seal_small`] sealed for the same place.
pub fn open_small(key: &[u8; 32], purpose: &str, id: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
    Place::new(key, purpose, id).open(sealed)
}

/// The key of one place, ready for many things that were sealed for it.
pub struct Place(LessSafeKey);

impl Place {
    /// Derives it.
    pub fn new(key: &[u8; 32], purpose: &str, id: &[u8]) -> Self {
        Self(place_key(key, purpose, id))
    }

    /// Opens what [`seal_small`] sealed for this place.
    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
        open_with(&self.0, sealed)
    }
}

fn open_with(key: &LessSafeKey, sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
    match sealed.first() {
        Some(&VERSION) if sealed.len() >= OVERHEAD => {}
        Some(&VERSION) | None => return Err(CryptoError::Damaged),
        Some(&other) => return Err(CryptoError::Version(other)),
    }
    let (nonce, body) = sealed[1..].split_at(NONCE_LEN);
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| CryptoError::Damaged)?;
    let mut body = body.to_vec();
    let plain =
        key.open_in_place(nonce, Aad::from([VERSION]), &mut body).map_err(|_| CryptoError::Damaged)?.len();
    body.truncate(plain);
    Ok(body)
}

fn place_key(key: &[u8; 32], purpose: &str, id: &[u8]) -> LessSafeKey {
    debug_assert!(!purpose.contains('\0'), "the zero octet ends the purpose");
    cipher(derive::<32>(key, &[b"inline", purpose.as_bytes(), b"\0", id]).expose())
}

/// AES-256-GCM under `key`.
pub(super) fn cipher(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("AES-256 takes 32 octets"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: [u8; 32] = [7; 32];

    proptest! {
        #[test]
        fn round_trip(plain in proptest::collection::vec(any::<u8>(), 0..2000), id in any::<[u8; 16]>()) {
            let sealed = seal_small(&KEY, "header", &id, &plain).unwrap();
            prop_assert_eq!(sealed.len(), plain.len() + OVERHEAD);
            prop_assert_eq!(open_small(&KEY, "header", &id, &sealed), Ok(plain));
        }
    }

    /// Made by another library (Python's `cryptography`): what is stored stays readable.
    #[test]
    fn the_format_stays() {
        let sealed = sealpost_envelope::hex::decode(
            "01000102030405060708090a0b68286e5a837e60d9e88a86440dc3587f24ca199e30e0d9",
        )
        .unwrap();
        assert_eq!(open_small(&KEY, "header", b"1", &sealed).unwrap(), b"Bonjour");
    }

    #[test]
    fn every_byte_and_every_length_counts() {
        let sealed = seal_small(&KEY, "header", b"1", b"Bonjour").unwrap();
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut bad = sealed.clone();
                bad[at] ^= 1 << bit;
                assert!(open_small(&KEY, "header", b"1", &bad).is_err(), "octet {at} bit {bit}");
            }
            assert!(open_small(&KEY, "header", b"1", &sealed[..at]).is_err(), "cut at {at}");
        }
        let mut long = sealed.clone();
        long.push(0);
        assert_eq!(open_small(&KEY, "header", b"1", &long), Err(CryptoError::Damaged));
    }

    #[test]
    fn opens_in_its_place_only() {
        let sealed = seal_small(&KEY, "header", b"1", b"Bonjour").unwrap();
        assert!(open_small(&KEY, "header", b"2", &sealed).is_err());
        assert!(open_small(&KEY, "text", b"1", &sealed).is_err());
        assert!(open_small(&[8; 32], "header", b"1", &sealed).is_err());
        assert_ne!(seal_small(&KEY, "header", b"1", b"Bonjour").unwrap(), sealed, "nonces are fresh");
    }
}
