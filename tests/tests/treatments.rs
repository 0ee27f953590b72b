//! What recipients get under each treatment, read raw from the mailbox and judged by other people's tools.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::{File, Mail};
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{link_in, run, wait_for_mail, wait_for_raw};
use sealpost_tests::{Demo, Door, Parsed};
use std::path::PathBuf;

const BOB: &str = "bob@example.test";

/// One rule per treatment, chosen by the subject.
fn rules(config: String) -> String {
    ["pass", "trace", "seal", "link", "notify"].iter().fold(config, |config, t| {
        format!("{config}\n[[rule]]\nname = \"{t} it\"\nwhen = 'message.subject.contains(\"case-{t}\")'\ntreatment = \"{t}\"\n")
    })
}

fn start() -> Result<(Demo, Place)> {
    let demo = Demo::start_edited(DemoOptions::default(), rules)?;
    let place = Place::new(&demo, "alice")?;
    Ok((demo, place))
}

/// Deposits and returns `(deposit, what Bob got)`.
fn deliver(demo: &Demo, place: &Place, mail: &Mail) -> Result<(String, Vec<u8>)> {
    let id = place.send(&[BOB], &mail.bytes())?;
    let raw = wait_for_raw(demo, BOB, &|m| m.contains(&format!("X-Sealpost-Deposit: {id}")))?;
    Ok((id, raw))
}

/// `openssl cms -verify` over the message as it lies in the mailbox; returns the signed content.
fn smime(demo: &Demo, raw: &[u8], signer: &str) -> Result<Vec<u8>> {
    let place = tempfile::tempdir()?;
    let file = |name: &str| -> PathBuf { place.path().join(name) };
    let text = |name: &str| file(name).to_string_lossy().into_owned();
    std::fs::write(file("mail.eml"), raw)?;
    let output = run(
        "openssl",
        &[
            "cms",
            "-verify",
            "-in",
            &text("mail.eml"),
            "-CAfile",
            &demo.about.ca.to_string_lossy(),
            "-out",
            &text("content"),
            "-signer",
            &text("signer.pem"),
            "-purpose",
            "smimesign",
        ],
    )?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let certificate = run("openssl", &["x509", "-in", &text("signer.pem"), "-noout", "-email"])?;
    assert_eq!(String::from_utf8_lossy(&certificate.stdout).trim(), signer);
    // One flipped character must be seen, else the check above proves nothing.
    let mut changed = raw.to_vec();
    let at = changed.windows(4).rposition(|w| w == b"\r\n\r\n").context("no body")?;
    let middle = raw.len() / 3 + at / 3;
    changed[middle] = if changed[middle] == b'x' { b'y' } else { b'x' };
    std::fs::write(file("changed.eml"), changed)?;
    let output = run(
        "openssl",
        &[
            "cms",
            "-verify",
            "-in",
            &text("changed.eml"),
            "-CAfile",
            &demo.about.ca.to_string_lossy(),
            "-out",
            "/dev/null",
        ],
    )?;
    ensure!(!output.status.success(), "a changed message verifies");
    Ok(std::fs::read(file("content"))?)
}

/// All that leaves the internal side behind: blind copies and hints.
fn stripped(mail: &Parsed) -> Result<()> {
    for name in ["Bcc", "X-Sealpost-Treatment", "X-Sealpost-Gate", "X-Sealpost-Phone", "X-Sealpost-Expires"] {
        ensure!(mail.all(name).is_empty(), "{name} is still there: {:?}", mail.all(name));
    }
    Ok(())
}

fn body(raw: &[u8]) -> &[u8] {
    let at = raw.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(0);
    &raw[at + 4..]
}

#[test]
fn pass_leaves_every_byte() -> Result<()> {
    let (demo, place) = start()?;
    let mail = Mail::new(&[BOB], "case-pass")
        .header("X-Odd:   kept   as it is ")
        .text("Ligne avec blancs   \r\n.\r\n..deux points\r\néàü\r\n")
        .file(File::noise("a.bin", 100_000));
    let mut dotted = Vec::new();
    // Transparency is the sender's work (RFC 5321 4.5.2).
    for line in mail.bytes().split_inclusive(|b| *b == b'\n') {
        if line.starts_with(b".") {
            dotted.push(b'.');
        }
        dotted.extend_from_slice(line);
    }
    place.send(&[BOB], &dotted)?;
    let raw = wait_for_raw(&demo, BOB, &|m| m.contains("case-pass"))?;
    ensure!(raw == mail.bytes(), "{}", String::from_utf8_lossy(&raw[..2000.min(raw.len())]));
    Ok(())
}

