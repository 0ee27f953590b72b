//! Counter tokens (RFC 4226): a code for each press of the button.

use super::{Algorithm, Typed};
use aws_lc_rs::hmac;
use zeroize::Zeroize;

/// Presses that nobody typed, forgiven at a login (RFC 4226 §7.4).
pub const LOOK_AHEAD: u64 = 10;
/// How far two codes in a row are looked for when a token is resynchronised.
pub const RESYNC: u64 = 100;

/// The code of `counter` with so many digits (RFC 4226 §5.3).
pub fn code(secret: &[u8], counter: u64, algorithm: Algorithm, digits: u8) -> String {
    let key = hmac::Key::new(algorithm.hmac(), secret);
    let tag = hmac::sign(&key, &counter.to_be_bytes());
    let tag = tag.as_ref();
    // Dynamic truncation: the low four bits of the last octet say where 31 bits are taken. The shortest tag has
    // 20 octets, so that 15 + 4 stay inside.
    let offset = usize::from(tag.last().copied().unwrap_or(0) & 0x0f);
    let mut number = tag.iter().skip(offset).take(4).fold(0u32, |n, b| (n << 8) | u32::from(*b));
    number &= 0x7fff_ffff;
    let digits = digits.clamp(6, 8);
    let code = format!("{:0width$}", number % 10u32.pow(u32::from(digits)), width = usize::from(digits));
    number.zeroize();
    code
}

/// The counter that gives the typed code, looked for from `next` over `LOOK_AHEAD` further presses. The counter
/// to expect from then on is one more.
pub fn verify(secret: &[u8], typed: &Typed, next: u64, algorithm: Algorithm, digits: u8) -> Option<u64> {
    search(secret, typed, next, LOOK_AHEAD, algorithm, digits)
}

/// Two codes in a row, looked for over [`RESYNC`] presses: the counter of the second (RFC 4226 §7.4).
pub fn resynchronise(
    secret: &[u8],
    (first, second): (&Typed, &Typed),
    next: u64,
    algorithm: Algorithm,
    digits: u8,
) -> Option<u64> {
    let mut found = None;
    for counter in next..next.saturating_add(RESYNC) {
        let pair = first.is(&code(secret, counter, algorithm, digits))
            & second.is(&code(secret, counter.saturating_add(1), algorithm, digits));
        if pair && found.is_none() {
            found = Some(counter.saturating_add(1));
        }
    }
    found
}

/// The first counter in `next ..= next + ahead` whose code was typed; all are computed in every case.
fn search(
    secret: &[u8],
    typed: &Typed,
    next: u64,
    ahead: u64,
    algorithm: Algorithm,
    digits: u8,
) -> Option<u64> {
    let mut found = None;
    for counter in next..=next.saturating_add(ahead) {
        if typed.is(&code(secret, counter, algorithm, digits)) && found.is_none() {
            found = Some(counter);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn rfc_4226_appendix_d() {
        let expected = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871",
            "520489",
        ];
        for (counter, expected) in expected.iter().enumerate() {
            assert_eq!(code(SECRET, counter as u64, Algorithm::Sha1, 6), *expected);
        }
    }

    #[test]
    fn a_counter_only_moves_forward_and_not_too_far() {
        let typed = |text: &str| Typed::read(text).unwrap();
        let verify = |text: &str, next| verify(SECRET, &typed(text), next, Algorithm::Sha1, 6);
        assert_eq!(verify("755224", 0), Some(0));
        assert_eq!(verify("755224", 1), None, "used before");
        assert_eq!(verify("520489", 0), Some(9));
        let far = code(SECRET, 11, Algorithm::Sha1, 6);
        assert_eq!(verify(&far, 0), None, "beyond the look-ahead");
        assert_eq!(verify(&far, 1), Some(11));
    }

    #[test]
    fn two_codes_in_a_row_bring_a_token_back() {
        let typed = |n| Typed::read(&code(SECRET, n, Algorithm::Sha1, 6)).unwrap();
        let again = |a, b, next| resynchronise(SECRET, (&typed(a), &typed(b)), next, Algorithm::Sha1, 6);
        assert_eq!(again(60, 61, 0), Some(61));
        assert_eq!(again(60, 62, 0), None, "not in a row");
        assert_eq!(again(61, 60, 0), None, "in the wrong order");
        assert_eq!(again(101, 102, 0), None, "too far");
        assert_eq!(again(5, 6, 6), None, "behind");
    }
}
