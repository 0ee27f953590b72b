//! tiqr: logging in by scanning a QR code with an enrolled phone.
//!
//! **Job.** The protocol's values, addresses and answers in both versions, the judgement of a response, and the
//! count of wrong ones. The PIN never leaves the phone, where it only decrypts the secret: a wrong PIN shows as a
//! wrong response, so that the server must count ([`Strikes`]).
//!
//! **Exposure.** Fields come from phones and from whoever pretends to be one. Lengths are bounded, comparisons
//! take constant time.
//!
//! **Standards.** RFC 6287 (the suite `OCRA-1:HOTP-SHA1-6:QH10-S`, see [`crate::ocra`]); the protocol as the
//! tiqr apps for Android and iOS speak it, versions 1 (plain text) and 2 (JSON).
//!
//! **Absent on purpose.** No store, no clock, no push: the public apps take messages of their publisher only.

use crate::ocra::{OcraInput, Suite};
use sealpost_envelope::random::octets;
use sealpost_envelope::{EmailAddress, Secret, Timestamp, hex};
use std::fmt::Write;
use std::time::Duration;

/// The suite that phones are told at enrolment and keep for ever.
pub const SUITE: &str = "OCRA-1:HOTP-SHA1-6:QH10-S";
/// How long an enrolment may take.
pub const ENROLMENT: Duration = Duration::from_secs(300);
/// How long a challenge may be answered.
pub const CHALLENGE: Duration = Duration::from_secs(180);
/// Octets of session and enrolment keys.
const KEY: usize = 16;
/// Hexadecimal digits of a challenge (`QH10`).
const QUESTION: usize = 10;
/// Octets of the phone's secret, at least; and at most, what is looked at.
const SECRET: std::ops::RangeInclusive<usize> = 32..=64;
/// Letters of identifiers: they are read from a screen and typed.
const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
/// Letters of a userId: 60 random bits, no secret.
const USER: usize = 12;

/// A fresh key of 128 bits in hexadecimal: enrolment key, enrolment secret.
pub fn fresh_key() -> Secret<String> {
    Secret::new(hex::encode(&octets::<KEY>()))
}

/// A fresh userId: opaque, since it is shown and typed by hand. Every enrolment has its own, because the apps
/// refuse an identity that they know already.
pub fn fresh_user() -> String {
    octets::<USER>().iter().map(|b| char::from(LETTERS[usize::from(b % 32)])).collect()
}

/// The recipient of an address, as the owner of a phone.
pub fn owner(address: &EmailAddress) -> String {
    format!("mail:{}", address.key())
}

/// Whether a text looks like a key of ours.
pub fn is_key(text: &str) -> bool {
    text.len() == 2 * KEY && text.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())
}

/// What a browser's QR code asks a phone.
#[derive(Debug, Clone)]
pub struct Question {
    /// Session key, hexadecimal.
    pub session: Secret<String>,
    /// Challenge, ten hexadecimal digits.
    pub challenge: Secret<String>,
}

impl Question {
    /// A fresh one.
    pub fn fresh() -> Self {
        let mut challenge = hex::encode(&octets::<{ QUESTION / 2 }>());
        challenge.truncate(QUESTION);
        Self { session: fresh_key(), challenge: Secret::new(challenge) }
    }

    /// As one text, to be sealed.
    pub fn to_text(&self) -> Secret<String> {
        Secret::new(format!("{} {}", self.session.expose(), self.challenge.expose()))
    }

    /// Reads [`Question::to_text`].
    pub fn from_text(text: &str) -> Option<Self> {
        let (session, challenge) = text.split_once(' ')?;
        let fits = is_key(session)
            && challenge.len() == QUESTION
            && challenge.bytes().all(|b| b.is_ascii_hexdigit());
        fits.then(|| Self {
            session: Secret::new(session.to_owned()),
            challenge: Secret::new(challenge.to_owned()),
        })
    }

    /// What the QR code holds. With `user` the phone asks for that identity; without, it offers its own.
    pub fn uri(&self, user: Option<&str>, identifier: &str, service: &str) -> String {
        let user = user.map(|u| format!("{}@", escape(u))).unwrap_or_default();
        format!(
            "tiqrauth://{user}{identifier}/{}/{}/{}/2",
            self.session.expose(),
            self.challenge.expose(),
            escape(service)
        )
    }

