//! Outgoing mail: golden files for what we write, `openssl` as judge of what we sign.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Walked, walk};
use jiff::tz::TimeZone;
use sealpost_envelope::{DepositId, EmailAddress, Language, Reference, Timestamp};
use sealpost_message::compose::{
    Author, Brand, CodeMail, Draft, FileLine, Letter, LinkMail, NotifyMail, OriginalParts, ReceiptKind,
    ReceiptLine, ReceiptMail, Recipe, RecipientState, Stamp, code, link, notify, pass, prepare_seal, receipt,
    trace,
};
use sealpost_message::{Limits, Step, present};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

const URL: &str = "https://mail.parc.example/m/q0YxkYb5w1uHk2cD7n9TzEJrVsA";

struct World {
    seal: EmailAddress,
    alice: EmailAddress,
    bob: EmailAddress,
    dora: EmailAddress,
    reference: Reference,
    deposit: DepositId,
    zone: TimeZone,
}

impl World {
    fn new() -> Self {
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
    fn letter(&self, language: Language) -> Letter<'_> {
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
    fn author<'a>(&'a self, references: &'a [String]) -> Author<'a> {
        Author {
            name: Some("Dr Hélène \"Alice\" Martin"),
            address: &self.alice,
            message_id: Some("original@poste.parc.example"),
            references,
            sent: at("2026-08-01T11:00:00Z"),
        }
    }
    fn stamp(&self) -> Stamp<'_> {
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

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn stream(recipe: &Recipe, parts: &BTreeMap<u32, Vec<u8>>) -> Vec<u8> {
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

fn literal(draft: Draft) -> Vec<u8> {
    draft.plain().unwrap().literal().unwrap().unwrap()
}

/// Compares with the file; `SEALPOST_BLESS=1` writes it instead.
fn golden(file: &str, actual: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compose").join(file);
    if std::env::var_os("SEALPOST_BLESS").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read(&path).unwrap();
    assert_eq!(String::from_utf8_lossy(actual), String::from_utf8_lossy(&expected), "{file}");
}

/// Everything that we write is 7-bit, in CRLF lines of 76 at most.
fn check_form(message: &[u8]) {
    assert!(message.is_ascii());
    let text = std::str::from_utf8(message).unwrap();
    for line in text.strip_suffix("\r\n").unwrap().split("\r\n") {
        assert!(line.len() <= 76 && !line.contains(['\r', '\n']), "{line:?}");
        assert!(!line.ends_with(' '), "{line:?}");
    }
}

/// Decoded text/plain and text/html, as a mail program reads them.
fn bodies(message: &[u8]) -> (String, String) {
    let walked = walk(message, &[4096], Limits::default()).unwrap();
    let parsed = mail_parser::MessageParser::default().parse(message).unwrap();
    assert!(!walked.structure.nodes.is_empty());
    (parsed.body_text(0).unwrap().into_owned(), parsed.body_html(0).unwrap().into_owned())
}

fn urls(text: &str) -> Vec<&str> {
    text.match_indices("http")
        .map(|(i, _)| text[i..].split(['"', '<', '\n', ' ', '\r']).next().unwrap())
        .collect()
}

fn six_digit_runs(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_ascii_digit()).filter(|run| run.len() >= 6).collect()
}

fn link_mail<'a>(world: &'a World, language: Language, files: &'a [FileLine<'a>]) -> LinkMail<'a> {
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

const FILES: [FileLine<'static>; 2] = [
    FileLine { name: "compte rendu d'opération.pdf", size: 1_234_567 },
    FileLine { name: "http://evil.example/<b>.html", size: 999 },
];

