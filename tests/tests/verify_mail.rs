//! `verify@`: a proof sent by mail is answered with its verdict; nothing else is answered at all.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::{File, Mail, sha256};
use sealpost_tests::outside::outside;
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{inbox, wait_for_deposit, wait_until};
use sealpost_tests::{Demo, Parsed};

const BOB: &str = "bob@example.test";
const VERIFY: &str = "verify@sealpost.test";

/// A message with files, as another server hands it over.
fn question(subject: &str, files: &[(&str, &[u8])], header: &str) -> String {
    let mut mail = Mail::new(&[VERIFY], subject).header(header);
    for (name, bytes) in files {
        mail = mail.file(File::new(name, "application/octet-stream", *bytes));
    }
    String::from_utf8_lossy(&mail.bytes()).replace("\r\n", "\n")
}

/// The text of the answer with that subject, in which no word of the question stands.
fn answer(demo: &Demo, who: &str, subject: &str) -> Result<String> {
    let mut found = None;
    wait_until("an answer", || {
        for raw in inbox(demo, who)? {
            let mail = Parsed::new(&raw)?;
            if mail.all("Auto-Submitted") == ["auto-replied"] && mail.header("Subject")?.contains(subject) {
                found = Some(mail);
            }
        }
        Ok(found.is_some())
    })?;
    let mail = found.context("an answer")?;
    mail.parts.iter().find(|p| p.media_type == "text/plain").context("no text")?.text()
}

fn proof(demo: &Demo) -> Result<Vec<u8>> {
    let place = Place::new(demo, "alice")?;
    let id = place.send(&[BOB], &Mail::new(&[BOB], "[secure] Bilan").bytes())?;
    wait_for_deposit(demo, BOB, &id)?;
    let path = demo.dir.join("proof.asice");
    demo.sealpost(&["proof", "export", &id, "-o", &path.to_string_lossy(), "--wait"])?;
    Ok(std::fs::read(path)?)
}

#[test]
fn proofs_come_back_with_their_verdict() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let good = proof(&demo)?;
    let mut bad = good.clone();
    let needle = b"\0message/original.eml";
    let at = bad.windows(needle.len()).position(|w| w == needle).context("the member")? + 60;
    bad[at] ^= 4;

    let asked = question("Good question", &[("p.asice", &good)], "Accept-Language: en");
    let reply = outside(&demo, BOB, VERIFY, &asked)?;
    ensure!(reply.starts_with("250"), "{reply}");
    let text = answer(&demo, BOB, "The proof is valid")?;
    ensure!(!text.contains("Good question"), "{}", text);
    ensure!(text.contains(&sha256(&good)), "the answer names no digest: {}", text);
    ensure!(text.contains("p.asice"), "{}", text);

    // Several at once, in French by default: each has its own verdict, and what is wrong is named.
    let asked = question(
        "Deux preuves",
        &[("bon.asice", &good), ("visit example.org.asice", &bad), ("rien.asice", b"x")],
        "X-A: b",
    );
    ensure!(outside(&demo, BOB, VERIFY, &asked)?.starts_with("250"));
    let text = answer(&demo, BOB, "Toutes les preuves ne sont pas valables")?;
    ensure!(text.contains("bon.asice") && !text.contains("visit"), "{text}");
    ensure!(text.contains("NON VALABLE") && text.contains("message/original.eml"), "{text}");
    ensure!(text.contains("n'est pas une preuve"), "{text}");

    // One of our own people writes to it as to anybody.
    let mail =
        Mail::new(&[VERIFY], "Ma question").file(File::new("p.asice", "application/octet-stream", good));
    Place::new(&demo, "alice")?.send(&[VERIFY], &mail.bytes())?;
    let text = answer(&demo, "alice@sealpost.test", "La preuve est valable")?;
    ensure!(text.contains("La preuve est valable"), "{text}");
    Ok(())
}

#[test]
fn what_is_no_question_gets_no_answer() -> Result<()> {
    let demo = Demo::start_edited(DemoOptions::default(), |text| {
        format!("{text}\n").replacen("[limits]", "[limits]\nproof_size = \"10 kB\"\nproofs_per_hour = 2", 1)
    })?;
    for (from, asked, expected) in [
        (BOB, question("no file", &[], "X-A: b"), "550 5.6.0"),
        (BOB, question("a picture", &[("a.png", b"x")], "X-A: b"), "550 5.6.0"),
        (BOB, question("robot", &[("p.asice", b"x")], "Auto-Submitted: auto-replied"), "550 5.7.1"),
        (BOB, question("list", &[("p.asice", b"x")], "List-Id: <a.example.test>"), "550 5.7.1"),
        ("", question("bounce", &[("p.asice", b"x")], "X-A: b"), "550 5.7.1"),
        (BOB, question("large", &[("p.asice", &[7; 20_000])], "X-A: b"), "250"),
        (BOB, question("no proof", &[("p.asice", b"x")], "X-A: b"), "550 5.6.0"),
        (BOB, question("third", &[("p.asice", b"x")], "X-A: b"), "450 4.7.1"),
    ] {
        let reply = outside(&demo, from, VERIFY, &asked)?;
        ensure!(reply.starts_with(expected), "{asked:.80}: {reply}");
    }
    let large = answer(&demo, BOB, "La preuve n'est pas valable")?;
    ensure!(large.contains("trop volumineux"), "{large}");
    ensure!(inbox(&demo, BOB)?.len() == 1, "somebody was answered who should not have been");
    Ok(())
}
