//! A message that waits asks its sender by mail; the answer comes from any program, alone on the first line, and nobody
//! else's counts.

use anyhow::{Result, ensure};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::Mail;
use sealpost_tests::outside::outside;
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{inbox, link_in, wait_for_mail, wait_for_raw, wait_for_words, wait_until};
use sealpost_tests::{Demo, Door, Parsed};

const ALICE: &str = "alice@sealpost.test";
const BOB: &str = "bob@example.test";

/// Sends what is nearly tagged; answers the deposit and where its answer goes.
fn asked(demo: &Demo, place: &Place, subject: &str) -> Result<(String, String)> {
    let id = place.send(&[BOB], &Mail::new(&[BOB], subject).text("Bonjour").bytes())?;
    let raw = wait_for_raw(demo, ALICE, &|m| m.contains(&id) && m.contains("answer-"))?;
    let question = Parsed::new(&raw)?;
    let text = question.body("text/plain")?.split_whitespace().collect::<Vec<_>>().join(" ");
    ensure!(["SECURISER", "ENVOYER", "ANNULER"].iter().all(|word| text.contains(word)), "{text}");
    ensure!(text.contains("ressemble à une demande de protection"), "{text}");
    let to = question.header("Reply-To")?.trim_matches(['<', '>']).to_owned();
    ensure!(to.starts_with("answer-") && to.ends_with("@sealpost.test"), "{to}");
    Ok((id, to))
}

fn told(demo: &Demo, id: &str, words: &str) -> Result<()> {
    wait_for_words(demo, ALICE, id, words).map(drop)
}

fn waits(demo: &Demo, id: &str) -> Result<()> {
    let held = demo.sealpost(&["--json", "queue", "list", "--state", "held"])?;
    ensure!(held.contains(id), "it no longer waits");
    let came = inbox(demo, BOB)?.iter().any(|m| String::from_utf8_lossy(m).contains(id));
    ensure!(!came, "it has left");
    Ok(())
}

/// A message in answer, from outside.
fn reply(from: &str, more: &str, body: &str) -> String {
    format!(
        "From: {from}\nTo: x@sealpost.test\nSubject: Re: En attente : [secur]\nMIME-Version: 1.0\n{more}\n{body}\n"
    )
}

#[test]
fn an_answer_by_mail_ends_the_wait() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let place = Place::new(&demo, "alice")?;
    let plain = "Content-Type: text/plain; charset=utf-8\n";

    // What does not count: addresses nobody was given, other senders, programs, quotations.
    let (id, to) = asked(&demo, &place, "[secur] Dossier")?;
    let forged = to.replace(&to[20..24], "zzzz");
    ensure!(outside(&demo, ALICE, &forged, &reply(ALICE, plain, "ENVOYER"))?.starts_with("550"));
    let stranger = outside(&demo, "m@example.test", &to, &reply("m@example.test", plain, "ENVOYER"))?;
    ensure!(stranger.starts_with("550 5.7.1"), "{stranger}");
    let absent = format!("{plain}Auto-Submitted: auto-replied\n");
    ensure!(outside(&demo, ALICE, &to, &reply(ALICE, &absent, "ENVOYER"))?.starts_with("250"));
    ensure!(outside(&demo, "", &to, &reply(ALICE, plain, "ENVOYER"))?.starts_with("250"));
    ensure!(outside(&demo, ALICE, &to, &reply(ALICE, plain, "> ENVOYER"))?.starts_with("250"));
    told(&demo, &id, "pas été comprise")?;
    waits(&demo, &id)?;

    // An HTML mail, from a program that sends nothing else.
    let html = "<html><head><style>p{}</style></head><body><div>SECURISER</div><br>\n\
                <blockquote>ENVOYER</blockquote></body></html>";
    let sent = outside(&demo, ALICE, &to, &reply(ALICE, "Content-Type: text/html; charset=utf-8\n", html))?;
    ensure!(sent.starts_with("250"), "{sent}");
    told(&demo, &id, "protégé par un lien")?;
    let mail = wait_for_mail(&demo, BOB, &|m| m.contains(&id))?;
    let page = Door::new(&demo, &link_in(&mail)?)?.open(&demo, BOB)?;
    ensure!(page.text().contains("Bonjour"), "{}", page.text());
    // The address is spent.
    ensure!(outside(&demo, ALICE, &to, &reply(ALICE, plain, "ANNULER"))?.starts_with("250"));
    told(&demo, &id, "trop tard")?;

    // Her own mail program sends through here: its subject repeats what was nearly a tag.
    let (id, to) = asked(&demo, &place, "[crypte] Note")?;
    let subject = "Re: En attente : [crypte] Note";
    place.send(&[&to], &Mail::new(&[&to], subject).text("Envoyer.\r\n\r\n> SECURISER").bytes())?;
    told(&demo, &id, "tel quel")?;
    let mail = wait_for_mail(&demo, BOB, &|m| m.contains(&id))?;
    ensure!(mail.contains("Bonjour") && link_in(&mail).is_err(), "{mail}");
    let released = demo.sealpost(&["journal", "search", "--deposit", &id, "--event", "HoldReleased"])?;
    ensure!(released.contains("one-time address"), "{released}");

    let (id, to) = asked(&demo, &place, "[secure Devis")?;
    ensure!(outside(&demo, ALICE, &to, &reply(ALICE, plain, "annuler"))?.starts_with("250"));
    told(&demo, &id, "Rien n'a été envoyé")?;
    ensure!(!inbox(&demo, BOB)?.iter().any(|m| String::from_utf8_lossy(m).contains(&id)));
    Ok(())
}

