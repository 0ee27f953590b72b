//! A professional's card at the gate, by curl with client certificates: accepted, refused for each reason, matched
//! with the person a rule names, bound on first use.

use anyhow::{Context, Result, ensure};
use sealpost_certs::card::issue::{CardAuthority, NewCard, Use};
use sealpost_certs::{Certificate, FileSigner};
use sealpost_envelope::{Clock, SystemClock, Timestamp};
use sealpost_tests::axe::judged;
use sealpost_tests::browser::script;
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::door::{Page, code_in};
use sealpost_tests::mail::Mail;
use sealpost_tests::responder::Responder;
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{link_in, run, wait_for_deposit, wait_for_mail};
use sealpost_tests::{Demo, Door};
use serde_json::json;
use std::path::PathBuf;

const TO: &str = "cabinet@cabinet.test";
const DAY: i64 = 24;

/// Alice's message to somebody who is asked for a card.
fn sent(demo: &Demo, to: &str, subject: &str) -> Result<(String, Door)> {
    // The same message sent again would be the same deposit.
    let mail = Mail::new(&[to], subject).text("Bonjour,\r\n\r\nVoici le compte rendu.\r\n");
    let id = Place::new(demo, "alice")?.send(&[to], &mail.bytes())?;
    let link = link_in(&wait_for_deposit(demo, to, &id)?)?;
    let door = Door::new(demo, &link)?;
    Ok((id, door))
}

/// From the landing page to the address on the card listener.
fn way(demo: &Demo, door: &Door) -> Result<String> {
    let landing = door.get("")?;
    let asked = door.post("/gate/cps", &landing, &[])?;
    ensure!(asked.status == 200, "{}\n{}", asked.status, asked.text());
    let text = asked.text();
    let start = format!("https://localhost:{}/card/", demo.about.ports.card);
    let at = text.find(&start).with_context(|| format!("no way to the card listener in {text}"))?;
    Ok(text[at..].chars().take_while(|c| *c != '"').collect())
}

/// Shows a card; follows back to the main listener where it is accepted.
fn show(demo: &Demo, door: &Door, pem: &str) -> Result<Page> {
    door.visit(&way(demo, door)?, &["--cert", pem])
}

/// Presses the button of the page that names the holder.
fn go_on(door: &Door, arrived: &Page) -> Result<Page> {
    let text = arrived.text();
    let at = text.find("action=\"/card/").context("no form")? + 8;
    let path: String = text[at..].chars().take_while(|c| *c != '"').collect();
    let field = format!("csrf={}", arrived.csrf()?);
    door.request(&path, &["--data-urlencode", &field])
}

/// Cards of the demonstration's own authority, and of another one.
struct Printer {
    demo: CardAuthority,
    other: CardAuthority,
    dir: PathBuf,
}

impl Printer {
    fn new(demo: &Demo) -> Result<Self> {
        let dir = demo.dir.join("cards");
        let root = Certificate::load(&dir.join("root.pem"))?.remove(0);
        let issuer = FileSigner::load(&dir.join("authority.key"), &dir.join("authority.pem"))?;
        let other = CardAuthority::create("SEALPOST DEMO", SystemClock.now())?;
        Ok(Self { demo: CardAuthority::new(root, issuer)?, other, dir })
    }
    /// Writes a card's certificate and key for curl.
    fn print(&self, name: &str, by: &CardAuthority, change: impl FnOnce(&mut NewCard)) -> Result<String> {
        let mut new =
            NewCard::professional("ALIX", "TEST", "899700218896", (10, "Médecin"), SystemClock.now());
        change(&mut new);
        let card = by.issue(&new)?;
        let file = self.dir.join(format!("{name}.test.pem"));
        let text = format!("{}{}", card.certificate.to_pem(), card.key.to_pem().expose());
        std::fs::write(&file, text)?;
        Ok(file.to_string_lossy().into_owned())
    }
}

