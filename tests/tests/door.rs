//! The recipient's side: from the notification in a mailbox to the file on disk, in Chromium and by curl.

use anyhow::{Context, Result, ensure};
use sealpost_tests::browser::script;
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::door::code_in;
use sealpost_tests::mail::{File, Mail, Noise, sha256};
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{link_in, must, run, wait_for_deposit, wait_for_mail, wait_until};
use sealpost_tests::{Demo, Door, Parsed};
use serde_json::{Value, json};
use std::path::Path;

const BOB: &str = "bob@example.test";
const DORA: &str = "dora@example.test";

fn files() -> [File; 3] {
    let mut image = vec![0; 30_000];
    Noise::new(3).fill(&mut image);
    [
        File::new("compte-rendu.txt", "text/plain; charset=utf-8", "Rien à signaler.\n".repeat(200)),
        File::new("radio.bin", "application/octet-stream", image),
        File::noise("grand.dat", 400_000),
    ]
}

fn mail(to: &[&str]) -> Mail {
    let mut mail = Mail::new(to, "[secure] Votre bilan").text("Bonjour,\r\n\r\nVoici votre bilan.\r\n");
    mail.html =
        Some("<p>Bonjour,</p><p>Voici <b>votre bilan</b>.<script>document.title='x'</script></p>".into());
    mail.files = files().into();
    mail
}

/// What a notification may tell: nothing of the message itself, one address, text equal to target.
fn neutral(notification: &str) -> Result<String> {
    let link = link_in(notification)?;
    let plain = notification.replace("=\r\n", "").replace("=3D", "=").replace("=20", " ");
    ensure!(
        !plain.contains("bilan") && !plain.contains("radio.bin"),
        "the notification tells too much: {plain}"
    );
    for (at, _) in plain.match_indices("https://") {
        ensure!(plain[at..].starts_with(&link), "another address: {:.80}", &plain[at..]);
    }
    ensure!(!plain.contains("http://"), "{plain}");
    ensure!(plain.contains("X-Sealpost-Reference: "), "{plain}");
    Ok(link)
}

fn walk(javascript: bool, language: &str) -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let id = Place::new(&demo, "alice")?.send(&[BOB, DORA], &mail(&[BOB, DORA]).bytes())?;
    let link = neutral(&wait_for_deposit(&demo, BOB, &id)?)?;
    let downloads = demo.dir.join("downloads");
    std::fs::create_dir(&downloads)?;
    let seen = script(
        &demo,
        "walk.py",
        json!({
            "link": link, "login": BOB, "javascript": javascript, "language": language,
            "downloads": downloads, "wrong_first": true,
        }),
    )?;
    assert_eq!(seen["scripts"], javascript);
    assert_eq!(seen["notices"], json!([]));
    assert_eq!(seen["language"], language);
    // The code mail is in the recipient's language, which the browser's does not change.
    ensure!(
        seen["subject"].as_str().is_some_and(|s| s.starts_with("[Authentification Démonstration Sealpost]")),
        "{seen}"
    );
    let said = |key: &str, french: &str, english: &str| -> Result<()> {
        let expected = if language == "fr" { french } else { english };
        ensure!(seen[key] == expected, "{key}: {} instead of {expected}", seen[key]);
        Ok(())
    };
    said("after_wrong", "Ce code n’est pas le bon.", "This is not the right code.")?;
    said("tries", "Il vous reste 4 essais.", "You have 4 tries left.")?;
    said("ready", "Votre message est prêt", "Your message is ready")?;
    said("logged_out", "Vous êtes déconnecté", "You are logged out")?;
    said("after_logout", "Un message sécurisé vous attend", "A secure message is waiting for you")?;
    assert_eq!(seen["again"], seen["title"]);
    ensure!(seen["title"].as_str().is_some_and(|t| t.contains("Votre bilan")), "{}", seen["title"]);
    ensure!(seen["body"].as_str().is_some_and(|b| b.contains("Voici votre bilan")), "{}", seen["body"]);

    let files = files();
    let shown = seen["files"].as_array().context("no files")?;
    assert_eq!(shown.len(), files.len());
    for (file, shown) in files.iter().zip(shown) {
        assert_eq!(shown["name"], file.name.as_str());
        assert_eq!(shown["sha256"], sha256(&file.bytes));
        let saved = std::fs::read(shown["saved"].as_str().context("no path")?)?;
        ensure!(saved == file.bytes, "{} arrived changed", file.name);
    }
    let zip = seen["zip"].as_str().context("no ZIP")?;
    must("unzip", &["-tq", zip])?;
    for file in &files {
        ensure!(run("unzip", &["-p", zip, &file.name])?.stdout == file.bytes, "{} in the ZIP", file.name);
    }
    let printed = must("pdftotext", &[seen["printed"].as_str().context("no print")?, "-"])?;
    ensure!(printed.contains("Voici votre bilan") && printed.contains("grand.dat"), "{printed}");
    for cookie in seen["cookies"].as_array().context("no cookies")? {
        ensure!(
            cookie["httpOnly"] == true && cookie["secure"] == true && cookie["sameSite"] == "Lax",
            "{cookie}"
        );
    }
    downloaded(&demo, &id)
}

