//! SCRAM with real clients: GNU SASL's, and one written from the RFCs alone; over SMTP and IMAP; and the brake.

use anyhow::{Context, Result, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::pbkdf2::{self, PBKDF2_HMAC_SHA256};
use base64_simd::STANDARD;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use sealpost_tests::sending::trusting;
use sealpost_tests::tools::{run, script};
use sealpost_tests::{Account, Demo, DemoOptions};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::num::NonZeroU32;
use std::process::Command;

/// GNU SASL logs in with STARTTLS; TLS 1.3, so that it binds by `tls-exporter`.
fn gsasl(
    demo: &Demo,
    protocol: &str,
    mechanism: &str,
    password: &str,
    more: &[&str],
) -> Result<(bool, String)> {
    let alice = demo.account("alice");
    let port = if protocol == "--smtp" { demo.about.ports.submission } else { demo.about.ports.imap };
    let connect = format!("localhost:{port}");
    let ca = format!("--x509-ca-file={}", demo.about.ca.display());
    let mut args = vec![protocol, "--connect", &connect, "--starttls", "--verbose", &ca];
    args.extend(["-m", mechanism, "-a", &alice.login, "-p", password]);
    args.extend(more);
    let output = run("gsasl", &args)?;
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Ok((output.status.success(), said))
}

#[test]
fn gnu_sasl_logs_in() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let good = demo.account("alice").app_password.clone();
    for protocol in ["--smtp", "--imap"] {
        for (mechanism, more) in [
            ("SCRAM-SHA-256-PLUS", &[][..]),
            ("SCRAM-SHA-256", &["--no-cb"][..]),
            ("PLAIN", &["--no-cb"][..]),
            ("LOGIN", &["--no-cb"][..]),
        ] {
            let (ok, said) = gsasl(&demo, protocol, mechanism, &good, more)?;
            ensure!(ok, "{protocol} {mechanism}:\n{said}");
        }
        let (ok, said) = gsasl(&demo, protocol, "SCRAM-SHA-256-PLUS", "wrong", &[])?;
        ensure!(!ok, "{protocol}: a wrong password was taken:\n{said}");
    }
    Ok(())
}

fn tries(demo: &Demo, account: &Account, password: &str, source: &str, names: &str) -> Result<Value> {
    let (port, ca) = (demo.about.ports.submissions.to_string(), demo.about.ca.to_string_lossy().into_owned());
    let mut command = Command::new("python3");
    command.arg(script("scram.py")).args([&ca, &port, &account.login, password, source]);
    if !names.is_empty() {
        command.env("TRIES", names);
    }
    let output = command.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[test]
fn a_client_written_from_the_rfcs_agrees() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let alice = demo.account("alice");
    let answers = tries(&demo, alice, &alice.app_password, "127.0.0.1", "")?;
    let reply = |name: &str| answers[name]["reply"].as_str().unwrap_or_default().to_owned();
    let offer = answers["plain"]["offer"].as_str().unwrap_or_default();
    ensure!(
        offer.contains("AUTH PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS OAUTHBEARER XOAUTH2"),
        "{offer}"
    );
    for name in ["plain", "end point"] {
        assert_eq!(reply(name), "235 2.7.0 Authentication successful", "{name}");
    }
    for name in [
        "another end point",
        "another exporter",
        "unknown binding",
        "downgraded",
        "wrong",
        "no proof",
        "unknown",
        "unknown again",
        "no address",
    ] {
        assert_eq!(reply(name), "535 5.7.8 Authentication credentials invalid", "{name}");
    }
    ensure!(reply("plus without binding").starts_with("501 "), "{}", reply("plus without binding"));
    // A login that does not exist shows a salt as stable as one that does, and as its own.
    let first = |name: &str| answers[name]["first"].clone();
    assert_eq!(first("plain"), first("wrong"));
    assert_eq!(first("unknown"), first("unknown again"));
    assert_ne!(first("unknown")["salt"], first("wrong")["salt"]);
    assert_ne!(first("unknown")["salt"], first("no address")["salt"]);
    for name in ["unknown", "no address"] {
        assert_eq!(first(name)["rounds"], first("wrong")["rounds"]);
        assert_eq!(first(name)["salt"].as_str().map(str::len), Some(24));
    }
    Ok(())
}

