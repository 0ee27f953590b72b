//! Logging in to the web application: password and app, code by mail, what strangers learn, and what ends a session.

use anyhow::{Context, Result, ensure};
use sealpost_tests::Demo;
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::door::code_in;
use sealpost_tests::staff::{Staff, code, next_code};
use sealpost_tests::tools::{run, wait_for_mail};
use std::time::{Duration, Instant};

const ALICE: &str = "alice@sealpost.test";

/// Whether the app password still opens the mailbox.
fn reads_mail(demo: &Demo, login: &str, password: &str) -> Result<bool> {
    let url = format!("imaps://localhost:{}/INBOX", demo.about.ports.imaps);
    let (ca, user) = (demo.about.ca.to_string_lossy().into_owned(), format!("{login}:{password}"));
    let args = ["-sS", "--noproxy", "*", "--cacert", &ca, "--url", &url, "-u", &user, "-X", "NOOP"];
    Ok(run("curl", &args)?.status.success())
}

/// The value between two texts.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Result<&'a str> {
    let from = text.find(before).with_context(|| format!("no {before:?} in\n{text}"))? + before.len();
    text[from..].split(after).next().context("the end")
}

#[test]
fn a_person_logs_in_and_out() -> Result<()> {
    let demo = Demo::start(DemoOptions { sample: false, ..DemoOptions::default() })?;
    let (alice, staff) = (demo.account("alice").clone(), Staff::new(&demo)?);

    // The fields, in their order; nobody is in without them.
    let form = staff.get("/")?;
    let text = form.text();
    let places: Vec<_> = ["identifier", "password", "code", "csrf"]
        .iter()
        .map(|n| text.find(&format!("name=\"{n}\"")))
        .collect();
    ensure!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}\n{text}");
    ensure!(text.contains("Se connecter") && text.contains("Envoyer OTP par courriel"), "{text}");
    ensure!(text.contains("Retour sur le portail") && text.contains("favoris ou sur le bureau"), "{text}");
    ensure!(!staff.is_in()?, "nobody has logged in");
    let asked = staff.get("/deposits?state=sent")?;
    ensure!(asked.status == 303 && asked.head.contains("/login?next=/deposits?state=sent"), "{}", asked.head);

    // Wrong in each way, with one answer; then right, once.
    let now = code(&alice.totp_secret)?;
    for (password, code) in [("wrong", now.as_str()), (&alice.password, "000000"), (&alice.password, "")] {
        let fields = [("identifier", ALICE), ("password", password), ("code", code)];
        let refused = staff.post("/login", &form, &fields)?;
        ensure!(refused.status == 403 && refused.text().contains("incorrect"), "{}", refused.text());
    }
    let forged = staff.request("/login", &["-d", &format!("identifier={ALICE}&csrf=x")])?;
    ensure!(forged.status == 403, "a form of another site");
    let entered = staff.log_in(&alice, &code(&alice.totp_secret)?)?;
    ensure!(entered.status == 303, "{}: {}", entered.status, entered.text());
    ensure!(entered.head.contains("__Host-sealpost-s="), "{}", entered.head);
    ensure!(staff.is_in()?);
    let again = Staff::new(&demo)?;
    let replayed = again.log_in(&alice, &code(&alice.totp_secret)?)?;
    ensure!(replayed.status == 403, "a code counts once");

    // Logging out ends it on the server, not only in the browser.
    let stolen = Staff::new(&demo)?;
    let entered = stolen.log_in(&alice, &next_code(&alice.totp_secret)?)?;
    ensure!(entered.status == 303, "{}", entered.text());
    let page = staff.get("/account")?;
    let left = staff.post("/logout", &page, &[])?;
    ensure!(left.status == 303 && !staff.is_in()?);
    ensure!(staff.get("/logout")?.text().contains("Fermez"), "close the browser");
    ensure!(stolen.is_in()?, "the other browser's session is its own");
    demo.sealpost(&["user", "disable", ALICE])?;
    ensure!(!stolen.is_in()?, "a disabled account is out at once");

    let journal = demo.sealpost(&["journal", "search", "--json"])?;
    for name in ["AccountLogin", "AccountLoginFailed"] {
        ensure!(journal.contains(&format!("\"{name}\"")), "{name} is journaled:\n{journal}");
    }
    Ok(())
}

