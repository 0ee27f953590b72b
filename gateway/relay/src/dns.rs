//! Questions to DNS, and how much the answers can be trusted.
//!
//! **Job.** MX, addresses, TLSA, TXT and PTR through the system's resolvers or configured ones, validated by
//! DNSSEC here, so that no resolver has to be believed.
//!
//! **Exposure.** Whoever answers. Names in answers are host names or are left out; the number of records
//! used is bounded by their readers.
//!
//! **Standards.** RFC 1035, RFC 4035 (validation), RFC 7672 §2.1 (what a failed validation means).
//!
//! **Failure modes.** [`LookupError`] tells "there is none" from "it cannot be told": the second never lets
//! mail take a weaker way. A resolver that strips signatures makes every signed domain look forged; then
//! another resolver is needed, or `dns.validate = false`.

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::dnssec::{Proof, TrustAnchors};
use hickory_resolver::proto::rr::rdata::TLSA;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{Resolver, TokioResolver};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How to ask.
#[derive(Debug, Clone)]
pub struct DnsConfig {
    /// Resolvers; the system's when empty.
    pub servers: Vec<SocketAddr>,
    /// File of DNSKEY records to trust instead of the root's.
    pub trust_anchor: Option<PathBuf>,
    /// Whether answers are validated.
    pub validate: bool,
}

/// Why DNS cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum DnsSetupError {
    /// The system's configuration cannot be read.
    #[error("the system's resolvers: {0}")]
    System(String),
    /// The trust anchor cannot be read.
    #[error("the trust anchor {path}: {text}")]
    Anchor {
        /// File.
        path: PathBuf,
        /// Why.
        text: String,
    },
    /// The library refuses the settings.
    #[error("DNS: {0}")]
    Library(String),
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// There is no such record, or no such name.
    #[error("{name} {}", if *.exists { "has no such record" } else { "does not exist" })]
    Nothing {
        /// The name.
        name: String,
        /// Whether the name has other records.
        exists: bool,
    },
    /// The answer is signed wrongly, or not signed although it must be.
    #[error("the DNS answer for {0} fails validation (DNSSEC)")]
    Bogus(String),
    /// No answer now.
    #[error("no DNS answer for {name}: {text}")]
    Temporary {
        /// The name.
        name: String,
        /// Why.
        text: String,
    },
}

/// Records, and whether DNSSEC vouches for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    /// In the order of the answer.
    pub records: Vec<T>,
    /// Proved by an unbroken chain of signatures from the trust anchor.
    pub secure: bool,
}

/// A resolver.
#[derive(Clone)]
pub struct Dns {
    resolver: Arc<TokioResolver>,
    validates: bool,
}

impl std::fmt::Debug for Dns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dns").field("validates", &self.validates).finish_non_exhaustive()
    }
}

impl Dns {
    /// Sets it up; nothing is asked yet.
    pub fn new(config: &DnsConfig) -> Result<Self, DnsSetupError> {
        let library = |e: NetError| DnsSetupError::Library(e.to_string());
        let mut builder = if config.servers.is_empty() {
            Resolver::builder_tokio().map_err(|e| DnsSetupError::System(e.to_string()))?
        } else {
            let servers = config.servers.iter().map(|s| name_server(*s)).collect();
            Resolver::builder_with_config(
                ResolverConfig::from_name_servers(servers),
                TokioRuntimeProvider::default(),
            )
        };
        let options = builder.options_mut();
        options.validate = config.validate;
        options.use_hosts_file = ResolveHosts::Never;
        options.try_tcp_on_error = true;
        options.timeout = Duration::from_secs(5);
        if let Some(path) = config.trust_anchor.as_ref().filter(|_| config.validate) {
            let anchors = TrustAnchors::from_file(path)
                .map_err(|e| DnsSetupError::Anchor { path: path.clone(), text: e.to_string() })?;
            builder = builder.with_trust_anchor(Arc::new(anchors));
        }
        let resolver = Arc::new(builder.build().map_err(library)?);
        Ok(Self { resolver, validates: config.validate })
    }

    /// Mail exchangers: preference and host name, `.` for none (RFC 7505).
    pub async fn mx(&self, domain: &str) -> Result<Answer<(u16, String)>, LookupError> {
        self.ask(domain, RecordType::MX, |data| match data {
            RData::MX(mx) => Some((mx.preference, host(&mx.exchange))),
            _ => None,
        })
        .await
    }

