//! Settings of mailboxes elsewhere that bounces, receipts and answers come to.

use super::kinds::{Settled, Size, UpstreamTls};
use super::places::{HostPort, SecretSource};
use super::reader::Context;
use super::section::section;
use super::sections::Settings;
use sealpost_policy::Period;
use std::path::PathBuf;

section! {
    /// A mailbox elsewhere, read by IMAP, that mail for `entity.returns` comes to: bounces, receipts and answers reach
    /// Sealpost that way where port 25 cannot be opened. It takes all addresses of that domain (catch-all).
    pub struct ReturnsMailbox {
        /// Where it is, `HOST:PORT`.
        server: HostPort = required("\"imap.provider.example:993\"");
        /// `tls` (from the first byte), `require` (STARTTLS), or `none` to this machine only.
        tls: UpstreamTls = default(UpstreamTls::Tls);
        /// Authorities that its certificate must chain to, PEM; the system's when absent.
        ca: Option<PathBuf> = unset("\"provider-ca.pem\"");
        /// Login there.
        user: String = required("\"retours@lilas.example\"");
        /// Its password, read anew for every login.
        password: Option<SecretSource> = unset("\"file:retours.password\"");
        /// Access token in place of a password (XOAUTH2), read anew for every login: something else keeps the file fresh.
        token: Option<SecretSource> = unset("\"file:retours.token\"");
        /// Folder that is read, as the server writes its name.
        folder: String = default("INBOX".to_owned());
        /// What becomes of a message that was for us: `seen`, `delete` or `move`. Others are left as they are.
        settled: Settled = default(Settled::Seen);
        /// Folder that `move` puts it into.
        archive: Option<String> = unset("\"Sealpost\"");
        /// Time between two looks where the server does not tell of new mail by itself (IDLE), and the longest otherwise.
        every: Period = default(Period::minutes(1));
        /// A step of the conversation that takes longer has failed.
        timeout: Period = default(Period::seconds(30));
        /// Messages above this size are left there.
        message_size: Size = default(Size(50_000_000));
    }
}

impl ReturnsMailbox {
    /// What it is called in the log, in alerts, and where its state is kept.
    pub fn name(&self) -> String {
        format!("{} {}:{} {}", self.user, self.server.host, self.server.port, self.folder)
    }
}

/// What no single key can know of them.
pub(super) fn check(settings: &Settings, context: &mut Context) {
    for (n, mailbox) in settings.returns_mailbox.iter().enumerate() {
        let at = |key: &str| format!("returns_mailbox[{n}].{key}");
        if settings.returns_mailbox[..n].iter().any(|other| other.name() == mailbox.name()) {
            context.wrong_at(&at("server"), "this folder stands here twice");
        }
        if mailbox.tls == UpstreamTls::Opportunistic {
            context.wrong_at(&at("tls"), "passwords need `tls` or `require`; `none` to this machine only");
        }
        if mailbox.password.is_some() == mailbox.token.is_some() {
            context.wrong_at(&at("password"), "either `password` or `token` is needed");
        }
        if (mailbox.settled == Settled::Move) != mailbox.archive.is_some() {
            context.wrong_at(&at("archive"), "`settled = \"move\"` and `archive` belong together");
        }
        if mailbox.archive.as_ref() == Some(&mailbox.folder) {
            context.wrong_at(&at("archive"), "this is the folder that is read");
        }
        let names = [("folder", Some(&mailbox.folder)), ("archive", mailbox.archive.as_ref())];
        for (key, name) in names {
            if name.is_some_and(|n| n.is_empty() || !n.bytes().all(|b| matches!(b, b' '..=b'~'))) {
                context.wrong_at(&at(key), "write it in ASCII, as the server does (`&AOk-` for é)");
            }
        }
        for (key, period) in [("every", mailbox.every), ("timeout", mailbox.timeout)] {
            if !(1..=1500).contains(&period.as_seconds()) {
                context.wrong_at(&at(key), format!("{period} is not between 1 second and 25 minutes"));
            }
        }
    }
}
