//! `check --dns`: what the world reads about the organisations' domains, compared with what is configured.
//!
//! **Standards.** RFC 7208 (SPF), RFC 6376 (DKIM), RFC 7489 (DMARC), RFC 5321 §5.1 (MX), RFC 1912 §2.1 (PTR),
//! RFC 6186 and RFC 8314 §5.1 (SRV).
//!
//! **Failure.** What DNS cannot answer now is a warning: it says nothing about the domain.

use super::{Finding, fault, warning};
use crate::config::{Config, Entity};
use crate::dkim::{DomainKeys, Record};
use crate::routes;
use sealpost_relay::Dns;
use sealpost_relay::dns::LookupError;

/// Looks at every domain.
pub async fn look(config: &Config) -> Vec<Finding> {
    let dns = match routes::resolver(config) {
        Ok(dns) => dns,
        Err(error) => return vec![fault(format!("{error:#}"))],
    };
    let mut findings = Vec::new();
    for entity in &config.entity {
        let look = Look { dns: &dns, config, entity };
        for domain in entity.domains.iter().map(|d| d.to_ascii()) {
            findings.extend(look.spf(&domain).await);
            findings.extend(look.dmarc(&domain).await);
            findings.extend(look.mx(&domain).await);
            findings.extend(look.programs(&domain).await);
        }
        findings.extend(look.returns().await);
        findings.extend(look.dkim().await);
        findings.extend(look.ptr().await);
    }
    findings
}

struct Look<'a> {
    dns: &'a Dns,
    config: &'a Config,
    entity: &'a Entity,
}

/// What a failed look-up says: `missing` when there is no record, otherwise that nobody knows.
fn failed(error: &LookupError, missing: impl FnOnce() -> Finding) -> Finding {
    match error {
        LookupError::Nothing { .. } => missing(),
        LookupError::Bogus(_) => fault(format!("DNS: {error}")),
        LookupError::Temporary { .. } => warning(format!("DNS: {error}")),
    }
}

