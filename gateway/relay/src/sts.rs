//! MTA-STS: a domain's word that its servers have good certificates (RFC 8461).
//!
//! **Job.** Looks for the policy, fetches it over verified HTTPS, keeps it as long as it says.
//!
//! **Exposure.** The domain's DNS and web server. The policy is bounded, its fetch has an end, redirects are
//! not followed (RFC 8461 §3.3).
//!
//! **Failure modes.** A policy that cannot be fetched leaves the one fetched before in force while it lasts;
//! without one, mail goes as if there were none, as the standard wants it.

use crate::dns::Dns;
use crate::tlsrpt::TlsFault;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::client::TlsStream;

/// RFC 8461 §3.3 recommends these.
const MAX_POLICY: usize = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a policy that could not be fetched is not asked for again.
const AGAIN: Duration = Duration::from_secs(300);
/// RFC 8461 §3.2: a year at most.
const LONGEST: u64 = 31_557_600;
/// Lines of a policy that a report quotes.
const MOST_LINES: usize = 120;
/// Policies kept; beyond, the soonest to end make room.
const MOST: usize = 10_000;

/// How serious a policy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Servers that do not fit get no mail.
    Enforce,
    /// Failures are only to be reported.
    Testing,
    /// No policy any more.
    None,
}

/// A domain's policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Mode.
    pub mode: Mode,
    /// Host names, or `*.` and a domain.
    mx: Vec<String>,
    max_age: Duration,
    /// As it was fetched, for reports.
    lines: Vec<String>,
}

impl Policy {
    /// Reads a policy file (RFC 8461 §3.2).
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (mut version, mut mode, mut max_age, mut mx) = (false, None, None, Vec::new());
        for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
            let (key, value) = line.split_once(':').ok_or("a line is no field")?;
            let value = value.trim();
            match key.trim() {
                "version" if value == "STSv1" => version = true,
                "version" => return Err("another version"),
                "mode" if mode.is_none() => {
                    mode = Some(match value {
                        "enforce" => Mode::Enforce,
                        "testing" => Mode::Testing,
                        "none" => Mode::None,
                        _ => return Err("an unknown mode"),
                    });
                }
                "max_age" if max_age.is_none() => {
                    let seconds: u64 = value.parse().map_err(|_| "max_age is no number")?;
                    max_age = Some(Duration::from_secs(seconds.min(LONGEST)));
                }
                "mx" if mx.len() < 100 => mx.push(value.to_ascii_lowercase()),
                // RFC 8461 §3.2: of doubled fields the first counts; unknown ones are left aside.
                _ => {}
            }
        }
        let (Some(mode), Some(max_age), true) = (mode, max_age, version) else {
            return Err("version, mode or max_age is missing");
        };
        if mx.is_empty() && mode != Mode::None {
            return Err("no mx is named");
        }
        let lines = text.lines().map(|l| l.trim().to_owned()).filter(|l| !l.is_empty());
        Ok(Self { mode, mx, max_age, lines: lines.take(MOST_LINES).collect() })
    }

    /// Its lines.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
    /// Its host names and patterns.
    pub fn patterns(&self) -> &[String] {
        &self.mx
    }

    /// Whether a host may get the domain's mail (RFC 8461 §4.1: `*.` stands for exactly one label).
    pub fn allows(&self, host: &str) -> bool {
        self.mx.iter().any(|pattern| match pattern.strip_prefix("*.") {
            Some(parent) => {
                host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent)
            }
            None => pattern == host,
        })
    }
}

struct Kept {
    id: String,
    policy: Arc<Policy>,
    until: Instant,
}

/// A fetch that failed.
struct Missed {
    id: String,
    fault: TlsFault,
    until: Instant,
}

/// Policies of all domains.
pub(crate) struct PolicyCache {
    tls: Option<Arc<ClientConfig>>,
    kept: Mutex<HashMap<String, Kept>>,
    missed: Mutex<HashMap<String, Missed>>,
}

impl PolicyCache {
    /// Without trusted authorities nothing can be fetched, and no domain has a policy.
    pub(crate) fn new(tls: Option<Arc<ClientConfig>>) -> Self {
        Self { tls, kept: Mutex::default(), missed: Mutex::default() }
    }

    /// The policy in force for a domain, and what failed in finding out.
    pub(crate) async fn of(&self, domain: &str, dns: &Dns) -> (Option<Arc<Policy>>, Option<TlsFault>) {
        let Some(tls) = self.tls.as_ref() else { return (None, None) };
        let before = self.kept(domain);
        let announced = match dns.txt(&format!("_mta-sts.{domain}")).await {
            Ok(answer) => id(&answer.records),
            Err(_) => None,
        };
        let Some(id) = announced else { return (before.map(|(_, policy)| policy), None) };
        if let Some((_, policy)) = before.as_ref().filter(|(known, _)| *known == id) {
            return (Some(policy.clone()), None);
        }
        if let Some(fault) = self.missed(domain, &id) {
            return (before.map(|(_, policy)| policy), Some(fault));
        }
        let fetched = match timeout(PATIENCE, fetch(domain, dns, tls)).await {
            Ok(fetched) => fetched
                .and_then(|text| Policy::parse(&text).map_err(|e| (TlsFault::StsInvalid, e.to_owned()))),
            Err(_) => Err((TlsFault::StsFetch, "no answer in time".to_owned())),
        };
        match fetched {
            Ok(policy) => (Some(self.keep(domain, id, policy)), None),
            Err((fault, error)) => {
                tracing::warn!(domain, error, "the MTA-STS policy cannot be fetched");
                self.miss(domain, id, fault);
                (before.map(|(_, policy)| policy), Some(fault))
            }
        }
    }

