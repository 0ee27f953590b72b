//! A mailbox elsewhere: a real Dovecot, whose messages are fetched, marked, moved and deleted; and servers that lie.
#![allow(clippy::unwrap_used)]

mod common;

use common::dovecot::{Dovecot, PASSWORD, start};
use common::{Certified, PATIENCE, liar};
use sealpost_directory::mailbox::{Login, Mailbox, Session, Settle};
use sealpost_directory::{Security, Trouble};
use sealpost_envelope::Secret;
use std::io::{BufRead, BufReader, Write};
use std::process::Command;
use std::time::{Duration, Instant};

fn anne(dovecot: &Dovecot, port: u16, security: Security) -> Mailbox {
    Mailbox {
        place: dovecot.certified.place(port, security),
        user: "anne@lilas.test".into(),
        login: Login::Password(Secret::new(PASSWORD.into())),
        folder: "INBOX".into(),
        patience: PATIENCE,
    }
}

/// Puts messages into her Maildir, as a delivery agent does.
fn deliver(dovecot: &Dovecot, messages: &[(&str, &[u8])]) {
    let mail = dovecot.certified.path("mail");
    for folder in ["tmp", "new", "cur"] {
        std::fs::create_dir_all(mail.join(folder)).unwrap();
    }
    for (name, bytes) in messages {
        std::fs::write(mail.join("tmp").join(name), bytes).unwrap();
    }
    let given = Command::new("chown").args(["-R", "dovecot:dovecot"]).arg(&mail).status().unwrap();
    assert!(given.success());
    for (name, _) in messages {
        std::fs::rename(mail.join("tmp").join(name), mail.join("new").join(name)).unwrap();
    }
}

async fn whole(session: &mut Session, uid: u32) -> Option<Vec<u8>> {
    let mut body = session.body(uid, 64 << 20).await.unwrap()?;
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await.unwrap() {
        bytes.extend_from_slice(chunk);
    }
    Some(bytes)
}

#[tokio::test]
async fn messages_of_a_real_server_are_fetched_once_and_settled() {
    let dovecot = start();
    let large = [b"Subject: large\r\n\r\n".to_vec(), b"0123456789\r\n".repeat(200_000)].concat();
    let small = b"To: x@lilas.test\r\nSubject: \"{7}\" (\r\n\r\n* 1 FETCH (UID 1)\r\na3 OK done\r\n".to_vec();
    deliver(&dovecot, &[("1.a", &small), ("2.b", &large), ("3.c", b"Subject: c\r\n\r\n")]);
    let mailbox = anne(&dovecot, dovecot.imaps, Security::Tls);
    let mut session = mailbox.open().await.unwrap();
    let validity = session.uid_validity();
    assert!(session.peer().unwrap().is_loopback());
    let found = session.newer(0, 10).await.unwrap();
    let uids: Vec<u32> = found.iter().map(|w| w.uid).collect();
    assert_eq!((uids.len(), found[1].size), (3, large.len() as u64));
    // A few at a time, and never one that was seen before: `4:*` names the last one too.
    assert_eq!(session.newer(0, 2).await.unwrap(), found[..2]);
    assert_eq!(session.newer(uids[1], 10).await.unwrap(), found[2..]);
    assert_eq!(session.newer(uids[2], 10).await.unwrap(), []);
    assert_eq!(session.newer(u32::MAX, 10).await.unwrap(), []);
    assert_eq!(session.header(uids[0]).await.unwrap().unwrap(), small[..small.len() - 31]);
    for (uid, want) in [(uids[0], Some(&small)), (uids[1], Some(&large)), (uids[2] + 7, None)] {
        assert_eq!(whole(&mut session, uid).await.as_ref(), want, "{uid}");
    }
    assert_eq!(session.header(uids[2] + 7).await.unwrap(), None);
    session.settle(uids[0], &Settle::Seen).await.unwrap();
    session.settle(uids[1], &Settle::Delete).await.unwrap();
    assert_eq!(whole(&mut session, uids[1]).await, None);
    let refused = session.settle(uids[2], &Settle::Move("Nowhere".into())).await;
    assert!(matches!(refused, Err(Trouble::Refused(words)) if words.contains("TRYCREATE")));
    let made = dovecot.certified.path("mail").join(".Read");
    std::fs::create_dir(&made).unwrap();
    deliver(&dovecot, &[]);
    session.settle(uids[2], &Settle::Move("Read".into())).await.unwrap();
    session.log_out().await;

    // The same by STARTTLS: one is left, and its mark stays.
    let mut session = anne(&dovecot, dovecot.imap, Security::StartTls).open().await.unwrap();
    assert_eq!(session.uid_validity(), validity);
    assert_eq!(session.newer(0, 10).await.unwrap(), found[..1]);
    let files = std::fs::read_dir(dovecot.certified.path("mail").join("cur")).unwrap();
    let names: Vec<_> = files.map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.len() == 1 && names[0].ends_with(":2,S"), "{names:?}");

    // It hears of new mail while it waits, long before the time is over.
    let begun = Instant::now();
    let waiting = session.wait(Duration::from_secs(600));
    let (waited, ()) = tokio::join!(waiting, async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        deliver(&dovecot, &[("4.d", b"Subject: d\r\n\r\nx")]);
    });
    waited.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(300));
    assert_eq!(session.newer(uids[2], 10).await.unwrap().len(), 1);
    session.wait(Duration::from_millis(20)).await.unwrap();
}

