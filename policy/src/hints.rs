//! What a sender asks for, in the subject and in `X-Sealpost-…` headers.

use crate::{Hold, Period, read_tags};
use jiff::Timestamp;
use sealpost_envelope::{Gate, Treatment};

/// Headers that carry hints, lower case; they are removed from what leaves for outside.
pub const HINT_HEADERS: [&str; 5] = [
    "x-sealpost-treatment",
    "x-sealpost-gate",
    "x-sealpost-phone",
    "x-sealpost-expires",
    "x-sealpost-recipient",
];

/// Header that carries the message's password, lower case; never part of what is kept.
pub const PASSWORD_HEADER: &str = "x-sealpost-password";

/// A number for codes by SMS, as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneHint {
    /// Whose it is, when said.
    pub address: Option<String>,
    /// The number.
    pub number: String,
}

impl PhoneHint {
    /// `NUMBER` or `ADDRESS=NUMBER`.
    pub(crate) fn parse(text: &str) -> Self {
        let clean = |t: &str| t.trim_matches(|c: char| c.is_whitespace() || c == ',' || c == ';').to_owned();
        match text.rsplit_once('=') {
            Some((address, number)) => Self { address: Some(clean(address)), number: clean(number) },
            None => Self { address: None, number: clean(text) },
        }
    }
}

/// What is asked for one recipient, in `X-Sealpost-Recipient`: their address, then words of which each is optional, as
/// in `bob@example.test gate=otp-mail|totp expires=2026-12-01 identity=rpps:10001234567`. Several recipients are
/// separated by commas. What stands here counts in place of what is asked for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Personal {
    pub(crate) address: String,
    pub(crate) gate: Option<Gate>,
    pub(crate) ending: Option<Ending>,
    pub(crate) identity: Option<String>,
}

impl Personal {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let address = words.next().filter(|a| a.contains('@'))?.to_owned();
        let mut personal = Self { address, gate: None, ending: None, identity: None };
        for word in words {
            match word.split_once('=')? {
                ("gate", ways) => {
                    let ways: Vec<String> = ways.split('|').map(str::to_ascii_lowercase).collect();
                    personal.gate = Some(Gate::parse(&ways).ok()?);
                }
                ("expires", end) => personal.ending = Some(ending(end)?),
                ("identity", id) => personal.identity = Some(identity(id)?.to_owned()),
                _ => return None,
            }
        }
        Some(personal)
    }
}

/// `rpps:10001234567` and its like.
fn identity(text: &str) -> Option<&str> {
    let (kind, number) = text.split_once(':')?;
    let plain = |t: &str| !t.is_empty() && t.len() <= 40 && t.bytes().all(|b| b.is_ascii_alphanumeric());
    (plain(kind) && plain(number)).then_some(text)
}

/// When access shall end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    After(Period),
    At(Timestamp),
}

/// What the sender asked for.
#[derive(Debug, Clone, Default)]
pub struct Hints {
    /// A tag stands in the subject.
    pub tagged: bool,
    /// Something that was nearly a tag.
    pub near_miss: Option<String>,
    /// `Sensitivity:` says company-confidential or private.
    pub sensitive: bool,
    /// Treatment asked for by header.
    pub treatment: Option<Treatment>,
    /// Gate asked for.
    pub gate: Option<Gate>,
    /// Numbers for codes by SMS.
    pub phones: Vec<PhoneHint>,
    /// A password for the message came with it. The caller sets it: the password's field is taken out before
    /// What is asked for single recipients.
    pub(crate) personal: Vec<Personal>,
    /// anybody reads the headers.
    pub password: bool,
    pub(crate) ending: Option<Ending>,
    pub(crate) fault: Option<Hold>,
}

impl Hints {
    /// Reads the decoded subject and, by lower-case name, the headers in [`HINT_HEADERS`] and `sensitivity`.
    pub fn read<'h>(subject: &str, header: impl Fn(&str) -> Option<&'h str>) -> Self {
        let tags = read_tags(subject);
        let mut hints =
            Self { tagged: tags.secure, near_miss: tags.near_miss, phones: tags.phones, ..Self::default() };
        // RFC 2156 §5.3.4 and what mail programs write.
        hints.sensitive = header("sensitivity").is_some_and(|v| {
            let value = v.trim().to_ascii_lowercase();
            value == "company-confidential" || value == "private"
        });
        for name in HINT_HEADERS {
            let Some(value) = header(name).map(str::trim).filter(|v| !v.is_empty()) else { continue };
            if hints.read_header(name, value).is_none() && hints.fault.is_none() {
                hints.fault =
                    Some(Hold::BadHint { name: name.to_owned(), value: value.chars().take(80).collect() });
            }
        }
        hints
    }

    /// A password for the message came with it, or did not.
    pub fn with_password(self, password: bool) -> Self {
        Self { password, ..self }
    }

    /// Takes one header over; `None` when it cannot be read.
    fn read_header(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "x-sealpost-treatment" => {
                let wanted: Treatment = value.to_ascii_lowercase().parse().ok()?;
                self.treatment = Some(wanted).filter(|t| *t != Treatment::Refuse);
                self.treatment?;
            }
            "x-sealpost-gate" => {
                let words: Vec<String> = value.split(',').map(|w| w.trim().to_ascii_lowercase()).collect();
                self.gate = Some(Gate::parse(&words).ok()?);
            }
            "x-sealpost-phone" => self.phones.extend(value.split([',', ';']).map(PhoneHint::parse)),
            "x-sealpost-recipient" => {
                let all: Option<Vec<_>> = value.split(',').map(|one| Personal::parse(one.trim())).collect();
                self.personal = all?;
            }
            _ => self.ending = Some(ending(value)?),
        }
        Some(())
    }

    /// Whether the sender explicitly asked for protection.
    pub fn asks(&self) -> bool {
        self.tagged || self.password || self.treatment.is_some_and(Treatment::has_link)
    }
}

/// `7 days`, `2026-12-01` (its end, UTC) or a time of RFC 3339.
fn ending(value: &str) -> Option<Ending> {
    if let Ok(period) = value.parse::<Period>() {
        return (period.as_seconds() > 0).then_some(Ending::After(period));
    }
    if let Ok(time) = value.parse::<Timestamp>() {
        return Some(Ending::At(time));
    }
    let day: jiff::civil::Date = value.parse().ok()?;
    let end = day.at(23, 59, 59, 0).to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Ending::At(end.timestamp()))
}
