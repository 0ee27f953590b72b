//! Two organisations of one installation become one: deposits, proofs and accounts go on, and nobody else's.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::door::Door;
use sealpost_tests::sending::Place;
use sealpost_tests::staff::Staff;
use sealpost_tests::tools::{link_in, wait_for_deposit};
use sealpost_tests::{Demo, Mail};

const BOB: &str = "bob@example.test";
const OWN: &str = "Étude Durand";

#[test]
fn one_organisation_becomes_part_of_another() -> Result<()> {
    let section = |name: &str, domain: &str| {
        format!("\n[[entity]]\nname = \"{name}\"\ndomains = [\"{domain}\"]\nhostname = \"mail.{domain}\"\n")
    };
    let (second, third) = (section(OWN, "durand.test"), section("Tiers", "tiers.test"));
    let options = DemoOptions { sample: false, ..DemoOptions::default() };
    let mut demo = Demo::start_edited(options, |text| text + &second + &third)?;
    let add = |login: &str| -> Result<serde_json::Value> {
        Ok(serde_json::from_str(&demo.sealpost(&["user", "add", login, "--json"])?)?)
    };
    let (hugo, eve) = (add("hugo@durand.test")?, add("eve@tiers.test")?);
    let send = |account: &serde_json::Value, subject: &str| {
        let word = |name: &str| account[name].as_str().context("a word").map(str::to_owned);
        let mut place = Place::new(&demo, "alice")?;
        place.act_as(&word("login")?, &word("app_password")?);
        let mut mail = Mail::new(&[BOB], subject);
        mail.from = word("login")?;
        place.send(&[BOB], &mail.bytes())
    };
    let (before, elsewhere) = (send(&hugo, "[secure] Avant")?, send(&eve, "[secure] Ailleurs")?);
    let link = link_in(&wait_for_deposit(&demo, BOB, &before)?)?;
    wait_for_deposit(&demo, BOB, &elsewhere)?;
    let proof = demo.dir.join("proof.asice").to_string_lossy().into_owned();
    demo.sealpost(&["proof", "export", &before, "-o", &proof, "--wait"])?;
    let config = std::fs::read_to_string(demo.dir.join("sealpost.toml"))?;
    let first = config.split("[[entity]]").nth(1).context("an organisation")?;
    let name = first.lines().find_map(|l| l.strip_prefix("name = \"")).context("a name")?;
    let name = name.trim_end_matches('"').to_owned();

    // Beside a running gateway: what would move is said, and nothing is done.
    let refused = demo.sealpost_raw(&["entity", "merge", OWN, &name])?;
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(refused.status.code() == Some(1) && told.contains("stop it first"), "{told}");
    demo.terminate()?;
    let dry = demo.sealpost(&["entity", "merge", OWN, &name, "--dry-run"])?;
    ensure!(dry.contains("would move") && dry.contains("1 deposits"), "{dry}");
    ensure!(dry.contains("add \"durand.test\" to `domains`"), "{dry}");
    let done = demo.sealpost(&["entity", "merge", OWN, &name])?;
    ensure!(done.contains("moved") && !done.contains("would"), "{done}");

    // Until the file says so too, nothing starts, and it is said why.
    let refused = demo.sealpost_raw(&["check"])?;
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    ensure!(!refused.status.success() && said.contains("was merged into"), "{said}");
    demo.edit(|text| {
        let own = "domains = [\"sealpost.test\"";
        text.replace(&second, "").replacen(own, &format!("{own}, \"durand.test\""), 1)
    })?;
    demo.restart()?;

    // What was before goes on: the link, the account, the proof, which is as it was.
    let send = |login: &str, password: &serde_json::Value| {
        let mut place = Place::new(&demo, "alice")?;
        place.act_as(login, password.as_str().context("a password")?);
        let mut mail = Mail::new(&[BOB], "[secure] Après");
        mail.from = login.to_owned();
        place.send(&[BOB], &mail.bytes())
    };
    let after = send("hugo@durand.test", &hugo["app_password"])?;
    Door::new(&demo, &link)?.open(&demo, BOB)?;
    let journal = demo.sealpost(&["journal", "verify"])?;
    ensure!(journal.contains("VALID"), "{journal}");
    let again = demo.dir.join("again.asice").to_string_lossy().into_owned();
    demo.sealpost(&["proof", "export", &before, "-o", &again, "--wait"])?;
    let ca = demo.about.ca.to_string_lossy().into_owned();
    for file in [&proof, &again] {
        let verdict = demo.sealpost(&["proof", "verify", file, "--trust", &ca])?;
        ensure!(verdict.lines().last().is_some_and(|l| l.starts_with("VALID")), "{file}: {verdict}");
    }
    let merged = demo.sealpost(&["journal", "search", "--json", "--event", "AccountChanged"])?;
    ensure!(merged.contains("entity merged") && merged.contains(OWN), "{merged}");

    // The auditor of the one that goes on sees both, and nothing of the third.
    let carol = Staff::logged_in(&demo, "carol")?;
    for (id, status) in [(&before, 200), (&after, 200), (&elsewhere, 404)] {
        ensure!(carol.get(&format!("/deposits/{id}"))?.status == status, "{id}: {status}");
    }
    let list = carol.get("/journal")?.text();
    ensure!(list.contains("hugo@durand.test") && !list.contains("eve@tiers.test"), "{list}");
    Ok(())
}
