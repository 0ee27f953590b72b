//! Servers that lie: let everybody in, answer other questions, send without end. Nobody is let in by them, nothing
//! breaks, and what is said names them.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Certified, liar};
use sealpost_directory::{Answer, Backend, Directory, Lookup, MailServer, Security, Speaks, Trouble};
use sealpost_envelope::{EmailAddress, Secret};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

async fn ask(backend: &Backend) -> Result<Answer, Trouble> {
    let login = EmailAddress::parse("anne@lilas.test").unwrap();
    backend.judge(&login, &Secret::new("secret-anne".into())).await
}

fn mail(speaks: Speaks, script: impl Fn(TcpStream) + Send + Sync + 'static) -> Backend {
    let place = Certified::new().place(liar(script), Security::Loopback);
    let server = MailServer { place, speaks, user: "{login}".into() };
    Backend::mail("mail", vec!["lilas.test".into()], server, PATIENCE)
}

/// Says each line when the client has said one.
fn talks(lines: &'static [&'static str]) -> impl Fn(TcpStream) + Send + Sync + 'static {
    move |mut stream| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        for line in lines {
            if stream.write_all(format!("{line}\r\n").as_bytes()).is_err() {
                return;
            }
            let mut said = String::new();
            if reader.read_line(&mut said).unwrap_or(0) == 0 {
                return;
            }
        }
    }
}

#[tokio::test]
async fn mail_servers_that_let_everybody_in_let_nobody_in() {
    let imap = mail(Speaks::Imap, talks(&["* OK hello", "+ ", "a2 OK welcome"]));
    assert_eq!(ask(&imap).await, Err(Trouble::Credulous));
    let smtp = mail(Speaks::Smtp, talks(&["220 hello", "250 AUTH PLAIN", "235 2.7.0 welcome"]));
    assert_eq!(ask(&smtp).await, Err(Trouble::Credulous));
}

#[tokio::test]
async fn refusals_and_trouble_are_told_apart() {
    let imap = mail(Speaks::Imap, talks(&["* OK hello", "+ ", "a2 NO [AUTHENTICATIONFAILED] no"]));
    assert_eq!(ask(&imap).await, Ok(Answer::Wrong));
    let smtp = mail(Speaks::Smtp, talks(&["220 hello", "250 AUTH PLAIN", "535 5.7.8 no"]));
    assert_eq!(ask(&smtp).await, Ok(Answer::Wrong));
    for lines in [
        &["* PREAUTH you are in"][..],
        &["* BYE busy"],
        &["* OK hello", "+ ", "a2 NO [UNAVAILABLE] later"],
        &["* OK hello", "+ ", "a9 OK other question"],
        &["* OK hello", "a2 BAD no PLAIN"],
        &["* OK hello", "* OK in clear\r\n* BYE over"],
    ] {
        let answer = ask(&mail(Speaks::Imap, talks(lines))).await;
        assert!(matches!(answer, Err(Trouble::Refused(_) | Trouble::Protocol(_))), "{lines:?}: {answer:?}");
    }
    for lines in [
        &["554 no"][..],
        &["220 a", "250 b", "454 4.7.0 later"],
        &["220 a", "250 b", "530 TLS first"],
        &["hello"],
    ] {
        let answer = ask(&mail(Speaks::Smtp, talks(lines))).await;
        assert!(matches!(answer, Err(Trouble::Refused(_) | Trouble::Protocol(_))), "{lines:?}: {answer:?}");
    }
}

#[tokio::test]
async fn no_answer_has_no_end() {
    let endless = |byte: &'static [u8]| {
        move |mut stream: TcpStream| {
            while stream.write_all(&byte.repeat(1000)).is_ok() {}
        }
    };
    for (speaks, bytes) in [
        (Speaks::Imap, &b"* OK "[..]),
        (Speaks::Imap, b"* OK x\r\n"),
        (Speaks::Smtp, b"220-x\r\n"),
        (Speaks::Smtp, b"2"),
    ] {
        let answer = ask(&mail(speaks, endless(bytes))).await;
        assert!(matches!(answer, Err(Trouble::Protocol(_))), "{bytes:?}: {answer:?}");
    }
}

fn directory(script: impl Fn(TcpStream) + Send + Sync + 'static) -> Backend {
    let directory = Directory {
        place: Certified::new().place(liar(script), Security::Loopback),
        own_login: Some(("cn=us".into(), Secret::new("ours".into()))),
        lookup: Lookup::Filter("(mail={login})".into()),
        base: "dc=test".into(),
        mail: "mail".into(),
        name: "cn".into(),
        groups: "memberOf".into(),
        group_filter: None,
        people: "(mail=*)".into(),
    };
    Backend::directory("liar", vec!["lilas.test".into()], directory, PATIENCE)
}

/// Answers the question numbered n with what the script makes of it.
fn answers(script: fn(u8) -> Vec<u8>) -> impl Fn(TcpStream) + Send + Sync + 'static {
    move |mut stream| {
        let mut buffer = [0; 4096];
        for n in 1u8.. {
            if stream.read(&mut buffer).unwrap_or(0) == 0 || stream.write_all(&script(n)).is_err() {
                return;
            }
        }
    }
}

fn message(id: u8, operation: &[u8]) -> Vec<u8> {
    let mut out = vec![0x30, u8::try_from(operation.len() + 3).unwrap(), 2, 1, id];
    out.extend_from_slice(operation);
    out
}

const SUCCESS: &[u8] = b"\x61\x07\x0a\x01\x00\x04\x00\x04\x00";
const DONE: &[u8] = b"\x65\x07\x0a\x01\x00\x04\x00\x04\x00";
/// An entry `cn=x` with `mail: paul@lilas.test`.
const PAUL: &[u8] = b"\x64\x25\x04\x04cn=x\x30\x1d\x30\x1b\x04\x04mail\x31\x13\x04\x11paulx@lilas.test.";

#[tokio::test]
async fn directories_that_lie() {
    // Every bind succeeds, and somebody else's entry is found.
    let other = directory(answers(|n| match n {
        2 => [message(n, PAUL), message(n, DONE)].concat(),
        n => message(n, SUCCESS),
    }));
    assert_eq!(ask(&other).await, Ok(Answer::Wrong));
    let wrong: [fn(u8) -> Vec<u8>; 6] = [
        // Another question's answer.
        |n| message(n + 1, SUCCESS),
        // No LDAP at all.
        |_| b"220 hello\r\n".to_vec(),
        // A length beyond all bounds.
        |_| b"\x30\x84\x7f\xff\xff\xff".to_vec(),
        // Nested without end: read without recursion, it is no answer.
        |n| message(n, &b"\x30\x80".repeat(50)),
        // A search's answer to a bind.
        |n| message(n, DONE),
        // Entries without end.
        |n| if n == 1 { message(n, SUCCESS) } else { message(n, PAUL).repeat(5) },
    ];
    for (n, script) in wrong.into_iter().enumerate() {
        let answer = ask(&directory(answers(script))).await;
        assert!(matches!(answer, Err(Trouble::Protocol(_))), "{n}: {answer:?}");
    }
    let gone = ask(&directory(drop)).await;
    assert!(matches!(gone, Err(Trouble::Unreachable(_))), "{gone:?}");
    let notice = ask(&directory(answers(|_| message(0, b"\x78\x07\x0a\x01\x34\x04\x00\x04\x00")))).await;
    assert!(matches!(notice, Err(Trouble::Unreachable(_))), "{notice:?}");
}
