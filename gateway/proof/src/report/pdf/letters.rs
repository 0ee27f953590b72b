//! Letters that WinAnsi lacks, by the nearest that it has: for the eye only, the text itself goes along as ActualText.

use super::metrics::win_ansi;
use std::borrow::Cow;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// From а to я, after the ICAO's table for machine-readable documents (Doc 9303).
const CYRILLIC: [&str; 32] = [
    "a", "b", "v", "g", "d", "e", "zh", "z", "i", "i", "k", "l", "m", "n", "o", "p", "r", "s", "t", "u", "f",
    "kh", "ts", "ch", "sh", "shch", "ie", "y", "", "e", "iu", "ia",
];
/// From α to ω, after ELOT 743.
const GREEK: [&str; 25] = [
    "a", "v", "g", "d", "e", "z", "i", "th", "i", "k", "l", "m", "n", "x", "o", "p", "r", "s", "s", "t", "y",
    "f", "ch", "ps", "o",
];

/// The text in letters that can be printed.
pub(super) fn spelled(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| win_ansi(c).is_some()) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.nfc() {
        if win_ansi(c).is_some() {
            out.push(c);
            continue;
        }
        for base in std::iter::once(c).nfd().filter(|c| !is_combining_mark(*c)) {
            nearest(base, &mut out);
        }
    }
    Cow::Owned(out)
}

fn nearest(c: char, out: &mut String) {
    let small = c.to_lowercase().next().unwrap_or(c);
    let table = |first: char, letters: &[&'static str]| {
        let at = (small as u32).checked_sub(first as u32)?;
        letters.get(at as usize).copied()
    };
    let letters = match small {
        'ł' => "l",
        'đ' | 'ð' => "d",
        'ħ' => "h",
        'ı' => "i",
        'ŋ' => "n",
        'ŧ' => "t",
        'ə' => "e",
        'ß' => "ss",
        'і' => "i",
        'є' => "ie",
        'ґ' => "g",
        'ђ' => "dj",
        'ј' => "j",
        'љ' => "lj",
        'њ' => "nj",
        'ћ' => "c",
        'џ' => "dz",
        _ if win_ansi(c).is_some() => return out.push(c),
        _ => table('а', &CYRILLIC).or_else(|| table('α', &GREEK)).unwrap_or("?"),
    };
    let mut letters = letters.chars();
    if let Some(first) = letters.next() {
        out.push(if small == c { first } else { first.to_ascii_uppercase() });
        out.extend(letters);
    }
}

#[cfg(test)]
mod tests {
    use super::spelled;

    #[test]
    fn nearest_letters() {
        for (text, printed) in [
            ("Élodie Lœvenbruck — 12 €", "Élodie Lœvenbruck — 12 €"),
            ("E\u{301}lodie", "Élodie"),
            ("Świętosława Łukasz", "Swietoslawa Lukasz"),
            ("Đặng Nguyễn Ưng", "Dang Nguyen Ung"),
            ("Çağrı Şimşek", "Çagri Simsek"),
            ("Őrség, Țepeș, Žižka", "Orség, Tepes, Žižka"),
            ("Юлия Щукина", "Iuliia Shchukina"),
            ("Ґалаґан Їжак", "Galagan Izhak"),
            ("Ελένη Ψαρρού", "Eleni Psarroy"),
            ("王 🙂", "? ?"),
        ] {
            assert_eq!(spelled(text), printed, "{text}");
        }
    }
}
