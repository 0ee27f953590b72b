//! Relaying to a smarthost: TLS when offered, patience, and the same bytes at every attempt.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::{File, Mail};
use sealpost_tests::postfix::Postfix;
use sealpost_tests::sending::Place;
use sealpost_tests::sink::Sink;
use sealpost_tests::tools::{wait_for_mail, wait_until};
use sealpost_tests::{Demo, Parsed};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const BOB: &str = "bob@example.test";

fn start(sink: &Sink) -> Result<Demo> {
    let options = DemoOptions { smarthost: Some(sink.address.clone()), ..DemoOptions::default() };
    Demo::start_edited(options, |config| {
        config.replace("\n[relay]\n", "\n[relay]\nretry = [\"2 seconds\"]\n")
    })
}

/// A certificate for the sink: opportunistic TLS takes any.
fn certificate(dir: &Path) -> Result<()> {
    let path = |name: &str| dir.join(name).to_string_lossy().into_owned();
    sealpost_tests::tools::must(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-days",
            "30",
            "-keyout",
            &path("key.pem"),
            "-out",
            &path("cert.pem"),
        ],
    )?;
    Ok(())
}

#[test]
fn a_smarthost_gets_mail_over_starttls() -> Result<()> {
    let dir = tempfile::tempdir()?;
    certificate(dir.path())?;
    let sink = Sink::start(Some(dir.path()))?;
    let demo = start(&sink)?;
    let mail = Mail::new(&[BOB], "Par le relais").text("Bonjour\r\n").file(File::noise("a.bin", 2_000_000));
    let id = Place::new(&demo, "alice")?.send(&[BOB, "dora@example.test"], &mail.bytes())?;
    wait_until("both recipients", || Ok(sink.accepted().len() == 2))?;
    let mut to: Vec<String> = Vec::new();
    for attempt in sink.accepted() {
        ensure!(attempt.tls, "sent in the clear although STARTTLS was offered");
        ensure!(attempt.from.starts_with("return-"), "{} is no return address", attempt.from);
        to.extend(attempt.to);
        let parsed = Parsed::new(&attempt.message)?;
        assert_eq!(parsed.header("X-Sealpost-Deposit")?, id);
        ensure!(
            parsed.parts.iter().any(|p| p.bytes().is_ok_and(|b| b == mail.files[0].bytes)),
            "the file changed"
        );
    }
    to.sort();
    assert_eq!(to, [BOB, "dora@example.test"]);
    // Mail for our own domain stays here.
    Place::new(&demo, "alice")?
        .send(&["carol@sealpost.test"], &Mail::new(&["carol@sealpost.test"], "Ici").bytes())?;
    wait_for_mail(&demo, "carol", &|m| m.contains("Subject: Ici"))?;
    assert_eq!(sink.accepted().len(), 2);
    wait_until("the queue is empty", || {
        Ok(demo.sealpost(&["--json", "queue", "list", "--state", "ready"])?.is_empty())
    })
}

#[test]
fn retries_survive_a_kill_and_repeat_the_same_bytes() -> Result<()> {
    let sink = Sink::start(None)?;
    let mut demo = start(&sink)?;
    sink.answer(&["451 4.3.0 later"; 2]);
    let mail = Mail::new(&[BOB], "Patience").text(".ligne\r\n".replace('.', "..").as_str());
    let id = Place::new(&demo, "alice")?.send(&[BOB], &mail.bytes())?;
    wait_until("the first attempt", || Ok(!sink.attempts().is_empty()))?;
    demo.kill()?;
    demo.restart()?;
    wait_until("acceptance", || Ok(!sink.accepted().is_empty()))?;
    let attempts = sink.attempts();
    assert_eq!(attempts.len(), 3);
    ensure!(attempts.iter().all(|a| a.message == attempts[0].message), "the attempts differ");
    let shown = demo.sealpost(&["--json", "deposit", "show", &id])?;
    wait_until("the outcome", || {
        let shown = demo.sealpost(&["--json", "deposit", "show", &id])?;
        Ok(shown.contains("RelayToNonERDS\"") || shown.contains("\"ContentConsignment\""))
    })
    .with_context(|| shown)
}

