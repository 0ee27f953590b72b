//! Acting for others: an administrator lets somebody write in a doctor's name, evidence names both, and it ends.

use anyhow::{Context, Result, ensure};
use sealpost_tests::sending::Place;
use sealpost_tests::staff::Staff;
use sealpost_tests::tools::wait_until;
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
    let send = || {
        let mut mail = Mail::new(&["bob@example.test"], "[secure] De la part du docteur");
        mail.from = format!("Docteur Roux <{doctor}>");
        place.send(&["bob@example.test"], &mail.header("Sender: alice@sealpost.test").bytes())
    };
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

    let fields = [("do", "remove"), ("address", doctor)];
    ensure!(adele.post(&format!("{path}/addresses"), &page, &fields)?.status == 303);
    ensure!(send().is_err(), "it has ended");
    Ok(())
}
