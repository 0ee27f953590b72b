//! Addresses that look like a slip of the pen: one letter away from one that the sender writes to.
//!
//! **Job.** [`slip`] judges two addresses, [`candidates`] names what may be looked for. One letter too many, too few, another
//! one, or two that changed places, in the local part or in the domain (Damerau-Levenshtein distance 1).
//!
//! **What is no slip.** Digits that differ count things (`service1`, `service2`); initials and short words name other
//! people and other companies; what stands behind `+` is the recipient's affair. A question too many costs the sender
//! more patience than it saves them.
//!
//! **Absent on purpose.** Sounds, keyboards, dictionaries: what they find in addition, senders would often call wrong.

/// Shortest local part that is judged.
const SHORTEST: usize = 6;
/// Shortest word of a domain that is judged; its last one, `com` or `fr`, always is.
const SHORT_LABEL: usize = 5;
/// Shortest part of a name, between dots, in which a slip is told from another name.
const SHORT_WORD: usize = 3;
/// Longest local part, and longest domain, of which variants are made.
const LONGEST: usize = 40;
/// What addresses of people are made of, digits aside.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz.-_";

/// Whether `typed` is `known` with one slip; both as keys: lower case, ASCII domain.
pub fn slip(typed: &str, known: &str) -> bool {
    let (Some((local, domain)), Some((known_local, known_domain))) =
        (typed.rsplit_once('@'), known.rsplit_once('@'))
    else {
        return false;
    };
    match (local == known_local, domain == known_domain) {
        (false, true) => slip_of_local(local, known_local),
        (true, false) => slip_of_domain(domain, known_domain),
        _ => false,
    }
}

fn slip_of_local(typed: &str, known: &str) -> bool {
    let long_enough = typed.chars().count().min(known.chars().count()) >= SHORTEST;
    if !long_enough || typed.contains('+') || known.contains('+') {
        return false;
    }
    let Some(at) = distance_one(typed, known) else { return false };
    let word = |text: &str| word_at(text, at, &['.', '-', '_']);
    word(typed).max(word(known)) >= SHORT_WORD && word(typed).min(word(known)) + 1 >= SHORT_WORD
}

fn slip_of_domain(typed: &str, known: &str) -> bool {
    let Some(at) = distance_one(typed, known) else { return false };
    let last = |text: &str| text.rfind('.').is_some_and(|dot| at > dot);
    let label = |text: &str| word_at(text, at, &['.']);
    (last(typed) && last(known)) || label(typed).min(label(known)) >= SHORT_LABEL
}

/// Where two texts differ by one slip; nothing where they differ by more, or in a digit.
fn distance_one(a: &str, b: &str) -> Option<usize> {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let before = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let most = a.len().min(b.len()) - before;
    let after = a.iter().rev().zip(b.iter().rev()).take(most).take_while(|(x, y)| x == y).count();
    let (x, y) = (&a[before..a.len() - after], &b[before..b.len() - after]);
    let one = match (x, y) {
        ([_], [_]) | ([_], []) | ([], [_]) => true,
        ([x1, x2], [y1, y2]) => x1 == y2 && x2 == y1,
        _ => false,
    };
    let digits = x.iter().chain(y).any(char::is_ascii_digit);
    // In octets, as the words are counted.
    (one && !digits).then(|| a[..before].iter().map(|c| c.len_utf8()).sum())
}

/// Letters of the word around an octet.
fn word_at(text: &str, at: usize, ends: &[char]) -> usize {
    let at = at.min(text.len());
    let start = text[..at].rfind(ends).map_or(0, |n| n + 1);
    let end = text[at..].find(ends).map_or(text.len(), |n| at + n);
    text[start..end].chars().count()
}

/// Addresses that `typed` may be a slip of, to be looked for among known ones; keys, as `typed`.
pub fn candidates(typed: &str) -> Vec<String> {
    let Some((local, domain)) = typed.rsplit_once('@') else { return Vec::new() };
    if local.chars().count() > LONGEST || domain.chars().count() > LONGEST {
        return Vec::new();
    }
    let locals = variants(local).into_iter().map(|local| format!("{local}@{domain}"));
    let domains = variants(domain).into_iter().map(|domain| format!("{local}@{domain}"));
    locals.chain(domains).filter(|known| slip(typed, known)).collect()
}

