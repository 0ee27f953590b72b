//! Where mail goes and how patiently.

use crate::dane::Pin;
use crate::dns::Dns;
use crate::tls::Tls;
use crate::tlsrpt::{Audience, TlsResults};
use jiff::{SignedDuration, Timestamp};
use sealpost_envelope::{EmailAddress, Secret};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// What a route asks of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// Never: a neighbour on the same machine.
    None,
    /// When offered; any certificate will do, its hash is recorded (RFC 7435).
    Opportunistic,
    /// STARTTLS, whatever the certificate, or no mail leaves.
    Encrypted,
    /// STARTTLS with a certificate that verifies for the host name, or no mail leaves.
    Required,
    /// STARTTLS with a certificate that DNS names (RFC 7672), or no mail leaves.
    Dane,
    /// TLS from the first byte with a certificate that verifies for the host name (RFC 8314).
    Implicit,
}

/// A server that takes mail from us.
#[derive(Debug, Clone)]
pub struct Smarthost {
    /// Name or address; the name a verified certificate must carry.
    pub host: String,
    /// Port.
    pub port: u16,
    /// TLS.
    pub tls: TlsMode,
    /// AUTH PLAIN, under TLS only.
    pub credentials: Option<(String, Secret<String>)>,
    /// Its addresses, when they are known; the system finds them otherwise.
    pub addresses: Vec<IpAddr>,
    /// What its certificate must be, for [`TlsMode::Dane`].
    pub pins: Option<Arc<[Pin]>>,
    /// Authorities and a certificate of our own, for this server alone; the relay's when absent.
    pub own_tls: Option<Arc<Tls>>,
    /// Who may hear how TLS went; nobody of a server that the configuration names.
    pub audience: Option<Audience>,
}

impl Smarthost {
    /// A server by its name, with opportunistic TLS and no login.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            tls: TlsMode::Opportunistic,
            credentials: None,
            addresses: Vec::new(),
            pins: None,
            own_tls: None,
            audience: None,
        }
    }
}

impl Smarthost {
    /// The same server, with whatever TLS there is, and nobody to be told how that went.
    pub(crate) fn whatever_tls(self) -> Self {
        Self { tls: TlsMode::Opportunistic, pins: None, audience: None, ..self }
    }
}

/// What happens to mail for a domain.
#[derive(Debug, Clone)]
pub enum Target {
    /// Goes to this server.
    Smarthost(Smarthost),
    /// Goes to the domain's own servers.
    Mx,
    /// Goes into a mailbox here, through [`crate::Delivery::local`].
    Local,
}

/// Domains and their target; the first route that fits wins.
#[derive(Debug, Clone)]
pub struct Route {
    /// `example.org`, `*.example.org` (its subdomains) or `*`.
    pub domains: Vec<String>,
    /// Where to.
    pub target: Target,
}

impl Route {
    /// Whether this route serves `domain` (lower case).
    pub fn serves(&self, domain: &str) -> bool {
        self.domains.iter().any(|d| match d.strip_prefix("*.") {
            Some(parent) => {
                domain.strip_suffix(parent).is_some_and(|sub| sub.len() > 1 && sub.ends_with('.'))
            }
            None => d == "*" || d.eq_ignore_ascii_case(domain),
        })
    }
}

/// Waits between attempts, and when to give up (RFC 5321 §4.5.4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySchedule {
    /// Wait after the first, second, … attempt; the last one repeats.
    pub waits: Vec<Duration>,
    /// Age of the row at which a temporary refusal becomes a failure.
    pub give_up: Duration,
}

impl Default for RetrySchedule {
    fn default() -> Self {
        let minutes = |m: u64| Duration::from_secs(m * 60);
        Self {
            waits: [1, 5, 15, 30, 60, 120, 240].map(minutes).to_vec(),
            give_up: Duration::from_secs(5 * 24 * 3600),
        }
    }
}

