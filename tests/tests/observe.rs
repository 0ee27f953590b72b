//! `mode = "observe"`: mail passes as it came, and the administrator reads what the rules would have done to it.

use anyhow::{Context, Result, ensure};
use sealpost_tests::clamd::eicar;
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::{File, Mail};
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{inbox, wait_for_raw, wait_until};
use sealpost_tests::{Demo, Parsed};
use serde_json::Value;

const BOB: &str = "bob@example.test";
const ADELE: &str = "adele@sealpost.test";

const RULES: &str = r#"
[[rule]]
name = "nothing to rivals"
when = 'recipient.address.startsWith("dora@")'
treatment = "refuse"
"#;

#[test]
fn nothing_changes_and_the_administrator_reads_what_would_have() -> Result<()> {
    let demo = Demo::start_edited(DemoOptions::default(), |config| {
        let config = config.replace("\n[alerts]\n", &format!("\n[alerts]\nmail = \"{ADELE}\"\n"));
        let config = config.replace("\n[antivirus]\n", "\n[antivirus]\nblocked_types = [\"exe\"]\n");
        format!("mode = \"observe\"\n{config}{RULES}")
    })?;
    let checked = demo.sealpost_raw(&["check"])?;
    let checked = String::from_utf8_lossy(&checked.stdout).into_owned();
    ensure!(checked.contains("rules change nothing"), "{checked}");

    let place = Place::new(&demo, "alice")?;
    let mail = |to: &str, subject: &str| Mail::new(&[to], subject).header("X-Sealpost-Expires: never");
    let tagged = mail(BOB, "[sécurisé] Dossier").text("Bonjour").bytes();
    let refused = mail("dora@example.test", "Prix").text("Bonjour").bytes();
    let blocked = mail(BOB, "Programme")
        .text("Bonjour")
        .file(File::new("a.exe", "application/octet-stream", eicar()))
        .bytes();
    let mut ids = Vec::new();
    for (to, message) in [(BOB, &tagged), ("dora@example.test", &refused), (BOB, &blocked)] {
        let id = place.send(&[to], message)?;
        // To the byte: only what a mailbox puts before it is new.
        let parsed = Parsed::new(message)?;
        let subject = parsed.header("Message-ID")?;
        let came = wait_for_raw(&demo, to, &|m| m.contains(subject))?;
        ensure!(came.ends_with(message), "{}", String::from_utf8_lossy(&came));
        ids.push(id);
    }

    let observed: Value = serde_json::from_str(&demo.sealpost(&["--json", "policy", "observed"])?)?;
    ensure!(observed["mode"] == "observe", "{observed}");
    let by_rule = |rule: &str| {
        let all = observed["messages"].as_array().context("no messages")?;
        all.iter().find(|m| m["rule"].as_str().is_some_and(|r| r.contains(rule))).context(rule.to_owned())
    };
    ensure!(by_rule("default: tag")?["treatment"] == "notify", "{observed}");
    // What cannot be read of the sender's wishes would have been asked about.
    ensure!(by_rule("default: tag")?["hold"].is_string(), "{observed}");
    ensure!(by_rule("nothing to rivals")?["treatment"] == "refuse", "{observed}");
    ensure!(by_rule("blocked file type")?["recipient"] == BOB, "{observed}");

    let shown = demo.sealpost(&["deposit", "show", &ids[1]])?;
    ensure!(shown.contains("pass") && shown.contains("observed: refused (refuse)"), "{shown}");
    let found = demo.sealpost(&["--json", "journal", "search", "--deposit", &ids[0]])?;
    ensure!(found.contains("\"observed\":[\"notify, held\"]"), "{found}");
    // Each is told, in one letter or several.
    wait_until("all was told", || {
        let all = inbox(&demo, ADELE)?;
        let parsed = all.iter().filter_map(|m| Parsed::new(m).ok());
        let letters = parsed.filter(|p| p.header("Subject").is_ok_and(|s| s.contains("Observation")));
        let text: String = letters.filter_map(|p| p.body("text/plain").ok()).collect();
        Ok(["default: tag", "nothing to rivals", "blocked file type"].iter().all(|rule| text.contains(rule)))
    })
}