/// Texts that are one slip away.
fn variants(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    let with = |n: usize, skip: usize, put: &[char]| -> String {
        letters[..n].iter().chain(put).chain(&letters[n + skip..]).collect()
    };
    let mut all = Vec::new();
    for n in 0..=letters.len() {
        all.extend(LETTERS.chars().map(|c| with(n, 0, &[c])));
        if n < letters.len() {
            all.push(with(n, 1, &[]));
            all.extend(LETTERS.chars().map(|c| with(n, 1, &[c])));
        }
        if n + 1 < letters.len() {
            all.push(with(n, 2, &[letters[n + 1], letters[n]]));
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_and_other_people() {
        for (typed, known, is_slip) in [
            ("dominqiue@clinique.example", "dominique@clinique.example", true),
            ("dominiqe@clinique.example", "dominique@clinique.example", true),
            ("dominiquue@clinique.example", "dominique@clinique.example", true),
            ("dominigue@clinique.example", "dominique@clinique.example", true),
            ("jean.martn@parc.example", "jean.martin@parc.example", true),
            ("jeanmartin@parc.example", "jean.martin@parc.example", true),
            ("jean.martin@gmial.com", "jean.martin@gmail.com", true),
            ("jean.martin@gmail.con", "jean.martin@gmail.com", true),
            ("jean.martin@gmailcom", "jean.martin@gmail.com", true),
            ("jean.martin@clinque.example", "jean.martin@clinique.example", true),
            // The same address, or further away.
            ("dominique@clinique.example", "dominique@clinique.example", false),
            ("dominqieu@clinique.example", "dominique@clinique.example", false),
            ("dominqiue@clinque.example", "dominique@clinique.example", false),
            // Other people and other things.
            ("service2@parc.example", "service1@parc.example", false),
            ("service12@parc.example", "service1@parc.example", false),
            ("j.martin@parc.example", "p.martin@parc.example", false),
            ("jp.martin@parc.example", "j.martin@parc.example", false),
            ("marie@parc.example", "maria@parc.example", false),
            ("contact@free.example", "contact@fred.example", false),
            ("contact@a.example", "contact@b.example", false),
            ("alice.martin+x@parc.example", "alice.martin+y@parc.example", false),
            ("nonsense", "nonsens", false),
        ] {
            assert_eq!(slip(typed, known), is_slip, "{typed} {known}");
            assert_eq!(slip(known, typed), is_slip, "{known} {typed}");
        }
    }

    #[test]
    fn a_known_address_is_among_the_candidates_of_its_slips() {
        for (typed, known) in [
            ("jean.martn@parc.example", "jean.martin@parc.example"),
            ("jaen.martin@parc.example", "jean.martin@parc.example"),
            ("jeanmartin@parc.example", "jean.martin@parc.example"),
            ("jean.mertin@parc.example", "jean.martin@parc.example"),
            ("jean.martin@gmial.com", "jean.martin@gmail.com"),
            ("jean.martin@gmail.co", "jean.martin@gmail.com"),
        ] {
            let found = candidates(typed);
            assert!(found.contains(&known.to_owned()), "{typed}");
            assert!(found.iter().all(|c| slip(typed, c)), "{typed}");
            assert!(found.len() < 4000, "{typed}: {}", found.len());
        }
        let long = format!("{}@x.example", "a".repeat(41));
        assert!(candidates("nonsense").is_empty() && candidates(&long).is_empty());
        assert!(candidates("marc@x.example").iter().all(|c| c.starts_with("marc@")), "too short a name");
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(32))]
        #[test]
        fn candidates_are_all_known_slips(local in "[a-z.]{6,14}", domain in "[a-z]{5,9}\\.(fr|com)", at in 0usize..14, c in "[a-z]") {
            let known = format!("{local}@{domain}");
            let mut typed = known.clone();
            typed.insert_str(at.min(local.len()), &c);
            proptest::prop_assert_eq!(candidates(&typed).contains(&known), slip(&typed, &known));
        }
    }
}
