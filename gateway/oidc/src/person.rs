//! What a provider's claims say about a person.
//!
//! **Exposure.** The claims were signed, or came over the provider's TLS; their contents were written by people all
//! the same: every text is bounded and freed of control characters.

use crate::token::Claims;
use crate::{IdToken, OidcError, Preset};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Longest text kept of a claim.
const MAX_TEXT: usize = 120;

/// A person as a provider vouches for them. Serialisable, to be kept sealed between two requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Who, for this provider and client; only together with the issuer does it name anybody.
    pub sub: String,
    /// Level of authentication.
    pub acr: Option<String>,
    /// When they authenticated there, in seconds since 1970.
    pub auth_time: Option<i64>,
    /// How, in the provider's words (`CARD`).
    pub mode: Option<String>,
    /// National identifier of a professional, with its type digit (`899700218896`).
    pub national_id: Option<String>,
    /// RPPS, eleven digits.
    pub rpps: Option<String>,
    /// Given name.
    pub given_name: Option<String>,
    /// Family name.
    pub family_name: Option<String>,
    /// Profession, as code of table G15.
    pub profession: Option<String>,
    /// SIRET of the organisation.
    pub siret: Option<String>,
    /// Mail address, where the provider says that it verified it.
    pub email: Option<String>,
    /// Date of birth.
    pub birthdate: Option<String>,
    /// INSEE code of the place of birth.
    pub birthplace: Option<String>,
    /// INSEE code of the country of birth.
    pub birthcountry: Option<String>,
    /// Gender, in the provider's words.
    pub gender: Option<String>,
    /// The configured claim and its value.
    pub claim: Option<(String, String)>,
}

impl Person {
    /// Reads the claims of the token and, before them, of userinfo. The claim that this provider is asked for must
    /// be there: a national identifier of Pro Santé Connect, the pivot identity of FranceConnect, the address of
    /// ProConnect, or the claim that is configured.
    pub fn read(
        preset: Preset,
        identity_claim: Option<&str>,
        token: &IdToken,
        userinfo: Option<&Claims>,
    ) -> Result<Self, OidcError> {
        let value = |name: &str| userinfo.and_then(|u| u.get(name)).or_else(|| token.claims.get(name));
        let get = |name: &str| value(name).and_then(text);
        let (national_id, rpps) = national(&value);
        let verified = value("email_verified").is_some_and(|v| v == &Value::Bool(true));
        // ProConnect chooses the employer's provider by the address and so vouches for it, without saying so each time.
        // FranceConnect passes on what people declared.
        let vouched = preset == Preset::ProConnect;
        let claim = identity_claim.map(|name| (name.to_owned(), get(name)));
        let person = Self {
            sub: token.sub.clone(),
            acr: token.acr.clone().and_then(|t| clean(&t)),
            auth_time: token.auth_time,
            mode: get("authMode"),
            national_id: national_id.filter(|_| preset == Preset::Psc),
            rpps: rpps.filter(|_| preset == Preset::Psc),
            given_name: get("given_name"),
            family_name: get("family_name").or_else(|| get("usual_name")),
            profession: profession(&value),
            siret: get("siret").filter(|s| s.len() == 14 && s.bytes().all(|b| b.is_ascii_digit())),
            email: get("email").filter(|e| (verified || vouched) && e.contains('@')),
            birthdate: get("birthdate"),
            birthplace: get("birthplace"),
            birthcountry: get("birthcountry"),
            gender: get("gender"),
            claim: claim.clone().and_then(|(name, value)| Some((name, value?))),
        };
        person.complete(preset, identity_claim)
    }

    fn complete(self, preset: Preset, claim: Option<&str>) -> Result<Self, OidcError> {
        let missing = |name: &str| Err(OidcError::Identity(name.to_owned()));
        match (preset, claim) {
            (_, Some(name)) if self.claim.is_none() => missing(name),
            (Preset::Psc, None) if self.national_id.is_none() => missing("SubjectNameID"),
            (Preset::FranceConnect, None) if self.family_name.is_none() => missing("family_name"),
            (Preset::FranceConnect, None) if self.birthdate.is_none() => missing("birthdate"),
            (Preset::ProConnect, None) if self.email.is_none() => missing("email"),
            _ => Ok(self),
        }
    }

    /// Given and family name.
    pub fn name(&self) -> Option<String> {
        let parts: Vec<&str> =
            [&self.given_name, &self.family_name].into_iter().filter_map(|p| p.as_deref()).collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    }
}

