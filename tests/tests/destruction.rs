//! The end of content, by the octet: after the week of its end no plaintext and no key is left anywhere, not in
//! database, log, blobs or an earlier backup; and that backup does not bring it back. The clock is moved by
//! libfaketime, for the real program.

use anyhow::{Context, Result, ensure};
use sealpost_tests::Demo;
use sealpost_tests::demo::DemoOptions;
use sealpost_tests::mail::{File, Mail};
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{must, wait_for, wait_for_deposit};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

const BOB: &str = "bob@example.test";
const SUBJECT: &str = "Zyklothym-Quarz-Ballade";
const BODY: &str = "Der-Phlox-wippt-am-Jugendstil-Balkon";
const FILE: &[u8] = b"Vom-Oelbaum-faellt-ein-Quittengelee-Xylophon";

/// Everything below a directory, searched for needles in the forms in which text may lie on a disk.
struct Search(Vec<(String, Vec<u8>)>);

impl Search {
    fn new() -> Self {
        Self(Vec::new())
    }
    fn octets(&mut self, what: &str, octets: &[u8]) {
        let hex: String = octets.iter().map(|b| format!("{b:02x}")).collect();
        let wide: Vec<u8> = octets.iter().flat_map(|b| [*b, 0]).collect();
        for (form, bytes) in [
            ("raw", octets.to_vec()),
            ("hex", hex.clone().into_bytes()),
            ("HEX", hex.to_uppercase().into_bytes()),
            ("UTF-16", wide),
        ] {
            self.0.push((format!("{what} ({form})"), bytes));
        }
        // What base64 makes of the middle does not depend on what stands before, but for three shifts.
        for shift in 0..3 {
            let mut padded = vec![b'x'; shift];
            padded.extend_from_slice(octets);
            let mut text = String::new();
            sealpost_tests::mail::base64_lines(&padded, &mut text);
            let text: String = text.chars().filter(|c| !c.is_whitespace() && *c != '=').collect();
            self.0.push((format!("{what} (base64, {shift})"), text.as_bytes()[4..text.len() - 4].to_vec()));
        }
    }
    fn found(&self, dirs: &[&Path]) -> Result<Vec<String>> {
        let (mut found, mut waiting) = (Vec::new(), Vec::<PathBuf>::new());
        waiting.extend(dirs.iter().map(|d| d.to_path_buf()));
        while let Some(path) = waiting.pop() {
            if path.is_dir() {
                waiting.extend(std::fs::read_dir(&path)?.flatten().map(|e| e.path()));
                continue;
            }
            let bytes = std::fs::read(&path)?;
            for (what, needle) in &self.0 {
                if contains(&bytes, needle) {
                    found.push(format!("{what} in {}", path.display()));
                }
            }
        }
        Ok(found)
    }
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    let Some((&first, _)) = needle.split_first() else { return false };
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|&b| b == first) {
        if bytes[from + at..].starts_with(needle) {
            return true;
        }
        from += at + 1;
    }
    false
}

/// Key files by name, with their octets.
fn keys(dir: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut keys = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        if name.starts_with("week-") {
            let text = std::fs::read_to_string(&path)?;
            let digits = text.lines().find_map(|l| l.strip_prefix("key: ")).context("a key")?;
            let raw: Result<Vec<u8>, _> =
                (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16)).collect();
            keys.push((name, raw?));
        }
    }
    Ok(keys)
}

fn events(demo: &Demo, id: &str) -> Result<Vec<String>> {
    let shown: Value = serde_json::from_str(&demo.sealpost(&["deposit", "show", id, "--json"])?)?;
    let events = shown["events"].as_array().context("events")?;
    Ok(events.iter().filter_map(|e| e["event"].as_str()).map(str::to_owned).collect())
}

