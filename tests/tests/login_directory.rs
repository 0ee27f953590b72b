//! People whom a directory knows: first visit, roles by groups, the second factor; a directory that is down; and what
//! synchronisation adds, corrects and disables.

use anyhow::{Context, Result, ensure};
use sealpost_tests::door::{Page, code_in};
use sealpost_tests::slapd::{Entry, Slapd};
use sealpost_tests::staff::Staff;
use sealpost_tests::tools::{must, script, wait_until};
use sealpost_tests::{Demo, DemoOptions};

const ANNE: Entry<'_> = Entry { uid: "anne", name: "Anne Petit", audits: false };
const LEA: Entry<'_> = Entry { uid: "lea", name: "Léa Roux", audits: true };
/// Known to the directory, and added here with a password of her own.
const ALICE: Entry<'_> = Entry { uid: "alice", name: "Alice of the directory", audits: false };

fn configured(slapd: &Slapd) -> impl FnOnce(String) -> String {
    let (section, groups) = (slapd.section(), "\n[accounts]\ngroups = [\"Auditeurs=auditor\"]\n");
    move |text| {
        let text = if text.contains("\n[accounts]\n") {
            text.replacen("\n[accounts]\n", groups, 1)
        } else {
            format!("{text}{groups}")
        };
        format!("{text}{section}")
    }
}

fn asks(staff: &Staff, login: &str, password: &str) -> Result<Page> {
    let form = staff.get("/")?;
    staff.post("/login/code", &form, &[("identifier", login), ("password", password)])
}

/// Password of the directory, and a code that comes by mail; the mailbox is opened by an app password made here.
fn logged_in(demo: &Demo, uid: &str) -> Result<Staff> {
    let (staff, login) = (Staff::new(demo)?, format!("{uid}@sealpost.test"));
    let asked = asks(&staff, &login, &format!("secret-{uid}"))?;
    ensure!(asked.status == 200, "{}", asked.text());
    let made: serde_json::Value =
        serde_json::from_str(&demo.sealpost(&["--json", "user", "app-password", &login])?)?;
    let password = made["app_password"].as_str().context("no app password")?.to_owned();
    let (port, ca) = (demo.about.ports.imaps.to_string(), demo.about.ca.to_string_lossy().into_owned());
    let mut code = None;
    wait_until("the code", || {
        let read = must("python3", &[&script("mailbox.py"), &port, &ca, &login, &password])?;
        let all: Vec<String> = serde_json::from_str(&read)?;
        for mail in all {
            let mail = String::from_utf8_lossy(&base64_simd::STANDARD.decode_to_vec(mail)?).into_owned();
            code = code.take().or(code_in(&mail).ok());
        }
        Ok(code.is_some())
    })?;
    let typed = code.context("no code")?;
    let entered =
        staff.post("/login", &asked, &[("identifier", &login), ("password", ""), ("code", &typed)])?;
    ensure!(entered.status == 303, "{uid}: {} {}", entered.status, entered.text());
    Ok(staff)
}

fn users(demo: &Demo) -> Result<String> {
    demo.sealpost(&["user", "list"])
}

#[test]
fn a_first_visit_with_the_password_of_the_directory() -> Result<()> {
    let mut slapd = Slapd::start(&[ANNE, LEA, ALICE])?;
    let demo = Demo::start_edited(DemoOptions::default(), configured(&slapd))?;

    // A password alone opens nothing; a wrong one and a name that nobody has get the same answer.
    let stranger = Staff::new(&demo)?;
    for (login, password) in [
        ("anne@sealpost.test", "wrong"),
        ("nobody@sealpost.test", "secret-anne"),
        ("*@sealpost.test", "secret-anne"),
    ] {
        let refused = stranger.post(
            "/login",
            &stranger.get("/")?,
            &[("identifier", login), ("password", password), ("code", "000000")],
        )?;
        ensure!(refused.status == 403 && refused.text().contains("incorrect"), "{login}: {}", refused.text());
    }
    let alone = stranger.post(
        "/login",
        &stranger.get("/")?,
        &[("identifier", "anne@sealpost.test"), ("password", "secret-anne"), ("code", "")],
    )?;
    ensure!(alone.status == 403, "a password alone: {}", alone.status);
    // Alice's password is kept here: the directory is not asked, whatever it says.
    let alice = stranger.post(
        "/login/code",
        &stranger.get("/")?,
        &[("identifier", "alice@sealpost.test"), ("password", "secret-alice")],
    )?;
    ensure!(alice.status == 200 && !stranger.is_in()?, "{}", alice.text());

    let anne = logged_in(&demo, "anne")?;
    let page = anne.get("/deposits")?.text();
    ensure!(page.contains("Anne Petit") && page.contains("éditeur"), "{page}");
    let lea = logged_in(&demo, "lea")?;
    ensure!(lea.get("/deposits")?.text().contains("auditeur"), "the group gives the role");
    let journal = demo.sealpost(&["journal", "search", "--json"])?;
    ensure!(journal.contains("\"created\"") && journal.contains("annuaire"), "{journal}");

    // Down: the same words for whoever exists and for whoever does not, and nobody is locked out by it.
    slapd.stop()?;
    let mut answers = Vec::new();
    for login in ["anne@sealpost.test", "lea@sealpost.test", "nobody@sealpost.test"] {
        for _ in 0..8 {
            let answer = asks(&stranger, login, "secret-anne")?;
            ensure!(
                answer.status == 503 && answer.text().contains("ne répond pas"),
                "{login}: {}",
                answer.text()
            );
            answers.push(answer.text().replace(login, ""));
        }
    }
    ensure!(answers.iter().all(|a| a.len() == answers[0].len()), "the answers tell");
    ensure!(anne.is_in()?, "who is in stays in");
    // The demonstration's own people go on.
    ensure!(Staff::logged_in(&demo, "carol")?.is_in()?);
    slapd.fill(&[ANNE, LEA, ALICE])?;
    ensure!(asks(&stranger, "anne@sealpost.test", "secret-anne")?.status == 200, "the tries were counted");
    Ok(())
}