#[test]
fn link_mails() {
    let world = World::new();
    for language in [Language::Fr, Language::En] {
        let message = literal(link(&link_mail(&world, language, &FILES)).unwrap());
        golden(&format!("link.{}.eml", language.tag()), &message);
        check_form(&message);
        let (text, html) = bodies(&message);
        assert_eq!(urls(&text), [URL]);
        assert_eq!(urls(&html), [URL, URL], "the text of the link is its target");
        assert!(!html.contains("<b>"));
        assert!(text.contains("12345678") && html.contains("12345678"));
        let parsed = mail_parser::MessageParser::default().parse(&message).unwrap();
        assert_eq!(parsed.from().unwrap().first().unwrap().address(), Some("seal@parc.example"));
        assert_eq!(parsed.reply_to().unwrap().first().unwrap().address(), Some("alice@parc.example"));
        assert!(parsed.bcc().is_none(), "a subject ends no header field");
        assert_eq!(parsed.references().as_text(), Some("original@poste.parc.example"));
    }
}

#[test]
fn pictures_of_the_author_stay_in_a_link_mail() {
    let original = b"From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=r\r\n\r\n\
        --r\r\nContent-Type: text/html\r\n\r\n<p>logo <img src=\"cid:logo@x\"></p>\r\n\
        --r\r\nContent-Type: image/png; name=logo.png\r\nContent-ID: <logo@x>\r\nContent-Transfer-Encoding: base64\r\n\r\n\
        iVBORw0KGgo=\r\n--r--\r\n";
    let walked = walk(original, &[77], Limits::default()).unwrap();
    let parts = OriginalParts { skeleton: &walked.skeleton, structure: &walked.structure };
    let body = &present::bodies(&walked.structure)[0];
    let source = b"<p>logo <img src=\"cid:logo%40x\"><img src='cid:none'><script>x</script></p>";
    let html = present::render(body, source, false, &|cid| parts.address(cid));
    let world = World::new();
    let mut mail = link_mail(&world, Language::Fr, &FILES);
    mail.text = None;
    mail.html = Some(&html);
    mail.parts = Some(parts);
    let recipe = link(&mail).unwrap().plain().unwrap();
    assert_eq!(recipe.parts().unwrap(), [1]);
    let message = stream(&recipe, &walked.parts);
    check_form(&message);
    let parsed = mail_parser::MessageParser::default().parse(&message).unwrap();
    let picture =
        parsed.parts.iter().find(|p| mail_parser::MimeHeaders::content_id(*p) == Some("logo@x")).unwrap();
    assert_eq!(picture.contents(), b"\x89PNG\r\n\x1a\n");
    let (text, html) = bodies(&message);
    assert!(text.starts_with(&"-".repeat(72)) && text.lines().any(|l| l == "logo"));
    assert!(html.contains("src=\"cid:logo@x\"") && !html.contains("script"));
}

#[test]
fn notify_mails() {
    let world = World::new();
    let references = vec!["older@x.example".to_owned()];
    for language in [Language::Fr, Language::En] {
        let mail = NotifyMail {
            letter: world.letter(language),
            author: world.author(&references),
            url: URL,
            expires: at("2026-08-31T10:00:00Z"),
            reminder: false,
        };
        let message = literal(notify(&mail));
        golden(&format!("notify.{}.eml", language.tag()), &message);
        check_form(&message);
        let (text, html) = bodies(&message);
        assert_eq!((urls(&text), urls(&html)), (vec![URL], vec![URL, URL]));
        let reminder = literal(notify(&NotifyMail { reminder: true, ..mail }));
        assert_ne!(reminder, message);
    }
}

#[test]
fn code_mails() {
    let world = World::new();
    for language in [Language::Fr, Language::En] {
        let letter = world.letter(language);
        let mail = CodeMail { letter, code: "042137", valid_until: at("2026-08-01T11:14:05Z") };
        let message = literal(code(&mail).unwrap());
        golden(&format!("code.{}.eml", language.tag()), &message);
        check_form(&message);
        let (text, html) = bodies(&message);
        assert_eq!(six_digit_runs(&text), ["042137"]);
        assert!(urls(&text).is_empty() && urls(&html).is_empty());
        let subject =
            mail_parser::MessageParser::default().parse(&message).unwrap().subject().unwrap().to_owned();
        let expected = match language {
            Language::Fr => {
                "[Authentification Clinique du Parc (SIREN 123456789)] Votre OTP valable jusqu'à 13:14:05 (UTC+0200) le 01/08/2026"
            }
            Language::En => {
                "[Sign-in Clinique du Parc (SIREN 123456789)] Your code valid until 13:14:05 (UTC+0200) on 01/08/2026"
            }
        };
        assert_eq!(subject, expected);
        for bad in ["", "12345", "1234567", "12 456", "１２３４５６"] {
            assert!(code(&CodeMail { code: bad, ..mail.clone() }).is_err());
        }
    }
}

