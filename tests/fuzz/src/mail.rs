//! Messages and what is in them.

use crate::choice;
use sealpost_envelope::{Digests, EmailAddress};
use sealpost_message::present::{Body, BodyKind, BodySource};
use sealpost_message::tnef::TnefScan;
use sealpost_message::{
    Coding, ContentDecoder, Limits, Rebuilder, SkeletonReader, Step, Structure, WalkEvent, Walker,
};
use std::collections::BTreeMap;

type Parts = BTreeMap<u32, Vec<u8>>;

fn walked(message: &[u8], step: usize, limits: &Limits) -> Option<(Structure, Vec<u8>, Parts)> {
    let (mut walker, mut events) = (Walker::new(limits.clone()), Vec::new());
    for piece in message.chunks(step.max(1)) {
        walker.push(piece, &mut events).ok()?;
    }
    let structure = walker.finish(&mut events).ok()?;
    let (mut skeleton, mut parts, mut open) = (Vec::new(), Parts::new(), 0);
    for event in events {
        match event {
            WalkEvent::Skeleton(bytes) => skeleton.extend_from_slice(&bytes),
            WalkEvent::PartStart { n, .. } => {
                open = n;
                assert!(parts.insert(n, Vec::new()).is_none(), "a number twice");
            }
            WalkEvent::PartData(bytes) => {
                parts.get_mut(&open).expect("data within a part").extend_from_slice(&bytes);
            }
            WalkEvent::PartEnd(stored) => assert_eq!(parts[&stored.n].len() as u64, stored.stored_len),
        }
    }
    Some((structure, skeleton, parts))
}

fn rebuilt(skeleton: &[u8], parts: &Parts, step: usize) -> Vec<u8> {
    let (mut rebuilder, mut message) = (Rebuilder::new(), Vec::new());
    for piece in skeleton.chunks(step.max(1)) {
        rebuilder.push(piece);
        while let Some(next) = rebuilder.next_step().expect("our own skeleton") {
            match next {
                Step::Literal(bytes) => message.extend_from_slice(&bytes),
                Step::Part { n, mut encoder } => {
                    for piece in parts[&n].chunks(step.max(1)) {
                        encoder.push(piece, &mut message).expect("our own part");
                    }
                    encoder.finish(&mut message).expect("our own part, whole");
                }
            }
        }
    }
    rebuilder.finish().expect("our own skeleton, whole");
    message
}

/// The walk reads the same whatever the pieces, and loses no byte.
pub(crate) fn walk(data: &[u8]) {
    let (first, message) = choice(data);
    let limits = match first & 1 {
        0 => Limits::default(),
        _ => Limits { text_inline: 64, skeleton_bytes: 600, ..Limits::default() },
    };
    let step = usize::from(first >> 1) + 1;
    let whole = walked(message, usize::MAX, &limits);
    let pieces = walked(message, step, &limits);
    assert_eq!(whole.is_some(), pieces.is_some(), "refused or not depends on the pieces");
    let (Some((structure, skeleton, parts)), Some(pieces)) = (whole, pieces) else { return };
    assert_eq!((&structure, &skeleton, &parts), (&pieces.0, &pieces.1, &pieces.2));
    assert!(rebuilt(&skeleton, &parts, step) == message, "not rebuilt");
    for (node, stored) in structure.stored() {
        let content = decoded(stored.coding, &parts[&stored.n], step);
        assert_eq!(content.len() as u64, stored.size);
        assert_eq!(Digests::of(&content), stored.digests);
        for file in &node.inside {
            let bytes = &content[file.at as usize..][..file.size as usize];
            assert_eq!(Digests::of(bytes), file.digests);
        }
    }
}

fn decoded(coding: Coding, stored: &[u8], step: usize) -> Vec<u8> {
    let (mut decoder, mut content) = (ContentDecoder::new(coding), Vec::new());
    stored.chunks(step.max(1)).for_each(|piece| decoder.push(piece, &mut content));
    decoder.finish(&mut content);
    content
}

/// Names and texts of a header are fit to be shown.
pub(crate) fn header(data: &[u8]) {
    let mut walker = Walker::new(Limits::default());
    let mut events = Vec::new();
    if walker.push(data, &mut events).is_err() {
        return;
    }
    let Ok(structure) = walker.finish(&mut events) else { return };
    let top = &structure.top;
    let shown = |text: &str| assert!(!text.chars().any(char::is_control), "{text:?}");
    shown(&top.subject);
    for mailbox in top.from.iter().chain(&top.to).chain(&top.cc).chain(&top.reply_to) {
        mailbox.name.iter().for_each(|n| shown(n));
        shown(&mailbox.address);
    }
    for node in &structure.nodes {
        if let Some(name) = &node.info.filename {
            shown(name);
            assert!(!name.is_empty() && name.len() <= 200 && !name.contains(['/', '\\', '"']), "{name:?}");
        }
    }
    for field in sealpost_message::header::fields(data) {
        shown(&field.text());
        let _ = field.unfolded();
    }
}