    fn kept(&self, domain: &str) -> Option<(String, Arc<Policy>)> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.get(domain).filter(|k| k.until > Instant::now())?;
        Some((found.id.clone(), found.policy.clone()))
    }

    /// Why this policy could not be fetched a moment ago.
    fn missed(&self, domain: &str, id: &str) -> Option<TlsFault> {
        let missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        missed.get(domain).filter(|m| m.id == id && m.until > Instant::now()).map(|m| m.fault)
    }

    /// RFC 8461 §3.3: a server that does not serve what it announces is asked again after a while, so that it holds up
    /// one attempt and not each.
    fn miss(&self, domain: &str, id: String, fault: TlsFault) {
        let now = Instant::now();
        let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        if missed.len() >= MOST {
            missed.retain(|_, m| m.until > now);
        }
        if missed.len() < MOST {
            missed.insert(domain.to_owned(), Missed { id, fault, until: now + AGAIN });
        }
    }

    fn keep(&self, domain: &str, id: String, policy: Policy) -> Arc<Policy> {
        let (policy, now) = (Arc::new(policy), Instant::now());
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST {
            kept.retain(|_, k| k.until > now);
        }
        if kept.len() >= MOST
            && let Some(soonest) = kept.iter().min_by_key(|(_, k)| k.until).map(|(d, _)| d.clone())
        {
            kept.remove(&soonest);
        }
        let until = now + policy.max_age;
        kept.insert(domain.to_owned(), Kept { id, policy: policy.clone(), until });
        policy
    }
}

/// The `id` of the one record that announces a policy (RFC 8461 §3.1).
fn id(records: &[String]) -> Option<String> {
    let mut announced = records.iter().filter(|r| r.starts_with("v=STSv1"));
    let record = announced.next().filter(|_| announced.next().is_none())?;
    let mut fields = record.split(';').skip(1).filter_map(|f| f.trim().split_once('='));
    let id = fields.find(|(name, _)| name.trim() == "id")?.1.trim();
    let fits = (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
    fits.then(|| id.to_owned())
}

async fn fetch(domain: &str, dns: &Dns, tls: &Arc<ClientConfig>) -> Result<String, (TlsFault, String)> {
    let failed = |text: String| (TlsFault::StsFetch, text);
    let host = format!("mta-sts.{domain}");
    let addresses = dns.addresses(&host).await.map_err(|e| failed(e.to_string()))?;
    let stream = connect(&addresses.records).await.map_err(failed)?;
    let name = ServerName::try_from(host.clone()).map_err(|e| failed(e.to_string()))?;
    let connector = tokio_rustls::TlsConnector::from(tls.clone());
    let stream = connector.connect(name, stream).await.map_err(|e| (TlsFault::StsWebpki, e.to_string()))?;
    request(&host, stream).await.map_err(failed)
}

async fn request(host: &str, stream: TlsStream<TcpStream>) -> Result<String, String> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    // Ends with the response, or with the sender.
    let driver = tokio::spawn(connection);
    let request = Request::get("/.well-known/mta-sts.txt")
        .header("Host", host)
        .header("Connection", "close")
        .body(Empty::<Bytes>::new())
        .map_err(|e| e.to_string())?;
    let response = sender.send_request(request).await.map_err(|e| e.to_string())?;
    if response.status() != 200 {
        driver.abort();
        return Err(format!("its server answers {}", response.status()));
    }
    let body = Limited::new(response.into_body(), MAX_POLICY).collect().await.map_err(|e| e.to_string())?;
    driver.abort();
    String::from_utf8(body.to_bytes().to_vec()).map_err(|e| e.to_string())
}

async fn connect(addresses: &[IpAddr]) -> Result<TcpStream, String> {
    let mut last = "its web server has no address".to_owned();
    for address in addresses.iter().take(4) {
        match timeout(Duration::from_secs(10), TcpStream::connect((*address, 443))).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(e)) => last = e.to_string(),
            Err(_) => last = "its web server does not answer".to_owned(),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies() {
        let text = "version: STSv1\r\nmode: enforce\r\nmx: MX1.example\r\nmx: *.mail.example\r\nmax_age: 86400\r\nx: y\r\n";
        let policy = Policy::parse(text).unwrap();
        assert_eq!((policy.mode, policy.max_age), (Mode::Enforce, Duration::from_secs(86_400)));
        for (host, allowed) in [
            ("mx1.example", true),
            ("a.mail.example", true),
            ("mail.example", false),
            ("a.b.mail.example", false),
            (".mail.example", false),
            ("mx2.example", false),
        ] {
            assert_eq!(policy.allows(host), allowed, "{host}");
        }
        for bad in [
            "",
            "version: STSv2\nmode: none\nmax_age: 1\n",
            "mode: enforce\nmx: a\nmax_age: 1\n",
            "version: STSv1\nmode: enforce\nmax_age: 1\n",
            "version: STSv1\nmode: maybe\nmx: a\nmax_age: 1\n",
            "version: STSv1\nmode: enforce\nmx: a\nmax_age: soon\n",
            "<html>",
        ] {
            assert!(Policy::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Policy::parse("version: STSv1\nmode: none\nmax_age: 1\n").is_ok());
    }

    #[test]
    fn announcements() {
        let of = |records: &[&str]| id(&records.iter().map(|r| (*r).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["v=STSv1; id=20261122T0;"]), Some("20261122T0".into()));
        assert_eq!(of(&["x", "v=STSv1;id=a"]), Some("a".into()));
        for bad in
            [&["v=STSv1; id=a", "v=STSv1; id=b"][..], &["v=STSv1"], &["v=STSv1; id=a-b"], &["v=spf1"], &[]]
        {
            assert_eq!(of(bad), None, "{bad:?}");
        }
    }
}