#[test]
fn receipts() {
    let world = World::new();
    let failed = RecipientState::Failed(
        "550 5.1.1 <dora@example.test>:\r\n user unknown, see https://x.example".to_owned(),
    );
    let opened = RecipientState::Opened(at("2026-08-02T08:00:00Z"));
    for (kind, name, states) in [
        (ReceiptKind::OpenedByOne, "opened-by-one", [opened.clone(), RecipientState::Sent]),
        (ReceiptKind::OpenedByAll, "opened-by-all", [opened.clone(), opened.clone()]),
        (ReceiptKind::Failed, "failed", [failed, RecipientState::Delivered(at("2026-08-01T11:05:00Z"))]),
    ] {
        for language in [Language::Fr, Language::En] {
            let [one, two] = &states;
            let recipients = [
                ReceiptLine { address: &world.dora, state: one.clone() },
                ReceiptLine { address: &world.bob, state: two.clone() },
            ];
            let message = literal(receipt(&ReceiptMail {
                letter: Letter { to: &world.alice, ..world.letter(language) },
                kind,
                subject: Some("Compte rendu\r\nX-Evil: 1"),
                message_id: Some("original@poste.parc.example"),
                sent: at("2026-08-01T11:00:00Z"),
                recipients: &recipients,
                url: Some("https://mail.parc.example/d/0191a5b0"),
            }));
            golden(&format!("{name}.{}.eml", language.tag()), &message);
            check_form(&message);
            let parsed = mail_parser::MessageParser::default().parse(&message).unwrap();
            assert_eq!(parsed.in_reply_to().as_text(), Some("original@poste.parc.example"));
            assert!(parsed.header("X-Evil").is_none());
            assert_eq!(urls(&bodies(&message).0), ["https://mail.parc.example/d/0191a5b0"]);
        }
    }
}

