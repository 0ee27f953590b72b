//! A proof, exported from a running demonstration and checked without it: by the verifier, by the commands
//! of its own README.txt, and after damage.

use anyhow::{Context, Result, ensure};
use sealpost_tests::demo::{DemoOptions, binary};
use sealpost_tests::mail::{File, Mail, Noise};
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{link_in, must, run, wait_for_deposit};
use sealpost_tests::{Demo, Door};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const BOB: &str = "bob@example.test";
const DORA: &str = "dora@example.test";

fn verify(file: &Path, ca: &Path) -> Result<Output> {
    Ok(Command::new(binary()?).args(["proof", "verify"]).arg(file).arg("--trust").arg(ca).output()?)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The verdict is the last line, and the exit status says the same.
fn valid(file: &Path, ca: &Path) -> Result<()> {
    let output = verify(file, ca)?;
    let text = said(&output);
    ensure!(output.status.code() == Some(0) && text.lines().last() == Some("VALID"), "{text}");
    Ok(())
}

/// INVALID, exit 1; returns what was found.
fn invalid(file: &Path, ca: &Path) -> Result<String> {
    let output = verify(file, ca)?;
    let text = said(&output);
    ensure!(output.status.code() == Some(1) && text.lines().last() == Some("INVALID"), "{text}");
    Ok(text)
}

/// A message that one of two recipients has opened and whose file was downloaded.
fn opened_by_one(demo: &Demo) -> Result<(String, Vec<u8>)> {
    let mail =
        Mail::new(&[BOB, DORA], "[secure] Compte rendu").file(File::noise("images.bin", 70_000)).bytes();
    let id = Place::new(demo, "alice")?.send(&[BOB, DORA], &mail)?;
    let door = Door::new(demo, &link_in(&wait_for_deposit(demo, BOB, &id)?)?)?;
    let content = door.open(demo, BOB)?;
    let files = content.files();
    ensure!(files.len() == 1, "{files:?}");
    door.request(&files[0].0, &[])?;
    wait_for_deposit(demo, DORA, &id)?;
    Ok((id, mail))
}

fn export(demo: &Demo, id: &str, name: &str, more: &[&str]) -> Result<PathBuf> {
    let file = demo.dir.join(name);
    let path = file.to_string_lossy().into_owned();
    demo.sealpost(&[&["proof", "export", id, "-o", &path, "--wait"], more].concat())?;
    Ok(file)
}

#[test]
fn a_proof_convinces_without_us_and_damage_is_named() -> Result<()> {
    let mut demo = Demo::start(DemoOptions::default())?;
    let (id, mail) = opened_by_one(&demo)?;
    let proof = export(&demo, &id, "proof.asice", &[])?;
    let ca = demo.about.ca.clone();
    // Offline: no gateway, no configuration.
    demo.terminate()?;
    valid(&proof, &ca)?;

    let members = must("unzip", &["-Z1", &proof.to_string_lossy()])?;
    let members: Vec<&str> = members.lines().collect();
    assert_eq!(members[0], "mimetype");
    for needed in [
        "report.pdf",
        "README.txt",
        "message/original.eml",
        "message/sent-1.eml",
        "message/sent-2.eml",
        "log/checkpoint",
        "log/checkpoint.tst",
        "log/checkpoint.p7s",
        "META-INF/ASiCManifest001.xml",
        "META-INF/signature001.p7s",
    ] {
        ensure!(members.contains(&needed), "{needed} is missing in {members:?}");
    }
    for event in
        ["SubmissionAcceptance", "NotificationForAcceptance", "ConsignmentAcceptance", "ContentHandover"]
    {
        ensure!(
            members.iter().any(|m| m.contains(event) && m.ends_with(".xml")),
            "no {event} in {members:?}"
        );
    }
    let extract = |name: &str| run("unzip", &["-p", &proof.to_string_lossy(), name]).map(|o| o.stdout);
    assert_eq!(extract("message/original.eml")?, mail);

    by_hand(&demo, &proof)?;
    trust_and_form(&demo, &proof)?;
    damage(&demo, &proof)
}

/// The commands of README.txt, as a stranger copies them: bash, openssl, sha256sum, unzip and the root.
fn by_hand(demo: &Demo, proof: &Path) -> Result<()> {
    let place = tempfile::tempdir()?;
    std::fs::copy(proof, place.path().join("proof.asice"))?;
    std::fs::copy(&demo.about.ca, place.path().join("ca.pem"))?;
    let readme = String::from_utf8(run("unzip", &["-p", &proof.to_string_lossy(), "README.txt"])?.stdout)?;
    let (_, commands) = readme.split_once("\n-----").context("no line before the commands")?;
    let (_, commands) = commands.split_once('\n').context("no commands")?;
    // Nothing but the named tools is on the path.
    let tools = place.path().join("tools");
    std::fs::create_dir(&tools)?;
    for tool in ["openssl", "sha256sum", "unzip"] {
        let found = must("sh", &["-c", &format!("command -v {tool}")])?;
        std::os::unix::fs::symlink(found.trim(), tools.join(tool))?;
    }
    let output = Command::new("/bin/bash")
        .arg("-c")
        .arg(commands)
        .current_dir(place.path())
        .env_clear()
        .env("PATH", &tools)
        .output()?;
    let text = said(&output);
    let ok = text.lines().filter(|l| l.starts_with("OK")).count();
    ensure!(!text.contains("BAD") && ok > 20, "{text}");
    // The same commands see a changed file.
    let original = place.path().join("proof/evidence");
    let mut evidence = std::fs::read_dir(&original)?.filter_map(Result::ok).map(|e| e.path());
    let changed = evidence.find(|p| p.extension().is_some_and(|e| e == "xml")).context("no evidence")?;
    let text = std::fs::read_to_string(&changed)?.replace("alice@", "mallory@");
    std::fs::write(&changed, text)?;
    let again = commands.lines().filter(|l| !l.starts_with("unzip ")).collect::<Vec<_>>().join("\n");
    let output = Command::new("/bin/bash")
        .arg("-c")
        .arg(again)
        .current_dir(place.path())
        .env_clear()
        .env("PATH", &tools)
        .output()?;
    ensure!(said(&output).contains("BAD"), "{}", said(&output));
    Ok(())
}

/// Another authority, and files that are no proof.
fn trust_and_form(demo: &Demo, proof: &Path) -> Result<()> {
    let other = demo.dir.join("other.pem");
    let name = other.to_string_lossy();
    must(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/CN=Other",
            "-days",
            "30",
            "-keyout",
            "/dev/null",
            "-out",
            &name,
        ],
    )?;
    invalid(proof, &other)?;
    let nonsense = demo.dir.join("nonsense.asice");
    std::fs::write(&nonsense, "no archive at all")?;
    assert_eq!(verify(&nonsense, &demo.about.ca)?.status.code(), Some(2));
    assert_eq!(verify(&demo.dir.join("missing.asice"), &demo.about.ca)?.status.code(), Some(2));
    assert_eq!(verify(proof, &nonsense)?.status.code(), Some(2));
    Ok(())
}

