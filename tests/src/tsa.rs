//! An external time authority: `openssl ts -reply` behind a small HTTP server, honest or not; it has its root's
//! revocation list too.

use crate::tools::must;
use anyhow::{Context, Result, ensure};
use sealpost_certs::{Authority, FileSigner, TimeAuthority};
use sealpost_envelope::{Clock, SystemClock};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How the authority behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Answers as it should.
    Honest,
    /// Closes every connection.
    Down,
    /// Takes longer than anyone waits.
    Slow,
    /// Dates another digest.
    WrongImprint,
    /// Answers another request.
    WrongNonce,
    /// Signs under a root that nobody named.
    WrongChain,
    /// Signs with a certificate that is not for time-stamping alone.
    WrongUsage,
    /// Is a day ahead.
    DayOff,
    /// Says that it does not know the time better than an hour.
    Vague,
    /// Sends a page.
    Page,
}

/// A running authority.
pub struct Tsa {
    /// Where it answers.
    pub url: String,
    dir: PathBuf,
    manner: Arc<Mutex<Manner>>,
    answered: Arc<AtomicUsize>,
    _dir: tempfile::TempDir,
}

impl Tsa {
    /// Makes its certificates and starts it.
    pub fn start() -> Result<Self> {
        let temporary = tempfile::tempdir()?;
        let dir = temporary.path().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0")?;
        prepare(&dir, listener.local_addr()?.port())?;
        let url = format!("http://127.0.0.1:{}/tsr", listener.local_addr()?.port());
        let (manner, answered) = (Arc::new(Mutex::new(Manner::Honest)), Arc::new(AtomicUsize::new(0)));
        let (place, how, count) = (dir.clone(), manner.clone(), answered.clone());
        std::thread::spawn(move || {
            for (n, stream) in listener.incoming().flatten().enumerate() {
                let manner = *how.lock().expect("nobody panics with it");
                let (place, count) = (place.clone(), count.clone());
                std::thread::spawn(move || {
                    if serve(stream, &place, manner, n).is_ok() && manner == Manner::Honest {
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        Ok(Self { url, dir, manner, answered, _dir: temporary })
    }

    /// Its root, PEM.
    pub fn ca(&self) -> PathBuf {
        self.dir.join("root.pem")
    }

    /// Behaves otherwise from now on.
    pub fn be(&self, manner: Manner) {
        *self.manner.lock().expect("nobody panics with it") = manner;
    }

    /// Honest answers so far.
    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }
}

/// Roots and signers: the real one, one of another root, one for everything.
fn prepare(dir: &Path, port: u16) -> Result<()> {
    let path = |name: &str| dir.join(name).to_string_lossy().into_owned();
    let tsu = format!(
        "keyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping\n\
         crlDistributionPoints=URI:http://127.0.0.1:{port}/root.crl\n"
    );
    for (name, extensions) in [
        ("tsu", tsu.as_str()),
        ("ca", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"),
        // RFC 3161 §2.3 wants the usage alone.
        (
            "both",
            "keyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping,emailProtection\n",
        ),
    ] {
        std::fs::write(dir.join(format!("{name}.ext")), extensions)?;
    }
    for (root, leaves) in
        [("root", &[("tsu", "tsu"), ("both", "both")][..]), ("other", &[("stranger", "tsu")][..])]
    {
        let (key, pem) = (path(&format!("{root}.key")), path(&format!("{root}.pem")));
        new_key(&key)?;
        let subject = format!("/O=Horodatage de test/CN={root}");
        must("openssl", &["req", "-new", "-key", &key, "-subj", &subject, "-out", &path("r.csr")])?;
        must(
            "openssl",
            &[
                "x509",
                "-req",
                "-in",
                &path("r.csr"),
                "-signkey",
                &key,
                "-days",
                "3650",
                "-extfile",
                &path("ca.ext"),
                "-out",
                &pem,
            ],
        )?;
        for (leaf, kind) in leaves {
            let own = path(&format!("{leaf}.key"));
            new_key(&own)?;
            must(
                "openssl",
                &["req", "-new", "-key", &own, "-subj", &format!("/CN={leaf}"), "-out", &path("r.csr")],
            )?;
            must(
                "openssl",
                &[
                    "x509",
                    "-req",
                    "-in",
                    &path("r.csr"),
                    "-CA",
                    &pem,
                    "-CAkey",
                    &key,
                    "-CAcreateserial",
                    "-days",
                    "3000",
                    "-extfile",
                    &path(&format!("{kind}.ext")),
                    "-out",
                    &path(&format!("{leaf}.pem")),
                ],
            )?;
        }
    }
    Ok(())
}

fn new_key(path: &str) -> Result<()> {
    must("openssl", &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path])
        .map(drop)
}

fn serve(stream: TcpStream, dir: &Path, manner: Manner, n: usize) -> Result<()> {
    if manner == Manner::Down {
        return Ok(());
    }
    let mut reader = BufReader::new(stream.try_clone()?);
    let query = read_query(&mut reader)?;
    if query.is_empty() {
        let root = Authority::load(&dir.join("root.key"), &dir.join("root.pem"))?;
        return answer(stream, "application/pkix-crl", &root.issue_crl(&[], SystemClock.now())?);
    }
    if manner == Manner::Slow {
        std::thread::sleep(Duration::from_secs(4));
    }
    let (kind, body) = match manner {
        Manner::Page => ("text/html", b"<html>Captive portal</html>".to_vec()),
        _ => ("application/timestamp-reply", reply(dir, query, manner, n)?),
    };
    answer(stream, kind, &body)
}

/// One HTTP answer.
pub(crate) fn answer(mut stream: TcpStream, kind: &str, body: &[u8]) -> Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    Ok(stream.write_all(body)?)
}

/// The body of a request; empty where there is none.
pub(crate) fn read_query(reader: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        ensure!(reader.read_line(&mut line)? > 0, "the head is cut");
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    let mut query = vec![0; length];
    reader.read_exact(&mut query)?;
    Ok(query)
}

fn reply(dir: &Path, mut query: Vec<u8>, manner: Manner, n: usize) -> Result<Vec<u8>> {
    // RFC 3161 §2.4.1: the digest is OCTET STRING of 32, the nonce the INTEGER behind it.
    let digest = query.windows(2).position(|w| w == [0x04, 32]).context("no SHA-256 in the query")? + 2;
    match manner {
        Manner::WrongImprint => query[digest] ^= 1,
        Manner::WrongNonce => query[digest + 32 + 4] ^= 1,
        _ => {}
    }
    if manner == Manner::WrongUsage {
        // `openssl ts` refuses to sign with such a certificate.
        let signer = FileSigner::load(&dir.join("both.key"), &dir.join("both.pem"))?;
        return Ok(TimeAuthority::new(Arc::new(signer), Arc::new(SystemClock)).reply(&query)?);
    }
    let signer = match manner {
        Manner::WrongChain => "stranger",
        _ => "tsu",
    };
    let place = dir.display();
    let accuracy = if manner == Manner::Vague { "secs:3600" } else { "secs:1, millisecs:500" };
    let configuration = format!(
        "[tsa]\ndefault_tsa = t\n[t]\nserial = {place}/serial-{n}\ncrypto_device = builtin\nsigner_cert = {place}/{signer}.pem\n\
         signer_key = {place}/{signer}.key\nsigner_digest = sha256\ndefault_policy = 1.2.3.4.1\ndigests = sha256\n\
         accuracy = {accuracy}\nordering = no\ntsa_name = yes\ness_cert_id_chain = no\ness_cert_id_alg = sha256\n\
         clock_precision_digits = 3\n"
    );
    let (file, asked) = (dir.join(format!("{n}.cnf")), dir.join(format!("{n}.tsq")));
    std::fs::write(&file, configuration)?;
    std::fs::write(dir.join(format!("serial-{n}")), format!("{:02X}", n % 200 + 1))?;
    std::fs::write(&asked, &query)?;
    let (file, asked) = (file.to_string_lossy(), asked.to_string_lossy());
    let mut command = Command::new(if manner == Manner::DayOff { "faketime" } else { "openssl" });
    if manner == Manner::DayOff {
        command.args(["-f", "+1d", "openssl"]);
    }
    let command = command.args(["ts", "-reply", "-config", &file, "-queryfile", &asked]);
    let output = command.stderr(Stdio::piped()).output().context("run openssl ts")?;
    ensure!(output.status.success(), "openssl ts: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}