    /// Addresses, IPv6 first; secure only when every part of the answer is.
    pub async fn addresses(&self, name: &str) -> Result<Answer<IpAddr>, LookupError> {
        let address = |data: &RData| data.ip_addr();
        let (six, four) =
            tokio::join!(self.ask(name, RecordType::AAAA, address), self.ask(name, RecordType::A, address));
        match (six, four) {
            (Ok(mut six), Ok(four)) => {
                six.records.extend(four.records);
                Ok(Answer { records: six.records, secure: six.secure && four.secure })
            }
            (Ok(found), Err(LookupError::Nothing { .. })) | (Err(LookupError::Nothing { .. }), Ok(found)) => {
                Ok(found)
            }
            // What one kind of question could not learn, the other may not hide.
            (Err(LookupError::Nothing { .. }), Err(e)) | (Err(e), _) | (_, Err(e)) => Err(e),
        }
    }

    /// TLSA records of a port.
    pub async fn tlsa(&self, name: &str, port: u16) -> Result<Answer<TLSA>, LookupError> {
        let name = format!("_{port}._tcp.{name}");
        self.ask(&name, RecordType::TLSA, |data| match data {
            RData::TLSA(tlsa) => Some(tlsa.clone()),
            _ => None,
        })
        .await
    }

    /// Texts, the strings of each joined (RFC 7208 §3.3).
    pub async fn txt(&self, name: &str) -> Result<Answer<String>, LookupError> {
        self.ask(name, RecordType::TXT, |data| match data {
            RData::TXT(txt) => Some(txt.txt_data.iter().map(|s| String::from_utf8_lossy(s)).collect()),
            _ => None,
        })
        .await
    }

    /// Servers of a service (RFC 2782): port and host name, `.` for none.
    pub async fn srv(&self, name: &str) -> Result<Answer<(u16, String)>, LookupError> {
        self.ask(name, RecordType::SRV, |data| match data {
            RData::SRV(srv) => Some((srv.port, host(&srv.target))),
            _ => None,
        })
        .await
    }

    /// Names of an address.
    pub async fn names(&self, address: IpAddr) -> Result<Answer<String>, LookupError> {
        let name = Name::from(address).to_ascii();
        self.ask(&name, RecordType::PTR, |data| match data {
            RData::PTR(ptr) => Some(host(ptr)),
            _ => None,
        })
        .await
    }

    async fn ask<T>(
        &self,
        name: &str,
        kind: RecordType,
        take: impl Fn(&RData) -> Option<T>,
    ) -> Result<Answer<T>, LookupError> {
        let nothing = |exists| LookupError::Nothing { name: name.to_owned(), exists };
        let temporary = |text: String| LookupError::Temporary { name: name.to_owned(), text };
        let mut asked = Name::from_ascii(name).map_err(|_| nothing(false))?;
        // Never completed by a search list.
        asked.set_fqdn(true);
        let found = match self.resolver.lookup(asked, kind).await {
            Ok(found) => found,
            Err(e) if e.is_no_records_found() => return Err(nothing(!e.is_nx_domain())),
            Err(NetError::Dns(DnsError::Nsec { proof: Proof::Insecure, .. })) => return Err(nothing(true)),
            Err(NetError::Dns(DnsError::Nsec { .. } | DnsError::DnssecBogus)) => {
                return Err(LookupError::Bogus(name.to_owned()));
            }
            Err(e) => return Err(temporary(e.to_string())),
        };
        let counts = |r: &&Record| r.record_type() == kind || r.record_type() == RecordType::CNAME;
        let answers: Vec<&Record> = found.answers().iter().filter(counts).collect();
        if answers.iter().any(|r| self.validates && matches!(r.proof, Proof::Bogus | Proof::Indeterminate)) {
            return Err(LookupError::Bogus(name.to_owned()));
        }
        let secure =
            self.validates && !answers.is_empty() && answers.iter().all(|r| r.proof == Proof::Secure);
        let records: Vec<T> = answers.iter().filter_map(|r| take(&r.data)).collect();
        if records.is_empty() {
            return Err(nothing(true));
        }
        Ok(Answer { records, secure })
    }
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    connections.iter_mut().for_each(|c| c.port = address.port());
    NameServerConfig::new(address.ip(), true, connections)
}

/// A name without the final dot; the root stays a dot.
fn host(name: &Name) -> String {
    let text = name.to_ascii().to_ascii_lowercase();
    match text.strip_suffix('.') {
        Some("") | None => text,
        Some(rest) => rest.to_owned(),
    }
}