    /// Whether `response` answers this question under the phone's secret.
    pub fn is_answered(&self, secret: &Secret<Vec<u8>>, response: &str) -> bool {
        let session = hex::decode(self.session.expose());
        let (Ok(suite), Some(session)) = (SUITE.parse::<Suite>(), session) else { return false };
        let input =
            OcraInput { question: self.challenge.expose(), session: Some(&session), ..OcraInput::default() };
        let is_right = |right: crate::ocra::Response| right.matches(response);
        suite.compute(secret.expose(), &input).is_ok_and(is_right)
    }
}

/// What an enrolment's QR code holds: the address of the metadata, verbatim.
pub fn enrolment_uri(metadata: &str) -> String {
    format!("tiqrenroll://{metadata}")
}

/// The identifier of this service for phones: the host of its address in lower case, without port.
pub fn identifier(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    host.to_ascii_lowercase()
}

/// Percent-encoding of everything but unreserved characters (RFC 3986 §2.3).
pub fn escape(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, b| {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(char::from(b));
        } else {
            // Writing to a String does not fail.
            let _ = write!(out, "%{b:02X}");
        }
        out
    })
}

/// The secret that a phone made and sends at enrolment.
pub fn phone_secret(text: &str) -> Option<Secret<Vec<u8>>> {
    if text.len() > 2 * SECRET.end() {
        return None;
    }
    hex::decode(text).filter(|raw| SECRET.contains(&raw.len())).map(Secret::new)
}

/// How far an enrolment is. The numbers are the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enrolment {
    /// The QR code is shown.
    Initialized = 2,
    /// A phone fetched the metadata; nobody else will.
    Retrieved = 3,
    /// The phone sent its secret.
    Processed = 4,
    /// The phone is enrolled.
    Finalized = 5,
}

impl Enrolment {
    /// From the number.
    pub fn from_number(n: i64) -> Option<Self> {
        [Self::Initialized, Self::Retrieved, Self::Processed, Self::Finalized]
            .into_iter()
            .find(|s| *s as i64 == n)
    }
}

/// Version of the protocol that an answer is written in: the lower one of both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Plain text; what a phone assumes of an answer without version.
    V1,
    /// JSON.
    V2,
}

impl Protocol {
    /// By the request's `X-TIQR-Protocol-Version`.
    pub fn of(header: Option<&str>) -> Self {
        match header.and_then(|h| h.trim().parse::<u32>().ok()) {
            Some(2..) => Self::V2,
            _ => Self::V1,
        }
    }
}

/// What a phone is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Enrolled, or logged in.
    Ok,
    /// The enrolment was refused.
    EnrolmentRefused,
    /// Something failed on our side.
    Error,
    /// Wrong response, which may be a wrong PIN; so many tries are left.
    WrongResponse(u32),
    /// Fields are missing or malformed.
    BadRequest,
    /// The challenge is unknown, used or over.
    BadChallenge,
    /// The phone is blocked: for so many minutes, or for good.
    Blocked(Option<u32>),
    /// No such phone.
    UnknownUser,
}

impl Answer {
    /// Status of the response; the apps read the body whatever it is.
    pub fn status(self) -> u16 {
        match self {
            Self::Ok => 200,
            _ => 403,
        }
    }
    /// The body.
    pub fn body(self, protocol: Protocol) -> String {
        match protocol {
            Protocol::V1 => self.text(),
            Protocol::V2 => self.json(),
        }
    }
    fn text(self) -> String {
        match self {
            Self::Ok => "OK".to_owned(),
            Self::EnrolmentRefused | Self::Error => "ERROR".to_owned(),
            Self::WrongResponse(left) => format!("INVALID_RESPONSE:{left}"),
            Self::BadRequest => "INVALID_REQUEST".to_owned(),
            Self::BadChallenge => "INVALID_CHALLENGE".to_owned(),
            Self::Blocked(_) => "ACCOUNT_BLOCKED".to_owned(),
            // The apps know no other spelling.
            Self::UnknownUser => "INVALID_USERID".to_owned(),
        }
    }
    fn json(self) -> String {
        let (code, more) = match self {
            Self::Ok => (1, String::new()),
            Self::EnrolmentRefused => (101, String::new()),
            Self::Error => (200, String::new()),
            Self::WrongResponse(left) => (201, format!(",\"attemptsLeft\":{left}")),
            Self::BadRequest => (202, String::new()),
            Self::BadChallenge => (203, String::new()),
            Self::Blocked(None) => (204, String::new()),
            Self::Blocked(Some(minutes)) => (204, format!(",\"duration\":{minutes}")),
            Self::UnknownUser => (205, String::new()),
        };
        format!("{{\"responseCode\":{code}{more}}}")
    }
}

