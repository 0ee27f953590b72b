//! Seals with other keys: RSA of the built-in authority, keys of another authority in PKCS#12, a key in a token.

use anyhow::{Context, Result, ensure};
use sealpost_tests::Demo;
use sealpost_tests::demo::{DemoOptions, binary};
use sealpost_tests::mail::{File, Mail};
use sealpost_tests::sending::Place;
use sealpost_tests::tools::{must, run, wait_for_raw};
use std::path::{Path, PathBuf};
use std::process::Command;

const BOB: &str = "bob@example.test";

/// A demonstration with these lines under `[entity.seal]`.
fn demo(lines: &str, env: &[(&str, String)]) -> Result<Demo> {
    let env = env.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
    let options = DemoOptions { env, ..DemoOptions::default() };
    Demo::start_edited(options, |c| c.replace("\n[entity.seal]\n", &format!("\n[entity.seal]\n{lines}\n")))
}

fn send(demo: &Demo, mail: Mail) -> Result<(String, Vec<u8>)> {
    let id = Place::new(demo, "alice")?.send(&[BOB], &mail.bytes())?;
    let raw = wait_for_raw(demo, BOB, &|m| m.contains(&id))?;
    Ok((id, raw))
}

/// `openssl cms -verify` of a mail as it lies in the mailbox; the signer's certificate as text.
fn smime(dir: &Path, raw: &[u8], ca: &Path, address: &str) -> Result<String> {
    let path = |name: &str| dir.join(name).to_string_lossy().into_owned();
    std::fs::write(path("mail.eml"), raw)?;
    let ca = ca.to_string_lossy();
    must(
        "openssl",
        &[
            "cms",
            "-verify",
            "-in",
            &path("mail.eml"),
            "-CAfile",
            &ca,
            "-verify_email",
            address,
            "-out",
            "/dev/null",
            "-signer",
            &path("signer.pem"),
        ],
    )?;
    must("openssl", &["x509", "-in", &path("signer.pem"), "-noout", "-text"])
}

/// A proof that must be valid under these roots; the signer of its manifest as text.
fn proof(demo: &Demo, id: &str, roots: &[&Path]) -> Result<String> {
    let file = demo.dir.join(format!("{id}.asice"));
    demo.sealpost(&["proof", "export", id, "-o", &file.to_string_lossy(), "--wait"])?;
    let (trust, said) = verify(&file, roots)?;
    ensure!(said.lines().last() == Some("VALID"), "{said}");
    ensure!(said.contains("META-INF/signature001.p7s: OpenSSL agrees"), "{said}");
    let path = |name: &str| demo.dir.join(name).to_string_lossy().into_owned();
    for (member, name) in [("META-INF/signature001.p7s", "s.p7s"), ("META-INF/ASiCManifest001.xml", "m.xml")]
    {
        std::fs::write(path(name), run("unzip", &["-p", &file.to_string_lossy(), member])?.stdout)?;
    }
    must(
        "openssl",
        &[
            "cms",
            "-verify",
            "-cades",
            "-binary",
            "-inform",
            "DER",
            "-in",
            &path("s.p7s"),
            "-content",
            &path("m.xml"),
            "-CAfile",
            &trust.to_string_lossy(),
            "-out",
            "/dev/null",
            "-signer",
            &path("signer.pem"),
        ],
    )?;
    must("openssl", &["x509", "-in", &path("signer.pem"), "-noout", "-text"])
}

fn verify(file: &Path, roots: &[&Path]) -> Result<(PathBuf, String)> {
    let trust = file.with_extension("trust.pem");
    let pem: String = roots.iter().map(std::fs::read_to_string).collect::<Result<_, _>>()?;
    std::fs::write(&trust, pem)?;
    let output =
        Command::new(binary()?).args(["proof", "verify"]).arg(file).arg("--trust").arg(&trust).output()?;
    Ok((trust, String::from_utf8(output.stdout)?))
}

/// A certificate authority that is not ours, with a seal and a mail certificate.
struct Foreign {
    dir: tempfile::TempDir,
}

