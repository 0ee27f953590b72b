//! Whether a new password is worth anything.
//!
//! **Job.** F52: twelve characters or more, with upper and lower case, digits and symbols; or a passphrase of seven
//! words. Beyond that, what people choose when rules force them is refused: common words with digits behind them,
//! one's own name, the organisation's, rows of the keyboard.
//!
//! **Standards.** CNIL deliberation 2022-100 (80 bits where a password is guessed without a brake), NIST SP 800-63B
//! (list of common passwords), OWASP ASVS 5.0 6.2.
//!
//! **Absent on purpose.** No question to services outside: a password, or a part of its digest, leaves nowhere.

/// What a new password lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weakness {
    /// Fewer than twelve characters.
    Short,
    /// More than anybody types.
    Long,
    /// A kind of character is missing, and it is no passphrase either.
    Kinds,
    /// It is built from a word or row that everybody tries first.
    Common,
    /// It holds the person's or the organisation's name.
    Personal,
}

/// Fewest characters.
pub const SHORTEST: usize = 12;
/// Most characters.
pub const LONGEST: usize = 256;
/// Words of a passphrase that needs no digits and symbols.
const WORDS: usize = 7;
/// Shorter names are in too many words.
const NAME: usize = 4;

/// Words that a password is made of too often, in the form that [`stem`] gives.
static COMMON: &str = include_str!("strength/common.txt");
/// Rows of keyboards and of the alphabet.
const ROWS: [&str; 8] = [
    "azertyuiopqsdfghjklmwxcvbn",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "abcdefghijklmnopqrstuvwxyz",
    "zyxwvutsrqponmlkjihgfedcba",
    "poiuytrezamlkjhgfdsqnbvcxw",
    "aqwzsxedcrfvtgbyhnujikolpm",
    "qazwsxedcrfvtgbyhnujmikolp",
];

/// Judges a new password; `names` are those of the person and the organisation.
pub fn judge(password: &str, names: &[&str]) -> Result<(), Weakness> {
    let length = password.chars().count();
    if length < SHORTEST {
        return Err(Weakness::Short);
    }
    if length > LONGEST {
        return Err(Weakness::Long);
    }
    if !has_all_kinds(password)
        && password.split_whitespace().filter(|w| w.chars().count() > 2).count() < WORDS
    {
        return Err(Weakness::Kinds);
    }
    let stem = stem(password);
    if is_common(&stem) {
        return Err(Weakness::Common);
    }
    let parts = names.iter().flat_map(|n| n.split(|c: char| !c.is_alphanumeric())).map(fold);
    for name in parts.filter(|n| n.chars().count() >= NAME) {
        // A long passphrase may name somebody; what remains without the name must carry it.
        if fold(password).contains(&name) && stem.replace(&name, "").chars().count() < SHORTEST {
            return Err(Weakness::Personal);
        }
    }
    Ok(())
}

fn has_all_kinds(password: &str) -> bool {
    let (mut upper, mut lower, mut digit, mut symbol) = (false, false, false, false);
    for c in password.chars() {
        upper |= c.is_uppercase();
        lower |= c.is_lowercase();
        digit |= c.is_numeric();
        symbol |= !c.is_alphanumeric();
    }
    upper && lower && digit && symbol
}

/// Lower case, without the accents of French.
fn fold(text: &str) -> String {
    text.chars()
        .flat_map(char::to_lowercase)
        .map(|c| match c {
            'à' | 'â' | 'ä' => 'a',
            'é' | 'è' | 'ê' | 'ë' => 'e',
            'î' | 'ï' => 'i',
            'ô' | 'ö' => 'o',
            'ù' | 'û' | 'ü' => 'u',
            'ç' => 'c',
            c => c,
        })
        .collect()
}

/// The letters of a password, with the digits and signs that stand for letters read as such: what is left of
/// "P@ssw0rd2026!!" is "password".
fn stem(password: &str) -> String {
    let folded = fold(password);
    // Digits and signs at both ends are ornament; within, they replace letters.
    let core = folded.trim_matches(|c: char| !c.is_alphabetic() && !matches!(c, '@' | '$'));
    core.chars()
        .filter_map(|c| match c {
            '0' => Some('o'),
            '1' | '!' | '|' => Some('i'),
            '3' | '€' => Some('e'),
            '4' | '@' => Some('a'),
            '5' | '$' => Some('s'),
            '7' => Some('t'),
            c => c.is_alphabetic().then_some(c),
        })
        .collect()
}

/// Whether a stem consists of common words and rows of keys, up to three letters.
fn is_common(stem: &str) -> bool {
    let mut rest = stem;
    loop {
        if rest.chars().count() <= 3 {
            return true;
        }
        let Some(taken) = longest_common(rest).or_else(|| longest_row(rest)) else { return false };
        rest = &rest[taken..];
    }
}

/// Octets of the longest common word at the beginning.
fn longest_common(text: &str) -> Option<usize> {
    COMMON.lines().filter(|w| !w.is_empty() && text.starts_with(w)).map(str::len).max()
}

/// Octets of the longest piece of a keyboard's row, or of one letter repeated, at the beginning; four or more.
fn longest_row(text: &str) -> Option<usize> {
    let first = text.chars().next()?;
    let repeated = text.chars().take_while(|c| *c == first).count() * first.len_utf8();
    let in_row = |row: &str| {
        let mut length = 0;
        for (at, c) in text.char_indices() {
            if !row.contains(&text[..at + c.len_utf8()]) {
                break;
            }
            length = at + c.len_utf8();
        }
        length
    };
    let longest = ROWS.iter().map(|row| in_row(row)).chain([repeated]).max()?;
    (longest >= 4).then_some(longest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn judged() {
        let names = ["alice@sealpost.test", "Alice Martin", "Cabinet des Lilas"];
        for (password, expected) in [
            ("court1!A", Err(Weakness::Short)),
            ("toutenminuscules", Err(Weakness::Kinds)),
            ("Sansaucunsymbole1", Err(Weakness::Kinds)),
            ("sans majuscule 12!", Err(Weakness::Kinds)),
            ("P@ssw0rd2026!!", Err(Weakness::Common)),
            ("Motdepasse123!", Err(Weakness::Common)),
            ("Azertyuiop12!", Err(Weakness::Common)),
            ("MotDePasseMotDePasse1!", Err(Weakness::Common)),
            ("Aaaaaaaaaaaa1!", Err(Weakness::Common)),
            ("Bienvenue2026!", Err(Weakness::Common)),
            ("Ab1234567890!", Err(Weakness::Common)),
            ("AliceMartin-75!", Err(Weakness::Personal)),
            ("Lilas-du-75011!", Err(Weakness::Personal)),
            ("gzKqPfBcHt2m-T7", Ok(())),
            ("Quatre éléphants roses, 3 valises", Ok(())),
            ("le vieux chat dort sous mon piano bleu", Ok(())),
            ("trop peu de mots ici", Err(Weakness::Kinds)),
        ] {
            assert_eq!(judge(password, &names), expected, "{password}");
        }
        assert_eq!(judge(&"Aé1!x".repeat(60), &[]), Err(Weakness::Long));
    }

    #[test]
    fn the_list_is_in_the_form_of_stems() {
        for word in COMMON.lines() {
            assert!(word.len() >= 4 && word.bytes().all(|b| b.is_ascii_lowercase()), "{word:?}");
        }
        assert!(COMMON.lines().count() > 250);
    }

    proptest! {
        #[test]
        fn never_panics(password in ".{0,300}", name in ".{0,40}") {
            let _ = judge(&password, &[&name]);
        }
    }
}
