//! Every page that a recipient or a stranger may come upon, and everybody's own account, in Chromium: both languages,
//! a phone's width and a desk's, light and dark. Axe-core judges each; screenshots stay in `target/screenshots`.

use anyhow::{Context, Result, ensure};
use sealpost_tests::axe;
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::{File, Mail};
use sealpost_tests::phone::{Phone, address_in};
use sealpost_tests::sending::Place;
use sealpost_tests::sms::Service;
use sealpost_tests::staff::Staff;
use sealpost_tests::tools::{link_in, wait_for_deposit, wait_for_mail, wait_until};
use sealpost_tests::{Demo, Door};
use serde_json::{Value, json};

const ALICE: &str = "alice@sealpost.test";
const BOB: &str = "bob@example.test";
const DORA: &str = "dora@example.test";
const PASSWORD: &str = "Pomme de reinette 7";
const SEED: &str = "3132333435363738393031323334353637383930";

const RULES: &str = r#"
[[rule]]
name = "short"
when = 'message.subject.contains("court")'
treatment = "notify"
gate = ["otp-mail"]
expires = "1 second"

[[rule]]
name = "in steps"
when = 'message.subject.contains("deux")'
treatment = "notify"
gate = ["password+otp-sms"]

[[rule]]
name = "one way"
when = 'message.subject.contains("seul")'
treatment = "notify"
gate = ["otp-mail"]

[[rule]]
name = "every way"
when = 'true'
treatment = "notify"
gate = ["otp-mail", "cps", "totp", "tiqr"]
"#;

/// A demonstration in which every way through the gate is open to Bob.
struct Scene {
    demo: Demo,
    alice: Place,
    _service: Service,
}

impl Scene {
    fn new() -> Result<Self> {
        let service = Service::start()?;
        let demo = Demo::start_edited(DemoOptions::default(), |text| service.settings(text) + RULES)?;
        let alice = Place::new(&demo, "alice")?;
        let table = demo.dir.join("tokens.csv");
        std::fs::write(&table, format!("upn,serial number,secret key,time interval\n{BOB},T-1,{SEED},30\n"))?;
        demo.sealpost(&["user", "token", "import", &table.to_string_lossy()])?;
        Ok(Self { demo, alice, _service: service })
    }

    fn send(&self, to: &str, mail: &Mail) -> Result<(String, String)> {
        let id = self.alice.send(&[to], &mail.bytes())?;
        Ok((link_in(&wait_for_deposit(&self.demo, to, &id)?)?, id))
    }

    /// Bob's telephone.
    fn enrol(&self) -> Result<()> {
        let (link, _) = self.send(BOB, &Mail::new(&[BOB], "seul, pour le téléphone"))?;
        let door = Door::new(&self.demo, &link)?;
        door.open(&self.demo, BOB)?;
        let shown = door.post("/phone", &door.get("/phone")?, &[])?;
        let (_, metadata) = Phone::metadata(&self.demo, &address_in(&shown.text(), "tiqrenroll")?)?;
        let (_, status, _) = Phone::enrol(&self.demo, &metadata.context("metadata")?, "2468", Some(2))?;
        ensure!(status == 200, "{status}");
        Ok(())
    }

    /// The messages that the pages are about, for one language.
    fn links(&self, language: &str) -> Result<Value> {
        let file =
            "Compte-rendu_de_consultation_avec_un_nom_de_fichier_vraiment_tres_long_du_22_novembre_2026.pdf";
        let mut all = Mail::new(&[BOB], &format!("Votre bilan ({language})"))
            .file(File::noise(file, 1_234_567))
            .file(File::new("notes.txt", "text/plain", "Rien à signaler.\n".repeat(9)));
        all.html = Some(
            "<p>Bonjour,</p><table border=\"1\"><tr><th>Analyse</th><th>Résultat</th></tr>\
             <tr><td>Hémoglobine</td><td>14,2 g/dL</td></tr></table><p>Bien cordialement</p>"
                .to_owned(),
        );
        let steps = Mail::new(&[DORA], &format!("En deux temps ({language})"))
            .header(&format!("X-Sealpost-Password: {PASSWORD}"))
            // Each has a number of its own to refuse.
            .header(&format!("X-Sealpost-Phone: 06 12 34 56 7{}", if language == "fr" { 8 } else { 9 }));
        Ok(json!({
            "all": self.send(BOB, &all)?.0,
            "steps": self.send(DORA, &steps)?.0,
            "plain": self.send(DORA, &Mail::new(&[DORA], &format!("Un seul moyen ({language})")))?.0,
            "expired": self.send(DORA, &Mail::new(&[DORA], &format!("Très court ({language})")))?.0,
        }))
    }

