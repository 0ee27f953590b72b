//! Difficult messages, and beside each the structure it is to have (`corpus/NAME.eml`, `corpus/NAME.json`).
//!
//! After a deliberate change: `SEALPOST_BLESS=1 cargo nextest run -p sealpost-message corpus`, then read
//! the difference.
// The lint spares test functions only, not their helpers.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod common;

use common::{Walked, walk};
use sealpost_message::{Limits, Node, NodeBody, Role, Structure};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

fn corpus() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut messages: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "eml")).collect();
    messages.sort();
    messages
}

#[test]
fn every_message_has_its_structure() {
    let bless = std::env::var_os("SEALPOST_BLESS").is_some();
    let mut wrong = Vec::new();
    let messages = corpus();
    assert!(messages.len() >= 60, "only {} messages", messages.len());
    for path in messages {
        let message = std::fs::read(&path).unwrap();
        let walked = walk(&message, &[usize::MAX], Limits::default()).unwrap();
        for sizes in [&[1usize][..], &[2, 3], &[7, 1, 64]] {
            let again = walk(&message, sizes, Limits::default()).unwrap();
            assert_eq!(again.structure, walked.structure, "{}", path.display());
            assert!(again.rebuild(sizes[0]) == message, "{} is not rebuilt", path.display());
        }
        let found = serde_json::to_string_pretty(&summary(&walked)).unwrap() + "\n";
        let expected = path.with_extension("json");
        if bless {
            std::fs::write(&expected, found).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != found {
            wrong.push(format!("{}: {found}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What matters, in a form that a person can check against the message.
fn summary(walked: &Walked) -> Value {
    let structure = &walked.structure;
    let mut out = Map::new();
    let top = serde_json::to_value(&structure.top).unwrap();
    let said = |v: &Value| !(v.is_null() || v == &json!([]) || v == &json!(""));
    let top: Map<_, _> = top.as_object().unwrap().clone().into_iter().filter(|(_, v)| said(v)).collect();
    out.insert("top".into(), Value::Object(top));
    let tree = (0..structure.nodes.len()).map(|i| line(structure, i)).collect::<Vec<_>>();
    out.insert("tree".into(), json!(tree));
    let contents: Map<_, _> = walked
        .parts
        .keys()
        .map(|n| {
            (
                n.to_string(),
                json!(String::from_utf8_lossy(&walked.content(*n, 5)).escape_default().to_string()),
            )
        })
        .collect();
    out.insert("contents".into(), Value::Object(contents));
    let flags = [
        ("author_signed", structure.author_signed),
        ("author_encrypted", structure.author_encrypted),
        ("is_report", structure.is_report),
        ("automatic", structure.automatic),
    ];
    out.insert("flags".into(), json!(flags.iter().filter(|f| f.1).map(|f| f.0).collect::<Vec<_>>()));
    if let Some(method) = &structure.calendar_method {
        out.insert("calendar_method".into(), json!(method));
    }
    Value::Object(out)
}

fn line(structure: &Structure, index: usize) -> String {
    let node = &structure.nodes[index];
    let depth = std::iter::successors(node.parent, |p| structure.nodes[*p as usize].parent).count();
    let mut words = vec![node.info.media_type.clone()];
    match &node.body {
        NodeBody::Multipart => {}
        NodeBody::Text { raw_len } => words.push(format!("{} in skeleton, {raw_len} raw", role(node))),
        NodeBody::Stored(stored) => {
            let coding = serde_json::to_string(&stored.coding).unwrap();
            words.push(format!("{} part {}, {} stored as {coding}", role(node), stored.n, stored.stored_len));
        }
    }
    words.extend(node.info.filename.iter().map(|name| format!("named {name:?}")));
    words.extend(node.info.content_id.iter().map(|id| format!("cid {id}")));
    words.extend(node.info.charset.iter().map(|charset| format!("in {charset}")));
    words.extend(node.info.parameters.iter().map(|(name, value)| format!("{name}={value}")));
    words.extend(node.author_signed.then(|| "under signature".to_owned()));
    format!("{}{}", "  ".repeat(depth), words.join(" · "))
}

fn role(node: &Node) -> &'static str {
    match node.info.role {
        Role::Body => "body",
        Role::Inline => "inline",
        Role::Attachment => "attachment",
        Role::Calendar => "calendar",
        Role::VCard => "vcard",
        Role::Signature => "signature",
        Role::Report => "report",
        Role::Filler => "filler",
    }
}
