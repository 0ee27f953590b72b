//! First days and last days: a person without an address on file, an invitation, a table of people, a leaver.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::door::{Door, Page, code_in};
use sealpost_tests::sending::Place;
use sealpost_tests::staff::{Staff, next_code};
use sealpost_tests::tools::{link_in, must, run, wait_for_deposit, wait_for_mail, wait_until};
use sealpost_tests::{Demo, Mail};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

const BOB: &str = "bob@example.test";

/// The value between two texts.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Result<&'a str> {
    let from = text.find(before).with_context(|| format!("no {before:?} in\n{text}"))? + before.len();
    text[from..].split(after).next().context("the end")
}

/// The path of the link in a mail.
fn link_path(mail: &str) -> Result<String> {
    let plain = mail.replace("=\r\n", "");
    Ok(format!("/password/set/{}", between(&plain, "/password/set/", "\r\n")?.trim()))
}

/// A page without what differs on every fetch.
fn neutral(page: &Page) -> Result<String> {
    let text = page.text();
    Ok(text.replace(between(&text, "data-now=\"", "\"")?, ""))
}

#[test]
fn a_first_day_without_an_address_on_file() -> Result<()> {
    let demo = Demo::start(DemoOptions { sample: false, ..DemoOptions::default() })?;
    let table = demo.dir.join("people.csv");
    std::fs::write(
        &table,
        "login;name;civility;access_code;contact;phone\n\
         anne@sealpost.test;Anne Petit;Docteur;AP-4711;-;+33612345678\n",
    )?;
    let table = table.to_string_lossy().into_owned();
    let dry = demo.sealpost(&["user", "import", &table, "--dry-run"])?;
    ensure!(dry.contains("add") && !demo.sealpost(&["user", "list"])?.contains("anne@"), "{dry}");
    demo.sealpost(&["user", "import", &table])?;
    ensure!(
        demo.sealpost(&["user", "import", &table])?.contains("correct"),
        "the same again changes nothing"
    );

    // The access code alone: the answer is the one that an unknown code gets, and no mail can leave.
    let anne = Staff::new(&demo)?;
    let form = anne.get("/password/first")?;
    let known = anne.post("/password/first", &form, &[("identifier", "ap-4711")])?;
    let unknown = anne.post("/password/first", &form, &[("identifier", "zz-0000")])?;
    ensure!(known.status == 200 && neutral(&known)? == neutral(&unknown)?);

    // She says where she can be reached; an administrator decides.
    let form = anne.get("/password/unknown")?;
    let half = [("identifier", "AP-4711"), ("address", "anne.petit@example.test"), ("phone", "")];
    ensure!(anne.post("/password/unknown", &form, &half)?.status == 403, "both are mandatory");
    let whole =
        [("identifier", "AP-4711"), ("address", "anne.petit@example.test"), ("phone", "06 12 34 56 78")];
    ensure!(anne.post("/password/unknown", &form, &whole)?.status == 200);
    let alice = Staff::logged_in(&demo, "alice")?;
    ensure!(alice.get("/admin/approvals")?.status == 404, "senders decide nothing");
    let adele = Staff::logged_in(&demo, "adele")?;
    let waiting = adele.get("/admin/approvals")?;
    let text = waiting.text();
    ensure!(text.contains("Anne Petit") && text.contains("celui du dossier"), "{text}");
    let id = between(&text, "name=\"id\" value=\"", "\"")?.to_owned();
    // Decided once, though two hands were at it: one mail leaves, with the one link that lives.
    let elsewhere = Staff::new(&demo)?;
    let account = demo.account("adele");
    ensure!(elsewhere.log_in(account, &next_code(&account.totp_secret)?)?.status == 303);
    let there = elsewhere.get("/admin/approvals")?;
    let fields = [("id", id.as_str()), ("decision", "approve")];
    let statuses = std::thread::scope(|scope| {
        let other = scope.spawn(|| elsewhere.post("/admin/approvals", &there, &fields));
        let one = adele.post("/admin/approvals", &waiting, &fields)?;
        Ok::<_, anyhow::Error>([one.status, other.join().expect("no try panics")?.status])
    })?;
    ensure!(statuses.contains(&303), "{statuses:?}");
    let approved = demo.sealpost(&["journal", "search", "--json", "--event", "AccountChanged"])?;
    ensure!(approved.matches("address approved").count() == 1, "decided twice: {approved}");
    ensure!(!adele.get("/admin/approvals")?.text().contains("Anne Petit"));

    // The mail greets her as she is known (F49); a weak password is refused, a good one is taken.
    let mail = wait_for_mail(&demo, "anne.petit@example.test", &|m| m.contains("/password/set/"))?;
    ensure!(mail.contains("Bonjour Docteur Anne Petit,"), "{mail}");
    let path = link_path(&mail)?;
    let form = anne.get(&path)?;
    for (new, again) in [("Azertyuiop12!", "Azertyuiop12!"), ("Tilleul&7-menthe", "Tilleul&7-menth")] {
        ensure!(anne.post(&path, &form, &[("new", new), ("again", again)])?.status == 403, "{new}");
    }
    let good = [("new", "Tilleul&7-verveine"), ("again", "Tilleul&7-verveine")];
    ensure!(anne.post(&path, &form, &good)?.status == 200);
    ensure!(anne.post(&path, &form, &good)?.status == 404, "used once");
    let journal = demo.sealpost(&["journal", "search", "--json"])?;
    ensure!(journal.contains("not verified") && journal.contains("address approved"), "{journal}");

    // An invitation goes the same way.
    std::fs::write(
        demo.dir.join("people.csv"),
        "login,name,contact\nluc@sealpost.test,Luc Brun,luc.brun@example.test\n",
    )?;
    demo.sealpost(&["user", "import", &table, "--invite"])?;
    let mail = wait_for_mail(&demo, "luc.brun@example.test", &|m| m.contains("/password/set/"))?;
    let path = link_path(&mail)?;
    ensure!(mail.contains("Bonjour Luc Brun,"), "{mail}");
    let good = [("new", "Genievre&7-lavande"), ("again", "Genievre&7-lavande")];
    let browsers = (0..4)
        .map(|_| {
            let browser = Staff::new(&demo)?;
            let form = browser.get(&path)?;
            ensure!(form.status == 200, "{}", form.text());
            Ok((browser, form))
        })
        .collect::<Result<Vec<_>>>()?;
    let mut statuses = std::thread::scope(|scope| {
        let tries: Vec<_> = browsers
            .iter()
            .map(|(browser, form)| scope.spawn(|| browser.post(&path, form, &good).map(|p| p.status)))
            .collect();
        tries.into_iter().map(|t| t.join().expect("no try panics")).collect::<Result<Vec<_>>>()
    })?;
    statuses.sort_unstable();
    ensure!(statuses == [200, 404, 404, 404], "used once: {statuses:?}");
    let told = wait_for_mail(&demo, "luc.brun@example.test", &|m| !m.contains("/password/set/"))?;
    ensure!(told.contains("Bonjour Luc Brun,"), "the confirmation (F51): {told}");
    Ok(())
}

