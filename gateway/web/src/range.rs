//! Byte ranges (RFC 9110 §14).

use http::HeaderMap;
use http::header;

/// What to send of a representation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it (200).
    Whole,
    /// `first..past` of it (206).
    Part { first: u64, past: u64 },
    /// Nothing of it can be had (416).
    Unsatisfiable,
}

/// Reads `Range` and `If-Range` for a representation of `size` octets and strong validator `etag`. What is
/// not one well-formed range of bytes is ignored, as §14.2 allows; so are several ranges.
pub(crate) fn wanted(headers: &HeaderMap, size: u64, etag: &str) -> Wanted {
    let Some(range) = headers.get(header::RANGE).and_then(|v| v.to_str().ok()) else { return Wanted::Whole };
    // §13.1.5: only an exact, strong match lets the range through; dates never do, since we give none.
    if headers.get(header::IF_RANGE).is_some_and(|v| v.as_bytes() != etag.as_bytes()) {
        return Wanted::Whole;
    }
    match parse(range) {
        None => Wanted::Whole,
        Some(Spec::From(first, last)) if first < size => {
            let past = last.map_or(size, |last| last.saturating_add(1).min(size));
            Wanted::Part { first, past }
        }
        Some(Spec::Last(n)) if n > 0 && size > 0 => {
            Wanted::Part { first: size.saturating_sub(n), past: size }
        }
        Some(_) => Wanted::Unsatisfiable,
    }
}

enum Spec {
    From(u64, Option<u64>),
    Last(u64),
}

/// `bytes=a-b`, `bytes=a-`, `bytes=-n`.
fn parse(text: &str) -> Option<Spec> {
    let (unit, set) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") || set.contains(',') {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    // Digits only: `parse` alone would take a plus sign.
    let number = |s: &str| s.bytes().all(|b| b.is_ascii_digit()).then(|| s.parse::<u64>().ok()).flatten();
    match (first.is_empty(), last.is_empty()) {
        (false, true) => Some(Spec::From(number(first)?, None)),
        (false, false) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Spec::From(first, Some(last)))
        }
        (true, false) => Some(Spec::Last(number(last)?)),
        (true, true) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(range: &str, if_range: Option<&str>, size: u64) -> Wanted {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().unwrap());
        if let Some(value) = if_range {
            headers.insert(header::IF_RANGE, value.parse().unwrap());
        }
        wanted(&headers, size, "\"abc\"")
    }

    #[test]
    fn ranges() {
        let part = |first, past| Wanted::Part { first, past };
        for (range, size, expected) in [
            ("bytes=0-0", 10, part(0, 1)),
            ("bytes=0-", 10, part(0, 10)),
            ("bytes=3-5", 10, part(3, 6)),
            ("bytes=3-500", 10, part(3, 10)),
            ("bytes=9-18446744073709551615", 10, part(9, 10)),
            ("Bytes=-4", 10, part(6, 10)),
            ("bytes=-40", 10, part(0, 10)),
            ("bytes=10-", 10, Wanted::Unsatisfiable),
            ("bytes=-0", 10, Wanted::Unsatisfiable),
            ("bytes=0-", 0, Wanted::Unsatisfiable),
            ("bytes=-1", 0, Wanted::Unsatisfiable),
            ("bytes=5-3", 10, Wanted::Whole),
            ("bytes=0-1,3-4", 10, Wanted::Whole),
            ("bytes=-", 10, Wanted::Whole),
            ("bytes=+1-2", 10, Wanted::Whole),
            ("bytes=a-b", 10, Wanted::Whole),
            ("bytes=99999999999999999999-", 10, Wanted::Whole),
            ("items=0-1", 10, Wanted::Whole),
        ] {
            assert_eq!(ask(range, None, size), expected, "{range} of {size}");
        }
    }

    #[test]
    fn if_range_must_match_exactly() {
        assert_eq!(ask("bytes=1-2", Some("\"abc\""), 10), Wanted::Part { first: 1, past: 3 });
        assert_eq!(ask("bytes=1-2", Some("\"abd\""), 10), Wanted::Whole);
        assert_eq!(ask("bytes=1-2", Some("W/\"abc\""), 10), Wanted::Whole);
        assert_eq!(ask("bytes=1-2", Some("Sun, 22 Nov 2026 00:00:00 GMT"), 10), Wanted::Whole);
    }
}
