//! Servers outside that we log in to: an LDAP directory or the organisation's own IMAP or SMTP server, which know people
//! and their passwords, and mailboxes that hold mail for us.
//!
//! **Job.** [`Backend::judge`] asks one whether a password is somebody's: the first factor of the web login, never the
//! second. [`Backend::people`] reads everybody from a directory, one by one, for synchronisation. [`mailbox::Mailbox`]
//! reads what is new in a folder elsewhere.
//!
//! **Exposure.** Logins and passwords of strangers go out, escaped (RFC 4515, RFC 4514, RFC 4616), and only over
//! verified TLS or to this machine. What servers answer is not believed further than needed: frames and lines are
//! bounded, nothing is parsed by recursion, no referral is followed, and a server that takes any password is found out
//! before it is trusted ([`Trouble::Credulous`]).
//!
//! **Standards.** RFC 4511 to 4515 (LDAP), RFC 2696 (pages), RFC 9051 §6.2 (IMAP), RFC 4954 (SMTP AUTH), RFC 4616 (PLAIN).
//!
//! **Failure.** [`Trouble`] says who is at fault. It is never "wrong password": whoever counts failures must not count it.

mod connection;
mod ldap;
mod login;
mod mail;
pub mod mailbox;

pub use connection::{Place, Security};
pub use ldap::{Directory, FilterError, Found, Lookup};
pub use login::Backend;
pub use mail::{MailServer, Speaks};

use sealpost_envelope::EmailAddress;
use std::time::Duration;

/// What a server says about a login and its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The password is this person's.
    Right(Person),
    /// It is not, or there is no such person: servers do not say which.
    Wrong,
}

/// A person as the server knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Their address, which is their login.
    pub address: EmailAddress,
    /// Name for people, where the server tells one.
    pub name: Option<String>,
    /// Groups they are in, by distinguished name; nothing where the server has none.
    pub groups: Vec<String>,
}

impl Person {
    /// Whether a group of theirs has this name: its whole distinguished name, or the value of its first part.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups
            .iter()
            .any(|dn| dn.eq_ignore_ascii_case(group) || first_value(dn).eq_ignore_ascii_case(group))
    }
}

/// `Auditors` of `cn=Auditors,ou=groups,dc=example`; names with escapes are compared as a whole only.
fn first_value(dn: &str) -> &str {
    let first = dn.split(',').next().unwrap_or_default();
    if dn.contains('\\') { dn } else { first.split_once('=').map_or(first, |(_, value)| value) }
}

/// Why a server gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The network, or the server is down.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// It took too long.
    #[error("did not answer within {} s", .0.as_secs_f32())]
    Slow(Duration),
    /// Its certificate, or its TLS.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// It does not speak the protocol.
    #[error("broke the protocol: {0}")]
    Protocol(&'static str),
    /// It refuses for a reason of its own.
    #[error("refuses: {0}")]
    Refused(String),
    /// It sends us elsewhere, where we do not go.
    #[error("refers to another server, which is not followed")]
    Referral,
    /// The login that the settings give us there is not taken.
    #[error("does not take our own login: check its name and password in the settings")]
    OurLogin,
    /// It took a password that nobody has: everybody would be let in.
    #[error("takes any password")]
    Credulous,
    /// Only directories can be read as a whole.
    #[error("is no directory: its people cannot be listed")]
    NoDirectory,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_known_by_their_whole_or_first_name() {
        let person = Person {
            address: EmailAddress::parse("a@b.test").unwrap(),
            name: None,
            groups: vec!["cn=Auditeurs,ou=groups,dc=b".into(), "cn=R\\,D,dc=b".into()],
        };
        assert!(person.is_in("auditeurs") && person.is_in("CN=auditeurs,OU=groups,dc=b"));
        assert!(person.is_in("cn=R\\,D,dc=b"));
        for not in ["Auditeur", "groups", "R\\", "R", "ou=groups", ""] {
            assert!(!person.is_in(not), "{not}");
        }
    }
}
