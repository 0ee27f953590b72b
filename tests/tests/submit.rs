//! Submission by real clients over both ports, and what happens to what must not pass.

use anyhow::{Context, Result, ensure};
use sealpost_tests::Demo;
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::{File, Mail, sha256};
use sealpost_tests::sending::{Client, Place};
use sealpost_tests::tools::{deposit_id, run, send_by_curl, wait_until};
use serde_json::Value;
use std::process::Output;

fn swaks(demo: &Demo, more: &[&str]) -> Result<Output> {
    let alice = demo.account("alice");
    let (port, ca) = (demo.about.ports.submission.to_string(), demo.about.ca.to_string_lossy());
    let mut args =
        vec!["--server", "localhost", "--port", &port, "--tls", "--tls-verify", "--tls-ca-path", &ca];
    args.extend(["--from", &alice.login, "--to", "bob@example.test"]);
    args.extend(more);
    run("swaks", &args)
}

fn dialogue(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The JSON lines that a command prints.
fn lines(text: &str) -> Result<Vec<Value>> {
    text.lines().map(|l| Ok(serde_json::from_str(l)?)).collect()
}

#[test]
fn swaks_submits_over_starttls() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let (login, password) = (&demo.account("alice").login, &demo.account("alice").app_password);
    for mechanism in ["PLAIN", "LOGIN"] {
        let output = swaks(&demo, &["--auth", mechanism, "--auth-user", login, "--auth-password", password])?;
        let said = dialogue(&output);
        ensure!(output.status.success(), "{said}");
        let id = deposit_id(&said)?;
        let shown: Value = serde_json::from_str(&demo.sealpost(&["--json", "deposit", "show", &id])?)?;
        assert_eq!(shown["sender"], login.as_str());
        assert_eq!(shown["recipients"][0]["address"], "bob@example.test");

        // What EHLO offers: STARTTLS in the clear, AUTH under TLS only.
        let (clear, secret) = said.split_once("=== TLS started").context("no TLS")?;
        for keyword in
            ["PIPELINING", "SIZE 0", "8BITMIME", "CHUNKING", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"]
        {
            ensure!(clear.contains(keyword) && secret.contains(keyword), "{keyword} is missing in {said}");
        }
        ensure!(clear.contains("STARTTLS") && !clear.contains("AUTH"), "{clear}");
        ensure!(secret.contains("AUTH PLAIN LOGIN"), "{secret}");
        ensure!(!secret.contains("250-STARTTLS") && !said.contains("BINARYMIME"), "{said}");
    }
    Ok(())
}

#[test]
fn curl_submits_over_both_ports() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let mail = Mail::new(&["bob@example.test"], "Par curl").file(File::noise("a.bin", 10_000));
    let file = demo.dir.join("mail.eml");
    std::fs::write(&file, mail.bytes())?;
    let id = send_by_curl(&demo, &["bob@example.test"], &file)?;
    // The deposit's digest is that of the bytes as sent.
    let shown: Value = serde_json::from_str(&demo.sealpost(&["--json", "deposit", "show", &id])?)?;
    assert_eq!(shown["sha256"], sha256(&mail.bytes()));
    assert_eq!(shown["size"], mail.bytes().len());
    // The same submission again, as after a 250 that was lost, is the same deposit.
    assert_eq!(send_by_curl(&demo, &["bob@example.test"], &file)?, id);

    let alice = demo.account("alice");
    let url = format!("smtp://localhost:{}", demo.about.ports.submission);
    let (ca, file) = (demo.about.ca.to_string_lossy(), file.to_string_lossy());
    for mechanism in ["AUTH=PLAIN", "AUTH=LOGIN"] {
        let user = format!("{}:{}", alice.login, alice.app_password);
        let output = run(
            "curl",
            &[
                "-sv",
                "--noproxy",
                "*",
                "--ssl-reqd",
                "--url",
                &url,
                "--cacert",
                &ca,
                "--user",
                &user,
                "--login-options",
                mechanism,
                "--mail-from",
                &alice.login,
                "--mail-rcpt",
                "dora@example.test",
                "-T",
                &file,
            ],
        )?;
        ensure!(output.status.success(), "{}", dialogue(&output));
        deposit_id(&dialogue(&output))?;
    }
    Ok(())
}