/// One flipped bit at places all over the file: always INVALID, and the member that holds it is named.
fn damage(demo: &Demo, proof: &Path) -> Result<()> {
    let bytes = std::fs::read(proof)?;
    let members = members(&bytes)?;
    let damaged = demo.dir.join("damaged.asice");
    let mut noise = Noise::new(7);
    let mut places: Vec<usize> = Vec::new();
    for (_, start, end) in &members {
        places.push(start + (noise.number() as usize) % (end - start));
    }
    while places.len() < 64.max(members.len() + 8) {
        places.push((noise.number() as usize) % bytes.len());
    }
    // The archive's own records: first and last octet, and the last directory entry.
    places.extend([0, bytes.len() - 1, bytes.len() - 40]);
    for at in places {
        let mut copy = bytes.clone();
        copy[at] ^= 1 << (at % 8);
        std::fs::write(&damaged, &copy)?;
        let output = verify(&damaged, &demo.about.ca)?;
        let text = said(&output);
        // Without its last record the file is not even a ZIP: that is unreadable input.
        let unreadable = output.status.code() == Some(2) && at + 22 >= bytes.len();
        let found = output.status.code() == Some(1) && text.lines().last() == Some("INVALID");
        ensure!(found || unreadable, "octet {at}: {:?}\n{text}", output.status);
        if let Some((name, ..)) = members.iter().find(|(_, start, end)| (*start..*end).contains(&at)) {
            ensure!(
                text.lines().any(|l| l.starts_with("FAIL") && l.contains(name.as_str())),
                "octet {at} of {name}:\n{text}"
            );
        }
    }
    // Added bytes, missing bytes.
    for copy in [[&bytes[..], b"x"].concat(), [b"x", &bytes[..]].concat(), bytes[..bytes.len() - 1].to_vec()]
    {
        std::fs::write(&damaged, &copy)?;
        let status = verify(&damaged, &demo.about.ca)?.status;
        ensure!(matches!(status.code(), Some(1 | 2)), "{status}");
    }
    Ok(())
}

