//! Unsigned LEB128 numbers, as the skeleton writes them. Ten octets at most; longer is refused.

/// Appends `value`.
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// What [`get`] found.
pub(crate) enum Varint {
    /// The number and the bytes it took.
    Value(u64, usize),
    /// More bytes are needed.
    Short,
    /// No number fits.
    Bad,
}

/// Reads a number from the beginning of `bytes`.
pub(crate) fn get(bytes: &[u8]) -> Varint {
    let mut value = 0u64;
    for (i, &b) in bytes.iter().enumerate().take(10) {
        let low = u64::from(b & 0x7f);
        // The tenth octet has room for one bit.
        if i == 9 && low > 1 {
            return Varint::Bad;
        }
        value |= low << (7 * i);
        if b & 0x80 == 0 {
            return Varint::Value(value, i + 1);
        }
    }
    if bytes.len() >= 10 { Varint::Bad } else { Varint::Short }
}

/// Takes a number off the front of `bytes`; `None` when there is no whole one.
pub(crate) fn take(bytes: &mut &[u8]) -> Option<u64> {
    match get(bytes) {
        Varint::Value(value, used) => {
            *bytes = &bytes[used..];
            Some(value)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_refusals() {
        for v in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put(&mut out, v);
            let mut rest = &out[..];
            assert_eq!(take(&mut rest), Some(v));
            assert!(rest.is_empty());
            assert!(matches!(get(&out[..out.len() - 1]), Varint::Short));
        }
        assert!(matches!(get(&[0xff; 10]), Varint::Bad));
    }
}