impl RetrySchedule {
    /// When to try again after `attempts` attempts (this one included), or `None` to give up. `spread`
    /// between 0 and 1 moves the time by up to a tenth, so that rows deferred together come back apart.
    pub fn next(&self, attempts: u32, created: Timestamp, now: Timestamp, spread: f64) -> Option<Timestamp> {
        let index = (attempts.max(1) as usize - 1).min(self.waits.len().checked_sub(1)?);
        let wait = self.waits[index].mul_f64(1.0 + spread.clamp(0.0, 1.0) / 10.0);
        let at = now.saturating_add(SignedDuration::try_from(wait).ok()?).ok()?;
        let last = created.saturating_add(SignedDuration::try_from(self.give_up).ok()?).ok()?;
        if at <= last {
            return Some(at);
        }
        // One last attempt at the very end, unless that is what has just been made.
        (now < last).then_some(last)
    }
}

/// Everything the relay is told.
#[derive(Debug, Clone)]
pub struct RelayConfig {
    /// Our name in EHLO.
    pub hostname: String,
    /// Routes in order; without one, the recipient's mail is held.
    pub routes: Vec<Route>,
    /// Retries.
    pub retry: RetrySchedule,
    /// Attempts under way at once.
    pub concurrency: usize,
    /// Connections to one server at once.
    pub per_host: usize,
    /// Attempts, and connections to one server, that only code mails may use beyond those.
    pub urgent: usize,
    /// Longest wait for a server at any step, if shorter than RFC 5321 §4.5.3.2 allows it.
    pub longest_wait: Duration,
    /// How domains' own servers are found, for [`Target::Mx`].
    pub dns: Option<Dns>,
    /// Their port.
    pub mx_port: u16,
    /// Authorities that verified TLS trusts.
    pub roots: Arc<rustls::RootCertStore>,
    /// Where sessions with domains' own servers are counted, if anywhere.
    pub tls_results: Option<Arc<TlsResults>>,
    /// Name under which rows are claimed; the same after a restart, different on each node.
    pub holder: String,
}

impl RelayConfig {
    /// Usual settings without routes.
    pub fn new(hostname: impl Into<String>, holder: impl Into<String>) -> Self {
        Self {
            hostname: hostname.into(),
            routes: Vec::new(),
            retry: RetrySchedule::default(),
            concurrency: 32,
            per_host: 10,
            urgent: 4,
            longest_wait: Duration::from_secs(600),
            dns: None,
            mx_port: 25,
            roots: Arc::new(rustls::RootCertStore::empty()),
            tls_results: None,
            holder: holder.into(),
        }
    }
    /// The target for a recipient.
    pub fn route(&self, recipient: &EmailAddress) -> Option<&Target> {
        self.routes.iter().find(|r| r.serves(recipient.domain())).map(|r| &r.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(domain: &str) -> Route {
        Route { domains: vec![domain.into()], target: Target::Local }
    }

    #[test]
    fn domains_match() {
        for (pattern, domain, want) in [
            ("*", "a.example", true),
            ("a.example", "a.example", true),
            ("A.example", "a.example", true),
            ("a.example", "b.a.example", false),
            ("*.example", "a.example", true),
            ("*.example", "b.a.example", true),
            ("*.example", "example", false),
            ("*.example", "anexample", false),
            ("*.example", ".example", false),
        ] {
            assert_eq!(route(pattern).serves(domain), want, "{pattern} {domain}");
        }
    }

    #[test]
    fn the_schedule_waits_then_gives_up() {
        let at = |s: i64| Timestamp::from_second(1_795_305_600 + s).unwrap();
        let s = RetrySchedule {
            waits: vec![Duration::from_secs(60), Duration::from_secs(300)],
            give_up: Duration::from_secs(1000),
        };
        assert_eq!(s.next(1, at(0), at(0), 0.0), Some(at(60)));
        assert_eq!(s.next(1, at(0), at(0), 1.0), Some(at(66)));
        assert_eq!(s.next(2, at(0), at(60), 0.0), Some(at(360)));
        assert_eq!(s.next(9, at(0), at(700), 0.0), Some(at(1000)));
        assert_eq!(s.next(9, at(0), at(960), 0.0), Some(at(1000)));
        assert_eq!(s.next(9, at(0), at(1000), 0.0), None);
        let none = RetrySchedule { waits: vec![], give_up: Duration::from_secs(10) };
        assert_eq!(none.next(1, at(0), at(0), 0.0), None);
    }
}
