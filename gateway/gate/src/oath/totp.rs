//! Clock tokens (RFC 6238): a code every thirty or sixty seconds.

use super::{Algorithm, Typed, hotp};
use sealpost_envelope::Timestamp;

/// Steps by which a clock may be off, either way (RFC 6238 §5.2).
pub const WINDOW: u64 = 1;
/// How far two codes in a row are looked for, either way, when a hardware clock has drifted away.
pub const RESYNC: u64 = 100;

/// How a token counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Hash.
    pub algorithm: Algorithm,
    /// Digits shown, 6 to 8.
    pub digits: u8,
    /// Seconds that a code stands on the display.
    pub period: u32,
}

impl Default for Shape {
    /// What all authenticator apps understand.
    fn default() -> Self {
        Self { algorithm: Algorithm::Sha1, digits: 6, period: 30 }
    }
}

impl Shape {
    /// The step that `now` lies in (RFC 6238 §4.2, T0 = 0); none before 1970.
    pub fn step(&self, now: Timestamp) -> Option<u64> {
        let seconds = u64::try_from(now.as_second()).ok()?;
        Some(seconds / u64::from(self.period.max(1)))
    }
    /// The code of a step.
    pub fn code(&self, secret: &[u8], step: u64) -> String {
        hotp::code(secret, step, self.algorithm, self.digits)
    }
    /// The step whose code was typed: within the window around now, shifted by the token's known `drift`, and
    /// later than the `last` step used (a code counts once, RFC 6238 §5.2).
    pub fn verify(
        &self,
        secret: &[u8],
        typed: &Typed,
        now: Timestamp,
        drift: i64,
        last: Option<u64>,
    ) -> Option<u64> {
        let centre = self.step(now)?.checked_add_signed(drift)?;
        let mut found = None;
        for step in centre.saturating_sub(WINDOW)..=centre.saturating_add(WINDOW) {
            if typed.is(&self.code(secret, step)) && last.is_none_or(|l| step > l) && found.is_none() {
                found = Some(step);
            }
        }
        found
    }
    /// Two codes in a row within [`RESYNC`] steps of now: the step of the second, and the drift it shows.
    pub fn resynchronise(
        &self,
        secret: &[u8],
        (first, second): (&Typed, &Typed),
        now: Timestamp,
        last: Option<u64>,
    ) -> Option<(u64, i64)> {
        let centre = self.step(now)?;
        let mut found = None;
        for step in centre.saturating_sub(RESYNC)..=centre.saturating_add(RESYNC) {
            let next = step.saturating_add(1);
            let pair = first.is(&self.code(secret, step)) & second.is(&self.code(secret, next));
            if pair && last.is_none_or(|l| step > l) && found.is_none() {
                found = next.checked_signed_diff(centre).map(|drift| (next, drift));
            }
        }
        found
    }
}

/// For an app of the usual shape (SHA-1, six digits, thirty seconds): the step whose code was typed, to be kept
/// as `last` from then on.
pub fn verify(secret: &[u8], typed: &str, now: Timestamp, last: Option<u64>) -> Option<u64> {
    Shape::default().verify(secret, &Typed::read(typed)?, now, 0, last)
}

/// The `otpauth:` address that apps read from a QR code; always in the shape that all of them honour.
pub fn uri(issuer: &str, account: &str, secret: &str) -> String {
    let (issuer, account) = (percent(issuer), percent(account));
    format!(
        "otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period=30"
    )
}

/// RFC 3986 §2.1: everything but unreserved characters.
fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn what_apps_read() {
        // RFC 4648 §10.
        assert_eq!(
            uri("Santé & co", "a@b.test", "MZXW6"),
            "otpauth://totp/Sant%C3%A9%20%26%20co:a%40b.test?secret=MZXW6&issuer=Sant%C3%A9%20%26%20co\
             &algorithm=SHA1&digits=6&period=30"
        );
    }

    #[test]
    fn rfc_6238_appendix_b() {
        let key = |n: usize| "1234567890".bytes().cycle().take(n).collect::<Vec<u8>>();
        for (time, sha1, sha256, sha512) in [
            (59, "94287082", "46119246", "90693936"),
            (1_111_111_109, "07081804", "68084774", "25091201"),
            (1_111_111_111, "14050471", "67062674", "99943326"),
            (1_234_567_890, "89005924", "91819424", "93441116"),
            (2_000_000_000, "69279037", "90698825", "38618901"),
            (20_000_000_000, "65353130", "77737706", "47863826"),
        ] {
            for (algorithm, length, expected) in [
                (Algorithm::Sha1, 20, sha1),
                (Algorithm::Sha256, 32, sha256),
                (Algorithm::Sha512, 64, sha512),
            ] {
                let shape = Shape { algorithm, digits: 8, period: 30 };
                let step = shape.step(at(time)).unwrap();
                assert_eq!(shape.code(&key(length), step), expected, "{algorithm:?} at {time}");
                let typed = Typed::read(expected).unwrap();
                assert_eq!(shape.verify(&key(length), &typed, at(time), 0, None), Some(step));
            }
        }
    }

    #[test]
    fn a_code_counts_once_and_only_around_its_time() {
        let (secret, now) = (b"12345678901234567890", at(1_800_000_000));
        let step = Shape::default().step(now).unwrap();
        let code = |step| Shape::default().code(secret, step);
        for (typed, last, expected) in [
            (step, None, Some(step)),
            (step - 1, None, Some(step - 1)),
            (step + 1, None, Some(step + 1)),
            (step - 2, None, None),
            (step + 2, None, None),
            (step, Some(step), None),
            (step - 1, Some(step), None),
            (step + 1, Some(step), Some(step + 1)),
        ] {
            assert_eq!(verify(secret, &code(typed), now, last), expected, "{typed} after {last:?}");
        }
        assert_eq!(verify(b"another secret here!", &code(step), now, None), None);
    }

    #[test]
    fn a_drifted_clock_is_followed() {
        let (secret, now, shape) = (b"12345678901234567890", at(1_800_000_000), Shape::default());
        let step = shape.step(now).unwrap();
        let typed = |step| Typed::read(&shape.code(secret, step)).unwrap();
        assert_eq!(shape.verify(secret, &typed(step - 40), now, -40, None), Some(step - 40));
        assert_eq!(shape.verify(secret, &typed(step), now, -40, None), None);
        let pair = (&typed(step - 40), &typed(step - 39));
        assert_eq!(shape.resynchronise(secret, pair, now, None), Some((step - 39, -39)));
        assert_eq!(shape.resynchronise(secret, pair, now, Some(step - 40)), None, "used before");
        assert_eq!(shape.resynchronise(secret, (pair.1, pair.0), now, None), None);
    }
}
