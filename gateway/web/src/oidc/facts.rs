//! What a provider vouched for, as facts for the gate, the journal and the evidence.

use sealpost_envelope::{GateMethod, Timestamp};
use sealpost_gate::{Facts, Identity, Level};
use sealpost_oidc::{Person, Preset, Settings};

/// The facts of a sign-in. The subject means something only together with its issuer, so both are kept.
pub(super) fn of(settings: &Settings, person: &Person, method: GateMethod, at: Timestamp) -> Facts {
    let mut facts = Facts::new(method, at)
        .level(level(settings.preset, person.acr.as_deref()))
        .detail("issuer", settings.issuer.as_str())
        .detail("subject", person.sub.as_str());
    let authenticated = person.auth_time.and_then(|t| Timestamp::from_second(t).ok()).map(|t| t.to_string());
    let more: [(&'static str, Option<&String>); 10] = [
        ("acr", person.acr.as_ref()),
        ("auth_time", authenticated.as_ref()),
        ("mode", person.mode.as_ref()),
        ("national_id", person.national_id.as_ref()),
        ("profession", person.profession.as_ref()),
        ("siret", person.siret.as_ref()),
        ("birthdate", person.birthdate.as_ref()),
        ("birthplace", person.birthplace.as_ref()),
        ("birthcountry", person.birthcountry.as_ref()),
        ("gender", person.gender.as_ref()),
    ];
    for (key, value) in more {
        if let Some(value) = value {
            facts = facts.detail(key, value.as_str());
        }
    }
    let identity = identity(settings, person);
    let identity = match person.name() {
        Some(name) => identity.named(name),
        None => identity,
    };
    facts.identity(identity)
}

/// Whom it established: the number or address that this provider is asked for, else its subject.
fn identity(settings: &Settings, person: &Person) -> Identity {
    let subject = || Identity::new("sub", format!("{}#{}", settings.issuer, person.sub));
    if let Some((claim, value)) = &person.claim {
        return Identity::new(claim.as_str(), value.as_str());
    }
    match settings.preset {
        Preset::Psc => match (&person.rpps, &person.national_id) {
            (Some(rpps), _) => Identity::new("rpps", rpps.as_str()),
            (None, Some(id)) => Identity::new("idnat", id.as_str()),
            (None, None) => subject(),
        },
        Preset::ProConnect => {
            person.email.as_ref().map_or_else(subject, |e| Identity::new("mail", e.as_str()))
        }
        Preset::FranceConnect => subject(),
        Preset::Generic => person.email.as_ref().map_or_else(subject, |e| Identity::new("mail", e.as_str())),
    }
}

/// eIDAS's words where the provider uses them. Pro Santé Connect says `eidas1` of the e-CPS and of the card alike: both
/// join a device with a PIN, which is what our `substantial` stands for.
fn level(preset: Preset, acr: Option<&str>) -> Level {
    match (preset, acr) {
        (_, Some("eidas3")) => Level::High,
        (_, Some("eidas2")) | (Preset::Psc, _) => Level::Substantial,
        _ => Level::Low,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels() {
        for (preset, acr, expected) in [
            (Preset::Psc, Some("eidas1"), Level::Substantial),
            (Preset::FranceConnect, Some("eidas1"), Level::Low),
            (Preset::FranceConnect, Some("eidas2"), Level::Substantial),
            (Preset::FranceConnect, Some("eidas3"), Level::High),
            (Preset::ProConnect, None, Level::Low),
            (Preset::Generic, Some("urn:x"), Level::Low),
        ] {
            assert_eq!(level(preset, acr), expected, "{preset:?} {acr:?}");
        }
    }
}
