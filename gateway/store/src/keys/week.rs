//! ISO 8601 weeks in UTC, `2026-W48`: the grain in which content is destroyed.

use jiff::civil::{ISOWeekDate, Weekday};
use jiff::tz::TimeZone;
use sealpost_envelope::Timestamp;

/// The week that holds `at`.
pub fn of(at: Timestamp) -> String {
    let week = at.to_zoned(TimeZone::UTC).date().iso_week_date();
    format!("{:04}-W{:02}", week.year(), week.week())
}

/// The first moment after the week; `None` for a text that names no week in exactly this form.
pub fn end(week: &str) -> Option<Timestamp> {
    let (year, number) = week.split_once("-W")?;
    if year.len() != 4
        || number.len() != 2
        || !(year.bytes().chain(number.bytes())).all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let sunday = ISOWeekDate::new(year.parse().ok()?, number.parse().ok()?, Weekday::Sunday).ok()?;
    let monday = sunday.date().tomorrow().ok()?;
    monday.to_zoned(TimeZone::UTC).ok().map(|z| z.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_and_their_ends() {
        for (at, week, after) in [
            ("2026-11-23T00:00:00Z", "2026-W48", "2026-11-30T00:00:00Z"),
            ("2026-11-29T23:59:59.999999Z", "2026-W48", "2026-11-30T00:00:00Z"),
            ("2026-11-30T00:00:00Z", "2026-W49", "2026-12-07T00:00:00Z"),
            // The year of the week, not of the day.
            ("2027-01-01T12:00:00Z", "2026-W53", "2027-01-04T00:00:00Z"),
        ] {
            assert_eq!(of(at.parse().unwrap()), week);
            assert_eq!(end(week), Some(after.parse().unwrap()));
        }
        for bad in ["2026-W54", "2026-W00", "2026-48", "2026-W8", "../../etc", "2026-W4x", "+026-W48", ""] {
            assert_eq!(end(bad), None, "{bad}");
        }
    }
}