impl Foreign {
    fn new() -> Result<Self> {
        let foreign = Self { dir: tempfile::tempdir()? };
        foreign.key("root", "rsa:3072")?;
        foreign.issue(
            "root",
            "root",
            "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n",
        )?;
        Ok(foreign)
    }
    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_string_lossy().into_owned()
    }
    fn root(&self) -> PathBuf {
        self.dir.path().join("root.pem")
    }
    fn key(&self, name: &str, kind: &str) -> Result<()> {
        let (algorithm, size) = kind.split_once(':').context("kind")?;
        let option = if algorithm == "rsa" {
            format!("rsa_keygen_bits:{size}")
        } else {
            format!("ec_paramgen_curve:{size}")
        };
        must(
            "openssl",
            &[
                "genpkey",
                "-algorithm",
                algorithm,
                "-pkeyopt",
                &option,
                "-out",
                &self.path(&format!("{name}.key")),
            ],
        )?;
        Ok(())
    }
    fn issue(&self, name: &str, by: &str, extensions: &str) -> Result<()> {
        let (key, pem, csr, ext) = (
            self.path(&format!("{name}.key")),
            self.path(&format!("{name}.pem")),
            self.path("r.csr"),
            self.path("ext"),
        );
        std::fs::write(&ext, extensions)?;
        must(
            "openssl",
            &[
                "req",
                "-new",
                "-key",
                &key,
                "-subj",
                &format!("/O=Autorité étrangère/CN={name}"),
                "-utf8",
                "-out",
                &csr,
            ],
        )?;
        let (ca, ca_key) = (self.path(&format!("{by}.pem")), self.path(&format!("{by}.key")));
        let signing = match name == by {
            true => vec!["-signkey", &key],
            false => vec!["-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial"],
        };
        let base = ["x509", "-req", "-in", &csr, "-days", "800", "-extfile", &ext, "-out", &pem];
        must("openssl", &[&base[..], &signing].concat())?;
        Ok(())
    }
    fn pkcs12(&self, name: &str) -> Result<String> {
        let (key, pem, root, out) = (
            self.path(&format!("{name}.key")),
            self.path(&format!("{name}.pem")),
            self.path("root.pem"),
            self.path(&format!("{name}.p12")),
        );
        must(
            "openssl",
            &[
                "pkcs12",
                "-export",
                "-inkey",
                &key,
                "-in",
                &pem,
                "-certfile",
                &root,
                "-passout",
                "pass:geheim",
                "-out",
                &out,
            ],
        )?;
        Ok(out)
    }
}

const SEAL: &str = "keyUsage=critical,digitalSignature,nonRepudiation\n";

#[test]
fn rsa_keys_of_the_built_in_authority_seal_evidence_and_mail() -> Result<()> {
    let demo = demo("algorithm = \"rsa3072\"", &[])?;
    let ca = demo.about.ca.clone();
    let (id, raw) = send(&demo, Mail::new(&[BOB], "sealed by RSA"))?;
    let signer = smime(&demo.dir, &raw, &ca, "alice@sealpost.test")?;
    ensure!(signer.contains("(3072 bit)"), "{signer}");
    let sealed = proof(&demo, &id, &[&ca])?;
    ensure!(sealed.contains("(3072 bit)"), "{sealed}");
    let verified = demo.sealpost(&["journal", "verify"])?;
    ensure!(verified.lines().last() == Some("VALID"), "{verified}");
    Ok(())
}

