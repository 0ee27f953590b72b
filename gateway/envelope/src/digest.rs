//! Digests of messages and files: SHA-256, with SHA-512 beside it for archives.

mod lane;

use crate::hex;
use aws_lc_rs::digest;
use lane::Lane;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! digest_type {
    ($(#[$doc:meta])* $name:ident, $len:literal, $alg:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Digest of `bytes`.
            pub fn of(bytes: &[u8]) -> Self {
                Self::from_slice(digest::digest(&$alg, bytes).as_ref()).unwrap_or(Self([0; $len]))
            }
            /// Takes over a digest computed elsewhere; `None` when the length differs.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
            /// The raw octets.
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }
            /// Lower-case hexadecimal.
            pub fn to_hex(&self) -> String {
                hex::encode(&self.0)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.to_hex())
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
        impl From<$name> for String {
            fn from(d: $name) -> String {
                d.to_hex()
            }
        }
        impl TryFrom<String> for $name {
            type Error = &'static str;
            fn try_from(s: String) -> Result<Self, Self::Error> {
                hex::decode(&s).and_then(|b| Self::from_slice(&b)).ok_or("not a hexadecimal digest of the right length")
            }
        }
    };
}

digest_type!(
    /// SHA-256; the digest that evidence names.
    Sha256Digest, 32, digest::SHA256);
digest_type!(
    /// SHA-512; kept beside SHA-256 for archives that outlive it.
    Sha512Digest, 64, digest::SHA512);

/// Both digests of the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// SHA-256.
    pub sha256: Sha256Digest,
    /// SHA-512.
    pub sha512: Sha512Digest,
}

impl Digests {
    /// Digests of a whole in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self { sha256: Sha256Digest::of(bytes), sha512: Sha512Digest::of(bytes) }
    }
}

/// Computes both digests of a stream, and counts it; of a long one SHA-512 on a thread of its own.
pub struct DualDigester {
    sha256: digest::Context,
    sha512: Lane,
    len: u64,
}

impl Default for DualDigester {
    fn default() -> Self {
        Self {
            sha256: digest::Context::new(&digest::SHA256),
            sha512: Lane::new(digest::Context::new(&digest::SHA512)),
            len: 0,
        }
    }
}

impl fmt::Debug for DualDigester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DualDigester({} octets)", self.len)
    }
}

impl DualDigester {
    /// Starts with nothing.
    pub fn new() -> Self {
        Self::default()
    }
    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.sha512.update(bytes);
        self.len += bytes.len() as u64;
    }
    /// Bytes seen so far.
    pub fn len(&self) -> u64 {
        self.len
    }
    /// Whether nothing has been seen.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// Ends the stream.
    pub fn finish(self) -> Digests {
        let (a, b) = (self.sha256.finish(), self.sha512.finish());
        Digests {
            sha256: Sha256Digest::from_slice(a.as_ref()).unwrap_or(Sha256Digest([0; 32])),
            sha512: Sha512Digest::from_slice(b.as_ref()).unwrap_or(Sha512Digest([0; 64])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        // FIPS 180-4 example "abc".
        let d = Digests::of(b"abc");
        assert_eq!(d.sha256.to_hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(d.sha512.to_hex().starts_with("ddaf35a193617abacc417349ae204131"));
        let mut s = DualDigester::new();
        s.update(b"a");
        s.update(b"bc");
        assert_eq!(s.len(), 3);
        assert_eq!(s.finish(), d);
    }
}