#[test]
fn a_code_by_mail_and_what_strangers_learn() -> Result<()> {
    let demo = Demo::start(DemoOptions { sample: false, ..DemoOptions::default() })?;
    let (carol, staff) = (demo.account("carol").clone(), Staff::new(&demo)?);
    let form = staff.get("/")?;
    let right = [("identifier", carol.login.as_str()), ("password", &carol.password)];
    let asked = staff.post("/login/code", &form, &right)?;
    ensure!(asked.status == 200, "{}", asked.text());
    let mail = wait_for_mail(&demo, &carol.login, &|m| m.contains("Authentification"))?;
    // The password was given a moment ago; the code alone goes on.
    let typed = code_in(&mail)?;
    let fields = [("identifier", carol.login.as_str()), ("password", ""), ("code", typed.as_str())];
    let entered = staff.post("/login", &asked, &fields)?;
    ensure!(entered.status == 303, "{}", entered.text());

    // Unknown, wrong and right look the same, to the byte, and take the same time.
    let mut answers = Vec::new();
    for (who, password) in [
        (carol.login.as_str(), carol.password.as_str()),
        (&carol.login, "wrong"),
        ("nobody@sealpost.test", "wrong"),
    ] {
        let stranger = Staff::new(&demo)?;
        let form = stranger.get("/")?;
        let started = Instant::now();
        let answer = stranger.post("/login/code", &form, &[("identifier", who), ("password", password)])?;
        let took = started.elapsed();
        let csrf = answer.csrf()?;
        let now = between(&answer.text(), "data-now=\"", "\"")?.to_owned();
        let neutral = answer.text().replace(&csrf, "").replace(who, "").replace(&now, "");
        let cookie = between(&answer.head, "__Host-sealpost-p=", ";")?.len();
        answers.push((answer.status, neutral, cookie, took));
    }
    for other in &answers[1..] {
        ensure!(answers[0].0 == other.0 && answers[0].1 == other.1, "{}\n---\n{}", answers[0].1, other.1);
        ensure!(answers[0].2 == other.2, "the length of a cookie tells");
        ensure!(other.3 > Duration::from_millis(1100), "{:?}", other.3);
    }
    Ok(())
}

