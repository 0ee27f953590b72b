//! The documentation names files that exist: `docs/flow.md` matches the code.

use std::path::{Path, PathBuf};

/// Folders that the documents abbreviate.
const ROOTS: [&str; 4] = ["", "gateway", "gateway/src", "gateway/message/src"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn named_files(text: &str) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(|t| t.contains('/') && (t.ends_with(".rs") || t.ends_with('/') || t.ends_with(".md")))
        .map(|t| t.split('#').next().unwrap_or(t).to_owned())
        .collect()
}

#[test]
fn flow_names_files_that_exist() {
    let root = repository();
    let text = std::fs::read_to_string(root.join("docs/flow.md")).expect("docs/flow.md");
    let files = named_files(&text);
    assert!(files.len() > 40, "the document names its files: {}", files.len());
    let missing: Vec<_> =
        files.iter().filter(|f| ROOTS.iter().all(|r| !root.join(r).join(f).exists())).collect();
    assert!(missing.is_empty(), "docs/flow.md names what is not there: {missing:?}");
}

#[test]
fn flow_tells_every_stage() {
    let root = repository();
    let text = std::fs::read_to_string(root.join("docs/flow.md")).expect("docs/flow.md");
    for entry in std::fs::read_dir(root.join("gateway/src/pipeline")).expect("the pipeline") {
        let name = entry.expect("an entry").file_name().into_string().expect("a plain name");
        let told = text.contains(&format!("pipeline/{name}"))
            || ["facts.rs", "meta.rs", "mod.rs"].contains(&name.as_str());
        assert!(told, "docs/flow.md does not tell what pipeline/{name} does");
    }
}

/// The RFCs that sources under `folder` name, with the file.
fn rfcs_in(folder: &Path, found: &mut std::collections::BTreeMap<String, PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rfcs_in(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source");
            for after in text.split("RFC ").skip(1) {
                let number: String = after.chars().take_while(char::is_ascii_digit).collect();
                if number.len() >= 3 {
                    found.entry(number).or_insert_with(|| path.clone());
                }
            }
        }
    }
}

#[test]
fn standards_index_every_rfc_of_the_code() {
    let root = repository();
    let index = std::fs::read_to_string(root.join("docs/standards.md")).expect("docs/standards.md");
    let mut found = std::collections::BTreeMap::new();
    for folder in ["certs/src", "policy/src", "gateway"] {
        rfcs_in(&root.join(folder), &mut found);
    }
    assert!(found.len() > 60, "the code names its RFCs: {}", found.len());
    let missing: Vec<_> =
        found.iter().filter(|(number, _)| !index.contains(&format!("| RFC {number} |"))).collect();
    assert!(missing.is_empty(), "docs/standards.md does not index {missing:?}");
    let files = named_files(&index);
    let gone: Vec<_> = files.iter().filter(|f| !root.join(f).exists()).collect();
    assert!(gone.is_empty(), "docs/standards.md names what is not there: {gone:?}");
}

#[test]
fn features_name_files_that_exist_and_miss_no_number() {
    let root = repository();
    let text = std::fs::read_to_string(root.join("docs/features.md")).expect("docs/features.md");
    for n in 1..=57 {
        assert!(text.contains(&format!("| F{n:02} |")), "docs/features.md does not speak of F{n:02}");
    }
    let rows =
        text.lines().filter(|l| l.starts_with("| ") && !l.starts_with("| no.") && !l.starts_with("| what"));
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let shown = cells.last().copied().unwrap_or_default();
        assert!(shown == "not yet" || shown.contains(".rs`"), "no test and no \"not yet\": {row}");
        let named = row.split('`').skip(1).step_by(2).filter(|t| t.contains('/') && !t.starts_with('/'));
        for file in named.filter(|t| t.contains('.') || t.ends_with('/')) {
            assert!(root.join(file).exists(), "docs/features.md names {file}, which is not there");
        }
    }
}

#[test]
fn no_file_of_tests_is_forgotten() {
    for folder in ["tests/tests", "gateway/store/tests"] {
        let folder = repository().join(folder);
        let main = std::fs::read_to_string(folder.join("main.rs")).expect("the list of files");
        for entry in std::fs::read_dir(&folder).expect("the folder") {
            let name = entry.expect("an entry").file_name().into_string().expect("a plain name");
            let Some(name) = name.strip_suffix(".rs").filter(|n| *n != "main") else { continue };
            assert!(main.lines().any(|l| l == format!("mod {name};")), "{name} is not in main.rs");
        }
    }
}
