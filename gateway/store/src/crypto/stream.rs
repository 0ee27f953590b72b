//! Objects of any length in chunks that open one by one: AES-256-GCM in the STREAM construction.
//!
//! Form: header (16 octets) ‖ chunk 0 ‖ chunk 1 ‖ … Each chunk is 64 KiB of plaintext (the last 0 to
//! 64 KiB) and its 16-octet tag. The nonce of a chunk is a 7-octet prefix, derived with the key, then the
//! chunk's number (4 octets, big endian), then 1 for the last chunk and 0 for all others; the header is
//! the AAD of every chunk. So a chunk that is changed, moved, dropped or added does not open, and an
//! object cut at a chunk's edge is noticed at its new last chunk. One key seals one object, once.

use super::{CryptoError, small::cipher};
use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use sealpost_envelope::Secret;
use std::ops::Range;

/// Plaintext octets of a chunk.
pub const CHUNK: usize = 64 * 1024;
/// Octets of a chunk's tag.
pub const TAG: usize = 16;
/// Octets of a full chunk as stored.
pub const SEALED_CHUNK: usize = CHUNK + TAG;
/// What every object begins with: a name, the version, the cipher (1: AES-256-GCM), the chunk's size as
/// a power of two, and zeros.
pub const HEADER: [u8; 16] = *b"SEALBLOB\x01\x01\x10\0\0\0\0\0";
const VERSION_AT: usize = 8;
const PREFIX: usize = NONCE_LEN - 5;

/// Stored length of an object with `plain` octets.
pub fn sealed_len(plain: u64) -> u64 {
    HEADER.len() as u64 + plain + TAG as u64 * chunks(plain)
}

/// Number of chunks; an empty object has one, empty.
pub fn chunks(plain: u64) -> u64 {
    plain.div_ceil(CHUNK as u64).max(1)
}

/// Refuses an object whose first octets are not [`HEADER`].
pub fn check_header(found: &[u8]) -> Result<(), CryptoError> {
    let name = ..VERSION_AT;
    match found.get(..HEADER.len()) {
        Some(h) if h == HEADER => Ok(()),
        Some(h) if h[name] == HEADER[name] && h[VERSION_AT] != HEADER[VERSION_AT] => {
            Err(CryptoError::Version(h[VERSION_AT]))
        }
        _ => Err(CryptoError::Damaged),
    }
}

/// The stored octets that must be read for a range of the plaintext.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CipherSpan {
    /// Number of the first chunk.
    pub first_chunk: u64,
    /// How many chunks.
    pub chunks: u64,
    /// Where they lie in the stored object.
    pub bytes: Range<u64>,
    /// Plaintext octets of the first chunk to throw away.
    pub skip: u64,
    /// Plaintext octets wanted after those.
    pub take: u64,
}

/// Where `range` of the plaintext lies in the stored object. The range is cut to the object's length.
pub fn cipher_range(plain_len: u64, range: Range<u64>) -> CipherSpan {
    let (start, end) = (range.start.min(plain_len), range.end.min(plain_len));
    let (chunk, sealed) = (CHUNK as u64, SEALED_CHUNK as u64);
    let take = end.saturating_sub(start);
    // An empty wish reads nothing, except of an empty object, whose one chunk proves that it is empty.
    if take == 0 && plain_len > 0 {
        let at = HEADER.len() as u64;
        return CipherSpan { first_chunk: 0, chunks: 0, bytes: at..at, skip: 0, take: 0 };
    }
    let first = start / chunk;
    let last = end.saturating_sub(1) / chunk;
    let from = HEADER.len() as u64 + first * sealed;
    let to = (HEADER.len() as u64 + (last + 1) * sealed).min(sealed_len(plain_len));
    CipherSpan {
        first_chunk: first,
        chunks: last - first + 1,
        bytes: from..to,
        skip: start - first * chunk,
        take,
    }
}

/// Key and nonce prefix of one object.
pub struct BlobKey {
    cipher: LessSafeKey,
    prefix: [u8; PREFIX],
}

impl std::fmt::Debug for BlobKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BlobKey(…)")
    }
}

impl BlobKey {
    /// From 39 derived octets: the AES key, then the prefix.
    pub fn new(derived: &Secret<[u8; 39]>) -> Self {
        let (key, prefix) = derived.expose().split_at(32);
        let key = Secret::new(<[u8; 32]>::try_from(key).expect("split at 32"));
        Self { cipher: cipher(key.expose()), prefix: prefix.try_into().expect("39 octets less 32 are 7") }
    }

    fn nonce(&self, number: u32, last: bool) -> Nonce {
        let mut nonce = [0u8; NONCE_LEN];
        nonce[..PREFIX].copy_from_slice(&self.prefix);
        nonce[PREFIX..NONCE_LEN - 1].copy_from_slice(&number.to_be_bytes());
        nonce[NONCE_LEN - 1] = u8::from(last);
        Nonce::assume_unique_for_key(nonce)
    }
}

/// Plaintext of several chunks, laid out with room for the tags, so that sealing moves nothing.
#[derive(Debug)]
pub struct Batch {
    buf: Vec<u8>,
    plain: usize,
    chunks: usize,
}

