//! The command line of an installation: start-up, mistakes, what a demonstration says of itself.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::{DemoOptions, binary, free_offset};
use sealpost_tests::mail::{File, Mail};
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{link_in, must, run, wait_for_deposit, wait_until};
use sealpost_tests::{Demo, Door};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const BOB: &str = "bob@example.test";
const DORA: &str = "dora@example.test";

fn sealpost(args: &[&str]) -> Result<Output> {
    Ok(Command::new(binary()?).args(args).stdin(Stdio::null()).output()?)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The exit status must be this one; returns what was said.
fn answers(code: i32, args: &[&str]) -> Result<String> {
    let output = sealpost(args)?;
    ensure!(output.status.code() == Some(code), "{args:?}: {}\n{}", output.status, said(&output));
    Ok(said(&output))
}

#[test]
fn every_command_explains_itself() -> Result<()> {
    let help = answers(0, &["--help"])?;
    for command in [
        "demo",
        "init",
        "serve",
        "check",
        "user",
        "recipient",
        "policy",
        "proof",
        "journal",
        "queue",
        "deposit",
        "backup",
        "restore",
        "migrate",
        "key",
    ] {
        ensure!(help.contains(command), "{help}");
        ensure!(answers(0, &[command, "--help"])?.len() > 100, "{command}");
    }
    answers(2, &["nonsense"])?;
    answers(2, &["deposit", "show"])?;
    let missing = answers(2, &["--config", "/nowhere/sealpost.toml", "check"])?;
    ensure!(missing.contains("/nowhere/sealpost.toml"), "{missing}");
    Ok(())
}

#[test]
fn the_description_of_a_demonstration_is_private_and_complete() -> Result<()> {
    let mut demo = Demo::start(DemoOptions::default())?;
    let file = demo.dir.join("demo.json");
    assert_eq!(std::fs::metadata(&file)?.permissions().mode() & 0o777, 0o600);
    let json: Value = serde_json::from_str(&std::fs::read_to_string(&file)?)?;
    assert_eq!(json["host"], "localhost");
    ensure!(
        json["ca"].as_str().is_some_and(|p| Path::new(p).is_absolute() && Path::new(p).exists()),
        "{json}"
    );
    let offset = json["ports"]["submission"].as_u64().context("submission")? - 2587;
    for (name, port) in [
        ("submissions", 2465),
        ("inbound", 2525),
        ("relay", 2526),
        ("imap", 2143),
        ("imaps", 2993),
        ("https", 8443),
        ("card", 8444),
        ("admin", 9090),
    ] {
        assert_eq!(json["ports"][name], port + offset, "{name}");
    }
    let roles: Vec<&Value> =
        json["accounts"].as_array().context("accounts")?.iter().map(|a| &a["role"]).collect();
    assert_eq!(roles, ["sender", "auditor", "admin"]);
    for account in json["accounts"].as_array().context("accounts")? {
        for key in ["login", "password", "app_password", "totp_secret"] {
            ensure!(account[key].as_str().is_some_and(|s| s.len() > 10), "{key} in {account}");
        }
    }
    let mailboxes: Vec<&Value> =
        json["mailboxes"].as_array().context("mailboxes")?.iter().map(|m| &m["login"]).collect();
    assert_eq!(mailboxes, [BOB, "dora@example.test"]);

    // An existing directory is served as it is: the same people, the same deposits.
    let mail = Mail::new(&[BOB], "[secure] Avant").file(File::noise("a.bin", 100_000));
    let id = Place::new(&demo, "alice")?.send(&[BOB], &mail.bytes())?;
    let link = link_in(&wait_for_deposit(&demo, BOB, &id)?)?;
    demo.terminate()?;
    ensure!(TcpListener::bind(("127.0.0.1", demo.about.ports.https)).is_ok(), "the port is still in use");
    demo.restart()?;
    let again: Value = serde_json::from_str(&std::fs::read_to_string(&file)?)?;
    assert_eq!(again, json);
    let files = Door::new(&demo, &link)?.open(&demo, BOB)?.files();
    assert_eq!(files.len(), 1);
    remembered(&demo)
}

/// What is remembered of a recipient, by command; their next mail is in the language said there.
fn remembered(demo: &Demo) -> Result<()> {
    let particulars = ["--language", "en", "--shared", "yes", "--phone", "06 12 34 56 78", "--name", "Dora"];
    demo.sealpost(&[&["recipient", "set", DORA], &particulars[..]].concat())?;
    demo.sealpost(&["recipient", "set", DORA, "--identity", "rpps:10001234567", "--name", ""])?;
    let shown: Value = serde_json::from_str(&demo.sealpost(&["--json", "recipient", "show", DORA])?)?;
    let known = ["address", "name", "phone", "phone_source", "identity", "language", "shared", "devices"];
    let known: Vec<Value> = known.iter().map(|key| shown[key].clone()).collect();
    let expected = json!([DORA, null, "+33612345678", "administrator", "rpps:10001234567", "en", true, []]);
    assert_eq!(Value::from(known), expected);
    ensure!(demo.sealpost(&["recipient", "list", "dora"])?.contains("shared"), "not listed");
    let id = Place::new(demo, "alice")?.send(&[DORA], &Mail::new(&[DORA], "[secure] Later").bytes())?;
    let mail = wait_for_deposit(demo, DORA, &id)?;
    ensure!(mail.contains("Content-Language: en"), "{mail}");

    let config = demo.dir.join("sealpost.toml").to_string_lossy().into_owned();
    let say = |code: i32, args: &[&str]| {
        answers(code, &[&["--config", config.as_str(), "recipient"], args].concat())
    };
    let phone = say(2, &["set", DORA, "--phone", "12"])?;
    ensure!(phone.contains("--phone"), "{phone}");
    say(2, &["set", DORA, "--identity", "nobody"])?;
    say(2, &["set", DORA, "--language", "xx"])?;
    say(0, &["forget", DORA])?;
    say(1, &["forget", DORA])?;
    say(1, &["show", DORA])?;
    let changes = demo.sealpost(&["journal", "search", "--event", "AccountChanged"])?;
    ensure!(changes.contains("recipient remembered") && changes.contains("recipient forgotten"), "{changes}");
    Ok(())
}

#[test]
fn a_demonstration_ends_in_time_whoever_is_connected() -> Result<()> {
    let mut demo = Demo::start(DemoOptions::default())?;
    let place = Place::new(&demo, "alice")?;
    // One client says nothing, one is in the middle of a message, one holds a web connection.
    let _idle = place.connect()?;
    let mut busy = place.connect()?;
    busy.begin(&place.login, &[BOB])?;
    busy.raw(b"From: alice@sealpost.test\r\nSubject: half")?;
    let _web = std::net::TcpStream::connect(("127.0.0.1", demo.about.ports.https))?;
    let id = place.send(&[BOB], &Mail::new(&[BOB], "Juste avant la fin").bytes())?;
    demo.terminate()?;
    demo.restart()?;
    let listed = demo.sealpost(&["--json", "deposit", "list"])?;
    ensure!(listed.lines().count() == 1 && listed.contains(&id), "{listed}");
    Ok(())
}

#[test]
fn a_taken_port_is_named_with_its_setting() -> Result<()> {
    let offset = free_offset()?;
    let dir = tempfile::tempdir()?;
    let taken = TcpListener::bind(("127.0.0.1", 2993 + offset))?;
    // What an earlier run left names ports of that run: nobody who waits for the file may read it.
    std::fs::write(dir.path().join("demo.json"), "{\"ports\":{\"admin\":1}}")?;
    let text = answers(
        2,
        &["demo", "--dir", &dir.path().to_string_lossy(), "--offset", &offset.to_string(), "--no-sample"],
    )?;
    ensure!(text.contains("listen.imaps") && text.contains(&taken.local_addr()?.to_string()), "{text}");
    ensure!(!dir.path().join("demo.json").exists(), "a description was written");
    Ok(())
}

/// A gateway that `serve` runs; killed when dropped.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_installation_is_made_checked_and_served() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("gateway");
    let text = path.to_string_lossy().into_owned();
    let sheet =
        answers(0, &["init", "--dir", &text, "--domain", "clinique.test", "--hostname", "localhost"])?;
    ensure!(sheet.contains("RECOVERY SHEET") && sheet.contains("root.key"), "{sheet}");
    let file = path.join("sealpost.toml");
    let config = file.to_string_lossy().into_owned();
    let before = std::fs::read(&file)?;
    answers(2, &["init", "--dir", &text, "--domain", "other.test"])?;
    ensure!(std::fs::read(&file)? == before, "init changed an existing configuration");
    let nowhere = dir.path().join("x");
    let wrong = answers(2, &["init", "--dir", &nowhere.to_string_lossy(), "--domain", "no domain"])?;
    ensure!(wrong.contains("--domain") && !nowhere.exists(), "{wrong}");
    let made = answers(0, &["--json", "init", "--dir", &nowhere.to_string_lossy(), "--domain", "x.test"])?;
    let made: Value = serde_json::from_str(made.trim())?;
    ensure!(made["config"].as_str().is_some_and(|f| Path::new(f).exists()), "{made}");

    let wrong = answers(2, &["--config", &config, "restore", &dir.path().to_string_lossy()])?;
    ensure!(wrong.contains("this is no backup"), "{wrong}");
    let wrong = answers(2, &["--config", &config, "journal", "search", "--since", "yesterday"])?;
    ensure!(wrong.contains("2026-03-31T18:00:00Z"), "{wrong}");

    // As it stands it is ready, and says what the domain's DNS should hold; with a mistake it is not.
    let fresh = answers(0, &["--config", &config, "check"])?;
    ensure!(fresh.contains("v=DKIM1; k=rsa;") && fresh.trim_end().ends_with("ready to serve"), "{fresh}");
    let text = std::fs::read_to_string(&file)?;
    std::fs::write(&file, text.replacen("#smarthost =", "smarthst =", 1))?;
    // A mistake in the file is told together with what is wrong elsewhere, also to a program.
    let certificate = path.join("tls/cert.pem");
    std::fs::rename(&certificate, path.join("tls/away.pem"))?;
    for json in [false, true] {
        let mut args = vec!["--config", config.as_str(), "check"];
        args.extend(json.then_some("--json"));
        let wrong = answers(1, &args)?;
        ensure!(wrong.contains("smarthost") && wrong.contains("cert.pem"), "{wrong}");
        if json {
            let wrong: Value = serde_json::from_str(wrong.trim())?;
            ensure!(
                wrong["ok"] == false && wrong["findings"].as_array().is_some_and(|f| f.len() > 1),
                "{wrong}"
            );
        }
    }
    std::fs::rename(path.join("tls/away.pem"), &certificate)?;
    // A mistyped place is told and not made; a bucket that does not answer is told.
    let keys = text.replacen("keys = \"keys\"", "keys = \"kyes\"", 1);
    ensure!(keys != text, "the template names its keys: {text}");
    std::fs::write(&file, keys)?;
    let wrong = said(&sealpost(&["--config", &config, "check"])?);
    ensure!(wrong.contains("store.keys") && !path.join("kyes").exists(), "{wrong}");
    let bucket = text.replacen(
        "blobs = \"file:data/blobs\"",
        "blobs = \"s3://content?endpoint=http://127.0.0.1:1\"",
        1,
    );
    ensure!(bucket != text, "the template names its blobs: {text}");
    std::fs::write(&file, bucket)?;
    let wrong = answers(1, &["--config", &config, "check"])?;
    ensure!(wrong.contains("`store.blobs`: the bucket "), "{wrong}");
    std::fs::write(&file, text)?;
    let offset = free_offset()?;
    let mut lines = Vec::new();
    for line in std::fs::read_to_string(&file)?.lines() {
        let port = |n: u16| format!("127.0.0.1:{}", n + offset);
        lines.push(match line.split_once(" = ").map(|(key, _)| key) {
            Some("submission") => format!("submission = {:?}", port(2587)),
            Some("submissions") => format!("submissions = {:?}", port(2465)),
            Some("inbound") => format!("inbound = {:?}", port(2525)),
            Some("imap") => format!("imap = {:?}", port(2143)),
            Some("imaps") => format!("imaps = {:?}", port(2993)),
            Some("https") => format!("https = {:?}", port(8443)),
            Some("admin") => format!("admin = {:?}", port(9090)),
            Some("#smarthost") => "smarthost = \"localhost:1\"".to_owned(),
            Some("#smarthost_tls") => "smarthost_tls = \"none\"".to_owned(),
            _ => line.to_owned(),
        });
    }
    std::fs::write(&file, lines.join("\n"))?;
    let ready = answers(0, &["--config", &config, "check"])?;
    ensure!(ready.trim_end().ends_with("ready to serve"), "{ready}");
    let added =
        answers(0, &["--config", &config, "--json", "user", "add", "dr@clinique.test", "--name", "Dr Test"])?;
    let added: Value = serde_json::from_str(added.lines().next().unwrap_or_default())?;

    let log = std::fs::File::create(dir.path().join("log"))?;
    let child = Command::new(binary()?)
        .args(["--config", &config, "serve"])
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    let mut served = Served(child);
    let admin = format!("http://127.0.0.1:{}", 9090 + offset);
    wait_until("readiness", || {
        let output = run("curl", &["-sf", "--noproxy", "*", &format!("{admin}/readyz")])?;
        Ok(output.status.success())
    })
    .with_context(|| std::fs::read_to_string(dir.path().join("log")).unwrap_or_default())?;
    ensure!(!must("curl", &["-sf", "--noproxy", "*", &format!("{admin}/metrics")])?.is_empty());
    let user = format!("dr@clinique.test:{}", added["app_password"].as_str().context("no app password")?);
    let mail = dir.path().join("mail.eml");
    std::fs::write(&mail, "From: dr@clinique.test\r\nTo: bob@example.test\r\nSubject: x\r\n\r\nx\r\n")?;
    let sent = run(
        "curl",
        &[
            "-sv",
            "--noproxy",
            "*",
            "--ssl-reqd",
            "--url",
            &format!("smtp://localhost:{}", 2587 + offset),
            "--cacert",
            &path.join("ca.pem").to_string_lossy(),
            "--user",
            &user,
            "--mail-from",
            "dr@clinique.test",
            "--mail-rcpt",
            BOB,
            "-T",
            &mail.to_string_lossy(),
        ],
    )?;
    ensure!(said(&sent).contains("250 2.0.0 Deposited "), "{}", said(&sent));
    must("kill", &["-TERM", &served.0.id().to_string()])?;
    ensure!(served.0.wait()?.success(), "{}", std::fs::read_to_string(dir.path().join("log"))?);
    Ok(())
}

