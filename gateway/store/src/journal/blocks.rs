//! Places in the log, 1024 together: which of them a word occurs at.
//!
//! **Form.** Few places are a list of two octets each, big endian, ascending and at most 126 octets long; more are a
//! bitmap of 128 octets, the lowest place first. Anything else is damaged.

use crate::StoreError;

/// Places in a block.
pub(super) const BLOCK: u64 = 1024;
/// Beyond so many places the bitmap is shorter.
const LIST: usize = 63;
const OCTETS: usize = BLOCK as usize / 8;

/// Places within one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Places([u64; BLOCK as usize / 64]);

impl Places {
    /// Adds the place of the log; which block it lies in is the caller's to know.
    pub(super) fn add(&mut self, place: u64) {
        let within = place % BLOCK;
        self.0[(within / 64) as usize] |= 1 << (within % 64);
    }
    pub(super) fn or(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a |= b);
    }
    pub(super) fn and(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a &= b);
    }
    pub(super) fn without(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a &= !b);
    }
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
    /// Within the block, lowest first.
    pub(super) fn within(&self) -> impl DoubleEndedIterator<Item = u16> + '_ {
        (0..BLOCK as u16).filter(|n| self.0[usize::from(n / 64)] >> (n % 64) & 1 == 1)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let count: u32 = self.0.iter().map(|word| word.count_ones()).sum();
        if count as usize <= LIST {
            return self.within().flat_map(u16::to_be_bytes).collect();
        }
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let damaged = || StoreError::damaged("journal_words", "places that are no list and no bitmap");
        let mut places = Self::default();
        if bytes.len() == OCTETS {
            for (word, octets) in places.0.iter_mut().zip(bytes.as_chunks::<8>().0) {
                *word = u64::from_le_bytes(*octets);
            }
            return Ok(places);
        }
        let (pairs, rest) = bytes.as_chunks::<2>();
        let mut before = None;
        for pair in pairs {
            let place = u16::from_be_bytes(*pair);
            if u64::from(place) >= BLOCK || before.is_some_and(|b| b >= place) {
                return Err(damaged());
            }
            places.add(u64::from(place));
            before = Some(place);
        }
        if rest.is_empty() && pairs.len() <= LIST { Ok(places) } else { Err(damaged()) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(all in prop::collection::btree_set(0u64..BLOCK, 0..300)) {
            let mut places = Places::default();
            all.iter().for_each(|place| places.add(7 * BLOCK + place));
            let bytes = places.encode();
            prop_assert!(bytes.len() <= OCTETS);
            prop_assert_eq!(Places::decode(&bytes).unwrap(), places);
            prop_assert_eq!(places.within().map(u64::from).collect::<Vec<_>>(), all.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn anything_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(places) = Places::decode(&bytes) && bytes.len() != OCTETS {
                prop_assert_eq!(places.encode(), bytes);
            }
        }
    }

    #[test]
    fn damage_is_noticed() {
        for bytes in [&[0][..], &[4, 0], &[0, 2, 0, 1], &[0, 1, 0, 1], &[0; 129]] {
            assert!(Places::decode(bytes).is_err(), "{bytes:?}");
        }
    }
}
