//! A proof of work in place of a picture to decipher: ALTCHA's protocol, version 1.
//!
//! **Job.** [`WorkKey`] makes a question whose answer a browser finds by trying numbers, and judges answers. It can be
//! judged at any node: all it needs is signed. That an answer counts once is the store's business.
//!
//! **Exposure.** [`WorkKey::judge`] reads what strangers post: bounded before it is decoded; comparisons take
//! constant time.
//!
//! **Standards.** ALTCHA v1 with the trailing `&` of the salt (without it digits of the number could be moved into
//! `expires`); SHA-256 and HMAC-SHA-256 (RFC 2104).

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::{digest, hmac};
use sealpost_envelope::{Timestamp, hex};
use serde::{Deserialize, Serialize};
use std::fmt;
use subtle::ConstantTimeEq;

/// Longest answer looked at.
const LONGEST: usize = 1024;
/// Octets of the salt.
const SALT: usize = 16;

/// The key under which questions are signed.
pub struct WorkKey(hmac::Key);

/// A question, as the browser gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Question {
    /// `SHA-256`.
    pub algorithm: &'static str,
    /// Hash to be found.
    pub challenge: String,
    /// The largest number to be tried.
    pub maxnumber: u32,
    /// What stands before the number.
    pub salt: String,
    /// Our signature.
    pub signature: String,
}

/// The answer as posted, base64 of JSON.
#[derive(Deserialize)]
struct Posted {
    algorithm: String,
    challenge: String,
    number: u64,
    salt: String,
    signature: String,
}

/// A good answer; to be spent once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// Names the question.
    pub hash: [u8; 32],
    /// It is worth nothing after this.
    pub expires: Timestamp,
}

impl WorkKey {
    /// Takes the 32 octets of the purpose key.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// A question that takes `maxnumber / 2` hashes on average. `None` when there are no random numbers.
    pub fn ask(&self, maxnumber: u32, expires: Timestamp) -> Option<Question> {
        let mut random = [0u8; SALT + 8];
        SystemRandom::new().fill(&mut random).ok()?;
        let (salt, number) = random.split_at(SALT);
        let number = number.iter().fold(0u64, |n, b| (n << 8) | u64::from(*b)) % (u64::from(maxnumber) + 1);
        let salt = format!("{}?expires={}&", hex::encode(salt), expires.as_second());
        Some(self.question(salt, number, maxnumber))
    }

    fn question(&self, salt: String, number: u64, maxnumber: u32) -> Question {
        let challenge = hash(&salt, number);
        let signature = hex::encode(hmac::sign(&self.0, challenge.as_bytes()).as_ref());
        Question { algorithm: "SHA-256", challenge, maxnumber, salt, signature }
    }

    /// Judges an answer; `None` for anything but a right one to a question of ours that has not expired.
    pub fn judge(&self, posted: &str, now: Timestamp) -> Option<Done> {
        if posted.len() > LONGEST {
            return None;
        }
        let json = base64_simd::STANDARD.decode_to_vec(posted.trim()).ok()?;
        let posted: Posted = serde_json::from_slice(&json).ok()?;
        let (_, rest) = posted.salt.split_once("?expires=")?;
        let expires = Timestamp::from_second(rest.strip_suffix('&')?.parse().ok()?).ok()?;
        let right = hash(&posted.salt, posted.number);
        let signed = hex::encode(hmac::sign(&self.0, right.as_bytes()).as_ref());
        let fits = posted.algorithm.as_bytes().ct_eq(b"SHA-256")
            & posted.challenge.as_bytes().ct_eq(right.as_bytes())
            & posted.signature.as_bytes().ct_eq(signed.as_bytes());
        if !bool::from(fits) || now >= expires {
            return None;
        }
        let mut name = [0u8; 32];
        name.copy_from_slice(digest::digest(&digest::SHA256, right.as_bytes()).as_ref());
        Some(Done { hash: name, expires })
    }
}

impl fmt::Debug for WorkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WorkKey(…)")
    }
}

fn hash(salt: &str, number: u64) -> String {
    hex::encode(digest::digest(&digest::SHA256, format!("{salt}{number}").as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> WorkKey {
        WorkKey(hmac::Key::new(hmac::HMAC_SHA256, b"secret hmac key"))
    }
    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }
    fn post(q: &Question, number: u64) -> String {
        let json = serde_json::json!({
            "algorithm": q.algorithm, "challenge": q.challenge, "number": number, "salt": q.salt,
            "signature": q.signature,
        });
        base64_simd::STANDARD.encode_to_string(json.to_string())
    }

    #[test]
    fn the_protocols_vector() {
        let question = key().question("0123456789abcdef01234567?expires=1900000000&".into(), 4242, 50_000);
        assert_eq!(question.challenge, "2890c88f105693caa344029836c3db90de392a44ced469f6014783ef8e7e68d6");
        assert_eq!(question.signature, "d16dc6f8ef3c235838fffe086c1e52e4d369938bdfd4662ba28daf6b79d7c232");
        let done = key().judge(&post(&question, 4242), at(1_899_999_999)).unwrap();
        assert_eq!(done.expires, at(1_900_000_000));
        assert!(key().judge(&post(&question, 4242), at(1_900_000_000)).is_none(), "expired");
        assert!(key().judge(&post(&question, 4243), at(1)).is_none(), "another number");
        assert!(WorkKey::new(&[1; 32]).judge(&post(&question, 4242), at(1)).is_none(), "another key");
        // Digits moved between the number and the expiry give the same hash only without the final `&`.
        let moved = Question { salt: "0123456789abcdef01234567?expires=19000000004".into(), ..question };
        assert!(key().judge(&post(&moved, 242), at(1)).is_none());
    }

    #[test]
    fn questions_can_be_answered() {
        let question = key().ask(500, at(1000)).unwrap();
        let number = (0..=500).find(|n| hash(&question.salt, *n) == question.challenge).unwrap();
        assert!(key().judge(&post(&question, number), at(999)).is_some());
    }

    proptest! {
        #[test]
        fn judging_never_panics(text in ".*") {
            prop_assert!(key().judge(&text, at(1)).is_none());
            prop_assert!(key().judge(&base64_simd::STANDARD.encode_to_string(&text), at(1)).is_none());
        }
    }
}