#[test]
fn all_mistakes_are_told_at_once_with_their_lines() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("bad.toml");
    let text = "profle = \"general\"\n[[entity]]\nname = \"X\"\ndomains = [\"not a domain\"]\nhostname = \"mail.x.test\"\n\
        [listen]\nsubmission = \"127.0.0.1:99999\"\nhttps = 8443\n[tls]\ncert = \"c\"\nkey = \"k\"\n[web]\n\
        url = \"http://x.test\"\n[store]\ndatabase = \"sqlite:x.db\"\nblobs = \"file:blobs\"\nkeys = \"keys\"\n[[rule]]\n\
        name = \"r\"\nwhen = 'recipient.domian == \"x\"'\ntreatment = \"notfy\"\nexpires = \"3 dayz\"\n";
    std::fs::write(&file, text)?;
    let config = file.to_string_lossy().into_owned();
    for command in ["check", "serve"] {
        // For `check` they are a negative answer, for `serve` a file that cannot be used.
        let found = answers(if command == "check" { 1 } else { 2 }, &["--config", &config, command])?;
        for (line, key, hint) in [
            (1, "profle", "did you mean \"profile\"?"),
            (4, "entity[0].domains[0]", "not a domain name"),
            (7, "listen.submission", "127.0.0.1:2587"),
            (8, "listen.https", "127.0.0.1:2587"),
            (13, "web.url", "https"),
            (20, "rule[0].when", "recipient.domain"),
            (21, "rule[0].treatment", "notify"),
            (22, "rule[0].expires", "30 days"),
        ] {
            let start = format!("{config}:{line}: {key}: ");
            ensure!(
                found
                    .lines()
                    .map(|l| l.strip_prefix("FAULT    ").unwrap_or(l))
                    .any(|l| l.starts_with(&start) && l.contains(hint)),
                "{start} … {hint} in\n{found}"
            );
        }
    }
    // Nobody reads the answer, and it is still the same.
    let mut unread = Command::new(binary()?)
        .args(["--config", &config, "check"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    drop(unread.stdout.take());
    assert_eq!(unread.wait()?.code(), Some(1));
    std::fs::write(&file, "[[entity]\nname = 1\n")?;
    ensure!(
        answers(2, &["--config", &config, "check"])?.contains("bad.toml:1"),
        "the line of a syntax error"
    );
    Ok(())
}

#[test]
fn policy_is_explained_before_anything_is_sent() -> Result<()> {
    let rules = "\n[[rule]]\nname = \"cards only\"\nwhen = 'recipient.domain == \"hopital.test\"'\ntreatment = \"notify\"\n\
        gate = [\"cps\", \"password+otp-sms\"]\nexpires = \"7 days\"\n";
    let demo = Demo::start(DemoOptions::default())?;
    demo.edit(|config| config + rules)?;
    let ask = |more: &[&str]| -> Result<Value> {
        let common = ["--json", "policy", "test", "--from", "alice@sealpost.test"];
        Ok(serde_json::from_str(&demo.sealpost(&[&common[..], more].concat())?)?)
    };
    for (more, treatment, rule) in [
        (&["--to", "x@hopital.test"][..], "notify", "cards only"),
        (&["--to", BOB], "seal", "default"),
        (&["--to", BOB, "--size", "6000000", "--attachment", "scan.dcm"], "link", "default"),
        (&["--to", BOB, "--subject", "RE: [sécurisé] x"], "notify", "default"),
        (&["--to", BOB, "--header", "X-Sealpost-Treatment: notify"], "notify", "default"),
        (&["--to", "carol@sealpost.test"], "pass", "default"),
        (
            &["--to", BOB, "--header", "Content-Type: text/calendar; charset=utf-8; method=REQUEST"],
            "pass",
            "",
        ),
        (&["--to", BOB, "--header", "Content-Type: text/calendar"], "seal", "default"),
    ] {
        let verdict = ask(more)?;
        ensure!(verdict["treatment"] == treatment, "{more:?}: {verdict}");
        ensure!(verdict["rule"].as_str().is_some_and(|r| r.starts_with(rule)), "{more:?}: {verdict}");
    }
    for from in ["<>", ""] {
        let words = demo.sealpost(&["--json", "policy", "test", "--from", from, "--to", "x@hopital.test"])?;
        assert_eq!(serde_json::from_str::<Value>(&words)?["treatment"], "pass", "{words}");
    }
    assert_eq!(ask(&["--to", "x@hopital.test"])?["gate"].as_array().map(Vec::len), Some(2));
    let words =
        demo.sealpost(&["policy", "test", "--from", "alice@sealpost.test", "--to", "x@hopital.test"])?;
    ensure!(words.contains("cards only") && words.contains("cps, password+otp-sms"), "{words}");
    assert_eq!(demo.sealpost_raw(&["policy", "test", "--from", "x", "--to", BOB])?.status.code(), Some(2));
    Ok(())
}

#[test]
fn the_sample_is_a_real_deposit() -> Result<()> {
    let demo = Demo::start(DemoOptions { sample: true, ..DemoOptions::default() })?;
    let sample = demo.about.sample.clone().context("no sample in demo.json")?;
    let shown: Value =
        serde_json::from_str(&demo.sealpost(&["--json", "deposit", "show", &sample.deposit])?)?;
    assert_eq!(shown["reference"], sample.reference.as_str());
    ensure!(shown["size"].as_u64().is_some_and(|n| n > 64 << 20), "{shown}");
    let link = link_in(&wait_for_deposit(&demo, BOB, &sample.deposit)?)?;
    let files = Door::new(&demo, &link)?.open(&demo, BOB)?.files();
    assert_eq!(files.len(), 1);
    Ok(())
}