/// Evidence of the whole way, and the state that the sender sees.
fn downloaded(demo: &Demo, id: &str) -> Result<()> {
    wait_until("the downloads are recorded", || {
        let shown: Value = serde_json::from_str(&demo.sealpost(&["--json", "deposit", "show", id])?)?;
        Ok(shown["recipients"][0]["state"] == "downloaded")
    })?;
    let shown: Value = serde_json::from_str(&demo.sealpost(&["--json", "deposit", "show", id])?)?;
    assert_eq!(shown["recipients"][1]["state"], "sent");
    let events: Vec<&str> =
        shown["events"].as_array().context("events")?.iter().filter_map(|e| e["event"].as_str()).collect();
    for event in [
        "SubmissionAcceptance",
        "NotificationForAcceptance",
        "NotificationAccessTracking",
        "ChallengeSent",
        "GateFailed",
        "GatePassed",
        "ConsignmentAcceptance",
        "ContentHandover",
    ] {
        ensure!(events.contains(&event), "no {event} in {events:?}");
    }
    Ok(())
}

#[test]
fn a_recipient_reads_in_chromium() -> Result<()> {
    walk(true, "fr")
}

#[test]
fn a_recipient_reads_in_chromium_without_scripts_in_english() -> Result<()> {
    walk(false, "en")
}

#[test]
fn receipts_thread_on_the_senders_message() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let mail = mail(&[BOB, DORA]).header("Message-ID: <bilan-1@sealpost.test>");
    let id = Place::new(&demo, "alice")?.send(&[BOB, DORA], &mail.bytes())?;
    let mut receipts: Vec<String> = Vec::new();
    for (login, state) in [(BOB, "Reçu partiellement"), (DORA, "Reçu")] {
        let door = Door::new(&demo, &link_in(&wait_for_deposit(&demo, login, &id)?)?)?;
        door.open(&demo, login)?;
        let receipt = wait_for_mail(&demo, "alice", &|m| {
            m.contains("bilan-1@sealpost.test") && !receipts.iter().any(|r| r == m)
        })?;
        let (head, _) = receipt.split_once("\r\n\r\n").context("no body")?;
        let unfolded = head.replace("\r\n ", " ");
        ensure!(unfolded.contains("In-Reply-To: <bilan-1@sealpost.test>"), "{head}");
        ensure!(unfolded.contains("References: <bilan-1@sealpost.test>"), "{head}");
        ensure!(unfolded.contains("Auto-Submitted: auto-replied"), "{head}");
        let parsed = Parsed::new(receipt.as_bytes())?;
        let subject = parsed.header("Subject")?;
        ensure!(subject.starts_with(&format!("{state} :")), "{subject}");
        ensure!(!subject.contains("[secure]"), "{subject}");
        receipts.push(receipt);
        // Opening again makes no further receipt: the next one is the other recipient's.
        door.open(&demo, login)?;
    }
    Ok(())
}

#[test]
fn ranges_views_and_heads() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let id = Place::new(&demo, "alice")?.send(&[BOB], &mail(&[BOB]).bytes())?;
    let door = Door::new(&demo, &link_in(&wait_for_deposit(&demo, BOB, &id)?)?)?;
    // Before the gate: no file, no body, no view, whatever is asked.
    for below in ["/files/1", "/files/1/view", "/all.zip", "/print"] {
        assert_eq!(door.get(below)?.status, 403, "{below}");
    }
    let content = door.open(&demo, BOB)?;
    let last = &files()[2];
    let (href, _) = content.files()[2].clone();
    let bytes = &last.bytes;
    for (range, part) in [
        ("bytes=0-99", &bytes[..100]),
        ("bytes=100000-299999", &bytes[100_000..300_000]),
        ("bytes=399990-", &bytes[399_990..]),
        ("bytes=-7", &bytes[bytes.len() - 7..]),
    ] {
        let page = door.request(&href, &["-H", &format!("Range: {range}")])?;
        assert_eq!(page.status, 206, "{range}");
        ensure!(page.body == part, "{range}");
        ensure!(page.head.to_ascii_lowercase().contains("content-range: bytes "), "{}", page.head);
    }
    let page = door.request(&href, &["-H", "Range: bytes=400000-"])?;
    assert_eq!(page.status, 416);
    let whole = door.request(&href, &[])?;
    ensure!(whole.body == *bytes);
    let head = whole.head.to_ascii_lowercase();
    ensure!(head.contains("content-disposition: attachment"), "{head}");
    ensure!(head.contains("x-content-type-options: nosniff"), "{head}");
    ensure!(head.contains("content-length: 400000"), "{head}");
    let etag = head.lines().find_map(|l| l.strip_prefix("etag: ")).context("no ETag")?.to_owned();
    assert_eq!(door.request(&href, &["-H", &format!("If-None-Match: {etag}")])?.status, 304);
    let resumed = door.request(&href, &["-H", &format!("If-Range: {etag}"), "-H", "Range: bytes=5-"])?;
    assert_eq!((resumed.status, resumed.body.len()), (206, bytes.len() - 5));
    // A text can be looked at; unknown bytes cannot.
    let view = door.get("/files/1/view")?;
    assert_eq!(view.status, 200);
    ensure!(view.head.contains("sandbox"), "{}", view.head);
    assert_eq!(door.get("/files/3/view")?.status, 404);
    for below in ["/files/0", "/files/4", "/files/01", "/files/x", "/files/-1"] {
        assert_eq!(door.get(below)?.status, 404, "{below}");
    }
    Ok(())
}

