//! Servers of the configuration that know people's passwords, opened: secrets and certificates read.
//!
//! **Failure.** Opening says which setting is at fault. Nothing is asked of a server before somebody logs in.

use crate::config::{BackendKind, BackendSettings, Config, HostPort, UpstreamTls, group_role};
use crate::gateway::Organisation;
use anyhow::{Context, Result, anyhow};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sealpost_directory::{Backend, Directory, Lookup, MailServer, Place, Security, Speaks};
use sealpost_web::{Elsewhere, Outside};
use std::path::Path;
use std::sync::Arc;

/// Where the system keeps the authorities that it trusts.
const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";

/// All of them, with the groups that give roles.
pub fn open(config: &Config, organisations: &[Arc<Organisation>]) -> Result<Elsewhere> {
    let groups = config.accounts.groups.iter().map(|text| group_role(text).map_err(|e| anyhow!(e)));
    let outside = |settings: &BackendSettings| {
        let domain = settings.domains.first().context("`domains`: one is needed")?;
        let owner = organisations.iter().find(|o| o.settings.domains.contains(domain));
        anyhow::Ok(Outside {
            backend: backend(settings)?,
            entity: owner.context("`domains`: no [[entity]] has them")?.id,
            create: settings.create,
        })
    };
    let open = |s: &BackendSettings| outside(s).with_context(|| format!("`accounts.backend` {:?}", s.name));
    Ok(Elsewhere {
        backends: config.accounts.backend.iter().map(open).collect::<Result<_>>()?,
        groups: groups.collect::<Result<_>>()?,
    })
}

/// As accounts remember that they come from there.
pub fn source(backend: &Backend) -> String {
    format!("directory:{}", backend.name())
}

/// One server, ready to be asked.
pub fn backend(settings: &BackendSettings) -> Result<Backend> {
    let domains = settings.domains.iter().map(|d| d.as_str().to_owned()).collect();
    let (name, patience) = (settings.name.as_str(), settings.timeout.duration());
    let speaks = match settings.kind {
        BackendKind::Ldap => return Ok(Backend::directory(name, domains, directory(settings)?, patience)),
        BackendKind::Imap => Speaks::Imap,
        BackendKind::Smtp => Speaks::Smtp,
    };
    let server = MailServer {
        place: place(&settings.server, settings.tls, settings.ca.as_deref())?,
        speaks,
        user: settings.user.clone(),
    };
    Ok(Backend::mail(name, domains, server, patience))
}

fn directory(settings: &BackendSettings) -> Result<Directory> {
    let own_login = match (&settings.bind_dn, &settings.bind_password) {
        (Some(name), Some(source)) => Some((name.clone(), source.read().context("`bind_password`")?)),
        _ => None,
    };
    let directory = Directory {
        place: place(&settings.server, settings.tls, settings.ca.as_deref())?,
        own_login,
        lookup: match &settings.template {
            Some(template) => Lookup::Template(template.clone()),
            None => Lookup::Filter(settings.filter.clone()),
        },
        base: settings.base.clone().context("`base` is missing")?,
        mail: settings.mail.clone(),
        name: settings.display.clone(),
        groups: settings.member_of.clone(),
        group_filter: settings.group_filter.clone(),
        people: settings.people.clone(),
    };
    directory.check()?;
    Ok(directory)
}

/// Where a server is, and how it is spoken to: with a password, in the clear to this machine only.
pub fn place(server: &HostPort, tls: UpstreamTls, ca: Option<&Path>) -> Result<Place> {
    let security = match tls {
        UpstreamTls::Tls => Security::Tls,
        UpstreamTls::Require => Security::StartTls,
        UpstreamTls::None | UpstreamTls::Opportunistic => Security::Loopback,
    };
    let roots = roots(ca).context("`ca`")?;
    Place::new(&server.host, server.port, security, roots).context("`tls`")
}

/// The authorities of a file, or the system's.
fn roots(ca: Option<&Path>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let Some(file) = ca else {
        if Path::new(SYSTEM).exists() {
            let found = CertificateDer::pem_file_iter(SYSTEM).context("the system's certificates")?;
            roots.add_parsable_certificates(found.filter_map(Result::ok));
        }
        return Ok(roots);
    };
    for certificate in
        CertificateDer::pem_file_iter(file).with_context(|| format!("read {}", file.display()))?
    {
        roots.add(certificate?).with_context(|| format!("{} holds no authority", file.display()))?;
    }
    Ok(roots)
}
