//! Writing on the page: each recipient's gate, the address book, formatting, and what tabs, the back button and an
//! ended session do to a message.

use anyhow::{Context, Result, ensure};
use sealpost_tests::Demo;
use sealpost_tests::axe::{Visit, judge};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::door::Page;
use sealpost_tests::staff::{Staff, next_code};
use sealpost_tests::tools::run;
use serde_json::Value;

const BOB: &str = "bob@example.test";
const DORA: &str = "dora@example.test";

/// A rule with two ways through the gate, and sessions that end after a short silence.
fn demo() -> Result<Demo> {
    Demo::start_edited(DemoOptions::default(), |config| {
        format!(
            "{config}\n[[rule]]\nname = \"two ways\"\nwhen = 'recipient.domain == \"example.test\"'\ntreatment = \"notify\"\n\
             gate = [\"otp-mail\", \"password\"]\n"
        )
    })
}

/// Posts the form of `page` with these fields besides its own.
fn write(staff: &Staff, page: &Page, fields: &[(&str, &str)]) -> Result<Page> {
    let text = page.text();
    let draft =
        text.split("name=\"draft\" value=\"").nth(1).and_then(|t| t.split('"').next()).context("no draft")?;
    let mut more = Vec::new();
    for (name, value) in
        [("csrf", page.csrf()?.as_str()), ("draft", draft), ("secure", "yes")].iter().chain(fields)
    {
        more.extend(["--form-string".to_owned(), format!("{name}={value}")]);
    }
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    staff.request("/compose", &more)
}

fn deposit(page: &Page) -> Result<String> {
    ensure!(page.status == 303, "{}: {}", page.status, page.text());
    let at = page.head.find("/deposits/").with_context(|| page.head.clone())? + 10;
    Ok(page.head[at..at + 36].to_owned())
}

fn shown(demo: &Demo, id: &str) -> Result<Value> {
    Ok(serde_json::from_str(&demo.sealpost(&["--json", "deposit", "show", id])?)?)
}