/// A client of our own that binds by `tls-exporter` over SMTP, computed from RFC 5802 and RFC 9266.
fn by_exporter(demo: &Demo, honest: bool) -> Result<String> {
    let alice = demo.account("alice");
    let socket = TcpStream::connect(("127.0.0.1", demo.about.ports.submissions))?;
    let session = ClientConnection::new(trusting(&demo.about.ca)?, ServerName::try_from("localhost")?)?;
    let mut stream = BufReader::new(StreamOwned::new(session, socket));
    let mut say = |line: &str| -> Result<String> {
        if !line.is_empty() {
            stream.get_mut().write_all(line.as_bytes())?;
            stream.get_mut().flush()?;
        }
        let mut reply = String::new();
        while reply.is_empty() || reply.as_bytes().get(3) == Some(&b'-') {
            reply.clear();
            stream.read_line(&mut reply)?;
        }
        Ok(reply.trim_end().to_owned())
    };
    say("")?;
    say("EHLO client.example\r\n")?;
    let bare = format!("n={},r=fyko+d2lbbFgONRv9qkxdawL", alice.login);
    let encode = |bytes: &[u8]| STANDARD.encode_to_string(bytes);
    let header = "p=tls-exporter,,";
    let challenge =
        say(&format!("AUTH SCRAM-SHA-256-PLUS {}\r\n", encode(format!("{header}{bare}").as_bytes())))?;
    let first =
        String::from_utf8(STANDARD.decode_to_vec(challenge.strip_prefix("334 ").context("a challenge")?)?)?;
    let mut fields = first.split(',').map(|f| &f[2..]);
    let nonce = fields.next().context("a nonce")?.to_owned();
    let salt = STANDARD.decode_to_vec(fields.next().context("a salt")?)?;
    let rounds: NonZeroU32 = fields.next().context("a count")?.parse()?;

    let mut salted = [0u8; 32];
    pbkdf2::derive(PBKDF2_HMAC_SHA256, rounds, &salt, alice.app_password.as_bytes(), &mut salted);
    let mac = |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
    let mut binding =
        stream.get_ref().conn.export_keying_material([0u8; 32], b"EXPORTER-Channel-Binding", Some(b""))?;
    if !honest {
        binding[0] ^= 1;
    }
    let last = format!("c={},r={nonce}", encode(&[header.as_bytes(), &binding].concat()));
    let signed = format!("{bare},{first},{last}");
    let mut proof = mac(&salted, "Client Key").as_ref().to_vec();
    let stored = digest(&SHA256, &proof);
    proof.iter_mut().zip(mac(stored.as_ref(), &signed).as_ref()).for_each(|(p, s)| *p ^= s);
    let message = encode(format!("{last},p={}", encode(&proof)).as_bytes());
    let mut say = |line: &str| -> Result<String> {
        stream.get_mut().write_all(line.as_bytes())?;
        stream.get_mut().flush()?;
        let mut reply = String::new();
        stream.read_line(&mut reply)?;
        Ok(reply.trim_end().to_owned())
    };
    let reply = say(&format!("{message}\r\n"))?;
    let Some(confirmation) = reply.strip_prefix("334 ") else { return Ok(reply) };
    let server = mac(mac(&salted, "Server Key").as_ref(), &signed);
    ensure!(
        STANDARD.decode_to_vec(confirmation)? == format!("v={}", encode(server.as_ref())).as_bytes(),
        "the server proves that it knows the password too"
    );
    say("\r\n")
}

#[test]
fn bound_by_the_exporter_of_tls_13() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    assert_eq!(by_exporter(&demo, true)?, "235 2.7.0 Authentication successful");
    assert_eq!(by_exporter(&demo, false)?, "535 5.7.8 Authentication credentials invalid");
    Ok(())
}

/// Beyond the limit not even the right password is looked at, by whatever mechanism; the owner, known at
/// another address, is not locked out.
#[test]
fn the_brake_holds_strangers_and_spares_the_owner() -> Result<()> {
    let demo = Demo::start_edited(DemoOptions::default(), |config| {
        config.replacen("\n[limits]\n", "\n[limits]\nlogins_per_account = 3\n", 1)
    })?;
    let carol = demo.account("carol");
    let (home, away) = ("127.0.0.1", "127.0.0.2");
    let reply = |password: &str, source: &str| -> Result<String> {
        let answers = tries(&demo, carol, password, source, "plain")?;
        Ok(answers["plain"]["reply"].as_str().unwrap_or_default().to_owned())
    };
    ensure!(reply(&carol.app_password, home)?.starts_with("235 "), "at home before");
    for n in 0..3 {
        ensure!(reply("wrong", away)?.starts_with("535 5.7.8"), "guess {n}");
    }
    ensure!(reply("wrong", away)?.starts_with("454 4.7.0"), "one guess too many");
    ensure!(reply(&carol.app_password, away)?.starts_with("454 4.7.0"), "the right one is not looked at");
    let url = format!("smtps://localhost:{}", demo.about.ports.submissions);
    let user = format!("{}:{}", carol.login, carol.app_password);
    let ca = demo.about.ca.to_string_lossy();
    let curl = |source: &str| -> Result<bool> {
        let args = ["-s", "--noproxy", "*", "--interface", source, "--url", &url, "--cacert", &ca];
        let more = ["--user", &user, "--login-options", "AUTH=PLAIN", "-X", "NOOP", "-o", "/dev/null"];
        Ok(run("curl", &[&args[..], &more[..]].concat())?.status.success())
    };
    ensure!(!curl(away)?, "nor by PLAIN");
    ensure!(curl(home)?, "the owner, by PLAIN");
    ensure!(reply(&carol.app_password, home)?.starts_with("235 "), "the owner, by SCRAM");
    // Another account is not concerned.
    let alice = demo.account("alice");
    let answers = tries(&demo, alice, &alice.app_password, away, "plain")?;
    ensure!(answers["plain"]["reply"].as_str().is_some_and(|r| r.starts_with("235 ")), "{answers}");
    Ok(())
}
