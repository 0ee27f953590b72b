//! The log's public key.

use super::note::NoteError;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use sealpost_envelope::hex;

/// Signature type of ECDSA (C2SP signed-note).
const ECDSA: u8 = 0x02;
/// DER of a P-256 SubjectPublicKeyInfo up to its point (RFC 5480 §2): the point follows, uncompressed.
const P256_SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const POINT: usize = 65;

/// A log's name and P-256 public key: what a verifier is configured with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogKey {
    name: String,
    spki: Vec<u8>,
}

impl LogKey {
    /// `name` should equal the checkpoint's origin; `spki` is the DER SubjectPublicKeyInfo of a P-256 key.
    pub fn new(name: &str, spki: &[u8]) -> Result<Self, NoteError> {
        let named = !name.is_empty()
            && name.len() <= 255
            && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+');
        if !named {
            return Err(NoteError::Name);
        }
        if spki.len() != P256_SPKI.len() + POINT || !spki.starts_with(&P256_SPKI) {
            return Err(NoteError::Key);
        }
        Ok(Self { name: name.to_owned(), spki: spki.to_vec() })
    }
    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// DER SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }
    /// First four octets of SHA-256 over the SubjectPublicKeyInfo, as signed-note has it for ECDSA (the
    /// formula with the name is that of Ed25519).
    pub fn id(&self) -> [u8; 4] {
        let hash = digest(&SHA256, &self.spki);
        let mut id = [0; 4];
        id.copy_from_slice(&hash.as_ref()[..4]);
        id
    }
    /// `name+id+base64(type ‖ key)`, the text that a verifier is given.
    pub fn vkey(&self) -> String {
        let typed = [&[ECDSA], self.spki.as_slice()].concat();
        format!("{}+{}+{}", self.name, hex::encode(&self.id()), base64_simd::STANDARD.encode_to_string(typed))
    }
    /// Reads [`LogKey::vkey`].
    pub fn parse_vkey(text: &str) -> Result<Self, NoteError> {
        let mut fields = text.splitn(3, '+');
        let (Some(name), Some(_), Some(typed)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(NoteError::Key);
        };
        let typed = base64_simd::STANDARD.decode_to_vec(typed).map_err(|_| NoteError::Key)?;
        match typed.split_first() {
            Some((&ECDSA, spki)) => Self::new(name, spki).and_then(|key| {
                // The identifier between the two must be the key's own.
                if key.vkey() == text { Ok(key) } else { Err(NoteError::Key) }
            }),
            _ => Err(NoteError::Key),
        }
    }
    pub(super) fn verify(&self, text: &[u8], signature: &[u8]) -> Result<(), NoteError> {
        let point = &self.spki[P256_SPKI.len()..];
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point)
            .verify(text, signature)
            .map_err(|_| NoteError::Signature)
    }
}
