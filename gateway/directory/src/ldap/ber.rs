//! The little of BER that LDAP uses (RFC 4511 §5.1): definite lengths, low tags.
//!
//! **Exposure.** Bytes of a server that may lie. Values are walked one after the other, never by recursion: depth
//! costs nothing.

/// Universal and LDAP's own tags that are met here.
pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// One value with its tag.
pub(super) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 6);
    out.push(tag);
    match u32::try_from(content.len()) {
        Ok(short @ 0..=0x7f) => out.push(short as u8),
        Ok(long) => {
            let bytes = long.to_be_bytes();
            let used = &bytes[long.leading_zeros() as usize / 8..];
            out.push(0x80 | used.len() as u8);
            out.extend_from_slice(used);
        }
        // Nothing that is sent here comes near: an empty value is refused by every server.
        Err(_) => return vec![tag, 0],
    }
    out.extend_from_slice(content);
    out
}

/// Several values in one.
pub(super) fn all(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(tag, &parts.concat())
}

/// A number that is not negative.
pub(super) fn number(tag: u8, value: u32) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let used = &bytes[(value.leading_zeros() as usize / 8).min(3)..];
    let mut content = Vec::with_capacity(5);
    // The first bit is the sign.
    if used[0] & 0x80 != 0 {
        content.push(0);
    }
    content.extend_from_slice(used);
    tlv(tag, &content)
}

/// Values one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next value: its tag and content. `None` at the end, and when what follows is no value.
    pub(super) fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (length, head) = length(rest)??;
        let content = rest.get(head..)?.get(..length)?;
        self.0 = &rest[head + length..];
        // Tags above 30 have more octets; LDAP has none.
        (tag & 0x1f != 0x1f).then_some((tag, content))
    }
    /// The next value, which has this tag.
    pub(super) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.any().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }
    /// The next value as a number that is not negative.
    pub(super) fn number(&mut self, tag: u8) -> Option<u32> {
        let content = self.take(tag)?;
        let fits = (1..=5).contains(&content.len()) && content[0] & 0x80 == 0;
        let value = content.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        u32::try_from(value).ok().filter(|_| fits)
    }
    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

/// A length and how many octets it takes: `None` when more octets are needed, `Some(None)` when it is none.
#[allow(clippy::option_option)]
pub(super) fn length(bytes: &[u8]) -> Option<Option<(usize, usize)>> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some(Some((usize::from(first), 1)));
    }
    let count = usize::from(first & 0x7f);
    // Indefinite lengths are not used (RFC 4511 §5.1 (1)).
    if !(1..=4).contains(&count) {
        return Some(None);
    }
    let value = rest.get(..count)?.iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
    Some(Some((value, 1 + count)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(content in proptest::collection::vec(any::<u8>(), 0..70_000), n: u32) {
            let bytes = [tlv(OCTETS, &content), number(INTEGER, n)].concat();
            let mut reader = Reader(&bytes);
            prop_assert_eq!(reader.take(OCTETS), Some(&content[..]));
            prop_assert_eq!(reader.number(INTEGER), Some(n));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn no_octets_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = Reader(&bytes);
            while reader.any().is_some() {}
        }
    }

    #[test]
    fn what_is_no_value() {
        for bytes in [&b"\x04"[..], b"\x04\x02a", b"\x04\x80a\0\0", b"\x1f\x01a", b"\x04\x85\0\0\0\0\x01a"] {
            assert_eq!(Reader(bytes).any(), None, "{bytes:?}");
        }
        for bytes in [&b"\x02\0"[..], b"\x02\x01\xff", b"\x02\x06\0\0\0\0\0\x01"] {
            assert_eq!(Reader(bytes).number(INTEGER), None, "{bytes:?}");
        }
        let deep = b"\x30\x84\0\x01\0\0".repeat(50_000);
        assert_eq!(Reader(&deep[..65_541]).any(), None);
    }
}