#[test]
fn five_wrong_codes_end_a_challenge_in_all_browsers() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let id = Place::new(&demo, "alice")?.send(&[BOB], &mail(&[BOB]).bytes())?;
    let link = link_in(&wait_for_deposit(&demo, BOB, &id)?)?;
    let (one, two) = (Door::new(&demo, &link)?, Door::new(&demo, &link)?);
    let mut forms = Vec::new();
    for door in [&one, &two] {
        forms.push(door.post("/gate/otp-mail", &door.get("")?, &[])?);
    }
    let code = code_in(&wait_for_mail(&demo, BOB, &|m| code_in(m).is_ok())?)?;
    let wrong = format!("{:06}", (code.parse::<u32>()? + 1) % 1_000_000);
    // What cannot be a code costs no try.
    let page = one.post("/gate/otp-mail/answer", &forms[0], &[("code", "12")])?;
    ensure!(page.text().contains("Cet essai n’est pas compté"), "{}", page.text());
    for i in 0..5 {
        let (door, form) = if i % 2 == 0 { (&one, &forms[0]) } else { (&two, &forms[1]) };
        let page = door.post("/gate/otp-mail/answer", form, &[("code", &wrong)])?;
        assert_eq!(page.status, 403, "try {i}");
    }
    // Now the right one is worth nothing, in either browser.
    for (door, form) in [(&one, &forms[0]), (&two, &forms[1])] {
        let page = door.post("/gate/otp-mail/answer", form, &[("code", &code)])?;
        assert_eq!(page.status, 403);
        ensure!(page.text().contains("Ce code n’est plus valable"), "{}", page.text());
        assert_eq!(door.get("/files/1")?.status, 403);
    }
    // Without the form's secret nothing is done.
    let forged = one.request(&format!("{}/open", one.path), &["--data", "csrf=x"])?;
    assert_eq!(forged.status, 403);
    Ok(())
}

#[test]
fn links_that_have_ended_say_so_and_strangers_learn_nothing() -> Result<()> {
    let rules = "\n[[rule]]\nname = \"short\"\nwhen = 'message.subject.contains(\"court\")'\ntreatment = \"notify\"\nexpires = \"2 seconds\"\n";
    let demo = Demo::start_edited(DemoOptions::default(), |config| config + rules)?;
    let place = Place::new(&demo, "alice")?;
    let send = |subject: &str| -> Result<(String, String)> {
        let id = place.send(&[BOB], &Mail::new(&[BOB], subject).file(File::noise("a.bin", 9)).bytes())?;
        let link = link_in(&wait_for_deposit(&demo, BOB, &id)?)?;
        Ok((id, link))
    };
    let (revoked_id, revoked) = send("[secure] un")?;
    let (_, short) = send("trop court")?;
    let (resent_id, first) = send("[secure] deux")?;

    // An opened session ends with the link.
    let door = Door::new(&demo, &revoked)?;
    door.open(&demo, BOB)?;
    assert_eq!(door.get("/files/1")?.status, 200);
    demo.sealpost(&["deposit", "revoke", &revoked_id])?;
    for below in ["", "/files/1", "/all.zip", "/print"] {
        assert_eq!(door.get(below)?.status, 410, "{below}");
    }
    ensure!(door.get("")?.text().contains("L’expéditeur a retiré ce message"));

    let expired = Door::new(&demo, &short)?;
    wait_until("the short link ends", || Ok(expired.get("")?.status == 410))?;
    ensure!(expired.get("")?.text().contains("La consultation a pris fin"));

    // Resending makes a second link beside the first.
    demo.sealpost(&["deposit", "resend", &resent_id])?;
    let again = wait_for_mail(&demo, BOB, &|m| {
        m.contains(&resent_id) && code_in(m).is_err() && link_in(m).is_ok_and(|l| l != first)
    })?;
    for link in [&first, &link_in(&again)?] {
        Door::new(&demo, link)?.open(&demo, BOB)?;
    }

    // A session at one link opens no other; and unknown links all look alike.
    let (_, other) = send("[secure] trois")?;
    let mine = Door::new(&demo, &first)?;
    mine.open(&demo, BOB)?;
    let token = other.rsplit('/').next().context("token")?;
    assert_eq!(mine.request(&format!("/m/{token}/files/1"), &[])?.status, 403);
    let mut strangers = Vec::new();
    for path in [
        "/m/AAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "/m/x",
        &format!("/m/{}x", token),
        "/m/AAAAAAAAAAAAAAAAAAAAAAAAAAA/files/1",
    ] {
        let page = Door::new(&demo, &first)?.request(path, &[])?;
        assert_eq!(page.status, 404, "{path}");
        // The page tells browsers the time of day.
        let text = page.text();
        let (before, now) = text.split_once("data-now=\"").context("no time")?;
        let (_, after) = now.split_once('"').context("no end")?;
        strangers.push(format!("{before}{after}"));
    }
    ensure!(strangers.iter().all(|s| *s == strangers[0]), "unknown links can be told apart");
    Ok(())
}