#[test]
fn what_each_recipient_needs_is_asked_for_before_it_leaves() -> Result<()> {
    let demo = demo()?;
    let alice = Staff::logged_in(&demo, "alice")?;
    let page = alice.get("/compose")?;
    let base = [
        ("to", BOB),
        ("cc", DORA),
        ("subject", "Résultats"),
        ("message", "Voici **vos résultats** :\n\n- un\n- deux"),
    ];
    let with = |more: &[(&'static str, &'static str)]| [&base[..], more].concat();
    // The rows show the ways that the rule offers.
    let asked = write(&alice, &page, &with(&[("action", "people")]))?;
    let at = asked.head.find("/compose?draft=").with_context(|| asked.head.clone())?;
    let place = asked.head[at..].split(['#', '\r']).next().unwrap_or_default().to_owned();
    let rows = alice.get(&place)?;
    for words in ["code par courriel", "mot de passe du message", BOB, DORA] {
        ensure!(rows.text().contains(words), "{words} is missing");
    }
    // Bob's way needs a password that nobody has given.
    let missing = with(&[
        ("action", "send"),
        ("who", BOB),
        ("who-gate", "password"),
        ("who", DORA),
        ("who-rpps", "12"),
    ]);
    let refused = write(&alice, &page, &missing)?;
    ensure!(refused.status == 422, "{}", refused.status);
    for words in ["onze chiffres", "Rien n’a été envoyé", "vos résultats"] {
        ensure!(refused.text().contains(words), "{words} is missing in {}", refused.text());
    }
    let missing = with(&[("action", "send"), ("who", BOB), ("who-gate", "password")]);
    let refused = write(&alice, &page, &missing)?;
    ensure!(
        refused.status == 422 && refused.text().contains("La règle demande un mot de passe"),
        "{}",
        refused.text()
    );
    // What Bob would see: nothing is sent, and nothing is read.
    let asked = write(&alice, &page, &with(&[("action", "preview")]))?;
    let at = asked.head.find("/compose/preview?").with_context(|| asked.head.clone())?;
    let place = asked.head[at..].split_whitespace().next().unwrap_or_default().to_owned();
    let preview = alice.get(&format!("{place}&n=1"))?;
    ensure!(preview.status == 200 && preview.text().contains(DORA), "{}: {}", preview.status, preview.text());
    let frame = |kind: &str| alice.get(&place.replace("/preview?", &format!("/preview/{kind}?")));
    ensure!(frame("mail")?.text().contains("lien-personnel"), "{}", frame("mail")?.text());
    let content = frame("page")?;
    ensure!(content.text().contains("<strong>vos résultats</strong>") && content.head.contains("sandbox"));
    ensure!(!content.text().contains("<form"), "a preview that can be acted on");
    let given = with(&[
        ("action", "send"),
        ("who", BOB),
        ("who-gate", "otp-mail"),
        ("who-until", "2099-01-01"),
        ("who", DORA),
        ("who-gate", "password"),
        ("password", "un secret partagé"),
        ("password2", "un secret partagé"),
    ]);
    let id = deposit(&write(&alice, &page, &given)?)?;
    let shown = shown(&demo, &id)?;
    ensure!(shown["recipients"][0]["gate"].to_string().contains("otp-mail"), "{shown}");
    ensure!(!shown["recipients"][1]["gate"].to_string().contains("otp-mail"), "{shown}");
    // The text as typed, and with its marks as HTML.
    let proof = demo.dir.join("proof.asice");
    demo.sealpost(&["proof", "export", &id, "-o", &proof.to_string_lossy(), "--wait"])?;
    let mail = run("unzip", &["-p", &proof.to_string_lossy(), "message/original.eml"])?.stdout;
    let mail = String::from_utf8_lossy(&mail).replace("=\r\n", "");
    for words in ["Voici **vos r=C3=A9sultats** :", "<strong>vos r=C3=A9sultats</strong>", "<li>un</li>"] {
        ensure!(mail.contains(words), "{words} is missing in {mail}");
    }
    Ok(())
}

#[test]
fn tabs_the_back_button_and_an_ended_session_lose_nothing_and_send_nothing_twice() -> Result<()> {
    let mut demo = demo()?;
    let alice = Staff::logged_in(&demo, "alice")?;
    let (one, other) = (alice.get("/compose")?, alice.get("/compose")?);
    let first = [("to", BOB), ("subject", "Premier onglet"), ("message", "un")];
    let second = [("to", DORA), ("subject", "Second onglet"), ("message", "deux")];
    let with = |all: &[(&'static str, &'static str)], action| [all, &[("action", action)]].concat();
    ensure!(write(&alice, &one, &with(&first, "keep"))?.status == 204);
    ensure!(write(&alice, &other, &with(&second, "keep"))?.status == 204);
    let listed = alice.get("/compose")?.text();
    ensure!(listed.contains("Premier onglet") && listed.contains("Second onglet"), "a tab lost its draft");
    let id = deposit(&write(&alice, &one, &with(&first, "send"))?)?;
    // Back, and sent again as it was: the same deposit. Changed: another one.
    assert_eq!(deposit(&write(&alice, &one, &with(&first, "send"))?)?, id);
    let changed = [("to", BOB), ("subject", "Premier onglet, corrigé"), ("message", "un")];
    let next = deposit(&write(&alice, &one, &with(&changed, "send"))?)?;
    ensure!(next != id);
    let listed = alice.get("/compose")?.text();
    ensure!(!listed.contains("Premier onglet") && listed.contains("Second onglet"));
    // Whoever was written to is in the address book.
    ensure!(alice.get("/contacts")?.text().contains(BOB));
    // The session ends by silence while somebody writes.
    demo.terminate()?;
    demo.edit(|config| config.replace("[accounts]", "[accounts]\nsession_idle = \"1 second\""))?;
    demo.restart()?;
    std::thread::sleep(std::time::Duration::from_secs(2));
    let late = [("to", BOB), ("subject", "Écrit trop tard"), ("message", "Tout y est.")];
    let sent = write(&alice, &other, &with(&late, "send"))?;
    ensure!(sent.status == 303 && sent.head.contains("/login?next=/compose?draft="), "{}", sent.head);
    ensure!(write(&alice, &other, &with(&late, "keep"))?.status == 401);
    demo.terminate()?;
    demo.edit(|config| config.replace("session_idle = \"1 second\"", "session_idle = \"1 hour\""))?;
    demo.restart()?;
    let (again, account) = (Staff::new(&demo)?, demo.account("alice"));
    ensure!(again.log_in(account, &next_code(&account.totp_secret)?)?.status == 303, "the second login");
    let at = sent.head.find("/compose?draft=").context("no way back")?;
    let place = sent.head[at..].split_whitespace().next().unwrap_or_default().to_owned();
    let back = again.get(&place)?.text();
    ensure!(back.contains("Écrit trop tard") && back.contains("Tout y est."), "{back}");
    Ok(())
}