fn reasons(demo: &Demo, id: &str) -> Result<Vec<String>> {
    let found = demo.sealpost(&["journal", "search", "--deposit", id, "--event", "GateFailed"])?;
    let reason = |line: &str| {
        let at = line.find("\"reason\":\"")? + 10;
        Some(line[at..].split('"').next()?.to_owned())
    };
    Ok(found.lines().filter_map(reason).collect())
}

/// What people are told, and what the journal keeps, for each kind of card that is refused; then one that is not.
#[test]
fn each_refusal_has_its_page_and_its_event() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let (id, door) = sent(&demo, TO, "Compte rendu")?;
    let printer = Printer::new(&demo)?;
    let hours =
        |h: i64| Timestamp::from_second(SystemClock.now().as_second() + h * 3600).unwrap_or(Timestamp::MAX);
    let own = |name: &str, change: &dyn Fn(&mut NewCard)| printer.print(name, &printer.demo, change);
    let lost = demo.card("lost").pem.to_string_lossy().into_owned();
    for (pem, code, words) in [
        (lost, "revoked", "Cette carte est révoquée"),
        (own("expired", &|c| c.validity = (hours(-9 * DAY), hours(-1)))?, "expired", "Cette carte a expiré"),
        (own("real", &|c| c.category = 0)?, "real-card", "C’est une carte réelle"),
        (own("signature", &|c| c.usage = Use::Signature)?, "signature-only", "certificat de signature"),
        (
            printer.print("stranger", &printer.other, |_| ())?,
            "wrong-chain",
            "L’émetteur de ce certificat n’est pas reconnu",
        ),
    ] {
        let page = show(&demo, &door, &pem)?;
        ensure!(page.status == 403, "{code}: {}\n{}", page.status, page.text());
        ensure!(page.text().contains(words) && page.text().contains(code), "{code}: {}", page.text());
        ensure!(reasons(&demo, &id)?.last().is_some_and(|r| r == code), "{:?}", reasons(&demo, &id)?);
    }
    // Without any card, a page that helps.
    let none = door.visit(&way(&demo, &door)?, &[])?;
    ensure!(none.status == 403 && none.text().contains("Aucune carte n’a été lue"), "{}", none.text());
    ensure!(reasons(&demo, &id)?.len() == 6, "{:?}", reasons(&demo, &id)?);

    let nurse = demo.card("nurse");
    let pem = nurse.pem.to_string_lossy();
    let arrived = show(&demo, &door, &pem)?;
    ensure!(arrived.status == 200 && arrived.text().contains(&nurse.holder), "{}", arrived.text());
    // Somebody else who learnt the address has another browser.
    let text = arrived.text();
    let at = text.find("action=\"/card/").context("no form")? + 8;
    let back: String = text[at..].chars().take_while(|c| *c != '"').collect();
    let thief = Door::new(&demo, &door.url(&door.path))?;
    thief.get("")?;
    ensure!(thief.request(&back, &[])?.status == 403, "the ticket works in another browser");
    let ready = go_on(&door, &arrived)?;
    ensure!(ready.text().contains("Votre message est prêt"), "{}", ready.text());
    ensure!(door.request(&back, &[])?.status == 410, "the ticket works twice");
    let content = door.post("/open", &ready, &[])?;
    ensure!(content.text().contains("Voici le compte rendu."), "{}", content.text());
    let passed = demo.sealpost(&["journal", "search", "--deposit", &id, "--event", "GatePassed"])?;
    ensure!(passed.contains("\"level\":\"high\"") && passed.contains("\"method\":\"cps\""), "{passed}");
    evidence_names_the_card(&demo, &id, &nurse.identity)
}

/// The proof says who opened, by what, and what that is worth.
fn evidence_names_the_card(demo: &Demo, id: &str, identity: &str) -> Result<()> {
    let (proof, dir) = (demo.dir.join("p.asice"), demo.dir.join("p"));
    demo.sealpost(&["proof", "export", id, "--wait", "-o", &proof.to_string_lossy()])?;
    run("unzip", &["-q", &proof.to_string_lossy(), "-d", &dir.to_string_lossy()])?;
    let mut found = false;
    for entry in std::fs::read_dir(dir.join("evidence"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "xml") {
            let xml = std::fs::read_to_string(&path)?;
            found |= xml.contains(identity) && xml.contains("cps") && xml.contains("certificate_serial");
        }
    }
    ensure!(found, "no evidence names {identity}");
    Ok(())
}