/// Name and extent of each stored member, read from the local headers (APPNOTE 4.3.7).
fn members(bytes: &[u8]) -> Result<Vec<(String, usize, usize)>> {
    let number = |at: usize, octets: usize| -> usize {
        bytes[at..at + octets].iter().rev().fold(0, |n, b| n << 8 | usize::from(*b))
    };
    let mut found = Vec::new();
    let mut at = 0;
    while bytes[at..].starts_with(b"PK\x03\x04") {
        ensure!(number(at + 8, 2) == 0 && number(at + 6, 2) & 8 == 0, "not stored plainly");
        let (size, name, extra) = (number(at + 18, 4), number(at + 26, 2), number(at + 28, 2));
        let start = at + 30 + name + extra;
        found.push((String::from_utf8(bytes[at + 30..at + 30 + name].to_vec())?, start, start + size));
        at = start + size;
    }
    ensure!(found.len() > 10, "too few members");
    Ok(found.into_iter().filter(|(_, start, end)| start < end).collect())
}

#[test]
fn a_proof_for_one_recipient_shows_nothing_of_the_other() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let (id, _) = opened_by_one(&demo)?;
    let ca = &demo.about.ca;
    for (n, own, other) in [("1", "bob", "dora"), ("2", "dora", "bob")] {
        let proof = export(&demo, &id, &format!("one-{n}.asice"), &["--recipient", n])?;
        valid(&proof, ca)?;
        // Everything is stored, so a plain search sees every byte; mails in base64 or quoted-printable are decoded
        // by nobody here, so their source is searched for what those encodings would make of the name too.
        let bytes = std::fs::read(&proof)?;
        let sees =
            |needle: &str| bytes.windows(needle.len()).any(|w| w.eq_ignore_ascii_case(needle.as_bytes()));
        ensure!(sees(&format!("{own}@example.test")), "the proof does not name {own}");
        for shape in
            [format!("{other}@"), format!("{other}=40"), format!("{other}%40"), format!("{other}&#64;")]
        {
            ensure!(!sees(&shape), "{shape} is in the proof for {own}");
        }
        for encoded in base64_shapes(&format!("{other}@example.test")) {
            ensure!(!sees(&encoded), "{other} in base64 is in the proof for {own}");
        }
        let pdf = demo.dir.join("report.pdf");
        std::fs::write(&pdf, run("unzip", &["-p", &proof.to_string_lossy(), "report.pdf"])?.stdout)?;
        let text = must("pdftotext", &["-layout", &pdf.to_string_lossy(), "-"])?;
        ensure!(
            text.contains(&format!("{own}@example.test")) && !text.contains(&format!("{other}@")),
            "{text}"
        );
    }
    let output = demo.sealpost_raw(&["proof", "export", &id, "-o", "/dev/null", "--recipient", "3"])?;
    assert_eq!(output.status.code(), Some(2));

    // Without content: the proof stands, and nothing of the message is in it.
    let proof = export(&demo, &id, "bare.asice", &["--without-content"])?;
    valid(&proof, ca)?;
    let members = must("unzip", &["-Z1", &proof.to_string_lossy()])?;
    ensure!(!members.contains("message/"), "{members}");
    let bytes = std::fs::read(&proof)?;
    ensure!(!bytes.windows(11).any(|w| w == b"documents.\r"), "the text of the message is in the proof");
    Ok(())
}

/// What base64 makes of a text at each of the three alignments, without the characters its neighbours change.
fn base64_shapes(text: &str) -> Vec<String> {
    (0..3)
        .map(|shift| {
            let padded = [&vec![0; shift][..], text.as_bytes()].concat();
            let whole = base64_simd::STANDARD.encode_to_string(&padded);
            let (first, last) = ((shift * 8).div_ceil(6), padded.len() * 8 / 6);
            whole[first..last].to_owned()
        })
        .collect()
}