#[test]
fn nothing_is_left() -> Result<()> {
    let mut demo = Demo::start(DemoOptions::default())?;
    let mut file = FILE.repeat(3000);
    file.extend_from_slice(b"end");
    let mail = Mail::new(&[BOB], SUBJECT).header("X-Sealpost-Treatment: link").text(BODY);
    let mail = mail.file(File::new("a.txt", "text/plain", file));
    let (mail, other) = (mail.bytes(), mail.header("X-Copy: second").bytes());
    let place = Place::new(&demo, "alice")?;
    let (gone, kept) = (place.send(&[BOB], &mail)?, place.send(&[BOB], &other)?);
    ensure!(gone != kept, "two deposits");
    wait_for_deposit(&demo, BOB, &gone)?;
    wait_for_deposit(&demo, BOB, &kept)?;
    demo.sealpost(&["deposit", "hold", &kept, "--reason", "affaire 7"])?;
    let away = tempfile::tempdir()?;
    let backup = away.path().join("backup");
    demo.sealpost(&["backup", &backup.display().to_string()])?;
    let week: String = {
        let database = demo.dir.join("data/sealpost.db").display().to_string();
        let sql = format!("SELECT key_week FROM deposits WHERE id = '{gone}'");
        must("sqlite3", &[&database, &sql])?.trim().to_owned()
    };
    let before = keys(&demo.dir.join("keys"))?;
    let (_, key) = before.iter().find(|(n, _)| *n == format!("week-{week}.key")).context("the week's key")?;

    let mut text = Search::new();
    for (what, needle) in [("subject", SUBJECT.as_bytes()), ("body", BODY.as_bytes()), ("file", FILE)] {
        text.octets(what, needle);
    }
    let planted = away.path().join("planted");
    std::fs::write(&planted, &mail)?;
    ensure!(text.found(&[&planted])?.len() >= 3, "the search finds what is there");
    let data = demo.dir.join("data");
    assert_eq!(text.found(&[&data, &backup])?, Vec::<String>::new(), "content is never there in the clear");
    let mut secret = Search::new();
    secret.octets("the week's key", key);
    ensure!(!secret.found(&[&demo.dir.join("keys")])?.is_empty(), "before its end the key is there");
    assert_eq!(secret.found(&[&data, &backup])?, Vec::<String>::new());

    // A hundred and ten days later the week is over, by a clock that nobody has vouched for: nothing ends.
    demo.move_clock("+110d")?;
    demo.restart()?;
    let doubts =
        |demo: &Demo| Ok(demo.log().contains("nothing is destroyed or ended until the clock is set right"));
    wait_for("the clock is doubted", Duration::from_secs(60), || doubts(&demo))?;
    let asked = demo.sealpost_raw(&["clock"])?;
    ensure!(asked.status.code() == Some(1), "{}", String::from_utf8_lossy(&asked.stdout));
    ensure!(demo.sealpost(&["check"])?.contains("warning  the clock says"), "check says so");
    let wrong = demo.sealpost_raw(&["clock", "--confirm", "2026-01-01"])?;
    ensure!(wrong.status.code() == Some(2), "{}", String::from_utf8_lossy(&wrong.stderr));
    ensure!(!events(&demo, &gone)?.iter().any(|e| e == "ContentDestroyed"), "nothing has ended");
    ensure!(demo.dir.join(format!("keys/week-{week}.key")).exists(), "the key is there");
    // It is right, says somebody who knows.
    demo.terminate()?;
    demo.confirm_clock()?;
    demo.restart()?;
    wait_for("the content ends", Duration::from_secs(60), || {
        Ok(events(&demo, &gone)?.iter().any(|e| e == "ContentDestroyed"))
    })?;
    ensure!(!events(&demo, &kept)?.iter().any(|e| e == "ContentDestroyed"), "the hold beats the end");
    let config = demo.dir.join("keys");
    wait_for("the key goes", Duration::from_secs(60), || {
        Ok(!config.join(format!("week-{week}.key")).exists())
    })?;
    assert_eq!(secret.found(&[&demo.dir, &backup])?, Vec::<String>::new(), "the key is nowhere any more");
    assert_eq!(text.found(&[&data, &backup])?, Vec::<String>::new());
    let blobs = std::fs::read_to_string(backup.join("blobs.txt"))?;
    ensure!(blobs.lines().count() >= 2, "the backup still has its octets, which are noise now: {blobs}");

    // The backup comes back, the content does not.
    demo.terminate()?;
    std::fs::remove_dir_all(&data)?;
    std::fs::create_dir(&data)?;
    let done = demo.sealpost(&["restore", &backup.display().to_string(), "--json"])?;
    let done: Value = serde_json::from_str(&done)?;
    ensure!(done["destroyed_again"].as_u64() >= Some(1), "{done}");
    ensure!(events(&demo, &gone)?.iter().any(|e| e == "ContentDestroyed"));
    assert_eq!(text.found(&[&data])?, Vec::<String>::new());
    let report: Value = serde_json::from_str(&demo.sealpost(&["journal", "verify", "--json"])?)?;
    assert_eq!(report["ok"], true, "{report}");
    Ok(())
}
