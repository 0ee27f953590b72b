//! Encryption of content at rest.
//!
//! **Job.** Keys are derived by HKDF-SHA256 ([`derive`]); large objects are sealed in chunks that can be
//! read at random ([`stream`]); contents small enough for a database row are sealed whole ([`small`]).
//!
//! **Exposure.** Opens bytes that lay on disks, object stores and backups: whoever can write there must
//! be able to cause an error and nothing else. Any changed, missing, moved or added byte is
//! [`CryptoError::Damaged`].
//!
//! **Standards.** AES-256-GCM (NIST SP 800-38D), HKDF (RFC 5869), the STREAM construction (Hoang,
//! Reyhanitabar, Rogaway, Vizár 2015).
//!
//! **Absent on purpose.** Key storage (see [`crate::keys`]) and I/O (see [`crate::blob`]).

pub mod derive;
pub mod small;
pub mod stream;

pub use small::{Place, open_small, seal_small};
pub use stream::{
    Batch, BlobKey, CHUNK, ChunkOpener, ChunkSealer, CipherSpan, HEADER, cipher_range, sealed_len,
};

/// Why bytes could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// The bytes are not what was sealed under this key, place and length.
    #[error("the stored bytes are damaged or belong to another key")]
    Damaged,
    /// Sealed by a later version of the format.
    #[error("the stored bytes have format version {0}, which this version does not know")]
    Version(u8),
    /// More than 2^32 chunks (256 TiB).
    #[error("the object is too long to be sealed")]
    TooLong,
    /// The library refused to seal; not known to happen.
    #[error("the cryptographic library failed")]
    Library,
}

pub(crate) use sealpost_envelope::random::fill as random;
