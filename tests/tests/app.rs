//! The staff's application in Chromium: every page judged by axe-core, and a message written, sent and followed.

use anyhow::{Context, Result, ensure};
use sealpost_tests::axe::{Visit, judge};
use sealpost_tests::browser::script;
use sealpost_tests::demo::{DemoOptions, binary};
use sealpost_tests::mail::{File, Mail, sha256};
use sealpost_tests::sending::Place;
use sealpost_tests::staff::Staff;
use sealpost_tests::tools::{link_in, must, run, wait_for_deposit, wait_until};
use sealpost_tests::{Demo, Door, Parsed};
use serde_json::{Value, json};

const BOB: &str = "bob@example.test";
const DORA: &str = "dora@example.test";

/// A demonstration in which something has happened: Bob has read, Dora has not, one mail was ordinary.
fn lived_in() -> Result<(Demo, String)> {
    let demo = Demo::start(DemoOptions::default())?;
    let place = Place::new(&demo, "alice")?;
    let mut mail = Mail::new(&[BOB, DORA], "[secure] Votre bilan de santé du 20 novembre 2026");
    mail.files = vec![File::new("compte-rendu.txt", "text/plain", "Rien à signaler.\n".repeat(50))];
    let id = place.send(&[BOB, DORA], &mail.bytes())?;
    place.send(&[DORA], &Mail::new(&[DORA], "Rendez-vous").text("À jeudi.\r\n").bytes())?;
    let link = link_in(&wait_for_deposit(&demo, BOB, &id)?)?;
    Door::new(&demo, &link)?.open(&demo, BOB)?;
    Ok((demo, id))
}

#[test]
fn a_senders_pages_are_accessible() -> Result<()> {
    let (demo, id) = lived_in()?;
    let one = format!("/deposits/{id}");
    judge(
        &demo,
        &[Visit::by(
            &demo,
            "alice",
            &[
                ("app-deposits", "/deposits"),
                ("app-deposit", &one),
                ("app-compose", "/compose"),
                ("app-journal", "/journal"),
                ("app-statistics", "/statistics"),
                ("app-nothing", "/deposits?q=nobody@nowhere.test"),
            ],
        )],
    )
}

#[test]
fn an_auditors_and_an_administrators_pages_are_accessible() -> Result<()> {
    let (demo, id) = lived_in()?;
    let one = format!("/deposits/{id}");
    // Somebody waits for a decision, and Carol answers for a copier.
    let stranger = Staff::new(&demo)?;
    let form = stranger.get("/password/unknown")?;
    let fields = [
        ("identifier", "alice@sealpost.test"),
        ("address", "alice@example.test"),
        ("phone", "06 12 34 56 78"),
    ];
    ensure!(stranger.post("/password/unknown", &form, &fields)?.status == 200);
    let (copier, carol) = ("copieur@sealpost.test", "carol@sealpost.test");
    demo.sealpost(&["user", "add", copier, "--name", "Copieur du 2e étage", "--owner", carol])?;
    demo.sealpost(&["user", "address", "add", copier, "scanner@sealpost.test"])?;
    let list = demo.sealpost(&["user", "list"])?;
    let n = 1 + list.lines().position(|l| l.starts_with(copier)).context("the copier")?;
    let (owned, service) = (format!("/admin/accounts/{n}"), format!("/account/services/{n}"));
    let test = "/admin/rules?from=alice@sealpost.test&to=bob@example.test&subject=%5Bsecure%5D&size=9";
    judge(
        &demo,
        &[
            Visit::by(
                &demo,
                "carol",
                &[
                    ("app-audit-deposit", &one),
                    ("app-audit-journal", "/journal"),
                    ("app-audit-verify", "/journal/verify"),
                    ("app-security", "/account"),
                    ("app-service", &service),
                ],
            ),
            Visit::by(
                &demo,
                "adele",
                &[
                    ("app-health", "/admin/health"),
                    ("app-queue", "/admin/queue"),
                    ("app-accounts", "/admin/accounts"),
                    ("app-account", "/admin/accounts/1"),
                    ("app-account-owned", &owned),
                    ("app-approvals", "/admin/approvals"),
                    ("app-entities", "/admin/entities"),
                    ("app-rules", test),
                    ("app-certificates", "/admin/certificates"),
                    ("app-settings", "/admin/settings"),
                ],
            ),
        ],
    )
}

