//! Spans of time as people write them in the configuration: `30 days`, `48 hours`, `-3 days`.

use jiff::{SignedDuration, Timestamp};
use std::fmt;
use std::str::FromStr;

/// Units with their length in seconds, largest first. A month counts 31 days and a year 366, so that a
/// period of retention is never a day too short.
const UNITS: [(&str, i64, &[&str]); 7] = [
    ("year", 366 * 86_400, &["year", "years", "y"]),
    ("month", 31 * 86_400, &["month", "months"]),
    ("week", 7 * 86_400, &["week", "weeks", "w"]),
    ("day", 86_400, &["day", "days", "d"]),
    ("hour", 3600, &["hour", "hours", "h"]),
    ("minute", 60, &["minute", "minutes", "min"]),
    ("second", 1, &["second", "seconds", "s"]),
];

/// A hundred years: more is a typing mistake.
const MAX_SECONDS: i64 = 100 * 366 * 86_400;

/// A length of time in whole seconds; negative ones count back from an end (`remind = ["-3 days"]`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(i64);

/// A text that is no period.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a length of time; write a number and a unit, as in \"30 days\" or \"10 minutes\"")]
pub struct ParsePeriodError(pub String);

impl Period {
    /// So many seconds.
    pub const fn seconds(n: i64) -> Self {
        Self(n)
    }
    /// So many minutes.
    pub const fn minutes(n: i64) -> Self {
        Self(n * 60)
    }
    /// So many hours.
    pub const fn hours(n: i64) -> Self {
        Self(n * 3600)
    }
    /// So many days of 24 hours.
    pub const fn days(n: i64) -> Self {
        Self(n * 86_400)
    }
    /// So many years of 366 days.
    pub const fn years(n: i64) -> Self {
        Self(n * 366 * 86_400)
    }
    /// Length in seconds.
    pub const fn as_seconds(self) -> i64 {
        self.0
    }
    /// For jiff.
    pub const fn signed(self) -> SignedDuration {
        SignedDuration::from_secs(self.0)
    }
    /// For timers; a negative period is no time at all.
    pub const fn duration(self) -> std::time::Duration {
        std::time::Duration::from_secs(if self.0 < 0 { 0 } else { self.0 as u64 })
    }
    /// The moment this long after `start`, or the end of time.
    pub fn after(self, start: Timestamp) -> Timestamp {
        start.saturating_add(self.signed()).unwrap_or(if self.0 < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        })
    }
}

impl FromStr for Period {
    type Err = ParsePeriodError;
    fn from_str(text: &str) -> Result<Self, ParsePeriodError> {
        let wrong = || ParsePeriodError(text.to_owned());
        let trimmed = text.trim();
        let (negative, rest) = match trimmed.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, trimmed),
        };
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: i64 = rest[..digits].parse().map_err(|_| wrong())?;
        let unit = rest[digits..].trim();
        let (_, length, _) = UNITS.iter().find(|(.., words)| words.contains(&unit)).ok_or_else(wrong)?;
        let seconds = number.checked_mul(*length).filter(|s| *s <= MAX_SECONDS).ok_or_else(wrong)?;
        Ok(Self(if negative { -seconds } else { seconds }))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Months are only read: "31 days" says better what is meant.
        let (name, length, _) = UNITS
            .iter()
            .find(|(name, length, _)| *name != "month" && self.0 != 0 && self.0 % length == 0)
            .unwrap_or(&UNITS[6]);
        let count = self.0 / length;
        write!(f, "{count} {name}{}", if count.abs() == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_written() {
        for (text, seconds, shown) in [
            ("30 days", 2_592_000, "30 days"),
            ("48 h", 172_800, "2 days"),
            ("-3 days", -259_200, "-3 days"),
            ("1min", 60, "1 minute"),
            ("90 s", 90, "90 seconds"),
            ("14 days", 1_209_600, "2 weeks"),
            ("1 month", 2_678_400, "31 days"),
            ("10 years", 316_224_000, "10 years"),
            ("0 s", 0, "0 seconds"),
        ] {
            let period: Period = text.parse().unwrap();
            assert_eq!((period.as_seconds(), period.to_string().as_str()), (seconds, shown), "{text}");
            assert_eq!(period.to_string().parse::<Period>().unwrap(), period);
        }
    }

    #[test]
    fn refused() {
        for text in [
            "",
            "30",
            "days",
            "30 jours",
            "--3 days",
            "1.5 days",
            "99999999999999999999 s",
            "101 years",
            "3 days 2 h",
        ] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }

    #[test]
    fn never_beyond_time() {
        assert_eq!(Period::years(100).after(Timestamp::MAX), Timestamp::MAX);
        assert_eq!(Period::days(-1).duration(), std::time::Duration::ZERO);
    }
}