/// A claim's text, cleaned; numbers count as text (some providers send SIRETs so).
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => clean(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn clean(text: &str) -> Option<String> {
    let text: String = text.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The national identifier and the RPPS: `otherIds` first, then what names the subject.
fn national<'a>(value: &impl Fn(&str) -> Option<&'a Value>) -> (Option<String>, Option<String>) {
    let other = value("otherIds").and_then(Value::as_array).into_iter().flatten().find_map(|id| {
        let rpps = id.get("origine").and_then(Value::as_str) == Some("RPPS");
        rpps.then(|| id.get("identifiant").and_then(text)).flatten()
    });
    let named =
        ["SubjectNameID", "preferred_username"].into_iter().find_map(|name| value(name).and_then(text));
    let from_other = other.as_deref().and_then(rpps);
    let found = from_other.or_else(|| named.as_deref().and_then(rpps));
    match found {
        Some(rpps) => (Some(format!("8{rpps}")), Some(rpps)),
        None => (named.or(other), None),
    }
}

/// Eleven digits, alone or behind the type digit 8.
fn rpps(id: &str) -> Option<String> {
    let digits = if id.len() == 12 { id.strip_prefix('8')? } else { id };
    (digits.len() == 11 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.to_owned())
}

/// `SubjectRole` (`10^1.2.250…`), else the first practice.
fn profession<'a>(value: &impl Fn(&str) -> Option<&'a Value>) -> Option<String> {
    let role = value("SubjectRole").and_then(|v| match v {
        Value::Array(many) => many.first().and_then(Value::as_str),
        one => one.as_str(),
    });
    let code = |c: &str| clean(c).filter(|c| c.len() <= 4);
    role.and_then(|r| code(r.split('^').next().unwrap_or_default())).or_else(|| {
        let practice = value("SubjectRefPro")?.get("exercices")?.get(0)?;
        practice.get("codeProfession").and_then(Value::as_str).and_then(code)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(preset: Preset, claim: Option<&str>, claims: Value) -> Result<Person, OidcError> {
        let Value::Object(claims) = claims else { panic!("claims are an object") };
        let token = IdToken { sub: "s".into(), acr: Some("eidas1".into()), auth_time: None, claims };
        Person::read(preset, claim, &token, None)
    }

    #[test]
    fn a_professional() {
        let person = read(
            Preset::Psc,
            None,
            json!({
                "SubjectNameID": "899700218896", "given_name": "ROBERT", "family_name": "SPECIALISTE0021889",
                "otherIds": [{"identifiant": "899700218896", "origine": "RPPS", "qualite": 1}],
                "SubjectRole": ["10^1.2.250.1.213.1.1.5.5"], "authMode": "CARD",
                "SubjectRefPro": {"exercices": [{"codeProfession": "60"}]},
            }),
        )
        .unwrap();
        assert_eq!(person.rpps.as_deref(), Some("99700218896"));
        assert_eq!(person.national_id.as_deref(), Some("899700218896"));
        assert_eq!(person.profession.as_deref(), Some("10"));
        assert_eq!(person.name().as_deref(), Some("ROBERT SPECIALISTE0021889"));
        let json = serde_json::to_string(&person).unwrap();
        assert_eq!(serde_json::from_str::<Person>(&json).unwrap(), person);
    }

    #[test]
    fn where_the_rpps_is_found() {
        for (claims, national, rpps) in [
            (json!({"SubjectNameID": "810001234567"}), "810001234567", Some("10001234567")),
            (json!({"preferred_username": "810001234567"}), "810001234567", Some("10001234567")),
            (
                json!({"SubjectNameID": "uuid-1", "otherIds": [{"identifiant": "10001234567", "origine": "RPPS"}]}),
                "810001234567",
                Some("10001234567"),
            ),
            (json!({"SubjectNameID": "00B6087510"}), "00B6087510", None),
            (json!({"SubjectNameID": "3760021832/000000018"}), "3760021832/000000018", None),
            (
                json!({"SubjectNameID": "x", "otherIds": [{"identifiant": "810001234567", "origine": "ADELI"}]}),
                "x",
                None,
            ),
        ] {
            let person = read(Preset::Psc, None, claims.clone()).unwrap();
            assert_eq!(person.national_id.as_deref(), Some(national), "{claims}");
            assert_eq!(person.rpps.as_deref(), rpps, "{claims}");
        }
        // Another provider's word about a professional counts nothing.
        let other = read(Preset::Generic, None, json!({"SubjectNameID": "810001234567"})).unwrap();
        assert_eq!((other.rpps, other.national_id), (None, None));
    }

    #[test]
    fn who_is_missing() {
        for (preset, claim, claims, missing) in [
            (Preset::Psc, None, json!({}), "SubjectNameID"),
            (Preset::Psc, None, json!({"SubjectNameID": ""}), "SubjectNameID"),
            (Preset::FranceConnect, None, json!({"birthdate": "1970-01-01"}), "family_name"),
            (Preset::FranceConnect, None, json!({"family_name": "DUBOIS"}), "birthdate"),
            (Preset::ProConnect, None, json!({"siret": "12345678901234"}), "email"),
            (Preset::Generic, Some("uid"), json!({"email": "a@b.example"}), "uid"),
        ] {
            assert_eq!(read(preset, claim, claims), Err(OidcError::Identity(missing.to_owned())));
        }
    }

    #[test]
    fn citizens_and_agents() {
        let agent = read(
            Preset::ProConnect,
            None,
            json!({"email": "a@mairie.example", "usual_name": "Durand", "given_name": "Zoé", "siret": 21_340_172_201_787_i64}),
        )
        .unwrap();
        assert_eq!(agent.siret.as_deref(), Some("21340172201787"));
        assert_eq!(agent.name().as_deref(), Some("Zoé Durand"));
        let citizen = json!({"family_name": "DUBOIS", "birthdate": "1970-01-01", "email": "a@b.example"});
        assert_eq!(read(Preset::FranceConnect, None, citizen).unwrap().email, None, "declared, not verified");
        let other = read(Preset::Generic, None, json!({"email": "a@b.example"})).unwrap();
        assert_eq!(other.email, None, "an address that nobody verified");
        let other =
            read(Preset::Generic, None, json!({"email": "a@b.example", "email_verified": true})).unwrap();
        assert_eq!(other.email.as_deref(), Some("a@b.example"));
        let odd = read(Preset::Generic, None, json!({"given_name": "a\u{0}\r\nb".repeat(100)})).unwrap();
        assert!(odd.given_name.is_some_and(|n| n.len() == MAX_TEXT && !n.contains('\n')));
    }
}
