//! Sign-in at a provider that lies: each lie is refused, with its own reason in the journal, and nothing is opened.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::provider::{Lie, Provider, away, back, carry_on};
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{link_in, wait_for_deposit};
use sealpost_tests::{Demo, Door, Mail};
use serde_json::{Value, json};

const BOB: &str = "bob@example.test";
const RULE: &str = "\n[[rule]]\nname = \"with the e-CPS\"\nwhen = 'recipient.domain == \"example.test\"'\n\
                    treatment = \"notify\"\ngate = [\"oidc:psc\", \"oidc:other\"]\n";

fn professional() -> Value {
    json!({
        "SubjectNameID": "899700218896", "given_name": "ROBERT", "family_name": "SPECIALISTE",
        "otherIds": [{"identifiant": "899700218896", "origine": "RPPS", "qualite": 1}],
        "SubjectRole": ["10^1.2.250.1.213.1.1.5.5"], "authMode": "CARD",
    })
}

struct Scene {
    demo: Demo,
    provider: Provider,
    _other: Provider,
    deposit: String,
    link: String,
}

fn scene(rule: &str) -> Result<Scene> {
    let (provider, other) = (Provider::start(professional())?, Provider::start(professional())?);
    let more = provider.section("psc", "psc", "") + &other.section("other", "psc", "") + rule;
    let demo = Demo::start_edited(DemoOptions::default(), |text| text + &more)?;
    let mail = Mail::new(&[BOB], "Votre bilan").text("Bonjour,\r\n\r\nVoici votre bilan.\r\n");
    let deposit = Place::new(&demo, "alice")?.send(&[BOB], &mail.bytes())?;
    let link = link_in(&wait_for_deposit(&demo, BOB, &deposit)?)?;
    Ok(Scene { demo, provider, _other: other, deposit, link })
}

/// From the landing page to what the provider sends the browser back to.
fn to_provider(door: &Door, method: &str) -> Result<String> {
    let landing = door.get("")?;
    ensure!(landing.status == 200, "{}", landing.text());
    let page = door.post(&format!("/gate/{method}"), &landing, &[])?;
    ensure!(page.status == 200, "{}", page.text());
    away(&page)
}

/// Reasons of the failures that the journal holds of the deposit, in order.
fn reasons(scene: &Scene) -> Result<Vec<String>> {
    let lines = scene.demo.sealpost(&["--json", "journal", "search", "--deposit", &scene.deposit])?;
    let entries = lines.lines().filter_map(|l| Some(serde_json::from_str::<Value>(l).ok()?["entry"].clone()));
    let mut failed: Vec<(String, String)> = entries
        .filter(|e| e["event"] == "GateFailed")
        .map(|e| {
            let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
            (text(&e["time"]), text(&e["detail"]["reason"]))
        })
        .collect();
    failed.sort();
    Ok(failed.into_iter().map(|(_, reason)| reason).collect())
}

#[test]
fn every_lie_has_its_reason_in_the_journal() -> Result<()> {
    let scene = scene(RULE)?;
    let mut expected = Vec::new();
    for (lie, reason) in [
        (Lie::Issuer, "issuer"),
        (Lie::Audience, "audience"),
        (Lie::Party, "audience"),
        (Lie::Nonce, "nonce"),
        (Lie::NoNonce, "nonce"),
        (Lie::Expired, "token-expired"),
        (Lie::Future, "token-times"),
        (Lie::Level, "level"),
        (Lie::AccessTokenHash, "access-token-hash"),
        (Lie::AlgNone, "algorithm"),
        (Lie::Hs256, "algorithm"),
        (Lie::UnknownKey, "unknown-key"),
        (Lie::SwappedKeys, "signature"),
        (Lie::BadSignature, "signature"),
        (Lie::Subject, "subject"),
        (Lie::NoIdentity, "identity-missing"),
        (Lie::Code, "code"),
        (Lie::AccessDenied, "denied"),
        (Lie::IssuerInAnswer, "mixed-up"),
        (Lie::NoIssuerInAnswer, "mixed-up"),
    ] {
        scene.provider.lie(lie);
        let door = Door::new(&scene.demo, &scene.link)?;
        let page = back(&door, &to_provider(&door, "oidc:psc")?)?;
        ensure!(page.status == 403, "{lie:?}: {}\n{}", page.status, page.text());
        ensure!(door.get("/files/1")?.status == 403, "{lie:?}");
        expected.push(reason);
        assert_eq!(reasons(&scene)?, expected, "{lie:?}");
    }
    Ok(())
}

#[test]
fn a_state_serves_once_in_its_browser_at_its_provider() -> Result<()> {
    let scene = scene(RULE)?;
    // Of another request: nobody knows whose, so that nothing is journaled about this deposit.
    scene.provider.lie(Lie::State);
    let door = Door::new(&scene.demo, &scene.link)?;
    assert_eq!(back(&door, &to_provider(&door, "oidc:psc")?)?.status, 403);
    assert_eq!(reasons(&scene)?, Vec::<String>::new());
    scene.provider.lie(Lie::None);

    // Brought by another browser, where somebody prepared the link.
    let victim = Door::new(&scene.demo, &scene.link)?;
    victim.get("")?;
    assert_eq!(back(&victim, &to_provider(&door, "oidc:psc")?)?.status, 403);
    // At the callback of another provider.
    let callback = to_provider(&door, "oidc:psc")?;
    assert_eq!(back(&door, &callback.replace("/oidc/psc/", "/oidc/other/"))?.status, 403);
    // GET alone changes nothing: asked for three times, posted once, it opens; posted again, it does not.
    let callback = to_provider(&door, "oidc:psc")?;
    let path = callback.strip_prefix(&door.url("")).context("ours")?;
    let pages = [door.request(path, &[])?, door.request(path, &[])?, door.request(path, &[])?];
    let ready = carry_on(&door, path, &pages[0])?;
    ensure!(ready.status == 200 && ready.text().contains("/open"), "{}", ready.text());
    let again = carry_on(&door, path, &pages[1])?;
    assert_eq!(again.status, 403);
    // Without the form's secret, as another site would post it.
    let forged =
        door.request("/oidc/psc/callback", &["--data-urlencode", "state=x", "--data-urlencode", "csrf=y"])?;
    assert_eq!(forged.status, 403);
    assert_eq!(reasons(&scene)?, ["other-browser", "mixed-up", "state-replayed"]);
    let content = door.post("/open", &ready, &[])?;
    ensure!(content.text().contains("Voici votre bilan"), "{}", content.text());
    Ok(())
}

#[test]
fn a_rule_that_names_somebody_else_refuses() -> Result<()> {
    for (identity, status) in [("rpps:99700218896", 200), ("rpps:10001234567", 403)] {
        let scene = scene(&format!("{RULE}identity = \"{identity}\"\n"))?;
        let door = Door::new(&scene.demo, &scene.link)?;
        let page = back(&door, &to_provider(&door, "oidc:psc")?)?;
        assert_eq!(page.status, status, "{identity}: {}", page.text());
    }
    Ok(())
}