#[test]
fn every_page_fits_phone_and_desk() -> Result<()> {
    let rules = "\n[[rule]]\nname = \"short\"\nwhen = 'message.subject.contains(\"court\")'\ntreatment = \"notify\"\nexpires = \"1 second\"\n";
    let demo = Demo::start_edited(DemoOptions::default(), |config| config + rules)?;
    let place = Place::new(&demo, "alice")?;
    let link_of = |mail: &Mail| -> Result<(String, String)> {
        let id = place.send(&[BOB], &mail.bytes())?;
        Ok((link_in(&wait_for_deposit(&demo, BOB, &id)?)?, id))
    };
    let mut long = mail(&[BOB]).file(File::noise(
        "Compte-rendu_de_consultation_avec_un_nom_de_fichier_vraiment_tres_long_du_22_novembre_2026.pdf",
        1_234_567,
    ));
    long.html = Some(LETTER.replace('\n', "\r\n"));
    let (link, _) = link_of(&long)?;
    let (revoked, id) = link_of(&Mail::new(&[BOB], "[secure] retiré"))?;
    demo.sealpost(&["deposit", "revoke", &id])?;
    let (expired, _) = link_of(&Mail::new(&[BOB], "court"))?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/screenshots");
    let ended = Door::new(&demo, &expired)?;
    wait_until("the short link ends", || Ok(ended.get("")?.status == 410))?;
    let seen = script(
        &demo,
        "pages.py",
        json!({
            "link": link, "login": BOB, "folder": folder,
            "ended": {
                "10-revoked": revoked, "11-expired": expired,
                "12-unknown": format!("{}/m/AAAAAAAAAAAAAAAAAAAAAAAAAAA", demo.url()),
            },
        }),
    )?;
    ensure!(seen["faults"].as_array().is_some_and(Vec::is_empty), "{:#}", seen["faults"]);
    ensure!(seen["count"].as_u64().is_some_and(|n| n >= 100), "{}", seen["count"]);
    Ok(())
}

/// A body as mail programs write them, wide table and remote picture included.
const LETTER: &str = r#"<div style="font-family:Calibri;font-size:11pt"><p>Bonjour Monsieur Lefèvre,</p>
<p>Veuillez trouver ci-joint le <b>compte rendu</b> de votre consultation du <i>20 novembre 2026</i>, ainsi que les
images. Prenez rendez-vous dans <u>deux semaines</u>.</p>
<table border="1"><tr><th>Analyse</th><th>Résultat</th><th>Unité</th><th>Valeurs de référence</th><th>Antériorité</th></tr>
<tr><td>Hémoglobine</td><td>14,2</td><td>g/dL</td><td>13,0 – 17,0</td><td>14,0 (03/2026)</td></tr>
<tr><td>Leucocytes</td><td>6,1</td><td>G/L</td><td>4,0 – 10,0</td><td>5,8 (03/2026)</td></tr></table>
<img src="https://tracker.example/pixel.gif" width="1" height="1">
<p>Bien cordialement,<br>Dr Alice Martin</p><blockquote>Le 18/11/2026, M. Lefèvre a écrit :<br>Quand aurai-je mes
résultats ?</blockquote></div>"#;