#[tokio::test]
async fn a_wrong_login_is_said_to_be_ours() {
    let dovecot = start();
    let right = anne(&dovecot, dovecot.imaps, Security::Tls);
    let wrong = Mailbox { login: Login::Password(Secret::new("wrong".into())), ..right.clone() };
    assert_eq!(wrong.open().await.err(), Some(Trouble::OurLogin));
    let elsewhere = Mailbox { folder: "No such".into(), ..right.clone() };
    assert!(matches!(elsewhere.open().await.err(), Some(Trouble::Refused(_))));
    let injected = Mailbox { folder: "INBOX\"\r\na9 DELETE INBOX".into(), ..right };
    assert!(matches!(injected.open().await.err(), Some(Trouble::Refused(_))));
}

/// Answers each command by its first line in the script that fits its first word; `%` stands for the tag.
fn server(script: &'static [(&'static str, &'static str)]) -> Mailbox {
    let port = liar(move |mut stream| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut say = |text: &str| stream.write_all(text.as_bytes()).is_ok();
        let (mut line, mut told) = (String::new(), vec![false; script.len()]);
        if !say("* OK hello\r\n") {
            return;
        }
        loop {
            line.clear();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let (tag, command) = line.trim_end().split_once(' ').unwrap_or(("", line.trim_end()));
            let fits = |n: &usize| command.starts_with(script[*n].0) && !script[*n].0.is_empty() && !told[*n];
            let answer = match (0..script.len()).find(fits) {
                Some(n) => {
                    told[n] = true;
                    script[n].1.replace('%', tag)
                }
                None if command.starts_with("CAPABILITY") => {
                    format!("* CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 UIDPLUS\r\n{tag} OK\r\n")
                }
                None if command.starts_with("AUTHENTICATE") => {
                    say("+ \r\n");
                    line.clear();
                    if reader.read_line(&mut line).unwrap_or(0) == 0 {
                        return;
                    }
                    "a2 OK in\r\n".to_owned()
                }
                None if command.starts_with("SELECT") => {
                    format!("* 3 EXISTS\r\n* OK [UIDVALIDITY 9] x\r\n{tag} OK\r\n")
                }
                None => format!("{tag} OK\r\n"),
            };
            if !say(&answer) {
                return;
            }
        }
    });
    Mailbox {
        place: Certified::new().place(port, Security::Loopback),
        user: "anne".into(),
        login: Login::Password(Secret::new("x".into())),
        folder: "INBOX".into(),
        patience: Duration::from_secs(10),
    }
}

#[tokio::test]
async fn an_honest_script_works() {
    let mailbox =
        server(&[("UID FETCH 1:*", "* 1 FETCH (UID 5 RFC822.SIZE 9)\r\n* X {3}\r\nabc\r\n% OK\r\n")]);
    let mut session = mailbox.open().await.unwrap();
    assert_eq!(session.newer(0, 10).await.unwrap().len(), 1);
    let quoted =
        server(&[("UID FETCH", "* 1 FETCH (BODY[] \"a\\\"b\" UID 5)\r\n* 2 FETCH (FLAGS ())\r\n% OK\r\n")]);
    assert_eq!(whole(&mut quoted.open().await.unwrap(), 5).await.unwrap(), b"a\"b");
}

