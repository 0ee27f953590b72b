//! Settings of what leaves: the next server, routes, names, alerts.

use super::kinds::UpstreamTls;
use super::places::{HostPort, SecretSource, Via};
use super::section::section;
use sealpost_envelope::EmailAddress;
use sealpost_policy::Period;
use std::net::SocketAddr;
use std::path::PathBuf;

section! {
    /// Outgoing mail.
    pub struct Relay {
        /// Server that takes all outgoing mail, `HOST:PORT`; mail goes to the recipients' own servers when absent.
        smarthost: Option<HostPort> = unset("\"smtp.provider.example:587\"");
        /// TLS towards it: `require` (STARTTLS with a valid certificate), `tls` (from the first byte,
        /// valid certificate), `opportunistic` (STARTTLS when offered, any certificate) or `none`.
        smarthost_tls: UpstreamTls = default(UpstreamTls::Require);
        /// Certificates that servers must chain to where verified TLS is asked for, PEM; the system's roots
        /// when absent.
        smarthost_ca: Option<PathBuf> = unset("\"provider-ca.pem\"");
        /// Login at the smarthost.
        smarthost_user: Option<String> = unset("\"lilas\"");
        /// Its password.
        smarthost_password: Option<SecretSource> = unset("\"file:smarthost.password\"");
        /// Certificate that it is shown when it asks who we are, PEM, ours first.
        smarthost_certificate: Option<PathBuf> = unset("\"relay-client.pem\"");
        /// Its private key, PEM.
        smarthost_key: Option<PathBuf> = unset("\"relay-client.key\"");
        /// Pauses between attempts; the last one repeats.
        retry: Vec<Period> = default(vec![
            Period::minutes(1), Period::minutes(5), Period::minutes(15), Period::hours(1), Period::hours(4),
        ]);
        /// After this long without success the sender gets a non-delivery notice.
        give_up: Period = default(Period::days(5));
        /// A message that waits for its sender's answer is returned after this long.
        hold_for: Period = default(Period::hours(48));
        /// Deliveries at the same time.
        connections: u32 = default(16);
        /// Tells domains that ask for it in DNS (`_smtp._tls`, RFC 8460) once a day how TLS with their servers went.
        tls_reports: bool = default(true);
        /// Port of recipients' own servers; another one is for trials.
        mx_port: u16 = default(25);
    }
}

section! {
    /// How names are looked up.
    pub struct DnsSettings {
        /// Resolvers, `ADDRESS:PORT`; the system's when empty.
        servers: Vec<SocketAddr> = default(Vec::new());
        /// Check the answers by DNSSEC, which DANE needs. Switch it off only with a resolver that removes
        /// signatures.
        validate: bool = default(true);
        /// File of DNSKEY records to trust instead of the root's, for trials and closed networks.
        trust_anchor: Option<PathBuf> = unset("\"root.key\"");
    }
}

section! {
    /// Exceptions to `relay` by recipient domain.
    pub struct Route {
        /// Recipient domains; `*.example.org` names all below, `*` any.
        domains: Vec<String> = required("[\"partner.example\"]");
        /// `mx` (the domain's own servers), `local` (mailboxes of this installation) or `HOST:PORT`.
        via: Via = required("\"mail.partner.example:25\"");
        /// TLS towards a `HOST:PORT`, as `relay.smarthost_tls`.
        tls: UpstreamTls = default(UpstreamTls::Require);
        /// Certificates that it must chain to, PEM; those of `relay` when absent.
        ca: Option<PathBuf> = unset("\"partner-ca.pem\"");
        /// Certificate that it is shown when it asks who we are, PEM, ours first.
        certificate: Option<PathBuf> = unset("\"partner-client.pem\"");
        /// Its private key, PEM.
        key: Option<PathBuf> = unset("\"partner-client.key\"");
        /// Login at a `HOST:PORT`.
        user: Option<String> = unset("\"lilas\"");
        /// Its password.
        password: Option<SecretSource> = unset("\"file:partner.password\"");
    }
}

section! {
    /// Who hears of trouble.
    pub struct Alerts {
        /// Mail address.
        mail: Option<EmailAddress> = unset("\"informatique@lilas.example\"");
    }
}
