//! OpenID Connect providers of the configuration, opened: secrets and certificates read, defaults filled in.
//!
//! **Failure.** Opening says which setting is at fault. Nothing is asked of a provider before somebody signs in.

use crate::config::{ClientProof, ProviderPreset, ProviderSettings, Settings};
use anyhow::{Context, Result};
use sealpost_envelope::Secret;
use sealpost_oidc::{ClientAuth, Preset, Provider, Settings as Described, SettingsError};
use std::path::Path;
use std::sync::Arc;

/// All of them, in the order of the configuration.
pub fn open(settings: &Settings) -> Result<Vec<Arc<Provider>>> {
    settings
        .gate
        .oidc
        .iter()
        .map(|provider| {
            let name = &provider.name;
            open_one(settings, provider).with_context(|| format!("`gate.oidc` {name:?}")).map(Arc::new)
        })
        .collect()
}

fn open_one(settings: &Settings, provider: &ProviderSettings) -> Result<Provider> {
    let mut described = described(settings, provider);
    if let Some(source) = &provider.client_secret {
        let secret = source.read().context("`client_secret`")?;
        described.auth = match provider.client_auth {
            ClientProof::Basic => ClientAuth::Basic(secret),
            ClientProof::Post => ClientAuth::Post(secret),
            ClientProof::Tls => ClientAuth::Tls,
        };
    }
    if let (Some(certificate), Some(key)) = (&provider.certificate, &provider.key) {
        let key = Secret::new(read("key", key)?);
        let mut both = read("certificate", certificate)?;
        both.push(b'\n');
        both.extend_from_slice(key.expose());
        described.certificate = Some(Secret::new(both));
    }
    described.ca = provider.ca.as_deref().map(|path| read("ca", path)).transpose()?;
    Ok(Provider::new(described)?)
}

fn read(key: &str, path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("`{key}`: {} cannot be read", path.display()))
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
pub fn key_of(error: &SettingsError) -> &'static str {
    match error {
        SettingsError::Address(_) => "issuer",
        SettingsError::Scopes => "scopes",
        SettingsError::Certificate | SettingsError::Pem(_) => "certificate",
    }
}

/// Names of the providers by which people may log in.
pub fn for_login(settings: &Settings) -> Vec<String> {
    settings.gate.oidc.iter().filter(|p| p.login).map(|p| p.name.clone()).collect()
}
