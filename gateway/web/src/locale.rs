//! Dates, sizes and plurals as people write them in French and in English.

use jiff::tz::TimeZone;
use sealpost_envelope::{Language, Timestamp};

const MONTHS: [(&str, &str); 12] = [
    ("janvier", "January"),
    ("février", "February"),
    ("mars", "March"),
    ("avril", "April"),
    ("mai", "May"),
    ("juin", "June"),
    ("juillet", "July"),
    ("août", "August"),
    ("septembre", "September"),
    ("octobre", "October"),
    ("novembre", "November"),
    ("décembre", "December"),
];

/// `22 novembre 2026 à 10:44 (UTC+01:00)`. The offset always stands there: evidence is in UTC.
pub(crate) fn moment(t: Timestamp, zone: &TimeZone, language: Language) -> String {
    let local = t.to_zoned(zone.clone());
    let day = day(t, zone, language);
    let time = format!("{:02}:{:02} ({})", local.hour(), local.minute(), offset(t, zone));
    match language {
        Language::Fr => format!("{day} à {time}"),
        Language::En => format!("{day} at {time}"),
    }
}

/// `22 novembre 2026`.
pub(crate) fn day(t: Timestamp, zone: &TimeZone, language: Language) -> String {
    let local = t.to_zoned(zone.clone());
    let names = MONTHS[usize::from(local.month().unsigned_abs() - 1) % 12];
    let first =
        if local.day() == 1 && language == Language::Fr { "1er".to_owned() } else { local.day().to_string() };
    format!("{first} {} {}", language.pick(names.0, names.1), local.year())
}

/// `10:44:05 (UTC+01:00)`.
pub(crate) fn clock(t: Timestamp, zone: &TimeZone) -> String {
    let local = t.to_zoned(zone.clone());
    format!("{:02}:{:02}:{:02} ({})", local.hour(), local.minute(), local.second(), offset(t, zone))
}

/// `22/11/2026 10:44` or `2026-11-22 10:44`, for tables; the offset stands beside them.
pub(crate) fn short(t: Timestamp, zone: &TimeZone, language: Language) -> String {
    let local = t.to_zoned(zone.clone());
    let day = match language {
        Language::Fr => format!("{:02}/{:02}/{}", local.day(), local.month(), local.year()),
        Language::En => local.date().to_string(),
    };
    format!("{day} {:02}:{:02}", local.hour(), local.minute())
}

/// `UTC+01:00`
pub(crate) fn offset(t: Timestamp, zone: &TimeZone) -> String {
    let minutes = zone.to_offset(t).seconds() / 60;
    let sign = if minutes < 0 { '−' } else { '+' };
    match minutes {
        0 => "UTC".to_owned(),
        m => format!("UTC{sign}{:02}:{:02}", m.abs() / 60, m.abs() % 60),
    }
}

/// `2026-11-22T10:44:00Z`, for the `datetime` attribute.
pub(crate) fn machine(t: Timestamp) -> String {
    t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Year, month, day, hour, minute, second in UTC.
pub(crate) fn utc(t: Timestamp) -> (u16, u16, u16, u16, u16, u16) {
    let z = t.to_zoned(TimeZone::UTC);
    let small = |n: i8| u16::from(n.unsigned_abs());
    let year = u16::try_from(z.year()).unwrap_or(0);
    (year, small(z.month()), small(z.day()), small(z.hour()), small(z.minute()), small(z.second()))
}

/// `12,4 Mo` or `12.4 MB`, decimal multiples; the exact number stands beside it where it matters.
pub(crate) fn size(bytes: u64, language: Language) -> String {
    let units = match language {
        Language::Fr => ["octets", "ko", "Mo", "Go", "To"],
        Language::En => ["bytes", "kB", "MB", "GB", "TB"],
    };
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit < 4 {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 {
        return format!(
            "{bytes}\u{a0}{}",
            if bytes == 1 { &units[0][..units[0].len() - 1] } else { units[0] }
        );
    }
    let text = if value < 9.95 { format!("{value:.1}") } else { format!("{value:.0}") };
    let text = if language == Language::Fr { text.replace('.', ",") } else { text };
    format!("{text}\u{a0}{}", units[unit])
}

/// Digits in groups of three: `67 108 864` or `67,108,864`.
pub(crate) fn grouped(number: u64, language: Language) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3 * 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push_str(language.pick("\u{202f}", ","));
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn dates_carry_their_offset() {
        let paris = TimeZone::fixed(jiff::tz::offset(1));
        let t = at("2026-11-22T09:44:05Z");
        assert_eq!(moment(t, &paris, Language::Fr), "22 novembre 2026 à 10:44 (UTC+01:00)");
        assert_eq!(moment(t, &TimeZone::UTC, Language::En), "22 November 2026 at 09:44 (UTC)");
        assert_eq!(short(t, &paris, Language::Fr), "22/11/2026 10:44");
        assert_eq!(short(t, &paris, Language::En), "2026-11-22 10:44");
        assert_eq!(day(at("2026-08-01T00:00:00Z"), &TimeZone::UTC, Language::Fr), "1er août 2026");
        let west = TimeZone::fixed(jiff::tz::Offset::from_seconds(-(3 * 3600 + 1800)).unwrap());
        assert_eq!(clock(t, &west), "06:14:05 (UTC−03:30)");
        assert_eq!(machine(t), "2026-11-22T09:44:05Z");
    }

    #[test]
    fn sizes_are_decimal() {
        for (bytes, fr, en) in [
            (0, "0 octets", "0 bytes"),
            (1, "1 octet", "1 byte"),
            (999, "999 octets", "999 bytes"),
            (1_000, "1,0 ko", "1.0 kB"),
            (67_108_864, "67 Mo", "67 MB"),
            (9_960_000, "10 Mo", "10 MB"),
            (999_600, "1,0 Mo", "1.0 MB"),
            (2_147_483_648, "2,1 Go", "2.1 GB"),
        ] {
            assert_eq!(size(bytes, Language::Fr).replace('\u{a0}', " "), fr);
            assert_eq!(size(bytes, Language::En).replace('\u{a0}', " "), en);
        }
        assert_eq!(grouped(67_108_864, Language::En), "67,108,864");
        assert_eq!(grouped(999, Language::Fr), "999");
    }
}
