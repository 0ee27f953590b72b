//! What a sender asks for, in the subject and in `X-Sealpost-…` headers.

use crate::wishes::Wishes;
use crate::{Hold, Period, read_tags};
use jiff::Timestamp;
use sealpost_envelope::{EmailAddress, Gate, Treatment};

/// Headers that carry hints, lower case; they are removed from what leaves for outside.
pub const HINT_HEADERS: [&str; 5] =
    ["x-sealpost-treatment", "x-sealpost-gate", "x-sealpost-phone", "x-sealpost-expires", RECIPIENT];

/// The one of them that may stand several times: each names recipients of its own.
const RECIPIENT: &str = "x-sealpost-recipient";

/// Header that carries the message's password, lower case; never part of what is kept.
pub const PASSWORD_HEADER: &str = "x-sealpost-password";

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
    /// A password for the message came with it. The caller sets it: the password's field is taken out before
    /// anybody reads the headers.
    pub password: bool,
    /// What is asked for single recipients.
    pub(crate) wishes: Wishes,
    pub(crate) ending: Option<Ending>,
    pub(crate) fault: Option<Hold>,
}

impl Hints {
    /// Reads the decoded subject and, by lower-case name, all fields of the headers in [`HINT_HEADERS`] and of
    /// `sensitivity`. The recipients are all of the message's: nobody else can be asked for.
    pub fn read<'h, V>(subject: &str, recipients: &[EmailAddress], header: impl Fn(&str) -> V) -> Self
    where
        V: IntoIterator<Item = &'h str>,
    {
        let tags = read_tags(subject);
        let mut hints = Self {
            tagged: tags.secure,
            near_miss: tags.near_miss,
            wishes: Wishes::new(recipients, tags.phones),
            ..Self::default()
        };
        // RFC 2156 §5.3.4 and what mail programs write.
        hints.sensitive = header("sensitivity").into_iter().any(|v| {
            let value = v.trim().to_ascii_lowercase();
            value == "company-confidential" || value == "private"
        });
        for name in HINT_HEADERS {
            let values = header(name).into_iter().map(str::trim).filter(|v| !v.is_empty());
            if name == RECIPIENT {
                // Each wish by itself, so that one that cannot be read does not take the others with it.
                for wish in values.flat_map(|v| v.split(',')).map(str::trim) {
                    let read = hints.wishes.add(wish);
                    hints.judge(read, name, wish);
                }
                continue;
            }
            for (n, value) in values.enumerate() {
                // Two that differ leave open which one is meant.
                let read = if n == 0 { hints.read_header(name, value) } else { None };
                hints.judge(read, name, value);
            }
        }
        hints
    }

    /// What cannot be read holds the message; the first such thing is told.
    fn judge(&mut self, read: Option<()>, name: &str, value: &str) {
        if read.is_none() && self.fault.is_none() {
            let value = value.chars().take(80).collect();
            self.fault = Some(Hold::BadHint { name: name.to_owned(), value });
        }
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
            "x-sealpost-phone" => self.wishes.add_phones(value)?,
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
pub(crate) fn ending(value: &str) -> Option<Ending> {
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
