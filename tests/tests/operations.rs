//! The command line beside a running system: accounts, and what operators do with deposits.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::{File, Mail};
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{link_in, must, wait_for_deposit, wait_until};
use sealpost_tests::{Demo, Door};
use serde_json::Value;
use std::process::Output;

const BOB: &str = "bob@example.test";

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn accounts_are_made_and_closed_while_running() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let added: Value =
        serde_json::from_str(&demo.sealpost(&["--json", "user", "add", "erik@sealpost.test"])?)?;
    let mut place = Place::new(&demo, "alice")?;
    let secret = |value: &Value| value["app_password"].as_str().unwrap_or_default().to_owned();
    place.act_as("erik@sealpost.test", &secret(&added));
    let mail = |n: u8| {
        let mut mail = Mail::new(&[BOB], &format!("De la part d'Erik {n}"));
        mail.from = "Erik <erik@sealpost.test>".to_owned();
        mail.bytes()
    };
    place.send(&[BOB], &mail(1))?;
    let another: Value =
        serde_json::from_str(&demo.sealpost(&["--json", "user", "app-password", "erik@sealpost.test"])?)?;
    place.act_as("erik@sealpost.test", &secret(&another));
    place.send(&[BOB], &mail(2))?;
    demo.sealpost(&["user", "role", "erik@sealpost.test", "auditor"])?;
    let listed = demo.sealpost(&["--json", "user", "list"])?;
    ensure!(
        listed.lines().any(|l| l.contains("erik@") && l.contains("auditor") && l.contains("active")),
        "{listed}"
    );
    demo.sealpost(&["user", "disable", "erik@sealpost.test"])?;
    let refused = place.send(&[BOB], &mail(3)).err().context("a disabled account may send")?;
    ensure!(format!("{refused:#}").contains("535"), "{refused:#}");
    // To a program each change answers in JSON.
    for (args, key, value) in [
        (&["role", "erik@sealpost.test", "sender"][..], "role", "sender"),
        (&["logout", "erik@sealpost.test"], "sessions", "ended"),
        (&["reenrol", "erik@sealpost.test"], "second_factor", "none"),
        (&["enable", "erik@sealpost.test"], "state", "active"),
        (&["disable", "erik@sealpost.test"], "state", "disabled"),
    ] {
        let told: Value = serde_json::from_str(&demo.sealpost(&[&["--json", "user"], args].concat())?)?;
        ensure!(told["login"] == "erik@sealpost.test" && told[key] == value, "{args:?}: {told}");
    }
    let nope = demo.sealpost_raw(&["user", "token", "revoke", "erik@sealpost.test", "nope"])?;
    ensure!(nope.status.code() == Some(2) && said(&nope).contains("an id looks like"), "{}", said(&nope));
    let changes = demo.sealpost(&["journal", "search", "--event", "AccountChanged"])?;
    ensure!(changes.lines().count() >= 4, "{changes}");
    // A second account of that name, and one of a foreign domain, are refused in words.
    for (login, named) in
        [("alice@sealpost.test", "alice@"), ("x@foreign.test", "foreign.test"), ("nonsense", "nonsense")]
    {
        let output = demo.sealpost_raw(&["user", "add", login])?;
        ensure!(output.status.code() == Some(2) && said(&output).contains(named), "{}", said(&output));
    }
    Ok(())
}

