//! Requests to web servers that strangers name.
//!
//! **Job.** A resolver that knows only addresses of the public internet, so that nobody outside makes this server speak to
//! its own neighbours.
//!
//! **Failure.** A name that leads to other addresses alone is a name that leads nowhere.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Resolves by the system, and keeps what is public.
#[derive(Debug)]
pub struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|a| is_public(a.ip())).collect();
            match public.is_empty() {
                true => Err(format!("{} has no public address", name.as_str()).into()),
                false => Ok(Box::new(public.into_iter()) as Addrs),
            }
        })
    }
}

/// Whether the host of an address may be asked: a name, which the resolver judges, or a public address.
pub fn may_be_asked(url: &str) -> bool {
    let host = reqwest::Url::parse(url).ok().and_then(|u| u.host_str().map(str::to_owned));
    host.is_some_and(|h| h.trim_matches(['[', ']']).parse().map_or(true, is_public))
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) => is_public_v4(ip),
            None => is_public_v6(ip),
        },
    }
}

/// RFC 6890: not of this network, private, shared (RFC 6598), loopback, link-local, for protocols, documentation or
/// benchmarks, multicast or reserved.
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let protocols = a == 192 && b == 0 && c == 0;
    let benchmarks = a == 198 && (18..20).contains(&b);
    !(a == 0
        || ip.is_private()
        || shared
        || ip.is_loopback()
        || ip.is_link_local()
        || protocols
        || ip.is_documentation()
        || benchmarks
        || a >= 224)
}

/// Of the global unicast space (RFC 4291 §2.4), without documentation, tunnels and translations, which lead elsewhere.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    let documentation = a == 0x2001 && b == 0x0db8;
    let tunnels = a == 0x2002 || (a == 0x2001 && b < 0x0200);
    (0x2000..0x4000).contains(&a) && !documentation && !tunnels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_not_asked() {
        for (ip, public) in [
            ("9.9.9.9", true),
            ("2620:fe::fe", true),
            ("127.0.0.1", false),
            ("10.1.2.3", false),
            ("172.20.0.1", false),
            ("192.168.1.1", false),
            ("169.254.169.254", false),
            ("100.64.0.1", false),
            ("0.0.0.0", false),
            ("192.0.2.1", false),
            ("198.18.0.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::1", false),
            ("::ffff:10.0.0.1", false),
            ("fe80::1", false),
            ("fd00::1", false),
            ("2001:db8::1", false),
            ("2002:a00:1::", false),
            ("64:ff9b::a00:1", false),
        ] {
            assert_eq!(is_public(ip.parse().unwrap()), public, "{ip}");
        }
        for (url, may) in [
            ("https://reports.example.org/tls", true),
            ("https://127.0.0.1/", false),
            ("https://[::1]/", false),
            ("https://9.9.9.9:8443/", true),
            ("https://0x7f000001/", false),
            ("not an address", false),
        ] {
            assert_eq!(may_be_asked(url), may, "{url}");
        }
    }
}
