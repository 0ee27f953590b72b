//! What the tests of composition share: a sender, an organisation, and readers of what was written.
#![allow(dead_code, missing_docs, clippy::unwrap_used)]

use super::walk;
use jiff::tz::TimeZone;
use sealpost_envelope::{DepositId, EmailAddress, Language, Reference, Timestamp};
use sealpost_message::compose::{Author, Brand, Draft, FileLine, Letter, LinkMail, Recipe, Stamp};
use sealpost_message::{Limits, Step};
use std::collections::BTreeMap;
use std::path::Path;

pub const URL: &str = "https://mail.parc.example/m/q0YxkYb5w1uHk2cD7n9TzEJrVsA";

pub struct World {
    pub seal: EmailAddress,
    pub alice: EmailAddress,
    pub bob: EmailAddress,
    pub dora: EmailAddress,
    pub reference: Reference,
    pub deposit: DepositId,
    pub zone: TimeZone,
}

impl World {
    pub fn new() -> Self {
        Self {
            seal: "seal@parc.example".parse().unwrap(),
            alice: "alice@parc.example".parse().unwrap(),
            bob: "bob@example.test".parse().unwrap(),
            dora: "dora@example.test".parse().unwrap(),
            // Could be taken for a code.
            reference: Reference::parse("12345678").unwrap(),
            deposit: "0191a5b0-0000-7000-8000-000000000001".parse().unwrap(),
            zone: TimeZone::fixed(jiff::tz::offset(2)),
        }
    }
    pub fn letter(&self, language: Language) -> Letter<'_> {
        Letter {
            brand: Brand {
                entity: "Clinique du Parc (SIREN 123456789)",
                support: Some("0123456789, https://aide.parc.example"),
                address: &self.seal,
                zone: &self.zone,
            },
            to: &self.bob,
            message_id: "0191a5b0-0000-7000-8000-000000000001.1@mail.parc.example",
            date: at("2026-08-01T11:04:05Z"),
            language,
            reference: Some(&self.reference),
            deposit: Some(self.deposit),
            unique: "0191a5b0-0000-7000-8000-0000000000aa",
        }
    }
    pub fn author<'a>(&'a self, references: &'a [String]) -> Author<'a> {
        Author {
            name: Some("Dr Hélène \"Alice\" Martin"),
            address: &self.alice,
            message_id: Some("original@poste.parc.example"),
            references,
            sent: at("2026-08-01T11:00:00Z"),
        }
    }
    pub fn stamp(&self) -> Stamp<'_> {
        Stamp {
            deposit: self.deposit,
            reference: &self.reference,
            hostname: "mail.parc.example",
            helo: Some("poste.parc.example"),
            protocol: "ESMTPSA",
            accepted: at("2026-08-01T11:00:00Z"),
            zone: &self.zone,
            recipient: Some(&self.bob),
        }
    }
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn stream(recipe: &Recipe, parts: &BTreeMap<u32, Vec<u8>>) -> Vec<u8> {
    // As stored and taken over again.
    let recipe = Recipe::from_bytes(recipe.as_bytes().clone()).unwrap();
    let (mut rebuilder, mut out) = (recipe.rebuilder(), Vec::new());
    while let Some(step) = rebuilder.next_step().unwrap() {
        match step {
            Step::Literal(bytes) => out.extend_from_slice(&bytes),
            Step::Part { n, mut encoder } => {
                parts[&n].chunks(1000).for_each(|piece| encoder.push(piece, &mut out).unwrap());
                encoder.finish(&mut out).unwrap();
            }
        }
    }
    rebuilder.finish().unwrap();
    assert_eq!(out.len() as u64, recipe.size());
    out
}

pub fn literal(draft: Draft) -> Vec<u8> {
    draft.plain().unwrap().literal().unwrap().unwrap()
}

/// Compares with the file; `SEALPOST_BLESS=1` writes it instead.
pub fn golden(file: &str, actual: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compose").join(file);
    if std::env::var_os("SEALPOST_BLESS").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read(&path).unwrap();
    assert_eq!(String::from_utf8_lossy(actual), String::from_utf8_lossy(&expected), "{file}");
}

/// Everything that we write is 7-bit, in CRLF lines of 76 at most.
pub fn check_form(message: &[u8]) {
    assert!(message.is_ascii());
    let text = std::str::from_utf8(message).unwrap();
    for line in text.strip_suffix("\r\n").unwrap().split("\r\n") {
        assert!(line.len() <= 76 && !line.contains(['\r', '\n']), "{line:?}");
        assert!(!line.ends_with(' '), "{line:?}");
    }
}

/// Decoded text/plain and text/html, as a mail program reads them.
pub fn bodies(message: &[u8]) -> (String, String) {
    let walked = walk(message, &[4096], Limits::default()).unwrap();
    let parsed = mail_parser::MessageParser::default().parse(message).unwrap();
    assert!(!walked.structure.nodes.is_empty());
    (parsed.body_text(0).unwrap().into_owned(), parsed.body_html(0).unwrap().into_owned())
}

pub fn urls(text: &str) -> Vec<&str> {
    text.match_indices("http")
        .map(|(i, _)| text[i..].split(['"', '<', '\n', ' ', '\r']).next().unwrap())
        .collect()
}

pub fn six_digit_runs(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_ascii_digit()).filter(|run| run.len() >= 6).collect()
}

pub fn link_mail<'a>(world: &'a World, language: Language, files: &'a [FileLine<'a>]) -> LinkMail<'a> {
    LinkMail {
        letter: world.letter(language),
        author: world.author(&[]),
        subject: "Compte rendu opératoire — M. Durand\r\nBcc: eve@example.test",
        text: Some("Bonjour,\r\n\r\nVoici le compte rendu.\r\n"),
        html: None,
        parts: None,
        whole: false,
        files,
        url: URL,
        expires: at("2026-08-31T10:00:00Z"),
    }
}

pub const FILES: [FileLine<'static>; 2] = [
    FileLine { name: "compte rendu d'opération.pdf", size: 1_234_567 },
    FileLine { name: "http://evil.example/<b>.html", size: 999 },
];
