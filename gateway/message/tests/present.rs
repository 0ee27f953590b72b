//! Bodies of the corpus as the recipient's page shows them.
// The lint spares test functions only, not their helpers.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::{Walked, walk};
use sealpost_message::present::{BodySource, Collector, bodies, inline_part, render};
use sealpost_message::{Limits, SkeletonReader};

fn shown(walked: &Walked) -> Vec<String> {
    let chosen = bodies(&walked.structure);
    let (mut reader, mut collector) = (SkeletonReader::new(), Collector::new(&chosen));
    reader.push(&walked.skeleton);
    while let Some(record) = reader.next_record().unwrap() {
        collector.see(&record);
    }
    let picture = |cid: &str| inline_part(&walked.structure, cid).map(|n| format!("/m/t/files/{n}/view"));
    chosen
        .iter()
        .map(|body| {
            let content = match body.source {
                BodySource::Skeleton => collector.content(body.node).unwrap().to_vec(),
                BodySource::Part(n) => walked.content(n, 4096),
            };
            render(body, &content, false, &picture).html
        })
        .collect()
}

fn corpus(name: &str) -> Walked {
    let path = format!("{}/tests/corpus/{name}.eml", env!("CARGO_MANIFEST_DIR"));
    walk(&std::fs::read(path).unwrap(), &[usize::MAX], Limits::default()).unwrap()
}

#[test]
fn of_alternatives_the_html_with_its_picture() {
    assert_eq!(shown(&corpus("outlook-nested")), ["<img src=\"/m/t/files/1/view\"> café\n"]);
    assert_eq!(shown(&corpus("alternative")), ["<p>html</p>"]);
}

#[test]
fn all_texts_of_a_mixed_message() {
    let text = |t: &str| format!("<div class=\"mail-text\">{t}</div>");
    assert_eq!(shown(&corpus("text-file-and-footer")), [text("Hello."), text("list footer")]);
    assert_eq!(shown(&corpus("eight-bit-headers")), [text("déjà")]);
    assert_eq!(shown(&corpus("base64-text-body")), [text("Déjà vu")]);
    assert_eq!(shown(&corpus("invitation")), [text("Hello.")]);
    assert!(shown(&corpus("smime-enveloped")).is_empty());
    let flowed = "<blockquote>ab<br>\n</blockquote>cd<br>\n";
    assert_eq!(shown(&corpus("flowed")), [text(flowed)]);
}

#[test]
fn a_long_text_comes_from_its_part_and_is_cut() {
    let message =
        [b"Content-Type: text/plain\r\n\r\n".to_vec(), b"line of text\r\n".repeat(100_000)].concat();
    let walked = walk(&message, &[usize::MAX], Limits::default()).unwrap();
    let body = &bodies(&walked.structure)[0];
    assert_eq!(body.source, BodySource::Part(1));
    let safe = render(body, &walked.content(1, 1 << 16), false, &|_| None);
    assert!(safe.truncated && safe.html.len() < 2 << 20);
}
