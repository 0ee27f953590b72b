//! The administrator hears of trouble by mail: once when it begins, and when it is over.

use anyhow::{Result, ensure};
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::tools::{inbox, wait_for_mail};
use sealpost_tests::{Demo, Parsed};

const ADELE: &str = "adele@sealpost.test";

#[test]
fn a_full_disk_is_told_once_and_its_end_too() -> Result<()> {
    let limits = |config: String, reserve: &str| {
        config.replace("\n[limits]\n", &format!("\n[limits]\ndisk_reserve = {reserve}\n"))
    };
    let alerts = format!("\n[alerts]\nmail = \"{ADELE}\"\n");
    let mut plain = String::new();
    let mut demo = Demo::start_edited(DemoOptions::default(), |config| {
        plain = config.replace("\n[alerts]\n", &alerts);
        // No disk of ours has an exabyte.
        limits(plain.clone(), "1000000000000000000")
    })?;
    let told =
        |state: &str| wait_for_mail(&demo, "adele", &|m| m.contains("Auto-Submitted") && m.contains(state));
    let letter = Parsed::new(told("Alerte")?.as_bytes())?;
    ensure!(letter.header("Subject")?.contains("place manque"), "{}", letter.header("Subject")?);
    let text = letter.body("text/plain")?;
    ensure!(text.contains("limits.disk_reserve") && text.contains("MiB"), "{text}");
    demo.terminate()?;
    demo.restart()?;
    demo.terminate()?;
    demo.edit(|_| plain.clone())?;
    demo.restart()?;
    let told =
        |state: &str| wait_for_mail(&demo, "adele", &|m| m.contains("Auto-Submitted") && m.contains(state));
    told("tabli")?;
    // The restart in between told nothing new.
    ensure!(inbox(&demo, "adele")?.len() == 2, "she was told {} times", inbox(&demo, "adele")?.len());
    Ok(())
}