#[test]
fn strangers_and_impostors_are_refused() -> Result<()> {
    let rules = r#"
[[rule]]
name = "nothing to competitors"
when = 'recipient.domain == "rival.test"'
treatment = "refuse"
"#;
    let demo = Demo::start_edited(DemoOptions::default(), |config| config + rules)?;
    let (login, password) = (&demo.account("alice").login, &demo.account("alice").app_password);
    let send = |more: &[&str]| -> Result<String> {
        let output = swaks(&demo, more)?;
        ensure!(!output.status.success(), "accepted: {}", dialogue(&output));
        Ok(dialogue(&output))
    };

    // The web password is none for mail programs; unknown users get the same answer.
    for (user, secret) in [
        (login.as_str(), "wrong"),
        (login.as_str(), demo.account("alice").password.as_str()),
        ("nobody@sealpost.test", "wrong"),
    ] {
        let said = send(&["--auth", "PLAIN", "--auth-user", user, "--auth-password", secret])?;
        ensure!(said.contains("535 5.7.8"), "{said}");
    }
    let said = send(&[])?;
    ensure!(said.contains("530 5.7.0"), "{said}");
    let with = |more: &[&'static str]| {
        let auth = ["--auth", "PLAIN", "--auth-user", login, "--auth-password", password];
        [&auth[..], more].concat()
    };
    // The From field belongs to somebody else, with and without the envelope.
    let said = send(&with(&["--header", "From: Carol <carol@sealpost.test>"]))?;
    ensure!(said.contains("550 5.7.1"), "{said}");
    let said = send(&with(&["--from", "carol@sealpost.test"]))?;
    ensure!(said.contains("550 5.7.1"), "{said}");
    // One recipient of two is refused: nobody gets anything, and the answer says who and why.
    let said = send(&with(&["--to", "bob@example.test,ceo@rival.test"]))?;
    ensure!(said.contains("550") && said.contains("5.7.1"), "{said}");
    ensure!(said.contains("ceo@rival.test is refused by the rule \"nothing to competitors\""), "{said}");
    ensure!(!said.contains("bob@example.test is refused"), "{said}");

    assert_eq!(demo.sealpost(&["--json", "deposit", "list"])?, "");
    assert_eq!(demo.sealpost(&["--json", "queue", "list"])?, "");
    let rejected = lines(&demo.sealpost(&["journal", "search", "--event", "SubmissionRejection"])?)?;
    assert_eq!(rejected.len(), 1);
    Ok(())
}

/// The session must go on after what was refused.
fn refused(client: &mut Client, place: &Place, message: &[u8], code: &str) -> Result<()> {
    client.begin(&place.login, &["bob@example.test"])?;
    client.raw(message)?;
    client
        .expect(code)
        .with_context(|| format!("for {:?}", String::from_utf8_lossy(&message[..60.min(message.len())])))?;
    client.command("NOOP", "250")?;
    Ok(())
}

#[test]
fn malformed_mail_is_refused_not_repaired() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let place = Place::new(&demo, "alice")?;
    let with = |head: &str, body: &str| format!("{head}\r\n\r\n{body}\r\n.\r\n").into_bytes();
    let from = "From: alice@sealpost.test\r\nDate: Sun, 22 Nov 2026 10:00:00 +0100";
    let long = format!("{from}\r\nX-Long: {}", "x".repeat(1200));
    let deep: String = (0..80)
        .map(|i| format!("Content-Type: multipart/mixed; boundary=\"b{i}\"\r\n\r\n--b{i}\r\n"))
        .collect();
    for message in [
        with("Subject: no sender", "x"),
        with("From: alice@sealpost.test, carol@sealpost.test", "x"),
        with(&long, "x"),
        with(from, "a bare \n line feed"),
        with(from, "a bare \r carriage return"),
        with(from, "a NUL \0 in the text"),
        with(&format!("{from}\r\n{deep}"), "x"),
    ] {
        let mut client = place.connect()?;
        refused(&mut client, &place, &message, "554 5.6.0")?;
    }
    // The dots of another server's end of data are not ours (SMTP smuggling).
    let mut client = place.connect()?;
    client.begin(&place.login, &["bob@example.test"])?;
    client.raw(b"From: alice@sealpost.test\r\n\r\nx\n.\r\nMAIL FROM:<alice@sealpost.test>\r\n.\r\n")?;
    client.expect("554 5.6.0")?;
    let mut client = place.connect()?;
    client.command("MAIL FROM:<alice@sealpost.test> BODY=BINARYMIME", "555 5.5.4")?;
    client.command("RCPT TO:<bob@example.test>", "503")?;
    client.command("DATA", "503")?;
    assert_eq!(demo.sealpost(&["--json", "deposit", "list"])?, "");
    Ok(())
}

#[test]
fn a_disconnect_in_the_middle_of_data_leaves_nothing() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let place = Place::new(&demo, "alice")?;
    let mail = Mail::new(&["bob@example.test"], "Interrompu").file(File::noise("big.bin", 3_000_000)).bytes();
    let blobs = demo.dir.join("data/blobs");
    // Everything but the last dot may have arrived.
    for part in [mail.len() / 2, mail.len(), 200] {
        let mut client = place.connect()?;
        client.begin(&place.login, &["bob@example.test"])?;
        client.raw(&mail[..part])?;
        if part > 1_000_000 {
            wait_until("a blob's beginning", || Ok(files_below(&blobs)? > 0))?;
        }
        drop(client);
        // What was begun is gone once the session has ended.
        wait_until("the blob's end", || Ok(files_below(&blobs)? == 0))?;
    }
    assert_eq!(demo.sealpost(&["--json", "deposit", "list"])?, "");
    assert_eq!(demo.sealpost(&["--json", "queue", "list"])?, "");
    place.send(&["bob@example.test"], &mail)?;
    ensure!(files_below(&blobs)? > 0, "blobs are elsewhere than this test looks");
    Ok(())
}

fn files_below(dir: &std::path::Path) -> Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let entry = entry?;
        count += if entry.file_type()?.is_dir() { files_below(&entry.path())? } else { 1 };
    }
    Ok(count)
}