#[test]
fn a_permanent_refusal_reaches_the_sender() -> Result<()> {
    let sink = Sink::start(None)?;
    let demo = start(&sink)?;
    sink.answer(&["550 5.1.1 no such user"]);
    let mail = Mail::new(&[BOB], "Inconnu").header("Message-ID: <inconnu-1@sealpost.test>");
    let id = Place::new(&demo, "alice")?.send(&[BOB], &mail.bytes())?;
    let notice = wait_for_mail(&demo, "alice", &|m| m.contains("inconnu-1@sealpost.test"))?;
    let parsed = Parsed::new(notice.as_bytes())?;
    ensure!(parsed.header("Subject")?.starts_with("Non remis :"), "{}", parsed.header("Subject")?);
    let text = parsed.body("text/plain")?;
    ensure!(text.contains(BOB) && text.contains("no such user"), "{text}");
    assert_eq!(sink.attempts().len(), 1);
    let shown = demo.sealpost(&["--json", "deposit", "show", &id])?;
    ensure!(shown.contains("\"failed\"") && shown.contains("RelayToNonERDSFailure"), "{shown}");
    Ok(())
}

/// A partner's server wants a certificate from whoever relays through it, and has an authority of its own.
#[test]
fn a_route_shows_its_certificate() -> Result<()> {
    let (dir, sink) = (Postfix::place()?, Sink::start(None)?);
    certificate(dir.path())?;
    std::fs::set_permissions(dir.path().join("key.pem"), std::fs::Permissions::from_mode(0o644))?;
    let at = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let (cert, key) = (at("cert.pem"), at("key.pem"));
    let settings = format!(
        "myhostname = partner.example\nmynetworks = 192.0.2.0/24\nsmtpd_tls_security_level = encrypt\n\
         smtpd_tls_cert_file = {cert}\nsmtpd_tls_key_file = {key}\nsmtpd_tls_CAfile = {cert}\n\
         smtpd_tls_ask_ccert = yes\nsmtpd_tls_fingerprint_digest = sha256\n\
         smtpd_relay_restrictions = permit_tls_all_clientcerts, reject\nsmtpd_error_sleep_time = 0\n\
         relayhost = [127.0.0.1]:{}\n",
        sink.address.rsplit(':').next().context("a port")?
    );
    let partner = Postfix::start(Postfix::place()?, &settings, &[""])?;
    let options = DemoOptions { smarthost: Some(sink.address.clone()), ..DemoOptions::default() };
    let mut demo = Demo::start(options)?;
    let route = |more: &str| {
        format!(
            "\n[[route]]\ndomains = [\"example.test\"]\nvia = \"localhost:{}\"\nca = {cert:?}\n{more}",
            partner.ports[0]
        )
    };
    let plain = std::fs::read_to_string(demo.dir.join("sealpost.toml"))?;
    let with = |demo: &mut Demo, more: &str| -> Result<()> {
        demo.terminate()?;
        demo.edit(|_| format!("{plain}{}", route(more)))?;
        demo.restart()
    };
    // Without a certificate it is nobody there.
    with(&mut demo, "")?;
    let id = Place::new(&demo, "alice")?.send(&[BOB], &Mail::new(&[BOB], "Sans certificat").bytes())?;
    wait_until("a refusal", || {
        Ok(demo.sealpost(&["--json", "deposit", "show", &id])?.contains("RelayToNonERDSFailure"))
    })?;
    ensure!(partner.log().contains("Access denied"), "{}", partner.log());
    with(&mut demo, &format!("certificate = {cert:?}\nkey = {key:?}\n"))?;
    let id = Place::new(&demo, "alice")?.send(&[BOB], &Mail::new(&[BOB], "Avec certificat").bytes())?;
    sink.wait_for(&|text| text.contains(&id))?;
    let outcome = demo.sealpost(&["journal", "search", "--deposit", &id, "--event", "RelayToNonERDS"])?;
    ensure!(outcome.contains("\"certificate_verified\":true"), "{outcome}");
    Ok(())
}
