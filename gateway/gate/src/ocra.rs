//! OCRA: one-time passwords over a challenge, for tiqr and its like.
//!
//! **Job.** Reads a suite text, and computes the response for a key and the inputs that the suite names.
//!
//! **Exposure.** Suites are ours; questions and sessions may come from strangers. Lengths are bounded, nothing
//! panics, and [`Response::matches`] takes constant time.
//!
//! **Standards.** RFC 6287 (OCRA), RFC 4226 §5.3 (dynamic truncation). `S` without a length stands for 64
//! octets, as tiqr writes it; RFC 6287 writes `S064`. The suite's text is part of what is authenticated, so
//! that both give different responses.
//!
//! **Absent on purpose.** No clock and no counter's state: both are inputs.

use aws_lc_rs::hmac;
use std::fmt;
use std::str::FromStr;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// Octets of the question in the authenticated message (RFC 6287 §5.1).
const QUESTION: usize = 128;
/// Octets of a session without a length.
const SESSION: usize = 64;
/// Longest suite text looked at.
const MAX_SUITE: usize = 64;

/// Hash functions of suites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OcraHash {
    /// SHA-1. In HMAC it is still sound.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl OcraHash {
    fn read(text: &str) -> Option<Self> {
        Some(match text {
            "SHA1" => Self::Sha1,
            "SHA256" => Self::Sha256,
            "SHA512" => Self::Sha512,
            _ => return None,
        })
    }
    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }
    fn len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// How a question is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuestionForm {
    /// `QA`: text.
    Text,
    /// `QN`: decimal digits.
    Decimal,
    /// `QH`: hexadecimal digits.
    Hexadecimal,
}

/// A suite, as `OCRA-1:HOTP-SHA1-6:QH10-S`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suite {
    text: String,
    hash: OcraHash,
    digits: usize,
    counter: bool,
    question: (QuestionForm, usize),
    pin: Option<OcraHash>,
    session: Option<usize>,
    step: Option<u64>,
}

/// A text that is no suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no OCRA suite")]
pub struct ParseSuiteError;

/// What goes into a computation. What the suite does not name must be absent, the rest present.
#[derive(Debug, Clone, Copy, Default)]
pub struct OcraInput<'a> {
    /// `C`.
    pub counter: Option<u64>,
    /// `Q`, in the suite's form; both sides' questions together where both ask.
    pub question: &'a str,
    /// `P`: the hash of the PIN.
    pub pin: Option<&'a [u8]>,
    /// `S`.
    pub session: Option<&'a [u8]>,
    /// `T`: number of steps since 1970 ([`Suite::steps`]).
    pub time: Option<u64>,
}

/// The inputs do not fit the suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OcraError {
    /// The question is empty, too long or in another form.
    #[error("the question does not fit the suite")]
    Question,
    /// An input is missing, or given although the suite does not name it, or has another length.
    #[error("the {0} does not fit the suite")]
    Input(&'static str),
}

/// A response: decimal digits, or the whole HMAC in hexadecimal where the suite does not truncate.
pub struct Response(String);

impl Response {
    /// The digits.
    pub fn expose(&self) -> &str {
        &self.0
    }
    /// Constant-time comparison with what somebody sent.
    pub fn matches(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }
}
impl Drop for Response {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Response(…)")
    }
}

impl FromStr for Suite {
    type Err = ParseSuiteError;

    /// `OCRA-1:HOTP-<hash>-<digits>:[C-]Q<form><length>[-P<hash>][-S<length>][-T<n><unit>]` (RFC 6287 §6).
    fn from_str(text: &str) -> Result<Self, ParseSuiteError> {
        (text.len() <= MAX_SUITE).then(|| Self::read(text)).flatten().ok_or(ParseSuiteError)
    }
}

