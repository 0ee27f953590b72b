//! The author's mail on its way out: `pass`, `trace` and `seal`, with `openssl` as judge of what is signed.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::compose::*;
use common::{Walked, walk};
use sealpost_envelope::Language;
use sealpost_message::compose::{Draft, link, pass, prepare_seal, trace};
use sealpost_message::{Limits, NodeBody};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

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

/// Decoded contents of all leaves, by our own walk.
fn contents(message: &[u8]) -> Vec<Vec<u8>> {
    let w = walked(message);
    let mut texts = common::texts(&w.skeleton);
    let nodes = w.structure.nodes.iter().enumerate();
    nodes
        .filter_map(|(index, node)| match &node.body {
            NodeBody::Multipart => None,
            NodeBody::Text { .. } => {
                Some(common::decoded(&texts.remove(&(index as u32)).unwrap(), node.info.transfer))
            }
            NodeBody::Stored(stored) => Some(w.content(stored.n, 1000)),
        })
        .collect()
}

fn lossy(message: &[u8]) -> Vec<u8> {
    // Stored with LF, blanks at line ends gone, `From ` escaped: what relays and mailboxes have done.
    let mut out = Vec::new();
    for line in message.split(|b| *b == b'\n') {
        let line = line.trim_ascii_end();
        if line.starts_with(b"From ") {
            out.push(b'>');
        }
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
    out.truncate(out.len() - 2);
    out
}

#[test]
fn what_a_relay_might_touch_is_re_encoded_wherever_it_stands() {
    let world = World::new();
    let eml = "Subject: inner\r\nContent-Transfer-Encoding: 8bit\r\n\r\ndéjà \r\nFrom x\r\n";
    let message = |head: &str, body: &str| {
        format!(
            "From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
             --b\r\n{head}\r\n{body}\r\n--b--\r\n"
        )
    };
    let quoted =
        "Content-Type: application/x-tex; name=a.tex\r\nContent-Transfer-Encoding: quoted-printable\r\n";
    let base64 = "Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n";
    let digest = "Content-Type: multipart/digest; boundary=d\r\n";
    for (what, head, body, kept) in [
        (
            "an attached message",
            "Content-Type: Message/RFC822; name=x.eml\r\n",
            eml,
            "message/global; name=x.eml",
        ),
        (
            "one in 7 bits",
            "Content-Type: message/rfc822\r\n",
            "Subject: x\r\n\r\nHello.\r\n",
            "message/rfc822",
        ),
        ("one in a digest", digest, &format!("--d\r\n\r\n{eml}\r\n--d--\r\n"), "message/global"),
        ("quoted-printable with blanks", quoted, "caf=C3=A9 \r\nx=\r\ny\r\n", "base64"),
        ("quoted-printable, careful", quoted, "caf=C3=A9=20\r\n", "quoted-printable"),
        ("base64 with blanks", base64, "QUJD \r\nREVG\r\n", "base64"),
        ("base64 with junk", base64, "QU-JD\r\nREVG\u{e9}R0hJ=junk é\r\n", "base64"),
    ] {
        let original = message(head, body);
        let w = walked(original.as_bytes());
        let draft = prepare_seal(&w.skeleton, &w.structure, &world.stamp()).unwrap();
        let inner = stream(draft.inner(), &w.parts);
        let text = String::from_utf8(inner.clone()).unwrap();
        assert!(text.is_ascii() && text.contains(kept), "{what}: {text}");
        assert!(lossy(&inner) == inner, "{what}: {text}");
        assert_eq!(contents(&inner), contents(original.as_bytes()), "{what}");
    }
}

#[test]
fn every_difficult_message_is_sealed_without_loss() {
    let world = World::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/made");
    let mut sealed = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "eml") {
            continue;
        }
        let original = std::fs::read(&path).unwrap();
        let w = walked(&original);
        let draft = prepare_seal(&w.skeleton, &w.structure, &world.stamp()).unwrap();
        let inner = stream(draft.inner(), &w.parts);
        sealed += 1;
        let (before, after) = (contents(&original), contents(&inner));
        assert_eq!(before.len(), after.len(), "{}", path.display());
        for (was, is) in before.iter().zip(&after) {
            // Texts come out with proper line ends.
            let plain = |c: &[u8]| c.iter().copied().filter(|b| !b"\r\n".contains(b)).collect::<Vec<_>>();
            assert!(was == is || plain(was) == plain(is), "{}", path.display());
        }
    }
    assert!(sealed >= 500);
}
