//! Pro Santé Connect, played by the npm package `oidc-provider`: on its own site, and on a telephone (CIBA).

use anyhow::{Context, Result, ensure};
use sealpost_tests::axe::judged;
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{link_in, must, wait_for_deposit};
use sealpost_tests::{Demo, Door, Mail};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

const BOB: &str = "bob@example.test";
const SECRET: &str = "un secret: avec des signes %+ et assez long";

/// The provider's process.
struct Provider {
    child: Child,
    issuer: String,
    /// Kept open: it ends when nobody reads what it says.
    _output: BufReader<ChildStdout>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Provider {
    fn start(demo: &Demo) -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/oidc");
        let task = json!({
            "redirect": [format!("{}/oidc/psc/callback", demo.url())],
            "after_logout": [format!("{}/", demo.url())],
            "secret": SECRET,
        });
        let mut child = Command::new("node")
            .arg("provider.mjs")
            .arg(task.to_string())
            .current_dir(&folder)
            .stdout(Stdio::piped())
            .spawn()
            .context("node")?;
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().context("its output")?);
        output.read_line(&mut line)?;
        ensure!(line.starts_with("http://127.0.0.1:"), "the provider says {line:?}; is `npm ci` done?");
        Ok(Self { child, issuer: line.trim().to_owned(), _output: output })
    }
    fn telephone(&self, answer: &str) -> String {
        format!("{}/telephone/{answer}", self.issuer)
    }
}

/// A message that opens with Pro Santé Connect alone; where it waits.
fn scene() -> Result<(Demo, Provider, String, String)> {
    let mut demo = Demo::start(DemoOptions::default())?;
    let provider = Provider::start(&demo)?;
    let more = format!(
        "\n[[gate.oidc]]\nname = \"psc\"\npreset = \"psc\"\nissuer = \"{}\"\nclient_id = \"sealpost\"\n\
         client_secret = \"{SECRET}\"\nciba = true\ninsecure_loopback = true\n\
         \n[[rule]]\nname = \"with the e-CPS\"\nwhen = 'recipient.domain == \"example.test\"'\n\
         treatment = \"notify\"\ngate = [\"oidc:psc\"]\nidentity = \"rpps:99700218896\"\n",
        provider.issuer
    );
    demo.terminate()?;
    demo.edit(|text| text + &more)?;
    demo.restart()?;
    let mail = Mail::new(&[BOB], "Votre bilan").text("Bonjour,\r\n\r\nVoici votre bilan.\r\n");
    let deposit = Place::new(&demo, "alice")?.send(&[BOB], &mail.bytes())?;
    let link = link_in(&wait_for_deposit(&demo, BOB, &deposit)?)?;
    Ok((demo, provider, deposit, link))
}

/// The journal's entries about the deposit of that name.
fn events(demo: &Demo, deposit: &str, name: &str) -> Result<Vec<Value>> {
    let lines = demo.sealpost(&["--json", "journal", "search", "--deposit", deposit])?;
    let all = lines.lines().filter_map(|l| Some(serde_json::from_str::<Value>(l).ok()?["entry"].clone()));
    Ok(all.filter(|e| e["event"] == name).collect())
}

#[test]
fn a_professional_signs_in_at_the_provider_and_leaves_there_too() -> Result<()> {
    let (demo, provider, deposit, link) = scene()?;
    let seen = judged(
        &demo,
        "oidc.py",
        json!({"link": link, "method": "oidc:psc", "javascript": true, "language": "fr", "logout": true}),
    )?;
    assert_eq!(seen["ready"], "Votre message est prêt");
    ensure!(seen["body"].as_str().is_some_and(|b| b.contains("Voici votre bilan")), "{seen}");
    assert_eq!(seen["left"], format!("{}/session/end", provider.issuer));
    let passed = events(&demo, &deposit, "GatePassed")?;
    let detail = &passed.first().context("no GatePassed")?["detail"];
    assert_eq!((&detail["method"], &detail["level"]), (&json!("oidc:psc"), &json!("substantial")));
    // Who it was stands in the evidence, in the clear only for whom the proof is exported to.
    let proof = demo.dir.join("p.asice");
    demo.sealpost(&["proof", "export", &deposit, "-o", &proof.to_string_lossy(), "--wait"])?;
    let folder = demo.dir.join("proof");
    must("unzip", &["-q", &proof.to_string_lossy(), "-d", &folder.to_string_lossy()])?;
    let found = must("grep", &["-rl", "rpps:99700218896", &folder.join("evidence").to_string_lossy()])?;
    ensure!(found.contains("ConsignmentAcceptance") || found.contains("ContentConsignment"), "{found}");
    Ok(())
}

#[test]
fn a_professional_confirms_on_a_telephone_without_scripts_here() -> Result<()> {
    let (demo, provider, _, link) = scene()?;
    let seen = judged(
        &demo,
        "oidc.py",
        json!({
            "link": link, "method": "oidc:psc", "javascript": false, "language": "en",
            // As it stands on many documents: without the type digit, in groups.
            "identifier": "997 0021 8896", "telephone": provider.telephone("confirm"),
        }),
    )?;
    assert_eq!(seen["binding"], seen["rang"]);
    assert_eq!(seen["ready"], "Your message is ready");
    ensure!(seen["body"].as_str().is_some_and(|b| b.contains("Voici votre bilan")), "{seen}");
    Ok(())
}

#[test]
fn what_is_refused_on_the_telephone_opens_nothing() -> Result<()> {
    let (demo, provider, deposit, link) = scene()?;
    let door = Door::new(&demo, &link)?;
    let choose = door.post("/gate/oidc:psc", &door.get("")?, &[])?;
    // What can be no identifier makes nobody's telephone ring.
    let again = door.post("/oidc/psc/ring", &choose, &[("identifier", "<script>")])?;
    ensure!(again.status == 400 && again.text().contains("identifier-hint"), "{}", again.text());
    let wait = door.post("/oidc/psc/ring", &choose, &[("identifier", "899700218896")])?;
    ensure!(wait.status == 200 && wait.text().contains("class=\"binding\""), "{}", wait.text());
    let path = wait
        .text()
        .split("action=\"")
        .nth(1)
        .context("no form")?
        .split('"')
        .next()
        .unwrap_or_default()
        .to_owned();
    let refresh = wait.text().contains("http-equiv=\"refresh\"");
    ensure!(refresh, "it does not update itself");
    must("curl", &["-sS", "--noproxy", "*", "-f", "-X", "POST", &provider.telephone("refuse")])?;
    // Another browser has no part in it.
    let other = Door::new(&demo, &link)?;
    assert_eq!(other.request(&path, &[])?.status, 403);
    sealpost_tests::tools::wait_until("the refusal is seen", || Ok(door.request(&path, &[])?.status == 403))?;
    let page = door.request(&path, &[])?;
    ensure!(page.text().contains("La confirmation n’est pas venue"), "{}", page.text());
    assert_eq!(door.get("/files/1")?.status, 403);
    let failed = events(&demo, &deposit, "GateFailed")?;
    assert_eq!(failed.iter().map(|e| &e["detail"]["reason"]).collect::<Vec<_>>(), ["denied"]);
    // Nobody is told whether an identifier exists.
    let choose = door.post("/gate/oidc:psc", &door.get("")?, &[])?;
    let unknown = door.post("/oidc/psc/ring", &choose, &[("identifier", "810001234567")])?;
    ensure!(unknown.text().contains("La confirmation n’est pas venue"), "{}", unknown.text());
    Ok(())
}