    /// A link at which two codes were guessed until their end.
    fn tired(&self) -> Result<String> {
        let (link, _) = self.send(DORA, &Mail::new(&[DORA], "Un seul moyen, essayé"))?;
        let door = Door::new(&self.demo, &link)?;
        for _ in 0..2 {
            let form = door.post("/gate/otp-mail", &door.get("")?, &[])?;
            for _ in 0..5 {
                door.post("/gate/otp-mail/answer", &form, &[("code", "000000")])?;
            }
        }
        Ok(link)
    }

    /// The path at which somebody sets a new password.
    fn forgotten(&self, login: &str) -> Result<String> {
        let stranger = Staff::new(&self.demo)?;
        let form = stranger.get("/password/forgotten")?;
        stranger.post("/password/forgotten", &form, &[("identifier", login)])?;
        let mail = wait_for_mail(&self.demo, login, &|m| m.contains("/password/set/"))?;
        let plain = mail.replace("=\r\n", "");
        let (_, rest) = plain.split_once("/password/set/").context("a link")?;
        Ok(format!("/password/set/{}", rest.split("\r\n").next().unwrap_or_default().trim()))
    }

    /// A proof, and the same with an octet changed.
    fn proofs(&self, id: &str) -> Result<(String, String)> {
        let (good, bad) = (self.demo.dir.join("proof.asice"), self.demo.dir.join("damaged.asice"));
        self.demo.sealpost(&["proof", "export", id, "-o", &good.to_string_lossy(), "--wait"])?;
        let mut bytes = std::fs::read(&good)?;
        let needle = b"\0message/original.eml";
        let at = bytes.windows(needle.len()).position(|w| w == needle).context("the message")? + 60;
        bytes[at] ^= 4;
        std::fs::write(&bad, bytes)?;
        Ok((good.to_string_lossy().into_owned(), bad.to_string_lossy().into_owned()))
    }
}

#[test]
fn every_page_before_the_desk_is_accessible() -> Result<()> {
    let scene = Scene::new()?;
    let demo = &scene.demo;
    scene.enrol()?;
    let (revoked, id) = scene.send(DORA, &Mail::new(&[DORA], "Un seul moyen, retiré"))?;
    let (proof, damaged) = scene.proofs(&id)?;
    demo.sealpost(&["deposit", "revoke", &id])?;
    let doors = json!({ "fr": scene.links("fr")?, "en": scene.links("en")? });
    let expired = Door::new(demo, doors["en"]["expired"].as_str().context("a link")?)?;
    wait_until("the short link ends", || Ok(expired.get("")?.status == 410))?;
    let alice = demo.account("alice");
    let task = json!({
        "doors": doors, "tired": scene.tired()?, "bob": BOB, "dora": DORA, "alice": ALICE, "password": PASSWORD,
        "ended": { "revoked": revoked, "unknown": format!("{}/m/AAAAAAAAAAAAAAAAAAAAAAAAAAA", demo.url()) },
        "staff": { "login": alice.login, "password": alice.password, "secret": alice.totp_secret },
        "setlinks": {
            "fr": scene.forgotten("carol@sealpost.test")?, "en": scene.forgotten("adele@sealpost.test")?,
        },
        "proof": proof, "damaged": damaged,
    });
    let seen = axe::judged(demo, "doors.py", task)?;
    ensure!(seen["shots"].as_u64().is_some_and(|n| n >= 200), "{} screenshots", seen["shots"]);
    Ok(())
}