impl Look<'_> {
    async fn texts(&self, name: &str, begin: &str) -> Result<Vec<String>, LookupError> {
        let mut texts = self.dns.txt(name).await?.records;
        texts.retain(|t| t.to_ascii_lowercase().starts_with(begin));
        match texts.is_empty() {
            true => Err(LookupError::Nothing { name: name.to_owned(), exists: true }),
            false => Ok(texts),
        }
    }

    async fn spf(&self, domain: &str) -> Vec<Finding> {
        let found = match self.texts(domain, "v=spf1").await {
            Ok(found) => found,
            Err(e) => {
                let missing = || fault(format!("SPF: {domain} names no servers that may send for it"));
                return vec![failed(&e, missing)];
            }
        };
        let [record] = found.as_slice() else {
            return vec![fault(format!(
                "SPF: {domain} has {} records; receivers then believe none",
                found.len()
            ))];
        };
        let mut findings = Vec::new();
        let terms: Vec<String> = record.split_whitespace().skip(1).map(str::to_ascii_lowercase).collect();
        if terms.iter().any(|t| t == "all" || t == "+all") {
            findings.push(fault(format!("SPF: {domain} lets everybody send for it (+all)")));
        }
        if !terms.iter().any(|t| t.ends_with("all") || t.starts_with("redirect=")) {
            findings.push(warning(format!("SPF: the record of {domain} has no end, such as -all")));
        }
        findings
    }

    async fn dmarc(&self, domain: &str) -> Vec<Finding> {
        let name = format!("_dmarc.{domain}");
        match self.texts(&name, "v=dmarc1").await {
            Ok(found) if found.len() > 1 => {
                vec![fault(format!("DMARC: {name} has {} records; receivers then believe none", found.len()))]
            }
            Ok(found) => {
                let policy = found
                    .iter()
                    .any(|t| t.split(';').any(|f| f.trim().to_ascii_lowercase().starts_with("p=")));
                if policy { Vec::new() } else { vec![fault(format!("DMARC: {name} names no policy (p=)"))] }
            }
            Err(e) => vec![failed(&e, || {
                warning(format!("DMARC: {domain} has no policy: anybody may write in its name"))
            })],
        }
    }

    async fn mx(&self, domain: &str) -> Vec<Finding> {
        match self.dns.mx(domain).await {
            Ok(_) => Vec::new(),
            Err(e) => {
                vec![failed(&e, || fault(format!("MX: nobody can answer to {domain}: it has no MX record")))]
            }
        }
    }

    /// Where mail programs look for our services (RFC 6186 §3, RFC 8314 §5.1). They work without, by hand: advice.
    async fn programs(&self, domain: &str) -> Vec<Finding> {
        let (listen, own) = (&self.config.listen, self.entity.hostname.to_ascii_lowercase());
        let services = [
            ("submissions", listen.submissions),
            ("submission", listen.submission),
            ("imaps", listen.imaps),
            ("imap", listen.imap),
        ];
        let mut findings = Vec::new();
        for (service, port) in services.iter().filter_map(|(s, at)| Some((s, at.as_ref()?.port()))) {
            let name = format!("_{service}._tcp.{domain}");
            let publish = || format!("publish {name}. IN SRV 0 1 {port} {own}.");
            match self.dns.srv(&name).await {
                Ok(answer) if answer.records.iter().any(|(p, h)| *h == own && *p == port) => {}
                Ok(_) => findings.push(warning(format!("SRV: {name} leads elsewhere; {}", publish()))),
                Err(e) => findings.push(failed(&e, || {
                    warning(format!("SRV: mail programs do not find {service} of {domain}; {}", publish()))
                })),
            }
        }
        let name = format!("autoconfig.{domain}");
        if self.config.listen.https.is_some()
            && let Err(e) = self.dns.addresses(&name).await
        {
            findings.push(failed(&e, || {
                let own = self.config.web.url.host();
                warning(format!("autoconfig: Thunderbird looks for {name}; publish it as a CNAME of {own}"))
            }));
        }
        findings
    }

    /// Bounces come to this server.
    async fn returns(&self) -> Vec<Finding> {
        if self.config.listen.inbound.is_none() {
            return Vec::new();
        }
        let seal = self.entity.seal_address();
        let domain = match (&self.entity.returns, &seal) {
            (Some(domain), _) => domain.to_ascii(),
            (None, Some(address)) => address.ascii_domain(),
            (None, None) => return Vec::new(),
        };
        let own = self.entity.hostname.to_ascii_lowercase();
        match self.dns.mx(&domain).await {
            Ok(answer) if answer.records.iter().any(|(_, host)| *host == own) => Vec::new(),
            Ok(_) | Err(LookupError::Nothing { .. }) => vec![warning(format!(
                "MX: bounces go to {domain}, whose MX does not name {own}: they will not come back here; \
                 see `entity.returns`"
            ))],
            Err(e) => vec![warning(format!("DNS: {e}"))],
        }
    }

    async fn dkim(&self) -> Vec<Finding> {
        let Ok(keys) = DomainKeys::open(self.entity) else { return Vec::new() };
        let mut findings = Vec::new();
        for record in keys.records(self.entity) {
            findings.extend(self.published(&record).await);
        }
        findings
    }

    async fn published(&self, record: &Record) -> Option<Finding> {
        match self.dns.txt(&record.name).await {
            Ok(answer) if answer.records.iter().any(|t| key_of(t) == key_of(&record.text)) => None,
            Ok(_) => Some(fault(format!("DKIM: {} holds another key than the one that signs", record.name))),
            Err(e) => Some(failed(&e, || fault(format!("DKIM: {} is not published", record.name)))),
        }
    }

    /// Names of our addresses, which receivers look at when we send by ourselves.
    async fn ptr(&self) -> Vec<Finding> {
        let host = self.entity.hostname.to_ascii_lowercase();
        let alone = self.config.relay.smarthost.is_none();
        let judge = |text: String| if alone { fault(text) } else { warning(text) };
        let addresses = match self.dns.addresses(&host).await {
            Ok(answer) => answer.records,
            Err(e) => return vec![failed(&e, || judge(format!("PTR: {host} has no address")))],
        };
        let mut findings = Vec::new();
        for address in addresses {
            match self.dns.names(address).await {
                Ok(answer) if answer.records.contains(&host) => {}
                Ok(answer) => {
                    findings.push(judge(format!(
                        "PTR: {address} is named {}, not {host}",
                        answer.records.join(", ")
                    )));
                }
                Err(e) => findings.push(failed(&e, || judge(format!("PTR: {address} has no name")))),
            }
        }
        findings
    }
}

/// The `p=` tag, blanks removed (RFC 6376 §3.6.1).
fn key_of(text: &str) -> Option<String> {
    let tag = text.split(';').find_map(|f| f.trim().strip_prefix("p="))?;
    Some(tag.chars().filter(|c| !c.is_whitespace()).collect())
}
