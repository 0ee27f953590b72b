//! Acting for others: an administrator lets somebody write in a doctor's name, evidence names both, and it ends.

use anyhow::{Context, Result, ensure};
use sealpost_tests::sending::Place;
use sealpost_tests::staff::Staff;
use sealpost_tests::tools::{wait_for_mail, wait_until};
use sealpost_tests::{Demo, DemoOptions, Mail};

/// The page of the account with this login.
fn page_of(adele: &Staff, login: &str) -> Result<String> {
    let list = adele.get("/admin/accounts")?.text();
    let before = list.split(login).next().context("no list")?;
    let at = before.rfind("href=\"/admin/accounts/").context("no page")? + 6;
    Ok(before[at..].chars().take_while(|c| *c != '"').collect())
}

#[test]
fn a_secretary_writes_for_a_doctor() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let doctor = "doctor@sealpost.test";
    demo.sealpost(&["user", "add", doctor, "--name", "Docteur Roux"])?;
    let place = Place::new(&demo, "alice")?;
    let mut mail = Mail::new(&["bob@example.test"], "[secure] De la part du docteur");
    mail.from = format!("Docteur Roux <{doctor}>");
    let message = mail.header("Sender: alice@sealpost.test").bytes();
    let send = || place.send(&["bob@example.test"], &message);
    ensure!(send().is_err(), "nobody writes for somebody else unasked");

    let adele = Staff::logged_in(&demo, "adele")?;
    let path = page_of(&adele, "alice@sealpost.test")?;
    let page = adele.get(&path)?;
    ensure!(page.status == 200 && page.text().contains("Qui écrit en son nom"), "{}", page.text());
    let add = |address: &str, standing: &str| {
        let fields = [("do", "add"), ("address", address), ("standing", standing)];
        adele.post(&format!("{path}/addresses"), &page, &fields)
    };
    let foreign = add("somebody@elsewhere.test", "acts-for")?;
    ensure!(
        foreign.status == 200 && foreign.text().contains("d’un domaine de l’organisme"),
        "{}",
        foreign.text()
    );
    let taken = add(doctor, "own")?;
    ensure!(taken.status == 200 && taken.text().contains("d’un autre compte"), "{}", taken.text());
    ensure!(add(doctor, "acts-for")?.status == 303);
    ensure!(adele.get(&path)?.text().contains(doctor));
    let theirs = adele.get(&page_of(&adele, doctor)?)?.text();
    ensure!(theirs.contains("Alice Martin"), "{theirs}");

    // The journal and the evidence name both.
    let deposit = send()?;
    wait_until("the journal names both", || {
        let told = demo.sealpost(&["journal", "search", "--json", "--deposit", &deposit])?;
        Ok(told.contains(doctor) && told.contains("alice@sealpost.test"))
    })?;
    let journal = demo.sealpost(&["journal", "search", "--json", "--event", "AccountChanged"])?;
    ensure!(journal.contains("acts for") && journal.contains("adele@sealpost.test"), "{journal}");

    // A login of somebody else's organisation, or of nobody, has no page.
    ensure!(adele.get("/admin/accounts/999999")?.status == 404);
    let alice = Staff::logged_in(&demo, "alice")?;
    ensure!(alice.get(&path)?.status == 404, "senders grant nothing");

    // Two mail programs are in while it ends: one waits, of the other a message is on its way.
    let (mut waiting, mut sending) = (place.connect()?, place.connect()?);
    sending.begin(doctor, &["bob@example.test"])?;
    sending.data(&message)?;
    let fields = [("do", "remove"), ("address", doctor)];
    ensure!(adele.post(&format!("{path}/addresses"), &page, &fields)?.status == 303);
    ensure!(send().is_err(), "it has ended");
    let refused = |answer: Result<String>| format!("{:?}", answer.err()).contains("550 5.7.1");
    ensure!(refused(sending.finish()), "what was on its way when it ended");
    ensure!(refused(waiting.command(&format!("MAIL FROM:<{doctor}>"), "250")), "the reverse path");
    waiting.begin(&place.login, &["bob@example.test"])?;
    waiting.data(&message)?;
    ensure!(refused(waiting.finish()), "the author");
    a_copier_has_somebody(&demo, &alice, &adele)
}