/// Without any list, the issuer's responder decides, and every card waits for it.
#[test]
fn a_responder_speaks_for_its_cards() -> Result<()> {
    let env = vec![("NO_PROXY".to_owned(), "127.0.0.1".to_owned())];
    let mut demo = Demo::start(DemoOptions { env, ..DemoOptions::default() })?;
    let cards = demo.dir.join("cards");
    let responder = Responder::start(&cards.join("authority.pem"), &cards.join("authority.key"))?;
    let certificate =
        |name: &str| Ok(Certificate::load(&cards.join(format!("{name}.certificate.pem")))?.remove(0));
    let (nurse, lost): (Certificate, Result<Certificate>) = (certificate("nurse")?, certificate("lost"));
    responder.knows(&[(&nurse, false), (&lost?, true)])?;
    demo.terminate()?;
    let line = format!("crl_files = []\nocsp_urls = [\"{}\"]", responder.url);
    demo.edit(|c| c.replace("crl_files = [\"cards/revoked.crl\"]", &line))?;
    demo.restart()?;
    let (id, door) = sent(&demo, TO, "Compte rendu")?;
    let pem = |name: &str| demo.card(name).pem.to_string_lossy().into_owned();
    let refused = |pem: &str, code: &str, words: &str| -> Result<()> {
        let page = show(&demo, &door, pem)?;
        ensure!(page.status == 403 && page.text().contains(words), "{code}: {}", page.text());
        ensure!(reasons(&demo, &id)?.last().is_some_and(|r| r == code), "{:?}", reasons(&demo, &id)?);
        Ok(())
    };
    refused(&pem("lost"), "revoked", "Cette carte est révoquée")?;
    // A card that its authority does not know, and any card while nobody answers.
    let unsaid = "La validité de la carte ne peut pas être vérifiée";
    refused(&pem("doctor"), "revocation-unknown", unsaid)?;
    responder.be_down(true);
    refused(&pem("nurse"), "revocation-unknown", unsaid)?;
    responder.be_down(false);
    let arrived = show(&demo, &door, &pem("nurse"))?;
    ensure!(arrived.status == 200, "{}", arrived.text());
    ensure!(go_on(&door, &arrived)?.text().contains("Votre message est prêt"));
    Ok(())
}

const RULES: &str = r#"
[[rule]]
name = "named"
when = 'recipient.domain == "named.test"'
treatment = "notify"
gate = ["cps"]
identity = "rpps:99700000013"

[[rule]]
name = "both"
when = 'recipient.domain == "both.test"'
treatment = "notify"
gate = ["otp-mail+cps"]
"#;

/// A rule names the person: another one's card is refused. Where nobody is named, card and code bind on first use.
#[test]
fn the_person_is_matched_or_bound() -> Result<()> {
    let demo = Demo::start_edited(DemoOptions::default(), |text| text + RULES)?;
    let (id, door) = sent(&demo, "accueil@named.test", "Compte rendu")?;
    let (nurse, doctor) = (demo.card("nurse").pem.clone(), demo.card("doctor").pem.clone());
    let (nurse, doctor) = (nurse.to_string_lossy(), doctor.to_string_lossy());
    let refused = show(&demo, &door, &doctor)?;
    ensure!(refused.status == 403 && refused.text().contains("other-person"), "{}", refused.text());
    ensure!(reasons(&demo, &id)? == ["other-person"]);
    let ready = go_on(&door, &show(&demo, &door, &nurse)?)?;
    ensure!(ready.text().contains("Votre message est prêt"), "{}", ready.text());
    // The ticket was used, and the door is open.
    ensure!(door.get("")?.text().contains("Votre message est prêt"));

    let to = "accueil@both.test";
    for (n, pem) in [&nurse, &nurse, &doctor].into_iter().enumerate() {
        let (_, door) = sent(&demo, to, &format!("Compte rendu {n}"))?;
        let landing = door.get("")?;
        let text = landing.text();
        let at = text.find("class=\"ref\">").context("no reference on the page")? + 12;
        let reference = text[at..].split('<').next().unwrap_or_default().to_owned();
        let asked = door.post("/gate/otp-mail", &landing, &[])?;
        let code = code_in(&wait_for_mail(&demo, to, &|m| m.contains(&reference) && code_in(m).is_ok())?)?;
        door.post("/gate/otp-mail/answer", &asked, &[("code", &code)])?;
        let ready = go_on(&door, &show(&demo, &door, pem)?)?;
        ensure!(ready.text().contains("Votre message est prêt"), "{}", ready.text());
        let events = demo.sealpost(&["journal", "search", "--event", "IdentityBound"])?;
        ensure!(events.lines().count() == 1, "{events}");
    }
    Ok(())
}

