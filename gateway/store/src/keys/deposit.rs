//! The key of one deposit (or of one mailbox message) and everything derived from it.
//!
//! All derivations are HKDF-SHA256 with these `info`: `"blob" ‖ id (16)` for a blob,
//! `"inline" ‖ purpose ‖ 0 ‖ id` for content in a row, `"link" ‖ recipient (4) ‖ generation (4)` for a
//! link token; numbers big endian.

use crate::crypto::derive::derive;
use crate::crypto::{BlobKey, CryptoError, open_small, seal_small};
use sealpost_envelope::{BlobId, RecipientNo, Secret, Sha256Digest};

/// 256 random bits under which all content of a deposit lies.
#[derive(Debug, Clone)]
pub struct DepositKey(Secret<[u8; 32]>);

/// A deposit key as the database keeps it: sealed by its week's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// See [`crate::crypto::small`] for the form.
    pub bytes: Vec<u8>,
}

impl DepositKey {
    pub(super) fn from_raw(raw: Secret<[u8; 32]>) -> Self {
        Self(raw)
    }
    pub(super) fn raw(&self) -> &[u8; 32] {
        self.0.expose()
    }
    /// Key of one blob.
    pub fn blob_key(&self, id: BlobId) -> BlobKey {
        BlobKey::new(&derive::<39>(self.raw(), &[b"blob", id.0.as_bytes()]))
    }
    /// Seals content for a row: `purpose` names what it is, `id` which.
    pub fn seal(&self, purpose: &str, id: &[u8], plain: &[u8]) -> Result<Vec<u8>, CryptoError> {
        seal_small(self.raw(), purpose, id, plain)
    }
    /// Opens what [`DepositKey::seal`] sealed for the same place.
    pub fn open(&self, purpose: &str, id: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
        open_small(self.raw(), purpose, id, sealed)
    }
    /// Link token of one recipient and generation: 160 bits as 27 characters of base64url.
    pub fn link_token(&self, recipient: RecipientNo, generation: u32) -> Secret<String> {
        let raw = derive::<20>(self.raw(), &[b"link", &recipient.to_be_bytes(), &generation.to_be_bytes()]);
        Secret::new(base64_simd::URL_SAFE_NO_PAD.encode_to_string(raw.expose()))
    }
}

/// What is stored of a link token.
pub fn token_hash(token: &str) -> [u8; 32] {
    Sha256Digest::of(token.as_bytes()).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_stable_and_apart() {
        let key = DepositKey::from_raw(Secret::new([3; 32]));
        let token = |n, g| key.link_token(n, g).expose().clone();
        // Made by another library.
        assert_eq!(token(2, 1), "KQkwC8gqCFIdTiqxs4GAiSJB_pc");
        assert_eq!(token(1, 0).len(), 27);
        assert_eq!(token(1, 0), token(1, 0));
        assert_ne!(token(1, 0), token(1, 1));
        assert_ne!(token(1, 0), token(2, 0));
        assert_ne!(token_hash(&token(1, 0)), token_hash(&token(2, 0)));
    }
}