#[test]
fn an_address_book_is_kept_by_hand_and_by_file() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let (alice, adele) = (Staff::logged_in(&demo, "alice")?, Staff::logged_in(&demo, "adele")?);
    let page = alice.get("/contacts")?;
    let wrong = alice.post(
        "/contacts",
        &page,
        &[("do", "save"), ("address", "bob"), ("name", "Bob"), ("phone", "abc")],
    )?;
    ensure!(
        wrong.status == 422
            && wrong.text().contains("address-wrong")
            && wrong.text().contains("value=\"Bob\"")
    );
    let saved = alice.post(
        "/contacts",
        &page,
        &[
            ("do", "save"),
            ("address", BOB),
            ("name", "Bob Petit"),
            ("phone", "06 12 34 56 78"),
            ("groups", "Cardiologie"),
        ],
    )?;
    ensure!(saved.status == 303, "{}: {}", saved.status, saved.text());
    // A file is shown before it changes anything.
    let csv = "Nom;Courriel;Groupes\nBob Petit;bob@example.test;Cardiologie\nDora;dora@example.test;Cardiologie\n;nobody;\n";
    let (token, text) = (format!("csrf={}", page.csrf()?), format!("text={csv}"));
    let send = |action: &str| {
        alice.request(
            "/contacts/import",
            &["--form-string", &token, "--form-string", &text, "--form-string", &format!("action={action}")],
        )
    };
    let tried = send("try")?;
    ensure!(tried.status == 200 && tried.text().contains("nobody"), "{}: {}", tried.status, tried.text());
    ensure!(!alice.get("/contacts")?.text().contains(DORA), "the dry run changed something");
    ensure!(send("take")?.status == 303);
    ensure!(alice.get("/contacts?group=cardiologie")?.text().contains(DORA));
    let found: Value = serde_json::from_slice(&alice.get("/contacts/find?q=petit")?.body)?;
    assert_eq!(found[0]["value"], "Bob Petit <bob@example.test>");
    let group: Value = serde_json::from_slice(&alice.get("/contacts/find?q=cardio")?.body)?;
    assert_eq!(group[0]["value"], "bob@example.test, dora@example.test");
    ensure!(alice.get("/compose?group=Cardiologie")?.text().contains("bob@example.test, dora@example.test"));
    // Everybody's book is their own.
    ensure!(!adele.get("/contacts")?.text().contains(BOB));
    let found: Value = serde_json::from_slice(&adele.get("/contacts/find?q=petit")?.body)?;
    assert_eq!(found, Value::Array(Vec::new()));
    judge(
        &demo,
        &[Visit::as_staff(
            &alice,
            &[
                ("app-contacts", "/contacts"),
                ("app-contact", "/contacts?edit=bob@example.test"),
                ("app-contacts-import", "/contacts/import"),
            ],
        )?],
    )
}
