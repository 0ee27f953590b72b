//! Dates, sizes and names as people read them.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sealpost_envelope::Language;

const MONTHS: [&str; 12] = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
];

/// `2 mars 2026 à 10:11 (UTC+0100)`, `2 March 2026 at 10:11 (UTC+0100)`.
pub(super) fn moment(time: Timestamp, zone: &TimeZone, language: Language) -> String {
    let local = time.to_zoned(zone.clone());
    match language {
        Language::Fr => {
            let month = usize::try_from(local.month()).ok().and_then(|m| MONTHS.get(m.wrapping_sub(1)));
            let day = if local.day() == 1 { "1er".to_owned() } else { local.day().to_string() };
            format!("{day} {} {}", month.unwrap_or(&""), local.strftime("%Y à %H:%M (UTC%z)"))
        }
        Language::En => local.strftime("%-d %B %Y at %H:%M (UTC%z)").to_string(),
    }
}

/// `HH:MM:SS (UTC+0200) le JJ/MM/AAAA`.
pub(super) fn validity(time: Timestamp, zone: &TimeZone, language: Language) -> String {
    let local = time.to_zoned(zone.clone());
    let form = language.pick("%H:%M:%S (UTC%z) le %d/%m/%Y", "%H:%M:%S (UTC%z) on %d/%m/%Y");
    local.strftime(form).to_string()
}

/// `1,2 Mo`, `1.2 MB`: decimal units, one digit from kilo on.
pub(super) fn size(bytes: u64, language: Language) -> String {
    let units = match language {
        Language::Fr => ["octets", "Ko", "Mo", "Go", "To"],
        Language::En => ["bytes", "KB", "MB", "GB", "TB"],
    };
    if bytes < 1000 {
        return format!("{bytes}\u{a0}{}", units[0]);
    }
    let (mut divisor, mut unit) = (1000u128, 1);
    let mut tenths;
    loop {
        // Rounded first: 999.95 would be written 1000.0, which belongs to the next unit.
        tenths = (u128::from(bytes) * 10 + divisor / 2) / divisor;
        if tenths < 10_000 || unit + 1 == units.len() {
            break;
        }
        divisor *= 1000;
        unit += 1;
    }
    let comma = language.pick(",", ".");
    format!("{}{comma}{}\u{a0}{}", tenths / 10, tenths % 10, units[unit])
}

/// A stranger's words in one line, in which nothing looks like an address to be opened: mail shows one
/// address only.
pub(super) fn tame(text: &str) -> String {
    let mut line = crate::header::clean_text(text.to_owned());
    while let Some(at) = line.find("://") {
        // The scheme goes with its mark, so that a support page stays readable: `help.example.org`.
        let scheme = line[..at].bytes().rev().take_while(u8::is_ascii_alphabetic).count();
        line.replace_range(at - scheme..at + 3, "");
    }
    if let Some((at, _)) = line.char_indices().nth(300) {
        line.truncate(at);
        line.push('…');
    }
    line.trim().to_owned()
}

/// The same with runs of six digits or more parted into pairs, as phone numbers are read.
pub(super) fn tame_digits(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut digits = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        if digits.len() < 6 {
            out.push_str(&digits);
        } else {
            // A first single digit where the count is odd: +33 6 12 34… reads like a phone number.
            let (head, tail) = digits.split_at(digits.len() % 2);
            let pairs = tail.as_bytes().chunks(2).map(|p| String::from_utf8_lossy(p).into_owned());
            let groups: Vec<String> =
                Some(head.to_owned()).filter(|h| !h.is_empty()).into_iter().chain(pairs).collect();
            out.push_str(&groups.join(" "));
        }
        digits.clear();
        if c != '\0' {
            out.push(c);
        }
    }
    out
}

/// Whether six or more digits stand in a row.
pub(super) fn has_six_digits(text: &str) -> bool {
    text.as_bytes().windows(6).any(|w| w.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (bytes, fr, en) in [
            (0, "0 octets", "0 bytes"),
            (999, "999 octets", "999 bytes"),
            (1000, "1,0 Ko", "1.0 KB"),
            (1_234_567, "1,2 Mo", "1.2 MB"),
            (999_999, "1,0 Mo", "1.0 MB"),
            (999_940, "999,9 Ko", "999.9 KB"),
            (64 << 20, "67,1 Mo", "67.1 MB"),
            (10_737_418_240, "10,7 Go", "10.7 GB"),
            (u64::MAX, "18446744,1 To", "18446744.1 TB"),
        ] {
            assert_eq!(size(bytes, Language::Fr).replace('\u{a0}', " "), fr);
            assert_eq!(size(bytes, Language::En).replace('\u{a0}', " "), en);
        }
    }

    #[test]
    fn times() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let time: Timestamp = "2026-08-01T11:04:05Z".parse().unwrap();
        assert_eq!(moment(time, &zone, Language::Fr), "1er août 2026 à 13:04 (UTC+0200)");
        assert_eq!(moment(time, &zone, Language::En), "1 August 2026 at 13:04 (UTC+0200)");
        assert_eq!(validity(time, &zone, Language::Fr), "13:04:05 (UTC+0200) le 01/08/2026");
    }

    #[test]
    fn digits_and_addresses() {
        assert_eq!(
            tame_digits("tél. 0123456789, +33612345678; 12345"),
            "tél. 01 23 45 67 89, +3 36 12 34 56 78; 12345"
        );
        assert!(!has_six_digits(&tame_digits("123456")) && has_six_digits("a123456"));
        assert_eq!(tame(" see\r\nhttps://evil.example "), "see  evil.example");
        assert_eq!(tame(&"x".repeat(400)).chars().count(), 301);
    }
}
