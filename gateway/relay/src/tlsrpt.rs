//! What became of TLS with domains' own servers, counted for the reports that domains ask for (RFC 8460).
//!
//! **Job.** Every session that is begun, or fails for its TLS, is one more in [`TlsResults`]; somebody takes the
//! counts from time to time and keeps them.
//!
//! **Exposure.** Domains and hosts are strangers' words: so many different results are counted, no more.
//!
//! **Standards.** RFC 8460 §4.2 (policies), §4.3 (result types).
//!
//! **Failure modes.** What is counted here and not yet taken is lost with the process: these are statistics, not
//! evidence.

use crate::delivery::TlsFacts;
use crate::sts;
use rustls::CertificateError;
use sealpost_envelope::Clock;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Different results counted between two takings.
const MOST: usize = 20_000;

/// Where a policy comes from (RFC 8460 §4.4, `policy-type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PolicyKind {
    /// DANE.
    Tlsa,
    /// MTA-STS.
    Sts,
    /// There is none.
    Absent,
}

impl PolicyKind {
    /// Its word in a report.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tlsa => "tlsa",
            Self::Sts => "sts",
            Self::Absent => "no-policy-found",
        }
    }
}

/// A policy as a report quotes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TlsPolicy {
    /// Where it comes from.
    pub kind: PolicyKind,
    /// Its lines or records.
    pub strings: Vec<String>,
    /// The domain it is for: the recipients', or the server's TLSA base domain.
    pub domain: String,
    /// Host name patterns of MTA-STS.
    pub mx: Vec<String>,
    /// Failures are to be reported, and nothing more (RFC 8461 §5).
    pub testing: bool,
}

impl TlsPolicy {
    /// None.
    pub fn absent(domain: &str) -> Self {
        Self {
            kind: PolicyKind::Absent,
            strings: Vec::new(),
            domain: domain.to_owned(),
            mx: Vec::new(),
            testing: false,
        }
    }
    /// A domain's MTA-STS policy.
    pub fn sts(domain: &str, policy: &sts::Policy) -> Self {
        Self {
            kind: PolicyKind::Sts,
            strings: policy.lines().to_vec(),
            mx: policy.patterns().to_vec(),
            testing: policy.mode == sts::Mode::Testing,
            ..Self::absent(domain)
        }
    }
    /// The TLSA records of a server.
    pub fn tlsa(host: &str, strings: Vec<String>) -> Self {
        Self { kind: PolicyKind::Tlsa, strings, ..Self::absent(host) }
    }
}

/// Whose mail a session is for, and under which policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    /// Recipients' domain, which is asked whether it wants reports.
    pub domain: String,
    /// The policy applied.
    pub policy: Arc<TlsPolicy>,
}

/// Why TLS failed (RFC 8460 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsFault {
    /// STARTTLS was not offered, or refused.
    NotOffered,
    /// The certificate names another host.
    HostMismatch,
    /// The certificate is over.
    Expired,
    /// The certificate leads to no authority that is trusted.
    NotTrusted,
    /// Anything else about TLS.
    Validation,
    /// No TLSA record names the certificate.
    TlsaInvalid,
    /// The TLSA records' signatures are wrong.
    DnssecInvalid,
    /// The MTA-STS policy cannot be fetched.
    StsFetch,
    /// The MTA-STS policy cannot be understood.
    StsInvalid,
    /// The policy's web server has no good certificate.
    StsWebpki,
}

impl TlsFault {
    /// Its word in a report.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotOffered => "starttls-not-supported",
            Self::HostMismatch => "certificate-host-mismatch",
            Self::Expired => "certificate-expired",
            Self::NotTrusted => "certificate-not-trusted",
            Self::Validation => "validation-failure",
            Self::TlsaInvalid => "tlsa-invalid",
            Self::DnssecInvalid => "dnssec-invalid",
            Self::StsFetch => "sts-policy-fetch-error",
            Self::StsInvalid => "sts-policy-invalid",
            Self::StsWebpki => "sts-webpki-invalid",
        }
    }

    /// What a failed handshake was about.
    pub(crate) fn of_handshake(error: &std::io::Error) -> Self {
        let inner = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
        let Some(rustls::Error::InvalidCertificate(error)) = inner else { return Self::Validation };
        match error {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::HostMismatch
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::UnknownIssuer => Self::NotTrusted,
            // The DANE verifier says nothing finer.
            CertificateError::ApplicationVerificationFailure => Self::TlsaInvalid,
            _ => Self::Validation,
        }
    }
}

