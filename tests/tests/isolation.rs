//! Nothing of one organisation or sender reaches another: every address of the web server and the API, every folder,
//! search and export, asked by everybody about what is somebody else's.
//!
//! The addresses are read from the sources (`routes.rs`) and compared with a table (`routes.txt`): a new one without a
//! line there fails.

mod routes;
mod world;

use anyhow::{Result, anyhow, ensure};
use routes::{Ask, served, table};
use sealpost_tests::tools::{must, script};
use std::collections::BTreeSet;
use world::{Person, World};

#[test]
fn every_address_has_its_line() -> Result<()> {
    let ((told, _), served) = (table()?, served()?);
    ensure!(served.len() > 90, "the routers were not found: {}", served.len());
    let missing: Vec<_> = served.iter().filter(|(a, m)| told.get(*a) != Some(m)).collect();
    let gone: Vec<_> = told.iter().filter(|(a, _)| !served.contains_key(*a)).collect();
    ensure!(missing.is_empty() && gone.is_empty(), "served: {missing:#?}\nin the table only: {gone:#?}");
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway/web/assets/openapi.json"))?;
    let described: serde_json::Value = serde_json::from_str(&text)?;
    for address in described["paths"].as_object().into_iter().flatten().map(|(address, _)| address) {
        let whole = if address.starts_with("/api") { address.clone() } else { format!("/api/v1{address}") };
        let shape = |a: &str| {
            a.split('/').map(|s| if s.starts_with('{') { "{}" } else { s }.to_owned()).collect::<Vec<_>>()
        };
        let fits = |a: &String| {
            let (have, want) = (shape(a), shape(&whole));
            have.len() == want.len() && have.iter().zip(&want).all(|(h, w)| h == w || h == "{}")
        };
        ensure!(served.keys().any(fits), "{whole} is described, and not served");
    }
    Ok(())
}

#[test]
fn nothing_of_one_reaches_another() -> Result<()> {
    let world = World::new()?;
    let (_, asks) = table()?;
    let before = world.everything()?;
    std::thread::scope(|scope| {
        let (world, asks) = (&world, &asks);
        let all = |viewer| {
            move || world.strangers(viewer).try_for_each(|other| judge_all(world, viewer, other, asks))
        };
        let asking: Vec<_> = world.viewers().map(|viewer| scope.spawn(all(viewer))).collect();
        asking.into_iter().try_for_each(|one| one.join().map_err(|_| anyhow!("a viewer panicked"))?)
    })?;
    let after = world.everything()?;
    ensure!(before == after, "somebody changed what is not theirs:\n{before}\n---\n{after}");

    // Folders: whatever a login can list or name.
    let (port, ca) =
        (world.demo.about.ports.imaps.to_string(), world.demo.about.ca.to_string_lossy().into_owned());
    for viewer in &world.people {
        let mut args = vec![
            script("folders.py"),
            port.clone(),
            ca.clone(),
            viewer.login.clone(),
            viewer.mail_password.clone(),
        ];
        for other in world.strangers(viewer) {
            args.extend([
                format!("Other Users/{}", other.login),
                format!("#user/{}/Sent", other.login),
                other.login.clone(),
            ]);
        }
        let read = must("python3", &args.iter().map(String::as_str).collect::<Vec<_>>())?;
        for other in world.strangers(viewer) {
            world.find_nothing(viewer, other, "IMAP", "", &read)?;
        }
        ensure!(
            !viewer.sends() || read.contains(&viewer.marks[0]),
            "{} does not read their own",
            viewer.login
        );
    }

    // What must be there is there: the test would otherwise pass on a server that shows nothing.
    for viewer in world.viewers().filter(|v| v.sends()) {
        let list = viewer.browser()?.get("/deposits")?.text();
        ensure!(list.contains(&viewer.marks[0]), "{} does not see their own deposit:\n{list}", viewer.login);
    }
    Ok(())
}

fn judge_all(world: &World, viewer: &Person, other: &Person, asks: &[Ask]) -> Result<()> {
    asks.iter().try_for_each(|ask| judge(world, viewer, other, ask))
}

/// Asks, and looks at the answer.
fn judge(world: &World, viewer: &Person, other: &Person, ask: &Ask) -> Result<()> {
    let (path, body) = (other.filled(&ask.path), other.filled(&ask.body));
    let (status, answer) = viewer.ask(&ask.method, &path, &body)?;
    let what = format!("{} {path} {body}", ask.method);
    world.find_nothing(viewer, other, &what, &format!("{path} {body}"), &answer)?;
    ensure!(status < 500, "{} asks {what}: {status}\n{answer}", viewer.login);
    // What is named by its own identifier does not exist for others.
    let names: BTreeSet<&str> =
        ["{deposit}", "{reference}", "{account}", "{queue}", "{upload}", "{request}"].into();
    let named = |text: &str| names.iter().any(|name| text.contains(name));
    // A list may be asked for anything; the page for writing is shown again without what is not its writer's.
    let by_name = named(&ask.path) && !ask.path.contains('?') || named(&ask.body) && ask.path != "/compose";
    let refused = matches!(status, 303 | 400 | 401 | 403 | 404 | 405 | 409 | 422);
    let done = by_name && (200..300).contains(&status);
    // The administrators' lists come back with a word that nothing was changed.
    let nothing =
        status == 200 && ["Rien n’a été changé", "Nothing was changed"].iter().any(|w| answer.contains(w));
    ensure!(!done || nothing, "{} reaches {what}: {status}\n{answer}", viewer.login);
    ensure!(!by_name || refused || nothing, "{} asks {what}: {status}\n{answer}", viewer.login);
    Ok(())
}