/// A mail program that stays connected.
struct Idler {
    child: std::process::Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Idler {
    fn new(demo: &Demo, login: &str, password: &str) -> Result<Self> {
        let place = format!("localhost:{}", demo.about.ports.imaps);
        let ca = demo.about.ca.to_string_lossy().into_owned();
        let mut child = Command::new("openssl")
            .args(["s_client", "-quiet", "-verify_return_error", "-CAfile", &ca, "-connect", &place])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let output = BufReader::new(child.stdout.take().context("its output")?);
        let mut idler = Self { child, output };
        idler.until("* OK")?;
        idler.say(&format!("a LOGIN {login} {password}\r\nb SELECT INBOX\r\nc IDLE\r\n"))?;
        idler.until("+ ")?;
        Ok(idler)
    }
    fn say(&mut self, text: &str) -> Result<()> {
        Ok(self.child.stdin.as_mut().context("its input")?.write_all(text.as_bytes())?)
    }
    fn until(&mut self, start: &str) -> Result<String> {
        let mut line = String::new();
        loop {
            line.clear();
            ensure!(self.output.read_line(&mut line)? > 0, "the connection ended before {start:?}");
            if line.starts_with(start) {
                return Ok(line);
            }
        }
    }
}

impl Drop for Idler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_last_day() -> Result<()> {
    let demo = Demo::start(DemoOptions { sample: false, ..DemoOptions::default() })?;
    let alice = demo.account("alice").clone();
    let mail = Mail::new(&[BOB], "[secure] Dossier en cours").text("Bonjour.\r\n");
    let id = Place::new(&demo, "alice")?.send(&[BOB], &mail.bytes())?;
    let made = demo.sealpost(&["user", "add", "paul@sealpost.test", "--name", "Paul Roux", "--json"])?;
    let paul: serde_json::Value = serde_json::from_str(&made)?;
    let browser = Staff::logged_in(&demo, "alice")?;
    let mut idler = Idler::new(&demo, &alice.login, &alice.app_password)?;

