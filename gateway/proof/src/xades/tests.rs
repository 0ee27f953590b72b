//! Against libxml2 and xmlsec1, which know nothing of ours.

use super::canonical::canonical;
use crate::tests::World;
use crate::verify::Verdict;
use jiff::{SignedDuration, Timestamp};
use sealpost_certs::{KeyKind, TrustAnchors};
use std::path::Path;
use std::process::Command;

/// What Canonical XML changes: quotes, references, characters that are escaped in one form and not in the other.
const ODD: &str = "Zoë \"Ś\" <O'Neil> & 漢字 𝒳\ttab\nline\rreturn > ]]>";

fn world(kind: KeyKind) -> World {
    let mut w = World::sealing_by(kind, Timestamp::now());
    w.facts.sender.name = Some(ODD.into());
    w.facts.parts[0].name = Some(ODD.into());
    w
}

fn run(program: &str, arguments: &[&str], dir: &Path) -> (bool, Vec<u8>, String) {
    let out = Command::new(program).args(arguments).current_dir(dir).output().expect(program);
    (out.status.success(), out.stdout, String::from_utf8_lossy(&out.stderr).into_owned())
}

#[test]
fn canonical_evidence_is_what_libxml2_makes_of_it() {
    let w = world(KeyKind::P256);
    let dir = tempfile::tempdir().unwrap();
    let events = w.events();
    let evidence: Vec<_> = events.iter().filter_map(|e| e.evidence.as_deref()).collect();
    assert!(evidence.len() >= 3);
    for xml in evidence {
        std::fs::write(dir.path().join("e.xml"), xml).unwrap();
        let (good, theirs, errors) = run("xmllint", &["--exc-c14n", "e.xml"], dir.path());
        assert!(good, "{errors}");
        let ours = canonical(std::str::from_utf8(xml).unwrap()).unwrap();
        assert_eq!(ours, String::from_utf8(theirs).unwrap());
    }
}

#[test]
fn what_is_not_written_here_is_not_canonicalised() {
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    for (good, text) in [
        (true, "<a></a>\n"),
        (true, "<a:b xmlns:a=\"urn:a\"><a:c x=\"1\"/>&#13;</a:b>\n"),
        (false, "<a>"),
        (false, "<a></b>"),
        (false, "<a/><b/>"),
        (false, "text<a/>"),
        (false, "<a xmlns=\"urn:a\"/>"),
        (false, "<a:b/>"),
        (false, "<b xmlns:a=\"urn:a\" a:c=\"1\"/>"),
        (false, "<b><c xmlns:a=\"urn:a\"/><c xmlns:a=\"urn:b\"/></b>"),
        (false, "<a x=\"&amp;\"/>"),
        (false, "<a x=\"1\" x=\"2\"/>"),
        (false, "<a>&other;</a>"),
        (false, "<a><!-- no --></a>"),
        (false, "<a><?no?></a>"),
        (false, "<a><![CDATA[no]]></a>"),
        (false, "<a>\r\n</a>"),
    ] {
        assert_eq!(canonical(&format!("{head}{text}")).is_some(), good, "{text}");
    }
    assert_eq!(canonical("<a/>"), None, "without a declaration");
}

fn files(proof: &[u8], kind: &str) -> Vec<(String, Vec<u8>)> {
    let all = crate::tests::damage::members(proof).into_iter().filter(|m| m.name.ends_with(kind));
    all.map(|m| (m.name.clone(), proof[m.data as usize..(m.data + m.size) as usize].to_vec())).collect()
}

/// xmlsec1 on a file, with this root and no other.
fn xmlsec(dir: &Path, file: &[u8]) -> (bool, String) {
    std::fs::write(dir.join("signed.xml"), file).unwrap();
    let id = "http://uri.etsi.org/01903/v1.3.2#:SignedProperties";
    let arguments = ["--verify", "--trusted-pem", "ca.pem", "--id-attr:Id", id, "signed.xml"];
    let (good, _, errors) = run("xmlsec1", &arguments, dir);
    (good, errors)
}

#[test]
fn xmlsec_finds_enveloped_signatures_good_and_damaged_ones_bad() {
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Rsa3072] {
        let w = world(kind);
        let mut bundle = w.bundle(&w.events());
        bundle.enveloped = true;
        let proof = w.export(bundle).unwrap();
        let report = w.verify(&proof);
        assert_eq!(report.verdict, Verdict::Valid, "{:?}", crate::tests::failures(&report));
        let agreed =
            report.checks.iter().filter(|c| c.subject.ends_with(".xades") && c.what == "OpenSSL agrees");
        assert_eq!(agreed.count(), 3);
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), w.authority.certificate().to_pem()).unwrap();
        let (signed, plain) = (files(&proof, ".xades"), files(&proof, ".xml"));
        assert_eq!(signed.len(), 3);
        for (name, file) in &signed {
            let (good, errors) = xmlsec(dir.path(), file);
            assert!(good, "{kind:?} {name}: {errors}");
            // Without the signature it is the evidence, octet for octet.
            let opened = super::open(file).unwrap();
            assert!(plain.iter().any(|(_, xml)| *xml == opened.evidence.as_bytes()), "{name}");
            let text = std::str::from_utf8(file).unwrap();
            let changes = [
                ("Zoë", "Zoé"),
                ("<EventTime>2", "<EventTime>3"),
                ("<xades:SigningTime>2", "<xades:SigningTime>3"),
                ("<xades:MimeType>application/xml", "<xades:MimeType>application/pdf"),
                ("</ds:SignatureValue>", "AAAA</ds:SignatureValue>"),
            ];
            for (from, to) in changes {
                let at = text.find(from).unwrap();
                let changed = [&text[..at], to, &text[at + from.len()..]].concat();
                assert!(!xmlsec(dir.path(), changed.as_bytes()).0, "{from} → {to}");
            }
        }
    }
}

#[test]
fn an_enveloped_signature_of_another_is_refused() {
    let (w, other) = (world(KeyKind::P256), world(KeyKind::P256));
    let export = |w: &World| {
        let mut bundle = w.bundle(&w.events()[..1]);
        bundle.enveloped = true;
        w.export(bundle).unwrap()
    };
    let (proof, foreign) = (export(&w), export(&other));
    let (name, theirs) = files(&foreign, ".xades").remove(0);
    let changed = crate::tests::damage::rebuild(&proof, |n, bytes| {
        Some(if n == name { theirs.clone() } else { bytes })
    });
    let said = crate::tests::failures(&w.verify(&changed));
    assert!(said.iter().any(|f| f.contains("without its signature it is not evidence/01")), "{said:?}");
    assert!(said.iter().any(|f| f.contains("is not trusted")), "{said:?}");
    // It dates from the export, and is judged at that time.
    let later = w.at + SignedDuration::from_hours(24 * 365 * 3);
    let trust = TrustAnchors::new(vec![w.authority.certificate().clone()]).unwrap();
    let report = crate::verify(std::io::Cursor::new(&proof), &trust, later).unwrap();
    assert_eq!(report.verdict, Verdict::Valid, "{:?}", crate::tests::failures(&report));
}
