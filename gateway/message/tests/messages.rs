//! Five hundred difficult messages, each with what is expected of it (`corpus/made/NAME.eml`, `NAME.tree`).
//!
//! The expectations are written by `tests/tools/mime_corpus`, which knows what it put into a message; nothing
//! in them was asked of this crate. Structure, decoded contents and the way back are checked, and that none
//! of it depends on how the bytes arrive.
// The lint spares test functions only, not their helpers.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod common;

use common::{Walked, decoded, texts, walk};
use sealpost_envelope::Digests;
use sealpost_message::{Limits, Mailbox, Node, NodeBody, Transfer, charset};
use std::collections::BTreeMap;
use std::path::Path;

/// What stands in a `.tree`.
struct Expected {
    notes: BTreeMap<String, String>,
    lines: Vec<String>,
}

impl Expected {
    fn read(text: &str) -> Self {
        let (notes, lines) = text.split_once("\n\n").expect("a blank line after the notes");
        let note =
            |line: &str| line.split_once(':').map(|(k, v)| (k.to_owned(), v.trim().to_owned())).unwrap();
        Self { notes: notes.lines().map(note).collect(), lines: lines.lines().map(str::to_owned).collect() }
    }
    fn note(&self, name: &str) -> Option<&str> {
        self.notes.get(name).map(String::as_str)
    }
}

#[test]
fn each_is_read_as_expected_and_comes_back() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/made");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "eml"));
    files.sort();
    assert!(files.len() >= 500, "only {} messages", files.len());
    let mut wrong = Vec::new();
    for path in &files {
        let message = std::fs::read(path).unwrap();
        let expected = Expected::read(&std::fs::read_to_string(path.with_extension("tree")).unwrap());
        let walked = walk(&message, &[usize::MAX], Limits::default()).unwrap();
        wrong.extend(differences(&walked, &expected).map(|d| format!("{}: {d}", path.display())));
        for sizes in [&[1usize][..], &[2, 3], &[7, 1, 64], &[4096]] {
            // Byte by byte is for messages of usual size.
            if message.len() > 40_000 && sizes[0] < 7 {
                continue;
            }
            let again = walk(&message, sizes, Limits::default()).unwrap();
            if again.structure != walked.structure || again.parts != walked.parts {
                wrong.push(format!("{}: read otherwise in pieces of {sizes:?}", path.display()));
            }
            if again.rebuild(sizes[0].max(3)) != message {
                wrong.push(format!("{}: not rebuilt in pieces of {sizes:?}", path.display()));
            }
        }
    }
    println!("{} messages", files.len());
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
}

fn differences<'a>(walked: &'a Walked, expected: &'a Expected) -> impl Iterator<Item = String> + 'a {
    let tree = lines(walked, expected);
    let compare = |what: &str, want: &str, got: &str| {
        (want != got).then(|| format!("{what}\n   expected {want}\n   found    {got}"))
    };
    let mut out: Vec<String> = Vec::new();
    out.extend(compare("tree", &expected.lines.join("\n            "), &tree.join("\n            ")));
    let structure = &walked.structure;
    let flags = [
        (structure.author_encrypted, "author-encrypted"),
        (structure.author_signed, "author-signed"),
        (structure.automatic, "automatic"),
        (structure.is_report, "is-report"),
    ];
    let flags: Vec<_> = flags.iter().filter(|f| f.0).map(|f| f.1).collect();
    out.extend(compare("flags", expected.note("flags").unwrap_or(""), &flags.join(" ")));
    let method = structure.calendar_method.as_deref().unwrap_or("");
    out.extend(compare("method", expected.note("method").unwrap_or(""), method));
    let top = &structure.top;
    let date = top.date.map_or("none".to_owned(), |d| d.to_string());
    for (name, got) in [
        ("subject", top.subject.clone()),
        ("from", mailboxes(&top.from)),
        ("to", mailboxes(&top.to)),
        ("repeated", top.repeated.join(" ")),
        ("date", date),
    ] {
        out.extend(expected.note(name).and_then(|want| compare(name, want, &got)));
    }
    out.into_iter()
}

fn mailboxes(list: &[Mailbox]) -> String {
    let one = |m: &Mailbox| match &m.name {
        Some(name) => format!("{name} <{}>", m.address),
        None => m.address.clone(),
    };
    list.iter().map(one).collect::<Vec<_>>().join(" | ")
}

/// The tree as the generator writes it.
fn lines(walked: &Walked, expected: &Expected) -> Vec<String> {
    let nodes = &walked.structure.nodes;
    let texts = texts(&walked.skeleton);
    let mut out = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let depth = std::iter::successors(node.parent, |p| nodes[*p as usize].parent).count();
        let content = match &node.body {
            NodeBody::Multipart => None,
            NodeBody::Text { .. } => Some(decoded(&texts[&(index as u32)], node.info.transfer)),
            NodeBody::Stored(stored) => Some(walked.content(stored.n, 4096)),
        };
        let mut line = format!("{}{}", "  ".repeat(depth), node.info.media_type);
        if let Some(content) = content {
            let shown = expected.lines.get(index).is_some_and(|l| l.contains(" text=\""));
            line.push_str(&leaf(node, &content, shown));
        }
        out.push(line);
    }
    out
}

fn leaf(node: &Node, content: &[u8], shown: bool) -> String {
    let json = |value: &str| serde_json::to_string(value).unwrap();
    let info = &node.info;
    let mut out = format!(" {}", word(info.role));
    out.extend(info.filename.iter().map(|name| format!(" name={}", json(name))));
    out.extend(info.content_id.iter().map(|id| format!(" cid={id}")));
    out.extend(info.charset.iter().map(|label| format!(" charset={label}")));
    if info.transfer != Transfer::SevenBit {
        out.push_str(&format!(" cte={}", word(info.transfer)));
    }
    if node.author_signed {
        out.push_str(" signed");
    }
    out.push_str(&format!(" size={} sha256={}", content.len(), Digests::of(content).sha256));
    if shown {
        out.push_str(&format!(" text={}", json(&charset::decode(info.charset.as_deref(), content))));
    }
    out
}

/// The serialised word of an enumeration.
fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).unwrap().as_str().unwrap().to_owned()
}
