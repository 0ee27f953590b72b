//! A domain's own servers, and what is asked of them.
//!
//! **Job.** [`Exchangers::plan`] finds the servers in their order; [`Exchangers::host`] finds a server's
//! addresses and decides about TLS: DANE where DNSSEC proves it, else the domain's MTA-STS policy, else
//! encryption when offered.
//!
//! **Standards.** RFC 5321 §5.1 (order, implicit MX, ourselves among them), RFC 7505 (null MX), RFC 7672
//! §2.2 (DANE; an answer that fails validation never lets mail take a weaker way), RFC 8461 §5 (MTA-STS;
//! never below DANE).
//!
//! **Failure modes.** What DNS cannot tell now is tried again later; a domain that does not exist, or takes
//! no mail, is a permanent failure.

use crate::config::{Smarthost, TlsMode};
use crate::dane;
use crate::dns::{Dns, LookupError};
use crate::sts::{Mode, Policy, PolicyCache};
use crate::tlsrpt::{Audience, PolicyKind, TlsFault, TlsPolicy, TlsResults};
use std::net::IpAddr;
use std::sync::Arc;

/// Servers tried in one attempt.
const MOST_HOSTS: usize = 8;
/// Addresses tried of one server.
const MOST_ADDRESSES: usize = 4;

/// Why there is nobody to give the mail to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unreachable {
    /// For good.
    Never(String),
    /// For now.
    Later(String),
}

/// Where a domain's mail goes.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Host names, the preferred first.
    pub(crate) hosts: Vec<String>,
    /// Whose mail it is.
    domain: String,
    /// DNSSEC vouches for the names.
    secure: bool,
    policy: Option<Arc<Policy>>,
}

/// Finds servers.
pub(crate) struct Exchangers {
    pub(crate) dns: Dns,
    pub(crate) policies: PolicyCache,
    /// Port of all of them.
    pub(crate) port: u16,
    /// Our own name.
    pub(crate) hostname: String,
    /// Where it is counted that a policy could not be had or kept.
    pub(crate) results: Option<Arc<TlsResults>>,
}

impl Exchangers {
    /// Finds a domain's servers; `shuffle` gives the order among equals.
    pub(crate) async fn plan(&self, domain: &str, shuffle: impl Fn() -> u64) -> Result<Plan, Unreachable> {
        if let Some(literal) = domain.strip_prefix('[').and_then(|d| d.strip_suffix(']')) {
            let ip = literal.strip_prefix("IPv6:").unwrap_or(literal);
            let (hosts, domain) = (vec![ip.to_owned()], domain.to_owned());
            return Ok(Plan { hosts, domain, secure: false, policy: None });
        }
        let (records, secure) = match self.dns.mx(domain).await {
            Ok(answer) => (answer.records, answer.secure),
            // RFC 5321 §5.1: without MX records the domain is its own server.
            Err(LookupError::Nothing { exists: true, .. }) => (vec![(0, domain.to_owned())], false),
            Err(e @ LookupError::Nothing { .. }) => return Err(Unreachable::Never(format!("5.1.2 {e}"))),
            Err(e) => return Err(Unreachable::Later(e.to_string())),
        };
        let hosts = ordered(records, &self.hostname, shuffle).map_err(Unreachable::Never)?;
        let (policy, fault) = self.policies.of(domain, &self.dns).await;
        if let Some(fault) = fault {
            let unknown = TlsPolicy { kind: PolicyKind::Sts, ..TlsPolicy::absent(domain) };
            self.count(domain, unknown, fault, None);
        }
        Ok(Plan { hosts, domain: domain.to_owned(), secure, policy })
    }

    fn count(&self, domain: &str, policy: TlsPolicy, fault: TlsFault, host: Option<&str>) {
        if let Some(results) = &self.results {
            let audience = Audience { domain: domain.to_owned(), policy: Arc::new(policy) };
            results.count(&audience, Some(fault), host, None);
        }
    }

