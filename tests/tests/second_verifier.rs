//! Proofs judged by others: a shell script over openssl, and pyHanko. They agree with ours on good proofs, and the
//! script finds damage and names the file.

use anyhow::{Context, Result, ensure};
use sealpost_certs::Certificate;
use sealpost_tests::demo::{DemoOptions, binary};
use sealpost_tests::mail::{File, Noise};
use sealpost_tests::responder::Responder;
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{must, script, wait_for_deposit};
use sealpost_tests::tsa::Tsa;
use sealpost_tests::{Demo, Mail};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const BOB: &str = "bob@example.test";
const DORA: &str = "dora@example.test";

fn by_shell(proof: &Path, ca: &Path) -> Result<Output> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib/verify-proof");
    // dash: what is not POSIX does not run.
    Command::new("dash").arg(script).arg(proof).arg(ca).output().context("run verify-proof")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// All three say VALID.
fn all_agree(proof: &Path, ca: &Path) -> Result<()> {
    let ours =
        Command::new(binary()?).args(["proof", "verify"]).arg(proof).arg("--trust").arg(ca).output()?;
    ensure!(said(&ours).lines().last() == Some("VALID"), "{}", said(&ours));
    let shell = by_shell(proof, ca)?;
    let text = said(&shell);
    ensure!(shell.status.code() == Some(0) && text.lines().last() == Some("VALID"), "{text}");
    let unpacked = tempfile::tempdir()?;
    must("unzip", &["-qq", &proof.to_string_lossy(), "-d", &unpacked.path().to_string_lossy()])?;
    let python = std::env::var("SEALPOST_TEST_PYTHON").unwrap_or("/opt/sealpost-test/bin/python".into());
    let folder = unpacked.path().to_string_lossy().into_owned();
    let judged = must(&python, &[&script("cades.py"), &folder, &ca.to_string_lossy()])?;
    ensure!(judged.lines().count() >= 4 && !judged.contains("FAIL"), "{judged}");
    Ok(())
}

fn export(demo: &Demo, id: &str, name: &str, more: &[&str]) -> Result<PathBuf> {
    let file = demo.dir.join(name);
    let path = file.to_string_lossy().into_owned();
    demo.sealpost(&[&["proof", "export", id, "-o", &path, "--wait"], more].concat())?;
    Ok(file)
}

#[test]
fn other_verifiers_agree_and_the_script_names_damage() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let mail = Mail::new(&[BOB, DORA], "[secure] Compte rendu").file(File::noise("a.bin", 20_000)).bytes();
    let id = Place::new(&demo, "alice")?.send(&[BOB, DORA], &mail)?;
    wait_for_deposit(&demo, BOB, &id)?;
    wait_for_deposit(&demo, DORA, &id)?;
    let ca = demo.about.ca.clone();
    let whole = export(&demo, &id, "whole.asice", &[])?;
    all_agree(&whole, &ca)?;
    all_agree(&export(&demo, &id, "one.asice", &["--recipient", "2"])?, &ca)?;
    let bare = export(&demo, &id, "bare.asice", &["--without-content", "--language", "en"])?;
    all_agree(&bare, &ca)?;
    let renewed = demo.dir.join("renewed.asice");
    demo.sealpost(&["proof", "renew", &bare.to_string_lossy(), "-o", &renewed.to_string_lossy()])?;
    all_agree(&renewed, &ca)?;
    // One in three: each judgement starts hundreds of processes.
    damage(&demo, &renewed, &ca, |n, _| n % 3 == 0)
}

/// One flipped bit in each of some members, and bytes added and cut off.
fn damage(demo: &Demo, proof: &Path, ca: &Path, chosen: impl Fn(usize, &str) -> bool) -> Result<()> {
    let bytes = std::fs::read(proof)?;
    let listed = must("unzip", &["-Z1", &proof.to_string_lossy()])?;
    let mut noise = Noise::new(11);
    let damaged = demo.dir.join("damaged.asice");
    let mut start = 0;
    let number = |at: usize, octets: usize| -> usize {
        bytes[at..at + octets].iter().rev().fold(0, |n, b| n << 8 | usize::from(*b))
    };
    for (n, name) in listed.lines().enumerate() {
        let (size, head) = (number(start + 18, 4), 30 + number(start + 26, 2) + number(start + 28, 2));
        let at = start + head + (noise.number() as usize) % size;
        start += head + size;
        if !chosen(n, name) {
            continue;
        }
        let mut copy = bytes.clone();
        copy[at] ^= 1 << (at % 8);
        std::fs::write(&damaged, &copy)?;
        let output = by_shell(&damaged, ca)?;
        let text = said(&output);
        ensure!(output.status.code() == Some(1) && text.lines().last() == Some("INVALID"), "{name}: {text}");
        let named = text.lines().any(|l| l.starts_with(&format!("FAIL  {name}: ")));
        ensure!(named, "octet {at} of {name}:\n{text}");
    }
    for copy in [[&bytes[..], b"x"].concat(), bytes[..bytes.len() - 30].to_vec()] {
        std::fs::write(&damaged, &copy)?;
        let status = by_shell(&damaged, ca)?.status;
        ensure!(matches!(status.code(), Some(1 | 2)), "{status}");
    }
    Ok(())
}