#[test]
fn synchronisation_adds_corrects_and_disables() -> Result<()> {
    let many: Vec<String> = (0..20).map(|n| format!("p{n:02}")).collect();
    let mut people: Vec<Entry<'_>> =
        many.iter().map(|uid| Entry { uid, name: "Quelqu’un", audits: false }).collect();
    people.extend([ANNE, ALICE]);
    let mut slapd = Slapd::start(&people)?;
    let demo = Demo::start_edited(DemoOptions::default(), configured(&slapd))?;
    let before = users(&demo)?;
    let dry = demo.sealpost(&["user", "sync", "--dry-run"])?;
    ensure!(
        dry.contains("add      anne@sealpost.test") && dry.contains("keep     alice@sealpost.test"),
        "{dry}"
    );
    ensure!(users(&demo)? == before, "a dry run writes nothing");
    demo.sealpost(&["user", "sync"])?;
    ensure!(users(&demo)?.contains("Anne Petit"), "{}", users(&demo)?);
    ensure!(users(&demo)?.contains("Alice Martin"), "whoever was added here is not renamed");
    ensure!(
        demo.sealpost(&["user", "sync"])?.lines().all(|l| l.starts_with("keep")),
        "the same again changes nothing"
    );
    let anne = logged_in(&demo, "anne")?;

    // Another name, a group; somebody gone: out at once, and back when the directory has them again.
    people.pop();
    people.pop();
    people.push(LEA);
    slapd.fill(&people)?;
    let said = demo.sealpost(&["user", "sync"])?;
    ensure!(
        said.contains("disable  anne@sealpost.test") && said.contains("add      lea@sealpost.test"),
        "{said}"
    );
    ensure!(!anne.is_in()?, "the session of somebody who left");
    ensure!(users(&demo)?.lines().any(|l| l.contains("lea@") && l.contains("auditor")), "{}", users(&demo)?);
    people.push(Entry { name: "Anne Petit-Roux", ..ANNE });
    slapd.fill(&people)?;
    let said = demo.sealpost(&["user", "sync"])?;
    ensure!(said.contains("enable   anne@") && said.contains("rename   anne@"), "{said}");

    // A directory that has lost its people, or does not answer, disables nobody.
    slapd.fill(&[ANNE])?;
    let output = demo.sealpost_raw(&["user", "sync"])?;
    ensure!(output.status.code() == Some(1), "{output:?}");
    let active = |text: &str| text.lines().filter(|l| l.contains(" active ")).count();
    ensure!(active(&users(&demo)?) > 20, "{}", users(&demo)?);
    slapd.stop()?;
    ensure!(!demo.sealpost_raw(&["user", "sync", "annuaire"])?.status.success());
    slapd.fill(&[ANNE])?;
    demo.sealpost(&["user", "sync", "--force"])?;
    ensure!(users(&demo)?.lines().any(|l| l.contains("p03@") && l.contains("disabled")), "{}", users(&demo)?);
    ensure!(
        users(&demo)?.lines().any(|l| l.contains("alice@") && l.contains(" active ")),
        "{}",
        users(&demo)?
    );
    Ok(())
}
