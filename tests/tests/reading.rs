//! Pages as they are read aloud: the accessibility tree of each lies in `target/a11y`, in reading order. And how much
//! a page weighs.

use anyhow::{Context, Result, ensure};
use sealpost_tests::Demo;
use sealpost_tests::browser::script;
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::Mail;
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{link_in, wait_for_deposit};
use serde_json::{Value, json};
use std::path::Path;

const BOB: &str = "bob@example.test";
/// Octets of a page with all it needs, fonts apart.
const WEIGHT: u64 = 100_000;

/// Where a line that begins like this stands.
fn at(lines: &[String], words: &str) -> Result<usize> {
    lines
        .iter()
        .position(|l| l.trim_start().starts_with(words))
        .with_context(|| format!("{words}: {lines:#?}"))
}

#[test]
fn pages_are_told_in_order_and_weigh_little() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let place = Place::new(&demo, "alice")?;
    let id = place.send(&[BOB], &Mail::new(&[BOB], "[secure] Bilan").bytes())?;
    let link = link_in(&wait_for_deposit(&demo, BOB, &id)?)?;
    let door = link.strip_prefix(&demo.url()).context("another host")?.to_owned();
    let alice = demo.account("alice");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/a11y");
    let pages = [
        ("compose", "/compose"),
        ("contacts", "/contacts"),
        ("invitations", "/invitations"),
        ("deposits", "/deposits"),
        ("journal", "/journal"),
        ("statistics", "/statistics"),
        ("landing", door.as_str()),
    ];
    let pages: Vec<Value> = pages.iter().map(|(name, path)| json!({ "name": name, "path": path })).collect();
    let seen = script(
        &demo,
        "tree.py",
        json!({
            "login": alice.login, "password": alice.password, "secret": alice.totp_secret, "pages": pages,
            "folder": folder,
        }),
    )?;
    for (name, page) in seen.as_object().context("no pages")? {
        let weight = page["weight"].as_u64().context("no weight")?;
        ensure!(weight < WEIGHT, "{name} weighs {weight} octets");
    }
    let lines =
        |name: &str| -> Result<Vec<String>> { Ok(serde_json::from_value(seen[name]["lines"].clone())?) };
    let compose = lines("compose")?;
    // Whom, what about, what; then how it is read; then what to do.
    let order = [
        "link “Aller au contenu”",
        "main",
        "heading “Nouveau message”",
        "combobox “Destinataires”",
        "combobox “Copie”",
        "combobox “Copie cachée”",
        "textbox “Objet”",
        "textbox “Message”",
        "button “Pièces jointes",
        "radio “Sécurisé”",
        "textbox “Mot de passe”",
        "button “Envoyer”",
    ];
    let places = order.iter().map(|words| at(&compose, words)).collect::<Result<Vec<_>>>()?;
    ensure!(places.is_sorted(), "{places:?} {compose:#?}");
    let landing = lines("landing")?;
    let order = [
        "link “Aller au contenu”",
        "main",
        "heading “Un message sécurisé vous attend”",
        "button “Envoyer le code",
    ];
    let places = order.iter().map(|words| at(&landing, words)).collect::<Result<Vec<_>>>()?;
    ensure!(places.is_sorted(), "{places:?} {landing:#?}");
    Ok(())
}
