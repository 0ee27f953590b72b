//! Settings of OpenID Connect providers.

use super::kinds::{ClientProof, ProviderPreset};
use super::places::SecretSource;
use super::reader::Context;
use super::section::section;
use super::sections::Settings;
use sealpost_envelope::{Gate, GateMethod, Secret};
use sealpost_oidc::{ClientAuth, Preset, Settings as Described, SettingsError};
use sealpost_policy::{Period, closest};
use std::path::PathBuf;

section! {
    /// An OpenID Connect provider, for the gate method `oidc:NAME` and, with `login`, for the login.
    pub struct ProviderSettings {
        /// Its name in `oidc:NAME`. Register `web.url` followed by `/oidc/NAME/callback` there as the address to come
        /// back to, and `web.url` with a final `/` as the one after logging out.
        name: String = required("\"psc\"");
        /// Whose customs it follows: `psc` (Pro Santé Connect), `franceconnect`, `proconnect` or `generic`. They decide
        /// about the defaults of `acr`, `scopes` and `discovery`, and about what must be known of the person.
        preset: ProviderPreset = default(ProviderPreset::Generic);
        /// What people call it; the preset's name when absent.
        label: Option<String> = unset("\"Mon Établissement\"");
        /// Its issuer, to the letter.
        issuer: String = required("\"https://auth.esw.esante.gouv.fr/auth/realms/esante-wallet\"");
        /// Where it describes itself, below its issuer; the preset's path when absent.
        discovery: Option<String> = unset("\"/.well-known/openid-configuration\"");
        /// Our name there.
        client_id: String = required("\"sealpost\"");
        /// Our secret there.
        client_secret: Option<SecretSource> = unset("\"file:psc.secret\"");
        /// How we prove who we are: `basic` or `post` (the secret, in a header or in the form), or `tls` (the
        /// certificate alone).
        client_auth: ClientProof = default(ClientProof::Basic);
        /// Our certificate for mutual TLS and those above it, PEM.
        certificate: Option<PathBuf> = unset("\"psc.pem\"");
        /// Its private key, PEM.
        key: Option<PathBuf> = unset("\"psc.key\"");
        /// Authorities that its servers must chain to, PEM; the system's when absent.
        ca: Option<PathBuf> = unset("\"igc-sante.pem\"");
        /// Levels of which one must be reached, as `eidas1`; above it on eIDAS's scale is enough. The preset's when empty.
        acr: Vec<String> = default(Vec::new());
        /// Scopes; the preset's when empty.
        scopes: Vec<String> = default(Vec::new());
        /// Asks for a fresh authentication (`login`), or another `prompt` of the standard.
        prompt: Option<String> = unset("\"login\"");
        /// Longest time since the person authenticated there.
        max_age: Option<Period> = unset("\"15 minutes\"");
        /// The claim that says who it is, as rules name it: `CLAIM:VALUE`. The preset's when absent.
        identity: Option<String> = unset("\"uid\"");
        /// Offer to confirm on a telephone (CIBA), where the provider does.
        ciba: bool = default(false);
        /// Offer it at the login of people who send. Its word alone then opens the application.
        login: bool = default(false);
        /// Take plain `http` to this machine, for trials.
        insecure_loopback: bool = default(false);
    }
}

