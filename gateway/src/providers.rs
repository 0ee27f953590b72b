//! OpenID Connect providers of the configuration, opened: secrets and certificates read, defaults filled in.
//!
//! **Failure.** Opening says which setting is at fault. Nothing is asked of a provider before somebody signs in.

use crate::config::{self, ClientProof, ProviderSettings, Settings};
use anyhow::{Context, Result};
use sealpost_envelope::Secret;
use sealpost_oidc::{ClientAuth, Provider};
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
    let mut described = config::described(settings, provider);
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

/// Names of the providers by which people may log in.
pub fn for_login(settings: &Settings) -> Vec<String> {
    settings.gate.oidc.iter().filter(|p| p.login).map(|p| p.name.clone()).collect()
}
