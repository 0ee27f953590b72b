//! Tags that senders write in the subject: `[secure]`, `[sécurisé]`, `[secure sms:+33612345678]`.
//!
//! Case and accents do not count, nor does what stands before (RE:, TR:, FW:). A tag that was nearly
//! written is reported, since its author believes the message protected.

use crate::PhoneHint;
use crate::suggest::distance;

/// What the subject asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagReading {
    /// A tag stands there.
    pub secure: bool,
    /// Numbers for codes by SMS, as typed.
    pub phones: Vec<PhoneHint>,
    /// Something that looks like a tag but is none, as typed.
    pub near_miss: Option<String>,
}

/// Tags without case and accents.
const TAGS: [&str; 2] = ["secure", "securise"];
/// Beginnings of words that a sender writes who wants the same.
const ALMOST: [&str; 4] = ["secur", "crypt", "encrypt", "chiffr"];
/// Longest text between brackets that is looked at.
const MAX_TAG: usize = 400;

/// One pair of brackets in the subject.
struct Bracket<'a> {
    start: usize,
    end: usize,
    inner: &'a str,
    closed: bool,
}

enum Meaning {
    Tag(Vec<PhoneHint>),
    Almost,
    Other,
}

/// Reads the tags of a decoded subject.
pub fn read_tags(subject: &str) -> TagReading {
    let mut reading = TagReading::default();
    for bracket in brackets(subject) {
        match meaning(&bracket) {
            Meaning::Tag(phones) => {
                reading.secure = true;
                reading.phones.extend(phones);
            }
            Meaning::Almost if reading.near_miss.is_none() => {
                let text = &subject[bracket.start..bracket.end];
                reading.near_miss = Some(text.chars().take(60).collect());
            }
            Meaning::Almost | Meaning::Other => {}
        }
    }
    reading
}

/// The subject without its tags, for copies that leave for outside.
pub fn strip_tags(subject: &str) -> String {
    let mut kept = String::with_capacity(subject.len());
    let mut from = 0;
    for bracket in brackets(subject) {
        if !matches!(meaning(&bracket), Meaning::Tag(_)) {
            continue;
        }
        kept.push_str(&subject[from..bracket.start]);
        from = bracket.end;
        // One space where the tag stood between two, none at the ends.
        if kept.is_empty() || kept.ends_with(char::is_whitespace) {
            from += subject[from..].len() - subject[from..].trim_start().len();
        }
    }
    kept.push_str(&subject[from..]);
    if from == 0 { kept } else { kept.trim_end().to_owned() }
}

/// All `[…]`, and a last `[…` that nobody closed.
fn brackets(subject: &str) -> Vec<Bracket<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = subject[at..].find('[').map(|n| at + n) {
        let rest = &subject[open + 1..];
        // A second "[" begins anew: the first was never closed.
        let (len, closed) = match rest.find(['[', ']']) {
            Some(n) => (n, rest[n..].starts_with(']')),
            None => (rest.len(), false),
        };
        let end = open + 1 + len + usize::from(closed);
        found.push(Bracket { start: open, end, inner: &rest[..len], closed });
        at = end;
    }
    found
}

fn meaning(bracket: &Bracket<'_>) -> Meaning {
    if bracket.inner.len() > MAX_TAG {
        return Meaning::Other;
    }
    let inner = bracket.inner.trim();
    let word_end = inner.find(|c: char| c.is_whitespace() || c == ',' || c == ':').unwrap_or(inner.len());
    let word = fold(&inner[..word_end]);
    if bracket.closed && TAGS.contains(&word.as_str()) {
        let rest = inner[word_end..].trim_matches(|c: char| c.is_whitespace() || c == ',');
        return phones(rest).map_or(Meaning::Almost, Meaning::Tag);
    }
    let alike = word.len() >= 5 && TAGS.iter().any(|tag| distance(&word, tag) <= tag.len() / 4);
    if alike || ALMOST.iter().any(|beginning| word.starts_with(beginning)) {
        Meaning::Almost
    } else {
        Meaning::Other
    }
}

/// `sms:NUMBER` or `sms:ADDRESS=NUMBER`, several times; `None` for anything else.
fn phones(text: &str) -> Option<Vec<PhoneHint>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let lower = text.to_ascii_lowercase();
    let mut starts: Vec<usize> = lower.match_indices("sms:").map(|(at, _)| at).collect();
    if starts.first() != Some(&0) {
        return None;
    }
    starts.push(text.len());
    Some(starts.windows(2).map(|pair| PhoneHint::parse(&text[pair[0] + 4..pair[1]])).collect())
}

/// Lower case without the accents that French puts on these words, composed or not.
fn fold(word: &str) -> String {
    word.chars()
        .flat_map(char::to_lowercase)
        .filter(|c| !('\u{300}'..='\u{36f}').contains(c))
        .map(|c| match c {
            'é' | 'è' | 'ê' | 'ë' => 'e',
            'ù' | 'û' | 'ü' => 'u',
            'î' | 'ï' => 'i',
            'ç' => 'c',
            other => other,
        })
        .collect()
}