impl Batch {
    /// Room for `chunks` chunks, at least one; memory is taken as it fills.
    pub fn new(chunks: usize) -> Self {
        Self { buf: Vec::new(), plain: 0, chunks: chunks.max(1) }
    }
    /// Takes as much of `bytes` as there is room for and says how much that was.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.chunks * CHUNK - self.plain);
        if self.plain + taken > CHUNK {
            // Beyond one chunk it will likely fill: exactly its size, not the next power of two.
            self.buf.reserve_exact(self.chunks * SEALED_CHUNK - self.buf.len());
        }
        let mut rest = &bytes[..taken];
        while !rest.is_empty() {
            let used = self.plain % CHUNK;
            if used == 0 && self.plain > 0 {
                self.buf.extend_from_slice(&[0; TAG]);
            }
            let (now, later) = rest.split_at(rest.len().min(CHUNK - used));
            self.buf.extend_from_slice(now);
            self.plain += now.len();
            rest = later;
        }
        taken
    }
    /// Plaintext octets held.
    pub fn len(&self) -> usize {
        self.plain
    }
    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.plain == 0
    }
    /// Whether no more fits.
    pub fn is_full(&self) -> bool {
        self.plain == self.chunks * CHUNK
    }
    /// Octets of plaintext.
    pub(crate) fn plain_len(&self) -> usize {
        self.plain
    }
    /// Puts octets before the sealed ones.
    pub(crate) fn prefix(&mut self, bytes: &[u8]) {
        self.buf.splice(..0, bytes.iter().copied());
    }
    /// The sealed octets with their memory.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.plain = 0;
        std::mem::take(&mut self.buf)
    }
    /// Forgets the content and keeps the memory.
    pub fn clear(&mut self) {
        self.buf.clear();
        self.plain = 0;
    }
}

/// Seals an object's chunks in order.
#[derive(Debug)]
pub struct ChunkSealer {
    key: BlobKey,
    next: u64,
    ended: bool,
}

impl ChunkSealer {
    /// Starts an object; its stored form begins with [`HEADER`], which the caller writes.
    pub fn new(key: BlobKey) -> Self {
        Self { key, next: 0, ended: false }
    }

    /// Seals a batch in place and returns the octets to store. Every batch but the last must be full,
    /// the last holds at least one octet unless the object is empty.
    pub fn seal<'b>(&mut self, batch: &'b mut Batch, last: bool) -> Result<&'b [u8], CryptoError> {
        let in_order = !self.ended && (batch.is_full() || last) && (!batch.is_empty() || self.next == 0);
        if !in_order {
            return Err(CryptoError::Library);
        }
        self.ended = last;
        batch.buf.extend_from_slice(&[0; TAG]);
        let count = batch.buf.len().div_ceil(SEALED_CHUNK);
        for (n, chunk) in batch.buf.chunks_mut(SEALED_CHUNK).enumerate() {
            let number = u32::try_from(self.next).map_err(|_| CryptoError::TooLong)?;
            let (plain, tag) = chunk.split_at_mut(chunk.len() - TAG);
            let made = self
                .key
                .cipher
                .seal_in_place_separate_tag(
                    self.key.nonce(number, last && n + 1 == count),
                    Aad::from(HEADER),
                    plain,
                )
                .map_err(|_| CryptoError::Library)?;
            tag.copy_from_slice(made.as_ref());
            self.next += 1;
        }
        Ok(&batch.buf)
    }
}

/// Opens an object's chunks in any order.
#[derive(Debug)]
pub struct ChunkOpener {
    key: BlobKey,
    plain_len: u64,
}

impl ChunkOpener {
    /// For an object of `plain_len` plaintext octets; the length decides which chunk is the last.
    pub fn new(key: BlobKey, plain_len: u64) -> Self {
        Self { key, plain_len }
    }

    /// Opens the chunks in `sealed` in place, the first of them being number `first`. Returns the number
    /// of plaintext octets of each; chunk n's stand at `n * SEALED_CHUNK`.
    pub fn open(&self, first: u64, sealed: &mut [u8]) -> Result<Vec<usize>, CryptoError> {
        let total = chunks(self.plain_len);
        let mut lengths = Vec::with_capacity(sealed.len().div_ceil(SEALED_CHUNK));
        for (number, chunk) in (first..).zip(sealed.chunks_mut(SEALED_CHUNK)) {
            let last = number + 1 == total;
            let expected = if last { self.plain_len - number * CHUNK as u64 } else { CHUNK as u64 };
            if number >= total || chunk.len() as u64 != expected + TAG as u64 {
                return Err(CryptoError::Damaged);
            }
            let counter = u32::try_from(number).map_err(|_| CryptoError::TooLong)?;
            let nonce = self.key.nonce(counter, last);
            let plain = self
                .key
                .cipher
                .open_in_place(nonce, Aad::from(HEADER), chunk)
                .map_err(|_| CryptoError::Damaged)?;
            lengths.push(plain.len());
        }
        Ok(lengths)
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
