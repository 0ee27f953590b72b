//! Filters: `attribute eq value`, several of them with `and` (RFC 7644 §3.4.2.2).
//!
//! **Exposure.** Text of programs. What is not understood is refused, never left out: a filter that finds more than was
//! asked for would let the wrong account be changed.

use super::error::ScimError;
use sealpost_store::account::ScimFilter;
use serde_json::Value;

/// Longest filter read.
const LONGEST: usize = 2000;

/// Reads a filter of users or groups: their names are `userName` and `displayName`.
pub(super) fn read(text: Option<&str>, name: &str) -> Result<ScimFilter, ScimError> {
    let mut filter = ScimFilter::default();
    let Some(text) = text else { return Ok(filter) };
    let wrong = || {
        ScimError::Bad("invalidFilter", "only attribute eq value, joined by and, is understood".to_owned())
    };
    let words = words(text).filter(|w| w.len() % 4 == 3).ok_or_else(wrong)?;
    for chunk in words.chunks(4) {
        let [attribute, operator, value, rest @ ..] = chunk else { return Err(wrong()) };
        if !operator.eq_ignore_ascii_case("eq")
            || rest.first().is_some_and(|w| !w.eq_ignore_ascii_case("and"))
        {
            return Err(wrong());
        }
        let value: Value = serde_json::from_str(value).map_err(|_| wrong())?;
        let attribute = attribute.to_ascii_lowercase();
        let attribute = attribute.rsplit_once("2.0:user:").map_or(attribute.as_str(), |(_, a)| a);
        let attribute = attribute.rsplit_once("2.0:group:").map_or(attribute, |(_, a)| a);
        let slot = match attribute {
            "id" => &mut filter.id,
            "externalid" => &mut filter.external_id,
            "emails" | "emails.value" | "emails[type eq \"work\"].value" if name == "userName" => {
                &mut filter.name
            }
            a if a.eq_ignore_ascii_case(name) => &mut filter.name,
            "active" if name == "userName" => {
                let active = value.as_bool().ok_or_else(wrong)?;
                // Both at once is nobody.
                let clash = filter.active.is_some_and(|a| a != active);
                filter.active = Some(active);
                if clash {
                    filter.id = Some("0".to_owned());
                }
                continue;
            }
            _ => return Err(wrong()),
        };
        let value = value.as_str().filter(|v| !v.is_empty()).ok_or_else(wrong)?.to_owned();
        if slot.as_ref().is_some_and(|s| *s != value) {
            return Err(wrong());
        }
        *slot = Some(value);
    }
    Ok(filter)
}

/// Words, divided by blanks outside of quotes and brackets.
fn words(text: &str) -> Option<Vec<String>> {
    if text.len() > LONGEST {
        return None;
    }
    let (mut all, mut word) = (Vec::new(), String::new());
    let (mut quoted, mut escaped, mut inside) = (false, false, false);
    for c in text.trim().chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '[' if !quoted => inside = true,
            ']' if !quoted => inside = false,
            ' ' if !quoted && !inside => {
                if !word.is_empty() {
                    all.push(std::mem::take(&mut word));
                }
                continue;
            }
            _ => {}
        }
        word.push(c);
    }
    all.push(word);
    (!quoted && !inside).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_ask() {
        let read = |text| read(Some(text), "userName").unwrap();
        assert_eq!(read("userName eq \"a@b.test\"").name.as_deref(), Some("a@b.test"));
        assert_eq!(read("externalId eq \"x y\\\"z\"").external_id.as_deref(), Some("x y\"z"));
        let both = read("emails[type eq \"work\"].value EQ \"a@b.test\"  and active eq true");
        assert_eq!((both.name.as_deref(), both.active), (Some("a@b.test"), Some(true)));
        let urn = read("urn:ietf:params:scim:schemas:core:2.0:User:userName eq \"a@b.test\"");
        assert_eq!(urn.name.as_deref(), Some("a@b.test"));
        assert_eq!(
            super::read(Some("displayName eq \"R&D\""), "displayName").unwrap().name.as_deref(),
            Some("R&D")
        );
        assert!(super::read(None, "userName").unwrap().name.is_none());
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in [
            "",
            "userName",
            "userName eq",
            "userName eq a@b.test",
            "userName eq \"a",
            "userName eq \"\"",
            "userName sw \"a\"",
            "userName pr",
            "userName eq \"a\" or userName eq \"b\"",
            "userName eq \"a\" and",
            "userName eq \"a\" and userName eq \"b\"",
            "not (userName eq \"a\")",
            "password eq \"x\"",
            "active eq \"yes\"",
            "displayName eq \"x\"",
        ] {
            assert!(
                matches!(read(Some(text), "userName"), Err(ScimError::Bad("invalidFilter", _))),
                "{text}"
            );
        }
    }
}