#[test]
fn trace_adds_headers_and_removes_blind_copies() -> Result<()> {
    let (demo, place) = start()?;
    let mail = Mail::new(&[BOB], "case-trace")
        .header("Bcc: dora@example.test")
        .header("X-Sealpost-Treatment: trace")
        .file(File::noise("a.bin", 5000));
    let (id, raw) = deliver(&demo, &place, &mail)?;
    let parsed = Parsed::new(&raw)?;
    stripped(&parsed)?;
    ensure!(parsed.header("Received")?.contains("ESMTPSA"), "{:?}", parsed.all("Received"));
    assert_eq!(parsed.header("X-Sealpost-Deposit")?, id);
    assert_eq!(parsed.header("X-Sealpost-Reference")?.len(), 8);
    assert_eq!(body(&raw), body(&mail.bytes()));
    Ok(())
}

#[test]
fn seal_signs_with_the_senders_certificate() -> Result<()> {
    let (demo, place) = start()?;
    let mail = Mail::new(&[BOB], "case-seal")
        .header("Bcc: dora@example.test")
        .header("Message-ID: <kept@sealpost.test>")
        .text("Accents : éàü, blancs en fin   \r\n.point\r\n".replace("\r\n.", "\r\n..").as_str())
        .file(File::noise("a.bin", 40_000));
    let (_, raw) = deliver(&demo, &place, &mail)?;
    let content = smime(&demo, &raw, "alice@sealpost.test")?;
    let (outer, inner) = (Parsed::new(&raw)?, Parsed::new(&content)?);
    stripped(&outer)?;
    assert_eq!(outer.header("From")?, "Alice Martin <alice@sealpost.test>");
    assert_eq!(outer.header("Message-ID")?, "<kept@sealpost.test>");
    assert_eq!(outer.header("Subject")?, "case-seal");
    assert_eq!(outer.header("Date")?, "Sun, 22 Nov 2026 10:00:00 +0100");
    ensure!(content.is_ascii(), "8-bit content under a seal breaks on its way");
    ensure!(
        inner.parts[0].text()?.contains("Accents : éàü, blancs en fin   "),
        "{:?}",
        inner.parts[0].text()
    );
    ensure!(inner.parts[1].bytes()? == mail.files[0].bytes, "the attachment changed");
    Ok(())
}

/// Every address that a reader of this message could follow.
fn addresses(mail: &Parsed) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for part in mail.parts.iter().filter(|p| p.media_type.starts_with("text/")) {
        let text = part.text()?;
        for (at, _) in text.match_indices("http") {
            let url: String =
                text[at..].chars().take_while(|c| !c.is_whitespace() && !"<>\"'".contains(*c)).collect();
            found.push(url);
        }
    }
    Ok(found)
}

#[test]
fn link_keeps_the_body_and_takes_the_files() -> Result<()> {
    let (demo, place) = start()?;
    let file = File::noise("dossier médical.bin".replace('é', "e").as_str(), 60_000);
    let mail = Mail::new(&[BOB], "case-link et compte rendu")
        .header("Bcc: dora@example.test")
        .header("X-Sealpost-Expires: 10 days")
        .text("Bonjour Bob,\r\n\r\nLe texte reste ici.\r\n")
        .file(file.clone());
    let (id, raw) = deliver(&demo, &place, &mail)?;
    smime(&demo, &raw, "seal@sealpost.test")?;
    let parsed = Parsed::new(&raw)?;
    stripped(&parsed)?;
    assert_eq!(parsed.header("From")?, "Alice Martin via Démonstration Sealpost <seal@sealpost.test>");
    assert_eq!(parsed.header("Reply-To")?, "Alice Martin <alice@sealpost.test>");
    assert_eq!(parsed.header("Message-ID")?, format!("<{id}.1@localhost>"));
    assert_eq!(parsed.header("Subject")?, "case-link et compte rendu");
    for kind in ["text/plain", "text/html"] {
        let body = parsed.body(kind)?;
        ensure!(body.contains("Le texte reste ici.") && body.contains(&file.name), "{kind}: {body}");
    }
    assert_eq!(parsed.filenames(), ["smime.p7s"]);
    let link = link_in(&String::from_utf8_lossy(&raw))?;
    let addresses = addresses(&parsed)?;
    ensure!(addresses.len() >= 2 && addresses.iter().all(|a| *a == link), "{addresses:?}");
    let door = Door::new(&demo, &link)?;
    let content = door.open(&demo, BOB)?;
    let files = content.files();
    ensure!(door.request(&files[0].0, &[])?.body == file.bytes, "the file changed");
    Ok(())
}

