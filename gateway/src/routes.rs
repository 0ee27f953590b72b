//! Where mail goes: the configuration's routes in the relay's terms.

use crate::config::{Config, HostPort, SecretSource, UpstreamTls, Via};
use crate::gateway::Gateway;
use anyhow::{Context, Result};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sealpost_relay::{
    ClientIdentity, Dns, DnsConfig, RelayConfig, RetrySchedule, Route, Smarthost, Target, Tls, TlsMode,
};
use std::path::Path;
use std::sync::Arc;

/// Routes in order: those configured, the mailboxes of a demonstration, then the smarthost.
pub fn relay_config(gateway: &Gateway, holder: String) -> Result<RelayConfig> {
    let config = &gateway.config;
    let roots = Arc::new(roots(config.relay.smarthost_ca.as_deref())?);
    let routes = routes(config, &roots)?;
    let by_mx = routes.iter().any(|r| matches!(r.target, Target::Mx));
    Ok(RelayConfig {
        routes,
        retry: RetrySchedule {
            waits: config.relay.retry.iter().map(|p| p.duration()).collect(),
            give_up: config.relay.give_up.duration(),
        },
        roots,
        dns: by_mx.then(|| resolver(config)).transpose()?,
        mx_port: config.relay.mx_port,
        concurrency: config.relay.connections as usize,
        ..RelayConfig::new(gateway.hostname(), holder)
    })
}

/// Tries what the routes name: certificates, keys, passwords. For `check`.
pub fn probe(config: &Config) -> Result<()> {
    let roots = Arc::new(roots(config.relay.smarthost_ca.as_deref())?);
    routes(config, &roots).map(drop)
}

fn routes(config: &Config, roots: &Arc<RootCertStore>) -> Result<Vec<Route>> {
    let mut routes = Vec::new();
    for (n, route) in config.route.iter().enumerate() {
        let target = match &route.via {
            Via::Local => Target::Local,
            Via::Mx => Target::Mx,
            Via::Smarthost(place) => {
                let upstream = Upstream {
                    tls: route.tls,
                    ca: route.ca.as_deref(),
                    certificate: route.certificate.as_deref().zip(route.key.as_deref()),
                    login: route.user.as_deref().zip(route.password.as_ref()),
                };
                let server = upstream.server(place, roots);
                Target::Smarthost(server.with_context(|| format!("`route[{n}]`"))?)
            }
        };
        routes.push(Route { domains: route.domains.clone(), target });
    }
    let relay = &config.relay;
    let target = if let Some(place) = &relay.smarthost {
        let upstream = Upstream {
            tls: relay.smarthost_tls,
            // The relay's own already.
            ca: None,
            certificate: relay.smarthost_certificate.as_deref().zip(relay.smarthost_key.as_deref()),
            login: relay.smarthost_user.as_deref().zip(relay.smarthost_password.as_ref()),
        };
        Target::Smarthost(upstream.server(place, roots).context("`relay`")?)
    } else if config.demo.outside_mailboxes {
        Target::Local
    } else {
        Target::Mx
    };
    routes.push(Route { domains: vec!["*".to_owned()], target });
    Ok(routes)
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

/// Certificates that servers must chain to: those of a file, or the system's.
pub fn roots(file: Option<&Path>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = file {
        for certificate in chain(file)? {
            roots.add(certificate).with_context(|| format!("{} holds no authority", file.display()))?;
        }
        return Ok(roots);
    }
    let system = Path::new("/etc/ssl/certs/ca-certificates.crt");
    if system.exists() {
        let found = CertificateDer::pem_file_iter(system).context("the system's certificates")?;
        roots.add_parsable_certificates(found.filter_map(Result::ok));
    }
    Ok(roots)
}

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(file).with_context(|| format!("read {}", file.display()))?;
    let chain: Vec<_> =
        found.collect::<Result<_, _>>().with_context(|| format!("read {}", file.display()))?;
    anyhow::ensure!(!chain.is_empty(), "{} holds no certificate", file.display());
    Ok(chain)
}

/// What is said of one server.
struct Upstream<'a> {
    tls: UpstreamTls,
    ca: Option<&'a Path>,
    certificate: Option<(&'a Path, &'a Path)>,
    login: Option<(&'a str, &'a SecretSource)>,
}

impl Upstream<'_> {
    fn server(&self, place: &HostPort, roots: &Arc<RootCertStore>) -> Result<Smarthost> {
        let credentials = match self.login {
            Some((user, source)) => Some((user.to_owned(), source.read().context("its password")?)),
            None => None,
        };
        let tls = match self.tls {
            UpstreamTls::None => TlsMode::None,
            UpstreamTls::Opportunistic => TlsMode::Opportunistic,
            UpstreamTls::Require => TlsMode::Required,
            UpstreamTls::Tls => TlsMode::Implicit,
        };
        let own_tls = self.own_tls(roots)?;
        Ok(Smarthost { tls, credentials, own_tls, ..Smarthost::new(place.host.clone(), place.port) })
    }

    /// TLS of its own, where it has authorities of its own or wants to know who we are.
    fn own_tls(&self, roots: &Arc<RootCertStore>) -> Result<Option<Arc<Tls>>> {
        if self.ca.is_none() && self.certificate.is_none() {
            return Ok(None);
        }
        let roots = match self.ca {
            Some(file) => Arc::new(self::roots(Some(file))?),
            None => roots.clone(),
        };
        let identity = match self.certificate {
            Some((certificate, key)) => Some(ClientIdentity {
                chain: chain(certificate)?,
                key: PrivateKeyDer::from_pem_file(key).with_context(|| format!("read {}", key.display()))?,
            }),
            None => None,
        };
        Ok(Some(Arc::new(Tls::new(roots, identity.as_ref()).context("its certificate and key")?)))
    }
}
