//! Questions that the program asks of the settings.

use super::outgoing::Route;
use super::screening::{Tolerance, Trusted};
use super::sections::{Entity, Listen, Rule, Settings};
use sealpost_envelope::EmailAddress;
use sealpost_policy::RuleConfig;
use std::net::{IpAddr, SocketAddr};

impl Settings {
    /// The entity that a mail domain belongs to, by its place in `entity`.
    pub fn entity_of(&self, domain: &str) -> Option<usize> {
        self.entity.iter().position(|e| e.owns(domain))
    }
    /// The first route that names the domain.
    pub fn route_of(&self, domain: &str) -> Option<&Route> {
        self.route.iter().find(|r| r.names(domain))
    }
}

impl Entity {
    /// From address of the mail that Sealpost writes.
    pub fn seal_address(&self) -> Option<EmailAddress> {
        let by_domain = || EmailAddress::parse(&format!("seal@{}", self.domains.first()?.as_str())).ok();
        self.seal.address.clone().or_else(by_domain)
    }
    /// Whether the domain is one of its own.
    pub fn owns(&self, domain: &str) -> bool {
        self.domains.iter().any(|d| d.as_str().eq_ignore_ascii_case(domain))
    }
}

impl Listen {
    /// All listeners by the name of their setting.
    pub fn all(&self) -> [(&'static str, Option<SocketAddr>); 9] {
        [
            ("submission", self.submission),
            ("submissions", self.submissions),
            ("inbound", self.inbound),
            ("relay", self.relay),
            ("imap", self.imap),
            ("imaps", self.imaps),
            ("https", self.https),
            ("card", self.card),
            ("admin", self.admin),
        ]
    }
}

impl Route {
    /// Whether the route is for this recipient domain.
    pub fn names(&self, domain: &str) -> bool {
        let domain = domain.to_lowercase();
        self.domains.iter().any(|pattern| {
            let pattern = pattern.to_lowercase();
            match pattern.strip_prefix('*') {
                Some("") => true,
                Some(below) => domain.len() > below.len() && domain.ends_with(below),
                None => domain == pattern,
            }
        })
    }
}

impl Trusted {
    /// Whether it connects from this address.
    pub fn serves(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|n| n.contains(address))
    }
    /// Whether this fault is overlooked.
    pub fn tolerates(&self, fault: Tolerance) -> bool {
        self.tolerate.contains(&fault)
    }
    /// Whether it may send with this From.
    pub fn may_send_as(&self, from: &EmailAddress) -> bool {
        self.from.iter().any(|allowed| match allowed.strip_prefix('@') {
            Some(domain) => domain.eq_ignore_ascii_case(from.domain()),
            None => allowed.to_lowercase() == from.key(),
        })
    }
}

impl Rule {
    /// As policy takes it.
    pub fn for_policy(&self) -> RuleConfig {
        RuleConfig {
            name: self.name.clone(),
            when: self.when.clone(),
            treatment: self.treatment,
            gate: self.gate.clone(),
            expires: self.expires,
            retention: self.retention,
            remind: self.remind.clone(),
            identity: self.identity.clone(),
        }
    }
}
