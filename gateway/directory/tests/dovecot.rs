//! A real Dovecot: the organisation's own passwords, over IMAP.
#![allow(clippy::unwrap_used)]

mod common;

use common::Certified;
use common::dovecot::{Dovecot, start};
use sealpost_directory::{Answer, Backend, MailServer, Security, Speaks, Trouble};
use sealpost_envelope::{EmailAddress, Secret};

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