    let done = demo.sealpost(&["user", "handover", &alice.login, "paul@sealpost.test", "--json"])?;
    ensure!(done.contains("\"deposits\":1"), "{done}");
    ensure!(!browser.is_in()?, "her session ended at once");
    ensure!(idler.until("* BYE")?.contains("revoked"), "and her mail program was told");
    ensure!(
        demo.sealpost(&["user", "handover", "paul@sealpost.test", &alice.login]).is_err(),
        "not to a leaver"
    );

    // Mail for her address reaches him; the journal names her.
    let mut question = Mail::new(&[&alice.login], "Une question").text("Bonjour.\r\n");
    question.from = "carol@sealpost.test".into();
    Place::new(&demo, "carol")?.send(&[alice.login.as_str()], &question.bytes())?;
    let app = paul["app_password"].as_str().context("an app password")?;
    let url = format!("imaps://localhost:{}/INBOX?SUBJECT%20question", demo.about.ports.imaps);
    let (ca, user) = (demo.about.ca.to_string_lossy().into_owned(), format!("paul@sealpost.test:{app}"));
    wait_until("mail for the leaver", || {
        let args = ["-sS", "--noproxy", "*", "--cacert", &ca, "--url", &url, "-u", &user];
        let output = run("curl", &args)?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().len() > "* SEARCH".len())
    })?;
    let journal = demo.sealpost(&["journal", "search", "--deposit", &id, "--json"])?;
    ensure!(!journal.contains("paul@"), "what was journaled stays: {journal}");

    // He sees her deposit as his own.
    let page = Staff::new(&demo)?;
    let form = page.get("/")?;
    let right =
        [("identifier", "paul@sealpost.test"), ("password", paul["password"].as_str().unwrap_or_default())];
    let asked = page.post("/login/code", &form, &right)?;
    let url = format!("imaps://localhost:{}/INBOX;MAILINDEX=2", demo.about.ports.imaps);
    let mut typed = String::new();
    wait_until("his code", || {
        let args = ["-sS", "--noproxy", "*", "--cacert", &ca, "--url", &url, "-u", &user];
        let output = run("curl", &args)?;
        let mail = String::from_utf8_lossy(&output.stdout).into_owned();
        typed = code_in(&mail).unwrap_or_default();
        Ok(!typed.is_empty())
    })?;
    let fields = [right[0], right[1], ("code", typed.as_str())];
    ensure!(page.post("/login", &asked, &fields)?.status == 303);
    let shown = page.get(&format!("/deposits/{id}"))?;
    ensure!(shown.status == 200, "the successor follows it");

    // He prolongs it, and the receipt of who opens it then is his.
    let until = must("date", &["-d", "+45 days", "+%F"])?;
    let fields = [("until", until.trim())];
    let extended = page.post(&format!("/deposits/{id}/extend"), &shown, &fields)?;
    ensure!(extended.status == 303, "{}: {}", extended.status, extended.text());
    Door::new(&demo, &link_in(&wait_for_deposit(&demo, BOB, &id)?)?)?.open(&demo, BOB)?;
    let url = format!("imaps://localhost:{}/INBOX?TEXT%20%22Dossier%20en%20cours%22", demo.about.ports.imaps);
    wait_until("the receipt", || {
        let output = run("curl", &["-sS", "--noproxy", "*", "--cacert", &ca, "--url", &url, "-u", &user])?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().len() > "* SEARCH".len())
    })?;
    let journal = demo.sealpost(&["journal", "search", "--deposit", &id, "--json"])?;
    let of = |name: &str| journal.lines().find(|l| l.contains(&format!("\"{name}\""))).unwrap_or_default();
    let accepted = of("SubmissionAcceptance");
    ensure!(accepted.contains(&alice.login) && !accepted.contains("paul@"), "{accepted}");
    ensure!(of("Extended").contains("paul@sealpost.test"), "{journal}");
    Ok(())
}
