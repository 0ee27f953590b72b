//! People outside deposit: in answer to what they have opened, and because they were invited. Once each.

use anyhow::{Context, Result, ensure};
use sealpost_tests::axe::{Visit, judge};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::door::Page;
use sealpost_tests::mail::{Mail, sha256};
use sealpost_tests::sending::Place;
use sealpost_tests::staff::Staff;
use sealpost_tests::tools::{link_in, run, wait_for_deposit, wait_for_mail, wait_for_raw};
use sealpost_tests::{Demo, Door, Parsed};

const BOB: &str = "bob@example.test";
const GUEST: &str = "invite@example.test";

/// Where a redirect leads.
fn location(page: &Page) -> Result<String> {
    let line = page.head.lines().find(|l| l.to_ascii_lowercase().starts_with("location:"));
    Ok(line.with_context(|| page.head.clone())?[9..].trim().to_owned())
}

/// A guest's form filled in, with a file.
fn filled(page: &Page, file: &std::path::Path, words: &str) -> Result<Vec<String>> {
    let field = |name: &str, value: &str| ["--form-string".to_owned(), format!("{name}={value}")];
    let mut all = Vec::new();
    all.extend(field("csrf", &page.csrf()?));
    all.extend(field("message", words));
    all.extend(field("action", "send"));
    all.extend(["-F".to_owned(), format!("file=@{}", file.display())]);
    Ok(all)
}

fn strs(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

/// The attachments that came with a message for Alice.
fn received(demo: &Demo, subject: &str) -> Result<(String, Vec<String>)> {
    let alice = demo.account("alice").login.clone();
    let raw = wait_for_raw(demo, &alice, &|m| m.contains(subject) && m.contains("multipart/mixed"))?;
    let text = String::from_utf8_lossy(&raw).into_owned();
    let parsed = Parsed::new(&raw)?;
    let digests = parsed.parts.iter().map(|p| Ok(sha256(&p.bytes()?))).collect::<Result<_>>()?;
    Ok((text, digests))
}

fn deposit_in(text: &str) -> Result<String> {
    let at = text.find("X-Sealpost-Deposit: ").context("no deposit in the header")? + 20;
    Ok(text[at..at + 36].to_owned())
}

#[test]
fn a_recipient_answers_with_files_and_the_sender_gets_a_deposit() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let place = Place::new(&demo, "alice")?;
    let id = place.send(&[BOB], &Mail::new(&[BOB], "[secure] Bilan de novembre").bytes())?;
    let door = Door::new(&demo, &link_in(&wait_for_deposit(&demo, BOB, &id)?)?)?;
    // Before the message is opened there is nothing to answer.
    let landing = door.get("")?;
    ensure!(!landing.text().contains("/reply"), "an answer is offered before the gate");
    let content = door.open(&demo, BOB)?;
    ensure!(content.text().contains("/reply"), "no answer is offered");
    let begun = door.visit(
        &door.url(&format!("{}/reply", door.path)),
        &["--data", &format!("csrf={}", content.csrf()?)],
    )?;
    ensure!(begun.status == 200, "{}: {}", begun.status, begun.text());
    let path = begun.text();
    let at = path.find("action=\"/g/").context("no form")? + 8;
    let path = path[at..].split('"').next().unwrap_or_default().to_owned();
    let file = demo.dir.join("réponse.bin");
    let bytes = vec![9u8; 3_000_000];
    std::fs::write(&file, &bytes)?;
    // The answer is this browser's: the link alone opens nothing.
    let other = Staff::new(&demo)?;
    let elsewhere = other.get(&path)?;
    ensure!(elsewhere.status == 410 && elsewhere.text().contains("autre navigateur"), "{}", elsewhere.status);
    // Nothing chosen and nothing written: said beside the field.
    let url = door.url(&path);
    let empty = door.visit(
        &url,
        &[
            "--form-string",
            &format!("csrf={}", begun.csrf()?),
            "--form-string",
            "message= ",
            "--form-string",
            "action=send",
        ],
    )?;
    ensure!(empty.status == 422 && empty.text().contains("file-wrong"), "{}: {}", empty.status, empty.text());
    let form = filled(&begun, &file, "Bonjour,\n\nvoici **mes résultats**.")?;
    let done = door.visit(&url, &strs(&form))?;
    ensure!(
        done.status == 200 && done.text().contains("Votre dépôt est enregistré"),
        "{}: {}",
        done.status,
        done.text()
    );
    // Sent again, as by the back button: the same page, nothing new.
    let again = door.visit(&url, &strs(&form))?;
    ensure!(again.text().contains("Votre dépôt est enregistré"), "{}", again.text());
    let (text, digests) = received(&demo, "RE: Bilan de novembre")?;
    ensure!(digests.contains(&sha256(&bytes)), "the file arrived changed");
    ensure!(
        text.contains("<strong>mes r=C3=A9sultats</strong>") || text.contains("<strong>"),
        "no formatting"
    );
    ensure!(text.contains("From: bob@example.test") && text.contains("In-Reply-To:"), "{}", &text[..2000]);
    let reply = deposit_in(&text)?;
    let receipt = wait_for_mail(&demo, BOB, &|m| m.contains("est enregistr"))?;
    ensure!(receipt.contains("f=C3=A9rence") || receipt.contains("férence"), "{receipt}");
    // A deposit of its own, with evidence that says how he was authenticated.
    let proof = demo.dir.join("reply.asice");
    demo.sealpost(&["proof", "export", &reply, "-o", &proof.to_string_lossy(), "--wait"])?;
    let ca = demo.about.ca.to_string_lossy().into_owned();
    let verified = demo.sealpost(&["proof", "verify", &proof.to_string_lossy(), "--trust", &ca])?;
    ensure!(verified.trim_end().ends_with("VALID"), "{verified}");
    let evidence =
        run("unzip", &["-p", &proof.to_string_lossy(), "evidence/01-SubmissionAcceptance.xml"])?.stdout;
    let evidence = String::from_utf8_lossy(&evidence).into_owned();
    ensure!(evidence.contains("otp-mail") && !evidence.contains("auth:login"), "{evidence}");
    let list = demo.sealpost(&["--json", "deposit", "list"])?;
    assert_eq!(list.matches(&reply).count(), 1);
    Ok(())
}