#[test]
fn what_protects_an_account_is_changed_by_its_owner() -> Result<()> {
    let demo = Demo::start(DemoOptions { sample: false, ..DemoOptions::default() })?;
    let alice = demo.account("alice").clone();
    let (staff, other) = (Staff::logged_in(&demo, "alice")?, Staff::new(&demo)?);
    ensure!(other.log_in(&alice, &next_code(&alice.totp_secret)?)?.status == 303);
    let page = staff.get("/account")?;
    ensure!(page.status == 200 && page.text().contains("Sécurité"), "{}", page.text());

    // An app password: shown once, works, and stops working when it is revoked.
    let current = ("password", alice.password.as_str());
    let made =
        staff.post("/account/programs", &page, &[current, ("label", "Tablette"), ("scope", "imap")])?;
    let text = made.text();
    let secret = between(&text, "class=\"secret\"><code>", "<")?.to_owned();
    ensure!(secret.len() == 29, "{secret}");
    ensure!(!staff.get("/account")?.text().contains(&secret), "shown once");
    ensure!(reads_mail(&demo, ALICE, &secret)?);
    let listed = staff.get("/account")?.text();
    let row = between(&listed, "class=\"break\">Tablette<", "</tr>")?;
    let id = between(row, "name=\"id\" value=\"", "\"")?.to_owned();
    ensure!(staff.post("/account/programs/revoke", &page, &[("id", &id)])?.status == 303);
    ensure!(!reads_mail(&demo, ALICE, &secret)?);
    ensure!(reads_mail(&demo, ALICE, &alice.app_password)?, "the others stay");

    // A weak or mistyped password is refused; a good one ends the other session and is told by mail.
    for (new, again) in [("Motdepasse2026!", "Motdepasse2026!"), ("gzKqPfBcHt2m-9X", "gzKqPfBcHt2m-9Y")] {
        let refused = staff.post("/account/password", &page, &[current, ("new", new), ("again", again)])?;
        ensure!(refused.status == 403, "{new}: {}", refused.status);
    }
    let wrong = [("password", "wrong"), ("new", "gzKqPfBcHt2m-9X"), ("again", "gzKqPfBcHt2m-9X")];
    ensure!(staff.post("/account/password", &page, &wrong)?.status == 403);
    ensure!(other.is_in()?);
    let right = [current, ("new", "gzKqPfBcHt2m-9X"), ("again", "gzKqPfBcHt2m-9X")];
    ensure!(staff.post("/account/password", &page, &right)?.status == 303);
    ensure!(staff.is_in()? && !other.is_in()?);
    wait_for_mail(&demo, ALICE, &|m| m.contains("Votre mot de passe a =C3=A9t=C3=A9 chang=C3=A9"))?;

    // Forgotten: a link by mail, used once, whoever tries at the same time; the second factor stays.
    let stranger = Staff::new(&demo)?;
    let form = stranger.get("/password/forgotten")?;
    let known = stranger.post("/password/forgotten", &form, &[("identifier", ALICE)])?;
    let unknown = stranger.post("/password/forgotten", &form, &[("identifier", "nobody@sealpost.test")])?;
    let neutral = |p: &sealpost_tests::door::Page| -> Result<String> {
        let text = p.text();
        Ok(text.replace(between(&text, "data-now=\"", "\"")?, ""))
    };
    ensure!(known.status == 200 && neutral(&known)? == neutral(&unknown)?);
    let mail = wait_for_mail(&demo, ALICE, &|m| m.contains("/password/set/"))?;
    let plain = mail.replace("=\r\n", "");
    let path = format!("/password/set/{}", between(&plain, "/password/set/", "\r\n")?.trim());
    ensure!(plain.contains("Bonjour Alice Martin,"), "{plain}");
    for _ in 0..2 {
        ensure!(stranger.get(&path)?.status == 200, "looking uses nothing up");
    }
    let fields = [("new", "Quatre-vingts 8 moulins"), ("again", "Quatre-vingts 8 moulins")];
    let browsers = (0..4)
        .map(|_| {
            let browser = Staff::new(&demo)?;
            let form = browser.get(&path)?;
            Ok((browser, form))
        })
        .collect::<Result<Vec<_>>>()?;
    let mut statuses = std::thread::scope(|scope| {
        let tries: Vec<_> = browsers
            .iter()
            .map(|(browser, form)| scope.spawn(|| browser.post(&path, form, &fields).map(|p| p.status)))
            .collect();
        tries.into_iter().map(|t| t.join().expect("no try panics")).collect::<Result<Vec<_>>>()
    })?;
    statuses.sort_unstable();
    ensure!(statuses == [200, 404, 404, 404], "used once: {statuses:?}");
    ensure!(stranger.get(&path)?.status == 404, "used up");
    ensure!(!staff.is_in()?, "a new password by link ends every session");
    let back = Staff::new(&demo)?;
    let form = back.get("/")?;
    let fresh = [("identifier", ALICE), ("password", "Quatre-vingts 8 moulins")];
    let asked = back.post("/login/code", &form, &fresh)?;
    let mail = wait_for_mail(&demo, ALICE, &|m| m.contains("Authentification"))?;
    let typed = code_in(&mail)?;
    let fields = [fresh[0], fresh[1], ("code", typed.as_str())];
    ensure!(back.post("/login", &asked, &fields)?.status == 303, "the new password, and a code as before");
    Ok(())
}