/// One kind of result.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TlsResult {
    /// Days since 1970, UTC.
    pub day: i64,
    /// Recipients' domain.
    pub domain: String,
    /// The policy applied.
    pub policy: Arc<TlsPolicy>,
    /// What failed; `None` is success.
    pub fault: Option<TlsFault>,
    /// Server, of a failure.
    pub mx: Option<String>,
    /// Its address, of a failure.
    pub ip: Option<IpAddr>,
}

/// Counts.
#[derive(Debug)]
pub struct TlsResults {
    clock: Arc<dyn Clock>,
    counts: Mutex<HashMap<TlsResult, u64>>,
}

impl TlsResults {
    /// Nothing yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, counts: Mutex::default() }
    }

    /// One more session.
    pub(crate) fn count(
        &self,
        audience: &Audience,
        fault: Option<TlsFault>,
        host: Option<&str>,
        ip: Option<IpAddr>,
    ) {
        let failed = fault.is_some();
        let result = TlsResult {
            day: self.clock.now().as_second().div_euclid(86_400),
            domain: audience.domain.clone(),
            policy: audience.policy.clone(),
            fault,
            mx: host.filter(|_| failed).map(str::to_owned),
            ip: ip.filter(|_| failed),
        };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() < MOST || counts.contains_key(&result) {
            *counts.entry(result).or_default() += 1;
        }
    }

    /// Takes the counts away.
    pub fn take(&self) -> Vec<(TlsResult, u64)> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *counts).into_iter().collect()
    }
}

/// What an established session says: in the clear, or with a certificate that a policy under test would refuse.
pub(crate) fn fault_of(policy: &TlsPolicy, tls: Option<&TlsFacts>) -> Option<TlsFault> {
    match tls {
        None => Some(TlsFault::NotOffered),
        Some(facts) if policy.testing && !facts.verified => Some(TlsFault::NotTrusted),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealpost_envelope::FixedClock;

    fn results() -> TlsResults {
        TlsResults::new(Arc::new(FixedClock::new("2026-11-22T23:59:59Z".parse().unwrap())))
    }

    fn audience(domain: &str) -> Audience {
        Audience { domain: domain.to_owned(), policy: Arc::new(TlsPolicy::absent(domain)) }
    }

    #[test]
    fn like_results_are_counted_together() {
        let results = results();
        for host in ["mx1", "mx2"] {
            results.count(&audience("a.example"), None, Some(host), None);
        }
        results.count(&audience("a.example"), Some(TlsFault::Expired), Some("mx1"), None);
        let mut taken = results.take();
        taken.sort_by_key(|(r, _)| r.fault.is_some());
        assert_eq!(taken.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [2, 1]);
        assert_eq!((taken[0].0.day, taken[0].0.mx.as_deref()), (20_779, None));
        assert_eq!(taken[1].0.mx.as_deref(), Some("mx1"));
        assert!(results.take().is_empty());
    }

    #[test]
    fn strangers_cannot_fill_the_memory() {
        let results = results();
        for n in 0..MOST + 5 {
            results.count(&audience(&format!("d{n}.example")), None, None, None);
        }
        results.count(&audience("d0.example"), None, None, None);
        let taken = results.take();
        assert_eq!(taken.len(), MOST);
        assert_eq!(taken.iter().map(|(_, n)| n).sum::<u64>(), MOST as u64 + 1);
    }

    #[test]
    fn certificates_tell_what_is_wrong() {
        let of =
            |error| TlsFault::of_handshake(&std::io::Error::other(rustls::Error::InvalidCertificate(error)));
        assert_eq!(of(CertificateError::NotValidForName), TlsFault::HostMismatch);
        assert_eq!(of(CertificateError::Expired), TlsFault::Expired);
        assert_eq!(of(CertificateError::UnknownIssuer), TlsFault::NotTrusted);
        assert_eq!(of(CertificateError::ApplicationVerificationFailure), TlsFault::TlsaInvalid);
        assert_eq!(of(CertificateError::BadEncoding), TlsFault::Validation);
        assert_eq!(TlsFault::of_handshake(&std::io::Error::other("x")), TlsFault::Validation);
    }
}