#[test]
fn notify_tells_nothing() -> Result<()> {
    let (demo, place) = start()?;
    let mail = Mail::new(&[BOB], "case-notify chimiotherapie")
        .text("Le texte est secret.\r\n")
        .header("Keywords: oncologie")
        .file(File::noise("biopsie.bin", 3000));
    let (_, raw) = deliver(&demo, &place, &mail)?;
    smime(&demo, &raw, "seal@sealpost.test")?;
    let parsed = Parsed::new(&raw)?;
    let whole = format!("{:?}{}{}", parsed.headers, parsed.body("text/plain")?, parsed.body("text/html")?);
    for secret in ["chimiotherapie", "secret.", "biopsie", "oncologie"] {
        ensure!(!whole.contains(secret), "{secret} stands in the notification: {whole}");
    }
    let link = link_in(&String::from_utf8_lossy(&raw))?;
    ensure!(addresses(&parsed)?.iter().all(|a| *a == link), "{:?}", addresses(&parsed)?);
    assert_eq!(parsed.filenames(), ["smime.p7s"]);
    Ok(())
}

#[test]
fn without_rules_size_tag_and_kind_decide() -> Result<()> {
    let (demo, place) = start()?;
    let treatment = |id: &str| -> Result<String> {
        let shown: serde_json::Value =
            serde_json::from_str(&demo.sealpost(&["--json", "deposit", "show", id])?)?;
        Ok(shown["recipients"][0]["treatment"].as_str().unwrap_or_default().to_owned())
    };
    let small = Mail::new(&[BOB], "Petit")
        .file(File::noise("a.bin", 2_000_000))
        .file(File::noise("b.bin", 3_000_000));
    let large = Mail::new(&[BOB], "Grand")
        .file(File::noise("a.bin", 2_000_000))
        .file(File::noise("c.bin", 3_000_001));
    let sensitive = Mail::new(&[BOB], "Sensible").header("Sensitivity: Private");
    let stronger = Mail::new(&[BOB], "Plus fort").header("X-Sealpost-Treatment: notify");
    let weaker = Mail::new(&[BOB], "Plus faible").header("X-Sealpost-Treatment: pass");
    let automatic = Mail::new(&[BOB], "[secure] Absence").header("Auto-Submitted: auto-replied");
    for (mail, expected) in [
        (&small, "seal"),
        (&large, "link"),
        (&sensitive, "notify"),
        (&stronger, "notify"),
        (&weaker, "seal"),
        (&automatic, "pass"),
        (&Mail::new(&[BOB], "RE: TR: [Sécurisé] dossier".replace('é', "e").as_str()), "notify"),
    ] {
        let id = place.send(&[BOB], &mail.bytes())?;
        ensure!(treatment(&id)? == expected, "{}: {} instead of {expected}", mail.subject, treatment(&id)?);
    }
    // Inside the organisation everything stays as it is.
    let inside = Mail::new(&["carol@sealpost.test"], "Interne");
    let id = place.send(&["carol@sealpost.test"], &inside.bytes())?;
    assert_eq!(treatment(&id)?, "pass");
    let got = wait_for_raw(&demo, "carol", &|m| m.contains("Subject: Interne"))?;
    ensure!(got == inside.bytes());
    // A near miss is held, and nothing leaves.
    let id = place.send(&[BOB], &Mail::new(&[BOB], "[secur] presque").bytes())?;
    let queue = demo.sealpost(&["--json", "queue", "list", "--state", "held"])?;
    ensure!(queue.contains(&id), "{queue}");
    Ok(())
}

#[test]
fn what_its_author_has_signed_is_never_split() -> Result<()> {
    let (demo, place) = start()?;
    let signed = "From: alice@sealpost.test\r\nTo: bob@example.test\r\nSubject: [secure] signe\r\n\
        Message-ID: <signed-1@sealpost.test>\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256; boundary=s\r\n\r\n\
        --s\r\nContent-Type: text/plain\r\n\r\nSigned by its author.\r\n--s\r\n\
        Content-Type: application/pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\nMAA=\r\n--s--\r\n";
    let id = place.send(&[BOB], signed.as_bytes())?;
    let raw = wait_for_mail(&demo, BOB, &|m| m.contains(&id) && link_in(m).is_ok())?;
    let door = Door::new(&demo, &link_in(&raw)?)?;
    let content = door.open(&demo, BOB)?;
    let files = content.files();
    ensure!(files.len() == 1, "{files:?}");
    assert_eq!(door.request(&files[0].0, &[])?.text(), signed);
    Ok(())
}