fn written(javascript: bool) -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let file = demo.dir.join("résultats.bin");
    // Longer than one piece of the resumable protocol.
    let bytes = vec![7u8; 9_000_000];
    std::fs::write(&file, &bytes)?;
    let alice = demo.account("alice");
    let shots = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/screenshots");
    std::fs::create_dir_all(&shots)?;
    let seen = script(
        &demo,
        "compose.py",
        json!({
            "login": alice.login, "password": alice.password, "secret": alice.totp_secret, "file": file,
            "javascript": javascript, "language": "fr", "to": BOB, "wrong": "bob@", "shots": shots,
        }),
    )?;
    ensure!(seen["to_wrong"].as_str().is_some_and(|t| t.contains("bob@")), "{seen}");
    ensure!(seen["password_wrong"].as_str().is_some_and(|t| t.contains("deux fois")), "{seen}");
    assert_eq!(
        seen["kept"],
        json!(["bob@", "Résultats d’analyse", "Bonjour,\n\nVoici vos résultats.\n", ""])
    );
    assert_eq!(seen["files"], json!(["résultats.bin"]));
    assert_eq!(seen["banner"], "Le document a bien été envoyé aux personnes sélectionnées.");
    assert_eq!(seen["title"], "Résultats d’analyse");
    assert_eq!(seen["again"], "Envoyé à nouveau à 1 destinataire.");
    assert_eq!(seen["draft"], "");
    let story = seen["story"].to_string();
    for event in ["Message déposé et accepté", "Invitation à accepter envoyée", "Avis renvoyé"] {
        ensure!(story.contains(event), "{event} is missing in {story}");
    }
    ensure!(seen["row"].as_str().is_some_and(|r| r.contains(BOB) && r.contains("Envoyé")), "{}", seen["row"]);
    ensure!(seen["journal"].as_str().is_some_and(|j| j.contains("Avis renvoyé")), "{}", seen["journal"]);
    ensure!(seen["left"].as_str().is_some_and(|u| u.contains("/login")), "{}", seen["left"]);
    let address = seen["address"].as_str().context("no address")?;
    let id = address.rsplit('/').next().and_then(|t| t.split('?').next()).context("no id")?;
    let shown: Value = serde_json::from_str(&demo.sealpost(&["--json", "deposit", "show", id])?)?;
    // The password is asked for besides what the rule asks.
    ensure!(shown["recipients"][0]["gate"].to_string().contains("password"), "{shown}");
    let proof = demo.dir.join("proof.asice");
    demo.sealpost(&["proof", "export", id, "-o", &proof.to_string_lossy(), "--wait"])?;
    let original = run("unzip", &["-p", &proof.to_string_lossy(), "message/original.eml"])?.stdout;
    let parsed = Parsed::new(&original)?;
    let kept: Vec<String> = parsed.parts.iter().map(|p| Ok(sha256(&p.bytes()?))).collect::<Result<_>>()?;
    ensure!(kept.contains(&sha256(&bytes)), "the file arrived changed");
    ensure!(!String::from_utf8_lossy(&original).contains("un secret"), "the password is in the message");
    Ok(())
}

#[test]
fn a_message_is_written_with_scripts() -> Result<()> {
    written(true)
}

#[test]
fn a_message_is_written_without_scripts() -> Result<()> {
    written(false)
}

/// All proofs that a list shows come as one archive, whose index names each with its digest.
fn proofs_together(demo: &Demo, alice: &Staff, carol: &Staff) -> Result<()> {
    for (who, query, number) in [(carol, "", 2), (alice, "q=bob@", 1), (alice, "q=nobody@nowhere.test", 0)] {
        let answer = who.get(&format!("/deposits/proofs?{query}"))?;
        ensure!(answer.status == 200, "{query}: {}", answer.status);
        let file = demo.dir.join("proofs.zip");
        std::fs::write(&file, &answer.body)?;
        let (archive, binary) =
            (file.to_string_lossy().into_owned(), binary()?.to_string_lossy().into_owned());
        let read = |name: &str| run("unzip", &["-p", &archive, name]).map(|o| o.stdout);
        ensure!(run("unzip", &["-tq", &archive])?.status.success(), "{query}: a broken archive");
        let index = String::from_utf8(read("index.jsonl")?)?;
        ensure!(index.lines().count() == number, "{query}: {index}");
        for line in index.lines() {
            let line: Value = serde_json::from_str(line)?;
            let proof = read(line["file"].as_str().context("no file")?)?;
            assert_eq!(line["sha256"], sha256(&proof));
            let one = demo.dir.join("one.asice");
            std::fs::write(&one, proof)?;
            let (one, ca) = (one.to_string_lossy(), demo.dir.join("ca.pem"));
            let said = must(&binary, &["proof", "verify", &one, "--trust", &ca.to_string_lossy()])?;
            ensure!(said.contains("VALID"), "{said}");
        }
    }
    Ok(())
}

