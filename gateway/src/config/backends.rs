//! Settings of servers that know people's passwords.

use super::kinds::{BackendKind, DomainName, UpstreamTls};
use super::places::{HostPort, SecretSource};
use super::reader::Context;
use super::section::section;
use super::sections::Settings;
use sealpost_policy::Period;
use sealpost_store::account::Role;
use std::path::PathBuf;

section! {
    /// A server that knows people's passwords: first factor of the web login for the people of some domains. Accounts with
    /// a password of their own here are never asked about there. Mail programs go on with app passwords.
    pub struct BackendSettings {
        /// Its name, in the log and in commands.
        name: String = required("\"annuaire\"");
        /// `ldap`, `imap` or `smtp`. The two latter only say whether a password is right.
        kind: BackendKind = required("\"ldap\"");
        /// Where it is, `HOST:PORT`.
        server: HostPort = required("\"ldap.lilas.example:636\"");
        /// `tls` (from the first byte), `require` (STARTTLS), or `none` to this machine only.
        tls: UpstreamTls = default(UpstreamTls::Tls);
        /// Authorities that its certificate must chain to, PEM; the system's when absent.
        ca: Option<PathBuf> = unset("\"annuaire-ca.pem\"");
        /// Mail domains whose people it knows, all of one `[[entity]]`.
        domains: Vec<DomainName> = required("[\"lilas.example\"]");
        /// A login that takes longer has got no answer.
        timeout: Period = default(Period::seconds(5));
        /// Somebody whom it knows and who has no account yet gets one by logging in for the first time.
        create: bool = default(true);
        /// `imap` and `smtp`: people's name there, with `{login}`, `{local}` and `{domain}`.
        user: String = default("{login}".to_owned());
        /// `ldap`: the entry below which people and groups are.
        base: Option<String> = unset("\"dc=lilas,dc=example\"");
        /// `ldap`: our own name there, for searching and synchronising. Reading is all it needs.
        bind_dn: Option<String> = unset("\"cn=sealpost,ou=services,dc=lilas,dc=example\"");
        /// `ldap`: its password.
        bind_password: Option<SecretSource> = unset("\"file:annuaire.password\"");
        /// `ldap`: distinguished name of a person, with `{login}`, `{local}` and `{domain}`, where it follows from the login.
        template: Option<String> = unset("\"uid={local},ou=people,dc=lilas,dc=example\"");
        /// `ldap`: filter (RFC 4515) that finds a person, where there is no `template`.
        filter: String = default("(&(objectClass=person)(mail={login}))".to_owned());
        /// `ldap`: attribute of the address, which must be the login.
        mail: String = default("mail".to_owned());
        /// `ldap`: attribute of the name shown to people.
        display: String = default("cn".to_owned());
        /// `ldap`: attribute that names a person's groups.
        member_of: String = default("memberOf".to_owned());
        /// `ldap`: filter of a person's groups with `{dn}`, for directories where people do not name theirs.
        group_filter: Option<String> = unset("\"(&(objectClass=groupOfNames)(member={dn}))\"");
        /// `ldap`: filter of everybody, for `user sync`.
        people: String = default("(&(objectClass=person)(mail=*))".to_owned());
    }
}

/// What no single key can know of them.
pub(super) fn check(settings: &Settings, context: &mut Context) {
    let accounts = &settings.accounts;
    for (n, backend) in accounts.backend.iter().enumerate() {
        let at = |key: &str| format!("accounts.backend[{n}].{key}");
        if accounts.backend[..n].iter().any(|b| b.name == backend.name) {
            context.wrong_at(&at("name"), format!("{:?} stands here twice", backend.name));
        }
        if backend.tls == UpstreamTls::Opportunistic {
            context.wrong_at(&at("tls"), "passwords need `tls` or `require`; `none` to this machine only");
        }
        let owner = |d: &DomainName| settings.entity.iter().position(|e| e.domains.contains(d));
        let owners: Vec<_> = backend.domains.iter().map(owner).collect();
        if owners.is_empty() || owners[0].is_none() || owners.iter().any(|o| *o != owners[0]) {
            context.wrong_at(&at("domains"), "they must all be domains of one [[entity]]");
        }
        if backend.kind == BackendKind::Ldap {
            if backend.base.is_none() {
                context.wrong_at(&at("base"), "is missing; for example base = \"dc=lilas,dc=example\"");
            }
            if backend.bind_dn.is_some() != backend.bind_password.is_some() {
                context.wrong_at(&at("bind_dn"), "bind_dn and bind_password belong together");
            }
            if backend.template.is_none() && backend.bind_dn.is_none() {
                context
                    .wrong_at(&at("bind_dn"), "is missing: without a template people are found by searching");
            }
            if backend.template.as_ref().is_some_and(|t| !t.contains("{login}") && !t.contains("{local}")) {
                context.wrong_at(&at("template"), "it names neither {login} nor {local}");
            }
        }
    }
    for group in &accounts.groups {
        if let Err(message) = group_role(group) {
            context.wrong_at("accounts.groups", message);
        }
    }
}

/// A group and the role it gives.
pub fn group_role(text: &str) -> Result<(String, Role), String> {
    let wrong = || format!("{text:?} is no GROUP=ROLE; the role is sender, auditor or admin");
    // A distinguished name has `=` itself.
    let (group, role) = text.rsplit_once('=').ok_or_else(wrong)?;
    let role =
        role.trim().parse::<Role>().ok().filter(|r| matches!(r, Role::Sender | Role::Auditor | Role::Admin));
    match (group.trim(), role) {
        ("", _) | (_, None) => Err(wrong()),
        (group, Some(role)) => Ok((group.to_owned(), role)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_give_roles() {
        assert_eq!(group_role("cn=R D,dc=x=auditor"), Ok(("cn=R D,dc=x".to_owned(), Role::Auditor)));
        for wrong in ["auditor", "=admin", "x=boss", "x=operator", "x=demo", "x="] {
            assert!(group_role(wrong).is_err(), "{wrong}");
        }
    }
}