/// Alice answers for a copier: she reads for it, follows what it sent and changes its password, until somebody else
/// does.
fn a_copier_has_somebody(demo: &Demo, alice: &Staff, adele: &Staff) -> Result<()> {
    let (copier, owner) = ("copieur@sealpost.test", "alice@sealpost.test");
    let made = demo.sealpost(&["user", "add", copier, "--name", "Copieur 2", "--owner", owner, "--json"])?;
    let made: serde_json::Value = serde_json::from_str(&made)?;
    ensure!(made["owner"] == owner && made["password"].is_null(), "{made}");
    let mut place = Place::new(demo, "alice")?;
    place.act_as(copier, made["app_password"].as_str().context("no app password")?);
    let mut mail = Mail::new(&["bob@example.test"], "[secure] Numérisation");
    mail.from = format!("Copieur 2 <{copier}>");
    let deposit = place.send(&["bob@example.test"], &mail.bytes())?;
    ensure!(alice.get(&format!("/deposits/{deposit}"))?.status == 200, "what it sent is in sight");
    // Withdrawn by somebody else: the sender is told, and she is the one who reads it.
    demo.sealpost(&["deposit", "revoke", &deposit])?;
    let told = wait_for_mail(demo, "alice", &|m| m.contains(&deposit) || m.contains("Num=C3=A9risation"))?;
    ensure!(told.contains(&format!("To: {owner}")) || told.contains(&format!("<{owner}>")), "{told}");

    ensure!(alice.get("/account")?.text().contains("Copieur 2"));
    let list: String = demo.sealpost(&["user", "list", "--json"])?;
    let line = list.lines().find(|l| l.contains(&format!("\"{copier}\""))).context("not listed")?;
    let line: serde_json::Value = serde_json::from_str(line)?;
    ensure!(line["owner"] == owner, "{line}");
    let path = page_of(adele, copier)?.replace("/admin/accounts/", "/account/services/");
    let page = alice.get(&path)?;
    ensure!(page.status == 200 && page.text().contains("application"), "{}", page.text());
    ensure!(adele.get(&path)?.status == 404, "administrators do not answer for it");
    let open = place.connect()?;
    let fields = [("label", "Copieur"), ("scope", "smtp"), ("days", "90"), ("replace", "former")];
    let wrong =
        alice.post(&format!("{path}/programs"), &page, &[&fields[..], &[("password", "x")]].concat())?;
    ensure!(wrong.status == 403, "her own password is asked for: {}", wrong.status);
    let password = ("password", demo.account("alice").password.as_str());
    let shown = alice.post(&format!("{path}/programs"), &page, &[&fields[..], &[password]].concat())?;
    let text = shown.text();
    let fresh = text.split("class=\"secret\"><code>").nth(1).context("no password")?;
    let fresh = fresh.split('<').next().context("no password")?.to_owned();
    ensure!(place.connect().is_err(), "the former password");
    drop(open);
    place.act_as(copier, &fresh);
    place.connect()?;

    // She leaves: the copier goes on under Paul.
    demo.sealpost(&["user", "add", "paul@sealpost.test", "--name", "Paul Roux"])?;
    demo.sealpost(&["user", "address", "add", copier, "scanner@sealpost.test"])?;
    let taken = demo.sealpost(&["user", "address", "add", "paul@sealpost.test", "scanner@sealpost.test"]);
    ensure!(taken.is_err(), "an address has one account");
    demo.sealpost(&["user", "handover", owner, "paul@sealpost.test"])?;
    ensure!(demo.sealpost(&["user", "list"])?.contains("paul@sealpost.test answers for it"));
    let page = adele.get(&page_of(adele, copier)?)?;
    ensure!(page.text().contains("Paul Roux") && page.text().contains("scanner@sealpost.test"));
    let refused = adele.post(
        &format!("{}/owner", page_of(adele, copier)?),
        &page,
        &[("owner", "alice@sealpost.test")],
    )?;
    ensure!(refused.status == 200 && refused.text().contains("owner-wrong"), "who left answers for nothing");
    ensure!(place.send(&["bob@example.test"], &mail.bytes()).is_ok(), "it goes on sending");
    Ok(())
}