#[test]
fn roles_and_people_stay_apart() -> Result<()> {
    let (demo, id) = lived_in()?;
    let one = format!("/deposits/{id}");
    let stranger = Staff::new(&demo)?;
    for path in [
        "/deposits",
        &one,
        "/compose",
        "/journal",
        "/journal/export?format=csv",
        "/statistics",
        "/admin/accounts",
    ] {
        let page = stranger.get(path)?;
        ensure!(page.status == 303 && page.head.contains("/login"), "{path}: {}", page.status);
    }
    let (alice, carol, adele) = (
        Staff::logged_in(&demo, "alice")?,
        Staff::logged_in(&demo, "carol")?,
        Staff::logged_in(&demo, "adele")?,
    );
    for (who, path, status) in [
        (&alice, one.as_str(), 200),
        (&alice, "/admin/accounts", 404),
        (&alice, "/journal/verify", 404),
        (&carol, &one, 200),
        (&carol, "/compose", 404),
        (&carol, "/admin/queue", 404),
        (&adele, "/admin/accounts", 200),
        (&adele, &one, 404),
    ] {
        let page = who.get(path)?;
        ensure!(page.status == status, "{path}: {} instead of {status}", page.status);
    }
    // A form without the session's secret changes nothing.
    let forged = alice.request(&format!("{one}/revoke"), &["--data", "csrf=x"])?;
    ensure!(forged.status == 200 && forged.text().contains("rien n’a été changé"), "{}", forged.status);
    let page = carol.get(&one)?;
    let held = carol.post(&format!("{one}/hold"), &page, &[("reason", "affaire 7")])?;
    ensure!(held.status == 303, "{}: {}", held.status, held.text());
    ensure!(carol.get(&one)?.text().contains("affaire 7"), "the hold is not shown");
    // A legal hold is told to nobody but those who place it.
    for path in [one.as_str(), "/journal"] {
        ensure!(!alice.get(path)?.text().contains("affaire 7"), "{path} tells the sender of the hold");
    }
    let verify = carol.get("/journal/verify")?;
    wait_until("the log is stamped", || {
        Ok(carol.post("/journal/verify", &verify, &[])?.text().contains("Le journal est intact"))
    })?;
    let csv = carol.get("/journal/export?format=csv")?;
    ensure!(csv.text().lines().count() > 10 && csv.text().contains("SubmissionAcceptance"), "{}", csv.text());
    let lines = carol.get("/journal/export?format=jsonl&event=SubmissionAcceptance")?;
    for line in lines.text().lines() {
        let entry: Value = serde_json::from_str(line)?;
        assert_eq!(entry["entry"]["event"], "SubmissionAcceptance");
    }
    let proof = alice.get(&format!("{one}/proof"))?;
    ensure!(proof.status == 200 && proof.body.starts_with(b"PK"), "{}", proof.status);
    proofs_together(&demo, &alice, &carol)?;
    let page = adele.get("/admin/accounts")?;
    let text = page.text();
    let action = text
        .split("action=\"/admin/accounts/")
        .nth(1)
        .and_then(|t| t.split('"').next())
        .context("no form")?;
    let changed = adele.post(&format!("/admin/accounts/{action}"), &page, &[("do", "disable")])?;
    ensure!(changed.status == 303, "{}: {}", changed.status, changed.text());
    ensure!(
        alice.get("/deposits")?.status == 303 || carol.get("/journal")?.status == 303,
        "nobody was logged out"
    );
    Ok(())
}
