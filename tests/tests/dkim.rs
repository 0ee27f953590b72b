//! DKIM as receivers see it: whatever leaves carries valid signatures of its domain, by dkimpy's judgement.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::door::code_in;
use sealpost_tests::mail::{File, Mail};
use sealpost_tests::sending::Place;
use sealpost_tests::sink::Sink;
use sealpost_tests::tools::{link_in, must, script, wait_until};
use sealpost_tests::{Demo, Door};

const BOB: &str = "bob@example.test";

/// One rule per treatment, chosen by the subject; mail for our own people leaves too, so that receipts do.
fn start(sink: &Sink) -> Result<Demo> {
    let options = DemoOptions { smarthost: Some(sink.address.clone()), ..DemoOptions::default() };
    let own = format!("\nvia = {:?}\ntls = \"none\"\n", sink.address);
    Demo::start_edited(options, |config| {
        let config = config
            .replace("\n[relay]\n", "\n[relay]\nretry = [\"1 seconds\"]\n")
            .replace("\nvia = \"local\"\n", &own);
        ["pass", "trace", "seal", "link", "notify"].iter().fold(config, |config, t| {
            format!("{config}\n[[rule]]\nname = \"{t} it\"\nwhen = 'message.subject.contains(\"case-{t}\")'\ntreatment = \"{t}\"\n")
        })
    })
}

/// One signature as dkimpy sees it.
#[derive(Debug, serde::Deserialize)]
struct Signature(String, String, bool, Vec<String>);

/// The records that `check` prints are all that DNS would say.
struct Receiver {
    dir: tempfile::TempDir,
}

impl Receiver {
    fn new(demo: &Demo) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        // A demonstration has a fault on purpose or none; its records are printed either way.
        let printed = demo.sealpost_raw(&["--json", "check"])?.stdout;
        std::fs::write(dir.path().join("records.json"), printed)?;
        Ok(Self { dir })
    }
    fn judge(&self, message: &[u8]) -> Result<Vec<Signature>> {
        let (records, file) = (self.dir.path().join("records.json"), self.dir.path().join("mail.eml"));
        std::fs::write(&file, message)?;
        let printed = must(
            "/usr/bin/python3",
            &[&script("dkim_verify.py"), &records.to_string_lossy(), &file.to_string_lossy()],
        )?;
        Ok(serde_json::from_str(&printed)?)
    }
    /// Two valid signatures of the domain, which nobody can add a field to.
    fn accepts(&self, what: &str, message: &[u8]) -> Result<()> {
        let found = self.judge(message)?;
        let algorithms: Vec<&str> = found.iter().map(|s| s.0.as_str()).collect();
        ensure!(algorithms == ["rsa-sha256", "ed25519-sha256"], "{what}: {found:?}");
        for Signature(_, domain, valid, names) in &found {
            ensure!(*valid && domain == "sealpost.test", "{what}: {found:?}");
            ensure!(
                names.iter().filter(|n| *n == "from").count() == 2,
                "{what}: From is not sealed: {names:?}"
            );
        }
        Ok(())
    }
    fn refuses(&self, what: &str, message: &[u8]) -> Result<()> {
        let found = self.judge(message)?;
        ensure!(!found.is_empty() && found.iter().all(|s| !s.2), "{what} is not noticed: {found:?}");
        Ok(())
    }
}

/// Text that canonical forms differ about.
fn awkward() -> String {
    let mut text = String::from("Blancs \t en fin  \t\r\n\r\n\r\n  retrait\r\n");
    text.push_str(&"é".repeat(300));
    text.push_str("\r\n..point\r\n \r\n\t\r\n\r\n\r\n");
    text
}

#[test]
fn whatever_leaves_is_signed_by_its_domain() -> Result<()> {
    let sink = Sink::start(None)?;
    let demo = start(&sink)?;
    let (receiver, place) = (Receiver::new(&demo)?, Place::new(&demo, "alice")?);
    // The second attempt repeats the first one's bytes.
    sink.answer(&["451 4.3.0 later"]);
    for treatment in ["trace", "seal", "link", "notify"] {
        let mail = Mail::new(&[BOB], &format!("case-{treatment}"))
            .header("Cc: a@example.test,\r\n\t b@example.test \r\nReply-To: alice@sealpost.test")
            .text(&awkward())
            .file(File::noise("a.bin", 300_000));
        let id = place.send(&[BOB], &mail.bytes())?;
        let message = sink.wait_for(&|m| m.contains(&format!("X-Sealpost-Deposit: {id}")))?;
        let raw =
            sink.accepted().into_iter().map(|a| a.message).find(|m| String::from_utf8_lossy(m) == message);
        receiver.accepts(treatment, &raw.context("the message")?)?;
    }
    let attempts = sink.attempts();
    ensure!(attempts[0].message == attempts[1].message, "the second attempt differs");

    // Codes, and the receipt of the opening.
    let id = place.send(&[BOB], &Mail::new(&[BOB], "case-notify codes").bytes())?;
    let notice = sink.wait_for(&|m| m.contains(&format!("X-Sealpost-Deposit: {id}")))?;
    Door::new(&demo, &link_in(&notice)?)?.open_by(|fits| sink.wait_for(fits))?;
    let code = sink.wait_for(&|m| code_in(m).is_ok())?;
    receiver.accepts("code", code.as_bytes())?;
    let receipt = sink.wait_for(&|m| m.contains("\r\nTo: alice@sealpost.test\r\n") && m.contains(&id))?;
    receiver.accepts("receipt", receipt.as_bytes())
}

#[test]
fn changes_on_the_way_are_noticed_and_pass_is_left_alone() -> Result<()> {
    let sink = Sink::start(None)?;
    let demo = start(&sink)?;
    let (receiver, place) = (Receiver::new(&demo)?, Place::new(&demo, "alice")?);
    let id = place.send(&[BOB], &Mail::new(&[BOB], "case-trace").text("Un texte.\r\n").bytes())?;
    let message = sink.wait_for(&|m| m.contains(&id))?;
    receiver.accepts("untouched", message.as_bytes())?;
    receiver.accepts("with a trace field", format!("Received: from x by y; z\r\n{message}").as_bytes())?;
    for (what, changed) in [
        ("another body", message.replace("Un texte.", "Un texto.")),
        ("another subject", message.replace("Subject: case-trace", "Subject: case-trace 2")),
        ("a second From", format!("From: x@example.test\r\n{message}")),
        ("an added Reply-To", format!("Reply-To: x@example.test\r\n{message}")),
        ("an added line", format!("{message}x\r\n")),
    ] {
        ensure!(changed != message, "{what}: nothing was changed");
        receiver.refuses(what, changed.as_bytes())?;
    }
    let mail = Mail::new(&[BOB], "case-pass").header("X-Probe: unchanged");
    place.send(&[BOB], &mail.bytes())?;
    wait_until("the message that passes", || Ok(sink.accepted().iter().any(|a| a.message == mail.bytes())))
}