/// Wrong responses of one phone. A PIN has four digits: whoever holds the phone must not try many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Strikes {
    /// Wrong responses since the last right one or the last block.
    pub failures: u32,
    /// Blocks since the last right response.
    pub blocks: u32,
    /// End of the block; [`Timestamp::MAX`] is for good.
    pub until: Option<Timestamp>,
}

/// When wrong responses block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// This wrong response in a row blocks.
    pub tries: u32,
    /// For this long.
    pub pause: Duration,
    /// After this many blocks it is for good.
    pub blocks: u32,
}

impl Default for Patience {
    /// Ten wrong PINs in all: a guess of one in a thousand at most.
    fn default() -> Self {
        Self { tries: 5, pause: Duration::from_secs(30 * 60), blocks: 2 }
    }
}

impl Strikes {
    /// The refusal, while blocked; it meets the right response too.
    pub fn refusal(&self, now: Timestamp) -> Option<Answer> {
        let until = self.until.filter(|until| *until > now)?;
        if until == Timestamp::MAX {
            return Some(Answer::Blocked(None));
        }
        let seconds = until.as_second().saturating_sub(now.as_second()).max(1);
        Some(Answer::Blocked(Some(u32::try_from(seconds.div_euclid(60) + 1).unwrap_or(u32::MAX))))
    }

