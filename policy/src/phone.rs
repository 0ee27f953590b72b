//! Telephone numbers as people type them, turned into E.164 for codes by SMS.

/// Why a text is no number that can receive a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// Other characters than digits and separators, or too few or too many digits.
    #[error("this is not a telephone number")]
    Shape,
    /// A national number of a country whose numbering is not known here.
    #[error("write the number with + and the country's code")]
    Country,
    /// A number that cannot receive a text message.
    #[error("this number is not a mobile one")]
    NotMobile,
}

/// Country, calling code, trunk prefix, digits after it (least and most).
const COUNTRIES: [(&str, &str, &str, usize, usize); 20] = [
    ("FR", "33", "0", 9, 9),
    ("MC", "377", "", 8, 9),
    ("GP", "590", "0", 9, 9),
    ("MQ", "596", "0", 9, 9),
    ("GF", "594", "0", 9, 9),
    ("RE", "262", "0", 9, 9),
    ("YT", "262", "0", 9, 9),
    ("NC", "687", "", 6, 6),
    ("PF", "689", "", 8, 8),
    ("BE", "32", "0", 8, 9),
    ("CH", "41", "0", 9, 9),
    ("LU", "352", "", 6, 9),
    ("DE", "49", "0", 7, 11),
    ("NL", "31", "0", 9, 9),
    ("GB", "44", "0", 9, 10),
    ("IE", "353", "0", 8, 9),
    ("ES", "34", "", 9, 9),
    ("PT", "351", "", 9, 9),
    ("IT", "39", "", 8, 11),
    ("US", "1", "1", 10, 10),
];

/// French mobile numbers that belong to an overseas code: the first three digits after the 0.
const OVERSEAS: [(&str, &str); 9] = [
    ("690", "590"),
    ("691", "590"),
    ("692", "262"),
    ("693", "262"),
    ("694", "594"),
    ("695", "594"),
    ("696", "596"),
    ("697", "596"),
    ("639", "262"),
];

/// `+33612345678` from `06 12 34 56 78`, `0033 6 12…`, `+33 (0)6 12…`; `country` is ISO 3166-1 alpha-2.
pub fn to_e164(text: &str, country: &str) -> Result<String, PhoneError> {
    let text = text.trim();
    if text.len() > 40 {
        return Err(PhoneError::Shape);
    }
    // "+33 (0)6": the trunk zero is shown for those who dial from inside.
    let compact: String = text.replace("(0)", "").chars().filter(|c| !is_separator(*c)).collect();
    let international = match compact.strip_prefix('+') {
        Some(rest) => Some(rest),
        None => compact.strip_prefix("00"),
    };
    let digits = international.unwrap_or(&compact);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(PhoneError::Shape);
    }
    let number = match international {
        Some(digits) => digits.to_owned(),
        None => national(digits, country)?,
    };
    // E.164 §6.2.1: fifteen digits at most, and no country code begins with 0.
    if !(8..=15).contains(&number.len()) || number.starts_with('0') {
        return Err(PhoneError::Shape);
    }
    if let Some(french) = number.strip_prefix("33") {
        check_french(french)?;
    }
    Ok(format!("+{number}"))
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || matches!(c, '.' | '-' | '(' | ')' | '/' | '\u{2011}' | '\u{2013}')
}

fn national(digits: &str, country: &str) -> Result<String, PhoneError> {
    let (.., code, trunk, least, most) = COUNTRIES
        .iter()
        .find(|(c, ..)| c.eq_ignore_ascii_case(country) || (*c == "US" && country.eq_ignore_ascii_case("CA")))
        .ok_or(PhoneError::Country)?;
    let rest = digits.strip_prefix(trunk).unwrap_or(digits);
    if !(*least..=*most).contains(&rest.len()) || (*trunk == "0" && rest.len() == digits.len()) {
        return Err(PhoneError::Shape);
    }
    let code = match OVERSEAS.iter().find(|(prefix, _)| rest.starts_with(prefix)) {
        Some((_, overseas)) if *code == "33" => overseas,
        _ => code,
    };
    Ok(format!("{code}{rest}"))
}

/// French numbering plan: nine digits, mobiles begin with 6 or 7.
fn check_french(digits: &str) -> Result<(), PhoneError> {
    match digits.as_bytes() {
        [b'6' | b'7', rest @ ..] if rest.len() == 8 => Ok(()),
        [b'1'..=b'9', rest @ ..] if rest.len() == 8 => Err(PhoneError::NotMobile),
        _ => Err(PhoneError::Shape),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        use PhoneError::{Country, NotMobile, Shape};
        for (typed, country, expected) in [
            ("0612345678", "FR", Ok("+33612345678")),
            ("06 12 34 56 78", "FR", Ok("+33612345678")),
            ("07.12.34.56.78", "fr", Ok("+33712345678")),
            ("+33 (0)6 12 34 56 78", "BE", Ok("+33612345678")),
            ("0033612345678", "FR", Ok("+33612345678")),
            ("+33612345678", "FR", Ok("+33612345678")),
            ("0692 12 34 56", "FR", Ok("+262692123456")),
            ("0470 12 34 56", "BE", Ok("+32470123456")),
            ("(415) 555-2671", "US", Ok("+14155552671")),
            ("1 415 555 2671", "CA", Ok("+14155552671")),
            ("0123456789", "FR", Err(NotMobile)),
            ("+33123456789", "FR", Err(NotMobile)),
            ("061234567", "FR", Err(Shape)),
            ("612345678", "FR", Err(Shape)),
            ("0612345678", "XX", Err(Country)),
            ("06123x5678", "FR", Err(Shape)),
            ("+0612345678", "FR", Err(Shape)),
            ("+1234567890123456", "FR", Err(Shape)),
            ("", "FR", Err(Shape)),
            ("+", "FR", Err(Shape)),
            ("٠٦١٢٣٤٥٦٧٨", "FR", Err(Shape)),
        ] {
            assert_eq!(to_e164(typed, country), expected.map(str::to_owned), "{typed} {country}");
        }
    }
}