#[test]
fn a_guest_deposits_once_and_within_bounds() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let alice = Staff::logged_in(&demo, "alice")?;
    let page = alice.get("/invitations")?;
    let wrong = alice.post("/invitations", &page, &[("address", "personne"), ("words", "gardé")])?;
    ensure!(wrong.status == 422 && wrong.text().contains("address-wrong") && wrong.text().contains("gardé"));
    let wanted = [
        ("address", GUEST),
        ("subject", "Vos [radios]"),
        ("words", "Merci de déposer vos clichés."),
        ("size", "100000000"),
        ("days", "7"),
        ("language", "fr"),
    ];
    let sent = alice.post("/invitations", &page, &wanted)?;
    ensure!(sent.status == 303, "{}: {}", sent.status, sent.text());
    let mail = wait_for_mail(&demo, GUEST, &|m| m.contains("invite"))?;
    let link = link_in(&mail)?;
    let path = link.strip_prefix(&demo.url()).context("another host")?.to_owned();
    let guest = Staff::new(&demo)?;
    let form = guest.get(&path)?;
    ensure!(form.status == 200 && form.text().contains("Merci de déposer vos clichés."), "{}", form.text());
    // A guess leads nowhere, like every unknown link.
    let last = if path.ends_with('A') { 'B' } else { 'A' };
    ensure!(guest.get(&format!("{}{last}", &path[..path.len() - 1]))?.status == 404);
    // Pieces by tus: of our page only, and no more than the invitation is good for.
    let (csrf, uploads) = (form.csrf()?, format!("{path}/uploads"));
    let begin = |who: &Staff, csrf: &str, length: &str| {
        let (token, length) = (format!("X-CSRF-Token: {csrf}"), format!("Upload-Length: {length}"));
        who.request(&uploads, &["-X", "POST", "-H", "Tus-Resumable: 1.0.0", "-H", &token, "-H", &length])
    };
    ensure!(begin(&guest, "x", "5")?.status == 403, "an upload without our page");
    ensure!(begin(&guest, &csrf, "100000001")?.status == 413, "more than allowed");
    let made = begin(&guest, &csrf, "5")?;
    ensure!(made.status == 201, "{}: {}", made.status, made.text());
    let place = location(&made)?;
    let place = place.strip_prefix(&demo.url()).context("another host")?.to_owned();
    ensure!(place.starts_with(&uploads), "{place}");
    let token = format!("X-CSRF-Token: {csrf}");
    let piece = [
        "-X",
        "PATCH",
        "-H",
        "Tus-Resumable: 1.0.0",
        "-H",
        &token,
        "-H",
        "Upload-Offset: 0",
        "-H",
        "Content-Type: application/offset+octet-stream",
        "--data",
        "12345",
    ];
    ensure!(guest.request(&place, &piece)?.status == 204);
    // Alice herself does not find a guest's upload among hers.
    let id = place.rsplit('/').next().unwrap_or_default().to_owned();
    let hers = format!("X-CSRF-Token: {}", page.csrf()?);
    let head = alice
        .request(&format!("/api/v1/uploads/{id}"), &["-I", "-H", "Tus-Resumable: 1.0.0", "-H", &hers])?;
    ensure!(head.status == 404, "{}", head.status);
    judge(
        &demo,
        &[
            Visit::stranger(&[("guest", &path)]),
            Visit::as_staff(&alice, &[("app-invitations", "/invitations")])?,
        ],
    )?;
    let file = demo.dir.join("cliché.png");
    std::fs::write(&file, b"not really a picture")?;
    let mut fields = filled(&form, &file, "")?;
    fields.extend(["--form-string".to_owned(), format!("upload={id}")]);
    let done = guest.request(&path, &strs(&fields))?;
    ensure!(done.status == 303, "{}: {}", done.status, done.text());
    ensure!(guest.get(&path)?.text().contains("Votre dépôt est enregistré"));
    let (text, digests) = received(&demo, "Vos (radios)")?;
    ensure!(
        digests.contains(&sha256(b"12345")) && digests.contains(&sha256(b"not really a picture")),
        "{text}"
    );
    // It has served: no more files, from nobody.
    ensure!(begin(&guest, &csrf, "5")?.status == 401);
    ensure!(alice.get("/invitations")?.text().contains("déposé"));
    // Withdrawn, a link is closed at once.
    alice.post("/invitations", &page, &[("address", BOB), ("language", "en")])?;
    let english = wait_for_mail(&demo, BOB, &|m| m.contains("invites you"))?;
    let link = link_in(&english)?;
    let path = link.strip_prefix(&demo.url()).context("another host")?.to_owned();
    ensure!(guest.get(&path)?.status == 200);
    let listed = alice.get("/invitations")?;
    let text = listed.text();
    let close =
        text.split("action=\"/invitations/").nth(1).and_then(|t| t.split('"').next()).context("no form")?;
    let closed = alice.post(&format!("/invitations/{close}"), &listed, &[])?;
    ensure!(closed.status == 303, "{}", closed.status);
    ensure!(guest.get(&path)?.status == 410);
    Ok(())
}
