//! Six digits, derived from a challenge, never stored.
//!
//! HMAC-SHA-256 under the purpose key "codes" over the challenge's identifier, its deposit and its
//! recipient. Sending again derives the same digits; another challenge gives unrelated ones. The bias of
//! reducing 64 bits modulo 10⁶ is below 10⁻¹³.

use aws_lc_rs::hmac;
use sealpost_envelope::{AccountId, DepositId, RecipientNo};
use std::fmt;
use subtle::ConstantTimeEq;
use uuid::Uuid;
use zeroize::Zeroize;

/// Digits of a code. NIST SP 800-63B asks for six or more.
pub const CODE_DIGITS: usize = 6;
/// Longest text that is looked at when a code is typed.
const MAX_TYPED: usize = 64;

/// The purpose key "codes".
pub struct CodeKey(hmac::Key);

impl CodeKey {
    /// Takes the 32 octets of the purpose key.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }
    /// The code that a person of ours was sent.
    pub fn derive_for_account(&self, challenge: Uuid, account: AccountId) -> Code {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(b"sealpost account code v1\0");
        context.update(challenge.as_bytes());
        context.update(&account.0.to_be_bytes());
        Code::of(context.sign().as_ref())
    }
    /// The code of a challenge.
    pub fn derive(&self, challenge: Uuid, deposit: DepositId, recipient: RecipientNo) -> Code {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(b"sealpost code v1\0");
        context.update(challenge.as_bytes());
        context.update(deposit.0.as_bytes());
        context.update(&recipient.to_be_bytes());
        Code::of(context.sign().as_ref())
    }
}
impl fmt::Debug for CodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeKey(…)")
    }
}

/// Six digits. `Debug` shows nothing; the value is wiped on drop.
pub struct Code([u8; CODE_DIGITS]);

impl Code {
    fn of(tag: &[u8]) -> Self {
        let mut number = tag.iter().take(8).fold(0u64, |n, b| (n << 8) | u64::from(*b)) % 1_000_000;
        let mut digits = [b'0'; CODE_DIGITS];
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
        Self(digits)
    }
    /// Reads what a person typed or pasted: blanks, dashes and dots between digits are forgiven.
    pub fn typed(text: &str) -> Option<Self> {
        if text.len() > MAX_TYPED {
            return None;
        }
        let mut digits = [0u8; CODE_DIGITS];
        let mut filled = 0;
        for c in text.chars().filter(|c| !(c.is_whitespace() || matches!(c, '-' | '.' | '\u{2011}'))) {
            let value = c.to_digit(10)?;
            *digits.get_mut(filled)? = b'0' + value as u8;
            filled += 1;
        }
        (filled == CODE_DIGITS).then_some(Self(digits))
    }
    /// The digits, for the mail that carries them.
    pub fn expose(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
    /// Constant-time comparison.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}
impl Drop for Code {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_same_challenge_gives_the_same_code_and_another_does_not() {
        let key = CodeKey::new(&[7; 32]);
        let (a, b, deposit) = (Uuid::from_u128(1), Uuid::from_u128(2), DepositId(Uuid::from_u128(3)));
        assert!(key.derive(a, deposit, 1).matches(&key.derive(a, deposit, 1)));
        assert!(!key.derive(a, deposit, 1).matches(&key.derive(b, deposit, 1)));
        assert!(!key.derive(a, deposit, 1).matches(&key.derive(a, deposit, 2)));
        assert!(!key.derive(a, deposit, 1).matches(&CodeKey::new(&[8; 32]).derive(a, deposit, 1)));
        assert_eq!(format!("{:?}", key.derive(a, deposit, 1)), "Code(…)");
    }

    #[test]
    fn typing_is_forgiven_within_reason() {
        let key = CodeKey::new(&[7; 32]);
        let code = key.derive(Uuid::from_u128(9), DepositId(Uuid::from_u128(9)), 1);
        let d = code.expose();
        for good in
            [d.to_owned(), format!(" {} {} ", &d[..3], &d[3..]), format!("{}\u{a0}{}", &d[..2], &d[2..])]
        {
            assert!(Code::typed(&good).is_some_and(|c| c.matches(&code)), "{good:?}");
        }
        for bad in ["", "12345", "1234567", "12345a", "１２３４５６", &" ".repeat(65)] {
            assert!(Code::typed(bad).is_none(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn codes_have_six_digits_and_read_back(seed in any::<u128>()) {
            let code = CodeKey::new(&[1; 32]).derive(Uuid::from_u128(seed), DepositId(Uuid::from_u128(1)), 1);
            prop_assert_eq!(code.expose().len(), CODE_DIGITS);
            prop_assert!(Code::typed(code.expose()).is_some_and(|c| c.matches(&code)));
        }
        #[test]
        fn typed_never_panics(text in ".*") {
            let _ = Code::typed(&text);
        }
    }
}
