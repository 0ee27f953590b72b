//! A real Dovecot: the organisation's own passwords, over IMAP.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Certified, Server, free_port};
use sealpost_directory::{Answer, Backend, MailServer, Security, Speaks, Trouble};
use sealpost_envelope::{EmailAddress, Secret};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

struct Dovecot {
    certified: Certified,
    imaps: u16,
    imap: u16,
    server: Server,
}

fn start() -> Dovecot {
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

#[tokio::test]
async fn the_passwords_of_a_real_server() {
    let dovecot = start();
    let backend = |port, security| {
        let server = MailServer {
            place: dovecot.certified.place(port, security),
            speaks: Speaks::Imap,
            user: "{login}".into(),
        };
        Backend::mail("mail", vec!["lilas.test".into()], server, common::PATIENCE)
    };
    let ask = async |backend: &Backend, login: &str, password: &str| {
        let answer = backend.judge(&EmailAddress::parse(login).unwrap(), &Secret::new(password.into())).await;
        answer.map(|a| a != Answer::Wrong)
    };
    for (port, security) in [(dovecot.imaps, Security::Tls), (dovecot.imap, Security::StartTls)] {
        let imap = backend(port, security);
        assert_eq!(ask(&imap, "anne@lilas.test", "Tilleul \"7\\menthe é").await, Ok(true), "{security:?}");
        for (login, password) in [
            ("anne@lilas.test", "wrong"),
            ("anne@lilas.test", ""),
            ("nobody@lilas.test", "Tilleul \"7\\menthe é"),
            ("anne@elsewhere.test", "Tilleul \"7\\menthe é"),
        ] {
            assert_eq!(ask(&imap, login, password).await, Ok(false), "{security:?} {login} {password}");
        }
    }
    let stranger = Certified::new();
    let foreign = MailServer {
        place: stranger.place(dovecot.imaps, Security::Tls),
        speaks: Speaks::Imap,
        user: "{login}".into(),
    };
    let foreign = Backend::mail("mail", vec!["lilas.test".into()], foreign, common::PATIENCE);
    assert!(matches!(ask(&foreign, "anne@lilas.test", "x").await, Err(Trouble::Tls(_))));
    let clear = backend(dovecot.imap, Security::Loopback);
    let (imaps, certified) = (dovecot.imaps, &dovecot.certified);
    assert!(ask(&clear, "anne@lilas.test", "Tilleul \"7\\menthe é").await.is_ok());
    let place = certified.place(imaps, Security::Tls);
    let Dovecot { server, .. } = dovecot;
    drop(server);
    let down = MailServer { place, speaks: Speaks::Imap, user: "{login}".into() };
    let down = Backend::mail("mail", vec!["lilas.test".into()], down, common::PATIENCE);
    assert!(matches!(ask(&down, "anne@lilas.test", "x").await, Err(Trouble::Unreachable(_))));
}
