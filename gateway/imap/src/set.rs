//! Sets of sequence numbers or UIDs.

use imap_types::sequence::{SeqOrUid, Sequence, SequenceSet};
use std::fmt::Write;

/// Merged ranges in ascending order, both ends included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ranges(Vec<(u32, u32)>);

impl Ranges {
    /// With `*` as `last`; nothing when there is no last one (RFC 3501 §6.4.8: `*` is the highest in use).
    pub fn new(set: &SequenceSet, last: u32) -> Self {
        let value = |x: &SeqOrUid| match x {
            SeqOrUid::Value(n) => n.get(),
            SeqOrUid::Asterisk => last,
        };
        let mut ranges: Vec<(u32, u32)> = set
            .0
            .as_ref()
            .iter()
            .map(|sequence| match sequence {
                Sequence::Single(a) => (value(a), value(a)),
                Sequence::Range(a, b) => (value(a).min(value(b)), value(a).max(value(b))),
            })
            .filter(|(_, to)| *to > 0)
            .collect();
        ranges.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (from, to) in ranges {
            match merged.last_mut() {
                Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        Self(merged)
    }
    /// Whether it holds the number.
    pub fn contains(&self, n: u32) -> bool {
        let at = self.0.partition_point(|(_, to)| *to < n);
        self.0.get(at).is_some_and(|(from, _)| *from <= n)
    }
    /// The highest number in it.
    pub fn highest(&self) -> u32 {
        self.0.last().map_or(0, |(_, to)| *to)
    }
}

/// `1:3,5` from ascending numbers.
pub(crate) fn compact(numbers: impl IntoIterator<Item = u32>) -> String {
    let mut text = String::new();
    let mut range: Option<(u32, u32)> = None;
    for n in numbers.into_iter().map(Some).chain([None]) {
        match (n, &mut range) {
            (Some(n), Some((_, to))) if n == *to + 1 => *to = n,
            (next, _) => {
                if let Some((from, to)) = range {
                    let comma = if text.is_empty() { "" } else { "," };
                    let _ = if from == to {
                        write!(text, "{comma}{from}")
                    } else {
                        write!(text, "{comma}{from}:{to}")
                    };
                }
                range = next.map(|n| (n, n));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let set = |text: &str, last| Ranges::new(&text.parse().unwrap(), last).0;
        assert_eq!(set("1:3,2:5,9", 20), [(1, 5), (9, 9)]);
        assert_eq!(set("*", 7), [(7, 7)]);
        assert_eq!(set("9:*", 7), [(7, 9)]);
        assert_eq!(set("*", 0), []);
        assert_eq!(set("1:*", 0), [(0, 1)]);
        let ranges = Ranges::new(&"2:4,8".parse().unwrap(), 9);
        let inside: Vec<u32> = (0..10).filter(|n| ranges.contains(*n)).collect();
        assert_eq!(inside, [2, 3, 4, 8]);
    }

    #[test]
    fn compacted() {
        assert_eq!(compact([]), "");
        assert_eq!(compact([3]), "3");
        assert_eq!(compact([1, 2, 3, 5, 7, 8]), "1:3,5,7:8");
    }
}
