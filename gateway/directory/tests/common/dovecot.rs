//! A Dovecot of one's own on loopback.
#![allow(clippy::unwrap_used)]

use super::{Certified, Server, free_port};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// Anne's password: blanks, quotes, backslashes and letters outside ASCII.
pub const PASSWORD: &str = "Tilleul \"7\\menthe é";

/// Its files, ports and process; everybody's mail lies in one Maildir.
pub struct Dovecot {
    pub certified: Certified,
    pub imaps: u16,
    pub imap: u16,
    pub server: Server,
}

/// Starts it, with one mailbox: Anne's.
pub fn start() -> Dovecot {
    let certified = Certified::new();
    let dir = certified.dir.path().display().to_string();
    let (imap, imaps) = (free_port(), free_port());
    std::fs::write(certified.path("passwd"), "anne@lilas.test:{PLAIN}Tilleul \"7\\menthe é\n").unwrap();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(certified.dir.path(), open).unwrap();
    std::fs::create_dir(certified.path("mail")).unwrap();
    // Its processes run as the accounts that Debian's package makes. All logins come from one address here, as they
    // do from a gateway: its delays for guessing addresses are switched off, as the guide says.
    let owned = Command::new("chown").arg("dovecot").arg(certified.path("mail")).status().unwrap();
    assert!(owned.success(), "the mailbox cannot be given away");
    std::fs::write(
        certified.path("dovecot.conf"),
        format!(
            "protocols = imap\nlisten = 127.0.0.1\nbase_dir = {dir}/run\nstate_dir = {dir}/state\nlog_path = {dir}/log\n\
             ssl = yes\nssl_cert = <{dir}/cert.pem\nssl_key = <{dir}/key.pem\ndisable_plaintext_auth = yes\n\
             auth_failure_delay = 0 secs\nmail_location = maildir:{dir}/mail\nfirst_valid_uid = 1\n\
             passdb {{\n  driver = passwd-file\n  args = {dir}/passwd\n}}\n\
             userdb {{\n  driver = static\n  args = uid=dovecot gid=dovecot home={dir}/mail\n}}\n\
             service imap-login {{\n  inet_listener imap {{\n    port = {imap}\n  }}\n\
             inet_listener imaps {{\n    port = {imaps}\n  }}\n}}\n\
             service anvil {{\n  unix_listener anvil-auth-penalty {{\n    mode = 0\n  }}\n}}\n"
        ),
    )
    .unwrap();
    let conf = certified.path("dovecot.conf").display().to_string();
    let server = Server::start("/usr/sbin/dovecot", &["-F", "-c", &conf], imaps, &certified.path("out"));
    Dovecot { certified, imaps, imap, server }
}