    /// Counts a wrong response.
    pub fn wrong(self, patience: Patience, now: Timestamp) -> (Self, Answer) {
        let failures = self.failures.saturating_add(1);
        if failures < patience.tries {
            let counted = Self { failures, until: None, ..self };
            return (counted, Answer::WrongResponse(patience.tries - failures));
        }
        let blocks = self.blocks.saturating_add(1);
        let until = match blocks >= patience.blocks {
            true => Timestamp::MAX,
            false => now.checked_add(patience.pause).unwrap_or(Timestamp::MAX),
        };
        let blocked = Self { failures: 0, blocks, until: Some(until) };
        (blocked, blocked.refusal(now).unwrap_or(Answer::Blocked(None)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn answers_in_both_versions() {
        for (answer, text, json, status) in [
            (Answer::Ok, "OK", r#"{"responseCode":1}"#, 200),
            (Answer::EnrolmentRefused, "ERROR", r#"{"responseCode":101}"#, 403),
            (Answer::Error, "ERROR", r#"{"responseCode":200}"#, 403),
            (Answer::WrongResponse(4), "INVALID_RESPONSE:4", r#"{"responseCode":201,"attemptsLeft":4}"#, 403),
            (Answer::BadRequest, "INVALID_REQUEST", r#"{"responseCode":202}"#, 403),
            (Answer::BadChallenge, "INVALID_CHALLENGE", r#"{"responseCode":203}"#, 403),
            (Answer::Blocked(None), "ACCOUNT_BLOCKED", r#"{"responseCode":204}"#, 403),
            (Answer::Blocked(Some(30)), "ACCOUNT_BLOCKED", r#"{"responseCode":204,"duration":30}"#, 403),
            (Answer::UnknownUser, "INVALID_USERID", r#"{"responseCode":205}"#, 403),
        ] {
            assert_eq!(answer.body(Protocol::V1), text);
            assert_eq!(answer.body(Protocol::V2), json);
            assert_eq!(answer.status(), status);
        }
        for (header, version) in [
            (None, Protocol::V1),
            (Some("1"), Protocol::V1),
            (Some("2"), Protocol::V2),
            (Some("3"), Protocol::V2),
            (Some("two"), Protocol::V1),
        ] {
            assert_eq!(Protocol::of(header), version, "{header:?}");
        }
    }

    #[test]
    fn addresses() {
        let question = Question {
            session: Secret::new("b5a0c3d4e5f60718293a4b5c6d7e8f90".to_owned()),
            challenge: Secret::new("7c6a1b0f9e".to_owned()),
        };
        assert_eq!(
            question.uri(Some("abc"), "mail.example.fr", "Hôpital X"),
            "tiqrauth://abc@mail.example.fr/b5a0c3d4e5f60718293a4b5c6d7e8f90/7c6a1b0f9e/H%C3%B4pital%20X/2"
        );
        assert!(question.uri(None, "mail.example.fr", "X").starts_with("tiqrauth://mail.example.fr/"));
        assert_eq!(enrolment_uri("https://h/x?key=1"), "tiqrenroll://https://h/x?key=1");
        for (url, host) in [
            ("https://Mail.Example.fr", "mail.example.fr"),
            ("https://localhost:8443", "localhost"),
            ("https://[::1]:8443/", "::1"),
        ] {
            assert_eq!(identifier(url), host);
        }
    }

    #[test]
    fn questions() {
        let secret = Secret::new((0u8..32).collect::<Vec<_>>());
        let text = "b5a0c3d4e5f60718293a4b5c6d7e8f90 7c6a1b0f9e";
        let question = Question::from_text(text).unwrap();
        assert_eq!(question.to_text().expose(), text);
        assert!(question.is_answered(&secret, "702753"));
        for wrong in ["702754", "", "7027530", " 702753"] {
            assert!(!question.is_answered(&secret, wrong), "{wrong:?}");
        }
        let (a, b) = (Question::fresh(), Question::fresh());
        assert!(a.session.expose() != b.session.expose() && a.challenge.expose() != b.challenge.expose());
        assert!(Question::from_text(a.to_text().expose()).is_some());
        for bad in ["", "b5a0", "B5A0C3D4E5F60718293A4B5C6D7E8F90 7c6a1b0f9e", &format!("{text}0")] {
            assert!(Question::from_text(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn secrets_of_phones() {
        for (text, good) in [
            ("ab".repeat(32), true),
            ("AB".repeat(32), true),
            ("ab".repeat(64), true),
            ("ab".repeat(31), false),
            ("ab".repeat(65), false),
            ("xy".repeat(32), false),
            (String::new(), false),
        ] {
            assert_eq!(phone_secret(&text).is_some(), good, "{text}");
        }
        let user = fresh_user();
        assert!(user.len() == USER && user.bytes().all(|b| LETTERS.contains(&b)), "{user}");
        assert!(is_key(fresh_key().expose()) && !is_key("x"));
        for n in 2..=5 {
            assert_eq!(Enrolment::from_number(n).map(|s| s as i64), Some(n));
        }
        assert_eq!(Enrolment::from_number(6), None);
    }

    #[test]
    fn wrong_pins_block() {
        let now: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
        let later: Timestamp = "2026-03-01T10:31:00Z".parse().unwrap();
        let (mut strikes, patience) = (Strikes::default(), Patience::default());
        for left in [4, 3, 2, 1] {
            assert_eq!(strikes.refusal(now), None);
            let (counted, answer) = strikes.wrong(patience, now);
            assert_eq!(answer, Answer::WrongResponse(left));
            strikes = counted;
        }
        let (mut strikes, answer) = strikes.wrong(patience, now);
        assert_eq!(answer, Answer::Blocked(Some(31)));
        assert_eq!(strikes.refusal(now), Some(Answer::Blocked(Some(31))));
        assert_eq!(strikes.refusal(later), None, "the pause is over");
        for _ in 0..4 {
            strikes = strikes.wrong(patience, later).0;
        }
        let (strikes, answer) = strikes.wrong(patience, later);
        assert_eq!(answer, Answer::Blocked(None), "the second block is for good");
        assert_eq!(strikes.refusal(Timestamp::MAX.checked_sub(patience.pause).unwrap()), Some(answer));
    }

    proptest! {
        #[test]
        fn escaping_is_safe_in_addresses(text in ".*") {
            let escaped = escape(&text);
            prop_assert!(escaped.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
        }
        #[test]
        fn reading_never_panics(text in ".*") {
            let _ = (Question::from_text(&text), phone_secret(&text), identifier(&text));
        }
    }
}
