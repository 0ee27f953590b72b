//! The two languages Sealpost speaks.

use serde::{Deserialize, Serialize};

/// Language of a mail, a page or a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// French, the default.
    #[default]
    Fr,
    /// English.
    En,
}

impl Language {
    /// `fr` or `en`, as in the `lang` attribute.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Fr => "fr",
            Self::En => "en",
        }
    }
    /// Picks `fr` or `en`, whichever of both text in hand.
    pub fn pick<'a>(self, fr: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Fr => fr,
            Self::En => en,
        }
    }
    /// First of our languages in an `Accept-Language` header (RFC 9110 §12.5.4), by quality then order.
    pub fn negotiate(accept_language: &str) -> Option<Self> {
        let mut best: Option<(f32, Self)> = None;
        for item in accept_language.split(',').take(32) {
            let mut fields = item.split(';');
            let tag = fields.next().unwrap_or("").trim().to_ascii_lowercase();
            let quality =
                fields.find_map(|f| f.trim().strip_prefix("q=").and_then(|q| q.parse().ok())).unwrap_or(1.0);
            let language = match tag.split('-').next() {
                Some("fr") => Self::Fr,
                Some("en") => Self::En,
                _ => continue,
            };
            if quality > 0.0 && best.is_none_or(|(q, _)| quality > q) {
                best = Some((quality, language));
            }
        }
        best.map(|(_, l)| l)
    }
    /// Guess from a recipient's domain, for want of anything better: French for French-speaking country codes.
    pub fn of_domain(domain: &str, default: Self) -> Self {
        match domain.rsplit('.').next() {
            Some("fr" | "re" | "gp" | "mq" | "nc" | "pf" | "mc") => Self::Fr,
            Some("uk" | "ie" | "us" | "au" | "nz") => Self::En,
            _ => default,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negotiation() {
        assert_eq!(Language::negotiate("de, en;q=0.8, fr;q=0.9"), Some(Language::Fr));
        assert_eq!(Language::negotiate("en-GB,fr"), Some(Language::En));
        assert_eq!(Language::negotiate("de"), None);
    }
}
