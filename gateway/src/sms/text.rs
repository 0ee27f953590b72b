//! The text that carries a code.

use sealpost_envelope::Language;

/// One text of the GSM alphabet holds this many characters.
const ONE: usize = 160;

/// The text, whose last line browsers read by themselves (WebOTP: `@host #123456`).
pub fn of(organisation: &str, code: &str, minutes: i64, host: &str, language: Language) -> String {
    let (begin, middle, end) = match language {
        Language::Fr => ("Votre code", "valable", "min. Ne le donnez à personne."),
        Language::En => ("Your code", "valid for", "min. Give it to nobody."),
    };
    let last = format!("\n\n@{host} #{code}");
    let rest = format!(": {code}, {middle} {minutes} {end}");
    let room = ONE.saturating_sub(begin.chars().count() + 1 + rest.chars().count() + last.chars().count());
    // Letters that the alphabet lacks would make it two texts: é, è, à, ù and ç are in it, others are not.
    let name: String = organisation.chars().filter(|c| gsm(*c)).take(room.saturating_sub(1)).collect();
    let name = name.trim();
    let name = if name.is_empty() { String::new() } else { format!(" {name}") };
    format!("{begin}{name}{rest}{last}")
}

/// Whether the basic alphabet of GSM 03.38 has the letter, as far as names use it.
fn gsm(c: char) -> bool {
    c.is_ascii_alphanumeric() || " .,:;'()&-/éèàùìòÇäöüñÄÖÜÑÉß".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_that_browsers_can_read() {
        for (name, language) in [
            ("Maison de santé des Lilas", Language::Fr),
            ("", Language::En),
            (
                "Établissement public de coopération intercommunale de la vallée de l’Œuf "
                    .repeat(3)
                    .as_str(),
                Language::Fr,
            ),
        ] {
            let text = of(name, "012345", 5, "depot.lilas.example", language);
            assert!(text.chars().count() <= ONE, "{text}");
            assert_eq!(text.lines().last(), Some("@depot.lilas.example #012345"));
            assert!(text.lines().next().unwrap().contains(": 012345, "), "{text}");
        }
        assert!(
            of("Maison de santé", "012345", 5, "h", Language::Fr).starts_with("Votre code Maison de santé: ")
        );
    }
}