/// The question about an address; where its answer goes.
fn asked_about(demo: &Demo, id: &str, known: &str) -> Result<String> {
    let raw = wait_for_raw(demo, ALICE, &|m| m.contains(id) && m.contains("answer-"))?;
    let question = Parsed::new(&raw)?;
    let text = question.body("text/plain")?.split_whitespace().collect::<Vec<_>>().join(" ");
    ensure!(text.contains("Est-ce la bonne") && text.contains(known) && text.contains("ENVOYER"), "{text}");
    Ok(question.header("Reply-To")?.trim_matches(['<', '>']).to_owned())
}

#[test]
fn a_new_address_that_looks_like_a_slip_waits_for_its_sender() -> Result<()> {
    const KNOWN: &str = "dominique@example.test";
    const SLIP: &str = "dominqiue@example.test";
    let demo = Demo::start(DemoOptions::default())?;
    let place = Place::new(&demo, "alice")?;
    let mail = |to: &str, more: &str| {
        let mail = Mail::new(&[to], "Bilan");
        let mail = if more.is_empty() { mail } else { mail.header(more) };
        mail.text("Bonjour").bytes()
    };
    let came = |to: &str, id: &str| wait_for_mail(&demo, to, &|m| m.contains(id));
    let first = place.send(&[KNOWN], &mail(KNOWN, ""))?;
    came(KNOWN, &first)?;
    wait_until("it counts as sent", || {
        Ok(demo.sealpost(&["deposit", "show", &first])?.contains("RelayToNonERDS"))
    })?;

    // Somebody wrote first, from an address that is new here: the answer to that is no slip.
    let other = "dominiqu@example.test";
    let answer = place.send(&[other], &mail(other, "In-Reply-To: <1@example.test>"))?;
    came(other, &answer)?;

    let id = place.send(&[SLIP], &mail(SLIP, ""))?;
    let to = asked_about(&demo, &id, KNOWN)?;
    let held = demo.sealpost(&["--json", "queue", "list", "--state", "held"])?;
    ensure!(held.contains(&id), "it has left");
    let plain = "Content-Type: text/plain; charset=utf-8\n";
    ensure!(outside(&demo, ALICE, &to, &reply(ALICE, plain, "Envoyer"))?.starts_with("250"));
    told(&demo, &id, "part tel quel")?;
    came(SLIP, &id)?;
    wait_until("it counts as sent", || {
        Ok(demo.sealpost(&["deposit", "show", &id])?.contains("RelayToNonERDS"))
    })?;
    // Confirmed once, it is an address like any other.
    let again = place.send(&[SLIP], &mail(SLIP, ""))?;
    came(SLIP, &again).map(drop)
}