/// 8-bit text, long lines, trailing blanks, `From `, a large 8-bit text, a raw binary file, and hints.
fn difficult() -> Vec<u8> {
    let mut m = b"Received: from x by y; Sat, 1 Aug 2026 13:00:00 +0200\r\nFrom: Alice <alice@parc.example>\r\n\
        To: bob@example.test\r\nbcc: eve@example.test,\r\n eve2@example.test\r\nX-Sealpost-Treatment: seal\r\n\
        Subject: =?utf-8?Q?=C3=A9?=\r\nMessage-ID: <original@poste.parc.example>\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=\"B\"\r\nX-Sealpost-Deposit: forged\r\n\r\npreamble\r\n"
        .to_vec();
    m.extend_from_slice(
        b"--B\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
    );
    m.extend_from_slice("é trailing \r\nFrom here\r\n.\r\n".as_bytes());
    m.extend_from_slice(&b"x".repeat(2000));
    m.extend_from_slice(b"\r\n--B\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Disposition: attachment; filename=big.txt\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
    for _ in 0..20_000 {
        m.extend_from_slice(b"caf\xe9 \r\n");
    }
    m.extend_from_slice(
        b"--B\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQK\r\n",
    );
    m.extend_from_slice(b"--B--\r\n");
    m
}

fn walked(message: &[u8]) -> Walked {
    walk(message, &[1000], Limits::default()).unwrap()
}

#[test]
fn pass_is_the_same_and_trace_adds_and_removes_fields_only() {
    let world = World::new();
    let original = difficult();
    let w = walked(&original);
    let same = stream(&pass(w.skeleton.clone().into()).unwrap(), &w.parts);
    assert!(same == original);

    let traced = stream(&trace(&w.skeleton, &world.stamp()).unwrap(), &w.parts);
    let body = |m: &[u8]| m[m.windows(4).position(|w| w == b"\r\n\r\n").unwrap()..].to_vec();
    assert!(body(&traced) == body(&original));
    let header = String::from_utf8(traced[..traced.len() - body(&traced).len()].to_vec()).unwrap();
    golden("trace.header", header.as_bytes());
    assert!(!header.contains("eve") && !header.contains("forged"));
}

fn openssl(dir: &Path, args: &[&str]) -> std::process::Output {
    Command::new("openssl").args(args).current_dir(dir).output().unwrap()
}

/// A throw-away key and its certificate.
fn keys(dir: &Path) {
    let run = openssl(
        dir,
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
            "-days",
            "2",
            "-subj",
            "/CN=Alice",
            "-addext",
            "subjectAltName=email:alice@parc.example",
            "-addext",
            "extendedKeyUsage=emailProtection",
        ],
    );
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

fn seal(dir: &Path, draft: Draft, parts: &BTreeMap<u32, Vec<u8>>) -> (Vec<u8>, Vec<u8>) {
    let inner = stream(draft.inner(), parts);
    std::fs::write(dir.join("inner"), &inner).unwrap();
    let args = [
        "cms", "-sign", "-binary", "-in", "inner", "-signer", "cert.pem", "-inkey", "key.pem", "-outform",
        "DER", "-out", "sig.der",
    ];
    assert!(openssl(dir, &args).status.success());
    let der = std::fs::read(dir.join("sig.der")).unwrap();
    (inner, stream(&draft.sealed(&der, "0191a5b0-0000-7000-8000-0000000000aa").unwrap(), parts))
}

fn verify(dir: &Path, message: &[u8]) -> std::process::Output {
    std::fs::write(dir.join("sealed.eml"), message).unwrap();
    openssl(dir, &["cms", "-verify", "-in", "sealed.eml", "-CAfile", "cert.pem", "-out", "out.mime"])
}

#[test]
fn openssl_verifies_sealed_mail_even_after_a_careless_relay() {
    let dir = tempfile::tempdir().unwrap();
    keys(dir.path());
    let world = World::new();
    let w = walked(&difficult());
    let draft = prepare_seal(&w.skeleton, &w.structure, &world.stamp()).unwrap();
    let (inner, sealed) = seal(dir.path(), draft, &w.parts);
    assert!(sealed.is_ascii(), "no relay needs to re-encode it");
    let run = verify(dir.path(), &sealed);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert!(std::fs::read(dir.path().join("out.mime")).unwrap() == inner);

    // A relay that strips trailing blanks and stores LF.
    let careless: String =
        std::str::from_utf8(&sealed).unwrap().split("\r\n").map(|l| format!("{}\n", l.trim_end())).collect();
    assert!(verify(dir.path(), careless.as_bytes()).status.success());
    let forged = String::from_utf8(sealed.clone()).unwrap().replacen("=C3=A9 trailing", "=C3=A8 trailing", 1);
    assert!(forged.as_bytes() != sealed && !verify(dir.path(), forged.as_bytes()).status.success());

    // The content is the author's, byte for byte.
    let (before, after) = (difficult(), walked(&inner));
    let before = walked(&before);
    let texts = |m: &[u8]| {
        let parsed = mail_parser::MessageParser::default().parse(m).unwrap();
        parsed.parts.iter().map(|p| p.contents().to_vec()).filter(|c| !c.is_empty()).collect::<Vec<_>>()
    };
    assert_eq!(before.structure.nodes.len(), after.structure.nodes.len());
    let (was, is) = (texts(&difficult()), texts(&inner));
    assert!(was[1..] == is[1..], "decoded leaves are unchanged");
    let header =
        String::from_utf8(sealed[..sealed.windows(4).position(|w| w == b"\r\n\r\n").unwrap()].to_vec())
            .unwrap();
    golden("seal.header", header.as_bytes());
    assert!(!header.contains("eve") && header.contains("Message-ID: <original@poste.parc.example>"));
}

#[test]
fn messages_without_mime_and_empty_ones_are_sealed() {
    let dir = tempfile::tempdir().unwrap();
    keys(dir.path());
    let world = World::new();
    for original in [
        "From: a@b.example\r\nSubject: x\r\n\r\nplain text \r\n",
        "From: a@b.example\r\nSubject: x\r\n\r\nété\r\n",
        "From: a@b.example\r\nContent-Disposition: inline\r\n\r\nété\r\n",
        "From: a@b.example\r\nSubject: x\r\n\r\n",
        "From: a@b.example\r\nSubject: x\r\n",
        "From: a@b.example\r\nSubject: x",
        "From: a@b.example\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQK\r\n",
    ] {
        let w = walked(original.as_bytes());
        let draft = prepare_seal(&w.skeleton, &w.structure, &world.stamp()).unwrap();
        let (inner, sealed) = seal(dir.path(), draft, &w.parts);
        let run = verify(dir.path(), &sealed);
        assert!(
            !original.contains("été") || inner.starts_with(b"Content-Type: text/plain; charset=utf-8\r\n")
        );
        assert!(run.status.success(), "{original:?}: {}", String::from_utf8_lossy(&run.stderr));
    }
}

#[test]
fn the_authors_own_signature_stays_whole() {
    let dir = tempfile::tempdir().unwrap();
    keys(dir.path());
    let world = World::new();
    // The author signed an 8-bit part: fragile, but theirs.
    let part = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\né \r\n";
    std::fs::write(dir.path().join("part"), part).unwrap();
    let args = [
        "cms",
        "-sign",
        "-binary",
        "-in",
        "part",
        "-signer",
        "cert.pem",
        "-inkey",
        "key.pem",
        "-outform",
        "DER",
        "-out",
        "author.der",
    ];
    assert!(openssl(dir.path(), &args).status.success());
    let signature =
        base64_simd::STANDARD.encode_to_string(std::fs::read(dir.path().join("author.der")).unwrap());
    let lines: Vec<&str> = signature.as_bytes().chunks(64).map(|l| std::str::from_utf8(l).unwrap()).collect();
    let original = format!(
        "From: alice@parc.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/signed; micalg=sha-256;\r\n \
         protocol=\"application/pkcs7-signature\"; boundary=S\r\n\r\n--S\r\n{part}\r\n--S\r\n\
         Content-Type: application/pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n--S--\r\n",
        lines.join("\r\n")
    );
    let w = walked(original.as_bytes());
    let draft = prepare_seal(&w.skeleton, &w.structure, &world.stamp()).unwrap();
    let (inner, sealed) = seal(dir.path(), draft, &w.parts);
    assert!(inner.windows(part.len()).any(|w| w == part.as_bytes()));
    assert!(verify(dir.path(), &sealed).status.success());
    assert!(verify(dir.path(), &inner).status.success(), "the inner signature is the author's");
}

#[test]
fn our_own_mail_is_sealed_and_signed_again_for_dkim() {
    let dir = tempfile::tempdir().unwrap();
    keys(dir.path());
    let world = World::new();
    let draft = link(&link_mail(&world, Language::Fr, &FILES)).unwrap();
    let (_, sealed) = seal(dir.path(), draft.clone(), &BTreeMap::new());
    assert!(verify(dir.path(), &sealed).status.success());
    check_form(&sealed);
    let recipe = draft.sealed(b"der", "x").unwrap();
    let signed = recipe.prepended(b"DKIM-Signature: v=1\r\n").unwrap();
    assert_eq!(signed.size(), recipe.size() + 21);
    assert!(stream(&signed, &BTreeMap::new()).starts_with(b"DKIM-Signature: v=1\r\nDate: "));
}