#[tokio::test]
async fn servers_that_lie_about_messages_are_left() {
    const NINE: &str = "* 1 FETCH (UID 5 BODY[] {9}\r\n123456789";
    for answer in [
        // Sizes: more than was told, none, without end.
        "* 1 FETCH (UID 5 BODY[] {1000}\r\n",
        "* 1 FETCH (UID 5 BODY[] {18446744073709551615}\r\n",
        "* 1 FETCH (UID 5 BODY[] {99999999999999999999999}\r\n",
        "* 1 FETCH (UID 5 BODY[] {-1}\r\n",
        // Another message, another item, two of them, none of ours, no end.
        "* 1 FETCH (UID 6 BODY[] {3}\r\nabc)\r\n% OK\r\n",
        "* 1 FETCH (BODY[] {3}\r\nabc)\r\n% OK\r\n",
        "* 1 FETCH (UID 5 BODY[TEXT] {3}\r\nabc)\r\n% OK\r\n",
        "* 1 FETCH (UID 5 BODY[] {3}\r\nabc BODY[] {3}\r\nabc)\r\n% OK\r\n",
        "* 1 FETCH (UID 5 BODY[] {3}\r\nabc BODY[] \"x\")\r\n% OK\r\n",
        "* 1 FETCH (UID 5 BODY[] {3}\r\nabc\r\n% OK\r\n",
        "% NO gone\r\n",
        "z9 OK\r\n",
        "+ \r\n",
        "* BYE over\r\n",
        "nonsense\r\n",
    ] {
        let script: &'static [(&str, &str)] = Box::leak(Box::new([("UID FETCH", answer)]));
        let mut session = server(script).open().await.unwrap();
        let read = async {
            let Some(mut body) = session.body(5, 100).await? else { return Ok(0) };
            let mut size = 0;
            while let Some(bytes) = body.next().await? {
                size += bytes.len();
            }
            Ok(size)
        };
        let told: Result<usize, Trouble> = read.await;
        assert!(matches!(told, Err(Trouble::Protocol(_) | Trouble::Refused(_))), "{answer:?}: {told:?}");
    }
    // It hangs up in the middle, or goes silent there.
    let script: &'static [(&str, &str)] = Box::leak(Box::new([("UID FETCH", NINE)]));
    let mut quick = server(script);
    quick.patience = Duration::from_millis(300);
    let mut session = quick.open().await.unwrap();
    let mut body = session.body(5, 100).await.unwrap().unwrap();
    assert_eq!(body.next().await, Ok(Some(&b"123456789"[..])));
    assert!(matches!(body.next().await, Err(Trouble::Slow(_))));
}

#[tokio::test]
async fn what_has_no_end_is_left() {
    let endless = |text: &'static str| {
        let port = liar(move |mut stream| while stream.write_all(text.repeat(1000).as_bytes()).is_ok() {});
        let place = Certified::new().place(port, Security::Loopback);
        Mailbox { place, ..server(&[]) }
    };
    assert!(matches!(endless("x").open().await.err(), Some(Trouble::Protocol(_))));
    assert!(matches!(endless("* OK x\r\n").open().await.err(), Some(Trouble::Protocol(_))));
    let line: &'static str =
        Box::leak(format!("* 1 FETCH (UID 5 X {}\r\n", "(".repeat(10_000)).into_boxed_str());
    let script: &'static [(&str, &str)] = Box::leak(Box::new([("UID FETCH", line)]));
    assert!(matches!(server(script).open().await.unwrap().newer(0, 9).await, Err(Trouble::Protocol(_))));
}

#[tokio::test]
async fn folders_without_numbers_and_refused_tokens() {
    let none = server(&[("SELECT", "* 3 EXISTS\r\n% OK\r\n")]);
    assert_eq!(none.open().await.err(), Some(Trouble::Protocol("no UIDVALIDITY")));
    // XOAUTH2 tells why first.
    let port = liar(|mut stream| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        for answer in [
            "* OK hi\r\n",
            "* CAPABILITY IMAP4rev1 AUTH=XOAUTH2\r\na1 OK\r\n",
            "+ \r\n",
            "+ eyJzdGF0dXMiOiI0MDAifQ==\r\n",
            "a2 NO AUTHENTICATE failed.\r\n",
        ] {
            if stream.write_all(answer.as_bytes()).is_err() || reader.read_line(&mut String::new()).is_err() {
                return;
            }
        }
    });
    let place = Certified::new().place(port, Security::Loopback);
    let token = Mailbox { place, login: Login::Token(Secret::new("t".into())), ..server(&[]) };
    assert_eq!(token.open().await.err(), Some(Trouble::OurLogin));
}