/// What no single key can know of providers.
pub(super) fn check(settings: &Settings, context: &mut Context) {
    for (n, provider) in settings.gate.oidc.iter().enumerate() {
        let at = |key: &str| format!("gate.oidc[{n}].{key}");
        if format!("oidc:{}", provider.name).parse::<GateMethod>().is_err() {
            context.wrong_at(&at("name"), "letters, digits, - and _ make a name, 32 at most");
        }
        if settings.gate.oidc[..n].iter().any(|p| p.name == provider.name) {
            context.wrong_at(&at("name"), format!("{:?} stands here twice", provider.name));
        }
        if provider.certificate.is_some() != provider.key.is_some() {
            context.wrong_at(&at("certificate"), "certificate and key belong together");
        }
        match provider.client_auth {
            ClientProof::Tls if provider.certificate.is_none() => {
                context.wrong_at(&at("client_auth"), "mutual TLS needs certificate and key");
            }
            ClientProof::Basic | ClientProof::Post if provider.client_secret.is_none() => {
                let message =
                    "is missing; for example client_secret = \"file:psc.secret\", or client_auth = \"tls\"";
                context.wrong_at(&at("client_secret"), message);
            }
            _ => {}
        }
        if let Some(path) = provider.discovery.as_ref().filter(|p| !p.starts_with('/')) {
            context.wrong_at(&at("discovery"), format!("{path:?} is no path; it begins with /"));
        }
        if let Err(error) = described(settings, provider).check() {
            context.wrong_at(&at(key_of(&error)), error.to_string());
        }
    }
    named(settings, context, "gate.default", &settings.gate.default);
    for (n, rule) in settings.rule.iter().enumerate() {
        if let Some(gate) = &rule.gate {
            named(settings, context, &format!("rule[{n}].gate"), gate);
        }
    }
}

/// Every provider that a gate names must be there.
fn named(settings: &Settings, context: &mut Context, path: &str, gate: &Gate) {
    for method in gate.alternatives().iter().flatten() {
        let GateMethod::Oidc(name) = method else { continue };
        if settings.gate.oidc.iter().any(|p| p.name == *name) {
            continue;
        }
        let known = settings.gate.oidc.iter().map(|p| p.name.as_str());
        let message = match closest(name, known) {
            Some(near) => format!("no [[gate.oidc]] is named {name:?}; did you mean {near:?}?"),
            None => format!("no [[gate.oidc]] is named {name:?}"),
        };
        context.wrong_at(path, message);
    }
}

/// As the protocol's crate takes it, without secrets and certificates.
pub fn described(settings: &Settings, provider: &ProviderSettings) -> Described {
    let preset = match provider.preset {
        ProviderPreset::Psc => Preset::Psc,
        ProviderPreset::FranceConnect => Preset::FranceConnect,
        ProviderPreset::ProConnect => Preset::ProConnect,
        ProviderPreset::Generic => Preset::Generic,
    };
    let or = |own: &[String], usual: &[&str]| match own {
        [] => usual.iter().map(|s| (*s).to_owned()).collect(),
        own => own.to_vec(),
    };
    let web = settings.web.url.as_str().trim_end_matches('/');
    Described {
        name: provider.name.clone(),
        label: provider.label.clone().unwrap_or_else(|| preset.label().unwrap_or(&provider.name).to_owned()),
        preset,
        issuer: provider.issuer.clone(),
        discovery: provider.discovery.clone(),
        client_id: provider.client_id.clone(),
        auth: match provider.client_auth {
            ClientProof::Basic => ClientAuth::Basic(Secret::new(String::new())),
            ClientProof::Post => ClientAuth::Post(Secret::new(String::new())),
            ClientProof::Tls => ClientAuth::Tls,
        },
        // Whether there is one is what can be judged before it is read.
        certificate: provider.certificate.is_some().then(|| Secret::new(Vec::new())),
        ca: None,
        acr: or(&provider.acr, preset.acr()),
        scopes: or(&provider.scopes, preset.scopes()),
        prompt: provider.prompt.clone(),
        max_age: provider.max_age.map(|p| u32::try_from(p.as_seconds()).unwrap_or(u32::MAX)),
        identity_claim: provider.identity.clone(),
        ciba: provider.ciba,
        redirect_uri: format!("{web}/oidc/{}/callback", provider.name),
        after_logout: format!("{web}/"),
        insecure_loopback: provider.insecure_loopback,
    }
}

/// The setting that an error is about.
fn key_of(error: &SettingsError) -> &'static str {
    match error {
        SettingsError::Address(_) => "issuer",
        SettingsError::Scopes => "scopes",
        SettingsError::Certificate | SettingsError::Pem(_) => "certificate",
    }
}