/// The listener answers for its own name only, and without a ticket it knows nobody.
#[test]
fn the_listener_keeps_to_itself() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let base = format!("https://localhost:{}", demo.about.ports.card);
    let (ca, pem) = (demo.about.ca.to_string_lossy(), demo.card("nurse").pem.to_string_lossy());
    let ask = |url: &str, more: &[&str]| -> Result<String> {
        let mut args = vec!["-sS", "--noproxy", "*", "--cacert", &*ca, "--cert", &*pem, "-o", "/dev/null"];
        args.extend(["-w", "%{http_code} %{http_version} %{redirect_url}"]);
        args.extend(more);
        args.push(url);
        let output = run("curl", &args)?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let unknown = format!("{base}/card/{}", "A".repeat(43));
    ensure!(ask(&unknown, &["--http2"])? == "410 1.1 ", "{}", ask(&unknown, &[])?);
    ensure!(ask(&unknown, &["-H", "Host: other.test"])?.starts_with("421 "));
    ensure!(ask(&format!("{base}/deposits?x=1"), &[])? == format!("303 1.1 {}/", demo.url()));
    Ok(())
}

/// The same in a browser that holds the card, and in one that holds none.
#[test]
fn a_browser_shows_its_card() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let (_, door) = sent(&demo, TO, "Compte rendu")?;
    let card = demo.card("doctor");
    let seen = judged(
        &demo,
        "card.py",
        json!({
            "link": door.url(&door.path), "pkcs12": card.pkcs12, "password": card.password,
            "port": demo.about.ports.card, "language": "fr",
        }),
    )?;
    assert_eq!(seen["start"], "Insérez votre carte dans le lecteur");
    assert_eq!(seen["without"], "Aucune carte n’a été lue");
    assert_eq!(seen["read"], "Votre carte est reconnue");
    ensure!(seen["holder"].as_str().is_some_and(|h| h.contains(&card.holder)), "{seen}");
    assert_eq!(seen["ready"], "Votre message est prêt");
    Ok(())
}

/// The card in a PKCS#11 token, and the browser's own dialogs: a wrong PIN, the right one, the certificate.
#[test]
fn a_browser_asks_for_the_pin_and_the_certificate() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let (id, door) = sent(&demo, TO, "Compte rendu")?;
    let card = demo.card("doctor");
    let task = json!({ "link": door.url(&door.path), "pkcs12": card.pkcs12, "password": card.password });
    let seen = script(&demo, "card_pin.py", task)?;
    assert_eq!(seen["pins"], 2);
    assert_eq!(seen["read"], "Votre carte est reconnue");
    ensure!(seen["holder"].as_str().is_some_and(|h| h.contains(&card.holder)), "{seen}");
    assert_eq!(seen["ready"], "Votre message est prêt");
    let passed = demo.sealpost(&["journal", "search", "--deposit", &id, "--event", "GatePassed"])?;
    ensure!(passed.contains("\"method\":\"cps\"") && passed.contains("\"level\":\"high\""), "{passed}");
    Ok(())
}
