//! Debian's Dovecot over mdbox, with its defaults for flushing, from a directory of its own.

use super::{local, wait_ready};
use crate::imap::Target;
use crate::process::Server;
use crate::tls;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Command;

/// The account that owns the mailbox: the one that Debian's package makes for its own processes.
const USER: &str = "dovecot";

/// A running Dovecot.
pub struct Dovecot {
    server: Server,
    /// Its mailbox.
    pub target: Target,
}

impl Dovecot {
    /// Serves one empty mailbox, any login, one password.
    pub async fn start(dir: &Path, port: u16, cert: &Path, key: &Path, ca: &Path) -> Result<Self> {
        let dir = dir.join("dovecot");
        for part in ["run", "state", "mail"] {
            std::fs::create_dir_all(dir.join(part))?;
        }
        let mail = dir.join("mail");
        let owned = Command::new("chown").arg(USER).arg(&mail).status()?;
        ensure!(owned.success(), "the mailbox cannot be given to {USER}");
        let (at, cert, key) = (dir.display(), cert.display(), key.display());
        let conf = format!(
            "base_dir = {at}/run\nstate_dir = {at}/state\nlog_path = {at}/log\nprotocols = imap\n\
             listen = 127.0.0.1\nssl = required\nssl_cert = <{cert}\nssl_key = <{key}\n\
             ssl_min_protocol = TLSv1.2\nmail_location = mdbox:{at}/mail/%u\nfirst_valid_uid = 1\n\
             mail_max_userip_connections = 100\n\
             passdb {{\n  driver = static\n  args = password=secret\n}}\n\
             userdb {{\n  driver = static\n  args = uid={USER} gid={USER} home={at}/mail/%u\n}}\n\
             service imap-login {{\n  inet_listener imap {{\n    port = 0\n  }}\n  inet_listener imaps {{\n    \
             port = {port}\n    ssl = yes\n  }}\n}}\n"
        );
        let file = dir.join("dovecot.conf");
        std::fs::write(&file, conf)?;
        let mut command = Command::new("/usr/sbin/dovecot");
        let server = Server::start(command.arg("-F").arg("-c").arg(&file), &dir.join("out.log"))?;
        wait_ready(local(port), false).await.with_context(|| format!("Dovecot, see {at}/log"))?;
        let (login, password) = ("alice".to_owned(), "secret".to_owned());
        Ok(Self { server, target: Target { addr: local(port), tls: tls::connector(ca)?, login, password } })
    }

    /// Its first process.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Ends it.
    pub fn stop(mut self) -> Result<()> {
        self.server.terminate()
    }
}
