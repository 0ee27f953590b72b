//! Runs the dialogues in `tests/dialogues/*.txt`, and each of them again cut at every place.
//!
//! Lines of a file:
//! `# key: value` configures; `C: ` and `S: ` are lines with CRLF; `C= ` and `S= ` are octets without, with
//! `\r`, `\n`, `\0` and `\xNN`; `! ` is an event. Input lines that follow one another arrive in one packet.
//! The other side's lines and the events up to the next input are what the session must do.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Role, Script};

fn scripts() -> Vec<Script> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dialogues");
    let mut paths: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|p| Script::read(p)).collect()
}

#[test]
fn dialogues_hold() {
    let scripts = scripts();
    assert!(scripts.len() >= 40, "only {} dialogues were found", scripts.len());
    let mut failed = Vec::new();
    for script in &scripts {
        let got = script.run(&[]);
        if got != script.expected() {
            failed.push(format!("{}\n--- expected\n{}\n--- got\n{}", script.name, script.expected(), got));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn dialogues_hold_octet_by_octet() {
    for script in scripts().iter().filter(|s| s.splits()) {
        assert_eq!(script.flat(&script.run(&[1])), script.flat(&script.expected()), "{}", script.name);
    }
}

#[test]
fn both_roles_are_covered() {
    let scripts = scripts();
    let clients = scripts.iter().filter(|s| s.role == Role::Client).count();
    assert!(clients >= 10 && scripts.len() - clients >= 25);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]
    #[test]
    fn dialogues_hold_however_packets_fall(cuts in proptest::collection::vec(1usize..40, 1..30)) {
        for script in scripts().iter().filter(|s| s.splits()) {
            proptest::prop_assert_eq!(
                script.flat(&script.run(&cuts)), script.flat(&script.expected()), "{}", &script.name
            );
        }
    }
}
