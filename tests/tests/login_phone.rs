//! Logging in by telephone: a QR code answered by the tiqr app, and a code by SMS after the password; each enrolled on
//! the pages of the account first, and named with its level in AccountLogin.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::phone::{Asked, Phone, address_in};
use sealpost_tests::sms::{Service, code_of};
use sealpost_tests::staff::Staff;
use sealpost_tests::tools::wait_for_mail;
use sealpost_tests::{Account, Demo};
use serde_json::Value;

const PIN: &str = "2468";

/// The journal's entries of that name, oldest first.
fn events(demo: &Demo, name: &str) -> Result<Vec<Value>> {
    let lines = demo.sealpost(&["--json", "journal", "search", "--event", name])?;
    let mut all: Vec<Value> =
        lines.lines().filter_map(|l| Some(serde_json::from_str::<Value>(l).ok()?["entry"].clone())).collect();
    all.sort_by_key(|e| e["time"].as_str().unwrap_or_default().to_owned());
    Ok(all)
}

/// Method and level of the latest login.
fn latest(demo: &Demo) -> Result<(String, String)> {
    let logins = events(demo, "AccountLogin")?;
    let detail = &logins.last().context("no login")?["detail"];
    let methods: Vec<&str> =
        detail["methods"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    Ok((methods.join("+"), detail["level"].as_str().unwrap_or_default().to_owned()))
}

/// Where a login leads when the challenge is taken.
fn asked(browser: &Staff) -> Result<(sealpost_tests::door::Page, Asked)> {
    let start = browser.get("/login/tiqr")?;
    ensure!(start.status == 200, "{}", start.text());
    ensure!(browser.post("/login/tiqr", &start, &[])?.status == 303);
    let page = browser.get("/login/tiqr")?;
    let asked = Asked::read(&address_in(&page.text(), "tiqrauth")?)?;
    Ok((page, asked))
}

fn enrolled(demo: &Demo, staff: &Staff, name: &str) -> Result<Phone> {
    let offer = staff.get("/account/phone")?;
    let password = demo.account(name).password.clone();
    for typed in ["", "wrong"] {
        let refused = staff.post("/account/phone", &offer, &[("password", typed)])?;
        ensure!(refused.status == 403 && refused.text().contains("id=\"password-wrong\""), "{typed}");
    }
    ensure!(staff.post("/account/phone", &offer, &[("password", &password)])?.status == 303);
    let shown = staff.get("/account/phone")?;
    ensure!(staff.get("/account/phone/status")?.text().contains("pending"));
    let (_, metadata) = Phone::metadata(demo, &address_in(&shown.text(), "tiqrenroll")?)?;
    let (phone, status, body) = Phone::enrol(demo, &metadata.context("metadata")?, PIN, Some(2))?;
    assert_eq!((status, body.as_str()), (200, "{\"responseCode\":1}"));
    ensure!(staff.get("/account/phone/status")?.text().contains("needs-refresh"));
    ensure!(staff.get("/account/phone")?.text().contains("Votre téléphone est associé"));
    Ok(phone)
}

#[test]
fn a_phone_logs_its_owner_in() -> Result<()> {
    let demo = Demo::start(DemoOptions { sample: false, ..DemoOptions::default() })?;
    let staff = Staff::logged_in(&demo, "alice")?;
    let phone = enrolled(&demo, &staff, "alice")?;
    wait_for_mail(&demo, "alice@sealpost.test", &|m| m.contains("QR code) a =C3=A9t=C3=A9 associ=C3=A9"))?;

    let browser = Staff::new(&demo)?;
    ensure!(browser.get("/login")?.text().contains("/login/tiqr"), "the login offers it");
    let (page, question) = asked(&browser)?;
    assert_eq!(question.user, None, "the login asks nobody in particular");
    ensure!(browser.get("/login/tiqr/status")?.text().contains("pending"));
    ensure!(browser.post("/login/tiqr/done", &page, &[])?.text().contains("tiqrauth://"), "not answered yet");
    assert_eq!(phone.answer(&question, "1111")?.1, "{\"responseCode\":201,\"attemptsLeft\":4}");
    assert_eq!(phone.answer(&question, PIN)?, (200, "{\"responseCode\":1}".to_owned()));
    assert_eq!(phone.answer(&question, PIN)?.1, "{\"responseCode\":203}", "a replay");
    ensure!(browser.get("/login/tiqr/status")?.text().contains("needs-refresh"));
    // Another browser has no part in it; of two requests of this one, one logs in.
    let stranger = Staff::new(&demo)?;
    let theirs = stranger.get("/login/tiqr")?;
    ensure!(stranger.post("/login/tiqr/done", &theirs, &[])?.status == 200 && !stranger.is_in()?);
    let entered = browser.post("/login/tiqr/done", &page, &[])?;
    ensure!(entered.status == 303 && entered.head.contains("/deposits"), "{}", entered.text());
    ensure!(browser.is_in()?);
    assert_eq!(latest(&demo)?, ("tiqr".to_owned(), "substantial".to_owned()));
    let failed = events(&demo, "AccountLoginFailed")?;
    assert_eq!(failed.last().context("a wrong PIN is journaled")?["detail"]["reason"], "wrong-response");

    // Offline: the phone's ID and code, typed.
    let offline = Staff::new(&demo)?;
    let (page, question) = asked(&offline)?;
    let code = phone.response(&question, PIN)?;
    for (user, code) in [("nobody", code.as_str()), (phone.user.as_str(), "12")] {
        let fields = [("identifier", user), ("code", code)];
        assert_eq!(offline.post("/login/tiqr/code", &page, &fields)?.status, 403, "{user} {code}");
    }
    let fields = [("identifier", phone.user.as_str()), ("code", code.as_str())];
    ensure!(offline.post("/login/tiqr/code", &page, &fields)?.status == 303 && offline.is_in()?);

    // Names that are made up end the challenge, and are no wrong PINs.
    let guesser = Staff::new(&demo)?;
    let (page, question) = asked(&guesser)?;
    for _ in 0..6 {
        let fields = [("identifier", "nobody"), ("code", "123456")];
        assert_eq!(guesser.post("/login/tiqr/code", &page, &fields)?.status, 403);
    }
    ensure!(guesser.get("/login/tiqr/status")?.text().contains("challenge-expired"));
    assert_eq!(phone.answer(&question, PIN)?.1, "{\"responseCode\":203}");

    // Taken off, it opens nothing; nor does the phone of whoever was disabled.
    let page = staff.get("/account/phone")?;
    ensure!(staff.post("/account/phone/remove", &page, &[])?.status == 303);
    let (_, question) = asked(&Staff::new(&demo)?)?;
    assert_eq!(phone.answer(&question, PIN)?.1, "{\"responseCode\":205}");
    let again = enrolled(&demo, &staff, "alice")?;
    let browser = Staff::new(&demo)?;
    let (page, question) = asked(&browser)?;
    assert_eq!(again.answer(&question, PIN)?.0, 200);
    demo.sealpost(&["user", "disable", "alice@sealpost.test"])?;
    ensure!(browser.post("/login/tiqr/done", &page, &[])?.status == 403 && !browser.is_in()?);
    Ok(())
}

/// What the phone says to a fresh challenge of the login.
fn says(demo: &Demo, phone: &Phone) -> Result<String> {
    let (_, question) = asked(&Staff::new(demo)?)?;
    Ok(phone.answer(&question, PIN)?.1)
}

#[test]
fn a_phone_ends_with_the_password_and_by_the_administrator() -> Result<()> {
    const UNKNOWN: &str = "{\"responseCode\":205}";
    let demo = Demo::start(DemoOptions { sample: false, ..DemoOptions::default() })?;
    let alice = Staff::logged_in(&demo, "alice")?;
    let phone = enrolled(&demo, &alice, "alice")?;
    let stranger = Staff::new(&demo)?;
    let form = stranger.get("/password/forgotten")?;
    stranger.post("/password/forgotten", &form, &[("identifier", "alice@sealpost.test")])?;
    let mail = wait_for_mail(&demo, "alice@sealpost.test", &|m| m.contains("/password/set/"))?;
    let plain = mail.replace("=\r\n", "");
    let (_, rest) = plain.split_once("/password/set/").context("a link")?;
    let path = format!("/password/set/{}", rest.split("\r\n").next().unwrap_or_default().trim());
    let form = stranger.get(&path)?;
    let fresh = [("new", "Tilleul&7-verveine"), ("again", "Tilleul&7-verveine")];
    ensure!(stranger.post(&path, &form, &fresh)?.status == 200);
    assert_eq!(says(&demo, &phone)?, UNKNOWN);
    wait_for_mail(&demo, "alice@sealpost.test", &|m| m.contains("QR code) a =C3=A9t=C3=A9 retir=C3=A9"))?;

    let adele = Staff::logged_in(&demo, "adele")?;
    let phone = enrolled(&demo, &adele, "adele")?;
    demo.sealpost(&["user", "reenrol", &demo.account("adele").login])?;
    ensure!(!adele.is_in()?);
    assert_eq!(says(&demo, &phone)?, UNKNOWN);
    Ok(())
}

fn with_texts(service: &Service) -> Result<Demo> {
    Demo::start_edited(DemoOptions { sample: false, ..DemoOptions::default() }, |text| {
        service.settings(text).replacen("[accounts]\n", "[accounts]\ncode_by_sms = \"all\"\n", 1)
    })
}

fn ask_for_text(browser: &Staff, account: &Account, password: &str) -> Result<sealpost_tests::door::Page> {
    let form = browser.get("/login")?;
    browser.post("/login/sms", &form, &[("identifier", &account.login), ("password", password)])
}

#[test]
fn a_code_by_sms_follows_the_password() -> Result<()> {
    let service = Service::start()?;
    let demo = with_texts(&service)?;
    let alice = demo.account("alice").clone();
    let staff = Staff::logged_in(&demo, "alice")?;

    // The number is taken once its code was typed: not before, not by another number's code.
    let page = staff.get("/account/number")?;
    let current = ("password", alice.password.as_str());
    for (number, password) in [("0899 12 34 56 x", alice.password.as_str()), ("06 12 34 56 78", "wrong")] {
        let refused = staff.post("/account/number", &page, &[("number", number), ("password", password)])?;
        assert_eq!(refused.status, 403, "{number} {password}");
    }
    let first = staff.post("/account/number", &page, &[current, ("number", "06 98 76 54 32")])?;
    let other = code_of(service.message(0)?["text"].as_str().context("a text")?)?;
    let asked = staff.post("/account/number", &page, &[current, ("number", "06 12 34 56 78")])?;
    ensure!(asked.status == 200 && asked.text().contains("+336 •••••• 78"), "{}", asked.text());
    let text = service.message(1)?;
    assert_eq!(text["to"], "+33612345678");
    let code = code_of(text["text"].as_str().context("a text")?)?;
    let sealed = |page: &sealpost_tests::door::Page| -> Result<String> {
        let text = page.text();
        let (_, rest) = text.split_once("name=\"sealed\" value=\"").context("no form")?;
        Ok(rest.split('"').next().unwrap_or_default().to_owned())
    };
    for (form, typed) in [(&first, other.as_str()), (&asked, other.as_str())] {
        let fields = [("sealed", sealed(form)?), ("code", typed.to_owned())];
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
        assert_eq!(staff.post("/account/number/confirm", form, &fields)?.status, 403, "{typed}");
    }
    let kept = sealed(&asked)?;
    let done = staff.post("/account/number/confirm", &asked, &[("sealed", &kept), ("code", &code)])?;
    ensure!(done.status == 303, "{}", done.text());
    ensure!(staff.get("/account/number")?.text().contains("+336 •••••• 78"));

    // Password, then the code; used once, and by one of two browsers.
    let browser = Staff::new(&demo)?;
    let asked = ask_for_text(&browser, &alice, &alice.password)?;
    ensure!(asked.status == 200 && asked.text().contains("un SMS vient de partir"), "{}", asked.text());
    let code = code_of(service.message(2)?["text"].as_str().context("a text")?)?;
    let rival = Staff::new(&demo)?;
    let form = rival.get("/login")?;
    let fields = [("identifier", alice.login.as_str()), current, ("code", code.as_str())];
    let (one, two) = std::thread::scope(|scope| {
        let one = scope.spawn(|| browser.post("/login", &asked, &fields).map(|p| p.status));
        let two = scope.spawn(|| rival.post("/login", &form, &fields).map(|p| p.status));
        (one.join().expect("no panic"), two.join().expect("no panic"))
    });
    let mut statuses = [one?, two?];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 403], "two browsers, one code");
    assert_eq!(latest(&demo)?, ("password+otp-sms".to_owned(), "substantial".to_owned()));

    // A wrong password gets the same page, and nobody a text.
    let stranger = Staff::new(&demo)?;
    let refused = ask_for_text(&stranger, &alice, "wrong")?;
    ensure!(refused.status == 200 && refused.text().contains("un SMS vient de partir"), "{}", refused.text());
    let page = staff.get("/account/number")?;
    ensure!(staff.post("/account/number/remove", &page, &[current])?.status == 303);
    ask_for_text(&Staff::new(&demo)?, &alice, &alice.password)?;
    std::thread::sleep(std::time::Duration::from_millis(500));
    ensure!(service.count() == 3, "{} texts", service.count());
    Ok(())
}
