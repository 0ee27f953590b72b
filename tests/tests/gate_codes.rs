//! Codes at the recipient's door that are no mail: the message's password with a code by SMS, taken by a real HTTP
//! endpoint, and tokens, played by `oathtool`.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::door::Page;
use sealpost_tests::sending::Place;
use sealpost_tests::sms::{Service, code_of};
use sealpost_tests::tools::{link_in, must, wait_for_deposit};
use sealpost_tests::{Demo, Door, Mail};

const BOB: &str = "bob@example.test";
const DORA: &str = "dora@example.test";
const PASSWORD: &str = "Pomme de reinette 7";

fn rule(gate: &str) -> String {
    format!(
        "\n[[rule]]\nname = \"codes\"\nwhen = 'recipient.domain == \"example.test\"'\ntreatment = \"notify\"\n\
         gate = {gate}\n"
    )
}

#[test]
fn password_and_sms() -> Result<()> {
    let service = Service::start()?;
    let edit = |text: String| service.settings(text) + &rule("[\"password+otp-sms\"]");
    let demo = Demo::start_edited(DemoOptions::default(), edit)?;
    let alice = Place::new(&demo, "alice")?;

    // Without password and number nobody could open it: it waits, and Alice is told what is missing.
    let plain = Mail::new(&[DORA], "Votre bilan").text("Bonjour.\r\n");
    let waiting = alice.send(&[DORA], &plain.bytes())?;
    let shown = demo.sealpost(&["deposit", "show", &waiting])?;
    ensure!(shown.contains("a mobile number") && shown.contains("a password for this message"), "{shown}");

    let mail = Mail::new(&[BOB], "Votre bilan")
        .header(&format!("X-Sealpost-Password: {PASSWORD}"))
        .header("X-Sealpost-Phone: 06 12 34 56 78")
        .text("Bonjour.\r\n");
    let deposit = alice.send(&[BOB], &mail.bytes())?;
    let notification = wait_for_deposit(&demo, BOB, &deposit)?;
    ensure!(!notification.contains("reinette"), "the password was mailed");
    let door = Door::new(&demo, &link_in(&notification)?)?;

    let landing = door.get("")?;
    ensure!(landing.text().contains("/gate/password") && !landing.text().contains("/gate/otp-sms"));
    let asked = door.post("/gate/password", &landing, &[])?;
    let wrong = door.post("/gate/password/answer", &asked, &[("password", "Pomme de terre 7")])?;
    ensure!(wrong.status == 403, "{}", wrong.text());
    let next = door.post("/gate/password/answer", &wrong, &[("password", PASSWORD)])?;
    ensure!(next.status == 200 && next.text().contains("/gate/otp-sms"), "{}", next.text());

    let form = door.post("/gate/otp-sms", &next, &[])?;
    ensure!(form.text().contains("+336 •••••• 78"), "{}", form.text());
    let message = service.message(0)?;
    ensure!(message["to"] == "+33612345678", "{message}");
    let text = message["text"].as_str().context("a text")?;
    ensure!(text.chars().count() <= 160, "{text}");
    let code = code_of(text)?;

    delivered(&demo, &door, message["callback"].as_str().context("an address")?)?;
    let slip = door.post("/gate/otp-sms/answer", &form, &[("code", "12345")])?;
    ensure!(slip.status == 403 && slip.text().contains("pas compté"), "{}", slip.text());
    ensure!(slip.text().contains("delivered"), "the page says what became of the text: {}", slip.text());
    let ready = door.post("/gate/otp-sms/answer", &form, &[("code", &code)])?;
    ensure!(ready.status == 200 && ready.text().contains("/open"), "{}", ready.text());
    // The same code is worth nothing in another browser.
    let other = Door::new(&demo, &door.url(&door.path))?;
    let there = other.post("/gate/password/answer", &other.get("")?, &[("password", PASSWORD)])?;
    ensure!(there.status == 403, "an answered question is over: {}", there.status);

    let content = door.post("/open", &ready, &[])?;
    ensure!(content.text().contains("Bonjour."), "{}", content.text());
    evidence(&demo, &deposit)
}

/// What the service says later is believed only at the address that it was given.
fn delivered(demo: &Demo, door: &Door, callback: &str) -> Result<()> {
    let path = callback.strip_prefix(&demo.url()).with_context(|| format!("{callback} is elsewhere"))?;
    let mut forged = path.to_owned();
    forged.pop();
    forged.push('!');
    let post = |path: &str| door.request(path, &["-d", "MessageStatus=delivered"]);
    ensure!(post(&forged)?.status == 404);
    ensure!(post(path)?.status == 204);
    Ok(())
}

/// Journal and proof name the methods and what they are worth, and neither holds the password.
fn evidence(demo: &Demo, deposit: &str) -> Result<()> {
    let journal = demo.sealpost(&["journal", "search", "--deposit", deposit])?;
    let passed = journal.lines().rfind(|l| l.contains("\"GatePassed\"")).context("GatePassed")?;
    ensure!(
        passed.contains("\"level\":\"substantial\"") && passed.contains("\"multi_factor\":true"),
        "{passed}"
    );
    let proof = demo.dir.join("p.asice");
    let path = proof.to_str().context("a path")?;
    demo.sealpost(&["proof", "export", deposit, "-o", path, "--wait"])?;
    let all = must("unzip", &["-p", path])?;
    for wanted in [
        "urn:sealpost:auth:gate:password+otp-sms",
        "urn:sealpost:assurance:substantial:two-factor",
        "Votre bilan",
    ] {
        ensure!(all.contains(wanted), "the proof does not say {wanted}");
    }
    ensure!(
        !all.contains("reinette") && !all.contains("X-Sealpost-Password"),
        "the proof holds the password"
    );
    Ok(())
}

