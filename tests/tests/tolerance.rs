//! Faults of a trusted server: refused, unless the configuration names them; then the journal says what was overlooked,
//! and both digests of a message whose lines were mended.

use anyhow::{Context, Result, ensure};
use sealpost_tests::Demo;
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::sha256;
use sealpost_tests::outside::hand_over;
use sealpost_tests::tools::{deposit_id, wait_for_deposit};
use serde_json::Value;

const ALICE: &str = "alice@sealpost.test";
const BOB: &str = "bob@example.test";

/// A message with its lines ended so.
fn message(subject: &str, more: &str, end: &str) -> String {
    format!("From: {ALICE}\nTo: {BOB}\nSubject: {subject}\n{more}\nBonjour\n.suite\nfin").replace('\n', end)
}

fn hand(demo: &Demo, message: &str) -> Result<String> {
    hand_over(demo.about.ports.relay, ALICE, BOB, message.as_bytes())
}

fn tolerate(demo: &mut Demo, what: &str) -> Result<()> {
    demo.terminate()?;
    demo.edit(|config| {
        let line = config
            .lines()
            .find(|l| l.starts_with("tolerate = "))
            .expect("the demonstration tolerates")
            .to_owned();
        config.replace(&line, &format!("tolerate = [{what}]"))
    })?;
    demo.restart()
}

const DATE: &str = "Date: Sun, 22 Nov 2026 10:00:00 +0100\n";

#[test]
fn only_what_is_named_is_overlooked() -> Result<()> {
    let mut demo = Demo::start(DemoOptions::default())?;
    let refused = |demo: &Demo, message: &str, code: &str| -> Result<()> {
        let reply = hand(demo, message)?;
        ensure!(reply.starts_with(code), "{reply}");
        Ok(())
    };
    // The demonstration tolerates that TLS is missing on the way from this machine to itself, and nothing else.
    deposit_id(&hand(&demo, &message("Propre", DATE, "\r\n"))?)?;
    refused(&demo, &message("Sans date", "", "\r\n"), "554 5.6.0")?;
    refused(&demo, &message("Fins de ligne", DATE, "\n"), "5")?;
    let hop = "Received: from x by localhost with ESMTP id 1; Sun, 22 Nov 2026 10:00:00 +0100\n";
    refused(&demo, &message("En rond", &(DATE.to_owned() + &hop.repeat(4)), "\r\n"), "554 5.4.6")?;

    tolerate(&mut demo, "")?;
    refused(&demo, &message("Sans TLS", DATE, "\r\n"), "530 5.7.0")?;

    tolerate(&mut demo, "\"no-tls\", \"no-date\", \"bare-lf\"")?;
    let came = message("Tout", "", "\n");
    let id = deposit_id(&hand(&demo, &came)?)?;
    let entry =
        demo.sealpost(&["--json", "journal", "search", "--deposit", &id, "--event", "SubmissionAcceptance"])?;
    let entry: Value = serde_json::from_str(entry.lines().next().context("no entry")?)?;
    let detail = entry.pointer("/entry/detail").or_else(|| entry.pointer("/detail")).context("no detail")?;
    ensure!(detail["tolerated"] == serde_json::json!(["no-date", "bare-lf", "no-tls"]), "{entry}");
    let (as_sent, mended) = (came.clone() + "\r\n", came.replace('\n', "\r\n") + "\r\n");
    ensure!(detail["received_sha256"] == sha256(as_sent.as_bytes()), "{entry}");
    ensure!(entry.to_string().contains(&sha256(mended.as_bytes())), "{entry}");
    // A dot behind an LF is one of the text.
    let mail = wait_for_deposit(&demo, BOB, &id)?;
    ensure!(mail.contains("Bonjour\r\n.suite\r\nfin"), "{mail}");
    Ok(())
}