/// Decoders give the same whatever the pieces.
pub(crate) fn decoders(data: &[u8]) {
    let (first, stored) = choice(data);
    let coding = match first % 3 {
        0 => Coding::QpRaw,
        1 => Coding::Base64Tail { decoded: u64::from(first >> 4), tail: true },
        _ => Coding::Base64Tail { decoded: u64::from(first >> 4), tail: false },
    };
    let whole = decoded(coding, stored, usize::MAX);
    assert_eq!(whole, decoded(coding, stored, usize::from(first % 7) + 1));
    let labels = ["utf-7", "utf-16", "iso-2022-jp", "gb18030", "shift_jis", "koi8-r", "x-unknown", "utf-8"];
    let _ = sealpost_message::charset::decode(Some(labels[usize::from(first % 8)]), stored);
    let _ = sealpost_message::charset::decode(None, stored);
}

/// What a page shows holds no script, whatever the body.
pub(crate) fn present(data: &[u8]) {
    let (first, content) = choice(data);
    let kind = match first % 3 {
        0 => BodyKind::Plain { flowed: first & 4 != 0, delsp: first & 8 != 0 },
        _ => BodyKind::Html,
    };
    let charset = (first & 16 != 0).then(|| "windows-1252".to_owned());
    let body = Body { node: 0, source: BodySource::Skeleton, kind, charset };
    let shown =
        sealpost_message::present::render(&body, content, false, &|_| Some("/m/t/inline/1".to_owned()));
    let low = shown.html.to_ascii_lowercase();
    for word in ["<script", "<iframe", "<object", "<form", "<base", "<meta"] {
        assert!(!low.contains(word), "{word} in {low}");
    }
}

/// Files inside lie inside, and are the same whatever the pieces.
pub(crate) fn tnef(data: &[u8]) {
    let (first, stream) = choice(data);
    let scan = |step: usize| {
        let mut scan = TnefScan::new(50);
        stream.chunks(step).for_each(|piece| scan.push(piece));
        scan.finish()
    };
    let whole = scan(usize::MAX);
    assert_eq!(whole, scan(usize::from(first) + 1));
    assert!(whole.len() <= 50);
    for file in &whole {
        let bytes = &stream[file.at as usize..][..file.size as usize];
        assert_eq!(Digests::of(bytes), file.digests);
    }
}

/// A skeleton that somebody damaged is an error, in bounded memory.
pub(crate) fn skeleton(data: &[u8]) {
    let (first, bytes) = choice(data);
    let read = |step: usize| {
        let (mut reader, mut records) = (SkeletonReader::new(), 0);
        for piece in bytes.chunks(step) {
            reader.push(piece);
            loop {
                match reader.next_record() {
                    Ok(Some(_)) => records += 1,
                    Ok(None) => break,
                    Err(_) => return None,
                }
            }
        }
        reader.finish().ok().map(|()| records)
    };
    assert_eq!(read(usize::MAX), read(usize::from(first) + 1));
    let mut rebuilder = Rebuilder::new();
    rebuilder.push(bytes);
    let mut out = Vec::new();
    while let Ok(Some(step)) = rebuilder.next_step() {
        let Step::Part { mut encoder, .. } = step else { continue };
        // A part of a few bytes stands for all: lengths were checked before.
        if encoder.stored_len() < 10_000 && encoder.encoded_len() < 1_000_000 {
            let stored = vec![b'x'; encoder.stored_len() as usize];
            let due = encoder.encoded_len();
            out.clear();
            if encoder.push(&stored, &mut out).is_ok() && encoder.finish(&mut out).is_ok() {
                assert_eq!(out.len() as u64, due);
            }
        }
    }
}

/// An address that is accepted reads back as itself.
pub(crate) fn address(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(address) = EmailAddress::parse(text) else { return };
    let again = EmailAddress::parse(address.as_str()).expect("what was accepted is accepted again");
    assert_eq!(again, address);
    assert!(!address.as_str().bytes().any(|b| b.is_ascii_control()));
    let _ = (address.key(), address.ascii_domain(), address.masked(), address.needs_smtputf8());
}