#[test]
fn operators_revoke_extend_and_look() -> Result<()> {
    let rules = "\n[[rule]]\nname = \"short\"\nwhen = 'message.subject.contains(\"court\")'\ntreatment = \"notify\"\nexpires = \"1 second\"\n";
    let demo = Demo::start_edited(DemoOptions::default(), |config| config + rules)?;
    let place = Place::new(&demo, "alice")?;
    let to = [BOB, "dora@example.test"];
    let id = place.send(&to, &Mail::new(&to, "court").file(File::noise("a.bin", 10)).bytes())?;
    let links: Vec<String> =
        to.iter().map(|login| link_in(&wait_for_deposit(&demo, login, &id)?)).collect::<Result<_>>()?;
    let doors = [Door::new(&demo, &links[0])?, Door::new(&demo, &links[1])?];
    wait_until("the end of access", || Ok(doors[0].get("")?.status == 410))?;

    // Extending gives the same link new life; revoking one recipient leaves the other alone.
    let until = must("date", &["-u", "-d", "+10 days", "+%FT%TZ"])?;
    demo.sealpost(&["deposit", "extend", &id, "--until", until.trim()])?;
    for door in &doors {
        assert_eq!(door.get("")?.status, 200);
    }
    let shown: Value = serde_json::from_str(&demo.sealpost(&["--json", "deposit", "show", &id])?)?;
    let reference = shown["reference"].as_str().context("reference")?.to_owned();
    demo.sealpost(&["deposit", "revoke", &reference, "--recipient", "2"])?;
    assert_eq!(doors[0].get("")?.status, 200);
    assert_eq!(doors[1].get("")?.status, 410);
    let resent = demo.sealpost_raw(&["deposit", "resend", &id, "--recipient", "2"])?;
    ensure!(said(&resent).contains("revoked"), "{}", said(&resent));
    let again = demo.sealpost_raw(&["deposit", "revoke", &id, "--recipient", "2"])?;
    assert_eq!(again.status.code(), Some(1));
    for (args, code) in [
        (&["deposit", "show", "00000000"][..], 2),
        (&["deposit", "revoke", &id, "--recipient", "9"], 2),
        (&["deposit", "extend", &id, "--until", "tomorrow"], 2),
        // Content is destroyed long before: access cannot outlive it.
        (&["deposit", "extend", &id, "--until", "2099-01-01T00:00:00Z"], 1),
        (&["queue", "retry", "nonsense"], 2),
    ] {
        assert_eq!(demo.sealpost_raw(args)?.status.code(), Some(code), "{args:?}");
    }
    let shown = demo.sealpost(&["deposit", "show", &reference])?;
    for word in ["Extended", "Revoked", "SubmissionAcceptance", "revoked", BOB] {
        ensure!(shown.contains(word), "{word} in\n{shown}");
    }
    journal(&demo, &id)
}

/// The journal in its three forms, and that it is whole.
fn journal(demo: &Demo, id: &str) -> Result<()> {
    let found = demo.sealpost(&["journal", "search", "--deposit", id])?;
    let names: Vec<Value> = found
        .lines()
        .map(|l| Ok(serde_json::from_str::<Value>(l)?["entry"]["event"].clone()))
        .collect::<Result<_>>()?;
    for line in found.lines() {
        let line: Value = serde_json::from_str(line)?;
        for key in ["id", "time", "event", "deposit"] {
            ensure!(line[key].is_string() && line[key] == line["entry"][key], "{key} in {line}");
        }
    }
    for event in ["SubmissionAcceptance", "Extended", "Revoked"] {
        ensure!(names.iter().any(|n| n == event), "{event} in {names:?}");
    }
    let csv = demo.dir.join("journal.csv");
    demo.sealpost(&["journal", "export", "--format", "csv", "-o", &csv.to_string_lossy()])?;
    let csv = std::fs::read_to_string(csv)?;
    ensure!(csv.starts_with("index,id,time,event,") && csv.lines().count() > names.len(), "{csv}");
    wait_until("every entry has its place", || {
        let verdict = demo.sealpost(&["--json", "journal", "verify"])?;
        let verdict: Value = serde_json::from_str(&verdict)?;
        ensure!(verdict["ok"] == true, "{verdict}");
        Ok(verdict["checkpoints"].as_u64().is_some_and(|n| n > 0)
            && verdict["entries"].as_u64().is_some_and(|n| n > 3))
    })
}