    /// A server's addresses, and the TLS it must show.
    pub(crate) async fn host(&self, name: &str, plan: &Plan) -> Result<Smarthost, Unreachable> {
        let later = |e: &dyn std::fmt::Display| Unreachable::Later(e.to_string());
        let mut host = Smarthost::new(name, self.port);
        if let Ok(ip) = name.parse::<IpAddr>() {
            host.addresses = vec![ip];
            return Ok(host);
        }
        let addresses = match self.dns.addresses(name).await {
            Ok(addresses) => addresses,
            // The implicit MX of a domain without addresses takes no mail, and neither does a dead name.
            Err(e @ LookupError::Nothing { .. }) => return Err(Unreachable::Never(format!("5.4.4 {e}"))),
            Err(e) => return Err(later(&e)),
        };
        host.addresses = addresses.records.into_iter().take(MOST_ADDRESSES).collect();
        // RFC 7672 §2.2.2: without a secure way to the name and its addresses, records prove nothing.
        if plan.secure && addresses.secure {
            match self.dns.tlsa(name, self.port).await {
                Ok(answer) if answer.secure => {
                    let pins = dane::usable(&answer.records);
                    // RFC 7672 §2.2: records of which none is usable still demand encryption.
                    host.tls = if pins.is_empty() { TlsMode::Encrypted } else { TlsMode::Dane };
                    host.pins = (!pins.is_empty()).then(|| pins.into());
                    let policy = TlsPolicy::tlsa(name, dane::quoted(&answer.records));
                    return self.obey(host, plan, Some(policy));
                }
                Ok(_) | Err(LookupError::Nothing { .. }) => {}
                Err(e) => {
                    if matches!(e, LookupError::Bogus(_)) {
                        let policy = TlsPolicy::tlsa(name, Vec::new());
                        self.count(&plan.domain, policy, TlsFault::DnssecInvalid, Some(name));
                    }
                    return Err(later(&e));
                }
            }
        }
        self.obey(host, plan, None)
    }

    /// What the domain's policy asks on top (RFC 8461 §5: DANE is not weakened by it).
    fn obey(
        &self,
        mut host: Smarthost,
        plan: &Plan,
        tlsa: Option<TlsPolicy>,
    ) -> Result<Smarthost, Unreachable> {
        let sts = plan.policy.as_ref().filter(|p| p.mode != Mode::None);
        let quoted = || sts.map(|p| TlsPolicy::sts(&plan.domain, p));
        let policy = tlsa.or_else(quoted).unwrap_or_else(|| TlsPolicy::absent(&plan.domain));
        host.audience = Some(Audience { domain: plan.domain.clone(), policy: Arc::new(policy) });
        let Some(policy) = sts else { return Ok(host) };
        if !policy.allows(&host.host) {
            self.count(
                &plan.domain,
                TlsPolicy::sts(&plan.domain, policy),
                TlsFault::Validation,
                Some(&host.host),
            );
            if policy.mode == Mode::Testing {
                return Ok(host);
            }
            let text = format!("{} is not among the servers of the domain's MTA-STS policy", host.host);
            return Err(Unreachable::Later(text));
        }
        if policy.mode == Mode::Enforce && host.tls != TlsMode::Dane {
            host.tls = TlsMode::Required;
        }
        Ok(host)
    }
}

/// Names in order of preference, equals shuffled, without ourselves and what stands behind us.
fn ordered(
    records: Vec<(u16, String)>,
    hostname: &str,
    shuffle: impl Fn() -> u64,
) -> Result<Vec<String>, String> {
    // RFC 7505 §3: a single record with the root as its name.
    if let [(_, name)] = records.as_slice()
        && name == "."
    {
        return Err("5.1.10 the domain takes no mail (null MX)".to_owned());
    }
    let mut keyed: Vec<_> =
        records.into_iter().filter(|(_, n)| n != ".").map(|(p, n)| (p, shuffle(), n)).collect();
    keyed.sort();
    // RFC 5321 §5.1: what is not preferred to ourselves would bring the mail back to us.
    if let Some(own) = keyed.iter().find(|(_, _, n)| n == hostname).map(|(p, _, _)| *p) {
        keyed.retain(|(preference, _, _)| *preference < own);
    }
    if keyed.is_empty() {
        return Err("5.4.6 the domain's mail leads back to this server, which does not know it".to_owned());
    }
    Ok(keyed.into_iter().map(|(_, _, name)| name).take(MOST_HOSTS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(records: &[(u16, &str)]) -> Result<Vec<String>, String> {
        let records = records.iter().map(|(p, n)| (*p, (*n).to_owned())).collect();
        ordered(records, "us.example", || 0)
    }

    #[test]
    fn preference_rules() {
        assert_eq!(order(&[(20, "b"), (10, "c"), (10, "a")]).unwrap(), ["a", "c", "b"]);
        assert!(order(&[(0, ".")]).unwrap_err().starts_with("5.1.10"));
        assert_eq!(order(&[(0, "."), (10, "a")]).unwrap(), ["a"]);
        assert_eq!(order(&[(10, "a"), (20, "us.example"), (20, "b"), (30, "c")]).unwrap(), ["a"]);
        assert!(order(&[(10, "us.example"), (20, "b")]).unwrap_err().starts_with("5.4.6"));
        let many: Vec<(u16, String)> = (0..50).map(|n| (n, format!("h{n}"))).collect();
        assert_eq!(ordered(many, "x", || 0).unwrap().len(), MOST_HOSTS);
    }
}
