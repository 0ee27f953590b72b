//! Where mail goes: the configuration's routes in the relay's terms.

use crate::config::{Config, HostPort, SecretSource, UpstreamTls, Via};
use crate::gateway::Gateway;
use anyhow::{Context, Result};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sealpost_relay::{Dns, DnsConfig, RelayConfig, RetrySchedule, Route, Smarthost, Target, TlsMode};
use std::sync::Arc;

/// Routes in order: those configured, the mailboxes of a demonstration, then the smarthost.
pub fn relay_config(gateway: &Gateway, holder: String) -> Result<RelayConfig> {
    let config = &gateway.config;
    let mut routes = Vec::new();
    for route in &config.route {
        let target = match &route.via {
            Via::Local => Target::Local,
            Via::Smarthost(place) => Target::Smarthost(smarthost(place, route.tls, None)?),
            Via::Mx => Target::Mx,
        };
        routes.push(Route { domains: route.domains.clone(), target });
    }
    let roots = roots(config)?;
    let everything = vec!["*".to_owned()];
    if let Some(place) = &config.relay.smarthost {
        let login = match (&config.relay.smarthost_user, &config.relay.smarthost_password) {
            (Some(user), Some(password)) => Some((user.as_str(), password)),
            _ => None,
        };
        let target = Target::Smarthost(smarthost(place, config.relay.smarthost_tls, login)?);
        routes.push(Route { domains: everything, target });
    } else if config.demo.outside_mailboxes {
        routes.push(Route { domains: everything, target: Target::Local });
    } else {
        routes.push(Route { domains: everything, target: Target::Mx });
    }
    let by_mx = routes.iter().any(|r| matches!(r.target, Target::Mx));
    Ok(RelayConfig {
        routes,
        retry: RetrySchedule {
            waits: config.relay.retry.iter().map(|p| p.duration()).collect(),
            give_up: config.relay.give_up.duration(),
        },
        roots: Arc::new(roots),
        dns: by_mx.then(|| resolver(config)).transpose()?,
        mx_port: config.relay.mx_port,
        concurrency: config.relay.connections as usize,
        ..RelayConfig::new(gateway.hostname(), holder)
    })
}

/// The resolver that the configuration names.
pub fn resolver(config: &Config) -> Result<Dns> {
    let dns = &config.dns;
    let settings = DnsConfig {
        servers: dns.servers.clone(),
        trust_anchor: dns.trust_anchor.clone(),
        validate: dns.validate,
    };
    Dns::new(&settings).context("`dns`")
}

/// Certificates that servers must chain to: those configured, or the system's.
fn roots(config: &Config) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let mut files: Vec<&std::path::Path> = config.route.iter().filter_map(|r| r.ca.as_deref()).collect();
    files.extend(config.relay.smarthost_ca.as_deref());
    for file in &files {
        for certificate in
            CertificateDer::pem_file_iter(file).with_context(|| format!("read {}", file.display()))?
        {
            roots.add(certificate?).with_context(|| format!("{} holds no authority", file.display()))?;
        }
    }
    let system = std::path::Path::new("/etc/ssl/certs/ca-certificates.crt");
    if files.is_empty() && system.exists() {
        let found = CertificateDer::pem_file_iter(system).context("the system's certificates")?;
        roots.add_parsable_certificates(found.filter_map(Result::ok));
    }
    Ok(roots)
}

fn smarthost(place: &HostPort, tls: UpstreamTls, login: Option<(&str, &SecretSource)>) -> Result<Smarthost> {
    let credentials = match login {
        Some((user, source)) => {
            Some((user.to_owned(), source.read().context("`relay.smarthost_password` cannot be read")?))
        }
        None => None,
    };
    let tls = match tls {
        UpstreamTls::None => TlsMode::None,
        UpstreamTls::Opportunistic => TlsMode::Opportunistic,
        UpstreamTls::Require => TlsMode::Required,
        UpstreamTls::Tls => TlsMode::Implicit,
    };
    Ok(Smarthost { tls, credentials, ..Smarthost::new(place.host.clone(), place.port) })
}
