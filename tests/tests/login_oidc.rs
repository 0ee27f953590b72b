//! People who send log in at a provider: found by an address that it verified, then by the subject bound to them.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::door::Page;
use sealpost_tests::provider::{Provider, away, back};
use sealpost_tests::{Demo, Door};
use serde_json::json;

fn begin(demo: &Demo) -> Result<(Door, Page)> {
    let door = Door::new(demo, &format!("{}/login", demo.url()))?;
    let login = door.get("")?;
    ensure!(login.text().contains("/login/oidc/maison"), "the login does not offer it: {}", login.text());
    let enter = door.get("/oidc/maison")?;
    ensure!(enter.status == 200 && enter.text().contains("La Maison"), "{}", enter.text());
    let left = door.post("/oidc/maison", &enter, &[])?;
    Ok((door, left))
}

fn log_in(demo: &Demo) -> Result<Page> {
    let (door, left) = begin(demo)?;
    back(&door, &away(&left)?)
}

#[test]
fn an_address_binds_once_and_the_subject_counts_from_then_on() -> Result<()> {
    let alice =
        |verified: bool| json!({"email": "alice@sealpost.test", "email_verified": verified, "name": "Alice"});
    let provider = Provider::start(alice(false))?;
    let more = "label = \"La Maison\"\nlogin = true\nacr = [\"eidas1\"]";
    let section = provider.section("maison", "generic", more);
    let demo = Demo::start_edited(DemoOptions::default(), |text| text + &section)?;
    // An address that the provider has not verified is nobody's.
    let page = log_in(&demo)?;
    ensure!(page.status == 403 && page.text().contains("Aucun compte n’est lié"), "{}", page.text());
    provider.is(json!({"email": "nobody@sealpost.test", "email_verified": true}));
    assert_eq!(log_in(&demo)?.status, 403);
    provider.is(alice(true));
    let page = log_in(&demo)?;
    ensure!(page.status == 200 && page.text().contains("Alice Martin"), "{}", page.text());
    // The address has changed hands there: the subject stays whose it was.
    provider.is(json!({"email": "carol@sealpost.test", "email_verified": true}));
    let page = log_in(&demo)?;
    ensure!(page.text().contains("Alice Martin"), "{}", page.text());
    let bound = demo.sealpost(&["journal", "search", "--event", "AccountChanged"])?;
    assert_eq!(bound.matches("provider-bound").count(), 1);
    let logins = demo.sealpost(&["journal", "search", "--event", "AccountLogin"])?;
    assert_eq!(logins.matches("oidc:maison").count(), 2, "{logins}");
    // A disabled account is closed by this way too.
    demo.sealpost(&["user", "disable", "alice@sealpost.test"])?;
    assert_eq!(log_in(&demo)?.status, 403);
    Ok(())
}

#[test]
fn a_provider_that_is_no_way_in_is_none() -> Result<()> {
    let provider = Provider::start(json!({}))?;
    let section = provider.section("maison", "generic", "");
    let demo = Demo::start_edited(DemoOptions::default(), |text| text + &section)?;
    let door = Door::new(&demo, &format!("{}/login", demo.url()))?;
    ensure!(!door.get("")?.text().contains("oidc"), "offered at the login");
    assert_eq!(door.get("/oidc/maison")?.status, 404);
    assert_eq!(door.request("/oidc/other/callback?state=x", &[])?.status, 404);
    door.request("/oidc/maison/callback?error=access_denied", &[]).context("a callback without state")?;
    Ok(())
}
