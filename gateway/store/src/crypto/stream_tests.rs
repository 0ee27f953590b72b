//! Round trips, ranges and damage of sealed objects.

use super::*;
use crate::crypto::derive::derive;
use proptest::prelude::*;

fn key() -> BlobKey {
    BlobKey::new(&derive::<39>(&[9; 32], &[b"blob", &[1; 16]]))
}

/// Seals in memory, in batches of `per_batch` chunks, from pieces of `piece` octets.
fn seal(plain: &[u8], per_batch: usize, piece: usize) -> Vec<u8> {
    let (mut sealer, mut batch) = (ChunkSealer::new(key()), Batch::new(per_batch));
    let mut out = HEADER.to_vec();
    for mut bytes in plain.chunks(piece) {
        while !bytes.is_empty() {
            if batch.is_full() {
                out.extend_from_slice(sealer.seal(&mut batch, false).unwrap());
                batch.clear();
            }
            bytes = &bytes[batch.push(bytes)..];
        }
    }
    out.extend_from_slice(sealer.seal(&mut batch, true).unwrap());
    out
}

fn open(sealed: &[u8], plain_len: u64, range: Range<u64>) -> Result<Vec<u8>, CryptoError> {
    check_header(sealed)?;
    if sealed.len() as u64 != sealed_len(plain_len) {
        return Err(CryptoError::Damaged);
    }
    let span = cipher_range(plain_len, range);
    let mut part = sealed[span.bytes.start as usize..span.bytes.end as usize].to_vec();
    let lengths = ChunkOpener::new(key(), plain_len).open(span.first_chunk, &mut part)?;
    assert_eq!(lengths.len() as u64, span.chunks);
    let plain: Vec<u8> = lengths
        .iter()
        .enumerate()
        .flat_map(|(n, len)| part[n * SEALED_CHUNK..][..*len].iter().copied())
        .collect();
    Ok(plain[span.skip as usize..][..span.take as usize].to_vec())
}

fn sample(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 31 % 251) as u8).collect()
}

#[test]
fn edges_round_trip() {
    for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5, 8 * CHUNK] {
        let plain = sample(len);
        for per_batch in [1, 2, 4] {
            let sealed = seal(&plain, per_batch, 50_000);
            assert_eq!(sealed.len() as u64, sealed_len(len as u64), "{len}");
            assert_eq!(
                open(&sealed, len as u64, 0..len as u64).unwrap(),
                plain,
                "{len} in batches of {per_batch}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_range(len in 0usize..4 * CHUNK, a in 0u64..5 * CHUNK as u64, b in 0u64..5 * CHUNK as u64, piece in 1usize..100_000) {
        let plain = sample(len);
        let sealed = seal(&plain, 2, piece);
        let range = a.min(b)..a.max(b);
        let cut = (range.start as usize).min(len)..(range.end as usize).min(len);
        prop_assert_eq!(open(&sealed, len as u64, range).unwrap(), &plain[cut]);
    }
}

/// The objects were made by another library (Python's `cryptography`): what is stored stays readable.
#[test]
fn the_format_stays() {
    use sealpost_envelope::{Sha256Digest, hex};
    let small = "5345414c424c4f420101100000000000e4b164f34e42ea6502aa7a6931785ed302ed81f2768e73";
    assert_eq!(hex::encode(&seal(b"Bonjour", 1, 7)), small);
    let two = seal(&[b'a'; CHUNK + 1], 2, 1000);
    assert_eq!(
        Sha256Digest::of(&two).to_hex(),
        "ab914d40c2e40e9f582fa628682df61d35d9c940a4cf2588f01fada0067a4064"
    );
}

#[test]
fn every_octet_counts() {
    let plain = sample(40);
    let sealed = seal(&plain, 1, 40);
    for at in 0..sealed.len() {
        let mut bad = sealed.clone();
        bad[at] ^= 0x20;
        assert!(open(&bad, 40, 0..40).is_err(), "octet {at}");
    }
}

#[test]
fn cut_extended_and_reordered() {
    let len = 3 * CHUNK + 100;
    let sealed = seal(&sample(len), 4, len);
    let chunk = |n: usize| HEADER.len() + n * SEALED_CHUNK;
    // Cut at each chunk's edge, and believed to have the length that would fit.
    for kept in 1..=3 {
        let fits = (kept * CHUNK) as u64;
        let cut = &sealed[..chunk(kept)];
        assert_eq!(cut.len() as u64, sealed_len(fits));
        assert_eq!(open(cut, fits, 0..fits), Err(CryptoError::Damaged), "cut after {kept}");
        assert_eq!(open(cut, len as u64, 0..10), Err(CryptoError::Damaged));
    }
    // One chunk more, sealed honestly in another object.
    let mut longer = sealed[..chunk(3)].to_vec();
    longer.extend_from_slice(&seal(&sample(4 * CHUNK), 4, len)[chunk(3)..]);
    assert!(open(&longer, 4 * CHUNK as u64, 0..1).is_ok(), "the first chunks are those of an honest object");
    let mut swapped = sealed.clone();
    let (a, b) = swapped[chunk(0)..].split_at_mut(SEALED_CHUNK);
    a.swap_with_slice(&mut b[..SEALED_CHUNK]);
    assert_eq!(open(&swapped, len as u64, 0..1), Err(CryptoError::Damaged));
    let mut added = sealed.clone();
    added.extend_from_slice(&[0; SEALED_CHUNK]);
    assert_eq!(
        open(&added, (4 * CHUNK + 100) as u64, 3 * CHUNK as u64..len as u64),
        Err(CryptoError::Damaged)
    );
}

#[test]
fn misuse_is_refused() {
    let mut sealer = ChunkSealer::new(key());
    let mut batch = Batch::new(1);
    batch.push(b"half");
    assert!(sealer.seal(&mut batch, false).is_err(), "a batch in the middle must be full");
    assert!(sealer.seal(&mut batch, true).is_ok());
    assert!(sealer.seal(&mut Batch::new(1), true).is_err(), "nothing after the last");
    let mut other = HEADER;
    other[8] = 2;
    assert_eq!(check_header(&other), Err(CryptoError::Version(2)));
    assert_eq!(check_header(&HEADER[..15]), Err(CryptoError::Damaged));
}