/// The code of a token now, or of a counter.
fn oath(arguments: &[&str]) -> Result<String> {
    Ok(must("oathtool", arguments)?.trim().to_owned())
}

const SEED: &str = "3132333435363738393031323334353637383930";

#[test]
fn tokens() -> Result<()> {
    let demo = Demo::start_edited(DemoOptions::default(), |text| text + &rule("[\"totp\", \"hotp\"]"))?;
    let alice = Place::new(&demo, "alice")?;
    let send = |to: &str| alice.send(&[to], &Mail::new(&[to], "Votre bilan").text("Bonjour.\r\n").bytes());

    let waiting = send(DORA)?;
    let shown = demo.sealpost(&["deposit", "show", &waiting])?;
    ensure!(shown.contains("a token or an authenticator app"), "{shown}");

    let table = demo.dir.join("tokens.csv");
    std::fs::write(&table, format!("upn,serial number,secret key,time interval\n{BOB},T-1,{SEED},30\n"))?;
    let pskc = demo.dir.join("tokens.xml");
    std::fs::write(&pskc, PSKC)?;
    demo.sealpost(&["user", "token", "import", table.to_str().context("a path")?])?;
    demo.sealpost(&["user", "token", "import", pskc.to_str().context("a path")?])?;
    demo.sealpost(&["user", "token", "assign", "H-1", BOB])?;
    let list = demo.sealpost(&["user", "token", "tokens"])?;
    ensure!(list.contains("T-1") && list.contains("H-1") && !list.contains(SEED), "{list}");

    let open = |deposit: &str| -> Result<Door> {
        Door::new(&demo, &link_in(&wait_for_deposit(&demo, BOB, deposit)?)?)
    };
    let typed = |door: &Door, method: &str, code: &str| -> Result<Page> {
        let form = door.post(&format!("/gate/{method}"), &door.get("")?, &[])?;
        door.post(&format!("/gate/{method}/answer"), &form, &[("code", code)])
    };

    // The clock token: once, and never again, at whichever door.
    let code = oath(&["--totp", SEED])?;
    let (first, second) = (open(&send(BOB)?)?, open(&send(BOB)?)?);
    let ready = typed(&first, "totp", &code)?;
    ensure!(ready.status == 200 && ready.text().contains("/open"), "{}", ready.text());
    ensure!(typed(&second, "totp", &code)?.status == 403, "the code was replayed");
    ensure!(typed(&second, "totp", "00 00 0")?.text().contains("pas compté"));

    // The button token: forward only, with a few presses forgiven; two browsers with one code.
    let press = |n: &str| oath(&["--hotp", "-c", n, SEED]);
    ensure!(typed(&second, "hotp", &press("3")?)?.text().contains("/open"));
    let (third, fourth) = (open(&send(BOB)?)?, open(&send(BOB)?)?);
    ensure!(typed(&third, "hotp", &press("2")?)?.status == 403, "an older press was taken");
    let code = press("5")?;
    let results = std::thread::scope(|scope| {
        let doors = [&third, &fourth].map(|door| scope.spawn(|| typed(door, "hotp", &code)));
        doors.map(|d| d.join().expect("no panic"))
    });
    let won = results.into_iter().map(|r| Ok(r?.text().contains("/open"))).collect::<Result<Vec<_>>>()?;
    ensure!(won.iter().filter(|w| **w).count() == 1, "two browsers, one code: {won:?}");

    // A counter that ran away is found again by two codes in a row.
    ensure!(typed(&third, "hotp", &press("40")?)?.status != 200 || won[0]);
    demo.sealpost(&["user", "token", "resync", "H-1", &press("40")?, &press("41")?])?;
    let last = open(&send(BOB)?)?;
    ensure!(typed(&last, "hotp", &press("42")?)?.text().contains("/open"));

    over_tried(&open(&send(BOB)?)?, typed)
}

/// Five wrong codes end the question, and the sixth is not looked at even when it is right.
fn over_tried(door: &Door, typed: impl Fn(&Door, &str, &str) -> Result<Page>) -> Result<()> {
    for _ in 0..5 {
        ensure!(typed(door, "hotp", "000000")?.status == 403);
    }
    let form = door.get("")?;
    let right = oath(&["--hotp", "-c", "43", SEED])?;
    ensure!(
        door.post("/gate/hotp/answer", &form, &[("code", &right)])?.status == 403,
        "a sixth try was looked at"
    );
    Ok(())
}

const PSKC: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc">
 <KeyPackage>
  <DeviceInfo><Manufacturer>Maker</Manufacturer><SerialNo>H-1</SerialNo></DeviceInfo>
  <Key Id="1" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp">
   <AlgorithmParameters><ResponseFormat Length="6" Encoding="DECIMAL"/></AlgorithmParameters>
   <Data><Secret><PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=</PlainValue></Secret><Counter><PlainValue>0</PlainValue></Counter></Data>
  </Key>
 </KeyPackage>
</KeyContainer>
"#;