/// An authority elsewhere with a seal that names its responder.
fn brought_seal(dir: &Path) -> Result<Responder> {
    let path = |name: &str| dir.join(name).to_string_lossy().into_owned();
    let run = |line: &str| must("openssl", &line.split(' ').collect::<Vec<_>>());
    let key = "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out";
    std::fs::write(
        path("ca.ext"),
        "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n",
    )?;
    for name in ["issuer", "seal"] {
        run(&format!("{key} {}", path(&format!("{name}.key"))))?;
        run(&format!(
            "req -new -key {0} -subj /CN=Elsewhere-{name} -out {0}.csr",
            path(&format!("{name}.key"))
        ))?;
    }
    let (issuer, issuer_key) = (path("issuer.pem"), path("issuer.key"));
    run(&format!(
        "x509 -req -in {issuer_key}.csr -signkey {issuer_key} -days 3650 -extfile {} -out {issuer}",
        path("ca.ext")
    ))?;
    let responder = Responder::start(Path::new(&issuer), Path::new(&issuer_key))?;
    let extensions = format!(
        "keyUsage=critical,digitalSignature,nonRepudiation\nauthorityInfoAccess=OCSP;URI:{}\n",
        responder.url
    );
    std::fs::write(path("seal.ext"), extensions)?;
    let (leaf, own) = (path("leaf.pem"), path("seal.key"));
    run(&format!(
        "x509 -req -in {own}.csr -CA {issuer} -CAkey {issuer_key} -CAcreateserial -days 900 -extfile {} -out {leaf}",
        path("seal.ext")
    ))?;
    std::fs::write(path("seal.pem"), std::fs::read_to_string(&leaf)? + &std::fs::read_to_string(&issuer)?)?;
    responder.knows(&[(&Certificate::load(Path::new(&leaf))?[0], false)])?;
    Ok(responder)
}

/// What issuers elsewhere say is fetched when they answer, and stands in later exports, inside the seals too.
#[test]
fn proofs_hold_what_issuers_elsewhere_say() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let (tsa, responder) = (Tsa::start()?, brought_seal(dir.path())?);
    responder.be_down(true);
    let env = vec![("NO_PROXY".to_owned(), "127.0.0.1".to_owned())];
    let demo = Demo::start_edited(DemoOptions { env, ..DemoOptions::default() }, |c| {
        let place = dir.path().display();
        let seal = format!(
            "\n[entity.seal]\nxades = true\nkey = \"{place}/seal.key\"\ncertificate = \"{place}/seal.pem\"\n"
        );
        let time = format!(
            "\n[timestamp]\nurl = \"{}\"\nca = \"{}\"\nevery = \"0 seconds\"\n",
            tsa.url,
            tsa.ca().display()
        );
        c.replace("\n[entity.seal]\n", &seal).replace("\n[timestamp]\n", &time)
    })?;
    let id = Place::new(&demo, "alice")?.send(&[BOB], &Mail::new(&[BOB], "Sceau d'ailleurs").bytes())?;
    wait_for_deposit(&demo, BOB, &id)?;
    let trust = demo.dir.join("trust.pem");
    let roots = [demo.about.ca.clone(), tsa.ca(), dir.path().join("issuer.pem")];
    std::fs::write(&trust, roots.iter().map(std::fs::read_to_string).collect::<Result<String, _>>()?)?;
    let verify = |file: &Path| -> Result<String> {
        let output = Command::new(binary()?)
            .args(["proof", "verify"])
            .arg(file)
            .arg("--trust")
            .arg(&trust)
            .output()?;
        let text = said(&output);
        ensure!(text.lines().last() == Some("VALID"), "{text}");
        Ok(text)
    };
    // Nobody waits for an issuer: valid, with its timestamps alone.
    let early = export(&demo, &id, "early.asice", &[])?;
    ensure!(!verify(&early)?.contains("with revocation values"));
    all_agree(&early, &trust)?;
    responder.be_down(false);
    let begun = Instant::now();
    let complete = loop {
        let file = export(&demo, &id, "complete.asice", &[])?;
        let text = verify(&file)?;
        if text.contains("external time: ")
            && text.contains("META-INF/signature001.p7s: sealed by CN=Elsewhere-seal")
            && text.contains(", with revocation values")
            && !text.contains("nothing here says whether")
        {
            break file;
        }
        ensure!(begun.elapsed() < Duration::from_secs(90), "{text}");
        std::thread::sleep(Duration::from_secs(1));
    };
    let names = must("unzip", &["-Z1", &complete.to_string_lossy()])?;
    for name in [
        "evidence/01-SubmissionAcceptance.xades",
        "revocation/crl-1.crl",
        "revocation/crl-2.crl",
        "revocation/ocsp-1.ors",
    ] {
        ensure!(names.lines().any(|l| l == name), "{name} is not in {names}");
    }
    all_agree(&complete, &trust)?;
    damage(&demo, &complete, &trust, |_, name| {
        name.starts_with("revocation/crl-2")
            || name.ends_with(".ors")
            || name.ends_with(".xades")
            || name.ends_with("signature001.p7s")
    })
}

#[test]
fn the_script_is_clean() -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib/verify-proof");
    must("shellcheck", &["-s", "sh", &script.to_string_lossy()]).map(drop)
}