impl Suite {
    fn read(text: &str) -> Option<Self> {
        let (function, data) = text.strip_prefix("OCRA-1:HOTP-")?.split_once(':')?;
        let (hash, digits) = function.split_once('-')?;
        let digits = number(digits, 2).filter(|d| *d == 0 || (4..=10).contains(d))?;
        let mut parts = data.split('-').peekable();
        let counter = parts.next_if_eq(&"C").is_some();
        let mut suite = Self {
            text: text.to_owned(),
            hash: OcraHash::read(hash)?,
            digits,
            counter,
            question: question(parts.next()?)?,
            pin: None,
            session: None,
            step: None,
        };
        // In this order, each at most once.
        if let Some(pin) = parts.next_if(|p| p.starts_with('P')) {
            suite.pin = Some(OcraHash::read(&pin[1..])?);
        }
        if let Some(session) = parts.next_if(|p| p.starts_with('S')) {
            suite.session = Some(match &session[1..] {
                "" => SESSION,
                length if length.len() == 3 => number(length, 3).filter(|n| (1..=512).contains(n))?,
                _ => return None,
            });
        }
        if let Some(time) = parts.next_if(|p| p.starts_with('T')) {
            suite.step = Some(step(&time[1..])?);
        }
        parts.next().is_none().then_some(suite)
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
    /// Form and length of its questions.
    pub fn question(&self) -> (QuestionForm, usize) {
        self.question
    }
    /// Digits of a response; 0 where the whole HMAC is given.
    pub fn digits(&self) -> usize {
        self.digits
    }
    /// `T` for a time, where the suite names one.
    pub fn steps(&self, unix_seconds: u64) -> Option<u64> {
        self.step.map(|step| unix_seconds / step)
    }

    /// The response.
    pub fn compute(&self, key: &[u8], input: &OcraInput<'_>) -> Result<Response, OcraError> {
        let mut message = self.text.as_bytes().to_vec();
        message.push(0);
        match (self.counter, input.counter) {
            (true, Some(counter)) => message.extend_from_slice(&counter.to_be_bytes()),
            (false, None) => {}
            _ => return Err(OcraError::Input("counter")),
        }
        message.extend_from_slice(&padded_question(self.question.0, input.question)?);
        match (self.pin, input.pin) {
            (Some(hash), Some(pin)) if pin.len() == hash.len() => message.extend_from_slice(pin),
            (None, None) => {}
            _ => return Err(OcraError::Input("PIN")),
        }
        match (self.session, input.session) {
            (Some(length), Some(session)) if session.len() <= length => {
                message.resize(message.len() + length - session.len(), 0);
                message.extend_from_slice(session);
            }
            (None, None) => {}
            _ => return Err(OcraError::Input("session")),
        }
        match (self.step, input.time) {
            (Some(_), Some(time)) => message.extend_from_slice(&time.to_be_bytes()),
            (None, None) => {}
            _ => return Err(OcraError::Input("time")),
        }
        let tag = hmac::sign(&hmac::Key::new(self.hash.hmac(), key), &message);
        Ok(Response(truncate(tag.as_ref(), self.digits)))
    }
}

/// Decimal digits, at most `width` of them.
fn number(text: &str, width: usize) -> Option<usize> {
    let fits = (1..=width).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

fn question(text: &str) -> Option<(QuestionForm, usize)> {
    let form = match text.get(..2)? {
        "QA" => QuestionForm::Text,
        "QN" => QuestionForm::Decimal,
        "QH" => QuestionForm::Hexadecimal,
        _ => return None,
    };
    let length = Some(&text[2..]).filter(|l| l.len() == 2).and_then(|l| number(l, 2))?;
    (4..=64).contains(&length).then_some((form, length))
}

/// Seconds of a time step: `1S` to `59S`, `1M` to `59M`, `1H` to `48H`.
fn step(text: &str) -> Option<u64> {
    let unit = text.chars().next_back()?;
    let n = number(text.strip_suffix(unit)?, 2)? as u64;
    let (most, seconds) = match unit {
        'S' => (59, 1),
        'M' => (59, 60),
        'H' => (48, 3600),
        _ => return None,
    };
    (1..=most).contains(&n).then_some(n * seconds)
}

/// The question as octets, filled up on the right with zeros.
fn padded_question(form: QuestionForm, text: &str) -> Result<[u8; QUESTION], OcraError> {
    let mut out = [0u8; QUESTION];
    if text.is_empty() || text.len() > QUESTION || !text.is_ascii() {
        return Err(OcraError::Question);
    }
    let nibbles = match form {
        QuestionForm::Text => {
            out[..text.len()].copy_from_slice(text.as_bytes());
            return Ok(out);
        }
        QuestionForm::Hexadecimal => text.chars().map(|c| c.to_digit(16)).collect(),
        QuestionForm::Decimal => {
            let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(10)).collect();
            digits.map(hexadecimal)
        }
    };
    let nibbles: Vec<u32> = nibbles.ok_or(OcraError::Question)?;
    for (i, nibble) in nibbles.into_iter().enumerate() {
        // At most 128 digits: they fill 64 octets.
        out[i / 2] |= (nibble as u8) << (4 * ((i + 1) % 2));
    }
    Ok(out)
}

/// A decimal number in hexadecimal digits without leading zeros; zero is one digit.
fn hexadecimal(mut decimal: Vec<u32>) -> Vec<u32> {
    let mut hexadecimal = Vec::new();
    loop {
        let mut rest = 0;
        for digit in &mut decimal {
            let value = rest * 10 + *digit;
            (*digit, rest) = (value / 16, value % 16);
        }
        hexadecimal.push(rest);
        if decimal.iter().all(|d| *d == 0) {
            hexadecimal.reverse();
            return hexadecimal;
        }
    }
}

/// RFC 4226 §5.3.
fn truncate(tag: &[u8], digits: usize) -> String {
    if digits == 0 {
        return sealpost_envelope::hex::encode(tag);
    }
    let offset = tag.last().map_or(0, |b| usize::from(b & 0x0f));
    let bits = tag.iter().skip(offset).take(4).fold(0u64, |n, b| (n << 8) | u64::from(*b)) & 0x7fff_ffff;
    let modulus = 10u64.pow(digits as u32);
    format!("{:0digits$}", bits % modulus)
}

#[cfg(test)]
mod tests;