#[test]
fn keys_of_another_authority_are_brought_in_pkcs12() -> Result<()> {
    let foreign = Foreign::new()?;
    foreign.key("seal", "rsa:3072")?;
    foreign.issue("seal", "root", SEAL)?;
    foreign.key("post", "EC:P-384")?;
    let mail = "keyUsage=critical,digitalSignature\nextendedKeyUsage=emailProtection\nsubjectAltName=email:seal@sealpost.test\n";
    foreign.issue("post", "root", mail)?;
    std::fs::write(foreign.path("password"), "geheim\n")?;
    let password = foreign.path("password");
    let lines = format!(
        "key = \"{}\"\npassword = \"file:{password}\"\nmail_key = \"{}\"\nmail_password = \"file:{password}\"",
        foreign.pkcs12("seal")?,
        foreign.pkcs12("post")?
    );
    let mut demo = demo(&lines, &[])?;
    let ca = demo.about.ca.clone();
    let (id, raw) = send(&demo, Mail::new(&[BOB], "[secure] behind a link").file(File::noise("a.bin", 100)))?;
    // The notification is ours, and so is its certificate: the one that was brought.
    let signer = smime(&demo.dir, &raw, &foreign.root(), "seal@sealpost.test")?;
    ensure!(signer.contains("secp384r1"), "{signer}");
    let sealed = proof(&demo, &id, &[&ca, &foreign.root()])?;
    ensure!(sealed.contains("(3072 bit)") && sealed.contains("CN = seal"), "{sealed}");
    let (_, said) = verify(&demo.dir.join(format!("{id}.asice")), &[&ca])?;
    ensure!(said.lines().last() == Some("INVALID"), "its own root must be trusted: {said}");
    // What cannot seal is found by `check`, which names the setting.
    demo.terminate()?;
    foreign.issue("seal", "root", "keyUsage=critical,digitalSignature\n")?;
    foreign.pkcs12("seal")?;
    let output = demo.sealpost_raw(&["check"])?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.code() == Some(1)
            && said.contains("`entity.seal.key`")
            && said.contains("nonRepudiation"),
        "{said}"
    );
    std::fs::write(&password, "wrong\n")?;
    let output = demo.sealpost_raw(&["check"])?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.code() == Some(1) && said.contains("password does not open"), "{said}");
    Ok(())
}

#[test]
fn a_key_in_a_token_seals_and_its_absence_heals() -> Result<()> {
    let foreign = Foreign::new()?;
    foreign.key("seal", "rsa:3072")?;
    foreign.issue("seal", "root", SEAL)?;
    let (tokens, away) = (foreign.dir.path().join("tokens"), foreign.dir.path().join("away"));
    std::fs::create_dir(&tokens)?;
    std::fs::write(foreign.path("softhsm.conf"), format!("directories.tokendir = {}\n", tokens.display()))?;
    let token = |args: &[&str]| -> Result<()> {
        let output = Command::new("softhsm2-util")
            .args(args)
            .env("SOFTHSM2_CONF", foreign.path("softhsm.conf"))
            .output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    };
    token(&["--init-token", "--free", "--label", "Coffre", "--so-pin", "1234", "--pin", "5678"])?;
    let key = foreign.path("seal.key");
    token(&["--import", &key, "--token", "Coffre", "--label", "seal", "--id", "a1", "--pin", "5678"])?;
    std::fs::remove_file(&key)?;
    std::fs::write(foreign.path("pin"), "5678\n")?;
    let lines = format!(
        "key = \"pkcs11:token=Coffre;object=seal?module-path=/usr/lib/softhsm/libsofthsm2.so\"\ncertificate = \"{}\"\n\
         password = \"file:{}\"",
        foreign.path("seal.pem"),
        foreign.path("pin")
    );
    let demo = demo(&lines, &[("SOFTHSM2_CONF", foreign.path("softhsm.conf"))])?;
    let roots = [demo.about.ca.clone(), foreign.root()];
    let roots: Vec<&Path> = roots.iter().map(PathBuf::as_path).collect();
    let (id, _) = send(&demo, Mail::new(&[BOB], "sealed by the token"))?;
    let sealed = proof(&demo, &id, &roots)?;
    ensure!(sealed.contains("CN = seal"), "{sealed}");
    // Taken out: mail goes on, its evidence waits.
    std::fs::rename(&tokens, &away)?;
    std::fs::create_dir(&tokens)?;
    let (waiting, _) = send(&demo, Mail::new(&[BOB], "while the token is away"))?;
    let file = demo.dir.join("early.asice");
    let early = demo.sealpost_raw(&["proof", "export", &waiting, "-o", &file.to_string_lossy()])?;
    let said = String::from_utf8_lossy(&early.stderr).into_owned();
    ensure!(early.status.code() == Some(1) && said.contains("not complete yet"), "{said}");
    // Put back: nobody restarts anything.
    std::fs::remove_dir(&tokens)?;
    std::fs::rename(&away, &tokens)?;
    proof(&demo, &waiting, &roots)?;
    Ok(())
}
